/* Preloaded by test_warm.py and test_index.py. Reads of at least UN_TEST_READ_BYTES bytes of .h5 files, not of checkpoints, add a line
 * "PID FILE AT BYTES" to UN_TEST_READS and, behind the first UN_TEST_READ_SKIP of them, take UN_TEST_READ_S seconds more.
 * UN_TEST_MEMINFO stands in for /proc/meminfo. UN_TEST_HIDE: links in /proc of other processes cannot be read, nor those of a process
 * named by its number. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_long reads;

static double number(const char *name) {
    const char *text = getenv(name);
    return text ? strtod(text, NULL) : 0;
}

static void note(int fd, size_t bytes, off_t at) {
    char link[64], path[PATH_MAX], line[PATH_MAX + 128];
    const char *log = getenv("UN_TEST_READS");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = log ? readlink(link, path, sizeof path - 1) : -1;
    if (!log || n < 3 || strncmp(path + n - 3, ".h5", 3) != 0) return;
    path[n] = '\0';
    if (strstr(path, "/ckpt/")) return;
    int to = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int length = snprintf(line, sizeof line, "%d %s %lld %zu\n", (int)getpid(), path, (long long)at, bytes);
    if (to >= 0 && write(to, line, (size_t)length) != length) abort();
    if (to >= 0) close(to);
    bool slow = atomic_fetch_add(&reads, 1) >= (long)number("UN_TEST_READ_SKIP");
    double seconds = slow ? number("UN_TEST_READ_S") : 0;
    nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}, NULL);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t at) {
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pread");
    double least = number("UN_TEST_READ_BYTES");
    if (least > 0 && (double)bytes >= least) note(fd, bytes, at);
    return real(fd, data, bytes, at);
}

ssize_t readlink(const char *path, char *link, size_t bytes) {
    static ssize_t (*real)(const char *, char *, size_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "readlink");
    if (getenv("UN_TEST_HIDE") && strncmp(path, "/proc/", 6) == 0 && path[6] >= '0' && path[6] <= '9') {
        errno = EACCES;
        return -1;
    }
    return real(path, link, bytes);
}

int open(const char *path, int flags, ...) {
    static int (*real)(const char *, int, ...);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "open");
    const char *instead = strcmp(path, "/proc/meminfo") == 0 ? getenv("UN_TEST_MEMINFO") : NULL;
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return real(instead ? instead : path, flags, mode);
}
