/* Attention from one batch to another against a naive oracle in double that draws dropout element by element, and
 * against finite differences. Tolerances: see attention.c. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

static const struct un_tolerance out_tolerance = {6e-7, 6e-7};
static const struct un_tolerance lse_tolerance = {5e-7, 2e-7};
static const struct un_tolerance slope_tolerance = {6e-6, 2e-6};
static const struct un_tolerance difference_tolerance = {2e-5, 1e-4}; /* step 1e-4, oracle in double */

enum { MOST_SAMPLES = 5 };

struct shape {
    int64_t queries[MOST_SAMPLES], keys[MOST_SAMPLES];
    int64_t samples, heads, width, tail, key_tail; /* tail: rows behind the last sample */
    double dropout;
    float range; /* of queries and keys */
    bool differences;
};

struct problem {
    const struct shape *shape;
    const int32_t *start, *key_start;
    const struct un_dropout *drop;
    const double *query, *key_value, *dout;
    int64_t hidden, queries, keys; /* H, rows */
};

static double factor_of(const struct problem *p, int64_t t, int64_t u, int64_t a) {
    if (p->drop->threshold == 0) return 1.0;
    return un_dropout_factor(p->drop, (uint32_t)((t * p->shape->heads + a) * UN_MAX_SAMPLE_TOKENS + u));
}

static double dot(const double *x, const double *y, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
    return sum;
}

/* One query of one head: its probabilities over the keys [first, first + n); log sum exp. */
static double softmax_of(double *prob, const struct problem *p, int64_t t, int64_t a, int64_t first,
                         int64_t n) {
    const int64_t w = p->shape->width, h = p->hidden;
    double most = -INFINITY, sum = 0.0;
    for (int64_t u = 0; u < n; ++u) {
        prob[u] =
            dot(p->query + t * h + a * w, p->key_value + (first + u) * 2 * h + a * w, w) / sqrt((double)w);
        most = fmax(most, prob[u]);
    }
    for (int64_t u = 0; u < n; ++u) sum += prob[u] = exp(prob[u] - most);
    for (int64_t u = 0; u < n; ++u) prob[u] /= sum;
    return most + log(sum);
}

struct wanted {
    double *out, *lse, *dquery, *dkey_value;
};

static void oracle_forward(const struct wanted *w, const struct problem *p, int64_t t, int64_t a,
                           int64_t first, int64_t n) {
    const int64_t h = p->hidden, width = p->shape->width;
    double prob[UN_MAX_SAMPLE_TOKENS];
    if (n == 0) return;
    w->lse[t * p->shape->heads + a] = softmax_of(prob, p, t, a, first, n);
    for (int64_t u = 0; u < n; ++u)
        for (int64_t d = 0; d < width; ++d)
            w->out[t * h + a * width + d] +=
                prob[u] * factor_of(p, t, u, a) * p->key_value[(first + u) * 2 * h + h + a * width + d];
}

static void oracle_backward(const struct wanted *w, const struct problem *p, int64_t t, int64_t a,
                            int64_t first, int64_t n) {
    const int64_t h = p->hidden, width = p->shape->width;
    const double *dout = p->dout + t * h + a * width;
    double prob[UN_MAX_SAMPLE_TOKENS], slope[UN_MAX_SAMPLE_TOKENS], mean = 0.0;
    softmax_of(prob, p, t, a, first, n);
    for (int64_t u = 0; u < n; ++u) {
        slope[u] =
            factor_of(p, t, u, a) * dot(dout, p->key_value + (first + u) * 2 * h + h + a * width, width);
        mean += prob[u] * slope[u];
    }
    for (int64_t u = 0; u < n; ++u) {
        const double g = prob[u] * (slope[u] - mean) / sqrt((double)width),
                     kept = prob[u] * factor_of(p, t, u, a);
        const int64_t at = (first + u) * 2 * h + a * width;
        for (int64_t d = 0; d < width; ++d) {
            w->dquery[t * h + a * width + d] += g * p->key_value[at + d];
            w->dkey_value[at + d] += g * p->query[t * h + a * width + d];
            w->dkey_value[at + h + d] += kept * dout[d];
        }
    }
}

typedef void (*one_query)(const struct wanted *w, const struct problem *p, int64_t t, int64_t a,
                          int64_t first, int64_t n);

static void each_query(one_query f, const struct wanted *w, const struct problem *p) {
    for (int64_t s = 0; s < p->shape->samples; ++s)
        for (int64_t t = p->start[s]; t < p->start[s + 1]; ++t)
            for (int64_t a = 0; a < p->shape->heads; ++a)
                f(w, p, t, a, p->key_start[s], p->key_start[s + 1] - p->key_start[s]);
}

/* sum of dout * out, of the query or of keys and values */
struct scalar {
    const struct problem *p;
    struct wanted w;
    bool of_keys;
};

static double scalar_of(const double *at, const void *context) {
    const struct scalar *c = context;
    struct problem p = *c->p;
    const int64_t n = p.queries * p.hidden;
    if (c->of_keys)
        p.key_value = at;
    else
        p.query = at;
    memset(c->w.out, 0, (size_t)n * sizeof *c->w.out);
    each_query(oracle_forward, &c->w, &p);
    return dot(c->w.out, p.dout, n);
}

static struct un_layout make_layout(struct un_harness *h, const int64_t *lengths, int64_t samples,
                                    int64_t tail) {
    int32_t *start = un_harness_take(h, samples + 1, sizeof *start);
    struct un_layout layout = {.start = start, .samples = samples};
    start[0] = 0;
    for (int64_t s = 0; s < samples; ++s) {
        start[s + 1] = start[s] + (int32_t)lengths[s];
        if (lengths[s] > layout.longest) layout.longest = lengths[s];
    }
    layout.tokens = start[samples] + tail;
    return layout;
}

/* Keys in [-range, range], values in [-1, 1]. */
static struct un_mat make_keys(struct un_harness *h, int64_t tokens, int64_t hidden, float range) {
    struct un_mat m = un_harness_mat_random(h, tokens, 2 * hidden, -1.0f, 1.0f);
    for (int64_t t = 0; t < tokens; ++t)
        for (int64_t j = 0; j < hidden; ++j) ((float *)m.data)[t * m.stride + j] *= range;
    return m;
}

struct result {
    struct un_mat out, dquery, dkey_value;
    float *lse;
};

static void check(struct un_harness *h, const struct problem *p, const struct result *r) {
    const int64_t n = p->queries * p->hidden, keys = p->keys * 2 * p->hidden,
                  rows = p->queries * p->shape->heads;
    struct wanted w = {un_harness_doubles(h, n), un_harness_doubles(h, rows), un_harness_doubles(h, n),
                       un_harness_doubles(h, keys)};
    each_query(oracle_forward, &w, p);
    each_query(oracle_backward, &w, p);
    un_harness_near("out", r->out, w.out, out_tolerance);
    un_harness_near_array("lse", r->lse, w.lse, rows, lse_tolerance);
    un_harness_near("dquery", r->dquery, w.dquery, slope_tolerance);
    un_harness_near("dkey_value", r->dkey_value, w.dkey_value, slope_tolerance);
    if (!p->shape->differences) return;
    struct scalar c = {p, w, false};
    un_harness_slope("dquery", r->dquery, scalar_of, &c, (double *)(uintptr_t)p->query, 1e-4,
                     difference_tolerance);
    c.of_keys = true;
    un_harness_slope("dkey_value", r->dkey_value, scalar_of, &c, (double *)(uintptr_t)p->key_value, 1e-4,
                     difference_tolerance);
}

static void run_shape(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    const int64_t hidden = s->heads * s->width;
    const struct un_layout queries = make_layout(h, s->queries, s->samples, s->tail);
    const struct un_layout keys = make_layout(h, s->keys, s->samples, s->key_tail);
    const struct un_dropout drop = un_harness_dropout(s->dropout);
    struct un_mat query = un_harness_mat_random(h, queries.tokens, hidden, -s->range, s->range);
    struct un_mat key_value = make_keys(h, keys.tokens, hidden, s->range);
    struct un_mat dout = un_harness_mat_random(h, queries.tokens, hidden, -1.0f, 1.0f);
    struct result r = {.out = un_harness_mat(h, queries.tokens, hidden),
                       .dquery = un_harness_mat(h, queries.tokens, hidden),
                       .dkey_value = un_harness_mat(h, keys.tokens, 2 * hidden),
                       .lse = un_harness_poison(h, queries.tokens * s->heads)};
    const struct un_dropout *wanted = s->dropout > 0.0 ? &drop : NULL;
    h->ops->cross_attention_fwd(h->q, r.out, r.lse, query, key_value, &queries, &keys, s->heads, wanted);
    h->ops->cross_attention_bwd(h->q, r.dquery, r.dkey_value, dout, r.out, r.lse, query, key_value, &queries,
                                &keys, s->heads, wanted);
    const struct problem p = {.shape = s,
                              .start = queries.start,
                              .key_start = keys.start,
                              .drop = &drop,
                              .query = un_harness_widen(h, query),
                              .key_value = un_harness_widen(h, key_value),
                              .dout = un_harness_widen(h, dout),
                              .hidden = hidden,
                              .queries = queries.tokens,
                              .keys = keys.tokens};
    check(h, &p, &r);
}

/* All variations of a shape, or one where the device is slow. */
static void run_each(const struct shape *shape) {
    double work = 0.0;
    for (int64_t s = 0; s < shape->samples; ++s)
        work += 9.0 * (double)(shape->queries[s] * shape->keys[s] * shape->heads * shape->width);
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

static void shapes(void **state) {
    static const struct shape all[] = {
        {.queries = {1, 5, 17},
         .keys = {3, 1, 9},
         .samples = 3,
         .heads = 2,
         .width = 5,
         .range = 2,
         .differences = true},
        {.queries = {4, 0, 11},
         .keys = {2, 3, 19},
         .samples = 3,
         .heads = 3,
         .width = 4,
         .tail = 3,
         .dropout = 0.3,
         .range = 2,
         .differences = true},
        {.queries = {4, 3},
         .keys = {5, 0},
         .samples = 2,
         .heads = 2,
         .width = 3,
         .key_tail = 2,
         .range = 1,
         .differences = true},
        {.queries = {17, 56, 1}, .keys = {63, 16, 40}, .samples = 3, .heads = 2, .width = 64, .range = 1},
        {.queries = {63, 2, 33},
         .keys = {8, 70, 33},
         .samples = 3,
         .heads = 3,
         .width = 20,
         .dropout = 0.1,
         .range = 1},
        {.queries = {30, 5},
         .keys = {5, 90},
         .samples = 2,
         .heads = 1,
         .width = 150,
         .dropout = 0.1,
         .range = 0.5f},
        {.queries = {5, 12},
         .keys = {9, 2},
         .samples = 2,
         .heads = 1,
         .width = 1,
         .range = 2,
         .differences = true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) run_each(&all[i]);
}

static void longest_samples(void **state) {
    static const struct shape all[] = {
        {.queries = {512, 3},
         .keys = {130, 512},
         .samples = 2,
         .heads = 2,
         .width = 20,
         .range = 1,
         .dropout = 0.1},
        {.queries = {511}, .keys = {512}, .samples = 1, .heads = 1, .width = 16, .range = 1, .dropout = 0.1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) run_each(&all[i]);
}

static void no_samples(void **state) {
    static const struct shape none = {
        .samples = 0, .heads = 2, .width = 16, .tail = 4, .key_tail = 1, .range = 1};
    static const struct shape hollow = {
        .queries = {0, 0}, .samples = 2, .heads = 2, .width = 16, .tail = 3, .key_tail = 70, .range = 1};
    (void)state;
    run_each(&none);
    run_each(&hollow);
}

/* What a sample gets does not depend on its neighbours, bit for bit; not a number stays in its sample. */
static void samples_are_independent(void **state) {
    static const int64_t lengths[2] = {17, 53}, key_lengths[2] = {5, 60};
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 2, NULL);
    const struct un_layout queries = make_layout(&h, lengths, 2, 0),
                           keys = make_layout(&h, key_lengths, 2, 0);
    const struct un_layout one = make_layout(&h, lengths, 1, 0), one_key = make_layout(&h, key_lengths, 1, 0);
    struct un_mat query = un_harness_mat_random(&h, 70, 20, -1, 1),
                  kv = un_harness_mat_random(&h, 65, 40, -1, 1);
    struct un_mat out = un_harness_mat(&h, 70, 20), out2 = un_harness_mat(&h, 17, 20);
    float *lse = un_harness_poison(&h, 70 * 2), *lse2 = un_harness_poison(&h, 17 * 2);
    ((float *)kv.data)[40 * kv.stride] = NAN;
    h.ops->cross_attention_fwd(h.q, out, lse, query, kv, &queries, &keys, 2, NULL);
    for (int64_t t = 0; t < 70; ++t) assert_int_equal(!!isnan(((float *)out.data)[t * out.stride]), t >= 17);
    query.rows = out.rows = 17, kv.rows = 5;
    h.ops->cross_attention_fwd(h.q, out2, lse2, query, kv, &one, &one_key, 2, NULL);
    un_harness_same("out", out, out2);
    un_harness_same("lse", un_mat32(lse, 1, 17 * 2), un_mat32(lse2, 1, 17 * 2));
    un_harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shapes), cmocka_unit_test(longest_samples),
                                       cmocka_unit_test(no_samples),
                                       cmocka_unit_test(samples_are_independent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
