/* Losses with bf16 gradients, f16 targets, and rows of every length at which the work is cut another way: a
 * warp a row, a block a row, a row that no block holds.
 *
 * A bf16 gradient is the f32 one rounded, to the bit. f32 results against the CPU's op: both add up to 2^15
 * exponentials with at most 40 roundings on the way to a double, so a loss differs by 1e-6 of numbers of
 * order log(classes) + |x|; gradients by the two exponentials (2 ulp each) and the factor. */
#include "tests/unit/runtime/ops/low.h"

#include <math.h>
#include <string.h>

static const struct un_tolerance loss_tolerance = {1e-6, 3e-7};
static const struct un_tolerance unit_tolerance = {1e-7, 6e-7};
static const struct un_tolerance gradient_tolerance = {1e-7, 1.2e-6};

struct shape {
    int64_t rows, cols;
    enum un_type from; /* targets */
};

static struct un_mat none(void) {
    return (struct un_mat){0};
}

static struct un_mat row_of(struct un_mat m, int64_t row) {
    return un_mat32((float *)m.data + row * m.stride, 1, m.cols);
}

static void near(struct un_harness *h, const char *what, struct un_mat got, struct un_mat want,
                 struct un_tolerance t) {
    un_harness_near(what, got, un_harness_widen(h, want), t);
}

struct scalars {
    float *loss, *hit;
};
static struct scalars scalars_of(struct un_harness *h, int64_t rows) {
    return (struct scalars){un_harness_poison(h, rows), un_harness_poison(h, rows)};
}

/* ---- cross-entropy ---- */

static void run_cross_entropy(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_low low = un_low_open();
    struct un_mat logits = un_harness_mat_random(h, s->rows, s->cols, -6, 6);
    struct un_mat want = un_harness_mat(h, s->rows, s->cols), full = un_harness_mat(h, s->rows, s->cols);
    struct un_mat half = un_harness_mat_of(h, UN_BF16, s->rows, s->cols),
                  over = un_harness_mat_copy(h, logits);
    struct scalars a = scalars_of(h, s->rows), b = scalars_of(h, s->rows), c = scalars_of(h, s->rows),
                   w = scalars_of(h, s->rows), one = scalars_of(h, 1);
    int32_t *target = un_harness_ints(h, s->rows, -1, (int32_t)s->cols);
    const float *scale = un_harness_random(h, 1, 0.3f, 0.3f);
    if (s->rows > 1) { /* a hit, and its equal before it: no hit */
        float *x = (float *)logits.data + logits.stride;
        x[target[1] = (int32_t)s->cols - 1] = 7.0f;
        if (s->rows > 2) x[logits.stride] = x[logits.stride + (target[2] = (int32_t)s->cols - 1)] = 7.5f;
        over = un_harness_mat_copy(h, logits);
    }
    low.cpu->ops->cross_entropy(low.q, w.loss, w.hit, want, logits, target, scale);
    h->ops->cross_entropy(h->q, a.loss, a.hit, full, logits, target, scale);
    h->ops->cross_entropy(h->q, b.loss, b.hit, half, logits, target, scale);
    h->ops->cross_entropy(h->q, c.loss, c.hit, over, over, target, scale);
    un_low_same("bf16 gradient", half, full);
    un_harness_same("gradient in place", over, full);
    const struct un_mat got = un_mat32(a.loss, 1, s->rows), hit = un_mat32(a.hit, 1, s->rows);
    un_harness_same("loss beside bf16", un_mat32(b.loss, 1, s->rows), got);
    un_harness_same("hit beside bf16", un_mat32(b.hit, 1, s->rows), hit);
    un_harness_same("loss in place", un_mat32(c.loss, 1, s->rows), got);
    un_harness_same("hit", hit, un_mat32(w.hit, 1, s->rows));
    near(h, "loss", got, un_mat32(w.loss, 1, s->rows), loss_tolerance);
    near(h, "gradient", full, want, gradient_tolerance);
    /* by itself, the last row gives the same */
    const int64_t last = s->rows - 1;
    h->ops->cross_entropy(h->q, one.loss, one.hit, none(), row_of(logits, last), target + last, scale);
    assert_true(one.loss[0] == a.loss[last] && one.hit[0] == a.hit[last]);
    un_low_close(&low);
}

static void cross_entropy(void **state) {
    static const struct shape shapes[] = {
        {5, 2, UN_F32},    {9, 511, UN_F32},  {3, 512, UN_F32},  {3, 513, UN_F32},   {4, 1601, UN_F32},
        {3, 2048, UN_F32}, {3, 2049, UN_F32}, {3, 9000, UN_F32}, {3, 28996, UN_F32}, {3, 33001, UN_F32},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        un_harness_each(run_cross_entropy, &shapes[i]);
}

/* ---- sigmoids ---- */

static void run_sigmoid(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_low low = un_low_open();
    struct un_mat logits = un_harness_mat_random(h, s->rows, s->cols, -9, 9),
                  over = un_harness_mat_copy(h, logits);
    struct un_mat target = un_harness_mat_random(h, s->rows, s->cols, 0, 1);
    struct un_mat want = un_harness_mat(h, s->rows, s->cols), full = un_harness_mat(h, s->rows, s->cols);
    struct un_mat half = un_harness_mat_of(h, UN_BF16, s->rows, s->cols);
    struct scalars a = scalars_of(h, s->rows), b = scalars_of(h, s->rows), w = scalars_of(h, s->rows);
    const int32_t *row = un_harness_ints(h, s->rows, -1, 3);
    const float *scale = un_harness_random(h, 1, 0.3f, 0.3f);
    low.cpu->ops->sigmoid_cross_entropy(low.q, w.loss, w.hit, want, logits, target, row, scale);
    h->ops->sigmoid_cross_entropy(h->q, a.loss, a.hit, full, logits, target, row, scale);
    h->ops->sigmoid_cross_entropy(h->q, b.loss, b.hit, half, logits, target, row, scale);
    h->ops->sigmoid_cross_entropy(h->q, b.loss, b.hit, over, over, target, row, scale);
    un_low_same("bf16 gradient", half, full);
    un_harness_same("gradient in place", over, full);
    un_harness_same("loss in place", un_mat32(b.loss, 1, s->rows), un_mat32(a.loss, 1, s->rows));
    un_harness_same("hit", un_mat32(a.hit, 1, s->rows), un_mat32(w.hit, 1, s->rows));
    near(h, "loss", un_mat32(a.loss, 1, s->rows), un_mat32(w.loss, 1, s->rows), loss_tolerance);
    near(h, "gradient", full, want, gradient_tolerance);
    un_low_close(&low);
}

static void sigmoids(void **state) {
    static const struct shape shapes[] = {
        {5, 3, UN_F32},    {9, 511, UN_F32},  {3, 512, UN_F32},  {3, 513, UN_F32},  {4, 3129, UN_F32},
        {3, 4096, UN_F32}, {3, 4097, UN_F32}, {3, 4100, UN_F32}, {3, 9000, UN_F32},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) un_harness_each(run_sigmoid, &shapes[i]);
}

/* What no shortcut survives, in the last element of a row of each length. */
static void extremes(void **state) {
    static const int64_t widths[] = {2, 513, 2052, 32772};
    (void)state;
    for (int i = 0; i < 4; ++i) {
        const int64_t n = widths[i];
        struct un_harness h;
        un_harness_open(&h, 1, NULL);
        float *x = un_harness_poison(&h, n), *g = un_harness_poison(&h, n), *loss = un_harness_poison(&h, 1),
              *hit = un_harness_poison(&h, 1), *scale = un_harness_random(&h, 1, 1, 1);
        const int32_t *target = un_harness_ints(&h, 1, 0, 1);
        for (int k = 0; k < 5; ++k) {
            const float last[] = {NAN, INFINITY, 3e38f, -INFINITY, -INFINITY};
            for (int64_t j = 0; j < n; ++j) x[j] = k == 4 ? -INFINITY : -1.0f;
            x[n - 1] = last[k];
            h.ops->cross_entropy(h.q, loss, hit, un_mat32(g, 1, n), un_mat32(x, 1, n), target, scale);
            if (k == 0 || k == 1 || k == 4) assert_true(isnan(*loss) && isnan(g[0]));
            if (k == 2) assert_true(*loss == 3e38f && *hit == 0 && g[n - 1] == 1.0f && g[0] == -1.0f);
            if (k == 3)
                assert_true(fabsf(*loss - logf((float)(n - 1))) < 4e-6f && *hit == 1 && g[n - 1] == 0);
        }
        un_harness_close(&h);
    }
}

/* ---- KL divergence ---- */

static void run_kl(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_low low = un_low_open();
    struct un_mat logits = un_harness_mat_random(h, s->rows, s->cols, -6, 6);
    struct un_mat twin = un_harness_mat_random(h, s->rows, s->cols, 0, 2.0f / (float)s->cols);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; j += 3) un_low_put(twin, i, j, 0.0f);
    struct un_mat soft = un_low_pair(h, s->from, twin);
    struct un_mat want = un_harness_mat(h, s->rows, s->cols), full = un_harness_mat(h, s->rows, s->cols);
    struct un_mat half = un_harness_mat_of(h, UN_BF16, s->rows, s->cols),
                  over = un_harness_mat_copy(h, logits);
    struct scalars a = scalars_of(h, s->rows), b = scalars_of(h, s->rows), w = scalars_of(h, s->rows);
    const int64_t count = s->rows * s->cols;
    float *unit = un_harness_poison(h, count), *want_unit = un_harness_poison(h, count);
    const float *scale = un_harness_random(h, 1, 0.3f, 0.3f);
    low.cpu->ops->kl_divergence(low.q, w.loss, w.hit, want_unit, want, logits, twin, scale);
    h->ops->kl_divergence(h->q, a.loss, a.hit, unit, full, logits, soft, scale);
    h->ops->kl_divergence(h->q, b.loss, b.hit, NULL, half, logits, soft, scale);
    un_low_same("bf16 gradient", half, full);
    h->ops->kl_divergence(h->q, b.loss, b.hit, NULL, over, over, soft, scale);
    un_harness_same("gradient in place", over, full);
    un_harness_same("loss in place", un_mat32(b.loss, 1, s->rows), un_mat32(a.loss, 1, s->rows));
    un_harness_same("hit", un_mat32(a.hit, 1, s->rows), un_mat32(w.hit, 1, s->rows));
    near(h, "loss", un_mat32(a.loss, 1, s->rows), un_mat32(w.loss, 1, s->rows), loss_tolerance);
    near(h, "unit", un_mat32(unit, 1, count), un_mat32(want_unit, 1, count), unit_tolerance);
    near(h, "gradient", full, want, gradient_tolerance);
    un_low_close(&low);
}

static void kl_divergence(void **state) {
    (void)state;
    for (int t = 0; t < 2; ++t) {
        const enum un_type from = t ? UN_F16 : UN_F32;
        const struct shape shapes[] = {{3, 5, from}, {4, 1601, from}, {2, 2048, from}, {3, 4100, from}};
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) un_harness_each(run_kl, &shapes[i]);
    }
}

/* ---- squared error ---- */

static void run_square(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_low low = un_low_open();
    struct un_mat pred = un_harness_mat_random(h, s->rows, s->cols, -2, 2);
    struct un_mat twin = un_harness_mat_random(h, 4, s->cols, 0, 3), feature = un_low_pair(h, s->from, twin);
    struct un_mat want = un_harness_mat(h, s->rows, s->cols), full = un_harness_mat(h, s->rows, s->cols);
    struct un_mat half = un_harness_mat_of(h, UN_BF16, s->rows, s->cols);
    struct scalars a = scalars_of(h, s->rows), b = scalars_of(h, s->rows), w = scalars_of(h, s->rows);
    const int64_t count = s->rows * s->cols;
    const int32_t *region = un_harness_ints(h, s->rows, -1, 4);
    float *unit = un_harness_poison(h, count), *want_unit = un_harness_poison(h, count);
    const float *scale = un_harness_random(h, 1, 0.3f, 0.3f);
    low.cpu->ops->squared_error(low.q, w.loss, want_unit, want, pred, twin, region, scale);
    h->ops->squared_error(h->q, a.loss, unit, full, pred, feature, region, scale);
    h->ops->squared_error(h->q, b.loss, NULL, half, pred, feature, region, scale);
    un_low_same("bf16 gradient", half, full);
    un_harness_same("loss beside bf16", un_mat32(b.loss, 1, s->rows), un_mat32(a.loss, 1, s->rows));
    un_harness_same("gradient", full, want);
    un_harness_same("unit", un_mat32(unit, 1, count), un_mat32(want_unit, 1, count));
    near(h, "loss", un_mat32(a.loss, 1, s->rows), un_mat32(w.loss, 1, s->rows), loss_tolerance);
    un_low_close(&low);
}

static void squared_error(void **state) {
    (void)state;
    for (int t = 0; t < 2; ++t) {
        const enum un_type from = t ? UN_F16 : UN_F32;
        const struct shape shapes[] = {{5, 7, from}, {4, 2048, from}, {3, 4099, from}};
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) un_harness_each(run_square, &shapes[i]);
    }
}

/* ---- what the ops do not take ---- */

static void refused(void **state) {
    (void)state;
    float x[8] = {0}, y[8], scale = 1;
    int32_t index[1] = {0};
    struct un_mat m = un_mat32(x, 1, 4), half = un_mat(x, UN_F16, 1, 4), low = un_mat(x, UN_BF16, 1, 4);
    for (int i = 0; i < 4; ++i) {
        struct un_harness h;
        un_harness_open(&h, 1, NULL);
        if (i == 0) h.ops->cross_entropy(h.q, y, y, half, m, index, &scale);
        if (i == 1) h.ops->cross_entropy(h.q, y, y, none(), low, index, &scale);
        if (i == 2) h.ops->kl_divergence(h.q, y, y, NULL, none(), m, low, &scale);
        if (i == 3) h.ops->squared_error(h.q, y, NULL, none(), m, low, index, &scale);
        assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
        h.device->mem->queue_close(h.q);
        un_device_close(h.device);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_entropy), cmocka_unit_test(extremes), cmocka_unit_test(kl_divergence),
        cmocka_unit_test(squared_error), cmocka_unit_test(sigmoids), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
