/* The order of buckets: every bucket once, those of what is read first in front, and gradients the other way round. */
#include "launch/traffic/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { BLOCK = UN_PARAM_BLOCK };

static bool meets(struct un_span a, struct un_span b) {
    return a.begin < b.end && b.begin < a.end;
}

/* 0: read first; 1: in front of that in the buffer; 2: behind it. */
static int group(const struct un_shard *s, struct un_span first, int64_t b) {
    struct un_span bucket = un_shard_bucket(s, b);
    if (first.end <= first.begin) return 2;
    return meets(bucket, first) ? 0 : bucket.end <= first.begin ? 1 : 2;
}

static void expect_order(const struct un_shard *s, struct un_span first) {
    struct un_exchange_order order;
    un_exchange_order_set(&order, s, first);
    assert_int_equal(order.buckets, s->buckets);
    for (int64_t turn = 0; turn < s->buckets; ++turn) {
        int64_t b = un_exchange_gather_bucket(&order, turn), back = s->buckets - 1 - turn;
        assert_in_range(b, 0, s->buckets - 1);
        assert_int_equal(un_exchange_gather_turn(&order, b), turn);
        assert_int_equal(un_exchange_reduce_bucket(&order, back), b);
        assert_int_equal(un_exchange_reduce_turn(&order, b), back);
        if (turn == 0) continue;
        int64_t before = un_exchange_gather_bucket(&order, turn - 1);
        int from = group(s, first, before), to = group(s, first, b);
        assert_true(from < to || (from == to && b == before - 1));
    }
}

static void test_orders(void **state) {
    (void)state;
    static const int64_t totals[] = {0, 1, BLOCK, 3 * BLOCK + 64, 14 * BLOCK, 41 * BLOCK - 64};
    for (size_t k = 0; k < sizeof totals / sizeof *totals; ++k)
        for (int size = 1; size < 5; ++size) {
            struct un_shard s;
            un_shard_set(&s, totals[k], size, 4 * BLOCK * sizeof(float));
            expect_order(&s, (struct un_span){0, 0});
            for (int64_t begin = 0; begin < s.total; begin += BLOCK - 7)
                for (int64_t end = begin + 1; end <= s.total; end += BLOCK / 2 + 3)
                    expect_order(&s, (struct un_span){begin, end});
            if (s.total > 0) expect_order(&s, (struct un_span){0, s.total});
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_orders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
