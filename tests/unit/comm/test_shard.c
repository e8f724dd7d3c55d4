/* Ownership of the flat buffer, against a walk over single blocks that knows only the words of shard.h. */
#include "comm/shard.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t totals[] = {0,
                                 64,
                                 UN_PARAM_BLOCK - 64,
                                 UN_PARAM_BLOCK,
                                 UN_PARAM_BLOCK + 64,
                                 7 * UN_PARAM_BLOCK,
                                 7 * UN_PARAM_BLOCK + 128,
                                 41 * UN_PARAM_BLOCK - 64,
                                 200 * UN_PARAM_BLOCK};
static const size_t bucket_blocks[] = {0, 1, 3, 7, 8, 64, 1000};
static const int sizes[] = {1, 2, 3, 4, 5, 7, 8, 48, 64, 300};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Owner and bucket of every block, one after the other from the end. */
struct walk {
    int64_t blocks, *bucket;
    int *owner;
};

static struct walk walk(int64_t total, size_t per_bucket, int size) {
    struct walk w = {.blocks = (total + UN_PARAM_BLOCK - 1) / UN_PARAM_BLOCK};
    w.bucket = calloc((size_t)w.blocks + 1, sizeof *w.bucket);
    w.owner = calloc((size_t)w.blocks + 1, sizeof *w.owner);
    int64_t per = per_bucket ? (int64_t)per_bucket : 1;
    if (per % size != 0) { /* to the nearer multiple of the ranks, at least one */
        int64_t below = per - per % size;
        per = below == 0 || 2 * (per % size) >= size ? below + size : below;
    }
    int64_t room = w.blocks;
    while (room % size != 0) ++room;
    for (int64_t end = room, b = 0; end > 0; end -= per, ++b) {
        int64_t first = end > per ? end - per : 0, k = end - first;
        for (int64_t i = 0; i < k && first + i < w.blocks; ++i) {
            w.bucket[first + i] = b;
            w.owner[first + i] = (int)(i / (k / size));
        }
    }
    return w;
}

static int64_t elements(int64_t total, int64_t block) {
    int64_t left = total - block * UN_PARAM_BLOCK;
    return left < UN_PARAM_BLOCK ? left : UN_PARAM_BLOCK;
}

/* The parts of a rank, from the last bucket to the first, are its blocks in the order of the buffer. */
static void check_rank(const struct un_shard *s, const struct walk *w, int rank) {
    int64_t block = 0, local = 0, owned = 0;
    for (int64_t b = s->buckets - 1; b >= 0; --b) {
        struct un_span part = un_shard_part(s, b, rank), bucket = un_shard_bucket(s, b);
        assert_true(bucket.begin <= part.begin && part.begin <= part.end && part.end <= bucket.end);
        assert_true(un_span_count(part) <= un_shard_share(s, b));
        if (un_span_count(part) > 0) {
            assert_true(part.begin == bucket.begin + un_shard_place(s, rank) * un_shard_share(s, b));
            assert_true(part.begin % UN_PARAM_BLOCK == 0);
            assert_true(un_shard_local(s, b) == local);
        }
        for (; block < w->blocks && w->bucket[block] == b; ++block) {
            int64_t begin = block * UN_PARAM_BLOCK;
            bool inside = part.begin <= begin && begin < part.end;
            assert_true(inside == (w->owner[block] == rank));
            if (!inside) continue;
            assert_true(begin + elements(s->total, block) <= part.end);
            local += elements(s->total, block);
            ++owned;
        }
    }
    assert_true(block == w->blocks);
    assert_true(un_shard_count(s, rank) == local);
    assert_true(un_shard_blocks(s, rank) == owned);
    assert_true(owned <= un_shard_blocks(s, 0));
}

static void test_every_block_has_one_owner(void **state) {
    (void)state;
    for (size_t t = 0; t < COUNT(totals); ++t)
        for (size_t k = 0; k < COUNT(bucket_blocks); ++k)
            for (size_t n = 0; n < COUNT(sizes); ++n) {
                struct un_shard s;
                struct walk w = walk(totals[t], bucket_blocks[k], sizes[n]);
                un_shard_set(&s, totals[t], sizes[n],
                             bucket_blocks[k] * UN_PARAM_BLOCK * sizeof(float) + sizeof(float));
                int64_t sum = 0;
                for (int r = 0; r < s.size; ++r) {
                    check_rank(&s, &w, r);
                    sum += un_shard_count(&s, r);
                }
                assert_true(sum == totals[t]);
                free(w.bucket);
                free(w.owner);
            }
}

static void test_buckets_tile_from_the_end(void **state) {
    (void)state;
    for (size_t t = 0; t < COUNT(totals); ++t)
        for (size_t k = 0; k < COUNT(bucket_blocks); ++k) {
            struct un_shard s;
            un_shard_set(&s, totals[t], 3, bucket_blocks[k] * UN_PARAM_BLOCK * sizeof(float));
            int64_t end = s.total;
            for (int64_t b = 0; b < s.buckets; ++b) {
                struct un_span span = un_shard_bucket(&s, b);
                assert_true(span.end == end && span.begin < end);
                assert_true(un_span_count(span) <= s.bucket);
                assert_true(b == 0 || b == s.buckets - 1 || un_span_count(span) == s.bucket);
                assert_true(un_shard_share(&s, b) * 3 >= un_span_count(span));
                assert_true(un_shard_find(&s, span.begin) == b && un_shard_find(&s, span.end - 1) == b);
                end = span.begin;
            }
            assert_true(end == 0);
        }
}

static void test_one_rank_owns_the_buffer(void **state) {
    (void)state;
    struct un_shard s;
    un_shard_set(&s, 41 * UN_PARAM_BLOCK - 64, 1, 4 * UN_PARAM_BLOCK * sizeof(float));
    assert_true(s.buckets == 11);
    assert_true(un_shard_count(&s, 0) == s.total);
    for (int64_t b = 0; b < s.buckets; ++b) {
        struct un_span part = un_shard_part(&s, b, 0), bucket = un_shard_bucket(&s, b);
        assert_true(part.begin == bucket.begin && part.end == bucket.end);
        assert_true(un_shard_local(&s, b) == part.begin);
    }
}

/* What is exchanged: every bucket is the ranks' shares and nothing else, whatever their number, and the room
 * behind the buffer is less than a block for each. */
static void test_shares_are_equal(void **state) {
    (void)state;
    for (size_t t = 0; t < COUNT(totals); ++t)
        for (size_t k = 0; k < COUNT(bucket_blocks); ++k)
            for (size_t n = 0; n < COUNT(sizes); ++n) {
                struct un_shard s;
                un_shard_set(&s, totals[t], sizes[n], bucket_blocks[k] * UN_PARAM_BLOCK * sizeof(float));
                int64_t room = un_shard_room(&s), most = 0;
                assert_true(room >= s.total && room - un_param_blocks(s.total) * UN_PARAM_BLOCK <
                                                   sizes[n] * (int64_t)UN_PARAM_BLOCK);
                for (int64_t b = 0; b < s.buckets; ++b) {
                    int64_t share = un_shard_share(&s, b), begin = un_shard_bucket(&s, b).begin;
                    assert_true(share > 0 && share % UN_PARAM_BLOCK == 0);
                    assert_true(begin + share * sizes[n] == room);
                    room = begin;
                    most = share > most ? share : most;
                }
                assert_true(room == 0 && un_shard_largest_share(&s) == most);
            }
}

/* Of a real size: all ranks have the same but for the end of the buffer. */
static void test_shares_of_base(void **state) {
    (void)state;
    struct un_shard s;
    un_shard_set(&s, 110000000 / 64 * 64, 64, (size_t)25 << 20);
    assert_true(s.bucket == 1600 * UN_PARAM_BLOCK && s.buckets == 17);
    int64_t most = un_shard_count(&s, 0), less = 0;
    for (int r = 1; r < s.size; ++r) less += most - un_shard_count(&s, r);
    assert_true(less == un_shard_room(&s) - s.total && less < 64 * UN_PARAM_BLOCK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_block_has_one_owner),
        cmocka_unit_test(test_buckets_tile_from_the_end),
        cmocka_unit_test(test_one_rank_owns_the_buffer),
        cmocka_unit_test(test_shares_are_equal),
        cmocka_unit_test(test_shares_of_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
