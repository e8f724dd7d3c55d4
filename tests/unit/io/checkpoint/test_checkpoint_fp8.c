/* Histories of train.precision: fp8 in checkpoints. */
#include "io/checkpoint/manifest.h"
#include "tests/support/checkpoint_case.h"
#include "tests/support/expect.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Histories of fp8: bit for bit where they are of the run's shape, else begun anew; and where there are none. */
static void test_histories(void **state) {
    (void)state;
    enum { TENSORS = 24, LENGTH = 16 };
    uint32_t saved[TENSORS * LENGTH], read[TENSORS * LENGTH];
    struct checkpoint_case k;
    struct un_fp8_history h = {TENSORS, LENGTH, 3, saved};
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 6, 0);
    for (uint32_t i = 0; i < TENSORS * LENGTH; ++i) saved[i] = i * 0x54321u % 0x7F800000u;
    saved[1] = 0x7F7FFFFFu;
    k.c.fp8 = &h;
    case_save(&k, 7, 0);
    h.amax = read, h.filled = -1;
    memset(read, 0xEE, sizeof read);
    case_expect_newest(&k, 7);
    assert_int_equal(h.filled, 3);
    assert_memory_equal(read, saved, sizeof saved);
    h.length = LENGTH - 1;
    case_expect_newest(&k, 7);
    assert_int_equal(h.filled, 0);
    h.length = LENGTH, h.filled = 9;
    expect_ok(un_checkpoint_load(case_comm, case_file(6, ""), &k.c));
    assert_int_equal(h.filled, 0);
    k.c.fp8 = NULL; /* a run in bf16 */
    case_expect_newest(&k, 7);
    case_close(&k);
}

int main(void) {
    un_log_set(0, UN_LOG_ERROR);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories)};
    return cmocka_run_group_tests(tests, case_run_open, case_run_close);
}
