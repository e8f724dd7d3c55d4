/* Preloaded into a program under test: reads of some files fail. FLAKY="ending skip times errno": of the
 * reads of files whose name ends so, `skip` succeed, then `times` fail with errno (0: nothing is read, as at
 * the end of a file). While a file's name is gone, its reads fail with ESTALE, as on a network file system. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long reads;

/* -1: the read may go on; else what it fails with. */
static int trouble(int fd) {
    char link[64], path[PATH_MAX], ending[128];
    long skip, times;
    int error;
    const char *order = getenv("FLAKY");
    if (!order || sscanf(order, "%127s %ld %ld %d", ending, &skip, &times, &error) != 4) return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return -1;
    path[n] = '\0';
    char *gone = strstr(path, " (deleted)");
    if (gone) *gone = '\0';
    size_t length = strlen(path), end = strlen(ending);
    if (length < end || strcmp(path + length - end, ending) != 0) return -1;
    if (gone) return ESTALE;
    const char *gate = getenv("FLAKY_GATE");
    if (gate) return access(gate, F_OK) == 0 ? error : -1;
    long k = atomic_fetch_add(&reads, 1);
    return k >= skip && k < skip + times ? error : -1;
}

ssize_t pread(int fd, void *data, size_t bytes, off_t at) {
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pread");
    int error = trouble(fd);
    if (error < 0) return real(fd, data, bytes, at);
    errno = error;
    return error == 0 ? 0 : -1;
}
