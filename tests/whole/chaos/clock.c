/* A wall clock that jumps (chaos.h): every call is early or late by CHAOS_CLOCK seconds, turn by turn of a fixed pattern. The
 * clock that only runs forward stays as it is. */
#include "chaos.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long jump(void) {
    static atomic_ulong calls;
    const char *text = getenv("CHAOS_CLOCK");
    if (!text) return 0;
    unsigned long n = atomic_fetch_add(&calls, 1) * 2654435761UL >> 7;
    return (long)(n % 3 - 1UL) * atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += jump();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    *now = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out) *out = t.tv_sec;
    return t.tv_sec;
}
