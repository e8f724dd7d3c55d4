/* What both threads of the watchdog are started and wait by. */
#include "launch/process/watchdog_private.h"
#include "runtime/thread.h"

#include <string.h>
#include <time.h>

void un_watchdog_wait(struct un_watchdog *w, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    long ns = until.tv_nsec + (long)((seconds - (double)(time_t)seconds) * 1e9);
    until.tv_sec += (time_t)seconds + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

enum { STACK = 512 << 10 }; /* with much to spare; the default is 8 MiB, which a memory limit may not leave */

enum un_status un_watchdog_thread(pthread_t *thread, void *(*run)(void *), struct un_watchdog *w) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    int failed = un_thread_start(thread, &attributes, run, w);
    pthread_attr_destroy(&attributes);
    if (!failed) return UN_OK;
    return un_fail(
        UN_MEMORY,
        "watchdog: no thread, without which no run starts (%s): a limit of memory (ulimit -v) or of "
        "processes (ulimit -u) is too low",
        strerror(failed));
}
