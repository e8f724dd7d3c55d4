/* Elementwise ops and casts against double. gelu, tanh and their slopes are exact to about 1e-7 (lanes.c); a
 * product rounds once more (6e-8 of its size). Sums of two or three floats round once or twice. dropout, add,
 * zero and casts are exact. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

static const struct un_tolerance slope_tolerance = {8e-7, 2e-7}; /* |dy| < 4, slope within 1.5e-7 */
static const struct un_tolerance tanh_tolerance = {3e-7, 2e-7};  /* 1 - y^2 near 0 loses what y^2 rounds */
static const struct un_tolerance sum_tolerance = {5e-7, 0};      /* sizes under 4: two roundings of 2^-23 */
static const struct un_tolerance fd_tolerance = {
    1e-6, 2e-6}; /* central difference, step 1e-4: 1e-8; float: above */

struct shape {
    int64_t rows, cols;
    bool in_place, no_drop, indexed;
};

static void shapes_of(un_harness_case run, bool indexed) {
    for (int r = 0; r < 5; ++r)
        for (int w = 0; w < 6; ++w)
            for (int in_place = 0; in_place < 2; ++in_place) {
                struct shape s = {.rows = un_harness_rows[r],
                                  .cols = un_harness_widths[w],
                                  .in_place = in_place,
                                  .indexed = indexed};
                if (!un_harness_heavy((double)(s.rows * s.cols))) un_harness_each(run, &s);
            }
}

static void all_shapes(un_harness_case run) {
    shapes_of(run, false);
}

static float *at(struct un_mat m, int64_t i, int64_t j) {
    return (float *)m.data + i * m.stride + j;
}

static double gelu(double z) {
    return 0.5 * z * (1.0 + erf(z / sqrt(2.0)));
}

static void run_gelu_bwd(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat dy = un_harness_mat_random(h, s->rows, s->cols, -4, 4);
    struct un_mat z = un_harness_mat_random(h, s->rows, s->cols, -7, 7);
    struct un_mat dz = s->in_place ? dy : un_harness_mat(h, s->rows, s->cols);
    double *want = un_harness_widen(h, dy), *difference = un_harness_widen(h, dy);
    for (int64_t i = 0; i < s->rows * s->cols; ++i) {
        double x = *at(z, i / s->cols, i % s->cols);
        want[i] *= 0.5 * (1.0 + erf(x / sqrt(2.0))) + x * exp(-0.5 * x * x) / sqrt(2.0 * acos(-1.0));
        difference[i] *= (gelu(x + 1e-4) - gelu(x - 1e-4)) / 2e-4;
    }
    float *dbias = un_harness_random(h, s->cols, -1, 1), *sums = un_harness_copy(h, dbias, s->cols);
    h->ops->gelu_bwd(h->q, dz, s->no_drop ? NULL : dbias, dy, z);
    un_harness_near("gelu_bwd", dz, want, slope_tolerance);
    if (!s->no_drop) h->ops->col_sum(h->q, sums, dz);
    un_harness_same("gelu_bwd dbias", un_mat32(dbias, 1, s->cols), un_mat32(sums, 1, s->cols));
    un_harness_near("gelu_bwd, finite difference", dz, difference, fd_tolerance);
}

static void gelu_backward(void **state) {
    (void)state;
    all_shapes(run_gelu_bwd);
}

static void run_tanh_bwd(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat dy = un_harness_mat_random(h, s->rows, s->cols, -2, 2);
    struct un_mat y = un_harness_mat_random(h, s->rows, s->cols, -4, 4); /* z, then tanh z */
    struct un_mat dz = s->in_place ? dy : un_harness_mat(h, s->rows, s->cols);
    double *want = un_harness_widen(h, dy), *difference = un_harness_widen(h, dy);
    for (int64_t i = 0; i < s->rows * s->cols; ++i) {
        float *x = at(y, i / s->cols, i % s->cols);
        difference[i] *= (tanh(*x + 1e-4) - tanh(*x - 1e-4)) / 2e-4;
        *x = (float)tanh(*x);
        want[i] *= 1.0 - (double)*x * *x;
    }
    h->ops->tanh_bwd(h->q, dz, dy, y);
    un_harness_near("tanh_bwd", dz, want, tanh_tolerance);
    un_harness_near("tanh_bwd, finite difference", dz, difference, fd_tolerance);
}

static void tanh_backward(void **state) {
    (void)state;
    all_shapes(run_tanh_bwd);
}

/* A z of 0 has no slope: the step of the differences never crosses it. */
static void run_relu_bwd(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat dy = un_harness_mat_random(h, s->rows, s->cols, -4, 4);
    struct un_mat y = un_harness_mat_random(h, s->rows, s->cols, -7, 7); /* z, then max(z, 0) */
    struct un_mat dz = s->in_place ? dy : un_harness_mat(h, s->rows, s->cols);
    struct un_mat want = un_harness_mat_copy(h, dy);
    double *difference = un_harness_widen(h, dy);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j) {
            float *z = at(y, i, j);
            if (fabsf(*z) < 1e-3f) *z = 0.0f;
            if (*z != 0.0f)
                difference[i * s->cols + j] *= (fmax(*z + 1e-4, 0.0) - fmax(*z - 1e-4, 0.0)) / 2e-4;
            else
                difference[i * s->cols + j] = 0.0;
            if (*z <= 0.0f) *at(want, i, j) = 0.0f;
            *z = fmaxf(*z, 0.0f);
        }
    float *dbias = un_harness_random(h, s->cols, -1, 1), *sums = un_harness_copy(h, dbias, s->cols);
    h->ops->relu_bwd(h->q, dz, s->no_drop ? NULL : dbias, dy, y);
    un_harness_same("relu_bwd", dz, want);
    if (!s->no_drop) h->ops->col_sum(h->q, sums, dz);
    un_harness_same("relu_bwd dbias", un_mat32(dbias, 1, s->cols), un_mat32(sums, 1, s->cols));
    un_harness_near("relu_bwd, finite difference", dz, difference, fd_tolerance);
}

static void relu_backward(void **state) {
    (void)state;
    all_shapes(run_relu_bwd);
    struct shape no_bias = {.rows = 5, .cols = 33, .no_drop = true};
    un_harness_each(run_relu_bwd, &no_bias);
}

static void run_dropout(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_dropout d = un_harness_dropout(s->no_drop ? 0.0 : 0.3);
    struct un_mat x = un_harness_mat_random(h, s->rows, s->cols, -2, 2), before = un_harness_mat_copy(h, x);
    struct un_mat y = s->in_place ? x : un_harness_mat(h, s->rows, s->cols);
    struct un_mat want = un_harness_mat(h, s->rows, s->cols);
    int64_t row_length = (s->cols + 7) / 8 * 8;
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j)
            *at(want, i, j) = *at(before, i, j) * un_dropout_factor(&d, (uint32_t)(i * row_length + j));
    h->ops->dropout(h->q, y, x, &d);
    un_harness_same("dropout", y, want);
}

static void dropouts(void **state) {
    (void)state;
    all_shapes(run_dropout);
    struct shape none = {.rows = 5, .cols = 33, .no_drop = true};
    un_harness_each(run_dropout, &none);
    none.in_place = true;
    un_harness_each(run_dropout, &none);
}

/* About p of many elements are dropped and the mean of the factors is 1: four standard errors. */
static void dropout_rate(void **state) {
    (void)state;
    struct un_harness h;
    if (un_harness_heavy(500 * 800)) skip();
    un_harness_open(&h, 2, NULL);
    struct un_dropout d = un_harness_dropout(0.1);
    struct un_mat x = un_harness_mat_random(&h, 500, 800, 1, 1.0000001f), y = un_harness_mat(&h, 500, 800);
    h.ops->dropout(h.q, y, x, &d);
    double sum = 0, zeros = 0;
    for (int64_t i = 0; i < 500 * 800; ++i) {
        sum += *at(y, i / 800, i % 800);
        zeros += *at(y, i / 800, i % 800) == 0.0f;
    }
    double n = 500 * 800, error = sqrt(0.1 * 0.9 / n);
    assert_true(fabs(zeros / n - 0.1) < 4 * error);
    assert_true(fabs(sum / n - 1.0) < 4 * error / 0.9);
    un_harness_close(&h);
}

/* Row 0 of the table for all, by NULL and by an index of zeros; or any row, some of them none. */
static void run_add_row(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat a = un_harness_mat_random(h, s->rows, s->cols, -1, 1), copy = un_harness_mat_copy(h, a);
    struct un_mat b = un_harness_mat_random(h, s->rows, s->cols, -1, 1);
    struct un_mat table = un_harness_mat_random(h, 3, s->cols, -1, 1);
    const int32_t *index = un_harness_ints(h, s->rows, s->indexed ? -1 : 0, s->indexed ? 3 : 1);
    struct un_mat r = s->in_place ? a : un_harness_mat(h, s->rows, s->cols);
    double *want = un_harness_widen(h, a);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j)
            want[i * s->cols + j] += (double)*at(b, i, j) + (index[i] < 0 ? 0.0 : *at(table, index[i], j));
    h->ops->add_row(h->q, r, a, b, table, index);
    un_harness_near("add_row", r, want, sum_tolerance);
    if (s->indexed) return;
    h->ops->add_row(h->q, copy, copy, b, table, NULL);
    un_harness_same("add_row, one row for all", copy, r);
}

static void add_rows(void **state) {
    (void)state;
    all_shapes(run_add_row);
}

static void add_rows_by_index(void **state) {
    (void)state;
    shapes_of(run_add_row, true);
}

static const int64_t flat_counts[] = {0, 1, 15, 17, 1000, 16385, 100003};

static void run_flat(struct un_harness *h, const void *context) {
    int64_t n = *(const int64_t *)context;
    float *dst = un_harness_random(h, n, -1, 1), *src = un_harness_random(h, n, -1, 1);
    float *want = un_harness_poison(h, n), *gone = un_harness_poison(h, n);
    for (int64_t i = 0; i < n; ++i) want[i] = dst[i] + src[i];
    h->ops->add(h->q, dst, src, n);
    un_harness_same("add", un_mat32(dst, 1, n), un_mat32(want, 1, n));
    h->ops->zero(h->q, gone, (size_t)n * sizeof *gone);
    memset(want, 0, (size_t)n * sizeof *want);
    un_harness_same("zero", un_mat32(gone, 1, n), un_mat32(want, 1, n));
    uint8_t *odd = un_harness_take(h, n, 1);
    h->ops->zero(h->q, odd, (size_t)n);
    for (int64_t i = 0; i < n; ++i) assert_int_equal(odd[i], 0);
}

static void flat(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof flat_counts / sizeof *flat_counts; ++i)
        if (!un_harness_heavy((double)flat_counts[i])) un_harness_each(run_flat, &flat_counts[i]);
}

/* Round to nearest even by trying: the 16-bit neighbours of x, decoded by plain arithmetic in double. */
static double decode(uint16_t h, enum un_type type) {
    int exponent_bits = type == UN_F16 ? 5 : 8, mantissa_bits = 15 - exponent_bits;
    int exponent = (h >> mantissa_bits) & ((1 << exponent_bits) - 1), bias = (1 << (exponent_bits - 1)) - 1;
    int mantissa = h & ((1 << mantissa_bits) - 1);
    double sign = h >> 15 ? -1.0 : 1.0;
    if (exponent == (1 << exponent_bits) - 1) return mantissa ? NAN : sign * INFINITY;
    double value = exponent == 0 ? mantissa : mantissa + (1 << mantissa_bits);
    return sign * ldexp(value, (exponent ? exponent : 1) - bias - mantissa_bits);
}

/* A halfway case must have gone to the even one; otherwise nothing finite may be closer. */
static bool well_rounded(double x, uint16_t h, enum un_type type) {
    double error = fabs(decode(h, type) - x);
    for (int step = -1; step <= 1; step += 2) {
        double other = decode((uint16_t)(h + step), type);
        if (!isfinite(other)) continue;
        double e = fabs(other - x);
        if (e < error || (e == error && (h & 1))) return false;
    }
    return true;
}

struct cast {
    enum un_type from, to;
    int64_t count;
};

static float value_of(const void *p, enum un_type type, int64_t i) {
    return type == UN_F32 ? ((const float *)p)[i] : (float)decode(((const uint16_t *)p)[i], type);
}

static void run_cast(struct un_harness *h, const void *context) {
    const struct cast *c = context;
    float *raw = un_harness_random(h, c->count, -70000, 70000);
    void *src = raw, *dst = un_harness_take(h, c->count, (size_t)un_type_bytes(c->to));
    for (int64_t i = 0; i < c->count; ++i) raw[i] *= powf(10.0f, -(float)(i % 12)); /* denormals of f16 too */
    if (c->from != UN_F32) {
        uint16_t *bits = un_harness_take(h, c->count, sizeof *bits);
        for (int64_t i = 0; i < c->count; ++i) {
            bits[i] = (uint16_t)un_rng(3, UN_RNG_TEST, 0, 0, 1, (uint32_t)i).v[0];
            if (isnan(decode(bits[i], c->from))) bits[i] = 0x3C01;
        }
        src = bits;
    }
    h->ops->cast(h->q, dst, c->to, src, c->from, c->count);
    for (int64_t i = 0; i < c->count; ++i) {
        float x = value_of(src, c->from, i), y = value_of(dst, c->to, i);
        if (c->to == UN_F32 || c->to == c->from)
            assert_true(x == y);
        else if (isinf(y))
            assert_true(fabs((double)x) >= (c->to == UN_F16 ? 65520.0 : 3.39e38));
        else if (!well_rounded(x, ((uint16_t *)dst)[i], c->to))
            fail_msg("cast %d -> %d of %.9g gave %.9g", (int)c->from, (int)c->to, x, y);
    }
}

static void casts(void **state) {
    (void)state;
    static const enum un_type types[] = {UN_F32, UN_BF16, UN_F16};
    for (int from = 0; from < 3; ++from)
        for (int to = 0; to < 3; ++to)
            for (size_t i = 0; i < sizeof flat_counts / sizeof *flat_counts; ++i) {
                struct cast c = {types[from], types[to], flat_counts[i]};
                if (!un_harness_heavy((double)c.count)) un_harness_each(run_cast, &c);
            }
}

static void cast_refused(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    float x = 1;
    int64_t y = 0;
    h.ops->cast(h.q, &y, UN_I64, &x, UN_F32, 1);
    assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "cast"));
    assert_int_equal(y, 0);
    h.device->mem->queue_close(h.q);
    un_device_close(h.device);
    un_error_clear();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gelu_backward),     cmocka_unit_test(tanh_backward), cmocka_unit_test(relu_backward),
        cmocka_unit_test(dropouts),          cmocka_unit_test(dropout_rate),  cmocka_unit_test(add_rows),
        cmocka_unit_test(add_rows_by_index), cmocka_unit_test(flat),          cmocka_unit_test(casts),
        cmocka_unit_test(cast_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
