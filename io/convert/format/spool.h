/* Bytes set aside in an unnamed temporary file until they can be put in their place: appended, then read from
 * anywhere. The file goes with the process, however it ends. Not thread-safe. */
#ifndef UN_IO_CONVERT_FORMAT_SPOOL_H
#define UN_IO_CONVERT_FORMAT_SPOOL_H

#include "runtime/status.h"

enum { UN_SPOOL_HELD = 1 << 16 };

struct un_spool {
    const char *beside; /* borrowed, for messages */
    int fd;
    int64_t bytes, held; /* bytes so far, of them still in memory */
    char *buffer;        /* [UN_SPOOL_HELD] */
};
/* In the folder of the file `beside`, which need not be there. UN_IO. */
enum un_status un_spool_open(struct un_spool *spool, const char *beside);
enum un_status un_spool_put(struct un_spool *spool, const void *data, int64_t bytes);
/* Bytes [at, at + bytes), which must have been put. */
enum un_status un_spool_read(struct un_spool *spool, int64_t at, int64_t bytes, void *out);
/* Allowed on a zeroed spool. */
void un_spool_close(struct un_spool *spool);

#endif
