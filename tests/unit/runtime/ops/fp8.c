/* quantize against the plain definition: of all numbers of the type, the nearest; of two, the one with an even code; beyond
 * the largest, the largest. Exhaustive: all bf16 numbers into both types at scales from 2^-40 to 2^40, all numbers of both
 * types out and back, and in f32 every point between two numbers with its neighbours. */
#include "runtime/fp8.h"
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>

static const enum un_type types[2] = {UN_E4M3, UN_E5M2};

/* By the formats' own words: sign, exponent, mantissa. */
static double number(int code, enum un_type type) {
    const int mantissa = type == UN_E4M3 ? 3 : 2, bias = type == UN_E4M3 ? 7 : 15;
    const int exponent = (code & 0x7F) >> mantissa, rest = code & ((1 << mantissa) - 1);
    const double sign = code & 0x80 ? -1 : 1;
    if (type == UN_E4M3 && (code & 0x7F) == 0x7F) return NAN;
    if (type == UN_E5M2 && exponent == 31) return rest ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(rest, 1 - bias - mantissa);
    return sign * ldexp((1 << mantissa) + rest, exponent - bias - mantissa);
}

static int definition(double x, enum un_type type) {
    const int largest = type == UN_E4M3 ? 0x7E : 0x7B, sign = signbit(x) ? 0x80 : 0;
    int best = 0;
    if (isnan(x)) return 0x7F;
    x = fabs(x);
    if (x >= number(largest, type)) return sign | largest;
    for (int code = 1; code <= largest; ++code) {
        const double here = fabs(number(code, type) - x), before = fabs(number(best, type) - x);
        if (here < before || (here == before && code % 2 == 0)) best = code;
    }
    return sign | best;
}

struct numbers {
    enum un_type x, y;
    float scale;
};

static float widened(uint16_t bits) {
    return un_fp8_float((uint32_t)bits << 16);
}

/* All numbers of bf16, as 256 rows of 256. */
static void run_all(struct un_harness *h, const void *context) {
    enum { N = 256 };
    const struct numbers *s = context;
    struct un_mat x = un_harness_mat_of(h, s->x, N, N), y = un_harness_mat_of(h, s->y, N, N),
                  yt = un_harness_mat_of(h, s->y, N, N);
    const float *scale = un_harness_put(h, &s->scale, 1, sizeof s->scale);
    static const uint32_t none = 0;
    uint32_t *most = un_harness_put(h, &none, 1, sizeof none);
    for (int i = 0; i < N * N; ++i)
        if (s->x == UN_BF16)
            ((uint16_t *)x.data)[i / N * x.stride + i % N] = (uint16_t)i;
        else
            ((float *)x.data)[i / N * x.stride + i % N] = widened((uint16_t)i);
    h->ops->quantize(h->q, y, yt, most, x, scale);
    for (int i = 0; i < N * N; ++i) {
        const int got = ((uint8_t *)y.data)[i / N * y.stride + i % N],
                  turned = ((uint8_t *)yt.data)[i % N * yt.stride + i / N],
                  want = definition((double)(widened((uint16_t)i) * s->scale), s->y);
        if (got != want || turned != want)
            fail_msg("bf16 %04X times %g into type %d: %02X, transposed %02X, want %02X", (unsigned)i,
                     (double)s->scale, (int)s->y, (unsigned)got, (unsigned)turned, (unsigned)want);
    }
    assert_int_equal(*most, 0x7FFF0000u); /* of the NaN with all bits */
}

static void all_of_bf16(void **state) {
    (void)state;
    static const float scales[] = {1.0f, 0x1p-40f, 0x1p-3f, 0x1p5f, 0x1p40f};
    for (int t = 0; t < 2; ++t)
        for (size_t i = 0; i < sizeof scales / sizeof *scales; ++i) {
            struct numbers s = {UN_BF16, types[t], scales[i]};
            un_harness_each(run_all, &s);
            s.x = UN_F32;
            if (i == 0) un_harness_each(run_all, &s);
        }
}

/* Every number comes back; between it and the next, the middle goes to the even one, its neighbours to theirs. */
static void run_edges(struct un_harness *h, const void *context) {
    const struct numbers *s = context;
    enum { POINTS = 4 * 256 };
    struct un_mat x = un_harness_mat(h, 2, POINTS / 2), y = un_harness_mat_of(h, s->y, 2, POINTS / 2);
    const float *one = un_harness_put(h, &s->scale, 1, sizeof s->scale);
    for (int code = 0; code < 256; ++code) {
        const float a = un_fp8_from((uint8_t)code, s->y), b = un_fp8_from((uint8_t)(code ^ 1), s->y);
        const double from = number(code, s->y);
        assert_true(isnan(from) ? isnan(a) : from == (double)a && !signbit(from) == !signbit(a));
        const float next = un_fp8_from((uint8_t)(code + ((code & 0x7F) < 0x7F)), s->y),
                    middle = 0.5f * a + 0.5f * next;
        const float point[4] = {a, middle, nextafterf(middle, 0),
                                nextafterf(middle, b > 0 ? INFINITY : -INFINITY)};
        for (int i = 0; i < 4; ++i)
            ((float *)x.data)[(4 * code + i) / (POINTS / 2) * x.stride + (4 * code + i) % (POINTS / 2)] =
                point[i];
    }
    h->ops->quantize(h->q, y, (struct un_mat){.data = NULL}, NULL, x, one);
    for (int i = 0; i < POINTS; ++i) {
        const int64_t row = i / (POINTS / 2), col = i % (POINTS / 2);
        const float from = ((float *)x.data)[row * x.stride + col];
        const int got = ((uint8_t *)y.data)[row * y.stride + col], want = definition((double)from, s->y);
        if (got != want)
            fail_msg("%.9g into type %d: %02X, want %02X", (double)from, (int)s->y, (unsigned)got,
                     (unsigned)want);
    }
}

static void edges(void **state) {
    (void)state;
    for (int t = 0; t < 2; ++t) {
        const struct numbers s = {UN_F32, types[t], 1.0f};
        un_harness_each(run_edges, &s);
    }
}

struct form {
    int64_t rows, cols;
    enum un_type x, y;
    bool straight, turned, most;
};

static uint32_t largest(struct un_mat x, uint32_t most) {
    for (int64_t i = 0; i < x.rows; ++i)
        for (int64_t j = 0; j < x.cols; ++j) {
            const int64_t at = i * x.stride + j;
            const float v = x.type == UN_F32 ? ((float *)x.data)[at] : widened(((uint16_t *)x.data)[at]);
            const uint32_t size = un_fp8_bits(v) & 0x7FFFFFFFu;
            if (size > most) most = size;
        }
    return most;
}

static void check_form(const struct form *s, struct un_mat y, struct un_mat yt, struct un_mat x,
                       float scale) {
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j) {
            const int64_t at = i * x.stride + j;
            const float v = s->x == UN_F32 ? ((float *)x.data)[at] : widened(((uint16_t *)x.data)[at]);
            const int want = definition((double)(v * scale), s->y);
            if (s->straight) assert_int_equal(((uint8_t *)y.data)[i * y.stride + j], want);
            if (s->turned) assert_int_equal(((uint8_t *)yt.data)[j * yt.stride + i], want);
        }
}

static void run_form(struct un_harness *h, const void *context) {
    const struct form *s = context;
    static const float scale = 64.0f;
    static const uint32_t before = 0x3F000000u; /* 0.5 */
    const float *random = un_harness_random(h, s->rows * s->cols, -4, 4);
    struct un_mat x = un_harness_mat_of(h, s->x, s->rows, s->cols), y = {.data = NULL}, yt = {.data = NULL};
    for (int64_t i = 0; i < s->rows * s->cols; ++i) {
        const int64_t at = i / s->cols * x.stride + i % s->cols;
        if (s->x == UN_F32)
            ((float *)x.data)[at] = random[i];
        else
            ((uint16_t *)x.data)[at] = (uint16_t)(un_fp8_bits(random[i]) >> 16);
    }
    if (s->straight) y = un_harness_mat_of(h, s->y, s->rows, s->cols);
    if (s->turned) yt = un_harness_mat_of(h, s->y, s->cols, s->rows);
    uint32_t *most = un_harness_put(h, &before, 1, sizeof before);
    const uint32_t want = s->most ? largest(x, before) : before;
    h->ops->quantize(h->q, y, yt, s->most ? most : NULL, x, un_harness_put(h, &scale, 1, sizeof scale));
    check_form(s, y, yt, x, scale);
    assert_int_equal(*most, want);
}

static void forms(void **state) {
    (void)state;
    for (int r = 0; r < 5; ++r)
        for (int w = 0; w < 6; ++w)
            for (int form = 1; form < 8; ++form) {
                const struct form s = {.rows = un_harness_rows[r],
                                       .cols = un_harness_widths[w],
                                       .x = form & 1 ? UN_BF16 : UN_F32,
                                       .y = types[(form + w) % 2],
                                       .straight = form & 1,
                                       .turned = form & 2,
                                       .most = form & 4};
                if (!un_harness_heavy(50.0 * (double)(s.rows * s.cols))) un_harness_each(run_form, &s);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_of_bf16), cmocka_unit_test(edges),
                                       cmocka_unit_test(forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
