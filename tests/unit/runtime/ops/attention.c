/* Attention against a naive oracle in double that draws dropout element by element with un_dropout_factor.
 *
 * Tolerances. Inputs are of order 1. A float chain of l or D products is off by a few 1e-7 of the sum of
 * their magnitudes; at large scores the exponent p = exp(s - lse) carries the rounding of s itself, |s| *
 * 6e-8. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

static const struct un_tolerance out_tolerance = {6e-7, 6e-7};   /* probabilities times values in [-1, 1] */
static const struct un_tolerance lse_tolerance = {5e-7, 2e-7};   /* of order log l */
static const struct un_tolerance slope_tolerance = {6e-6, 2e-6}; /* sums of up to 512 products of order 1 */
static const struct un_tolerance sharp_tolerance = {6e-5, 6e-6}; /* scores up to 300: p off by 2e-5 */
static const struct un_tolerance difference_tolerance = {2e-5, 1e-4}; /* step 1e-4, oracle in double */

enum { MOST_SAMPLES = 8 };

struct shape {
    int64_t lengths[MOST_SAMPLES];
    int64_t samples, heads, width, tail; /* tail: tokens behind the last sample */
    double dropout;
    float range; /* of queries and keys */
    bool differences;
};

/* Everything an oracle needs. Head a of token t in column a * width of each third of qkv. */
struct problem {
    const int32_t *start;
    int64_t samples, tokens, heads, width;
    const struct un_dropout *drop;
    const double *dout;
};

static double factor_of(const struct problem *p, int64_t t, int64_t u, int64_t first, int64_t a) {
    if (!p->drop || p->drop->threshold == 0) return 1.0;
    return un_dropout_factor(p->drop, (uint32_t)((t * p->heads + a) * UN_MAX_SAMPLE_TOKENS + (u - first)));
}

static double dot(const double *x, const double *y, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
    return sum;
}

/* prob[u - first] of one query; returns log sum exp. */
static double softmax_of(double *prob, const struct problem *p, const double *qkv, int64_t t, int64_t first,
                         int64_t stop, int64_t a) {
    const int64_t h = p->heads * p->width;
    double most = -INFINITY, sum = 0.0;
    for (int64_t u = first; u < stop; ++u) {
        prob[u - first] = dot(qkv + t * 3 * h + a * p->width, qkv + u * 3 * h + h + a * p->width, p->width) /
                          sqrt((double)p->width);
        most = fmax(most, prob[u - first]);
    }
    for (int64_t u = first; u < stop; ++u) sum += prob[u - first] = exp(prob[u - first] - most);
    for (int64_t u = first; u < stop; ++u) prob[u - first] /= sum;
    return most + log(sum);
}

static void oracle_forward(double *out, double *lse, const struct problem *p, const double *qkv) {
    const int64_t h = p->heads * p->width;
    double prob[UN_MAX_SAMPLE_TOKENS];
    for (int64_t s = 0; s < p->samples; ++s)
        for (int64_t t = p->start[s]; t < p->start[s + 1]; ++t)
            for (int64_t a = 0; a < p->heads; ++a) {
                const int64_t first = p->start[s];
                double *to = out + t * h + a * p->width;
                lse[t * p->heads + a] = softmax_of(prob, p, qkv, t, first, p->start[s + 1], a);
                for (int64_t u = first; u < p->start[s + 1]; ++u) {
                    const double weight = prob[u - first] * factor_of(p, t, u, first, a);
                    for (int64_t d = 0; d < p->width; ++d)
                        to[d] += weight * qkv[u * 3 * h + 2 * h + a * p->width + d];
                }
            }
}

/* dqkv of one query of one head. */
static void oracle_query(double *dqkv, const struct problem *p, const double *qkv, int64_t s, int64_t t,
                         int64_t a) {
    const int64_t h = p->heads * p->width, first = p->start[s], stop = p->start[s + 1], w = p->width;
    const double *dout = p->dout + t * h + a * w;
    double prob[UN_MAX_SAMPLE_TOKENS], slope[UN_MAX_SAMPLE_TOKENS], mean = 0.0;
    softmax_of(prob, p, qkv, t, first, stop, a);
    for (int64_t u = first; u < stop; ++u) {
        slope[u - first] = factor_of(p, t, u, first, a) * dot(dout, qkv + u * 3 * h + 2 * h + a * w, w);
        mean += prob[u - first] * slope[u - first];
    }
    for (int64_t u = first; u < stop; ++u) {
        const double g = prob[u - first] * (slope[u - first] - mean) / sqrt((double)w);
        const double kept = prob[u - first] * factor_of(p, t, u, first, a);
        double *query = dqkv + t * 3 * h + a * w, *key = dqkv + u * 3 * h + h + a * w, *value = key + h;
        for (int64_t d = 0; d < w; ++d) {
            query[d] += g * qkv[u * 3 * h + h + a * w + d];
            key[d] += g * qkv[t * 3 * h + a * w + d];
            value[d] += kept * dout[d];
        }
    }
}

static void oracle_backward(double *dqkv, const struct problem *p, const double *qkv) {
    for (int64_t s = 0; s < p->samples; ++s)
        for (int64_t t = p->start[s]; t < p->start[s + 1]; ++t)
            for (int64_t a = 0; a < p->heads; ++a) oracle_query(dqkv, p, qkv, s, t, a);
}

/* sum of dout * out, for finite differences */
struct scalar {
    const struct problem *problem;
    double *out, *lse;
};

static double scalar_of(const double *qkv, const void *context) {
    const struct scalar *c = context;
    const struct problem *p = c->problem;
    const int64_t n = p->tokens * p->heads * p->width;
    memset(c->out, 0, (size_t)n * sizeof *c->out);
    oracle_forward(c->out, c->lse, p, qkv);
    return dot(c->out, p->dout, n);
}

/* Queries and keys in [-range, range], values in [-1, 1]. */
static struct un_mat make_qkv(struct un_harness *h, int64_t tokens, int64_t hidden, float range) {
    struct un_mat m = un_harness_mat_random(h, tokens, 3 * hidden, -1.0f, 1.0f);
    for (int64_t t = 0; t < tokens; ++t)
        for (int64_t j = 0; j < 2 * hidden; ++j) ((float *)m.data)[t * m.stride + j] *= range;
    return m;
}

static struct un_layout make_layout(struct un_harness *h, const struct shape *shape) {
    int32_t *start = un_harness_take(h, shape->samples + 1, sizeof *start);
    struct un_layout layout = {.start = start, .samples = shape->samples};
    start[0] = 0;
    for (int64_t s = 0; s < shape->samples; ++s) {
        start[s + 1] = start[s] + (int32_t)shape->lengths[s];
        if (shape->lengths[s] > layout.longest) layout.longest = shape->lengths[s];
    }
    layout.tokens = start[shape->samples] + shape->tail;
    return layout;
}

static void run_shape(struct un_harness *h, const void *context) {
    const struct shape *shape = context;
    const int64_t hidden = shape->heads * shape->width;
    const struct un_layout layout = make_layout(h, shape);
    const int64_t tokens = layout.tokens;
    const struct un_dropout drop = un_harness_dropout(shape->dropout);
    const bool sharp = shape->range > 4.0f;

    struct un_mat qkv = make_qkv(h, tokens, hidden, shape->range);
    struct un_mat dout = un_harness_mat_random(h, tokens, hidden, -1.0f, 1.0f);
    struct un_mat out = un_harness_mat(h, tokens, hidden), dqkv = un_harness_mat(h, tokens, 3 * hidden);
    float *lse = un_harness_poison(h, tokens * shape->heads);
    float *dbias = un_harness_random(h, 3 * hidden, -1.0f, 1.0f),
          *want_dbias = un_harness_copy(h, dbias, 3 * hidden);
    h->ops->attention_fwd(h->q, out, lse, qkv, &layout, shape->heads, &drop);
    h->ops->attention_bwd(h->q, dqkv, dbias, dout, out, lse, qkv, &layout, shape->heads, &drop);

    const struct problem p = {.start = layout.start,
                              .samples = layout.samples,
                              .tokens = tokens,
                              .heads = shape->heads,
                              .width = shape->width,
                              .drop = &drop,
                              .dout = un_harness_widen(h, dout)};
    double *x = un_harness_widen(h, qkv), *want = un_harness_doubles(h, tokens * hidden);
    double *want_lse = un_harness_doubles(h, tokens * shape->heads);
    double *want_dqkv = un_harness_doubles(h, tokens * 3 * hidden);
    oracle_forward(want, want_lse, &p, x);
    oracle_backward(want_dqkv, &p, x);
    un_harness_near("out", out, want, sharp ? sharp_tolerance : out_tolerance);
    un_harness_near_array("lse", lse, want_lse, tokens * shape->heads,
                          sharp ? sharp_tolerance : lse_tolerance);
    h->ops->col_sum(h->q, want_dbias, dqkv); /* f32 takes the same sums */
    un_harness_same("dbias", un_mat32(dbias, 1, 3 * hidden), un_mat32(want_dbias, 1, 3 * hidden));
    un_harness_near("dqkv", dqkv, want_dqkv, sharp ? sharp_tolerance : slope_tolerance);
    if (shape->differences) {
        struct scalar c = {&p, want, want_lse};
        un_harness_slope("dqkv", dqkv, scalar_of, &c, x, 1e-4, difference_tolerance);
    }
}

/* All variations of a shape, or one where the device is slow. */
static void run_each(const struct shape *shape) {
    double work = 0.0;
    for (int64_t s = 0; s < shape->samples; ++s)
        work += 9.0 * (double)(shape->lengths[s] * shape->lengths[s] * shape->heads * shape->width);
    if (!un_harness_heavy(work)) {
        un_harness_each(run_shape, shape);
        return;
    }
    struct un_harness h;
    un_harness_open(&h, 3, NULL);
    h.shift = 1;
    h.pad = 3;
    run_shape(&h, shape);
    un_harness_close(&h);
}

static void test_shapes(void **state) {
    static const struct shape shapes[] = {
        {.lengths = {1, 2, 17}, .samples = 3, .heads = 2, .width = 5, .range = 2, .differences = true},
        {.lengths = {1, 2, 17},
         .samples = 3,
         .heads = 2,
         .width = 5,
         .range = 2,
         .dropout = 0.3,
         .differences = true},
        {.lengths = {3, 0, 9},
         .samples = 3,
         .heads = 3,
         .width = 7,
         .range = 1,
         .dropout = 0.1,
         .tail = 4,
         .differences = true},
        {.lengths = {17, 56, 63, 1, 16}, .samples = 5, .heads = 2, .width = 64, .range = 1},
        {.lengths = {63, 2, 33}, .samples = 3, .heads = 3, .width = 20, .range = 1, .dropout = 0.1},
        {.lengths = {56, 8}, .samples = 2, .heads = 5, .width = 16, .range = 1, .dropout = 0.5},
        {.lengths = {130, 15}, .samples = 2, .heads = 1, .width = 150, .range = 0.5f, .dropout = 0.1},
        {.lengths = {20, 47}, .samples = 2, .heads = 2, .width = 16, .range = 9, .dropout = 0.1},
        {.lengths = {5, 12}, .samples = 2, .heads = 1, .width = 1, .range = 2, .differences = true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) run_each(&shapes[i]);
}

static void test_longest_samples(void **state) {
    static const struct shape shape = {
        .lengths = {512, 130, 511}, .samples = 3, .heads = 2, .width = 20, .range = 1, .dropout = 0.1};
    (void)state;
    run_each(&shape);
}

static void test_no_samples(void **state) {
    static const struct shape none = {.samples = 0, .heads = 2, .width = 16, .range = 1};
    static const struct shape hollow = {
        .lengths = {0, 0}, .samples = 2, .heads = 2, .width = 16, .range = 1, .tail = 3};
    (void)state;
    run_each(&none);
    run_each(&hollow);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_longest_samples),
        cmocka_unit_test(test_no_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
