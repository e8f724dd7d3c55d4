/* What attention promises beside its equation: samples do not see each other, bit for bit; dropout draws one
 * mask for both directions; not a number stays in its sample; scratch that is too small is an error. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

struct result {
    struct un_mat out, dqkv;
    float *lse;
};

static struct result attend(struct un_harness *h, struct un_mat qkv, struct un_mat dout, const int32_t *start,
                            int64_t samples, const struct un_dropout *drop) {
    struct un_layout layout = {.samples = samples, .tokens = qkv.rows, .longest = 64};
    layout.start = un_harness_put(h, start, samples + 1, sizeof *start);
    struct result r = {.out = un_harness_mat(h, qkv.rows, qkv.cols / 3),
                       .dqkv = un_harness_mat(h, qkv.rows, qkv.cols),
                       .lse = un_harness_poison(h, qkv.rows * 2)};
    h->ops->attention_fwd(h->q, r.out, r.lse, qkv, &layout, 2, drop);
    h->ops->attention_bwd(h->q, r.dqkv, NULL, dout, r.out, r.lse, qkv, &layout, 2, drop);
    return r;
}

static struct un_mat rows_of(struct un_mat m, int64_t first, int64_t rows) {
    m.data = (float *)m.data + first * m.stride;
    m.rows = rows;
    return m;
}

/* What a sample gets does not depend on who shares its micro-batch, bit for bit. */
static void test_samples_are_independent(void **state) {
    static const int32_t both[3] = {0, 17, 73}, alone[2] = {0, 56};
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 2, NULL);
    struct un_mat qkv = un_harness_mat_random(&h, 73, 120, -1.0f, 1.0f),
                  dout = un_harness_mat_random(&h, 73, 40, -1.0f, 1.0f);
    struct result a = attend(&h, qkv, dout, both, 2, NULL);
    struct result b = attend(&h, rows_of(qkv, 17, 56), rows_of(dout, 17, 56), alone, 1, NULL);
    un_harness_same("out", rows_of(a.out, 17, 56), b.out);
    un_harness_same("dqkv", rows_of(a.dqkv, 17, 56), b.dqkv);
    un_harness_close(&h);
}

/* Probability 0 is the same as no dropout at all, and dropout does change things. */
static void test_dropout_zero(void **state) {
    static const int32_t start[3] = {0, 17, 73};
    const struct un_dropout none = un_harness_dropout(0.0), some = un_harness_dropout(0.1);
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 1, NULL);
    struct un_mat qkv = un_harness_mat_random(&h, 73, 120, -1.0f, 1.0f),
                  dout = un_harness_mat_random(&h, 73, 40, -1.0f, 1.0f);
    struct result a = attend(&h, qkv, dout, start, 2, NULL), b = attend(&h, qkv, dout, start, 2, &none);
    struct result c = attend(&h, qkv, dout, start, 2, &some);
    un_harness_same("out", a.out, b.out);
    un_harness_same("dqkv", a.dqkv, b.dqkv);
    assert_memory_not_equal(a.out.data, c.out.data, 40 * sizeof(float));
    un_harness_close(&h);
}

/* Equal scores and values of 1: out is the mean dropout factor of a row, and dv of dout = 1 that of a column
 * over the same mask. So the sums over a head agree, and their mean is 1 within its deviation. */
static void test_same_mask_both_ways(void **state) {
    enum { TOKENS = 500, HEADS = 2, WIDTH = 4, HIDDEN = HEADS * WIDTH };
    static const int32_t start[2] = {0, TOKENS};
    struct un_layout layout = {.samples = 1, .tokens = TOKENS, .longest = TOKENS};
    const struct un_dropout drop = un_harness_dropout(0.1);
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 2, NULL);
    layout.start = un_harness_put(&h, start, 2, sizeof *start);
    struct un_mat qkv = un_harness_mat_random(&h, TOKENS, 3 * HIDDEN, 0.0f, 0.0f);
    struct un_mat dout = un_harness_mat_random(&h, TOKENS, HIDDEN, 1.0f, 1.0f);
    for (int64_t t = 0; t < TOKENS; ++t)
        for (int64_t j = 2 * HIDDEN; j < 3 * HIDDEN; ++j) ((float *)qkv.data)[t * qkv.stride + j] = 1.0f;
    struct un_mat out = un_harness_mat(&h, TOKENS, HIDDEN), dqkv = un_harness_mat(&h, TOKENS, 3 * HIDDEN);
    float *lse = un_harness_poison(&h, TOKENS * HEADS);
    h.ops->attention_fwd(h.q, out, lse, qkv, &layout, HEADS, &drop);
    h.ops->attention_bwd(h.q, dqkv, NULL, dout, out, lse, qkv, &layout, HEADS, &drop);
    for (int64_t a = 0; a < HEADS; ++a) {
        double forward = 0.0, backward = 0.0;
        for (int64_t t = 0; t < TOKENS; ++t) {
            forward += ((float *)out.data)[t * out.stride + a * WIDTH];
            backward += ((float *)dqkv.data)[t * dqkv.stride + 2 * HIDDEN + a * WIDTH];
        }
        if (fabs(forward - backward) > 1e-3)
            fail_msg("head %d: %.9g out, %.9g back", (int)a, forward, backward);
        /* deviation of the mean of 500^2 factors: sqrt(0.1 / 0.9) / 500 = 0.00067 */
        if (fabs(forward / TOKENS - 1.0) > 5 * 0.00067) fail_msg("mean factor %.6f", forward / TOKENS);
    }
    un_harness_close(&h);
}

/* Not a number in, not a number out, and only in the sample it came from. */
static void test_nan_stays_in_its_sample(void **state) {
    static const int32_t start[3] = {0, 17, 73};
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 1, NULL);
    struct un_mat qkv = un_harness_mat_random(&h, 73, 120, -1.0f, 1.0f),
                  dout = un_harness_mat_random(&h, 73, 40, -1.0f, 1.0f);
    ((float *)qkv.data)[3 * qkv.stride + 40] = NAN; /* a key of the first sample, first head */
    struct result r = attend(&h, qkv, dout, start, 2, NULL);
    for (int64_t t = 0; t < 73; ++t)
        for (int64_t j = 0; j < 40; ++j)
            assert_int_equal(!!isnan(((float *)r.out.data)[t * r.out.stride + j]), t < 17 && j < 20);
    un_harness_close(&h);
}

/* A queue opened for less says so instead of writing past its scratch. The card's forward takes none. */
static void test_small_scratch(void **state) {
    static const int32_t start[2] = {0, 200};
    const struct un_limits small = {.max_samples = 2, .max_heads = 2, .max_params = 64}; /* no matrices */
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 1, &small);
    if (h.device->kind != UN_DEVICE_CPU) {
        un_harness_close(&h);
        return;
    }
    struct un_layout layout = {.start = start, .samples = 1, .tokens = 200, .longest = 200};
    struct un_mat qkv = un_harness_mat_random(&h, 200, 120, -1.0f, 1.0f), out = un_harness_mat(&h, 200, 40);
    h.ops->attention_fwd(h.q, out, un_harness_poison(&h, 400), qkv, &layout, 2, NULL);
    un_error_clear();
    assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "attention"));
    un_error_clear();
    h.device->mem->queue_close(h.q);
    assert_int_equal(h.device->mem->queue_open(h.device, &small, &h.q), UN_OK);
    un_harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_are_independent), cmocka_unit_test(test_dropout_zero),
        cmocka_unit_test(test_same_mask_both_ways),     cmocka_unit_test(test_nan_stays_in_its_sample),
        cmocka_unit_test(test_small_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
