/* Attention with bf16 operands: on a card heads of 64 columns go through the matrix instructions, others and
 * odd addresses the plain way; the CPU rounds as either does by the width alone. Inputs are rounded to bf16.
 *
 * Every element has its own tolerance (attention_oracle.h). It is one of the worst case, and long sums stay
 * far below it, so the root mean square of all errors has a limit too: one rounding to bf16 gives 0.0016 of
 * the result, a second one before the sum 0.0024. */
#include "tests/unit/runtime/ops/attention_oracle.h"

#include <math.h>
#include <string.h>

/* ---- problems ---- */

static struct un_mat random_mat(struct un_harness *h, int64_t rows, int64_t cols, int64_t wide, float range,
                                uint32_t site) {
    struct un_mat m = un_harness_mat_of(h, UN_BF16, rows, cols);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) {
            const uint32_t at = (uint32_t)(i * cols + j);
            const float f = 2.0f * un_rng_unit(un_rng(7, UN_RNG_TEST, 0, 0, site, at / 4).v[at % 4]) - 1.0f;
            un_bf16_put(m, i, j, j < wide ? f * range : f);
        }
    return m;
}

static struct problem problem_of(struct un_harness *h, const struct shape *shape) {
    const int64_t hidden = shape->heads * shape->width;
    int32_t *start = un_harness_take(h, shape->samples + 1, sizeof *start);
    struct problem p = {.shape = shape,
                        .layout = {.start = start, .samples = shape->samples},
                        .drop = un_harness_dropout(shape->dropout)};
    start[0] = 0;
    for (int64_t s = 0; s < shape->samples; ++s) {
        start[s + 1] = start[s] + (int32_t)shape->lengths[s];
        if (shape->lengths[s] > p.layout.longest) p.layout.longest = shape->lengths[s];
    }
    const int64_t tokens = p.layout.tokens = start[shape->samples] + shape->tail;
    p.qkv = random_mat(h, tokens, 3 * hidden, 2 * hidden, shape->range, 1);
    p.dout = random_mat(h, tokens, hidden, 0, 1.0f, 2);
    p.out = un_harness_mat_of(h, UN_BF16, tokens, hidden);
    p.dqkv = un_harness_mat_of(h, UN_BF16, tokens, 3 * hidden);
    p.lse = un_harness_poison(h, tokens * shape->heads);
    p.dbias = un_harness_random(h, 3 * hidden, -1.0f, 1.0f);
    p.before = un_harness_copy(h, p.dbias, 3 * hidden);
    const bool aligned = h->shift == 0 && h->pad % 8 == 0;
    p.matrix = shape->width == 64 && (aligned || h->device->kind == UN_DEVICE_CPU);
    return p;
}

static void attend(struct un_harness *h, const struct problem *p) {
    const struct un_dropout *drop = p->drop.threshold ? &p->drop : NULL;
    h->ops->attention_fwd(h->q, p->out, p->lse, p->qkv, &p->layout, p->shape->heads, drop);
    h->ops->attention_bwd(h->q, p->dqkv, p->dbias, p->dout, p->out, p->lse, p->qkv, &p->layout,
                          p->shape->heads, drop);
}

static void check(struct un_harness *h, const struct problem *p) {
    un_oracle_sums(p);
    const struct oracle o = un_oracle_attention(h, p);
    un_oracle_compare("lse", un_mat32(p->lse, p->layout.tokens, p->shape->heads), o.lse, 4e-7);
    un_oracle_compare("out", p->out, o.out, 0.0026);
    un_oracle_compare("dqkv", p->dqkv, o.dqkv, p->shape->most > 0 ? p->shape->most : 0.0027);
}

static void run_shape(struct un_harness *h, const void *context) {
    const struct problem p = problem_of(h, context);
    attend(h, &p);
    check(h, &p);
}

static void same_rows(const char *what, struct un_mat a, struct un_mat b, int64_t b_first, int64_t rows) {
    for (int64_t i = 0; i < rows; ++i)
        if (memcmp((char *)a.data + i * a.stride * un_type_bytes(a.type),
                   (char *)b.data + (b_first + i) * b.stride * un_type_bytes(b.type),
                   (size_t)(a.cols * un_type_bytes(a.type))))
            fail_msg("%s: row %lld has other bits", what, (long long)i);
}

static void same_sums(const struct problem *a, const struct problem *b) {
    un_harness_same("dbias", un_mat32(a->dbias, 1, a->dqkv.cols), un_mat32(b->dbias, 1, b->dqkv.cols));
}

static void same_results(const struct problem *a, const struct problem *b, int64_t b_first) {
    const int64_t rows = a->layout.tokens, heads = a->shape->heads;
    same_rows("out", a->out, b->out, b_first, rows);
    same_rows("dqkv", a->dqkv, b->dqkv, b_first, rows);
    same_rows("lse", un_mat32(a->lse, rows, heads), un_mat32(b->lse, b->layout.tokens, heads), b_first, rows);
}

/* Aligned operands: the matrix way where the width allows it. Three orders of threads and blocks, two
 * strides, the same bits. */
static void run_aligned(const struct shape *shape) {
    struct un_harness first, h;
    struct problem p, q;
    un_harness_open(&first, 1, NULL);
    p = problem_of(&first, shape);
    attend(&first, &p);
    check(&first, &p);
    for (int way = 2; way <= 3; ++way) {
        un_harness_open(&h, way, NULL);
        h.pad = way == 2 ? 8 : 0;
        q = problem_of(&h, shape);
        attend(&h, &q);
        same_results(&p, &q, 0);
        same_sums(&p, &q);
        un_harness_close(&h);
    }
    un_harness_close(&first);
}

/* ---- tests ---- */

static void test_lengths(void **state) {
    static const struct shape shapes[] = {
        {{1, 2, 15, 16, 17, 31}, .samples = 6, .heads = 2, .width = 64, .range = 1},
        {{1, 2, 15, 16, 17, 31},
         .samples = 6,
         .heads = 2,
         .width = 64,
         .tail = 9,
         .dropout = 0.1,
         .range = 1},
        {{56, 63, 64, 65}, .samples = 4, .heads = 1, .width = 64, .dropout = 0.1, .range = 1},
        {{100, 80, 128}, .samples = 3, .heads = 1, .width = 64, .tail = 1, .dropout = 0.1, .range = 1},
        {{129, 100, 57}, .samples = 3, .heads = 1, .width = 64, .range = 2},
        {{159, 160, 161}, .samples = 3, .heads = 1, .width = 64, .tail = 70, .dropout = 0.1, .range = 1},
        {{3, 0, 20, 0}, .samples = 4, .heads = 12, .width = 64, .tail = 2, .dropout = 0.5, .range = 1},
        {{16, 40}, .samples = 2, .heads = 5, .width = 64, .dropout = 0.9, .range = 0.5f},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) run_aligned(&shapes[i]);
}

static void test_long_samples(void **state) {
    static const struct shape shape = {{200, 0, 7, 512}, .samples = 4,   .heads = 1, .width = 64,
                                       .tail = 3,        .dropout = 0.1, .range = 1};
    (void)state;
    run_aligned(&shape);
}

/* Scores up to some hundreds: most probabilities are zero, log sum exp is far from zero. */
static void test_extreme_scores(void **state) {
    static const struct shape shapes[] = {
        {{20, 47, 66}, .samples = 3, .heads = 2, .width = 64, .dropout = 0.1, .range = 6, .most = 0.006},
        {{33, 70}, .samples = 2, .heads = 1, .width = 64, .range = 16, .most = 0.006},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) run_aligned(&shapes[i]);
}

/* Scores that are all far below zero (queries of about 1, keys of -40; then the query's gradient is a small
 * difference of large terms) or equal. */
static void test_one_sided_scores(void **state) {
    static const struct shape shape = {{40, 17},  .samples = 2, .heads = 1,  .width = 64,
                                       .tail = 2, .range = 1,   .most = 0.06};
    struct un_harness h;
    (void)state;
    for (int kind = 0; kind < 2; ++kind) {
        un_harness_open(&h, 1, NULL);
        const struct problem p = problem_of(&h, &shape);
        for (int64_t t = 0; t < p.layout.tokens; ++t)
            for (int64_t d = 0; d < 64; ++d) {
                un_bf16_put(p.qkv, t, d, kind == 0 ? 1.0f + un_bf16_at(p.qkv, t, d) / 8 : 0.0f);
                un_bf16_put(p.qkv, t, 64 + d, kind == 0 ? -40.0f + un_bf16_at(p.qkv, t, 64 + d) : 1.0f);
            }
        attend(&h, &p);
        check(&h, &p);
        un_harness_close(&h);
    }
}

/* The plain way, whatever the address: one set of bits. */
static void test_other_widths(void **state) {
    static const struct shape shapes[] = {
        {{1, 17, 33}, .samples = 3, .heads = 2, .width = 20, .tail = 2, .dropout = 0.1, .range = 1},
        {{70, 0, 5}, .samples = 3, .heads = 1, .width = 128, .dropout = 0.1, .range = 1},
        {{9, 24}, .samples = 2, .heads = 3, .width = 1, .range = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) un_harness_each(run_shape, &shapes[i]);
}

static void test_odd_addresses(void **state) {
    static const struct shape shape = {{17, 65},  .samples = 2,   .heads = 2, .width = 64,
                                       .tail = 1, .dropout = 0.1, .range = 1};
    struct un_harness h;
    (void)state;
    for (int kind = 0; kind < 2; ++kind) {
        un_harness_open(&h, 1, NULL);
        h.shift = kind;
        h.pad = 1 - kind;
        run_shape(&h, &shape);
        un_harness_close(&h);
    }
}

/* The same bits alone and in any company: samples that share their launch and samples of the other one. */
static void test_samples_are_independent(void **state) {
    static const struct shape companies[] = {
        {{56, 20}, .samples = 2, .heads = 2, .width = 64, .range = 1},
        {{56, 130, 64}, .samples = 3, .heads = 2, .width = 64, .tail = 5, .range = 1},
        {{56, 161}, .samples = 2, .heads = 2, .width = 64, .range = 1},
        {{161, 56}, .samples = 2, .heads = 2, .width = 64, .range = 1},
    };
    struct un_harness alone, h;
    (void)state;
    for (size_t i = 0; i < sizeof companies / sizeof *companies; ++i)
        for (int dropout = 0; dropout < 2; ++dropout) {
            struct shape company = companies[i], one = company;
            company.dropout = one.dropout = 0.1 * dropout;
            one.samples = 1;
            one.tail = 0;
            un_harness_open(&alone, 1, NULL);
            un_harness_open(&h, 3, NULL);
            const struct problem a = problem_of(&alone, &one), b = problem_of(&h, &company);
            attend(&alone, &a);
            attend(&h, &b);
            same_results(&a, &b, 0);
            un_harness_close(&h);
            un_harness_close(&alone);
        }
}

/* Samples of no tokens behind the others change no bit, sums included: fixed shapes are filled up with them. Without
 * dbias the rest is the same. */
static void test_fillers(void **state) {
    static const struct shape own = {{40, 17, 0, 170}, .samples = 4,   .heads = 2, .width = 64,
                                     .tail = 3,        .dropout = 0.1, .range = 1};
    struct un_harness first, h;
    struct shape filled = own;
    (void)state;
    filled.samples = MOST_SAMPLES;
    un_harness_open(&first, 1, NULL);
    un_harness_open(&h, 2, NULL);
    const struct problem a = problem_of(&first, &own), b = problem_of(&h, &filled);
    struct problem c = problem_of(&h, &own);
    c.dbias = NULL;
    attend(&first, &a);
    attend(&h, &b);
    attend(&h, &c);
    same_results(&a, &b, 0);
    same_results(&a, &c, 0);
    same_sums(&a, &b);
    un_harness_close(&h);
    un_harness_close(&first);
}

/* A sample behind others: its rows are copies of a lone one's; without dropout, whose numbers are those of
 * the place in the batch. */
static void test_place_does_not_matter(void **state) {
    static const struct shape one = {{40}, .samples = 1, .heads = 2, .width = 64, .range = 1};
    static const struct shape company = {{33, 170, 40}, .samples = 3, .heads = 2, .width = 64, .range = 1};
    struct un_harness alone, h;
    (void)state;
    un_harness_open(&alone, 1, NULL);
    un_harness_open(&h, 2, NULL);
    const struct problem a = problem_of(&alone, &one), b = problem_of(&h, &company);
    for (int64_t i = 0; i < 40; ++i) {
        for (int64_t j = 0; j < a.qkv.cols; ++j) un_bf16_put(b.qkv, 203 + i, j, un_bf16_at(a.qkv, i, j));
        for (int64_t j = 0; j < a.dout.cols; ++j) un_bf16_put(b.dout, 203 + i, j, un_bf16_at(a.dout, i, j));
    }
    attend(&alone, &a);
    attend(&h, &b);
    same_results(&a, &b, 203);
    un_harness_close(&h);
    un_harness_close(&alone);
}

/* Not a number in, not a number out, and only in the head and sample it came from. */
static void test_nan_stays_in_its_sample(void **state) {
    static const struct shape shape = {{17, 40},  .samples = 2,   .heads = 2, .width = 64,
                                       .tail = 2, .dropout = 0.1, .range = 1};
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 1, NULL);
    const struct problem p = problem_of(&h, &shape);
    un_bf16_put(p.qkv, 3, 128, NAN); /* a key of the first sample, first head */
    attend(&h, &p);
    for (int64_t t = 0; t < p.layout.tokens; ++t) {
        for (int64_t j = 0; j < 128; ++j)
            assert_int_equal(!!isnan(un_bf16_at(p.out, t, j)), t < 17 && j < 64);
        for (int64_t j = 0; j < 3 * 128; ++j)
            if (t >= 17 || j % 128 >= 64) assert_false(isnan(un_bf16_at(p.dqkv, t, j)));
    }
    un_harness_close(&h);
}

/* No rows at all, no samples, and samples of no tokens: only the tail is written, with zeros. */
static void test_no_samples(void **state) {
    static const struct shape shapes[] = {
        {.samples = 0, .heads = 2, .width = 64, .range = 1},
        {.samples = 0, .heads = 2, .width = 64, .tail = 300, .dropout = 0.1, .range = 1},
        {{0, 0, 0}, .samples = 3, .heads = 2, .width = 64, .tail = 5, .range = 1},
        {.samples = 0, .heads = 3, .width = 7, .tail = 40, .range = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) run_aligned(&shapes[i]);
}

/* What no kernel may see sticks to the queue as an error and runs nothing. */
static void test_refusals(void **state) {
    static const struct shape shape = {{5}, .samples = 1, .heads = 1, .width = 64, .range = 1};
    struct un_harness h;
    (void)state;
    for (int kind = 0; kind < 3; ++kind) {
        un_harness_open(&h, 1, NULL);
        struct problem p = problem_of(&h, &shape);
        if (kind == 0) p.layout.longest = UN_MAX_SAMPLE_TOKENS + 1;
        if (kind == 1) p.out.type = UN_F16;
        h.ops->attention_fwd(h.q, p.out, p.lse, p.qkv, &p.layout, kind == 2 ? 3 : 1, NULL);
        un_error_clear();
        assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
        assert_non_null(strstr(un_error_get()->text, "attention"));
        un_error_clear();
        assert_true(isnan(p.lse[0]));
        h.device->mem->queue_close(h.q);
        assert_int_equal(
            h.device->mem->queue_open(h.device, &(struct un_limits){.max_tokens = 8, .max_params = 64}, &h.q),
            UN_OK);
        un_harness_close(&h);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_long_samples),
        cmocka_unit_test(test_extreme_scores),
        cmocka_unit_test(test_one_sided_scores),
        cmocka_unit_test(test_other_widths),
        cmocka_unit_test(test_odd_addresses),
        cmocka_unit_test(test_samples_are_independent),
        cmocka_unit_test(test_fillers),
        cmocka_unit_test(test_place_does_not_matter),
        cmocka_unit_test(test_nan_stays_in_its_sample),
        cmocka_unit_test(test_no_samples),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
