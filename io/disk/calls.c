/* See calls.h. */
#include "io/disk/calls.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int un_calls_open(const char *path, int flags) {
    int fd;
    do fd = open(path, flags, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int un_calls_fsync(int fd) {
    int failed;
    do failed = fsync(fd);
    while (failed && errno == EINTR);
    return failed;
}

int un_calls_fdatasync(int fd) {
    int failed;
    do failed = fdatasync(fd);
    while (failed && errno == EINTR);
    return failed;
}

int un_calls_ftruncate(int fd, int64_t bytes) {
    int failed;
    do failed = ftruncate(fd, (off_t)bytes);
    while (failed && errno == EINTR);
    return failed;
}

int un_calls_close(int fd) {
    return close(fd) == 0 || errno == EINTR ? 0 : -1;
}
