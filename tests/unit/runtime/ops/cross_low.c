/* Attention between two batches in bf16: what the f32 op gives from the same, already rounded numbers, each result
 * rounded once, to the bit (the backward is given the same out and lse). Refused: what no kernel reads. */
#include "tests/unit/runtime/ops/low.h"

enum { SAMPLES = 4, QUERIES = 80, KEYS = 101 };

struct shape {
    int64_t heads, width;
    double dropout;
};

struct sides {
    struct un_layout queries, keys;
};

static struct sides make_sides(struct un_harness *h) {
    static const int32_t starts[SAMPLES + 1] = {0, 17, 17, 70, 74},
                                          key_starts[SAMPLES + 1] = {0, 5, 38, 98, 98};
    struct sides s = {{.samples = SAMPLES, .tokens = QUERIES, .longest = 53},
                      {.samples = SAMPLES, .tokens = KEYS, .longest = 60}};
    s.queries.start = un_harness_put(h, starts, SAMPLES + 1, sizeof *starts);
    s.keys.start = un_harness_put(h, key_starts, SAMPLES + 1, sizeof *key_starts);
    return s;
}

static void run_low(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    const struct sides sides = make_sides(h);
    const int64_t hidden = s->heads * s->width;
    const struct un_dropout drop = un_harness_dropout(s->dropout);
    struct un_mat query = un_harness_mat_random(h, QUERIES, hidden, -2, 2),
                  low_query = un_low_pair(h, UN_BF16, query);
    struct un_mat kv = un_harness_mat_random(h, KEYS, 2 * hidden, -1, 1),
                  low_kv = un_low_pair(h, UN_BF16, kv);
    struct un_mat dout = un_harness_mat_random(h, QUERIES, hidden, -1, 1),
                  low_dout = un_low_pair(h, UN_BF16, dout);
    struct un_mat out = un_harness_mat(h, QUERIES, hidden), dquery = un_harness_mat(h, QUERIES, hidden);
    struct un_mat dkv = un_harness_mat(h, KEYS, 2 * hidden);
    struct un_mat low_out = un_harness_mat_of(h, UN_BF16, QUERIES, hidden),
                  low_dquery = un_harness_mat_of(h, UN_BF16, QUERIES, hidden),
                  low_dkv = un_harness_mat_of(h, UN_BF16, KEYS, 2 * hidden);
    float *lse = un_harness_poison(h, QUERIES * s->heads),
          *low_lse = un_harness_poison(h, QUERIES * s->heads);
    h->ops->cross_attention_fwd(h->q, out, lse, query, kv, &sides.queries, &sides.keys, s->heads, &drop);
    h->ops->cross_attention_fwd(h->q, low_out, low_lse, low_query, low_kv, &sides.queries, &sides.keys,
                                s->heads, &drop);
    un_low_same("out", low_out, out);
    un_harness_same("lse", un_mat32(low_lse, 1, QUERIES * s->heads), un_mat32(lse, 1, QUERIES * s->heads));
    for (int64_t i = 0; i < QUERIES; ++i)
        for (int64_t j = 0; j < hidden; ++j) un_low_put(out, i, j, un_low_get(low_out, i, j));
    h->ops->cross_attention_bwd(h->q, dquery, dkv, dout, out, lse, query, kv, &sides.queries, &sides.keys,
                                s->heads, &drop);
    h->ops->cross_attention_bwd(h->q, low_dquery, low_dkv, low_dout, low_out, lse, low_query, low_kv,
                                &sides.queries, &sides.keys, s->heads, &drop);
    un_low_same("dquery", low_dquery, dquery);
    un_low_same("dkey_value", low_dkv, dkv);
}

static void low(void **state) {
    static const struct shape shapes[] = {{2, 5, 0}, {1, 64, 0.1}, {3, 16, 0.3}, {1, 70, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        if (!un_harness_heavy(18.0 * 60.0 * QUERIES * (double)(shapes[i].heads * shapes[i].width)))
            un_harness_each(run_low, &shapes[i]);
}

static void refused(void **state) {
    static const int32_t start[2] = {0, 1};
    const struct un_layout layout = {.start = start, .samples = 1, .tokens = 1, .longest = 1};
    struct un_layout much = layout, none = layout;
    float x[16] = {0};
    struct un_mat m = un_mat32(x, 1, 4), bf16 = un_mat(x, UN_BF16, 1, 4), kv = un_mat32(x, 1, 8);
    (void)state;
    much.longest = 513;
    none.samples = 0;
    for (int i = 0; i < 6; ++i) {
        struct un_harness h;
        un_harness_open(&h, 1, NULL);
        if (i == 0) h.ops->cross_attention_fwd(h.q, m, x, bf16, kv, &layout, &layout, 2, NULL);
        if (i == 1) h.ops->cross_attention_fwd(h.q, m, x, m, kv, &layout, &layout, 3, NULL);
        if (i == 2) h.ops->cross_attention_fwd(h.q, m, x, m, m, &layout, &layout, 2, NULL);
        if (i == 3) h.ops->cross_attention_fwd(h.q, m, x, m, kv, &layout, &much, 2, NULL);
        if (i == 4) h.ops->cross_attention_fwd(h.q, m, x, m, kv, &layout, &none, 2, NULL);
        if (i == 5) h.ops->cross_attention_bwd(h.q, m, kv, bf16, m, x, m, kv, &layout, &layout, 2, NULL);
        assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
        h.device->mem->queue_close(h.q);
        un_device_close(h.device);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(low), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
