/* Which version of a file is being read. A file that is written over in place keeps its name and its descriptor, and its
 * readers would get rows of both contents without a word; its size or its time of change tells. */
#ifndef UN_IO_DISK_VERSION_H
#define UN_IO_DISK_VERSION_H

#include "runtime/status.h"

struct un_version {
    int64_t bytes;
    int64_t seconds, nanoseconds; /* of the last change of its content */
};

/* Of an open file, before anything of it is read. */
enum un_status un_version_of(struct un_version *version, const char *path, int fd);
/* Still that version? To be asked after a read: what was read then is of that version. UN_IO names both sizes and how far the
 * time has moved. Where a descriptor cannot say (its server has forgotten it) what was read counts as the old content.
 * Thread-safe. */
enum un_status un_version_check(const struct un_version *version, const char *path, int fd);

#endif
