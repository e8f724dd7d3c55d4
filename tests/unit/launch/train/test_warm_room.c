/* data.warm: how much memory there is for the files of a rank. */
#include "launch/train/warm.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_room(void **state) {
    (void)state;
    const int64_t gib = 1 << 30;
    assert_int_equal(un_warming_room(-1, 8, gib), INT64_MAX); /* not known */
    assert_int_equal(un_warming_room(10 * gib, 1, 0), 8 * gib);
    assert_int_equal(un_warming_room(10 * gib, 8, 0), gib);   /* shared by the ranks of the host */
    assert_int_equal(un_warming_room(10 * gib, 4, gib), gib); /* a cache that is still to be filled */
    assert_int_equal(un_warming_room(10 * gib, 8, 2 * gib), 0);
    assert_int_equal(un_warming_room(0, 1, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
