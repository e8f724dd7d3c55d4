/* Pooling by attention in bf16: what the f32 op gives from the same, already rounded numbers, each result rounded once,
 * to the bit; at widths where the columns are cut another way. Refused: what no kernel reads. */
#include "tests/unit/runtime/ops/low.h"

struct shape {
    int64_t cols;
    double dropout;
};

static void run_low(struct un_harness *h, const void *context) {
    enum { SAMPLES = 4, TOKENS = 90 };
    static const int32_t starts[SAMPLES + 1] = {0, 17, 17, 80, 81};
    const struct shape *s = context;
    struct un_layout layout = {.samples = SAMPLES, .tokens = TOKENS, .longest = 63};
    layout.start = un_harness_put(h, starts, SAMPLES + 1, sizeof *starts);
    const struct un_dropout drop = un_harness_dropout(s->dropout);
    struct un_mat x = un_harness_mat_random(h, TOKENS, s->cols, -1, 1), low_x = un_low_pair(h, UN_BF16, x);
    struct un_mat dout = un_harness_mat_random(h, SAMPLES, s->cols, -1, 1),
                  low_dout = un_low_pair(h, UN_BF16, dout);
    struct un_mat out = un_harness_mat(h, SAMPLES, s->cols), dx = un_harness_mat(h, TOKENS, s->cols);
    struct un_mat low_out = un_harness_mat_of(h, UN_BF16, SAMPLES, s->cols),
                  low_dx = un_harness_mat_of(h, UN_BF16, TOKENS, s->cols);
    const float *score = un_harness_random(h, TOKENS, -3, 3);
    float *weight = un_harness_poison(h, TOKENS), *low_weight = un_harness_poison(h, TOKENS);
    float *dscore = un_harness_poison(h, TOKENS), *low_dscore = un_harness_poison(h, TOKENS);
    h->ops->attention_pool_fwd(h->q, out, weight, x, score, &layout, &drop);
    h->ops->attention_pool_fwd(h->q, low_out, low_weight, low_x, score, &layout, &drop);
    h->ops->attention_pool_bwd(h->q, dx, dscore, dout, x, weight, &layout, &drop);
    h->ops->attention_pool_bwd(h->q, low_dx, low_dscore, low_dout, low_x, weight, &layout, &drop);
    un_low_same("out", low_out, out);
    un_low_same("dx", low_dx, dx);
    un_harness_same("weight", un_mat32(low_weight, 1, TOKENS), un_mat32(weight, 1, TOKENS));
    un_harness_same("dscore", un_mat32(low_dscore, 1, TOKENS), un_mat32(dscore, 1, TOKENS));
}

static void low(void **state) {
    static const struct shape shapes[] = {{7, 0}, {64, 0.1}, {1000, 0}, {1024, 0.3}, {1025, 0.1}, {2056, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        if (!un_harness_heavy(8.0 * 90.0 * (double)shapes[i].cols)) un_harness_each(run_low, &shapes[i]);
}

static void refused(void **state) {
    static const int32_t start[2] = {0, 1};
    const struct un_layout layout = {.start = start, .samples = 1, .tokens = 1, .longest = 1};
    const struct un_layout much = {.start = start, .samples = 1, .tokens = 1, .longest = 513};
    float x[8] = {0};
    struct un_mat m = un_mat32(x, 1, 4), bf16 = un_mat(x, UN_BF16, 1, 4), f16 = un_mat(x, UN_F16, 1, 4);
    (void)state;
    for (int i = 0; i < 5; ++i) {
        struct un_harness h;
        un_harness_open(&h, 1, NULL);
        if (i == 0) h.ops->attention_pool_fwd(h.q, bf16, x, m, x, &layout, NULL);
        if (i == 1) h.ops->attention_pool_fwd(h.q, f16, x, f16, x, &layout, NULL);
        if (i == 2) h.ops->attention_pool_fwd(h.q, m, x, m, x, &much, NULL);
        if (i == 3) h.ops->attention_pool_bwd(h.q, m, x, bf16, m, x, &layout, NULL);
        if (i == 4) h.ops->attention_pool_bwd(h.q, un_mat32(x, 1, 3), x, m, m, x, &layout, NULL);
        assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
        h.device->mem->queue_close(h.q);
        un_device_close(h.device);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(low), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
