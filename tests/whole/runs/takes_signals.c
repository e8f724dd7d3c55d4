/* Preloaded by test_starts.py: a library that takes signals for itself before main, as UCX does with SIGHUP. */
#include <signal.h>
#include <unistd.h>

static void end(int number) {
    _exit(200 + number);
}

__attribute__((constructor)) static void take(void) {
    signal(SIGHUP, end);
    signal(SIGXCPU, end);
}
