/* Ops that write the codes of an output beside it (un_codes) against the pair they stand for, the op and quantize: the same
 * bits of everything, at odd sizes, in both types, with an amax that was there before, with a NaN and an infinity. */
#include "runtime/fp8.h"
#include "tests/unit/runtime/ops/low.h"

#include <math.h>

struct form {
    int64_t rows, cols;
    enum un_type x, to; /* of the matrices, of the codes */
    bool written, most; /* codes are wanted, the amax is */
    bool odd;           /* a NaN and an infinity among the inputs */
    enum un_activation activation;
    int samples; /* of attention */
};

static const float scale = 64.0f;

/* What an op is asked for, and what quantize gives of the same output. */
struct asked {
    struct un_codes codes, want;
};

static struct un_codes one(struct un_harness *h, const struct form *s) {
    static const uint32_t before = 0x3F000000u; /* 0.5 */
    struct un_codes c = {.to = {.data = NULL}, .scale = un_harness_put(h, &scale, 1, sizeof scale)};
    if (s->written) c.to = un_harness_mat_of(h, s->to, s->rows, s->cols);
    if (s->most) c.amax = un_harness_put(h, &before, 1, sizeof before);
    return c;
}
static struct asked ask(struct un_harness *h, const struct form *s) {
    struct asked a = {.codes = one(h, s)};
    a.want = one(h, s);
    return a;
}

static struct un_mat random_mat(struct un_harness *h, const struct form *s, float most) {
    struct un_mat m = un_low_pair(h, s->x, un_harness_mat_random(h, s->rows, s->cols, -most, most));
    if (s->odd && s->rows > 0) un_low_put(m, s->rows - 1, s->cols - 1, NAN);
    if (s->odd && s->rows > 1) un_low_put(m, 0, s->cols / 2, -INFINITY);
    return m;
}

/* The same bits; of f32, any NaN for a NaN: which of two a sum takes is the compiler's. */
static void same_bits(const char *what, struct un_mat got, struct un_mat want) {
    const size_t bytes = (size_t)un_type_bytes(got.type);
    for (int64_t i = 0; got.data && i < got.rows; ++i)
        for (int64_t j = 0; j < got.cols; ++j) {
            const char *g = (const char *)got.data + (size_t)(i * got.stride + j) * bytes,
                       *w = (const char *)want.data + (size_t)(i * want.stride + j) * bytes;
            if (memcmp(g, w, bytes) == 0) continue;
            if (got.type == UN_F32 && isnan(*(const float *)g) && isnan(*(const float *)w)) continue;
            fail_msg("%s (%lld, %lld): other bits", what, (long long)i, (long long)j);
        }
}

static void check_codes(struct un_harness *h, const char *what, const struct asked *a, struct un_mat output) {
    const struct un_mat none = {.data = NULL};
    h->ops->quantize(h->q, a->want.to, none, a->want.amax, output, a->want.scale);
    same_bits(what, a->codes.to, a->want.to);
    if (a->codes.amax) assert_int_equal(*a->codes.amax, *a->want.amax);
}

static void run_gelu_bwd(struct un_harness *h, const void *context) {
    const struct form *s = context;
    struct un_mat dy = random_mat(h, s, 4), z = random_mat(h, s, 3),
                  dz = un_harness_mat_of(h, s->x, s->rows, s->cols),
                  plain = un_harness_mat_of(h, s->x, s->rows, s->cols);
    float *bias = un_harness_random(h, s->cols, -1, 1), *want = un_harness_copy(h, bias, s->cols);
    const struct asked a = ask(h, s);
    const bool summed = s->cols % 2 == 0;
    h->ops->gelu_bwd(h->q, plain, summed ? want : NULL, dy, z);
    h->ops->gelu_bwd_fp8(h->q, dz, &a.codes, summed ? bias : NULL, dy, z);
    same_bits("dz", dz, plain);
    same_bits("dbias", un_mat32(bias, 1, s->cols), un_mat32(want, 1, s->cols));
    check_codes(h, "codes of dz", &a, plain);
}

/* Matrices of the form for the op and for its plain twin. */
struct twins {
    struct un_mat one, plain;
};
static struct twins twins(struct un_harness *h, const struct form *s) {
    struct twins t = {.one = un_harness_mat_of(h, s->x, s->rows, s->cols)};
    t.plain = un_harness_mat_of(h, s->x, s->rows, s->cols);
    return t;
}

static void run_norm_fwd(struct un_harness *h, const void *context) {
    const struct form *s = context;
    const int64_t n = s->rows, c = s->cols;
    const struct un_dropout drop = un_harness_dropout(0.2);
    const struct un_mat x = random_mat(h, s, 2), residual = random_mat(h, s, 2);
    const struct twins y = twins(h, s), r = twins(h, s);
    const float *gamma = un_harness_random(h, c, 0.5f, 2), *beta = un_harness_random(h, c, -1, 1);
    float *stats = un_harness_poison(h, 2 * n), *want = un_harness_poison(h, 2 * n);
    const struct asked a = ask(h, s);
    h->ops->norm_fwd(h->q, y.plain, r.plain, want, want + n, x, residual, gamma, beta, &drop);
    h->ops->norm_fwd_fp8(h->q, y.one, &a.codes, r.one, stats, stats + n, x, residual, gamma, beta, &drop);
    same_bits("y", y.one, y.plain);
    same_bits("r", r.one, r.plain);
    same_bits("statistics", un_mat32(stats, 1, 2 * n), un_mat32(want, 1, 2 * n));
    check_codes(h, "codes of y", &a, y.plain);
}

/* With dx and without. */
static void run_norm_bwd(struct un_harness *h, const void *context) {
    const struct form *s = context;
    const int64_t n = s->rows, c = s->cols;
    const struct un_dropout drop = un_harness_dropout(0.2);
    const struct un_mat dy = random_mat(h, s, 2),
                        r = un_low_pair(h, s->x, un_harness_mat_random(h, n, c, -2, 2));
    const struct twins dr = twins(h, s);
    struct twins dx = twins(h, s);
    if (s->most) dx.one.data = dx.plain.data = NULL;
    const float *gamma = un_harness_random(h, c, 0.5f, 2), *mean = un_harness_random(h, n, -1, 1),
                *rstd = un_harness_random(h, n, 0.5f, 2);
    float *sums = un_harness_random(h, 3 * c, -1, 1), *want = un_harness_copy(h, sums, 3 * c);
    const struct asked a = ask(h, s);
    h->ops->norm_bwd(h->q, dr.plain, dx.plain, want, want + c, want + 2 * c, dy, r, mean, rstd, gamma, &drop);
    h->ops->norm_bwd_fp8(h->q, dr.one, dx.one, &a.codes, sums, sums + c, sums + 2 * c, dy, r, mean, rstd,
                         gamma, &drop);
    same_bits("dr", dr.one, dr.plain);
    same_bits("dx", dx.one, dx.plain);
    same_bits("sums", un_mat32(sums, 1, 3 * c), un_mat32(want, 1, 3 * c));
    check_codes(h, "codes of dx", &a, dx.plain.data ? dx.plain : dr.plain);
}

/* Samples of the lengths, and three rows behind the last one. cols of a form: of a head; there are two. */
static const int64_t lengths[] = {3, 0, 17, 1, 64, 170, 33};
enum { SAMPLES = sizeof lengths / sizeof *lengths, HEADS = 2, BEHIND = 3 };

static struct un_layout layout_of(struct un_harness *h, const struct form *s) {
    int32_t start[SAMPLES + 1] = {0};
    int64_t longest = 0;
    for (int i = 0; i < s->samples; ++i) {
        start[i + 1] = start[i] + (int32_t)lengths[i];
        longest = lengths[i] > longest ? lengths[i] : longest;
    }
    return (struct un_layout){un_harness_put(h, start, s->samples + 1, sizeof *start), s->samples,
                              start[s->samples], longest};
}

static void run_attention(struct un_harness *h, const void *context) {
    struct form s = *(const struct form *)context;
    const int64_t width = HEADS * s.cols;
    const struct un_layout layout = layout_of(h, &s);
    const struct un_dropout drop = un_harness_dropout(0.1);
    s.rows = layout.tokens + BEHIND, s.cols = 3 * width;
    const struct un_mat qkv = random_mat(h, &s, 2);
    const struct twins dqkv = twins(h, &s);
    const struct asked a = ask(h, &s);
    float *bias = un_harness_random(h, s.cols, -1, 1), *want = un_harness_copy(h, bias, s.cols);
    s.cols = width, s.to = s.to == UN_E4M3 ? UN_E5M2 : UN_E4M3;
    const struct asked b = ask(h, &s);
    const struct twins out = twins(h, &s);
    un_harness_by_address = s.x == UN_BF16; /* a card's matrix units want 16 bytes */
    const struct un_mat dout = random_mat(h, &s, 2);
    float *lse = un_harness_poison(h, s.rows * HEADS), *lse2 = un_harness_poison(h, s.rows * HEADS);
    h->ops->attention_fwd(h->q, out.plain, lse2, qkv, &layout, HEADS, &drop);
    h->ops->attention_fwd_fp8(h->q, out.one, &b.codes, lse, qkv, &layout, HEADS, &drop);
    same_bits("out", out.one, out.plain);
    same_bits("lse", un_mat32(lse, s.rows, HEADS), un_mat32(lse2, s.rows, HEADS));
    check_codes(h, "codes of out", &b, out.plain);
    h->ops->attention_bwd(h->q, dqkv.plain, want, dout, out.one, lse, qkv, &layout, HEADS, &drop);
    h->ops->attention_bwd_fp8(h->q, dqkv.one, &a.codes, bias, dout, out.one, lse, qkv, &layout, HEADS, &drop);
    same_bits("dqkv", dqkv.one, dqkv.plain);
    same_bits("dbias", un_mat32(bias, 1, 3 * width), un_mat32(want, 1, 3 * width));
    check_codes(h, "codes of dqkv", &a, dqkv.plain);
}

/* Products are short: what is tested is what follows them. Those of infinite factors are another test's. */
static void run_gemm(struct un_harness *h, const void *context) {
    enum { K = 5 };
    const struct form *s = context;
    struct un_mat left = un_low_pair(h, s->x, un_harness_mat_random(h, s->rows, K, -1, 1)),
                  right = un_low_pair(h, s->x, un_harness_mat_random(h, s->cols, K, -1, 1)),
                  c = un_harness_mat_of(h, s->x, s->rows, s->cols),
                  plain = un_harness_mat_of(h, s->x, s->rows, s->cols);
    const struct asked a = ask(h, s);
    struct un_epilogue e = {.activation = s->activation}, want = e;
    if (s->cols % 2) e.bias = want.bias = un_harness_random(h, s->cols, -1, 1);
    if (s->activation == UN_ACT_GELU || s->activation == UN_ACT_RELU)
        e.pre = un_harness_mat_of(h, s->x, s->rows, s->cols),
        want.pre = un_harness_mat_of(h, s->x, s->rows, s->cols);
    e.codes = &a.codes;
    h->ops->gemm(h->q, plain, left, false, right, true, 0, &want);
    h->ops->gemm(h->q, c, left, false, right, true, 0, &e);
    same_bits("c", c, plain);
    same_bits("pre", e.pre, want.pre);
    check_codes(h, "codes of c", &a, plain);
}

/* [m,n] of codes without NaN. */
static struct un_mat factor(struct un_harness *h, int64_t m, int64_t n) {
    struct un_mat x = un_harness_mat_random(h, m, n, -1, 1), y = un_harness_mat_of(h, UN_E4M3, m, n);
    const struct un_mat none = {.data = NULL};
    h->ops->quantize(h->q, y, none, NULL, x, un_harness_put(h, &scale, 1, sizeof scale));
    return y;
}

static void run_gemm_fp8(struct un_harness *h, const void *context) {
    enum { K = 7 };
    static const float unit = 0x1p-6f;
    const struct form *s = context;
    struct un_mat left = factor(h, s->rows, K), right = factor(h, s->cols, K),
                  c = un_harness_mat_of(h, s->x, s->rows, s->cols),
                  plain = un_harness_mat_of(h, s->x, s->rows, s->cols);
    const float *u = un_harness_put(h, &unit, 1, sizeof unit);
    const struct asked a = ask(h, s);
    struct un_epilogue e = {.bias = un_harness_random(h, s->cols, -1, 1), .activation = s->activation},
                       want = e;
    e.codes = &a.codes;
    h->ops->gemm_fp8(h->q, plain, left, u, right, u, 0, &want);
    h->ops->gemm_fp8(h->q, c, left, u, right, u, 0, &e);
    same_bits("c", c, plain);
    check_codes(h, "codes of c", &a, plain);
}

static const enum un_activation activations[4] = {UN_ACT_NONE, UN_ACT_GELU, UN_ACT_TANH, UN_ACT_RELU};

/* every: of so many forms one is run, another at each size. */
static void each_form(un_harness_case run, int every) {
    for (int r = 0; r < 5; ++r)
        for (int w = 0; w < 6; ++w)
            for (int form = 0; form < 8; ++form) {
                if ((form + 3 * w + r) % every) continue;
                const struct form s = {.rows = un_harness_rows[r],
                                       .cols = un_harness_widths[w],
                                       .x = form & 1 ? UN_F32 : UN_BF16,
                                       .to = (form + w) & 1 ? UN_E5M2 : UN_E4M3,
                                       .written = form < 6,
                                       .most = form % 3 != 0 || form == 6,
                                       .odd = form & 2,
                                       .activation = activations[(form + r + w) % 4]};
                if (s.rows == 130 && form % 3 != 1) continue; /* the large ones in few forms */
                if (!un_harness_heavy(100.0 * (double)(s.rows * s.cols))) un_harness_each(run, &s);
            }
}

/* What a card holds in one, two and four vectors a lane, and what it does not hold. */
static void each_width(un_harness_case run) {
    static const int64_t widths[] = {248, 512, 1024, 1100, 1104};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; ++w)
        for (int form = 0; form < 2; ++form) {
            const struct form s = {.rows = 5,
                                   .cols = widths[w],
                                   .x = UN_BF16,
                                   .to = form ? UN_E5M2 : UN_E4M3,
                                   .written = true,
                                   .most = form,
                                   .odd = form};
            un_harness_each(run, &s);
        }
}

static void gelu_bwd(void **state) {
    (void)state;
    each_form(run_gelu_bwd, 1);
}
static void norm_fwd(void **state) {
    (void)state;
    each_form(run_norm_fwd, 2);
    each_width(run_norm_fwd);
}
static void norm_bwd(void **state) {
    (void)state;
    each_form(run_norm_bwd, 2);
    each_width(run_norm_bwd);
}
/* Heads that a card multiplies by its matrix units, and others. */
static void attention(void **state) {
    (void)state;
    for (int form = 0; form < 12; ++form) {
        const struct form s = {.cols = form % 4 == 3 ? 20 : 64,
                               .x = form % 4 == 2 ? UN_F32 : UN_BF16,
                               .to = form & 1 ? UN_E5M2 : UN_E4M3,
                               .written = form != 5,
                               .most = form != 8,
                               .odd = form == 9,
                               .samples = form == 4   ? SAMPLES
                                          : form == 0 ? 0
                                                      : 5};
        if (!un_harness_heavy(s.samples == SAMPLES ? 1e7 : 1e5)) un_harness_each(run_attention, &s);
    }
}
static void gemm(void **state) {
    (void)state;
    each_form(run_gemm, 2);
}
static void gemm_fp8(void **state) {
    (void)state;
    un_harness_fp8 = true; /* much scratch: few forms */
    each_form(run_gemm_fp8, 8);
    un_harness_fp8 = false;
}

/* Codes into a matrix of another type: the queue says so. */
static void refused(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    const struct form s = {.rows = 2, .cols = 4, .x = UN_BF16, .to = UN_U8, .written = true};
    const struct asked a = ask(&h, &s);
    struct un_mat m = random_mat(&h, &s, 1);
    h.ops->gelu_bwd_fp8(h.q, m, &a.codes, NULL, m, m);
    un_harness_close_refused(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gelu_bwd), cmocka_unit_test(norm_fwd),
                                       cmocka_unit_test(norm_bwd), cmocka_unit_test(attention),
                                       cmocka_unit_test(gemm),     cmocka_unit_test(gemm_fp8),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
