/* Pooling by attention against a naive oracle in double that draws dropout element by element, and against finite
 * differences.
 *
 * Tolerances: weights add up to 1 (to 1 / 0.7 with dropout), so out is a sum of sizes under 2 in a chain of up to 512
 * roundings; a gradient of a score is a difference of sums of up to 768 products of order 1. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

static const struct un_tolerance weight_tolerance = {1e-9, 1e-6};
static const struct un_tolerance out_tolerance = {1e-6, 1e-6};
static const struct un_tolerance slope_tolerance = {5e-6, 5e-6};
static const struct un_tolerance difference_tolerance = {1e-5, 1e-5}; /* step 1e-4, oracle in double */

enum { MOST_SAMPLES = 6 };

struct shape {
    int64_t lengths[MOST_SAMPLES], samples, cols, tail; /* tail: tokens behind the last sample */
    double dropout;
    float range; /* of the scores */
    bool differences;
};

struct problem {
    const struct un_layout *layout;
    int64_t cols;
    const struct un_dropout *drop;
    const double *x, *score, *dout;
};

static double factor_of(const struct problem *p, int64_t t) {
    return p->drop->threshold ? un_dropout_factor(p->drop, (uint32_t)t) : 1.0;
}

static void oracle_weights(double *weight, const struct problem *p, const double *score) {
    for (int64_t s = 0; s < p->layout->samples; ++s) {
        double sum = 0.0;
        for (int32_t t = p->layout->start[s]; t < p->layout->start[s + 1]; ++t) sum += exp(score[t]);
        for (int32_t t = p->layout->start[s]; t < p->layout->start[s + 1]; ++t)
            weight[t] = exp(score[t]) / sum;
    }
}

static void oracle_forward(double *out, double *weight, const struct problem *p, const double *x,
                           const double *score) {
    oracle_weights(weight, p, score);
    for (int64_t s = 0; s < p->layout->samples; ++s)
        for (int32_t t = p->layout->start[s]; t < p->layout->start[s + 1]; ++t)
            for (int64_t j = 0; j < p->cols; ++j)
                out[s * p->cols + j] += weight[t] * factor_of(p, t) * x[t * p->cols + j];
}

static void oracle_backward(double *dx, double *dscore, const double *weight, const struct problem *p) {
    for (int64_t s = 0; s < p->layout->samples; ++s) {
        double mean = 0.0;
        for (int32_t t = p->layout->start[s]; t < p->layout->start[s + 1]; ++t) {
            for (int64_t j = 0; j < p->cols; ++j) {
                dx[t * p->cols + j] = weight[t] * factor_of(p, t) * p->dout[s * p->cols + j];
                dscore[t] += factor_of(p, t) * p->dout[s * p->cols + j] * p->x[t * p->cols + j];
            }
            mean += weight[t] * dscore[t];
        }
        for (int32_t t = p->layout->start[s]; t < p->layout->start[s + 1]; ++t)
            dscore[t] = weight[t] * (dscore[t] - mean);
    }
}

/* sum of dout * out, of x or of the scores */
struct scalar {
    const struct problem *p;
    double *out, *weight;
    int64_t count;
    bool of_score;
};

static double scalar_of(const double *at, const void *context) {
    const struct scalar *c = context;
    double sum = 0.0;
    memset(c->out, 0, (size_t)c->count * sizeof *c->out);
    oracle_forward(c->out, c->weight, c->p, c->of_score ? c->p->x : at, c->of_score ? at : c->p->score);
    for (int64_t i = 0; i < c->count; ++i) sum += c->out[i] * c->p->dout[i];
    return sum;
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

struct result {
    struct un_mat out, dx;
    float *weight, *dscore;
};

static void check(struct un_harness *h, const struct shape *shape, const struct problem *p,
                  const struct result *r) {
    const int64_t tokens = r->dx.rows, count = r->out.rows * r->out.cols;
    double *out = un_harness_doubles(h, count), *weight = un_harness_doubles(h, tokens);
    double *dx = un_harness_doubles(h, tokens * p->cols), *dscore = un_harness_doubles(h, tokens);
    oracle_forward(out, weight, p, p->x, p->score);
    oracle_backward(dx, dscore, weight, p);
    un_harness_near("out", r->out, out, out_tolerance);
    un_harness_near_array("weight", r->weight, weight, tokens, weight_tolerance);
    un_harness_near("dx", r->dx, dx, slope_tolerance);
    un_harness_near_array("dscore", r->dscore, dscore, tokens, slope_tolerance);
    if (!shape->differences) return;
    struct scalar c = {p, out, weight, count, false};
    un_harness_slope("dx", r->dx, scalar_of, &c, (double *)(uintptr_t)p->x, 1e-4, difference_tolerance);
    c.of_score = true;
    un_harness_slope("dscore", un_mat32(r->dscore, 1, tokens), scalar_of, &c, (double *)(uintptr_t)p->score,
                     1e-4, difference_tolerance);
}

static void run_shape(struct un_harness *h, const void *context) {
    const struct shape *shape = context;
    const struct un_layout layout = make_layout(h, shape);
    const struct un_dropout drop = un_harness_dropout(shape->dropout);
    struct un_mat x = un_harness_mat_random(h, layout.tokens, shape->cols, -1, 1);
    struct un_mat dout =
        un_harness_mat_random(h, shape->samples + 2, shape->cols, -1, 1); /* two of no sample */
    const float *score = un_harness_random(h, layout.tokens, -shape->range, shape->range);
    struct result r = {.out = un_harness_mat(h, dout.rows, shape->cols),
                       .dx = un_harness_mat(h, layout.tokens, shape->cols),
                       .weight = un_harness_poison(h, layout.tokens),
                       .dscore = un_harness_poison(h, layout.tokens)};
    const struct un_dropout *wanted = shape->dropout > 0.0 ? &drop : NULL;
    h->ops->attention_pool_fwd(h->q, r.out, r.weight, x, score, &layout, wanted);
    h->ops->attention_pool_bwd(h->q, r.dx, r.dscore, dout, x, r.weight, &layout, wanted);
    const struct problem p = {.layout = &layout,
                              .cols = shape->cols,
                              .drop = &drop,
                              .x = un_harness_widen(h, x),
                              .score = un_harness_widen_array(h, score, layout.tokens),
                              .dout = un_harness_widen(h, dout)};
    check(h, shape, &p, &r);
}

static void shapes(void **state) {
    static const struct shape all[] = {
        {.lengths = {1, 2, 17}, .samples = 3, .cols = 5, .range = 2, .differences = true},
        {.lengths = {3, 0, 9},
         .samples = 3,
         .cols = 7,
         .tail = 4,
         .dropout = 0.3,
         .range = 2,
         .differences = true},
        {.lengths = {17, 56, 63, 1, 16}, .samples = 5, .cols = 64, .range = 3},
        {.lengths = {63, 2, 33}, .samples = 3, .cols = 100, .tail = 1, .dropout = 0.1, .range = 30},
        {.lengths = {512, 130, 511}, .samples = 3, .cols = 20, .dropout = 0.1, .range = 1},
        {.lengths = {40, 31}, .samples = 2, .cols = 768, .dropout = 0.1, .range = 0},
        {.lengths = {5, 12}, .samples = 2, .cols = 1, .range = 2, .differences = true},
        {.samples = 0, .cols = 16, .range = 1},
        {.lengths = {0, 0}, .samples = 2, .cols = 16, .tail = 3, .range = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        const struct shape *s = &all[i];
        int64_t tokens = s->tail;
        for (int64_t k = 0; k < s->samples; ++k) tokens += s->lengths[k];
        if (!un_harness_heavy(4.0 * (double)(tokens * s->cols))) un_harness_each(run_shape, s);
    }
}

/* What a sample gets does not depend on its neighbours, bit for bit, as long as it is drawn the same dropout; not a
 * number stays in its sample. */
static void samples_are_independent(void **state) {
    static const int32_t both[3] = {0, 17, 73}, alone[2] = {0, 17};
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 2, NULL);
    struct un_mat x = un_harness_mat_random(&h, 73, 20, -1, 1), out = un_harness_mat(&h, 2, 20), first = x;
    float *score = un_harness_random(&h, 73, -1, 1), *weight = un_harness_poison(&h, 73);
    struct un_mat out2 = un_harness_mat(&h, 1, 20);
    float *weight2 = un_harness_poison(&h, 17);
    struct un_layout layout = {.samples = 2, .tokens = 73, .longest = 56};
    layout.start = un_harness_put(&h, both, 3, sizeof *both);
    struct un_layout single = {.samples = 1, .tokens = 17, .longest = 17};
    single.start = un_harness_put(&h, alone, 2, sizeof *alone);
    const struct un_dropout drop = un_harness_dropout(0.3);
    score[20] = NAN;
    first.rows = 17;
    h.ops->attention_pool_fwd(h.q, out, weight, x, score, &layout, &drop);
    h.ops->attention_pool_fwd(h.q, out2, weight2, first, score, &single, &drop);
    assert_true(isnan(((float *)out.data)[out.stride]) && isnan(weight[72]));
    out.rows = 1;
    un_harness_same("out", out, out2);
    un_harness_same("weight", un_mat32(weight, 1, 17), un_mat32(weight2, 1, 17));
    un_harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shapes), cmocka_unit_test(samples_are_independent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
