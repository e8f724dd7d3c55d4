/* gemm_fp8: the very bits of gemm of the factors widened to bf16 and taken times their units, which is its definition on
 * backends without units for fp8; and, on all, sums in double over the same numbers.
 *
 * Tolerances as in tests/cards/emu/gemm_mixed.c: sums of K products of numbers up to 448 * 2^-8 in f32, one rounding more
 * of a bf16 result, and a z of up to 60 that is rounded before its activation. */
#include "runtime/fp8.h"
#include "tests/unit/runtime/ops/low.h"

#include <math.h>

struct shape {
    int64_t m, n, k;
    enum un_type a, c;
    float beta;
    enum un_activation activation;
    bool bias, pre;
};

static const float a_unit = 0x1p-6f, b_unit = 0x1p-7f;

/* Codes without NaN and infinity, mostly of middling size. */
static struct un_mat codes(struct un_harness *h, enum un_type type, int64_t rows, int64_t cols) {
    const float *x = un_harness_random(h, rows * cols, -64, 64);
    struct un_mat m = un_harness_mat_of(h, type, rows, cols);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) {
            const float v = x[i * cols + j];
            ((uint8_t *)m.data)[i * m.stride + j] = type == UN_E4M3 ? un_fp8_to_e4m3(v) : un_fp8_to_e5m2(v);
        }
    return m;
}

static struct un_mat widened(struct un_harness *h, struct un_mat m, float unit) {
    struct un_mat wide = un_harness_mat_of(h, UN_BF16, m.rows, m.cols);
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.cols; ++j)
            un_low_put(wide, i, j, un_fp8_from(((uint8_t *)m.data)[i * m.stride + j], m.type) * unit);
    return wide;
}

static struct un_mat copied(struct un_harness *h, struct un_mat m) {
    struct un_mat copy = un_harness_mat_of(h, m.type, m.rows, m.cols);
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.cols; ++j) un_low_put(copy, i, j, un_low_get(m, i, j));
    return copy;
}

static double active(double z, enum un_activation a) {
    return a == UN_ACT_GELU ? 0.5 * z * (1.0 + erf(z / sqrt(2.0))) : a == UN_ACT_RELU ? fmax(z, 0.0) : z;
}

static void check_sums(struct un_harness *h, const struct shape *s, struct un_mat got, struct un_mat before,
                       struct un_mat a, struct un_mat b, const float *bias) {
    struct un_mat wide = un_harness_mat(h, s->m, s->n);
    double *want = un_harness_doubles(h, s->m * s->n);
    for (int64_t i = 0; i < s->m; ++i)
        for (int64_t j = 0; j < s->n; ++j) {
            double sum = s->beta != 0.0f ? (double)s->beta * (double)un_low_get(before, i, j) : 0;
            for (int64_t k = 0; k < s->k; ++k)
                sum += (double)un_low_get(a, i, k) * (double)un_low_get(b, j, k);
            if (bias) sum += (double)bias[j];
            want[i * s->n + j] = active(sum, s->activation);
            ((float *)wide.data)[i * wide.stride + j] = un_low_get(got, i, j);
        }
    const bool low = s->c == UN_BF16;
    const struct un_tolerance t = {1e-6 * sqrt((double)s->k) + (low && s->activation ? 60 * 0x1p-8 : 2e-7),
                                   low ? 0x1p-8 : 1e-6};
    un_harness_near("gemm_fp8", wide, want, t);
}

static void same(const char *what, struct un_mat got, struct un_mat want) {
    for (int64_t i = 0; i < got.rows; ++i)
        for (int64_t j = 0; j < got.cols; ++j) {
            const float g = un_low_get(got, i, j), w = un_low_get(want, i, j);
            if (memcmp(&g, &w, sizeof g) != 0)
                fail_msg("%s (%lld, %lld) is %.9g, of bf16 %.9g", what, (long long)i, (long long)j, (double)g,
                         (double)w);
        }
}

static void run_gemm(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat a = codes(h, s->a, s->m, s->k), b = codes(h, UN_E4M3, s->n, s->k);
    const float *au = un_harness_put(h, &a_unit, 1, sizeof a_unit),
                *bu = un_harness_put(h, &b_unit, 1, sizeof b_unit);
    struct un_mat start = un_low_pair(h, s->c, un_harness_mat_random(h, s->m, s->n, -1, 1));
    struct un_mat c = copied(h, start), plain = copied(h, start), wide_a = widened(h, a, a_unit),
                  wide_b = widened(h, b, b_unit);
    struct un_epilogue e = {.bias = s->bias ? un_harness_random(h, s->n, -1, 1) : NULL,
                            .activation = s->activation},
                       e2 = e;
    if (s->pre)
        e.pre = un_harness_mat_of(h, s->c, s->m, s->n), e2.pre = un_harness_mat_of(h, s->c, s->m, s->n);
    const bool follows = s->bias || s->activation != UN_ACT_NONE;
    h->ops->gemm_fp8(h->q, c, a, au, b, bu, s->beta, follows ? &e : NULL);
    h->ops->gemm(h->q, plain, wide_a, false, wide_b, true, s->beta, follows ? &e2 : NULL);
    if (!h->device->fp8_units) {
        same("c", c, plain);
        if (s->pre) same("pre", e.pre, e2.pre);
    }
    check_sums(h, s, c, start, wide_a, wide_b, e.bias);
}

static void each(const struct shape *s) {
    if (!un_harness_heavy((double)s->m * (double)s->n * (double)s->k)) un_harness_each(run_gemm, s);
}

static void sizes(void **state) {
    (void)state;
    for (int r = 0; r < 5; ++r)
        for (int w = 0; w < 5; ++w)
            for (int form = 0; form < 4; ++form) {
                const struct shape s = {.m = un_harness_rows[r],
                                        .n = un_harness_widths[w],
                                        .k = form & 1 ? 100 : 21,
                                        .a = form & 1 ? UN_E5M2 : UN_E4M3,
                                        .c = form & 2 ? UN_F32 : UN_BF16,
                                        .beta = r % 2 ? 1.0f : 0.0f};
                each(&s);
            }
}

static void epilogues(void **state) {
    (void)state;
    static const enum un_activation acts[] = {UN_ACT_NONE, UN_ACT_GELU, UN_ACT_RELU};
    for (int act = 0; act < 3; ++act)
        for (int form = 0; form < 4; ++form) {
            const struct shape s = {.m = 17,
                                    .n = 66,
                                    .k = 40,
                                    .a = UN_E4M3,
                                    .c = form & 1 ? UN_F32 : UN_BF16,
                                    .activation = acts[act],
                                    .bias = true,
                                    .pre = form & 2 && acts[act] != UN_ACT_NONE};
            each(&s);
        }
}

/* More elements of a factor than are widened at a time: of a, of b. */
static void pieces(void **state) {
    (void)state;
    const struct shape tall = {.m = 600, .n = 3, .k = 8000, .a = UN_E5M2, .c = UN_BF16, .beta = 1},
                       wide = {.m = 3,
                               .n = 1070,
                               .k = 4000,
                               .a = UN_E4M3,
                               .c = UN_BF16,
                               .bias = true,
                               .activation = UN_ACT_GELU,
                               .pre = true};
    each(&tall);
    each(&wide);
}

/* A factor that is no fp8, an e5m2 on the right: the queue says so. */
static void refused(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    const float *unit = un_harness_put(&h, &a_unit, 1, sizeof a_unit);
    struct un_mat c = un_harness_mat(&h, 2, 2), low = codes(&h, UN_E5M2, 2, 4),
                  right = codes(&h, UN_E4M3, 2, 4);
    h.ops->gemm_fp8(h.q, c, right, unit, low, unit, 0, NULL);
    un_harness_close_refused(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(epilogues),
                                       cmocka_unit_test(pieces), cmocka_unit_test(refused)};
    un_harness_fp8 = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
