/* The number of ranks that wrote a checkpoint and the number that read it do not show in it.
 *
 * Started twice under a launcher: `write DIR` saves into DIR/npN, `read DIR` loads what every number of ranks
 * wrote and compares values and digests; then damage seen by one rank must end the load on all. */
#include "runtime/memory.h"
#include "tests/support/checkpoint_case.h"
#include "tests/support/expect.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* 57 blocks in nine buckets, and a tensor that ends inside a block; and one block, which only one rank has. */
enum { ROWS = 1800, FEW_ROWS = 2, STEP = 41 };
static const int writers_list[] = {1, 2, 3, 4, 5, 8};
enum { WRITERS = sizeof writers_list / sizeof *writers_list };

static struct un_comm *comm;
static const char *base;

static const char *run_of(int writers, const char *what) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/np%d%s", base, writers, what);
    return path;
}

/* As in two levels: hosts of two ranks, where that can be. */
static int pairs(void) {
    return comm->size % 2 == 0 ? comm->size / 2 : 1;
}

static void write_one(int64_t rows, const char *what, int nodes) {
    struct checkpoint_case k;
    case_open_spread(&k, rows, comm->rank, comm->size, nodes);
    if (comm->rank == 0) case_remove_tree(run_of(comm->size, what));
    for (int64_t step = STEP - 1; step <= STEP; ++step) {
        case_fill(&k, step);
        expect_ok(case_write(comm, run_of(comm->size, what), 1, 0, &k));
    }
    case_close(&k);
}

static void test_write(void **state) {
    (void)state;
    write_one(ROWS, "", 1);
    write_one(FEW_ROWS, "-few", 1);
    write_one(ROWS, "-pairs", pairs());
}

static void read_all(int64_t rows, const char *what, int nodes) {
    char param[UN_DIGEST_TEXT] = "", state_digest[UN_DIGEST_TEXT] = "", found[1024];
    struct checkpoint_case k;
    case_open_spread(&k, rows, comm->rank, comm->size, nodes);
    for (int i = 0; i < WRITERS; ++i) {
        int writers = writers_list[i];
        expect_ok(un_checkpoint_resume(comm, run_of(writers, what), "auto", &k.c, found, sizeof found));
        assert_non_null(strstr(found, "step_00000041"));
        case_poison(&k);
        expect_ok(un_checkpoint_load(comm, found, &k.c));
        assert_int_equal(k.c.step, STEP);
        assert_int_equal(case_wrong(&k), 0);
        if (writers == 1) {
            strcpy(param, k.c.param_digest);
            strcpy(state_digest, k.c.state_digest);
        }
        assert_string_equal(k.c.param_digest, param);
        assert_string_equal(k.c.state_digest, state_digest);
    }
    case_close(&k);
}

static void test_read(void **state) {
    (void)state;
    read_all(ROWS, "", 1);
    read_all(FEW_ROWS, "-few", 1);
    read_all(ROWS, "-pairs", 1);
    read_all(ROWS, "", pairs());
    read_all(ROWS, "-pairs", pairs());
}

/* All ranks end alike, and all know the same reason. */
static void expect_all(enum un_status status, enum un_status want, const char *word) {
    if (status != want || !strstr(un_error_get()->text, word))
        fail_msg("rank %d: status %d, \"%s\"", comm->rank, (int)status, un_error_get()->text);
    un_error_clear();
}

static void test_damage_ends_all(void **state) {
    (void)state;
    char run[1024], path[2048];
    struct checkpoint_case k;
    case_open(&k, ROWS, comm->rank, comm->size);
    snprintf(run, sizeof run, "%s", run_of(comm->size, "-damage"));
    if (comm->rank == 0) case_remove_tree(run);
    case_fill(&k, STEP);
    expect_ok(case_write(comm, run, 1, 0, &k));
    snprintf(path, sizeof path, "%s/ckpt/step_00000041/shard_%05d.h5", run, comm->size - 1);
    if (comm->rank == 0) assert_int_equal(truncate(path, 1000), 0);
    expect_ok(comm->ops->barrier(comm));
    snprintf(path, sizeof path, "%s/ckpt/step_00000041", run);
    expect_all(un_checkpoint_load(comm, path, &k.c), UN_DATA, "bytes long");
    expect_all(un_checkpoint_resume(comm, run, "auto", &k.c, path, sizeof path), UN_DATA, "broken");
    expect_all(un_checkpoint_resume(comm, run, "nowhere", &k.c, path, sizeof path), UN_USAGE, "nowhere");
    if (comm->rank == 0) k.c.seed = 1;
    /* one rank with another configuration */
    expect_all(un_checkpoint_resume(comm, run_of(1, ""), "auto", &k.c, path, sizeof path), UN_USAGE, "seed");
    if (comm->rank == 0) case_remove_tree(run);
    case_close(&k);
}

/* The disk of one rank is full: the save fails on all, the checkpoint before stays, and the run goes on. */
static void test_full_disk_of_one(void **state) {
    (void)state;
    char run[1024], found[2048];
    struct checkpoint_case k;
    struct rlimit old, little;
    case_open(&k, ROWS, comm->rank, comm->size);
    snprintf(run, sizeof run, "%s", run_of(comm->size, "-full"));
    if (comm->rank == 0) case_remove_tree(run);
    case_fill(&k, 1);
    expect_ok(case_write(comm, run, 2, 0, &k));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    little = (struct rlimit){20000, old.rlim_max};
    if (comm->rank == comm->size - 1) assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    case_fill(&k, 2);
    expect_all(case_write(comm, run, 2, 0, &k), UN_IO, "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    snprintf(found, sizeof found, "%s/ckpt/step_00000002.partial", run);
    expect_ok(comm->ops->barrier(comm));
    assert_true(access(found, F_OK) != 0);
    expect_ok(un_checkpoint_resume(comm, run, "auto", &k.c, found, sizeof found));
    assert_non_null(strstr(found, "step_00000001"));
    case_fill(&k, 3);
    expect_ok(case_write(comm, run, 2, 0, &k));
    case_poison(&k);
    expect_ok(un_checkpoint_resume(comm, run, "auto", &k.c, found, sizeof found));
    expect_ok(un_checkpoint_load(comm, found, &k.c));
    assert_int_equal(case_wrong(&k), 0);
    expect_ok(comm->ops->barrier(comm));
    if (comm->rank == 0) case_remove_tree(run);
    case_close(&k);
}

int main(int argc, char **argv) {
    if (argc != 3 || un_comm_open(&argc, &argv, &comm) != UN_OK) {
        fprintf(stderr, "usage: mpirun -np N test_checkpoint_ranks write|read DIR (%s)\n",
                un_error_get()->text);
        return 64;
    }
    un_log_set(comm->rank, UN_LOG_ERROR);
    base = argv[2];
    const struct CMUnitTest writing[] = {cmocka_unit_test(test_write)};
    const struct CMUnitTest reading[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_damage_ends_all),
                                         cmocka_unit_test(test_full_disk_of_one)};
    int failed = strcmp(argv[1], "write") == 0 ? cmocka_run_group_tests(writing, NULL, NULL)
                                               : cmocka_run_group_tests(reading, NULL, NULL);
    if (failed) comm->ops->abort(comm, 1); /* the others may wait in a collective this rank has skipped */
    un_comm_close(comm);
    return failed || un_memory_counts().live_blocks != 0;
}
