/* un_philox against the authors' own Random123, over counters and keys that are themselves random. Built only
 * where the header is installed (librandom123-dev). */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/rng.h"
#include <Random123/philox.h>

static void same_as_random123(void **state) {
    (void)state;
    uint32_t w[6] = {1, 2, 3, 4, 5, 6};
    for (int i = 0; i < 100000; ++i) {
        philox4x32_ctr_t counter = {{w[0], w[1], w[2], w[3]}};
        philox4x32_key_t key = {{w[4], w[5]}};
        philox4x32_ctr_t theirs = philox4x32_R(10, counter, key);
        struct un_rng4 ours = un_philox(w[0], w[1], w[2], w[3], w[4], w[5]);
        for (int k = 0; k < 4; ++k) assert_int_equal(ours.v[k], theirs.v[k]);
        for (int k = 0; k < 6; ++k) w[k] = w[k] * 1664525u + 1013904223u + (k < 4 ? ours.v[k] : 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_random123)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
