/* Preloaded by test_progress.py: each look at the clock that durations are measured with finds CLOCK_AHEAD ms more gone by, so that work
 * takes long by the number of its steps, however fast the machine is. */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const long second = 1000000000;

int clock_gettime(clockid_t clock, struct timespec *now) {
    static atomic_long looks;
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    const char *text = getenv("CLOCK_AHEAD");
    if (result != 0 || clock != CLOCK_MONOTONIC || !text) return result;
    long ms = atomic_fetch_add(&looks, 1) * atol(text), ns = now->tv_nsec + ms % 1000 * 1000000;
    now->tv_sec += ms / 1000 + ns / second;
    now->tv_nsec = ns % second;
    return 0;
}
