/* The writer beside the training, on a file system that hangs when the test wants it to: fdatasync, which
 * only shards need, is defined here. */
#include "io/checkpoint/folder.h"
#include "io/checkpoint/private.h"
#include "io/checkpoint/writer.h"
#include "runtime/clock.h"
#include "runtime/memory.h"
#include "tests/support/checkpoint_case.h"
#include "tests/support/expect.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 1100 };

static atomic_bool hold;
static atomic_int fails_with;
static sigset_t blocked; /* in the thread that syncs */

static void nap(double seconds) {
    nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}, NULL);
}

int fdatasync(int fd) {
    (void)fd;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    while (atomic_load(&hold)) nap(0.005);
    if (atomic_load(&fails_with) == 0) return 0;
    errno = atomic_load(&fails_with);
    return -1;
}

static struct un_checkpoint_writer *open_writer(struct checkpoint_case *k, double timeout) {
    struct un_checkpoint_writer *w;
    struct un_checkpoint_writer_setup setup = {
        .run_dir = case_run, .keep = 2, .timeout = timeout, .checkpoint = &k->c};
    expect_ok(un_checkpoint_writer_open(&w, case_comm, &setup));
    return w;
}

static int exists(int64_t step, bool partial) {
    char path[UN_PATH_MAX];
    expect_ok(un_checkpoint_folder_path(path, case_run, step, partial));
    return access(path, F_OK) == 0;
}

/* The start returns while the disk hangs; states may go on, and nothing counts before the end. */
static void test_beside(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, ROWS, 0, 1);
    case_save(&k, 1, 0);
    struct un_checkpoint_writer *w = open_writer(&k, 60);
    expect_ok(un_checkpoint_writer_wait(w)); /* nothing is under way */
    assert_int_equal(un_checkpoint_writer_busy(w), -1);
    atomic_store(&hold, true);
    case_fill(&k, 2);
    expect_ok(un_checkpoint_writer_start(w));
    assert_int_equal(un_checkpoint_writer_busy(w), 2);
    memset(k.states, 0x77, sizeof k.states);
    k.c.step = 3;
    expect_error(un_checkpoint_writer_start(w), UN_INTERNAL, "under way");
    nap(0.1);
    expect_ok(un_checkpoint_writer_poll(w));
    assert_true(exists(2, true) && !exists(2, false));
    assert_true(un_checkpoint_writer_seconds(w) == 0);
    atomic_store(&hold, false);
    expect_ok(un_checkpoint_writer_wait(w));
    assert_int_equal(un_checkpoint_writer_busy(w), -1);
    double seconds = un_checkpoint_writer_seconds(w);
    assert_true(seconds > 0.1 && seconds < 30 && un_checkpoint_writer_seconds(w) == 0);
    assert_true(!exists(2, true) && exists(2, false));
    assert_true(un_checkpoint_writer_close(w, true));
    case_expect_newest(&k, 2);
    case_close(&k);
}

/* A stop is for the training's thread; a fault of its own the thread takes, so a handler can name it. */
static void test_signals(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, ROWS, 0, 1);
    struct un_checkpoint_writer *w = open_writer(&k, 60);
    case_fill(&k, 2);
    sigemptyset(&blocked);
    expect_ok(un_checkpoint_writer_start(w));
    expect_ok(un_checkpoint_writer_wait(w));
    assert_int_equal(sigismember(&blocked, SIGTERM), 1);
    assert_int_equal(sigismember(&blocked, SIGUSR1), 1);
    assert_int_equal(sigismember(&blocked, SIGBUS), 0);
    assert_true(un_checkpoint_writer_close(w, true));
    case_close(&k);
}

/* Found at the next look; after the wait the next save goes well. */
static void test_failure(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, ROWS, 0, 1);
    case_save(&k, 1, 0);
    struct un_checkpoint_writer *w = open_writer(&k, 60);
    atomic_store(&fails_with, ENOSPC);
    case_fill(&k, 2);
    expect_ok(un_checkpoint_writer_start(w));
    double deadline = un_clock() + 20;
    while (un_checkpoint_writer_poll(w) == UN_OK && un_clock() < deadline) nap(0.005);
    expect_error(un_checkpoint_writer_poll(w), UN_IO, "step_00000002.partial", strerror(ENOSPC));
    atomic_store(&fails_with, 0);
    expect_error(un_checkpoint_writer_wait(w), UN_IO, "step_00000002.partial", strerror(ENOSPC));
    assert_true(!exists(2, true) && !exists(2, false) && exists(1, false));
    case_fill(&k, 3);
    expect_ok(un_checkpoint_writer_start(w));
    expect_ok(un_checkpoint_writer_wait(w));
    assert_true(un_checkpoint_writer_close(w, true));
    case_expect_newest(&k, 3);
    case_close(&k);
}

static void *let_go(void *context) {
    (void)context;
    nap(0.6);
    atomic_store(&hold, false);
    return NULL;
}

static void test_time_out(void **state) {
    (void)state;
    struct checkpoint_case k;
    pthread_t helper;
    case_remove_tree(case_run);
    case_open(&k, ROWS, 0, 1);
    case_save(&k, 1, 0);
    struct un_checkpoint_writer *w = open_writer(&k, 0.4);
    atomic_store(&hold, true);
    case_fill(&k, 2);
    expect_ok(un_checkpoint_writer_start(w));
    pthread_create(&helper, NULL, let_go, NULL);
    nap(0.45);
    expect_error(un_checkpoint_writer_poll(w), UN_IO, "step_00000002.partial", "checkpoint.timeout");
    expect_error(un_checkpoint_writer_wait(w), UN_IO, "step_00000002.partial", "checkpoint.timeout");
    pthread_join(helper, NULL);
    assert_true(!exists(2, true) && !exists(2, false));
    case_fill(&k, 3);
    expect_ok(un_checkpoint_writer_start(w));
    expect_ok(un_checkpoint_writer_wait(w));
    assert_true(un_checkpoint_writer_close(w, true));
    case_expect_newest(&k, 3);
    case_close(&k);
}

/* A thread that never comes back is left behind in bounded time. */
static void test_left_behind(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, ROWS, 0, 1);
    case_save(&k, 1, 0);
    struct un_checkpoint_writer *w = open_writer(&k, 0.2);
    atomic_store(&hold, true);
    case_fill(&k, 2);
    expect_ok(un_checkpoint_writer_start(w));
    double start = un_clock();
    expect_error(un_checkpoint_writer_wait(w), UN_IO, "checkpoint.timeout");
    expect_error(un_checkpoint_writer_start(w), UN_INTERNAL, "under way");
    assert_false(un_checkpoint_writer_close(w, true));
    assert_true(un_clock() - start < 5);
    atomic_store(&hold, false);
    nap(0.1);
    assert_true(un_checkpoint_writer_close(w, true)); /* now it is over */
    case_expect_newest(&k, 1);
    case_close(&k);
}

/* Of two ranks the second one's record does not come, or is that of another start: no checkpoint appears. */
static void test_missing_part(void **state) {
    (void)state;
    struct checkpoint_case k, other;
    char path[UN_PATH_MAX];
    atomic_bool cancel = false;
    case_remove_tree(case_run);
    case_open(&k, ROWS, 0, 2);
    case_open(&other, ROWS, 1, 2);
    struct un_checkpoint_writer *w = open_writer(&k, 0.5);
    case_fill(&k, 2);
    case_fill(&other, 2);
    struct un_checkpoint_part part = {.c = &other.c,
                                      .run_dir = case_run,
                                      .rank = 1,
                                      .nonce = 7,
                                      .cancel = &cancel,
                                      .record = un_alloc(un_checkpoint_record_bytes(&other.c, 1), 1, "test")};
    expect_ok(un_checkpoint_part_write(&part));
    expect_ok(un_checkpoint_record_path(path, case_run, 2, 1));
    assert_true(access(path, F_OK) == 0);
    expect_ok(un_checkpoint_writer_start(w));
    expect_error(un_checkpoint_writer_wait(w), UN_IO, "rank 1", "shard_00001.done", "checkpoint.timeout");
    assert_true(!exists(2, true) && !exists(2, false));
    assert_true(un_checkpoint_writer_close(w, true));
    un_free(part.record);
    case_close(&other);
    case_close(&k);
}

/* Both parts: what an earlier attempt has left in the folder does not get into the checkpoint. */
static void test_strays(void **state) {
    (void)state;
    struct checkpoint_case k;
    char folder[UN_PATH_MAX], stray[UN_PATH_MAX];
    case_remove_tree(case_run);
    case_open(&k, ROWS, 0, 1);
    expect_ok(un_checkpoint_folder_path(folder, case_run, 2, true));
    expect_ok(un_files_make_folder(folder));
    expect_ok(un_files_join(stray, folder, "shard_00007.h5"));
    case_overwrite(stray, "x", 1);
    case_save(&k, 2, 0);
    assert_true(access(case_file(2, "shard_00000.h5"), F_OK) == 0);
    assert_true(access(case_file(2, "shard_00007.h5"), F_OK) != 0);
    assert_true(access(case_file(2, "shard_00000.done"), F_OK) != 0);
    case_expect_newest(&k, 2);
    case_close(&k);
}

/* Closing cancels: the folder goes, older ones stay. */
static void test_cancel(void **state) {
    (void)state;
    struct checkpoint_case k;
    pthread_t helper;
    case_remove_tree(case_run);
    case_open(&k, ROWS, 0, 1);
    case_save(&k, 1, 0);
    struct un_checkpoint_writer *w = open_writer(&k, 60);
    uint64_t live = live_blocks();
    atomic_store(&hold, true);
    case_fill(&k, 2);
    expect_ok(un_checkpoint_writer_start(w));
    pthread_create(&helper, NULL, let_go, NULL);
    assert_true(un_checkpoint_writer_close(w, true));
    pthread_join(helper, NULL);
    assert_true(live_blocks() < live && !exists(2, true));
    un_error_clear();
    case_close(&k);
}

int main(void) {
    un_log_set(0, UN_LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside),      cmocka_unit_test(test_signals),
        cmocka_unit_test(test_failure),     cmocka_unit_test(test_time_out),
        cmocka_unit_test(test_left_behind), cmocka_unit_test(test_missing_part),
        cmocka_unit_test(test_strays),      cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, case_run_open, case_run_close);
}
