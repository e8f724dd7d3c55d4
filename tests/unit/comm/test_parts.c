/* Buckets reduced and gathered through the queue of collectives, with its thread and without, on as many
 * ranks as the launcher gives, against values each rank can work out by itself.
 *
 * Integers-as-floats sum exactly in any order, so they show that nothing is lost; values of very different
 * size show the order itself. */
#include "comm/parts.h"
#include "comm/queue.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RANKS_MAX = 64, BLOCK = UN_PARAM_BLOCK };

static int nodes;         /* that the ranks are taken to lie on; 1: flat */
static bool lined;        /* their levels on lines of their own */
static struct un_comm *c; /* opened once: MPI cannot be started twice in a process */

/* One flat buffer over all ranks. */
struct flat {
    struct un_parts parts;
    struct un_comm_queue *queue;
    float *data;
    uint16_t *low;
    bool exact, lows; /* lows: what is gathered is bf16 */
    int64_t *far;     /* [buckets] tickets of the steps between nodes, by turn */
};

static void flat_open(struct flat *f, int64_t total, size_t bucket_bytes, bool overlap) {
    struct un_shard shard;
    un_shard_set(&shard, total, c->size, bucket_bytes);
    un_shard_spread(&shard, nodes);
    int64_t room = un_shard_room(&shard);
    *f = (struct flat){.exact = true, .data = calloc((size_t)room + 1, sizeof(float))};
    f->data[room] = 42.0f;
    f->far = calloc((size_t)shard.buckets + 1, sizeof *f->far);
    assert_int_equal(un_parts_open(&f->parts, &shard), UN_OK);
    assert_int_equal(un_comm_queue_open(&f->queue, c, overlap, UN_LINES, 3), UN_OK);
    assert_int_equal(un_parts_start(&f->parts, c, !overlap), UN_OK);
    assert_true((f->parts.inside != NULL) == (nodes > 1));
    assert_true(un_comm_queue_has_thread(f->queue) == (overlap && c->size > 1));
}

static void flat_close(struct flat *f) {
    assert_true(f->data[un_shard_room(&f->parts.shard)] == 42.0f);
    un_comm_queue_close(f->queue);
    un_parts_close(&f->parts);
    free(f->far);
    free(f->data);
}

static float *bucket_of(const struct flat *f, int64_t b) {
    return f->data + un_shard_bucket(&f->parts.shard, b).begin;
}

static enum un_status reduce(struct un_comm *comm, void *context, int64_t b) {
    struct flat *f = context;
    return un_parts_reduce(comm, &f->parts, b, bucket_of(f, b), f->exact);
}

static enum un_status gather(struct un_comm *comm, void *context, int64_t b) {
    struct flat *f = context;
    return un_parts_gather(comm, &f->parts, b, bucket_of(f, b), UN_F32);
}

static uint16_t *low_of(struct flat *f, int64_t b) {
    return f->low + un_shard_bucket(&f->parts.shard, b).begin;
}

static enum un_status gather_low(struct un_comm *comm, void *context, int64_t b) {
    struct flat *f = context;
    return un_parts_gather(comm, &f->parts, b, low_of(f, b), UN_BF16);
}

/* The levels one by one, on lines of their own: gradients from the second bucket on, bucket 0 at last. */
static int64_t turn_of(const struct flat *f, int64_t b) {
    return b > 0 ? b - 1 : f->parts.shard.buckets - 1;
}

static enum un_status reduce_inside(struct un_comm *comm, void *context, int64_t b) {
    struct flat *f = context;
    return un_parts_reduce_inside(comm, &f->parts, b, turn_of(f, b), bucket_of(f, b), f->exact);
}

static enum un_status reduce_across(struct un_comm *comm, void *context, int64_t b) {
    struct flat *f = context;
    return un_parts_reduce_across(comm, &f->parts, b, turn_of(f, b), bucket_of(f, b), f->exact);
}

static enum un_status gather_across(struct un_comm *comm, void *context, int64_t b) {
    struct flat *f = context;
    if (f->lows) return un_parts_gather_across(comm, &f->parts, b, low_of(f, b), UN_BF16);
    return un_parts_gather_across(comm, &f->parts, b, bucket_of(f, b), UN_F32);
}

static enum un_status gather_inside(struct un_comm *comm, void *context, int64_t b) {
    struct flat *f = context;
    if (f->lows) return un_parts_gather_inside(comm, &f->parts, b, low_of(f, b), UN_BF16);
    return un_parts_gather_inside(comm, &f->parts, b, bucket_of(f, b), UN_F32);
}

static int64_t post_levels(struct flat *f, bool gathers, int64_t turn) {
    struct un_comm_queue *q = f->queue;
    int64_t first, b = gathers ? turn : (turn + 1) % f->parts.shard.buckets;
    if (gathers) {
        first = un_comm_queue_post_after(q, UN_LINE_FAR, 0, "test", gather_across, f, b);
        return un_comm_queue_post_after(q, UN_LINE_NEAR, first, "test", gather_inside, f, b);
    }
    first = un_comm_queue_post_after(q, UN_LINE_NEAR, turn >= 2 ? f->far[turn - 2] : 0, "test", reduce_inside,
                                     f, b);
    return f->far[turn] = un_comm_queue_post_after(q, UN_LINE_FAR, first, "test", reduce_across, f, b);
}

/* All buckets by the queue: its three places are fewer than the buckets of most cases. Two levels go by one line or by two.
 * One process: by hand, for the queue drops what it is given. */
static void run_all(struct flat *f, un_comm_work work) {
    int64_t last = 0;
    f->lows = work == gather_low;
    for (int64_t b = 0; b < f->parts.shard.buckets; ++b) {
        if (c->size == 1)
            assert_int_equal(work(c, f, b), UN_OK);
        else if (lined)
            last = post_levels(f, work != reduce, b);
        else
            last = un_comm_queue_post(f->queue, "test", work, f, b);
    }
    assert_int_equal(un_comm_queue_wait(f->queue, last), UN_OK);
}

static bool is_mine(const struct un_shard *s, int64_t i) {
    for (int64_t b = 0; b < s->buckets; ++b) {
        struct un_span part = un_shard_part(s, b, c->rank);
        if (part.begin <= i && i < part.end) return true;
    }
    return false;
}

static const struct {
    int64_t total;
    size_t bucket_bytes;
} cases[] = {{0, 1},
             {64, 1},
             {BLOCK - 64, 1 << 20},
             {3 * BLOCK, BLOCK * 4},
             {5 * BLOCK + 128, 2 * BLOCK * 4},
             {23 * BLOCK + 64, 9 * BLOCK * 4},
             {40 * BLOCK, 1 << 20}};

static void test_nothing_is_lost(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k)
        for (int how = 0; how < 4; ++how) {
            struct flat f;
            int64_t n = cases[k].total;
            float sum = (float)(c->size * (c->size + 1) / 2);
            flat_open(&f, n, cases[k].bucket_bytes, how % 2 == 1);
            f.exact = how < 2;
            for (int64_t i = 0; i < n; ++i) f.data[i] = (float)((c->rank + 1) * (i % 4099));
            run_all(&f, reduce);
            for (int64_t i = 0; i < n; ++i)
                assert_true(f.data[i] ==
                            (float)(i % 4099) * (is_mine(&f.parts.shard, i) ? sum : (float)(c->rank + 1)));
            for (int64_t i = 0; i < n; ++i)
                if (!is_mine(&f.parts.shard, i)) f.data[i] = -1.0f;
            run_all(&f, gather);
            for (int64_t i = 0; i < n; ++i) assert_true(f.data[i] == (float)(i % 4099) * sum);
            flat_close(&f);
        }
}

/* Any bits: NaN of all kinds, too. */
static void test_bf16_is_gathered_bit_by_bit(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k)
        for (int threaded = 0; threaded < 2; ++threaded) {
            struct flat f;
            flat_open(&f, cases[k].total, cases[k].bucket_bytes, threaded);
            int64_t room = un_shard_room(&f.parts.shard);
            f.low = calloc((size_t)room + 1, sizeof *f.low);
            f.low[room] = 42;
            for (int64_t i = 0; i < cases[k].total; ++i)
                f.low[i] = is_mine(&f.parts.shard, i) ? (uint16_t)(i * 40503) : 1;
            run_all(&f, gather_low);
            for (int64_t i = 0; i < cases[k].total; ++i) assert_true(f.low[i] == (uint16_t)(i * 40503));
            assert_int_equal(f.low[room], 42);
            free(f.low);
            flat_close(&f);
        }
}

/* Magnitudes from 2^-12 to 2^12 with 24-bit mantissas: nearly every addition rounds. */
static float wild(int part, int64_t i) {
    struct un_rng4 r = un_rng(1, UN_RNG_TEST, 0, (uint32_t)part, 0, (uint32_t)i);
    return ldexpf(un_rng_unit(r.v[0]) - 0.5f, (int)(r.v[1] % 25) - 12);
}

/* The definition: pairs of neighbours, then pairs of pairs; the odd one goes up. */
static float tree(const float *v, int n) {
    float level[RANKS_MAX];
    memcpy(level, v, (size_t)n * sizeof *v);
    while (n > 1) {
        int up = 0;
        for (int i = 0; i + 1 < n; i += 2) level[up++] = level[i] + level[i + 1];
        if (n % 2) level[up++] = level[n - 1];
        n = up;
    }
    return level[0];
}

static float one_by_one(const float *v, int n, bool backwards) {
    float sum = v[backwards ? n - 1 : 0];
    for (int i = 1; i < n; ++i) sum += v[backwards ? n - 1 - i : i];
    return sum;
}

static void test_order(void **state) {
    (void)state;
    for (int threaded = 0; threaded < 2; ++threaded) {
        struct flat f;
        int64_t n = 17 * BLOCK + 192, unlike_forward = 0, unlike_backward = 0;
        float parts[RANKS_MAX];
        flat_open(&f, n, 5 * BLOCK * 4, threaded);
        for (int64_t i = 0; i < n; ++i) f.data[i] = wild(c->rank, i);
        run_all(&f, reduce);
        run_all(&f, gather);
        for (int64_t i = 0; i < n; ++i) {
            for (int r = 0; r < c->size; ++r) parts[r] = wild(r, i);
            float expected = tree(parts, c->size);
            assert_memory_equal(&f.data[i], &expected, sizeof expected);
            unlike_forward += expected != one_by_one(parts, c->size, false);
            unlike_backward += expected != one_by_one(parts, c->size, true);
        }
        /* The values do tell orders apart, so the comparison above means something. */
        if (c->size >= 4) assert_true(unlike_forward > n / 10);
        if (c->size >= 3) assert_true(unlike_backward > n / 10);
        flat_close(&f);
    }
}

/* Ranks that begin the tree over their lanes and finish it over ranks get the bits of one rank with all
 * lanes. */
static void test_completes_lanes(void **state) {
    (void)state;
    enum { LANES = 16, COUNT = 3 * BLOCK };
    if ((c->size & (c->size - 1)) != 0 || c->size > LANES) return;
    int first = (int)un_lane_begin(LANES, c->rank, c->size),
        after = (int)un_lane_begin(LANES, c->rank + 1, c->size);
    struct flat f;
    float lanes[LANES];
    flat_open(&f, COUNT, 1 << 20, true);
    for (int64_t i = 0; i < COUNT; ++i) {
        for (int l = first; l < after; ++l) lanes[l] = wild(l, i);
        f.data[i] = tree(lanes + first, after - first);
    }
    run_all(&f, reduce);
    run_all(&f, gather);
    for (int64_t i = 0; i < COUNT; ++i) {
        for (int l = 0; l < LANES; ++l) lanes[l] = wild(l, i);
        float expected = tree(lanes, LANES);
        assert_memory_equal(&f.data[i], &expected, sizeof expected);
    }
    flat_close(&f);
}

static void test_allocates_nothing(void **state) {
    (void)state;
    struct flat f;
    flat_open(&f, 5 * BLOCK, 2 * BLOCK * 4, false); /* in this thread, whose allocations are counted */
    uint64_t before = un_memory_counts().frozen_allocs;
    un_memory_freeze(true);
    run_all(&f, reduce);
    run_all(&f, gather);
    un_memory_freeze(false);
    assert_true(un_memory_counts().frozen_allocs == before);
    flat_close(&f);
}

/* Other collectives of this thread's communicator go on while the queue's thread is at work. */
static void test_both_threads(void **state) {
    (void)state;
    struct flat f;
    flat_open(&f, 64 * BLOCK, 16 * BLOCK * 4, true);
    for (int round = 0; round < 20; ++round) {
        int64_t last = 0, one = 1;
        for (int64_t i = 0; i < f.parts.shard.total; ++i) f.data[i] = (float)(i % 1000 + round);
        for (int64_t b = 0; b < 3; ++b) last = un_comm_queue_post(f.queue, "test", reduce, &f, b);
        assert_int_equal(c->ops->sum_i64(c, &one, 1), UN_OK);
        assert_int_equal(one, c->size);
        assert_int_equal(un_comm_queue_wait(f.queue, last), UN_OK);
        for (int64_t b = 0; b < 3; ++b) {
            struct un_span part = un_shard_part(&f.parts.shard, b, c->rank);
            for (int64_t i = part.begin; i < part.end; ++i)
                assert_true(f.data[i] == (float)((i % 1000 + round) * c->size));
        }
    }
    struct un_comm_times times = un_comm_queue_times(f.queue);
    assert_true(c->size == 1 || (times.busy > 0 && times.waited >= 0));
    flat_close(&f);
}

/* Ranks taken to lie on n hosts: as a power of two of them on each, two at least. */
static bool lies_on(int n) {
    int places = c->size / n;
    return n == 1 || (c->size % n == 0 && places >= 2 && (places & (places - 1)) == 0);
}

int main(int argc, char **argv) {
    if (un_comm_open(&argc, &argv, &c) != UN_OK) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_bf16_is_gathered_bit_by_bit),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_completes_lanes),
        cmocka_unit_test(test_allocates_nothing),
        cmocka_unit_test(test_both_threads),
    };
    int failed = 0;
    for (nodes = 1; nodes <= c->size; ++nodes)
        for (int two = 0; two <= (nodes > 1); ++two) {
            lined = two;
            if (lies_on(nodes)) failed += cmocka_run_group_tests(tests, NULL, NULL);
        }
    if (failed) c->ops->abort(c, 1); /* the others may wait in a collective this rank has skipped */
    un_comm_close(c);
    return failed || un_memory_counts().live_blocks != 0;
}
