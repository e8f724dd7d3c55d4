/* AdamW where it is cut into blocks: the same bits as the rule written down with its fused products, and the
 * CPU's results but for what its compiler fused otherwise (two ulp of each term). The bf16 copy is the
 * parameter rounded. */
#include "tests/unit/runtime/ops/low.h"

#include <math.h>

struct span {
    int64_t count;
    bool low;
};

static const struct un_adamw how = {.lr = 0.01f,
                                    .beta1 = 0.9f,
                                    .beta2 = 0.98f,
                                    .eps = 1e-6f,
                                    .weight_decay = 0.1f,
                                    .step_size = 0.013f,
                                    .lr_fast = 0.03f,
                                    .step_size_fast = 0.039f};

static void rule(float *p, float *m, float *v, float g, int flags, float clip) {
    if (flags & UN_DECAY_LEFT) return;
    const bool fast = flags & UN_DECAY_FAST;
    const float step = fast ? how.step_size_fast : how.step_size, lr = fast ? how.lr_fast : how.lr;
    const float grad = g * clip, rest1 = 1.0f - how.beta1, rest2 = 1.0f - how.beta2;
    const float square = grad * grad, first = rest1 * grad, second = rest2 * square;
    *m = fmaf(how.beta1, *m, first);
    *v = fmaf(how.beta2, *v, second);
    const float next = fmaf(-step, *m / (sqrtf(*v) + how.eps), *p);
    *p = fmaf(-(flags & UN_DECAY_DECAYS ? lr * how.weight_decay : 0.0f), next, next);
}

static void run_adamw(struct un_harness *h, const void *context) {
    const struct span *s = context;
    struct un_low cpu = un_low_open();
    const int64_t n = s->count, blocks = (n + UN_PARAM_ALIGN - 1) / UN_PARAM_ALIGN;
    float *p = un_harness_random(h, n, -1, 1), *m = un_harness_random(h, n, -0.1f, 0.1f);
    float *v = un_harness_random(h, n, 0, 0.01f), *g = un_harness_random(h, n, -1, 1);
    for (int64_t i = 0; i < n; i += 5) g[i] = m[i] = v[i] = 0.0f; /* words never seen */
    float *p2 = un_harness_copy(h, p, n), *m2 = un_harness_copy(h, m, n), *v2 = un_harness_copy(h, v, n);
    float *p3 = un_harness_copy(h, p, n), *m3 = un_harness_copy(h, m, n), *v3 = un_harness_copy(h, v, n);
    uint8_t *decay = un_harness_take(h, blocks, 1);
    uint16_t *low = s->low ? (uint16_t *)un_harness_take(h, n + 3, sizeof *low) + 3 * (n % 2) : NULL;
    for (int64_t b = 0; b < blocks; ++b) decay[b] = (uint8_t)(b % 8); /* all sets of flags */
    const float clip = 0.37f, scalars[] = {clip, 1, 0};
    const float *at = un_harness_put(h, scalars, 3, sizeof *scalars), *fine = at + 1, *infinite = at + 2;
    h->ops->adamw(h->q, p, low, m, v, g, decay, n, &how, at, infinite);
    un_harness_same("p at rest", un_mat32(p, 1, n), un_mat32(p2, 1, n));
    for (int64_t i = 0; low && i < n; ++i) assert_int_equal(low[i], 0xFFFF);
    h->ops->adamw(h->q, p, low, m, v, g, decay, n, &how, at, fine);
    cpu.cpu->ops->adamw(cpu.q, p2, NULL, m2, v2, g, decay, n, &how, at, fine);
    for (int64_t i = 0; i < n; ++i) rule(p3 + i, m3 + i, v3 + i, g[i], decay[i / UN_PARAM_ALIGN], clip);
    un_harness_same("p", un_mat32(p, 1, n), un_mat32(p3, 1, n));
    un_harness_same("m", un_mat32(m, 1, n), un_mat32(m3, 1, n));
    un_harness_same("v", un_mat32(v, 1, n), un_mat32(v3, 1, n));
    if (low) un_low_same("low", un_mat(low, UN_BF16, 1, n), un_mat32(p3, 1, n));
    un_harness_near_array("p of the CPU", p, un_harness_widen_array(h, p2, n), n,
                          (struct un_tolerance){2e-8, 1.2e-7});
    un_harness_near_array("m of the CPU", m, un_harness_widen_array(h, m2, n), n,
                          (struct un_tolerance){1.5e-8, 1.2e-7});
    un_harness_near_array("v of the CPU", v, un_harness_widen_array(h, v2, n), n,
                          (struct un_tolerance){0, 2.4e-7});
    un_low_close(&cpu);
}

static void adamw(void **state) {
    static const int64_t counts[] = {0, 3, 1024, 2047, 2048, 2049, 4160, 9999};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i)
        for (int low = 0; low < 2; ++low) {
            const struct span s = {counts[i], low};
            un_harness_each(run_adamw, &s);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(adamw)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
