/* Calls of the system that a signal may interrupt on some file systems (NFS, FUSE) before they have done anything: made
 * again. Their results and errno are those of the calls. */
#ifndef UN_IO_DISK_CALLS_H
#define UN_IO_DISK_CALLS_H

#include <stdint.h>

/* flags may hold O_CREAT: mode 0666. Owner: caller, close. */
int un_calls_open(const char *path, int flags);
int un_calls_fsync(int fd);
int un_calls_fdatasync(int fd);
int un_calls_ftruncate(int fd, int64_t bytes);
/* Not made again: the descriptor is gone whatever close says; interrupted, it counts as done. Errors of what was not synced
 * come out here on some file systems. */
int un_calls_close(int fd);

#endif
