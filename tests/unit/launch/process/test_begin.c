/* What a program may rely on, whoever started it: descriptors, signals, an end in bounded time. Each case is a child. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "launch/process/begin.h"
#include "launch/process/end.h"
#include "launch/process/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const int stops[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU};
enum { STOPS = sizeof stops / sizeof *stops };
static bool ignored_at_start[STOPS]; /* as under nohup; set once by main */

/* The exit code of a child that runs `body`, 128 + the signal that ended it. */
static int in_child(int (*body)(int), int argument) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(body(argument));
    int status = 0, left = 2000; /* 20 s: it may be deaf to all signals but one */
    while (waitpid(pid, &status, WNOHANG) == 0 && left-- > 0) usleep(10000);
    if (left < 0) {
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static bool is_null_device(int fd) {
    struct stat null, here;
    return stat("/dev/null", &null) == 0 && fstat(fd, &here) == 0 && S_ISCHR(here.st_mode) &&
           here.st_rdev == null.st_rdev;
}

/* missing: a bit for each of 0, 1, 2. Returns 0 when all is as it should be. */
static int with_missing(int missing) {
    struct stat before[3], after;
    for (int fd = 0; fd < 3; ++fd) {
        if (fstat(fd, &before[fd]) != 0) return 10;
        if (missing >> fd & 1) close(fd);
    }
    un_begin();
    for (int fd = 0; fd < 3; ++fd) {
        if (fstat(fd, &after) != 0) return 20 + fd;
        bool changed = after.st_dev != before[fd].st_dev || after.st_ino != before[fd].st_ino;
        if (missing >> fd & 1 ? !is_null_device(fd) : changed) return 30 + fd;
        if (missing >> fd & 1 && fd > 0 && write(fd, "x", 1) != 1) return 40 + fd;
    }
    int next = open("/", O_RDONLY);
    return next < 3 ? 50 + next : 0;
}

static void missing_descriptors_are_filled(void **state) {
    (void)state;
    for (int missing = 0; missing < 8; ++missing) assert_int_equal(in_child(with_missing, missing), 0);
}

static int blocked(int number) {
    sigset_t all, now;
    signal(number, SIG_DFL); /* whatever a library made of it before main */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    un_begin();
    sigprocmask(SIG_SETMASK, NULL, &now);
    if (sigismember(&now, number)) return 1;
    if (!sigismember(&now, SIGCHLD)) return 2; /* none of ours */
    raise(number);
    return 3; /* its default is to end the program */
}

static void blocked_signals_are_seen(void **state) {
    (void)state;
    for (int i = 0; i < STOPS; ++i)
        if (!ignored_at_start[i]) assert_int_equal(in_child(blocked, stops[i]), 128 + stops[i]);
}

/* It comes before the program listens, and is kept until it does. */
static int kept(int number) {
    un_begin_held();
    raise(number);
    un_signals_install();
    if (un_signals_stop_wanted()) return 1;
    un_signals_unblock();
    return un_signals_stop_wanted() ? 0 : 2;
}

static void early_signals_are_kept(void **state) {
    (void)state;
    for (int i = 0; i < STOPS; ++i)
        if (!ignored_at_start[i]) assert_int_equal(in_child(kept, stops[i]), 0);
}

static int stopped(int number) {
    un_signals_install();
    if (un_signals_stop_wanted()) return 1;
    raise(number);
    return un_signals_stop_wanted() ? 0 : 2;
}

/* What the starter ignores is known to a new program alone. */
static int ignored(int number) {
    char word[12];
    signal(number, SIG_IGN);
    snprintf(word, sizeof word, "%d", number);
    execl("/proc/self/exe", "test_begin", word, (char *)NULL);
    return 9;
}

/* That program; 0: the wish was not seen. */
static int begun_with(int number) {
    un_signals_install();
    raise(number);
    return un_signals_stop_wanted();
}

static bool ignored_here(int number) {
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static int interrupted_twice(int number) {
    un_signals_install();
    raise(number);
    raise(number);
    return 0;
}

static void signals_ask_for_a_stop(void **state) {
    (void)state;
    for (int i = 0; i < STOPS; ++i) {
        bool may_be_ignored = stops[i] == SIGHUP || stops[i] == SIGXCPU;
        if (!ignored_at_start[i]) assert_int_equal(in_child(stopped, stops[i]), 0);
        assert_int_equal(in_child(ignored, stops[i]), may_be_ignored ? 0 : 1);
        if (ignored_at_start[i]) continue;
        assert_int_equal(in_child(interrupted_twice, stops[i]), stops[i] == SIGINT ? 128 + SIGINT : 0);
    }
    assert_int_equal(in_child(stopped, SIGPIPE), 2); /* outlived, and no wish */
}

static void hang(void) {
    for (;;) pause();
}

/* The clean-up hangs, and the alarm is blocked as by the starter. */
static int ends(int status) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    un_begin();
    atexit(hang);
    un_end_within((enum un_status)status, 1);
}

static void ends_though_libraries_hang(void **state) {
    (void)state;
    assert_int_equal(in_child(ends, UN_MEMORY), UN_MEMORY);
}

int main(int argc, char **argv) {
    if (argc == 2) return begun_with(atoi(argv[1]));
    for (int i = 0; i < STOPS; ++i) ignored_at_start[i] = ignored_here(stops[i]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_descriptors_are_filled), cmocka_unit_test(blocked_signals_are_seen),
        cmocka_unit_test(early_signals_are_kept),         cmocka_unit_test(signals_ask_for_a_stop),
        cmocka_unit_test(ends_though_libraries_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
