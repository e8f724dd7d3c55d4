/* Checkpoints when the process or the disk gives out in the middle of a save. */
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "tests/support/checkpoint_case.h"
#include "tests/support/expect.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 1100, KILLS = 30, SKIPPED = 77 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sleep_for(double seconds) {
    nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}, NULL);
}

/* The child: saves step after step (every fourth a second time) and tells the number of each one that is
 * done. */
static void save_forever(struct checkpoint_case *k, int64_t step, int out) {
    for (;; ++step)
        for (int again = 0; again <= (step % 4 == 0); ++again) {
            case_fill(k, step);
            if (case_write(case_comm, case_run, 2, 0, k) != UN_OK) {
                fprintf(stderr, "the saver failed: %s\n", un_error_get()->text);
                _exit(1);
            }
            if (write(out, &step, sizeof step) != sizeof step) _exit(1);
        }
}

/* Kills a saver after `seconds`; returns the last step it told, or `first - 1`. */
static int64_t kill_a_saver(struct checkpoint_case *k, int64_t first, double seconds) {
    int ends[2], how;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* cmocka's handlers would go on with its tests */
        signal(SIGABRT, SIG_DFL);
        alarm(30);
        close(ends[0]);
        save_forever(k, first, ends[1]);
    }
    close(ends[1]);
    sleep_for(seconds);
    kill(pid, SIGKILL);
    waitpid(pid, &how, 0);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    int64_t told = first - 1;
    for (int64_t step; read(ends[0], &step, sizeof step) == sizeof step;) told = step;
    close(ends[0]);
    return told;
}

static void test_killed_while_saving(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_open(&k, ROWS, 0, 1);
    double start = now();
    case_fill(&k, 0);
    expect_ok(case_write(case_comm, case_run, 2, 0, &k));
    double one = now() - start;
    int64_t step = 0, within = 0;
    for (int i = 0; i < KILLS; ++i) {
        double after = 3 * one * un_rng_unit(un_rng(3, UN_RNG_TEST, 0, 0, 0, (uint32_t)i).v[0]);
        int64_t told = kill_a_saver(&k, step + 1, after);
        char partial[1024];
        snprintf(partial, sizeof partial, "%s/ckpt/step_%08lld.partial", case_run, (long long)told + 1);
        within += access(partial, F_OK) == 0;
        expect_ok(un_checkpoint_resume(case_comm, case_run, "auto", &k.c, case_found, sizeof case_found));
        assert_true(access(partial, F_OK) != 0);
        case_poison(&k);
        expect_ok(un_checkpoint_load(case_comm, case_found, &k.c));
        assert_int_equal(case_wrong(&k), 0);
        /* At most the word about a finished save was lost with the process. */
        if (k.c.step != told && k.c.step != told + 1)
            fail_msg("found step %lld after %lld was told", (long long)k.c.step, (long long)told);
        step = k.c.step;
    }
    print_message(
        "%d kills, %lld of them left a half-written step; the last step was %lld; a save took %.1f ms\n",
        KILLS, (long long)within, (long long)step, one * 1e3);
    assert_true(within > 0 && step > 0); /* else the kills came at the wrong times and showed nothing */
    case_close(&k);
}

/* A traced child and its threads: goes on with `thread`; a signal that was meant for it is handed on. */
static void go_on(pid_t thread, int how) {
    int number = WSTOPSIG(how);
    bool ours = number == SIGSTOP || (number & ~0x80) == SIGTRAP; /* of tracing, or a new thread's first */
    ptrace(PTRACE_SYSCALL, thread, NULL, ours ? 0 : number);
}

/* Saves in a child that is killed when it, or its writer's thread, enters the n-th call into the system of
 * both. false: it had finished before; SKIPPED in *how: nobody may trace here. */
static bool kill_at_call(struct checkpoint_case *k, int64_t step, int64_t n, int *how) {
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(SKIPPED);
        raise(SIGSTOP);
        case_fill(k, step);
        _exit(case_write(case_comm, case_run, 2, 0, k) == UN_OK ? 0 : 1);
    }
    waitpid(pid, how, 0);
    if (!WIFSTOPPED(*how)) return false;
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    ptrace(PTRACE_SETOPTIONS, pid, NULL, options);
    pid_t thread = pid;
    for (int64_t stops = 0;;) { /* entry and exit of a call are a stop each */
        if (WIFSTOPPED(*how)) {
            stops += WSTOPSIG(*how) == (SIGTRAP | 0x80);
            if (stops == 2 * n - 1) {
                kill(pid, SIGKILL);
                while (waitpid(-1, how, __WALL) != pid || WIFSTOPPED(*how)) continue;
                return true;
            }
            go_on(thread, *how);
        } else if (thread == pid) {
            return false;
        }
        thread = waitpid(-1, how, __WALL);
    }
}

/* From steps 1 and 2 on, `step` is saved and killed at every call in turn: 2 or `step` must be found, and be
 * right. Returns the number of calls. */
static int64_t kill_at_every_call(struct checkpoint_case *k, int64_t step) {
    int how = 0;
    for (int64_t n = 1;; ++n) {
        case_remove_tree(case_run);
        case_save(k, 1, 0);
        case_save(k, 2, 0);
        if (!kill_at_call(k, step, n, &how)) {
            if (WIFEXITED(how) && WEXITSTATUS(how) == SKIPPED) return 0;
            assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
            case_expect_newest(k, step);
            return n - 1;
        }
        case_find(k, "auto");
        case_poison(k);
        expect_ok(un_checkpoint_load(case_comm, case_found, &k->c));
        if (k->c.step != 2 && k->c.step != step)
            fail_msg("call %lld: step %lld", (long long)n, (long long)k->c.step);
        assert_int_equal(case_wrong(k), 0);
    }
}

static void test_killed_at_every_call(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_open(&k, 3, 0, 1);
    int64_t new_step = kill_at_every_call(&k, 3), same_step = new_step ? kill_at_every_call(&k, 2) : 0;
    case_close(&k);
    if (!new_step) {
        print_message("skipped: processes may not be traced here\n");
        skip();
    }
    print_message("killed at each of %lld calls of a save and of %lld of one that replaces its step\n",
                  (long long)new_step, (long long)same_step);
    assert_true(new_step > 20 && same_step > 20);
}

/* With little room: either the save succeeds, or it says why, leaves nothing, and the older one is still
 * good. Returns 1 when it failed so, 0 when it succeeded, -1 for anything else. */
static int save_with_little_room(const char *run_dir, struct checkpoint_case *k, const char *reason) {
    char partial[1024];
    enum un_status status;
    case_fill(k, 2);
    enum un_status saved = case_write(case_comm, run_dir, 0, 0, k);
    const char *text = un_error_get()->text;
    if (saved != UN_OK && (saved != UN_IO || !strstr(text, run_dir) || !strstr(text, reason))) {
        fprintf(stderr, "status %d: %s\n", (int)saved, text);
        return -1;
    }
    un_error_clear();
    snprintf(partial, sizeof partial, "%s/ckpt/step_00000002.partial", run_dir);
    if (access(partial, F_OK) == 0) return -1;
    case_poison(k);
    UN_TRY_GOTO(un_checkpoint_resume(case_comm, run_dir, "auto", &k->c, case_found, sizeof case_found), out);
    UN_TRY_GOTO(un_checkpoint_load(case_comm, case_found, &k->c), out);
out:
    if (status == UN_OK && case_wrong(k) == 0 && k->c.step == (saved == UN_OK ? 2 : 1)) return saved != UN_OK;
    fprintf(stderr, "after a failed save: step %lld, %s\n", (long long)k->c.step, un_error_get()->text);
    return -1;
}

/* In a mount namespace of its own, so that nothing stays mounted whatever happens. Exit code 0: all well. */
static int disk_full_child(void *context) {
    struct checkpoint_case *k = context;
    int failed = 0, succeeded = 0;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return SKIPPED;
    case_remove_tree(case_run);
    mkdir(case_run, 0777);
    const int64_t one = 3 * k->params.total * (int64_t)sizeof(float);
    for (int64_t room = one + 65536 + 32768; room < 2 * one + 262144;
         room += room < 2 * one ? one / 12 : 16384) {
        char size[32];
        snprintf(size, sizeof size, "size=%lld", (long long)room);
        if (mount("tmpfs", case_run, "tmpfs", 0, size) != 0) return SKIPPED;
        case_fill(k, 1);
        if (case_write(case_comm, case_run, 0, 0, k) != UN_OK) {
            fprintf(stderr, "first save in %lld bytes: %s\n", (long long)room, un_error_get()->text);
            return 1;
        }
        int how = save_with_little_room(case_run, k, strerror(ENOSPC));
        if (umount(case_run) != 0 || how < 0) return 1;
        failed += how == 1;
        succeeded += how == 0;
    }
    fprintf(stderr, "disks of several sizes: %d saves failed, %d succeeded\n", failed, succeeded);
    return failed >= 10 && succeeded >= 10 ? 0 : 1;
}

static void test_disk_full(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_open(&k, ROWS, 0, 1);
    int how = in_child(disk_full_child, &k, 120);
    case_close(&k);
    if (WIFEXITED(how) && WEXITSTATUS(how) == SKIPPED) {
        print_message("skipped: no small file system can be mounted here (not root)\n");
        skip();
    }
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

static int file_limit_child(void *context) {
    struct checkpoint_case *k = context;
    int failed = 0;
    case_remove_tree(case_run);
    case_fill(k, 1);
    if (case_write(case_comm, case_run, 0, 0, k) != UN_OK) return 1;
    signal(SIGXFSZ, SIG_IGN); /* write then fails with EFBIG */
    const rlim_t limits[] = {0, 100, 700, 5000, 100000, 1000000, RLIM_INFINITY};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; ++i) {
        struct rlimit limit = {limits[i], RLIM_INFINITY};
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
        int how = save_with_little_room(case_run, k, strerror(EFBIG));
        if (how < 0) return 1;
        failed += how == 1;
    }
    return failed == sizeof limits / sizeof *limits - 1 ? 0 : 1;
}

static void test_file_limit(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_open(&k, ROWS, 0, 1);
    int how = in_child(file_limit_child, &k, 60);
    case_close(&k);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

/* Where nothing can be made at all: an error with the path, at once. */
static void test_no_folder(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_fill(&k, 1);
    int fd = open(case_run, O_CREAT | O_WRONLY, 0666); /* a file where the folder should be */
    assert_true(fd >= 0);
    close(fd);
    expect_error(case_write(case_comm, case_run, 0, 0, &k), UN_IO, case_run);
    case_close(&k);
}

int main(void) {
    un_log_set(0, UN_LOG_ERROR);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_while_saving),
                                       cmocka_unit_test(test_killed_at_every_call),
                                       cmocka_unit_test(test_disk_full), cmocka_unit_test(test_file_limit),
                                       cmocka_unit_test(test_no_folder)};
    return cmocka_run_group_tests(tests, case_run_open, case_run_close);
}
