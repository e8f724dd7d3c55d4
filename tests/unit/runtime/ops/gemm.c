/* gemm, col_sum, linear_grad against plain triple loops in double.
 *
 * Tolerances. A sum of K products of numbers in [-1, 1] in float has a rounding error that grows like sqrt(K)
 * 2^-24 times the size of the products (0.33 in the mean, K of them); 1e-6 sqrt(K) holds it with room and is
 * a thousandth of what a wrong, missing or doubled term does. GELU and tanh have slopes under 1.13 and own
 * errors under 1e-7. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>

struct shape {
    int64_t m, n, k;
    bool transpose_a, transpose_b;
    float beta;
    enum un_activation activation;
    bool bias, pre;
};

static struct un_tolerance tolerance(int64_t k) {
    return (struct un_tolerance){1e-6 * sqrt((double)k) + 2e-7, 1e-6};
}

/* want [M,N] += op(a) op(b) */
static void multiply(double *want, struct un_mat a, bool ta, struct un_mat b, bool tb, int64_t m, int64_t n,
                     int64_t k) {
    const float *x = a.data, *y = b.data;
    for (int64_t i = 0; i < m; ++i)
        for (int64_t l = 0; l < k; ++l) {
            double left = ta ? x[l * a.stride + i] : x[i * a.stride + l];
            for (int64_t j = 0; j < n; ++j)
                want[i * n + j] += left * (double)(tb ? y[j * b.stride + l] : y[l * b.stride + j]);
        }
}

static double activate(double z, enum un_activation a) {
    return a == UN_ACT_GELU   ? 0.5 * z * (1.0 + erf(z / sqrt(2.0)))
           : a == UN_ACT_TANH ? tanh(z)
           : a == UN_ACT_RELU ? fmax(z, 0.0)
                              : z;
}

static void run_gemm(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat a =
        un_harness_mat_random(h, s->transpose_a ? s->k : s->m, s->transpose_a ? s->m : s->k, -1, 1);
    struct un_mat b =
        un_harness_mat_random(h, s->transpose_b ? s->n : s->k, s->transpose_b ? s->k : s->n, -1, 1);
    struct un_mat c =
        s->beta != 0.0f ? un_harness_mat_random(h, s->m, s->n, -1, 1) : un_harness_mat(h, s->m, s->n);
    struct un_epilogue e = {.bias = s->bias ? un_harness_random(h, s->n, -2, 2) : NULL,
                            .activation = s->activation};
    if (s->pre) e.pre = un_harness_mat(h, s->m, s->n);
    double *want = un_harness_doubles(h, s->m * s->n);
    if (s->beta != 0.0f)
        for (int64_t i = 0; i < s->m * s->n; ++i)
            want[i] = s->beta * (double)((float *)c.data)[i / s->n * c.stride + i % s->n];
    h->ops->gemm(h->q, c, a, s->transpose_a, b, s->transpose_b, s->beta,
                 s->bias || s->activation != UN_ACT_NONE ? &e : NULL);
    multiply(want, a, s->transpose_a, b, s->transpose_b, s->m, s->n, s->k);
    if (s->bias)
        for (int64_t i = 0; i < s->m * s->n; ++i) want[i] += ((const float *)e.bias)[i % s->n];
    if (s->pre) un_harness_near("gemm pre", e.pre, want, tolerance(s->k));
    for (int64_t i = 0; i < s->m * s->n; ++i) want[i] = activate(want[i], s->activation);
    un_harness_near("gemm", c, want, tolerance(s->k));
}

static void each_gemm(const struct shape *s) {
    if (!un_harness_heavy((double)s->m * (double)s->n * (double)s->k)) un_harness_each(run_gemm, s);
}

static void sizes(void **state) {
    (void)state;
    for (int layout = 0; layout < 4; ++layout)
        for (int r = 0; r < 5; ++r)
            for (int w = 0; w < 6; ++w) {
                struct shape s = {.m = un_harness_rows[r],
                                  .n = un_harness_widths[w],
                                  .k = 20,
                                  .transpose_a = layout & 1,
                                  .transpose_b = layout & 2};
                each_gemm(&s);
                s.k = 300;
                s.beta = 1.0f;
                each_gemm(&s);
            }
}

static void no_inner(void **state) {
    (void)state;
    for (int layout = 0; layout < 4; ++layout) {
        struct shape s = {.m = 5, .n = 7, .k = 0, .transpose_a = layout & 1, .transpose_b = layout & 2};
        each_gemm(&s);
        s.bias = true;
        s.activation = UN_ACT_TANH;
        each_gemm(&s);
        s = (struct shape){
            .m = 5, .n = 7, .k = 0, .transpose_a = layout & 1, .transpose_b = layout & 2, .beta = 1};
        each_gemm(&s);
    }
}

/* ReLU hands on what is not a number, as the others do. */
static void relu_of_nan(void **state) {
    (void)state;
    struct un_harness h;
    static const float numbers[3] = {NAN, -1.0f, 2.0f};
    const struct un_epilogue relu = {.activation = UN_ACT_RELU};
    un_harness_open(&h, 1, NULL);
    struct un_mat c = un_harness_mat(&h, 1, 3),
                  z = un_mat32(un_harness_put(&h, numbers, 3, sizeof *numbers), 1, 3);
    h.ops->gemm(h.q, c, un_mat32(un_harness_random(&h, 1, 1, 1), 1, 1), false, z, false, 0, &relu);
    const float *y = c.data;
    assert_true(isnan(y[0]) && y[1] == 0.0f && y[2] == 2.0f);
    un_harness_close(&h);
}

static void epilogues(void **state) {
    (void)state;
    static const enum un_activation acts[] = {UN_ACT_NONE, UN_ACT_GELU, UN_ACT_TANH, UN_ACT_RELU};
    for (int act = 0; act < 4; ++act)
        for (int r = 0; r < 5; ++r)
            for (int bias = 0; bias < 2; ++bias) {
                struct shape s = {.m = un_harness_rows[r],
                                  .n = 100,
                                  .k = 64,
                                  .transpose_b = true,
                                  .activation = acts[act],
                                  .bias = bias,
                                  .pre = acts[act] == UN_ACT_GELU || acts[act] == UN_ACT_RELU};
                each_gemm(&s);
                s.pre = false;
                each_gemm(&s);
            }
}

/* Products of a convolutional network: many rows of few columns, one row of many, a long inner dimension, an odd one. */
static void convolutions(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{4001, 64, 147}, {1100, 12, 256}, {1, 6400, 64},
                                        {7, 401, 512},   {18, 48, 9216},  {530, 33, 147}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) {
        const struct shape s = {.m = shapes[i][0],
                                .n = shapes[i][1],
                                .k = shapes[i][2],
                                .transpose_b = true,
                                .activation = UN_ACT_RELU,
                                .bias = true};
        each_gemm(&s);
    }
}

/* Cut into tiles both ways: many rows, many columns, both, and just over the size of a tile. */
static void tiled(void **state) {
    (void)state;
    static const struct shape shapes[] = {
        {.m = 1100,
         .n = 70,
         .k = 33,
         .bias = true,
         .activation = UN_ACT_GELU,
         .pre = true,
         .transpose_b = true},
        {.m = 37, .n = 5000, .k = 33, .bias = true},
        {.m = 513, .n = 5000, .k = 17, .beta = 1.0f, .transpose_a = true},
        {.m = 511, .n = 2049, .k = 9, .transpose_a = true, .transpose_b = true},
        {.m = 2048, .n = 64, .k = 40},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) each_gemm(&shapes[i]);
}

static void run_col_sum(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat dy = un_harness_mat_random(h, s->m, s->n, -1, 1);
    float *dbias = un_harness_random(h, s->n, -1, 1);
    double *want = un_harness_widen_array(h, dbias, s->n);
    h->ops->col_sum(h->q, dbias, dy);
    for (int64_t i = 0; i < s->m; ++i)
        for (int64_t j = 0; j < s->n; ++j) want[j] += (double)((float *)dy.data)[i * dy.stride + j];
    un_harness_near_array("col_sum", dbias, want, s->n, tolerance(s->m));
}

static void col_sums(void **state) {
    (void)state;
    for (int r = 0; r < 5; ++r)
        for (int w = 0; w < 6; ++w) {
            struct shape s = {.m = un_harness_rows[r], .n = un_harness_widths[w]};
            if (!un_harness_heavy((double)(s.m * s.n))) un_harness_each(run_col_sum, &s);
        }
    struct shape s = {.m = 1999, .n = 131};
    if (!un_harness_heavy((double)(s.m * s.n))) un_harness_each(run_col_sum, &s);
}

static void run_linear_grad(struct un_harness *h, const void *context) {
    const struct shape *s = context; /* dw [m,n], k tokens */
    struct un_mat dy = un_harness_mat_random(h, s->k, s->m, -1, 1),
                  x = un_harness_mat_random(h, s->k, s->n, -1, 1);
    struct un_mat dw = un_harness_mat_random(h, s->m, s->n, -1, 1);
    float *dbias = s->bias ? un_harness_random(h, s->m, -1, 1) : NULL;
    double *want = un_harness_widen(h, dw),
           *want_bias = dbias ? un_harness_widen_array(h, dbias, s->m) : NULL;
    h->ops->linear_grad(h->q, dw, dbias, dy, x);
    multiply(want, dy, true, x, false, s->m, s->n, s->k);
    un_harness_near("linear_grad dw", dw, want, tolerance(s->k));
    if (!dbias) return;
    for (int64_t t = 0; t < s->k; ++t)
        for (int64_t j = 0; j < s->m; ++j) want_bias[j] += (double)((float *)dy.data)[t * dy.stride + j];
    un_harness_near_array("linear_grad dbias", dbias, want_bias, s->m, tolerance(s->k));
}

static void linear_grads(void **state) {
    (void)state;
    for (int r = 0; r < 5; ++r)
        for (int w = 0; w < 5; ++w) {
            struct shape s = {
                .m = un_harness_widths[w], .n = un_harness_widths[4 - w], .k = un_harness_rows[r]};
            if (un_harness_heavy((double)s.m * (double)s.n * (double)s.k)) continue;
            un_harness_each(run_linear_grad, &s);
            s.bias = true;
            un_harness_each(run_linear_grad, &s);
        }
}

/* The gradient of sum of g * gelu(x w^T + b) by x, w and b: gemm, gelu_bwd and linear_grad together against
 * central differences of the function in double. Tolerance: step^2 of the difference and float's rounding
 * over 20 terms. */
enum { FT = 5, FK = 7, FN = 6 };
static const struct un_tolerance slope_tolerance = {3e-6, 1e-5};

struct network {
    const double *x, *w, *b, *g;
};

static double value(const struct network *p) {
    double sum = 0;
    for (int t = 0; t < FT; ++t)
        for (int j = 0; j < FN; ++j) {
            double z = p->b[j];
            for (int k = 0; k < FK; ++k) z += p->x[t * FK + k] * p->w[j * FK + k];
            sum += p->g[t * FN + j] * activate(z, UN_ACT_GELU);
        }
    return sum;
}
static double by_x(const double *x, const void *context) {
    struct network p = *(const struct network *)context;
    p.x = x;
    return value(&p);
}
static double by_w(const double *w, const void *context) {
    struct network p = *(const struct network *)context;
    p.w = w;
    return value(&p);
}
static double by_b(const double *b, const void *context) {
    struct network p = *(const struct network *)context;
    p.b = b;
    return value(&p);
}

static void run_layer(struct un_harness *h, const void *context) {
    (void)context;
    struct un_mat x = un_harness_mat_random(h, FT, FK, -1, 1), w = un_harness_mat_random(h, FN, FK, -1, 1);
    struct un_mat g = un_harness_mat_random(h, FT, FN, -1, 1), y = un_harness_mat(h, FT, FN);
    struct un_mat z = un_harness_mat(h, FT, FN), dx = un_harness_mat(h, FT, FK),
                  dw = un_harness_mat(h, FN, FK);
    float *b = un_harness_random(h, FN, -1, 1), *db = un_harness_poison(h, FN);
    struct network p = {un_harness_widen(h, x), un_harness_widen(h, w), un_harness_widen_array(h, b, FN),
                        un_harness_widen(h, g)};
    for (int j = 0; j < FN; ++j) {
        db[j] = 0;
        for (int k = 0; k < FK; ++k) ((float *)dw.data)[j * dw.stride + k] = 0;
    }
    struct un_epilogue e = {.bias = b, .activation = UN_ACT_GELU, .pre = z};
    h->ops->gemm(h->q, y, x, false, w, true, 0.0f, &e);
    h->ops->gelu_bwd(h->q, g, db, g, z);
    h->ops->gemm(h->q, dx, g, false, w, false, 0.0f, NULL);
    h->ops->linear_grad(h->q, dw, NULL, g, x);
    un_harness_slope("layer dx", dx, by_x, &p, (double *)p.x, 1e-4, slope_tolerance);
    un_harness_slope("layer dw", dw, by_w, &p, (double *)p.w, 1e-4, slope_tolerance);
    un_harness_slope("layer dbias", un_mat32(db, 1, FN), by_b, &p, (double *)p.b, 1e-4, slope_tolerance);
}

static void layer_slopes(void **state) {
    (void)state;
    un_harness_each(run_layer, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),        cmocka_unit_test(no_inner),     cmocka_unit_test(epilogues),
        cmocka_unit_test(relu_of_nan),  cmocka_unit_test(tiled),        cmocka_unit_test(col_sums),
        cmocka_unit_test(convolutions), cmocka_unit_test(linear_grads), cmocka_unit_test(layer_slopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
