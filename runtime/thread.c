#include "runtime/thread.h"

#include <signal.h>
#include <stddef.h>

int un_thread_start(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                    void *context) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    sigset_t others, before;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof own / sizeof *own; ++i) sigdelset(&others, own[i]);
    pthread_sigmask(SIG_SETMASK, &others, &before); /* which the new thread inherits */
    int error = pthread_create(thread, attributes, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}
