/* Threads take no signals but those of their own faults, and who starts them keeps the mask. */
#include "runtime/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void *keep_mask(void *context) {
    pthread_sigmask(SIG_SETMASK, NULL, context);
    return NULL;
}

static void test_mask(void **state) {
    (void)state;
    sigset_t before, thread, after;
    pthread_t id;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(un_thread_start(&id, NULL, keep_mask, &thread), 0);
    assert_int_equal(pthread_join(id, NULL), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    const int others[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGPIPE, SIGALRM};
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i) {
        assert_int_equal(sigismember(&thread, others[i]), 1);
        assert_int_equal(sigismember(&after, others[i]), others[i] == SIGUSR2);
    }
    const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; ++i)
        assert_int_equal(sigismember(&thread, faults[i]), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mask)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
