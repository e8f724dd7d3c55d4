/* io/h5: nothing half-written stands under its name, and a full disk is told. */
#include "io/h5/h5.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

/* Without a commit there is no file; with one there is no partial file; an older file stays until then. */
static void test_commit_is_all_or_nothing(void **state) {
    (void)state;
    const char *path = scratch("commit.h5"), *partial = scratch("commit.h5.partial");
    struct un_h5 *f;
    struct stat st;
    int64_t one = 1, value;
    expect_ok(un_h5_create(&f, path));
    expect_ok(un_h5_write_all(f, "x", UN_I64, 1, 0, &one));
    assert_int_equal(stat(partial, &st), 0);
    assert_int_not_equal(stat(path, &st), 0);
    un_h5_close(f);
    assert_int_not_equal(stat(partial, &st), 0);
    assert_int_not_equal(stat(path, &st), 0);
    for (int64_t round = 1; round <= 2; ++round) {
        expect_ok(un_h5_create(&f, path));
        expect_ok(un_h5_put_attr_i64(f, "", "round", round));
        expect_ok(un_h5_commit(f));
        un_h5_close(f);
        assert_int_not_equal(stat(partial, &st), 0);
        expect_ok(un_h5_open(&f, path, true));
        expect_ok(un_h5_attr_i64(f, "", "round", &value));
        assert_int_equal(value, round);
        un_h5_close(f);
    }
    expect_error(un_h5_create(&f, scratch("no/such/folder.h5")), UN_IO, "no/such/folder.h5.partial");
    assert_null(f);
}

/* The disk is full: simulated by the limit of a file's size, in a child of its own. Reported as UN_IO,
 * nothing is left behind, and the process can still end: HDF5 1.10 is known to hang at the exit when a file
 * could not be closed. */
struct full {
    int64_t limit;
    const char *path;
};
static int write_too_much(void *context) {
    const struct full *full = context;
    const struct rlimit r = {(rlim_t)full->limit, (rlim_t)full->limit};
    static float row[1 << 18]; /* zeros */
    struct un_h5 *f;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &r) != 0) return 2;
    enum un_status status = un_h5_create(&f, full->path);
    for (int i = 0; i < 8 && status == UN_OK; ++i) {
        char name[8] = {'d', (char)('0' + i)};
        status = un_h5_write_all(f, name, UN_F32, 1 << 18, 0, row);
    }
    if (status == UN_OK) status = un_h5_commit(f);
    un_h5_close(f);
    return status == UN_IO ? 0 : status == UN_OK ? 3 : 4;
}

static void test_a_full_disk(void **state) {
    (void)state;
    const int64_t limits[] = {
        0, 100, 800, 3000, 1 << 19, 1 << 20, (1 << 20) + 3000, (1 << 22) + 17, (8 << 20) + 2000};
    struct stat st;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; ++i) {
        struct full full = {limits[i], scratch("full.h5")};
        int how = in_child(write_too_much, &full, 20);
        if (!WIFEXITED(how) || WEXITSTATUS(how) != 0)
            fail_msg("limit %lld: ended with %x", (long long)limits[i], (unsigned)how);
        assert_int_not_equal(stat(full.path, &st), 0);
        assert_int_not_equal(stat(scratch("full.h5.partial"), &st), 0);
    }
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_is_all_or_nothing),
        cmocka_unit_test(test_a_full_disk),
    };
    return cmocka_run_group_tests_name("io/h5 commit", tests, NULL, remove_scratch);
}
