/* Patience with a file system that fails for a while: a bounded number of tries with growing pauses, and
 * opening a file anew in place of a descriptor that many threads use. */
#ifndef UN_IO_DISK_PATIENCE_H
#define UN_IO_DISK_PATIENCE_H

#include "runtime/status.h"

struct un_patience {
    int tries, done;
    double waited; /* seconds */
    char text[64];
};

/* tries >= 1: the first one is under way. */
struct un_patience un_patience_begin(int tries);
/* Sleeps 0.2, 0.4, 0.8 ... at most 15 seconds before another try; false, at once, when there is none left. */
bool un_patience_wait(struct un_patience *p);
/* " (tried 6 times in 6.2 s)", "" for one try. */
const char *un_patience_text(struct un_patience *p);
/* As pread, but whole unless the file ends, and tried as often. -1: errno says why. */
int64_t un_patience_pread(const char *path, int fd, void *out, size_t bytes, int64_t at, int tries);
/* Puts a newly opened `path` in the place of descriptor `fd`, whose number stays. A file that cannot be
 * opened now leaves fd as it is; another file (size or time of change differ from what fd shows) is UN_IO:
 * rows would come from two versions. */
enum un_status un_patience_reopen(const char *path, int fd);

#endif
