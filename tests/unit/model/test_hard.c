/* The choice of hard negatives. */
#include "model/hard.h"
#include "runtime/rng.h"
#include "tests/support/check.h"

#include <math.h>

static void highest_first(void **state) {
    (void)state;
    const float score[] = {9, 0.5f, -1, 3, 2.5f, 0.5f};
    int32_t index[3];
    assert_int_equal(un_hard_pick(index, 3, score, 6), 3);
    assert_int_equal(index[0], 3);
    assert_int_equal(index[1], 4);
    assert_int_equal(index[2], 1); /* of equals the lower number */
}

/* The true pair is never among them, few candidates are all of them, and none is none. */
static void few(void **state) {
    (void)state;
    const float score[] = {9, 1, 2};
    int32_t index[4] = {-1, -1, -1, -1};
    assert_int_equal(un_hard_pick(index, 4, score, 3), 2);
    assert_true(index[0] == 2 && index[1] == 1 && index[2] == -1);
    assert_int_equal(un_hard_pick(index, 4, score, 1), 0);
    assert_int_equal(un_hard_pick(index, 0, score, 3), 0);
    assert_true(index[0] == 2);
}

static void not_numbers_are_lowest(void **state) {
    (void)state;
    const float score[] = {0, NAN, -INFINITY, NAN, -3};
    int32_t index[4];
    assert_int_equal(un_hard_pick(index, 4, score, 5), 4);
    assert_true(index[0] == 4 && index[1] == 2 && index[2] == 1 && index[3] == 3);
}

/* Against counting, for each number, how many stand before it. */
static void as_sorted(void **state) {
    (void)state;
    enum { N = 200, COUNT = 31 };
    float score[N];
    int32_t index[COUNT];
    for (uint32_t i = 0; i < N; ++i) score[i] = (float)(un_philox(i, 0, 0, 0, 5, 0).v[0] % 40);
    assert_int_equal(un_hard_pick(index, COUNT, score, N), COUNT);
    for (int k = 0; k < COUNT; ++k) {
        int before = 0, i = index[k];
        assert_true(i >= 1 && i < N);
        for (int j = 1; j < N; ++j) before += score[j] > score[i] || (score[j] == score[i] && j < i);
        assert_int_equal(before, k);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(highest_first), cmocka_unit_test(few),
                                       cmocka_unit_test(not_numbers_are_lowest), cmocka_unit_test(as_sorted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
