/* Word-region alignment on the emulated card: what tests/unit/runtime/ops/transport.c does not see. bf16 rows and
 * gradients against the CPU's op on the same rounded numbers, every size class of the kernels, and that a
 * pair has the same bits in every batch.
 *
 * Tolerances. Products of bf16 are exact in f32. Two f32 sums of 768 products in different orders differ by
 * 4e-7 of |x| |y| each; a tensor core rounds its running sum downwards, six times a warp, which may add as
 * much again. IPOT and Sinkhorn multiply the error of a cost by up to 100 and 10 (tests/unit/runtime/ops/transport.c).
 * The backward's weights are sums of two bf16: up to 2^-16 of a weight is lost; a bf16 gradient is rounded
 * once, up to 2^-8 of it. */
#include "runtime/backends.h"
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

static const struct un_tolerance cost_tolerance = {1.2e-6, 0}, distance_tolerance = {2e-6, 2e-6};
static const double plan_tolerance = 4e-5;  /* of the largest entry */
static const double slope_tolerance = 2e-5; /* of the largest slope */
static const double rounding = 1.0 / 256;

enum { MOST_PAIRS = 8, GAP = 2 /* tokens of other samples before a pair */ };

#define IPOT                                                                                                 \
    { .solver = UN_SOLVER_IPOT, .iterations = 50, .beta = 0.5f }
#define SINKHORN                                                                                             \
    { .solver = UN_SOLVER_SINKHORN, .iterations = 30, .epsilon = 0.1f, .tolerance = 1e-3f }

struct shape {
    int32_t words[MOST_PAIRS], regions[MOST_PAIRS]; /* words -1: no pair */
    int64_t pairs, hidden;
    enum un_type x, dx;
    struct un_transport how;
};

/* ---- a batch ---- */

struct batch {
    struct un_pairs pairs;
    int64_t tokens, entries;
    struct un_mat x, wide; /* the rows under test, and the same numbers in f32 */
    float *distance, *plan, *cost, *coef;
};

static float to_float(uint16_t bits) {
    const uint32_t u = (uint32_t)bits << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static uint16_t to_bf16(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return (uint16_t)((u + 0x7FFFu + (u >> 16 & 1u)) >> 16);
}

static float get(struct un_mat m, int64_t i, int64_t j) {
    const int64_t at = i * m.stride + j;
    return m.type == UN_F32 ? ((const float *)m.data)[at] : to_float(((const uint16_t *)m.data)[at]);
}
static void set(struct un_mat m, int64_t i, int64_t j, float v) {
    const int64_t at = i * m.stride + j;
    if (m.type == UN_F32)
        ((float *)m.data)[at] = v;
    else
        ((uint16_t *)m.data)[at] = to_bf16(v);
}
static void copy(struct un_mat to, struct un_mat from) {
    for (int64_t i = 0; i < from.rows; ++i)
        for (int64_t j = 0; j < from.cols; ++j) set(to, i, j, get(from, i, j));
}

static struct un_pairs make_pairs(struct un_harness *h, const struct shape *s, struct batch *b) {
    int32_t *list = un_harness_take(h, 4 * s->pairs + 1, sizeof *list);
    int32_t *first = list, *words = first + s->pairs, *regions = words + s->pairs,
            *start = regions + s->pairs;
    struct un_pairs p = {first, words, regions, start, s->pairs, 0, 0};
    int32_t at = GAP;
    start[0] = 0;
    for (int64_t k = 0; k < s->pairs; ++k) {
        const bool none = s->words[k] < 0;
        first[k] = none ? -1 : at;
        words[k] = none ? 1 : s->words[k], regions[k] = s->regions[k];
        start[k + 1] = start[k] + (none ? 0 : words[k] * regions[k]);
        if (!none) at += words[k] + regions[k] + GAP;
        if (words[k] > p.longest_words) p.longest_words = words[k];
        if (regions[k] > p.longest_regions) p.longest_regions = regions[k];
    }
    b->tokens = at - GAP; /* the last pair ends with x: reading past it leaves the buffer */
    b->entries = start[s->pairs];
    return p;
}

/* Regions are words of the pair with noise, so that costs reach down to almost 0. */
static struct batch make_batch(struct un_harness *h, const struct shape *s) {
    struct batch b;
    b.pairs = make_pairs(h, s, &b);
    b.x = un_harness_mat_of(h, s->x, b.tokens, s->hidden);
    b.wide = un_harness_mat_random(h, b.tokens, s->hidden, -1.0f, 1.0f);
    for (int64_t p = 0; p < s->pairs; ++p)
        for (int64_t j = 0; b.pairs.first[p] >= 0 && b.pairs.words[p] > 0 && j < b.pairs.regions[p]; ++j) {
            const int64_t word = b.pairs.first[p] + j % b.pairs.words[p],
                          region = b.pairs.first[p] + b.pairs.words[p] + j;
            for (int64_t k = 0; k < s->hidden; ++k)
                set(b.wide, region, k, 0.4f * get(b.wide, region, k) + get(b.wide, word, k));
        }
    copy(b.x, b.wide);
    copy(b.wide, b.x);
    b.distance = un_harness_poison(h, s->pairs);
    b.plan = un_harness_poison(h, b.entries), b.cost = un_harness_poison(h, b.entries);
    b.coef = un_harness_random(h, s->pairs, -2.0f, 2.0f);
    return b;
}

/* ---- against the CPU ---- */

/* The CPU's op on the widened rows. */
struct truth {
    float *distance, *plan, *cost;
    struct un_mat slope; /* from 0, with the CPU's plan and cost */
};

static struct truth run_cpu(struct un_harness *h, const struct shape *s, const struct batch *b) {
    static const struct un_limits limits = {
        .max_tokens = 2048, .max_samples = 64, .max_width = 4096, .max_heads = 1, .max_params = 1};
    struct un_device *cpu;
    struct un_queue *q;
    struct truth t = {un_harness_poison(h, s->pairs), un_harness_poison(h, b->entries),
                      un_harness_poison(h, b->entries),
                      un_harness_mat_random(h, b->tokens, s->hidden, 0.0f, 0.0f)};
    assert_int_equal(un_cpu_open(1, &cpu), UN_OK);
    assert_int_equal(cpu->mem->queue_open(cpu, &limits, &q), UN_OK);
    cpu->ops->transport_fwd(q, t.distance, t.plan, t.cost, b->wide, &b->pairs, &s->how);
    cpu->ops->transport_bwd(q, t.slope, b->coef, t.plan, t.cost, b->wide, &b->pairs);
    assert_int_equal(cpu->mem->queue_wait(q), UN_OK);
    cpu->mem->queue_close(q);
    un_device_close(cpu);
    return t;
}

static double most_of(const double *x, int64_t n) {
    double most = 0.0;
    for (int64_t i = 0; i < n; ++i) most = fmax(most, fabs(x[i]));
    return most;
}

static void check_forward(struct un_harness *h, const struct shape *s, const struct batch *b,
                          const struct truth *t) {
    const double *cost = un_harness_widen_array(h, t->cost, b->entries);
    const double *plan = un_harness_widen_array(h, t->plan, b->entries);
    const double *distance = un_harness_widen_array(h, t->distance, s->pairs);
    un_harness_near_array("cost", b->cost, cost, b->entries, cost_tolerance);
    un_harness_near_array("distance", b->distance, distance, s->pairs, distance_tolerance);
    for (int64_t p = 0; p < s->pairs; ++p) {
        const int64_t at = b->pairs.plan_start[p], n = b->pairs.plan_start[p + 1] - at;
        un_harness_near_array("plan", b->plan + at, plan + at, n,
                              (struct un_tolerance){plan_tolerance * most_of(plan + at, n), 0});
    }
}

/* Rows of no pair keep their bits: there the slope is 0, and dx + 0 is dx in either type. */
static void check_backward(struct un_harness *h, const struct shape *s, const struct batch *b,
                           const struct truth *t) {
    struct un_mat dx = un_harness_mat_of(h, s->dx, b->tokens, s->hidden),
                  start = un_harness_mat_random(h, b->tokens, s->hidden, -0.1f, 0.1f);
    copy(dx, start);
    copy(start, dx);
    h->ops->transport_bwd(h->q, dx, b->coef, t->plan, t->cost, b->x, &b->pairs);
    const double *slope = un_harness_widen(h, t->slope);
    const double most = most_of(slope, b->tokens * s->hidden), share = s->dx == UN_BF16 ? rounding : 1.2e-7;
    for (int64_t i = 0; i < b->tokens; ++i)
        for (int64_t j = 0; j < s->hidden; ++j) {
            const double add = slope[i * s->hidden + j], want = (double)get(start, i, j) + add,
                         got = (double)get(dx, i, j);
            const double allowed = add == 0.0 ? 0.0 : slope_tolerance * most + share * fabs(want);
            if (!(fabs(got - want) <= allowed))
                fail_msg("dx (%d, %d): %.9g, want %.9g +- %.3g", (int)i, (int)j, got, want, allowed);
        }
}

/* Multiply-adds of a shape, about. */
static double work_of(const struct shape *s) {
    double entries = 0.0;
    for (int64_t p = 0; p < s->pairs; ++p) entries += fmax(s->words[p], 0) * s->regions[p];
    return entries * (2.0 * (double)s->hidden + 4.0 * s->how.iterations);
}

static void run_shapes(un_harness_case run, const struct shape *s, size_t count) {
    for (size_t i = 0; i < count; ++i)
        if (!un_harness_heavy(work_of(&s[i]))) un_harness_each(run, &s[i]);
}

static void run_shape(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct batch b = make_batch(h, s);
    h->ops->transport_fwd(h->q, b.distance, b.plan, b.cost, b.x, &b.pairs, &s->how);
    const struct truth t = run_cpu(h, s, &b);
    check_forward(h, s, &b, &t);
    check_backward(h, s, &b, &t);
}

static void test_types(void **state) {
    static const struct shape shapes[] = {
        {{1, 2, 1, 5}, {1, 1, 3, 4}, 4, 7, UN_BF16, UN_BF16, IPOT},
        {{3, -1, 0, 4, 2}, {2, 4, 3, 0, 17}, 5, 33, UN_BF16, UN_F32, IPOT},
        {{8, 16, 17, 9}, {64, 65, 10, 31}, 4, 100, UN_BF16, UN_BF16, IPOT},
        {{16, 24, 62}, {40, 50, 100}, 3, 768, UN_BF16, UN_BF16, IPOT},
        {{32, 33}, {64, 64}, 2, 257, UN_BF16, UN_F32, IPOT},
        {{64, 65, 3}, {128, 20, 129}, 3, 40, UN_BF16, UN_BF16, IPOT},
        {{12, 40, 66, 2}, {37, 70, 30, 130}, 4, 72, UN_BF16, UN_BF16, SINKHORN},
        {{20, 50, 30}, {90, 33, 50}, 3, 48, UN_BF16, UN_F32, IPOT},
        {{20, 50, 30}, {90, 33, 50}, 3, 24, UN_BF16, UN_BF16, SINKHORN},
        {{5, 20}, {9, 33}, 2, 20, UN_F32, UN_BF16, IPOT},
        {{16, 30, 70}, {17, 80, 15}, 3, 60, UN_F32, UN_F32, SINKHORN},
    };
    (void)state;
    run_shapes(run_shape, shapes, sizeof shapes / sizeof *shapes);
}

/* ---- a pair alone and among others ---- */

/* The two pairs of `s` together, then each by itself: all outputs have the same bits. */
static void run_company(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct batch b = make_batch(h, s);
    struct un_mat dx = un_harness_mat_of(h, s->dx, b.tokens, s->hidden),
                  alone = un_harness_mat_of(h, s->dx, b.tokens, s->hidden);
    float *distance = un_harness_poison(h, s->pairs), *plan = un_harness_poison(h, b.entries),
          *cost = un_harness_poison(h, b.entries);
    for (int64_t i = 0; i < b.tokens; ++i)
        for (int64_t j = 0; j < s->hidden; ++j) set(dx, i, j, 0.0f), set(alone, i, j, 0.0f);
    h->ops->transport_fwd(h->q, b.distance, b.plan, b.cost, b.x, &b.pairs, &s->how);
    h->ops->transport_bwd(h->q, dx, b.coef, b.plan, b.cost, b.x, &b.pairs);
    for (int64_t p = s->pairs - 1; p >= 0; --p) {
        const struct un_pairs one = {
            b.pairs.first + p, b.pairs.words + p, b.pairs.regions + p, b.pairs.plan_start + p, 1,
            b.pairs.words[p],  b.pairs.regions[p]};
        h->ops->transport_fwd(h->q, distance + p, plan, cost, b.x, &one, &s->how);
        h->ops->transport_bwd(h->q, alone, b.coef + p, plan, cost, b.x, &one);
    }
    assert_memory_equal(distance, b.distance, (size_t)s->pairs * sizeof(float));
    assert_memory_equal(plan, b.plan, (size_t)b.entries * sizeof(float));
    assert_memory_equal(cost, b.cost, (size_t)b.entries * sizeof(float));
    for (int64_t i = 0; i < b.tokens; ++i)
        for (int64_t j = 0; j < s->hidden; ++j) assert_true(get(dx, i, j) == get(alone, i, j));
}

static void test_company(void **state) {
    static const struct shape shapes[] = {
        {{6, 40, 15}, {11, 90, 40}, 3, 96, UN_BF16, UN_BF16, IPOT},
        {{70, 6}, {20, 30}, 2, 50, UN_F32, UN_F32, IPOT},
        {{70, 6, 20}, {20, 30, 64}, 3, 50, UN_BF16, UN_F32, SINKHORN},
    };
    (void)state;
    run_shapes(run_company, shapes, sizeof shapes / sizeof *shapes);
}

/* What the ops cannot do sticks to the queue, and nothing is written. */
static void test_refusals(void **state) {
    static const int32_t first[1] = {0}, words[1] = {2}, regions[1] = {2}, start[2] = {0, 4};
    const struct un_transport how = IPOT;
    (void)state;
    for (int kind = 0; kind < 3; ++kind) {
        struct un_harness h;
        un_harness_open(&h, 1, NULL);
        const struct un_pairs pairs = {first, words, regions, start, 1, kind == 1 ? 513 : 2, 2};
        struct un_mat x = un_harness_mat_of(&h, kind == 0 ? UN_F16 : UN_F32, 4, 8),
                      dx = un_harness_mat_of(&h, kind == 2 ? UN_F16 : UN_F32, 4, 8);
        float *out = un_harness_poison(&h, 9);
        if (kind < 2)
            h.ops->transport_fwd(h.q, out, out + 1, out + 5, x, &pairs, &how);
        else
            h.ops->transport_bwd(h.q, dx, out, out + 1, out + 5, x, &pairs);
        assert_int_equal(h.device->mem->queue_wait(h.q), UN_USAGE);
        un_error_clear();
        for (int i = 0; i < 9; ++i) assert_true(isnan(out[i]));
        h.device->mem->queue_close(h.q);
        static const struct un_limits limits = {
            .max_tokens = 64, .max_samples = 4, .max_width = 64, .max_heads = 1, .max_params = 1};
        assert_int_equal(h.device->mem->queue_open(h.device, &limits, &h.q), UN_OK);
        un_harness_close(&h);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
