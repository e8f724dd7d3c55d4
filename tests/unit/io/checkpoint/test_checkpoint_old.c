/* A checkpoint of version 1, made by the program as it was then (checkpoint_v1/): still read, by one rank and
 * by several that own parts of it, and damage in it is still found. */
#include "io/checkpoint/private.h"
#include "io/checkpoint/show.h"
#include "tests/support/checkpoint_case.h"
#include "tests/support/expect.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 40, STEP = 41 };

static void test_read(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_open(&k, ROWS, 0, 1);
    expect_ok(un_checkpoint_load(case_comm, UN_OLD_CHECKPOINT, &k.c));
    assert_int_equal(k.c.step, STEP);
    assert_int_equal(case_wrong(&k), 0);
    assert_string_equal(k.c.param_digest, "d07723a5629d0eb8f3f823a0eabfa4f9");
    expect_ok(un_checkpoint_verify(UN_OLD_CHECKPOINT, stderr));
    case_close(&k);
}

static void test_parts(void **state) {
    (void)state;
    struct un_manifest m;
    expect_ok(un_manifest_read(&m, UN_OLD_CHECKPOINT));
    assert_int_equal(m.version, UN_MANIFEST_OLD);
    for (int rank = 0; rank < 3; ++rank) {
        struct checkpoint_case k;
        case_open(&k, ROWS, rank, 3);
        expect_ok(un_checkpoint_read_own(&m, UN_OLD_CHECKPOINT, rank, &k.c));
        k.c.step = STEP;
        memcpy(k.states, m.states, sizeof k.states);
        assert_int_equal(case_wrong(&k), 0);
        case_close(&k);
    }
    un_manifest_free(&m);
}

/* A copy in a run; the next save there is of the new version. */
static void test_in_a_run(void **state) {
    (void)state;
    static const char *const names[] = {"manifest.json", "shard_00000.h5"};
    struct checkpoint_case k;
    char *text[2], path[1024];
    size_t bytes[2];
    case_open(&k, ROWS, 0, 1);
    case_save(&k, STEP, 0); /* for its folder */
    for (int i = 0; i < 2; ++i) {
        snprintf(path, sizeof path, "%s/%s", UN_OLD_CHECKPOINT, names[i]);
        text[i] = case_slurp(path, &bytes[i]);
        case_overwrite(case_file(STEP, names[i]), text[i], bytes[i]);
    }
    case_expect_newest(&k, STEP);
    text[1][bytes[1] / 2] ^= 1;
    case_overwrite(case_file(STEP, names[1]), text[1], bytes[1]);
    expect_error(un_checkpoint_load(case_comm, case_file(STEP, ""), &k.c), UN_DATA, "shard_00000.h5",
                 "damaged");
    text[1][bytes[1] / 2] ^= 1;
    case_overwrite(case_file(STEP, names[1]), text[1], bytes[1] - 1);
    expect_error(un_checkpoint_load(case_comm, case_file(STEP, ""), &k.c), UN_DATA, "bytes long");
    case_overwrite(case_file(STEP, names[1]), text[1], bytes[1]);
    case_expect_newest(&k, STEP);
    case_save(&k, STEP + 1, 2);
    case_expect_newest(&k, STEP + 1);
    free(text[0]);
    free(text[1]);
    case_close(&k);
}

int main(void) {
    un_log_set(0, UN_LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_in_a_run),
    };
    return cmocka_run_group_tests(tests, case_run_open, case_run_close);
}
