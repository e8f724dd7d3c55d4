/* Loaded before the program (LD_PRELOAD): fdatasync, which only shards of checkpoints need, sleeps for
 * UN_TEST_SLOW_S seconds first, as a slow or hanging file system would, and adds a byte to the file
 * UN_TEST_SLOW_COUNT. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd) {
    const char *text = getenv("UN_TEST_SLOW_S");
    double seconds = text ? strtod(text, NULL) : 0;
    nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}, NULL);
    const char *count = getenv("UN_TEST_SLOW_COUNT");
    int to = count ? open(count, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (to >= 0 && write(to, "x", 1) != 1) return -1;
    if (to >= 0) close(to);
    return (int)syscall(SYS_fdatasync, fd);
}
