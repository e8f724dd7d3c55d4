/* Signals (signals.h). */
#include "launch/process/signals.h"
#include "runtime/memory.h"
#include "runtime/status.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static const struct {
    int number;
    bool may_be_ignored; /* by the starter, who then means it */
} stops[] = {{SIGTERM, false}, {SIGINT, false}, {SIGUSR1, false},
             {SIGUSR2, false}, {SIGHUP, true},  {SIGXCPU, true}};
enum { STOPS = sizeof stops / sizeof *stops };

/* Written by the handler, so it has to be at file level. */
static volatile sig_atomic_t stop_wanted;

static void handle(int number) {
    if (number == SIGINT && stop_wanted) _exit(128 + SIGINT);
    stop_wanted = 1;
}

/* Noted ahead of all constructors, where nothing can hand it over: one of UCX takes SIGHUP for its debugger before main,
 * whoever ignored it. */
static bool ignored_by_starter[STOPS];

static void note_ignored(void) {
    struct sigaction now;
    for (size_t i = 0; i < STOPS; ++i)
        ignored_by_starter[i] = stops[i].may_be_ignored && sigaction(stops[i].number, NULL, &now) == 0 &&
                                now.sa_handler == SIG_IGN;
}

enum { CONSTRUCTORS_SECONDS = 3 }; /* of the processor; they take some hundredths */

/* What the handler says, for it can make no text where the C library's heap may be locked. */
static char too_little[256];

static void end_early(int number) {
    (void)number;
    (void)!write(STDERR_FILENO, too_little, strlen(too_little));
    _exit(UN_MEMORY);
}

/* Libraries may spin for ever before main where addresses are limited: OpenBLAS 0.3.29 takes 128 MiB for itself there,
 * and asks again and again until it gets them. Ahead of all constructors; over with un_begin (begin.h). */
static void watch_constructors(void) {
    char limit[96];
    sigset_t set;
    un_memory_limit(limit, sizeof limit);
    if (limit[0] == '\0') return;
    snprintf(
        too_little, sizeof too_little,
        "error: the libraries want more addresses than there are and do not come to an end (OpenBLAS may "
        "take 128 MiB before the program begins)%s; raise the limit\n",
        limit);
    signal(SIGPROF, end_early);
    sigemptyset(&set);
    sigaddset(&set, SIGPROF);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = CONSTRUCTORS_SECONDS}, NULL);
}

static void constructors_are_over(void) {
    if (too_little[0] == '\0') return;
    setitimer(ITIMER_PROF, &(struct itimerval){0}, NULL);
    signal(SIGPROF, SIG_DFL);
}

static void before_constructors(void) {
    note_ignored();
    watch_constructors();
}
/* One pointer: a table of several would be aligned, and the gap before it called. */
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = before_constructors;

static sigset_t stop_set(void) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < STOPS; ++i) sigaddset(&set, stops[i].number);
    return set;
}

void un_signals_hold(void) {
    constructors_are_over();
    sigset_t set = stop_set();
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM); /* of un_end */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    for (size_t i = 0; i < STOPS; ++i) /* lasts through exec; a handler would not */
        if (ignored_by_starter[i]) signal(stops[i].number, SIG_IGN);
}

void un_signals_unblock(void) {
    constructors_are_over();
    sigset_t set = stop_set();
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void un_signals_install(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < STOPS; ++i)
        if (ignored_by_starter[i])
            signal(stops[i].number, SIG_IGN);
        else
            sigaction(stops[i].number, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is then an error of write(2), not the end */
}

bool un_signals_stop_wanted(void) {
    return stop_wanted != 0;
}
