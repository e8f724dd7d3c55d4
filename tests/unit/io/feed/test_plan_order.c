/* The order of a stream: a permutation, uniform, keyed. */
#include "io/feed/plan.h"
#include "tests/support/world.h"
#include "tests/unit/io/feed/chi_square.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void permutation_is_a_bijection(void **state) {
    (void)state;
    static const int64_t sizes[] = {255,  256,  257,  1000,  1023,  1024,  1025,
                                    4095, 4096, 4097, 65536, 65537, 100003};
    static unsigned char seen[100003];
    for (int64_t k = 1; k < 300 + (int64_t)(sizeof sizes / sizeof *sizes); ++k) {
        int64_t n = k < 300 ? k : sizes[k - 300];
        memset(seen, 0, sizeof seen);
        for (int64_t i = 0; i < n; ++i) {
            int64_t at = un_plan_permute(7, (uint32_t)k % 5, (uint32_t)k, 3, n, i);
            assert_in_range(at, 0, n - 1);
            assert_int_equal(seen[at], 0);
            seen[at] = 1;
        }
    }
    int64_t big = (int64_t)1 << 40; /* far beyond a table: in range, and two positions differ */
    assert_in_range(un_plan_permute(7, 0, 0, 0, big, 5), 0, big - 1);
    assert_true(un_plan_permute(7, 0, 0, 0, big, 5) != un_plan_permute(7, 0, 0, 0, big, 6));
}

/* The images of the first `first` positions of n come up alike over the epochs. */
static void orders_are_uniform(int64_t n, int64_t first) {
    static int64_t count[4096];
    int64_t orders = 1, codes = 1, met = 0;
    for (int64_t i = 0; i < first; ++i, codes *= n) orders *= n - i;
    const int64_t draws = orders * 200;
    memset(count, 0, sizeof count);
    for (int64_t epoch = 0; epoch < draws; ++epoch) {
        int64_t code = 0;
        for (int64_t i = 0; i < first; ++i) code = code * n + un_plan_permute(5, 1, 2, (uint32_t)epoch, n, i);
        ++count[code];
    }
    double chi = 0;
    for (int64_t i = 0; i < codes; ++i) {
        if (count[i] == 0) continue;
        ++met;
        chi += (double)((count[i] - 200) * (count[i] - 200)) / 200;
    }
    assert_int_equal(met, orders);
    assert_chi_square(chi, orders - 1);
}

static void permutation_is_uniform(void **state) {
    (void)state;
    for (int64_t n = 2; n <= 4; ++n) orders_are_uniform(n, n); /* all orders */
    for (int64_t n = 5; n <= 16; ++n) orders_are_uniform(n, 3);
    orders_are_uniform(45, 2);
}

/* Where position 3 of 500 goes, over keys of each kind. */
static void permutation_depends_on_every_key(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; ++kind) {
        double count[500] = {0}, chi = 0;
        for (uint32_t k = 0; k < 25000; ++k)
            ++count[un_plan_permute(kind == 0 ? k : 9, kind == 1 ? k : 0, kind == 2 ? k : 0,
                                    kind == 3 ? k : 0, 500, 3)];
        for (int i = 0; i < 500; ++i) chi += (count[i] - 50) * (count[i] - 50) / 50;
        assert_chi_square(chi, 499);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permutation_is_a_bijection),
        cmocka_unit_test(permutation_is_uniform),
        cmocka_unit_test(permutation_depends_on_every_key),
    };
    return cmocka_run_group_tests_name("plan order", tests, NULL, NULL);
}
