/* The three losses against oracles in double, and the oracles' gradients against finite differences.
 *
 * Tolerances. A loss is a difference of numbers of order log(classes) + |x|, each rounded once: 1e-6 of them.
 * Gradients are softmax * scale: e^x within 2 ulp, the sum within a few. Differences: step 1e-4 in double. */
#include "runtime/cpu/convert.h"
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

static const struct un_tolerance loss_tolerance = {1e-6, 3e-7};
static const struct un_tolerance unit_tolerance = {1e-7, 5e-7}; /* units of soft labels: p times order 10 */
static const struct un_tolerance gradient_tolerance = {1e-7, 1e-6}; /* with a scale of order 1 */
static const struct un_tolerance difference_tolerance = {1e-6, 1e-5};
static const struct un_tolerance square_tolerance = {1e-7, 4e-7}; /* three roundings, and the sum's */

static const float factor = 0.7f;

struct shape {
    int64_t rows, classes;
    float range;
    bool half; /* targets in f16 */
};

static void each_shape(un_harness_case run, const struct shape *s) {
    if (!un_harness_heavy((double)(s->rows * s->classes))) un_harness_each(run, s);
}

static float *scale_of(struct un_harness *h) {
    float *scale = un_harness_poison(h, 1);
    *scale = factor;
    return scale;
}

static double log_sum(const double *x, int64_t n) {
    double most = -INFINITY, sum = 0.0;
    for (int64_t j = 0; j < n; ++j) most = fmax(most, x[j]);
    for (int64_t j = 0; j < n; ++j) sum += exp(x[j] - most);
    return most + log(sum);
}

static int64_t first_largest(const double *x, int64_t n) {
    int64_t at = 0;
    for (int64_t j = 1; j < n; ++j)
        if (x[j] > x[at]) at = j;
    return at;
}

/* What an oracle makes of all rows. */
struct wanted {
    double *loss, *hit, *unit, *gradient;
};

static struct wanted wanted_of(struct un_harness *h, int64_t rows, int64_t cols) {
    return (struct wanted){un_harness_doubles(h, rows), un_harness_doubles(h, rows),
                           un_harness_doubles(h, rows * cols), un_harness_doubles(h, rows * cols)};
}

/* Context of the scalar functions: one loss of all rows, times the scale. */
struct scalar {
    int64_t rows, cols;
    const int32_t *index;
    const double *soft; /* soft labels, or rows to compare with */
};

/* ---- cross-entropy ---- */

static double cross_entropy_sum(const double *x, const void *context) {
    const struct scalar *c = context;
    double sum = 0.0;
    for (int64_t i = 0; i < c->rows; ++i)
        if (c->index[i] >= 0) sum += log_sum(x + i * c->cols, c->cols) - x[i * c->cols + c->index[i]];
    return sum * factor;
}

static void cross_entropy_oracle(struct wanted w, const double *x, int64_t rows, int64_t n,
                                 const int32_t *target) {
    for (int64_t i = 0; i < rows; ++i) {
        const double *row = x + i * n;
        if (target[i] < 0) continue;
        const double lse = log_sum(row, n);
        w.loss[i] = lse - row[target[i]];
        w.hit[i] = first_largest(row, n) == target[i];
        for (int64_t j = 0; j < n; ++j)
            w.gradient[i * n + j] = (exp(row[j] - lse) - (j == target[i])) * factor;
    }
}

/* Every third row has no target, every fourth aims at its own largest logit. */
static int32_t *make_targets(struct un_harness *h, struct un_mat logits) {
    int32_t *target = un_harness_ints(h, logits.rows, 0, (int32_t)logits.cols);
    for (int64_t i = 0; i < logits.rows; ++i) {
        const float *x = (const float *)logits.data + i * logits.stride;
        if (i % 3 == 1) target[i] = -1;
        if (i % 4 != 0) continue;
        target[i] = 0;
        for (int32_t j = 1; j < logits.cols; ++j)
            if (x[j] > x[target[i]]) target[i] = j;
    }
    return target;
}

static void run_cross_entropy(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat logits = un_harness_mat_random(h, s->rows, s->classes, -s->range, s->range);
    struct un_mat kept = un_harness_mat_copy(h, logits), slope = un_harness_mat_copy(h, logits);
    const int32_t *target = make_targets(h, logits);
    float *loss = un_harness_poison(h, s->rows), *hit = un_harness_poison(h, s->rows);
    float *loss2 = un_harness_poison(h, s->rows), *hit2 = un_harness_poison(h, s->rows);
    const float *scale = scale_of(h);
    h->ops->cross_entropy(h->q, loss, hit, (struct un_mat){0}, kept, target, scale);
    h->ops->cross_entropy(h->q, loss2, hit2, slope, slope, target, scale);
    un_harness_same("logits without gradient", kept, logits);
    un_harness_same("loss with gradient", un_mat32(loss2, 1, s->rows), un_mat32(loss, 1, s->rows));
    un_harness_same("hit with gradient", un_mat32(hit2, 1, s->rows), un_mat32(hit, 1, s->rows));

    const struct wanted w = wanted_of(h, s->rows, s->classes);
    double *x = un_harness_widen(h, logits);
    cross_entropy_oracle(w, x, s->rows, s->classes, target);
    un_harness_near_array("loss", loss, w.loss, s->rows, loss_tolerance);
    un_harness_near_array("hit", hit, w.hit, s->rows, (struct un_tolerance){0});
    un_harness_near("gradient", slope, w.gradient, gradient_tolerance);
    if (s->rows * s->classes > 400) return;
    const struct scalar c = {s->rows, s->classes, target, NULL};
    un_harness_slope("cross-entropy", slope, cross_entropy_sum, &c, x, 1e-4, difference_tolerance);
}

static void test_cross_entropy(void **state) {
    static const struct shape shapes[] = {
        {0, 13, 3, false},   {1, 2, 3, false},    {9, 2, 3, false},      {17, 13, 3, false},
        {3, 1, 1, false},    {5, 1601, 8, false}, {130, 1601, 2, false}, {3, 28996, 5, false},
        {4, 512, 50, false}, {4, 1025, 0, false}, /* all equal: the first wins */
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) each_shape(run_cross_entropy, &shapes[i]);
}

/* Logits that no shortcut survives: far apart, huge, -inf. */
static void test_cross_entropy_extremes(void **state) {
    static const float start[4][3] = {
        {1000.0f, -1000.0f, 999.0f}, {-3e38f, 3e38f, 0.0f}, {-INFINITY, 2.0f, 2.0f}, {88, -88, NAN}};
    static const int32_t targets[4] = {2, 1, 2, 0};
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 1, NULL);
    float(*x)[3] = un_harness_put(&h, start, 4, sizeof *start), *scale = un_harness_random(&h, 1, 1, 1);
    const int32_t *target = un_harness_put(&h, targets, 4, sizeof *targets);
    float *loss = un_harness_poison(&h, 4), *hit = un_harness_poison(&h, 4);
    h.ops->cross_entropy(h.q, loss, hit, un_mat32(x, 4, 3), un_mat32(x, 4, 3), target, scale);
    assert_float_equal(loss[0], log1pf(expf(-1.0f)) + 1.0f, 1e-6);
    assert_float_equal(x[0][0], 1 / (1 + expf(-1.0f)), 1e-6);
    assert_true(x[0][1] == 0.0f && hit[0] == 0.0f);
    assert_true(loss[1] == 0.0f && hit[1] == 1.0f && x[1][0] == 0.0f && x[1][1] == 0.0f);
    assert_float_equal(loss[2], logf(2.0f), 1e-6);
    assert_true(hit[2] == 0.0f && x[2][0] == 0.0f); /* the tie goes to class 1 */
    assert_true(isnan(loss[3]) && isnan(x[3][0]));
    un_harness_close(&h);
}

/* ---- KL divergence ---- */

static double kl_unit(double p, double x, double lse) {
    return p == 0.0 ? 0.0 : p * (log(p) - (x - lse));
}

static double kl_sum(const double *x, const void *context) {
    const struct scalar *c = context;
    double sum = 0.0;
    for (int64_t i = 0; i < c->rows; ++i) {
        const double lse = log_sum(x + i * c->cols, c->cols);
        for (int64_t j = 0; j < c->cols; ++j)
            sum += kl_unit(c->soft[i * c->cols + j], x[i * c->cols + j], lse);
    }
    return sum * factor;
}

static void kl_oracle(struct wanted w, const double *x, const double *soft, int64_t rows, int64_t n) {
    for (int64_t i = 0; i < rows; ++i) {
        const double *row = x + i * n, *p = soft + i * n, lse = log_sum(row, n);
        double mass = 0.0;
        for (int64_t j = 0; j < n; ++j) mass += p[j];
        for (int64_t j = 0; j < n; ++j) {
            w.unit[i * n + j] = kl_unit(p[j], row[j], lse);
            w.loss[i] += w.unit[i * n + j];
            w.gradient[i * n + j] = (exp(row[j] - lse) * mass - p[j]) * factor;
        }
        w.hit[i] = mass > 0.0 && first_largest(row, n) == first_largest(p, n);
    }
}

/* Numbers as the files keep them: f16 or f32, the same values for the oracle. */
static struct un_mat store(struct un_harness *h, struct un_mat m, bool half) {
    if (!half) return un_harness_mat_copy(h, m);
    uint16_t *to = un_harness_take(h, m.rows * m.cols, sizeof *to);
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.cols; ++j)
            to[i * m.cols + j] = un_half_to_f16(((float *)m.data)[i * m.stride + j]);
    return un_mat(to, UN_F16, m.rows, m.cols);
}

static void widen(double *to, struct un_mat m) {
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.cols; ++j)
            to[i * m.cols + j] = m.type == UN_F16 ? un_half_from_f16(((uint16_t *)m.data)[i * m.stride + j])
                                                  : ((float *)m.data)[i * m.stride + j];
}

/* Soft labels: a third zeros, some tiny, one large; the last row all zeros ("no row"); even rows agree with
 * the largest logit. They need not sum to 1. */
static void make_soft(struct un_mat soft, struct un_mat logits) {
    for (int64_t i = 0; i < soft.rows; ++i) {
        float *p = (float *)soft.data + i * soft.stride;
        const float *x = (const float *)logits.data + i * logits.stride;
        int64_t top = 0;
        for (int64_t j = 0; j < soft.cols; ++j) {
            p[j] = j % 3 == 2 ? 0.0f : p[j] * p[j] * (j % 5 == 0 ? 1e-6f : 0.01f);
            if (x[j] > x[top]) top = j;
        }
        if (i % 2 == 0) p[top] = 0.75f;
        if (i > 0 && i == soft.rows - 1) memset(p, 0, (size_t)soft.cols * sizeof *p);
    }
}

static void run_kl(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat logits = un_harness_mat_random(h, s->rows, s->classes, -s->range, s->range);
    struct un_mat labels = un_harness_mat_random(h, s->rows, s->classes, 0.0f, 1.0f);
    make_soft(labels, logits);
    struct un_mat soft = store(h, labels, s->half), kept = un_harness_mat_copy(h, logits);
    struct un_mat slope = un_harness_mat_copy(h, logits);
    float *loss = un_harness_poison(h, s->rows), *hit = un_harness_poison(h, s->rows);
    float *loss2 = un_harness_poison(h, s->rows), *hit2 = un_harness_poison(h, s->rows);
    float *unit = un_harness_poison(h, s->rows * s->classes);
    const float *scale = scale_of(h);
    h->ops->kl_divergence(h->q, loss, hit, unit, (struct un_mat){0}, kept, soft, scale);
    h->ops->kl_divergence(h->q, loss2, hit2, NULL, slope, slope, soft, scale);
    un_harness_same("logits without gradient", kept, logits);
    un_harness_same("loss with gradient", un_mat32(loss2, 1, s->rows), un_mat32(loss, 1, s->rows));
    un_harness_same("hit with gradient", un_mat32(hit2, 1, s->rows), un_mat32(hit, 1, s->rows));

    const struct wanted w = wanted_of(h, s->rows, s->classes);
    double *x = un_harness_widen(h, logits), *p = un_harness_doubles(h, s->rows * s->classes);
    widen(p, soft);
    kl_oracle(w, x, p, s->rows, s->classes);
    un_harness_near_array("loss", loss, w.loss, s->rows, loss_tolerance);
    un_harness_near_array("hit", hit, w.hit, s->rows, (struct un_tolerance){0});
    un_harness_near_array("unit", unit, w.unit, s->rows * s->classes, unit_tolerance);
    un_harness_near("gradient", slope, w.gradient, gradient_tolerance);
    if (s->rows * s->classes > 400) return;
    const struct scalar c = {s->rows, s->classes, NULL, p};
    un_harness_slope("kl", slope, kl_sum, &c, x, 1e-4, difference_tolerance);
}

static void test_kl_divergence(void **state) {
    static const struct shape shapes[] = {
        {0, 13, 3, true}, {1, 2, 3, false},   {17, 13, 3, true},    {17, 13, 3, false},
        {3, 1, 1, false}, {3, 1601, 8, true}, {33, 1601, 2, false}, {5, 600, 40, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) each_shape(run_kl, &shapes[i]);
}

/* Labels below the normal numbers of float, and labels that are no probabilities. */
static void test_kl_odd_labels(void **state) {
    static const float logits[3][2] = {{1, 2}, {1, 2}, {1, 2}};
    static const float labels[3][2] = {{1e-40f, 1.0f}, {-0.5f, 1.0f}, {NAN, 1.0f}};
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 1, NULL);
    float(*x)[2] = un_harness_put(&h, logits, 3, sizeof *logits), *scale = un_harness_random(&h, 1, 1, 1);
    float(*soft)[2] = un_harness_put(&h, labels, 3, sizeof *labels), *unit = un_harness_poison(&h, 6);
    float *loss = un_harness_poison(&h, 3), *hit = un_harness_poison(&h, 3);
    h.ops->kl_divergence(h.q, loss, hit, unit, (struct un_mat){0}, un_mat32(x, 3, 2), un_mat32(soft, 3, 2),
                         scale);
    assert_true(unit[0] == 0.0f && isfinite(loss[0]) && hit[0] == 1.0f);
    assert_true(isnan(loss[1]) && isnan(loss[2]));
    un_harness_close(&h);
}

/* ---- squared error ---- */

static double square_sum(const double *x, const void *context) {
    const struct scalar *c = context;
    double sum = 0.0;
    for (int64_t i = 0; i < c->rows; ++i)
        for (int64_t j = 0; j < c->cols && c->index[i] >= 0; ++j)
            sum += pow(x[i * c->cols + j] - c->soft[c->index[i] * c->cols + j], 2);
    return sum * factor;
}

static void square_oracle(struct wanted w, const double *x, const double *feature, const int32_t *region,
                          int64_t rows, int64_t n) {
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < n && region[i] >= 0; ++j) {
            const double d = x[i * n + j] - feature[region[i] * n + j];
            w.unit[i * n + j] = d * d;
            w.loss[i] += d * d;
            w.gradient[i * n + j] = 2.0 * d * factor;
        }
}

static void run_square(struct un_harness *h, const void *context) {
    enum { REGIONS = 7 };
    const struct shape *s = context;
    struct un_mat pred = un_harness_mat_random(h, s->rows, s->classes, -s->range, s->range);
    struct un_mat drawn = un_harness_mat_random(h, REGIONS, s->classes, 0.0f, 3.0f);
    struct un_mat feature = store(h, drawn, s->half), kept = un_harness_mat_copy(h, pred);
    struct un_mat slope = un_harness_mat_copy(h, pred);
    const int32_t *region = un_harness_ints(h, s->rows, -1, REGIONS);
    float *loss = un_harness_poison(h, s->rows), *loss2 = un_harness_poison(h, s->rows);
    float *unit = un_harness_poison(h, s->rows * s->classes);
    const float *scale = scale_of(h);
    h->ops->squared_error(h->q, loss, unit, (struct un_mat){0}, kept, feature, region, scale);
    h->ops->squared_error(h->q, loss2, NULL, slope, slope, feature, region, scale);
    un_harness_same("predictions without gradient", kept, pred);
    un_harness_same("loss with gradient", un_mat32(loss2, 1, s->rows), un_mat32(loss, 1, s->rows));

    const struct wanted w = wanted_of(h, s->rows, s->classes);
    double *x = un_harness_widen(h, pred), *f = un_harness_doubles(h, REGIONS * s->classes);
    widen(f, feature);
    square_oracle(w, x, f, region, s->rows, s->classes);
    un_harness_near_array("loss", loss, w.loss, s->rows, square_tolerance);
    un_harness_near_array("unit", unit, w.unit, s->rows * s->classes, square_tolerance);
    un_harness_near("gradient", slope, w.gradient, square_tolerance);
    if (s->rows * s->classes > 400) return;
    const struct scalar c = {s->rows, s->classes, region, f};
    un_harness_slope("squared error", slope, square_sum, &c, x, 1e-4, difference_tolerance);
}

static void test_squared_error(void **state) {
    static const struct shape shapes[] = {
        {0, 20, 1, true},  {1, 1, 1, false},    {17, 7, 2, true},
        {17, 7, 2, false}, {20, 2048, 1, true}, {3, 513, 1, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) each_shape(run_square, &shapes[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cross_entropy), cmocka_unit_test(test_cross_entropy_extremes),
        cmocka_unit_test(test_kl_divergence), cmocka_unit_test(test_kl_odd_labels),
        cmocka_unit_test(test_squared_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
