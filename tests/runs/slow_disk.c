/* Loaded before the program (LD_PRELOAD): fdatasync, which only shards of checkpoints need, sleeps for
 * UN_TEST_SLOW_S seconds first, as a slow or hanging file system would. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd) {
    const char *text = getenv("UN_TEST_SLOW_S");
    double seconds = text ? strtod(text, NULL) : 0;
    nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}, NULL);
    return (int)syscall(SYS_fdatasync, fd);
}
