/* square_sums, clip_factor and adamw.
 *
 * Tolerances. square_sums adds in double: 65,536 terms, 1e-12 relative. The norm is rounded once to float.
 * adamw: m and v round two or three times (2^-24 each), the step m / (sqrt v + eps) about four times, and the
 * parameter once; the oracle uses the same float constants in double. */
#include "runtime/params.h"
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

static void run_square_sums(struct un_harness *h, const void *context) {
    int64_t n = *(const int64_t *)context, chunks = (n + UN_PARAM_BLOCK - 1) / UN_PARAM_BLOCK;
    float *g = un_harness_random(h, n, -3, 3);
    double *partial = un_harness_take(h, chunks, sizeof *partial);
    h->ops->square_sums(h->q, partial, g, n);
    for (int64_t k = 0; k < chunks; ++k) {
        double want = 0;
        for (int64_t i = k * UN_PARAM_BLOCK; i < n && i < (k + 1) * UN_PARAM_BLOCK; ++i)
            want += (double)g[i] * g[i];
        assert_true(fabs(partial[k] - want) <= 1e-12 * want);
    }
}

static void square_sums(void **state) {
    (void)state;
    static const int64_t counts[] = {0, 1, 17, 4095, 4096, 4097, 300001};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
        if (!un_harness_heavy((double)counts[i])) un_harness_each(run_square_sums, &counts[i]);
    }
}

static void run_check_finite(struct un_harness *h, const void *context) {
    const int64_t n = 5000;
    const float odd = *(const float *)context;
    float *x = un_harness_random(h, n, -1e30f, 1e30f);
    double *word = un_harness_take(h, 1, sizeof *word);
    *word = 0;
    h->ops->check_finite(h->q, word, x, n);
    h->ops->check_finite(h->q, word, x, 0);
    assert_true(*word == 0);
    if (odd == 0) return;
    x[n - 1] = odd;
    h->ops->check_finite(h->q, word, x, n - 1);
    assert_true(*word == 0);
    h->ops->check_finite(h->q, word, x, n);
    h->ops->check_finite(h->q, word, x, 10); /* stays */
    assert_true(isnan(*word));
}

static void check_finite(void **state) {
    (void)state;
    static const float odd[] = {0, NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 4; ++i) un_harness_each(run_check_finite, &odd[i]);
}

static void clip(struct un_harness *h, const double *partial, int64_t chunks, float max_norm, float norm,
                 float factor, float finite) {
    float *out = un_harness_poison(h, 3);
    const double *parts = un_harness_put(h, partial, chunks, sizeof *partial);
    h->ops->clip_factor(h->q, out, parts, chunks, max_norm);
    assert_true(isnan(norm) ? isnan(out[0]) : out[0] == norm);
    assert_true(fabsf(out[1] - factor) <= 1e-7f * factor);
    assert_true(out[2] == finite);
}

static void clip_factors(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    const double parts[] = {9, 0, 16}, overflow[] = {1e80, 1}, bad[] = {1, NAN}, infinite[] = {INFINITY};
    clip(&h, parts, 3, 2.5f, 5, 2.5f / 5.000001f, 1);
    clip(&h, parts, 3, 5.1f, 5, 1, 1);
    clip(&h, parts, 3, 0, 5, 1, 1);
    clip(&h, parts, 3, -1, 5, 1, 1);
    clip(&h, parts, 0, 1, 0, 1, 1);
    clip(&h, overflow, 2, 0, INFINITY, 1, 0);
    clip(&h, bad, 2, 1, NAN, 1, 0);
    clip(&h, infinite, 1, 0, INFINITY, 1, 0);
    un_harness_close(&h);
}

struct update {
    int64_t count;
    bool low, finite;
    float clip;
};

/* What is left alone keeps its bits. */
static void check_left(const float *x, const float *before, const uint8_t *flags, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        if (flags[i / UN_PARAM_ALIGN] & UN_DECAY_LEFT) assert_memory_equal(x + i, before + i, sizeof *x);
}

static void run_adamw(struct un_harness *h, const void *context) {
    const struct update *u = context;
    int64_t n = u->count, blocks = (n + UN_PARAM_ALIGN - 1) / UN_PARAM_ALIGN;
    float *p = un_harness_random(h, n, -1, 1), *m = un_harness_random(h, n, -0.1f, 0.1f);
    float *v = un_harness_random(h, n, 0, 0.01f), *g = un_harness_random(h, n, -1, 1);
    double *wp = un_harness_widen_array(h, p, n), *wm = un_harness_widen_array(h, m, n);
    double *wv = un_harness_widen_array(h, v, n);
    uint8_t *decay = un_harness_take(h, blocks, 1);
    uint16_t *low = u->low ? un_harness_take(h, n, sizeof *low) : NULL;
    static const uint8_t flags[] = {UN_DECAY_DECAYS,
                                    0,
                                    UN_DECAY_DECAYS | UN_DECAY_FAST,
                                    UN_DECAY_DECAYS | UN_DECAY_LEFT,
                                    UN_DECAY_FAST,
                                    UN_DECAY_FAST | UN_DECAY_LEFT};
    for (int64_t b = 0; b < blocks; ++b) decay[b] = flags[(b + u->low) % 6];
    float *p_before = un_harness_copy(h, p, n), *m_before = un_harness_copy(h, m, n);
    float *v_before = un_harness_copy(h, v, n);
    const float finite = u->finite ? 1.0f : 0.0f, *flag = un_harness_put(h, &finite, 1, sizeof finite);
    const float *clip_by = un_harness_put(h, &u->clip, 1, sizeof u->clip);
    struct un_adamw how = {.lr = 0.01f,
                           .beta1 = 0.9f,
                           .beta2 = 0.98f,
                           .eps = 1e-6f,
                           .weight_decay = 0.1f,
                           .step_size = 0.013f,
                           .lr_fast = 0.1f,
                           .step_size_fast = 0.17f};
    h->ops->adamw(h->q, p, low, m, v, g, decay, n, &how, clip_by, flag);
    for (int64_t i = 0; i < n && u->finite; ++i) {
        const int of = decay[i / UN_PARAM_ALIGN];
        const double lr = (double)(of & UN_DECAY_FAST ? how.lr_fast : how.lr);
        if (of & UN_DECAY_LEFT) continue;
        double grad = (double)g[i] * (double)u->clip;
        wm[i] = (double)how.beta1 * wm[i] + (1.0 - (double)how.beta1) * grad;
        wv[i] = (double)how.beta2 * wv[i] + (1.0 - (double)how.beta2) * grad * grad;
        wp[i] -= (double)(of & UN_DECAY_FAST ? how.step_size_fast : how.step_size) * wm[i] /
                 (sqrt(wv[i]) + (double)how.eps);
        if (of & UN_DECAY_DECAYS) wp[i] -= lr * (double)how.weight_decay * wp[i];
    }
    check_left(p, p_before, decay, n);
    check_left(m, m_before, decay, n);
    check_left(v, v_before, decay, n);
    un_harness_near_array("adamw m", m, wm, n, (struct un_tolerance){3e-8, 2e-7});
    un_harness_near_array("adamw v", v, wv, n, (struct un_tolerance){0, 4e-7});
    un_harness_near_array("adamw p", p, wp, n, (struct un_tolerance){1.5e-7, 1.3e-7});
    for (int64_t i = 0; i < n && u->low; ++i) {
        uint32_t bits = (uint32_t)low[i] << 16;
        float x;
        memcpy(&x, &bits, sizeof x);
        if (u->finite)
            assert_true(fabsf(x - p[i]) <= fabsf(p[i]) * 0x1p-8f);
        else
            assert_int_equal(low[i], 0xFFFF); /* untouched */
    }
}

static void adamw(void **state) {
    (void)state;
    static const int64_t counts[] = {0, 1, 63, 64, 65, 1000, 100001};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i)
        for (int bits = 0; bits < 4; ++bits) {
            struct update u = {.count = counts[i], .low = bits & 1, .finite = bits & 2, .clip = 0.37f};
            if (!un_harness_heavy((double)u.count)) un_harness_each(run_adamw, &u);
        }
}

/* A zero gradient with zero moments must leave a parameter that does not decay exactly where it is. */
static void adamw_at_rest(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    static const float start[3] = {0.3f, -2.0f, 0.0f};
    float *p = un_harness_put(&h, start, 3, sizeof *start), *m = un_harness_random(&h, 3, 0, 0);
    float *v = un_harness_random(&h, 3, 0, 0), *g = un_harness_random(&h, 3, 0, 0);
    float *one = un_harness_random(&h, 1, 1, 1);
    uint8_t *decay = un_harness_take(&h, 1, 1);
    decay[0] = 0;
    struct un_adamw how = {
        .lr = 0.1f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-6f, .weight_decay = 0.1f, .step_size = 0.1f};
    h.ops->adamw(h.q, p, NULL, m, v, g, decay, 3, &how, one, one);
    assert_true(p[0] == 0.3f && p[1] == -2.0f && p[2] == 0.0f);
    un_harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(square_sums), cmocka_unit_test(clip_factors),  cmocka_unit_test(check_finite),
        cmocka_unit_test(adamw),       cmocka_unit_test(adamw_at_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
