/* Word-region alignment against oracles in double that follow the reference step by step.
 *
 * Tolerances. A cosine of unit vectors is off by 1e-7; IPOT multiplies 50 kernels e^(-2 c), so an entry
 * carries up to 100 times the error of its cost, 1e-5 of itself; Sinkhorn at epsilon 0.1 ten times, plus the
 * rounding of exponents up to 20. The bar of the reference is 1e-4 of the largest entry, 2e-5 for distances. */
#include "tests/unit/runtime/ops/transport_oracle.h"

#include <math.h>
#include <string.h>

static const double cost_tolerance = 4e-7;
static const double plan_tolerance = 1e-5;  /* of the largest entry */
static const double sharp_tolerance = 3e-5; /* epsilon 0.01: exponents ten times larger */
static const struct un_tolerance distance_tolerance = {2e-7, 2e-6};
static const double marginal_tolerance = 4e-6; /* of the marginal */
static const double slope_tolerance = 2e-6;    /* of the largest slope of the pair */
static const struct un_tolerance difference_tolerance = {3e-7, 1e-4};

enum { MOST_PAIRS = 8, GAP = 3 }; /* GAP: tokens of other samples between pairs */

struct shape {
    int32_t words[MOST_PAIRS], regions[MOST_PAIRS];
    int64_t pairs, hidden;
    struct un_transport how;
    float noise; /* of regions that are copies of words; 0: independent vectors */
    bool differences;
};

/* ---- a batch ---- */

struct batch {
    struct un_pairs pairs;
    struct un_mat x;
    float *distance, *plan, *cost;
    int64_t plan_count;
};

static struct un_pairs make_pairs(struct un_harness *h, const struct shape *s, int64_t *tokens) {
    int32_t *first = un_harness_take(h, s->pairs, sizeof *first),
            *words = un_harness_take(h, s->pairs, sizeof *words);
    int32_t *regions = un_harness_take(h, s->pairs, sizeof *regions);
    int32_t *plan_start = un_harness_take(h, s->pairs + 1, sizeof *plan_start);
    struct un_pairs p = {first, words, regions, plan_start, s->pairs, 0, 0};
    int32_t at = GAP;
    plan_start[0] = 0;
    for (int64_t b = 0; b < s->pairs; ++b) {
        const bool none = s->words[b] < 0;
        words[b] = none ? 2 : s->words[b];
        regions[b] = s->regions[b];
        first[b] = none ? -1 : at;
        plan_start[b + 1] = plan_start[b] + (none ? 0 : words[b] * regions[b]);
        if (!none) at += words[b] + regions[b] + GAP;
        if (words[b] > p.longest_words) p.longest_words = words[b];
        if (regions[b] > p.longest_regions) p.longest_regions = regions[b];
    }
    *tokens = at;
    return p;
}

/* Regions become words of the same pair plus noise, so that some costs are near 0 and plans are sharp. */
static void align(struct un_mat x, const struct un_pairs *p, float noise) {
    for (int64_t b = 0; b < p->count; ++b)
        for (int64_t j = 0; j < p->regions[b] && p->first[b] >= 0 && p->words[b] > 0; ++j) {
            float *y = (float *)x.data + (p->first[b] + p->words[b] + j) * x.stride;
            const float *w = (float *)x.data + (p->first[b] + j % p->words[b]) * x.stride;
            for (int64_t k = 0; k < x.cols; ++k) y[k] = noise * y[k] + w[k];
        }
}

static struct batch make_batch(struct un_harness *h, const struct shape *s) {
    struct batch b;
    int64_t tokens;
    b.pairs = make_pairs(h, s, &tokens);
    b.plan_count = b.pairs.plan_start[s->pairs];
    b.x = un_harness_mat_random(h, tokens, s->hidden, -1.0f, 1.0f);
    if (s->noise > 0.0f) align(b.x, &b.pairs, s->noise);
    b.distance = un_harness_poison(h, s->pairs);
    b.plan = un_harness_poison(h, b.plan_count);
    b.cost = un_harness_poison(h, b.plan_count);
    return b;
}

static void check_marginals(const float *plan, int64_t n, int64_t m, enum un_solver solver) {
    for (int64_t i = 0; i < n && solver == UN_SOLVER_IPOT;
         ++i) { /* its last step makes the words' sums right */
        double sum = 0.0;
        for (int64_t j = 0; j < m; ++j) sum += plan[i * m + j];
        if (fabs(sum * (double)n - 1.0) > marginal_tolerance)
            fail_msg("row %d sums to %.9g, want 1/%d", (int)i, sum, (int)n);
    }
    for (int64_t j = 0; j < m && solver == UN_SOLVER_SINKHORN; ++j) { /* and here the regions' */
        double sum = 0.0;
        for (int64_t i = 0; i < n; ++i) sum += plan[i * m + j];
        if (fabs(sum * (double)m - 1.0) > marginal_tolerance)
            fail_msg("column %d sums to %.9g, want 1/%d", (int)j, sum, (int)m);
    }
}

static double largest(const double *x, int64_t n) {
    double most = 0.0;
    for (int64_t i = 0; i < n; ++i) most = fmax(most, fabs(x[i]));
    return most;
}

static void check_pair(struct un_harness *h, const struct shape *s, const struct batch *b, const double *x,
                       int64_t p) {
    const int64_t n = b->pairs.words[p], m = b->pairs.regions[p], at = b->pairs.plan_start[p];
    double *cost = un_harness_doubles(h, n * m), *plan = un_harness_doubles(h, n * m), distance = 0.0;
    if (b->pairs.first[p] < 0 || n * m == 0) {
        assert_true(b->distance[p] == 0.0f);
        return;
    }
    un_oracle_cost(cost, x + b->pairs.first[p] * s->hidden, n, m, s->hidden);
    (s->how.solver == UN_SOLVER_IPOT ? un_oracle_ipot : un_oracle_sinkhorn)(plan, cost, n, m, &s->how);
    for (int64_t i = 0; i < n * m; ++i) distance += cost[i] * plan[i];
    const double share =
        s->how.solver == UN_SOLVER_SINKHORN && s->how.epsilon < 0.05f ? sharp_tolerance : plan_tolerance;
    un_harness_near_array("cost", b->cost + at, cost, n * m, (struct un_tolerance){cost_tolerance, 0});
    un_harness_near_array("plan", b->plan + at, plan, n * m,
                          (struct un_tolerance){share * largest(plan, n * m), 0});
    un_harness_near_array("distance", b->distance + p, &distance, 1, distance_tolerance);
    check_marginals(b->plan + at, n, m, s->how.solver);
}

/* The scalar whose gradient the backward gives: sum of coef * cost * plan, the plan constant. Reads all of
 * `base`. */
struct scalar {
    const struct un_pairs *pairs;
    const double *base, *plan, *coef;
    int64_t hidden;
};

static double scalar_of(const double *x, const void *context) {
    const struct scalar *c = context;
    double sum = 0.0;
    (void)x; /* inside base */
    for (int64_t b = 0; b < c->pairs->count; ++b) {
        if (c->pairs->first[b] < 0) continue;
        const int64_t n = c->pairs->words[b], m = c->pairs->regions[b];
        const double *t = c->plan + c->pairs->plan_start[b],
                     *first = c->base + c->pairs->first[b] * c->hidden;
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < m; ++j)
                sum += c->coef[b] * t[i * m + j] *
                       un_oracle_cost_of(first + i * c->hidden, first + (n + j) * c->hidden, c->hidden);
    }
    return sum;
}

static struct un_mat rows_of(struct un_mat m, int64_t first, int64_t rows) {
    m.data = (float *)m.data + first * m.stride;
    m.rows = rows;
    return m;
}

/* dx against its start plus the oracle's slope, pair by pair; tokens of no pair keep their bits. */
static void check_slopes(struct un_harness *h, const struct shape *s, const struct batch *b, struct un_mat dx,
                         struct un_mat start, const float *coef, const double *x) {
    double *want = un_harness_widen(h, start), *plan = un_harness_widen_array(h, b->plan, b->plan_count);
    int64_t row = 0;
    for (int64_t p = 0; p < s->pairs; ++p) {
        const int64_t n = b->pairs.words[p], m = b->pairs.regions[p], first = b->pairs.first[p];
        if (first < 0) continue;
        double *slope = un_harness_doubles(h, (n + m) * s->hidden), *to = want + first * s->hidden;
        un_oracle_slope(slope, x + first * s->hidden, plan + b->pairs.plan_start[p], n, m, s->hidden,
                        coef[p]);
        for (int64_t i = 0; i < (n + m) * s->hidden; ++i) to[i] += slope[i];
        const double most = largest(slope, (n + m) * s->hidden);
        un_harness_near("dx", rows_of(dx, first, n + m), to,
                        (struct un_tolerance){slope_tolerance * most, 1.2e-7});
        un_harness_same("dx between pairs", rows_of(dx, row, first - row), rows_of(start, row, first - row));
        row = first + n + m;
    }
    un_harness_same("dx behind pairs", rows_of(dx, row, dx.rows - row), rows_of(start, row, dx.rows - row));
}

static void run_shape(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct batch b = make_batch(h, s);
    h->ops->transport_fwd(h->q, b.distance, b.plan, b.cost, b.x, &b.pairs, &s->how);
    double *x = un_harness_widen(h, b.x);
    for (int64_t p = 0; p < s->pairs; ++p) check_pair(h, s, &b, x, p);

    struct un_mat dx = un_harness_mat_random(h, b.x.rows, s->hidden, -0.1f, 0.1f);
    struct un_mat start = un_harness_mat_copy(h, dx);
    const float *coef = un_harness_random(h, s->pairs, -2.0f, 2.0f);
    h->ops->transport_bwd(h->q, dx, coef, b.plan, b.cost, b.x, &b.pairs);
    check_slopes(h, s, &b, dx, start, coef, x);
    if (!s->differences) return;
    struct un_mat alone = un_harness_mat_random(h, b.x.rows, s->hidden, 0.0f, 0.0f);
    h->ops->transport_bwd(h->q, alone, coef, b.plan, b.cost, b.x, &b.pairs);
    const struct scalar c = {&b.pairs, x, un_harness_widen_array(h, b.plan, b.plan_count),
                             un_harness_widen_array(h, coef, s->pairs), s->hidden};
    un_harness_slope("transport", alone, scalar_of, &c, x, 1e-5, difference_tolerance);
}

#define IPOT                                                                                                 \
    { .solver = UN_SOLVER_IPOT, .iterations = 50, .beta = 0.5f }
#define SINKHORN                                                                                             \
    { .solver = UN_SOLVER_SINKHORN, .iterations = 100, .epsilon = 0.1f }

static void test_shapes(void **state) {
    static const struct shape shapes[] = {
        {{1, 2, 1, 5}, {1, 1, 3, 4}, 4, 7, .how = IPOT, .differences = true},
        {{1, 2, 1, 5}, {1, 1, 3, 4}, 4, 7, .how = SINKHORN, .differences = true},
        {{3, -1, 0, 4, 2}, {2, 4, 3, 0, 17}, 5, 20, .how = IPOT, .differences = true},
        {{0}, {0}, 0, 16, .how = IPOT},
        {{-1, 0}, {3, 0}, 2, 16, .how = SINKHORN},
        {{16, 13, 62}, {17, 48, 100}, 3, 100, .how = IPOT},
        {{24, 24}, {50, 50}, 2, 768, .how = IPOT},
        {{24, 24}, {50, 50}, 2, 768, .how = IPOT, .noise = 0.2f},
        {{62, 7}, {100, 31}, 2, 65, .how = IPOT, .noise = 0.5f},
        {{16, 13, 62}, {17, 48, 100}, 3, 100, .how = SINKHORN},
        {{24, 30}, {50, 10}, 2, 768, .how = SINKHORN, .noise = 0.3f},
        {{9, 20},
         {30, 11},
         2,
         64,
         .how = {.solver = UN_SOLVER_SINKHORN, .iterations = 60, .epsilon = 0.01f},
         .noise = 0.7f},
        {{9, 20, 14},
         {30, 11, 14},
         3,
         64,
         .how = {.solver = UN_SOLVER_SINKHORN, .iterations = 100, .epsilon = 0.1f, .tolerance = 1e-3f},
         .noise = 0.7f},
        {{200}, {250}, 1, 33, .how = IPOT, .noise = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) {
        double work = 0; /* costs and iterations */
        for (int64_t b = 0; b < shapes[i].pairs; ++b)
            if (shapes[i].words[b] > 0)
                work += (double)(shapes[i].words[b] * shapes[i].regions[b]) *
                        (double)(shapes[i].hidden + shapes[i].how.iterations);
        if (!un_harness_heavy(work)) un_harness_each(run_shape, &shapes[i]);
    }
}

/* Vectors below the floor of the norm: divided by the floor, and their length is then no part of the
 * gradient. */
static void test_short_vectors(void **state) {
    static const int32_t lists[5] = {0, 3, 2, 0, 6}; /* first, words, regions, plan_start */
    const struct un_transport how = IPOT;
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 1, NULL);
    const int32_t *list = un_harness_put(&h, lists, 5, sizeof *lists);
    const struct un_pairs pairs = {list, list + 1, list + 2, list + 3, 1, 3, 2};
    struct un_mat x = un_harness_mat_random(&h, 5, 8, -1.0f, 1.0f),
                  dx = un_harness_mat_random(&h, 5, 8, 0.0f, 0.0f);
    float *plan = un_harness_poison(&h, 6), *cost = un_harness_poison(&h, 6),
          *distance = un_harness_poison(&h, 1);
    const float *coef = un_harness_random(&h, 1, 1.0f, 1.0f);
    for (int k = 0; k < 8; ++k) {
        ((float *)x.data)[x.stride + k] *= 1e-6f;    /* a word of length under 1e-5 */
        ((float *)x.data)[3 * x.stride + k] *= 0.0f; /* a region of length 0 */
    }
    h.ops->transport_fwd(h.q, distance, plan, cost, x, &pairs, &how);
    h.ops->transport_bwd(h.q, dx, coef, plan, cost, x, &pairs);
    double *wide = un_harness_widen(&h, x), want[6];
    un_oracle_cost(want, wide, 3, 2, 8);
    un_harness_near_array("cost", cost, want, 6, (struct un_tolerance){cost_tolerance, 0});
    assert_true(cost[0] == 1.0f && fabsf(cost[3] - 1.0f) < 0.5f);
    const struct scalar c = {&pairs, wide, un_harness_widen_array(&h, plan, 6),
                             un_harness_widen_array(&h, coef, 1), 8};
    /* the step must stay below the floor for the short ones; slopes there are of order 1e5 / 3 */
    un_harness_slope("short word", rows_of(dx, 1, 1), scalar_of, &c, wide + 8, 1e-9,
                     (struct un_tolerance){1e-2, 1e-5});
    un_harness_slope("no region", rows_of(dx, 3, 1), scalar_of, &c, wide + 24, 1e-9,
                     (struct un_tolerance){1e-2, 1e-5});
    un_harness_slope("word", rows_of(dx, 0, 1), scalar_of, &c, wide, 1e-5, difference_tolerance);
    un_harness_slope("region", rows_of(dx, 4, 1), scalar_of, &c, wide + 32, 1e-5, difference_tolerance);
    un_harness_close(&h);
}

static struct un_mat plan_with(struct un_harness *h, struct batch *b, struct un_transport how) {
    float *plan = un_harness_poison(h, b->plan_count);
    h->ops->transport_fwd(h->q, b->distance, plan, b->cost, b->x, &b->pairs, &how);
    return un_mat32(plan, 1, b->plan_count);
}

/* An early stop leaves what that many iterations leave: at once, never, and in between. */
static void test_early_stop(void **state) {
    static const struct shape shape = {{12}, {19}, 1, 40, .how = SINKHORN, .noise = 0.6f};
    struct un_transport how = SINKHORN;
    struct un_harness h;
    int stopped = 0;
    (void)state;
    un_harness_open(&h, 1, NULL);
    struct batch b = make_batch(&h, &shape);
    struct un_mat full = plan_with(&h, &b, how);
    how.tolerance = 1e-30f;
    un_harness_same("tolerance too small", plan_with(&h, &b, how), full);
    how.tolerance = 1e-2f;
    struct un_mat early = plan_with(&h, &b, how);
    double *wide = un_harness_widen(&h, early);
    assert_true(un_oracle_row_error(wide, 12, 19) < 1e-2);
    how.tolerance = 0.0f;
    for (how.iterations = 1; how.iterations <= 50 && !stopped; ++how.iterations) {
        struct un_mat p = plan_with(&h, &b, how);
        if (!memcmp(p.data, early.data, (size_t)b.plan_count * sizeof(float)))
            stopped = how.iterations;
        else
            assert_true(un_oracle_row_error(un_harness_widen(&h, p), 12, 19) > 0.99e-2);
    }
    assert_in_range(stopped, 2, 50);
    how = (struct un_transport)SINKHORN;
    how.tolerance = 1e9f;
    struct un_mat once = plan_with(&h, &b, how);
    how.iterations = 1;
    how.tolerance = 0.0f;
    un_harness_same("tolerance too large", plan_with(&h, &b, how), once);
    un_harness_close(&h);
}

/* Words that equal regions one by one: all mass ends on the diagonal and the distance goes to 0; shuffled
 * words of another pair are farther away. */
static void test_true_pairs_are_nearer(void **state) {
    static const struct shape shape = {{10, 10}, {10, 10}, 2, 64, .how = IPOT, .noise = 1e-3f};
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 1, NULL);
    struct batch b = make_batch(&h, &shape);
    for (int64_t k = 0; k < 10 * b.x.stride; ++k) /* the second pair's regions belong to no word of it */
        ((float *)b.x.data)[(b.pairs.first[1] + 10) * b.x.stride + k] =
            un_rng_unit(un_rng(1, UN_RNG_TEST, 0, 0, 1, (uint32_t)k).v[0]) - 0.5f;
    h.ops->transport_fwd(h.q, b.distance, b.plan, b.cost, b.x, &b.pairs, &shape.how);
    assert_true(b.distance[0] < 1e-3f && b.distance[1] > 0.5f);
    for (int64_t i = 0; i < 10; ++i) assert_true(b.plan[i * 10 + i] > 0.099f);
    un_harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_short_vectors),
        cmocka_unit_test(test_early_stop),
        cmocka_unit_test(test_true_pairs_are_nearer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
