/* Streams that write below the root (chaos.h): glibc's would not come by our calls. */
#include "chaos.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 64 };
static struct {
    FILE *file;
    int fd;
} streams[MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t stream_write(void *cookie, const char *data, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = chaos_write((int)(intptr_t)cookie, data + done, bytes - done);
        if (n < 0) return done ? (ssize_t)done : 0; /* of a cookie, 0 is an error; errno stays */
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static int stream_close(void *cookie) {
    int fd = (int)(intptr_t)cookie;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MOST; ++i)
        if (streams[i].file && streams[i].fd == fd) streams[i].file = NULL;
    pthread_mutex_unlock(&lock);
    return chaos_close(fd);
}

static FILE *stream_on(int fd, const char *mode) {
    FILE *file = fopencookie((void *)(intptr_t)fd, mode,
                             (cookie_io_functions_t){.write = stream_write, .close = stream_close});
    pthread_mutex_lock(&lock);
    for (int i = 0; file && i < MOST; ++i) {
        if (streams[i].file) continue;
        streams[i].file = file;
        streams[i].fd = fd;
        break;
    }
    pthread_mutex_unlock(&lock);
    return file;
}

FILE *fopen(const char *path, const char *mode) {
    static FILE *(*real)(const char *, const char *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fopen");
    if (mode[0] != 'w' || !chaos_inside(path)) return real(path, mode);
    int fd = chaos_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return fd < 0 ? NULL : stream_on(fd, "w");
}

FILE *fdopen(int fd, const char *mode) {
    static FILE *(*real)(int, const char *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fdopen");
    return mode[0] == 'w' && chaos_watched(fd) ? stream_on(fd, "w") : real(fd, mode);
}

int fileno(FILE *file) {
    static int (*real)(FILE *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fileno");
    pthread_mutex_lock(&lock);
    int fd = -1;
    for (int i = 0; i < MOST; ++i)
        if (streams[i].file == file) fd = streams[i].fd;
    pthread_mutex_unlock(&lock);
    return fd >= 0 ? fd : real(file);
}
