/* What both threads of the watchdog are started and wait by. */
#include "launch/process/watchdog_private.h"

#include <signal.h>
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

/* Signals are the main thread's business. */
enum un_status un_watchdog_thread(pthread_t *thread, void *(*run)(void *), struct un_watchdog *w) {
    sigset_t all, before;
    sigfillset(&all);
    const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof own / sizeof *own; ++i) sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    int failed = pthread_create(thread, &attributes, run, w);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) return UN_OK;
    return un_fail(
        UN_MEMORY,
        "watchdog: no thread, without which no run starts (%s): a limit of memory (ulimit -v) or of "
        "processes (ulimit -u) is too low",
        strerror(failed));
}
