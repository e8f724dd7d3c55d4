/* The tree over ranks as ranges of blocks: it is the tree of un_parts_reduce, for every number of ranks; and
 * buckets reduced through a table that plays all ranks in one process, against that tree element by element. */
#include "comm/device_parts.h"
#include "runtime/backends.h"
#include "runtime/memory.h"
#include "runtime/ops.h"
#include "runtime/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RANKS_MAX = 1100, BLOCK = UN_PARAM_BLOCK };

/* A sum as a set of ranks and how it was put together: equal for equal trees, whichever partner receives. */
struct sum {
    bool alive;
    uint64_t shape;
};

static uint64_t mix(uint64_t x) {
    x ^= x >> 31;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ (x >> 29);
}

static uint64_t join(uint64_t a, uint64_t b) {
    return mix(mix(a) + mix(b) + 1); /* symmetric, and not associative */
}

/* The definition: neighbours, then neighbouring pairs; the odd one goes up. */
static uint64_t tree_shape(int n) {
    static uint64_t level[RANKS_MAX]; /* too large for the stack; used once at a time */
    for (int i = 0; i < n; ++i) level[i] = (uint64_t)i + 1;
    for (int up; n > 1; n = up) {
        up = 0;
        for (int i = 0; i + 1 < n; i += 2) level[up++] = join(level[i], level[i + 1]);
        if (n % 2) level[up++] = level[n - 1];
    }
    return level[0];
}

static void test_plan_is_the_tree(void **state) {
    (void)state;
    static int slot[RANKS_MAX];         /* too large for the stack */
    static struct sum place[RANKS_MAX]; /* likewise */
    for (int size = 1; size < RANKS_MAX; ++size) {
        struct un_tree_add adds[UN_TREE_ADDS];
        int n = un_tree_plan(size, slot, adds), levels = 0;
        while (1 << levels < size) ++levels;
        assert_true(n <= 2 * levels && n >= levels);
        if ((size & (size - 1)) == 0) assert_int_equal(n, levels);
        memset(place, 0, sizeof place);
        for (int r = 0; r < size; ++r) {
            assert_true(slot[r] >= 0 && slot[r] < size && !place[slot[r]].alive);
            place[slot[r]] = (struct sum){true, (uint64_t)r + 1};
        }
        for (int i = 0; i < n; ++i)
            for (int k = 0; k < adds[i].count; ++k) {
                struct sum *to = &place[adds[i].to + k], *from = &place[adds[i].from + k];
                assert_true(adds[i].from + k < size && to->alive && from->alive && to != from);
                to->shape = join(to->shape, from->shape);
                from->alive = false;
            }
        for (int i = 0; i < size; ++i) assert_true(place[i].alive == (i == 0));
        assert_true(place[0].shape == tree_shape(size));
    }
}

/* ---- all ranks in one process: rank `c->rank` sees the buckets of all ---- */

struct all {
    float *of[16]; /* the bucket at hand of each rank */
};

static enum un_status exchange_parts(struct un_device_comm *c, float *recv, const int *slot,
                                     const float *send, int64_t each) {
    struct all *all = c->state;
    assert_true(send == all->of[c->rank]);
    for (int r = 0; r < c->size; ++r)
        memcpy(recv + slot[r] * each, all->of[r] + c->rank * each, (size_t)each * sizeof *recv);
    return UN_OK;
}

static enum un_status copy(struct un_device_comm *c, void *dst, const void *src, size_t bytes) {
    (void)c;
    memcpy(dst, src, bytes);
    return UN_OK;
}

static const struct un_device_comm_ops table = {.exchange_parts = exchange_parts, .copy = copy};

static float wild(int rank, int64_t i) {
    struct un_rng4 r = un_rng(1, UN_RNG_TEST, 0, (uint32_t)rank, 0, (uint32_t)i);
    return ldexpf(un_rng_unit(r.v[0]) - 0.5f, (int)(r.v[1] % 25) - 12);
}

static float tree(const float *v, int n) {
    float level[16];
    memcpy(level, v, (size_t)n * sizeof *v);
    for (int up; n > 1; n = up) {
        up = 0;
        for (int i = 0; i + 1 < n; i += 2) level[up++] = level[i] + level[i + 1];
        if (n % 2) level[up++] = level[n - 1];
    }
    return level[0];
}

static void reduce_bucket(struct un_device_comm *c, struct un_device_parts *p, int64_t b) {
    struct all all;
    float parts[16];
    struct un_span bucket = un_shard_bucket(&p->shard, b), own = un_shard_part(&p->shard, b, c->rank);
    int64_t n = un_span_count(bucket), shares = un_shard_share(&p->shard, b) * c->size;
    for (int r = 0; r < c->size; ++r) {
        all.of[r] = un_alloc((size_t)shares, sizeof(float), "bucket");
        for (int64_t i = 0; i < n; ++i) all.of[r][i] = wild(r, bucket.begin + i);
    }
    c->state = &all;
    assert_int_equal(un_device_parts_reduce(c, p, b, all.of[c->rank], true), UN_OK);
    for (int64_t i = 0; i < n; ++i) {
        for (int r = 0; r < c->size; ++r) parts[r] = wild(r, bucket.begin + i);
        bool mine = bucket.begin + i >= own.begin && bucket.begin + i < own.end;
        float expected = mine ? tree(parts, c->size) : parts[c->rank];
        assert_memory_equal(&all.of[c->rank][i], &expected, sizeof expected);
    }
    for (int r = 0; r < c->size; ++r) un_free(all.of[r]);
}

/* ---- two levels: what each rank has, and the two communicators that it is in ---- */

struct rank {
    struct un_device_parts parts;
    struct un_device_comm near, far;
    struct un_comm_memory memory;
    struct all node, rail; /* what the ranks of either bring */
    float *bucket;
};

static void open_ranks(struct rank *ranks, const struct un_shard *s, struct un_device *d,
                       struct un_queue *q) {
    int places = s->size / s->nodes;
    for (int r = 0; r < s->size; ++r) {
        struct rank *k = &ranks[r];
        k->near = (struct un_device_comm){
            .ops = &table, .rank = r % places, .size = places, .device = d, .queue = q, .state = &k->node};
        k->memory = (struct un_comm_memory){.device = d, .queue = q};
        k->far = (struct un_device_comm){
            .ops = &table, .rank = r / places, .size = s->nodes, .device = d, .queue = q, .state = &k->rail};
        assert_int_equal(un_device_parts_open(&k->parts, s, r, &k->memory), UN_OK);
        k->bucket = un_alloc((size_t)s->bucket, sizeof(float), "bucket");
    }
}

static void levels_of_bucket(struct rank *ranks, const struct un_shard *s, int64_t b) {
    int places = s->size / s->nodes;
    struct un_span bucket = un_shard_bucket(s, b);
    for (int r = 0; r < s->size; ++r) {
        for (int j = 0; j < places; ++j) ranks[r].node.of[j] = ranks[r - r % places + j].bucket;
        for (int d = 0; d < s->nodes; ++d)
            ranks[r].rail.of[d] = ranks[d * places + r % places].parts.sets[(b + 1) % 2];
        for (int64_t i = 0; i < un_span_count(bucket); ++i) ranks[r].bucket[i] = wild(r, bucket.begin + i);
    }
    for (int r = 0; r < s->size; ++r)
        assert_int_equal(
            un_device_parts_reduce_inside(&ranks[r].near, &ranks[r].parts, b, b + 1, ranks[r].bucket, true),
            UN_OK);
    for (int r = 0; r < s->size; ++r)
        assert_int_equal(
            un_device_parts_reduce_across(&ranks[r].far, &ranks[r].parts, b, b + 1, ranks[r].bucket, true),
            UN_OK);
}

/* The own parts are sums by the flat tree, and the rest is as it was. */
static void check_levels(const struct rank *ranks, const struct un_shard *s, int64_t b) {
    struct un_span bucket = un_shard_bucket(s, b);
    float parts[16];
    for (int r = 0; r < s->size; ++r) {
        struct un_span own = un_shard_part(s, b, r);
        for (int64_t i = bucket.begin; i < bucket.end; ++i) {
            for (int k = 0; k < s->size; ++k) parts[k] = wild(k, i);
            float expected = own.begin <= i && i < own.end ? tree(parts, s->size) : parts[r];
            assert_memory_equal(&ranks[r].bucket[i - bucket.begin], &expected, sizeof expected);
        }
    }
}

static void test_levels(void **state) {
    (void)state;
    static const int cases[][2] = {{2, 2}, {2, 4}, {4, 2}, {3, 2}, {3, 4}, {7, 2}}; /* nodes, places */
    struct un_device *d;
    struct un_queue *q;
    struct un_limits limits = {.max_params = 1};
    assert_int_equal(un_cpu_open(1, &d), UN_OK);
    assert_int_equal(d->mem->queue_open(d, &limits, &q), UN_OK);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        struct un_shard s;
        static struct rank ranks[16];
        un_shard_set(&s, 11 * BLOCK + 192, cases[k][0] * cases[k][1], 5 * BLOCK * sizeof(float));
        un_shard_spread(&s, cases[k][0]);
        open_ranks(ranks, &s, d, q);
        for (int64_t b = 0; b < s.buckets; ++b) {
            levels_of_bucket(ranks, &s, b);
            check_levels(ranks, &s, b);
        }
        for (int r = 0; r < s.size; ++r) {
            un_free(ranks[r].bucket);
            un_device_parts_close(&ranks[r].parts);
        }
    }
    d->mem->queue_close(q);
    un_device_close(d);
}

static void test_reduces(void **state) {
    (void)state;
    static const int sizes[] = {2, 3, 4, 5, 7, 8, 13};
    struct un_device *d;
    struct un_queue *q;
    struct un_limits limits = {.max_params = 1};
    assert_int_equal(un_cpu_open(1, &d), UN_OK);
    assert_int_equal(d->mem->queue_open(d, &limits, &q), UN_OK);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; ++k)
        for (int rank = 0; rank < sizes[k]; ++rank) {
            struct un_shard shard;
            struct un_device_parts parts;
            struct un_device_comm c = {
                .ops = &table, .rank = rank, .size = sizes[k], .device = d, .queue = q};
            un_shard_set(&shard, 11 * BLOCK + 192, sizes[k], 5 * BLOCK * sizeof(float));
            struct un_comm_memory memory = {.device = d, .queue = q};
            assert_int_equal(un_device_parts_open(&parts, &shard, rank, &memory), UN_OK);
            for (int64_t b = 0; b < shard.buckets; ++b) reduce_bucket(&c, &parts, b);
            un_device_parts_close(&parts);
        }
    d->mem->queue_close(q);
    un_device_close(d);
    assert_true(un_memory_counts().live_blocks == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plan_is_the_tree),
                                       cmocka_unit_test(test_reduces), cmocka_unit_test(test_levels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
