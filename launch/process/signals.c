/* Signals (signals.h). */
#include "launch/process/signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* Written by the handler, so it has to be at file level. */
static volatile sig_atomic_t stop_wanted;

static void handle(int number) {
    if (number == SIGINT && stop_wanted) _exit(128 + SIGINT);
    stop_wanted = 1;
}

void un_signals_install(void) {
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is then an error of write(2), not the end */
}

bool un_signals_stop_wanted(void) {
    return stop_wanted != 0;
}
