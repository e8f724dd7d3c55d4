/* gemm and linear_grad of the card with every mix of types, against sums in double over the same rounded
 * inputs; and with inner dimensions so long and outputs so few that they are cut into pieces.
 *
 * Tolerances: f32 results as in tests/unit/runtime/ops/gemm.c; a bf16 result is rounded once more, by at most 2^-9 of its
 * size, 2^-8 leaves room for a value at the edge that f32 moved over it. Activation after a bf16 product: z
 * is rounded before it, and gelu and tanh have slopes under 1.13; z is at most 12 here, so 12 * 2^-8
 * absolute. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

struct shape {
    int64_t m, n, k;
    bool transpose_a, transpose_b;
    float beta;
    enum un_activation activation;
    enum un_type c, a, b, bias; /* bias UN_U8: none */
    bool pre;
};

static float bf16_of(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    u = (u + 0x7FFFu + (u >> 16 & 1u)) & 0xFFFF0000u;
    memcpy(&x, &u, sizeof x);
    return x;
}

static float get(struct un_mat m, int64_t i, int64_t j) {
    if (m.type == UN_F32) return ((const float *)m.data)[i * m.stride + j];
    uint32_t u = (uint32_t)((const uint16_t *)m.data)[i * m.stride + j] << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void put(struct un_mat m, int64_t i, int64_t j, float x) {
    if (m.type == UN_F32) {
        ((float *)m.data)[i * m.stride + j] = x;
        return;
    }
    uint32_t u;
    x = bf16_of(x);
    memcpy(&u, &x, sizeof u);
    ((uint16_t *)m.data)[i * m.stride + j] = (uint16_t)(u >> 16);
}

static struct un_mat random_of(struct un_harness *h, enum un_type type, int64_t rows, int64_t cols) {
    const float *x = un_harness_random(h, rows * cols, -1, 1);
    struct un_mat m = un_harness_mat_of(h, type, rows, cols);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) put(m, i, j, x[i * cols + j]);
    return m;
}

static double *product(struct un_harness *h, const struct shape *s, struct un_mat c, struct un_mat a,
                       struct un_mat b) {
    double *want = un_harness_doubles(h, s->m * s->n);
    for (int64_t i = 0; i < s->m; ++i)
        for (int64_t j = 0; j < s->n; ++j) {
            double sum = s->beta != 0.0f ? (double)s->beta * get(c, i, j) : 0;
            for (int64_t k = 0; k < s->k; ++k)
                sum += (double)(s->transpose_a ? get(a, k, i) : get(a, i, k)) *
                       (double)(s->transpose_b ? get(b, j, k) : get(b, k, j));
            want[i * s->n + j] = sum;
        }
    return want;
}

/* The values of a matrix of either type, as f32 beside it. */
static struct un_mat widened(struct un_harness *h, struct un_mat m) {
    struct un_mat wide = un_harness_mat(h, m.rows, m.cols);
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.cols; ++j) put(wide, i, j, get(m, i, j));
    return wide;
}

static double activate(double z, enum un_activation a) {
    return a == UN_ACT_GELU   ? 0.5 * z * (1.0 + erf(z / sqrt(2.0)))
           : a == UN_ACT_TANH ? tanh(z)
           : a == UN_ACT_RELU ? fmax(z, 0.0)
                              : z;
}

static void run_gemm(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat a = random_of(h, s->a, s->transpose_a ? s->k : s->m, s->transpose_a ? s->m : s->k);
    struct un_mat b = random_of(h, s->b, s->transpose_b ? s->n : s->k, s->transpose_b ? s->k : s->n);
    struct un_mat c =
        s->beta != 0.0f ? random_of(h, s->c, s->m, s->n) : un_harness_mat_of(h, s->c, s->m, s->n);
    const bool biased = s->bias != UN_U8;
    struct un_mat bias = random_of(h, biased ? s->bias : UN_F32, 1, s->n);
    struct un_epilogue e = {
        .bias = biased ? bias.data : NULL, .bias_type = bias.type, .activation = s->activation};
    if (s->pre) e.pre = un_harness_mat_of(h, s->c, s->m, s->n);
    double *want = product(h, s, c, a, b);
    h->ops->gemm(h->q, c, a, s->transpose_a, b, s->transpose_b, s->beta,
                 biased || s->activation != UN_ACT_NONE ? &e : NULL);
    const bool low = s->c == UN_BF16;
    struct un_tolerance t = {1e-6 * sqrt((double)s->k) + 2e-7, low ? 0x1p-8 : 1e-6};
    if (biased)
        for (int64_t i = 0; i < s->m * s->n; ++i) want[i] += (double)get(bias, 0, i % s->n);
    if (s->pre) un_harness_near("gemm pre", widened(h, e.pre), want, t);
    if (s->activation != UN_ACT_NONE && low) t.absolute += 12 * 0x1p-8;
    for (int64_t i = 0; i < s->m * s->n; ++i) want[i] = activate(want[i], s->activation);
    un_harness_near("gemm", widened(h, c), want, t);
}

static const enum un_type types[2] = {UN_F32, UN_BF16};

static void every_mix(void **state) {
    (void)state;
    for (int mix = 0; mix < 8; ++mix)
        for (int layout = mix & 3, n = 0; n < 2; ++n, layout ^= 3) {
            struct shape s = {.m = 35,
                              .n = 67,
                              .k = 21,
                              .transpose_a = layout & 1,
                              .transpose_b = layout & 2,
                              .c = types[mix & 1],
                              .a = types[mix >> 1 & 1],
                              .b = types[mix >> 2],
                              .bias = UN_U8};
            un_harness_each(run_gemm, &s);
            s.beta = 1;
            un_harness_each(run_gemm, &s);
        }
}

static void epilogues(void **state) {
    (void)state;
    for (int mix = 0; mix < 4; ++mix)
        for (int act = 0; act < 4; ++act) {
            struct shape s = {.m = 9,
                              .n = 66,
                              .k = 18,
                              .transpose_b = true,
                              .c = types[mix & 1],
                              .a = UN_BF16,
                              .b = UN_BF16,
                              .bias = types[mix & 1 ? mix >> 1 : 0],
                              .activation = (enum un_activation)act,
                              .pre = act == UN_ACT_GELU || act == UN_ACT_RELU};
            un_harness_each(run_gemm, &s);
        }
}

/* Few outputs, long inner dimension: pieces, also of uneven length, and not a multiple of anything. */
static void pieces(void **state) {
    (void)state;
    static const struct shape shapes[] = {
        {.m = 3,
         .n = 7,
         .k = 1999,
         .transpose_a = true,
         .c = UN_F32,
         .a = UN_BF16,
         .b = UN_F32,
         .beta = 1,
         .bias = UN_U8},
        {.m = 65,
         .n = 5,
         .k = 700,
         .transpose_a = true,
         .c = UN_F32,
         .a = UN_F32,
         .b = UN_F32,
         .bias = UN_U8},
        {.m = 1,
         .n = 130,
         .k = 255,
         .c = UN_BF16,
         .a = UN_F32,
         .b = UN_BF16,
         .bias = UN_F32,
         .activation = UN_ACT_TANH},
        {.m = 2,
         .n = 2,
         .k = 128,
         .transpose_b = true,
         .c = UN_BF16,
         .a = UN_BF16,
         .b = UN_BF16,
         .beta = 1,
         .bias = UN_U8},
        {.m = 2,
         .n = 2,
         .k = 127,
         .transpose_b = true,
         .c = UN_BF16,
         .a = UN_BF16,
         .b = UN_BF16,
         .bias = UN_BF16},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) un_harness_each(run_gemm, &shapes[i]);
}

static void run_linear_grad(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat dy = random_of(h, s->a, s->k, s->m), x = random_of(h, s->b, s->k, s->n),
                  dw = random_of(h, UN_F32, s->m, s->n), dbias = random_of(h, UN_F32, 1, s->m);
    double *want = product(h, s, dw, dy, x), *sums = un_harness_widen(h, dbias);
    for (int64_t t = 0; t < s->k; ++t)
        for (int64_t j = 0; j < s->m; ++j) sums[j] += (double)get(dy, t, j);
    h->ops->linear_grad(h->q, dw, dbias.data, dy, x);
    const struct un_tolerance t = {1e-6 * sqrt((double)s->k) + 2e-7, 1e-6};
    un_harness_near("linear_grad dw", dw, want, t);
    un_harness_near("linear_grad dbias", dbias, sums, t);
}

static void linear_grads(void **state) {
    (void)state;
    for (int mix = 0; mix < 4; ++mix) {
        struct shape s = {.m = 20,
                          .n = 7,
                          .k = 300,
                          .transpose_a = true,
                          .beta = 1,
                          .a = types[mix & 1],
                          .b = types[mix >> 1]};
        un_harness_each(run_linear_grad, &s);
    }
}

/* A chain with k ascending: in f32, the very bits of fused multiply-adds in that order. */
static void run_chain(struct un_harness *h, const void *context) {
    (void)context;
    enum { M = 5, N = 9, K = 100 };
    struct un_mat a = random_of(h, UN_BF16, M, K), b = random_of(h, UN_F32, K, N),
                  c = un_harness_mat(h, M, N), want = un_harness_mat(h, M, N);
    h->ops->gemm(h->q, c, a, false, b, false, 0, NULL);
    for (int64_t i = 0; i < M; ++i)
        for (int64_t j = 0; j < N; ++j) {
            float sum = 0;
            for (int64_t k = 0; k < K; ++k) sum = fmaf(get(a, i, k), get(b, k, j), sum);
            put(want, i, j, sum);
        }
    un_harness_same("gemm", c, want);
}

static void chain_of_sums(void **state) {
    (void)state;
    un_harness_each(run_chain, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mix),    cmocka_unit_test(epilogues),     cmocka_unit_test(pieces),
        cmocka_unit_test(linear_grads), cmocka_unit_test(chain_of_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
