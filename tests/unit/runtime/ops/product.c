/* Products with factors in bf16 and of mixed types: sizes, ranges of numbers, transposes, types, epilogues. */
#include "tests/unit/runtime/ops/product_oracle.h"

static struct un_product_case low(int64_t m, int64_t n, int64_t k, int layout) {
    return (struct un_product_case){.m = m,
                                    .n = n,
                                    .k = k,
                                    .ta = layout & 1,
                                    .tb = layout & 2,
                                    .a = UN_BF16,
                                    .b = UN_BF16,
                                    .c = layout & 1 ? UN_F32 : UN_BF16};
}

static void odd_sizes(void **state) {
    (void)state;
    static const int64_t size[] = {0, 1, 2, 3, 5, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 70};
    enum { SIZES = sizeof size / sizeof *size };
    for (int layout = 0; layout < 4; ++layout)
        for (int i = 0; i < SIZES; ++i) {
            struct un_product_case s =
                low(size[i], size[(i * 5 + 3) % SIZES], size[(i * 7 + 2) % SIZES], layout);
            s.numbers = i % 2 ? UN_NUMBERS_WIDE : UN_NUMBERS_EVEN;
            un_product_each(s);
        }
}

/* Every range of numbers in every layout: subnormal factors, sums and results, overflow, infinity and NaN. */
static void ranges(void **state) {
    (void)state;
    for (int layout = 0; layout < 4; ++layout)
        for (int numbers = UN_NUMBERS_EVEN; numbers <= UN_NUMBERS_STRANGE; ++numbers) {
            struct un_product_case s = low(19, 35, 75, layout);
            s.numbers = (enum un_product_numbers)numbers;
            un_product_each(s);
            s.c = UN_F32;
            un_product_each(s);
        }
}

/* Several tiles of rows, chunks of columns, pieces of k. */
static void large(void **state) {
    (void)state;
    for (int layout = 0; layout < 4; ++layout) {
        struct un_product_case s = low(197, 3, 40, layout);
        un_product_each(s);
        s.m = 3, s.n = 1700, s.k = 3;
        un_product_each(s);
        s.m = 2, s.n = 18, s.k = 2100, s.numbers = UN_NUMBERS_WIDE;
        un_product_each(s);
    }
}

/* So deep that of all columns no chunk is packed at once: pieces of k outside, the last one short; edges on all sides. */
static void deep(void **state) {
    (void)state;
    for (int layout = 0; layout < 4; ++layout) {
        struct un_product_case s = low(2, 259, 8100, layout);
        s.numbers = layout & 2 ? UN_NUMBERS_EVEN : UN_NUMBERS_WIDE;
        s.beta = layout & 1 ? 1.0f : 0.0f;
        un_product_each(s);
    }
    un_product_each(low(97, 131, 6600, 3)); /* two tiles of rows */
}

static void types(void **state) {
    (void)state;
    for (int i = 1; i < 8; ++i)
        for (int layout = 0; layout < 4; ++layout) {
            struct un_product_case s = low(9, 37, 34, layout);
            s.a = i & 1 ? UN_BF16 : UN_F32, s.b = i & 2 ? UN_BF16 : UN_F32, s.c = i & 4 ? UN_BF16 : UN_F32;
            s.beta = layout & 1 ? 1.0f : 0.0f;
            s.numbers = layout & 2 ? UN_NUMBERS_SMALL : UN_NUMBERS_EVEN;
            un_product_each(s);
        }
}

static void epilogues(void **state) {
    (void)state;
    static const enum un_activation acts[] = {UN_ACT_NONE, UN_ACT_GELU, UN_ACT_TANH, UN_ACT_RELU};
    for (int act = 0; act < 4; ++act)
        for (int way = 0; way < 4; ++way) {
            struct un_product_case s = low(3, 600, 20, 2);
            s.activation = acts[act];
            s.bias = way > 0, s.bias_type = way == 1 ? UN_F32 : UN_BF16;
            s.pre = (acts[act] == UN_ACT_GELU || acts[act] == UN_ACT_RELU) && way % 2;
            if (way == 3) s.c = UN_F32;
            un_product_each(s);
        }
}

static void betas(void **state) {
    (void)state;
    for (int layout = 0; layout < 4; ++layout)
        for (int c = 0; c < 2; ++c) {
            struct un_product_case s = low(35, 60, c ? 70 : 0, layout);
            s.beta = layout & 1 ? 1.0f : -0.375f, s.c = layout & 2 ? UN_F32 : UN_BF16;
            un_product_each(s);
        }
}

static void run_linear_grad(struct un_harness *h, const void *context) {
    const struct un_product_case *s = context; /* dw [m,n], k tokens */
    h->device->state = (void *)(uintptr_t)s->kernel;
    struct un_mat dy = un_product_numbers_of(h, UN_BF16, s->k, s->m, UN_NUMBERS_EVEN, 1),
                  x = un_product_numbers_of(h, UN_BF16, s->k, s->n, UN_NUMBERS_EVEN, 2),
                  dw = un_product_numbers_of(h, UN_F32, s->m, s->n, UN_NUMBERS_EVEN, 3),
                  wide = un_harness_mat(h, s->k, s->m);
    float *dbias = un_harness_random(h, s->m, -1, 1), *want = un_harness_copy(h, dbias, s->m);
    float *old = un_harness_copy(h, un_harness_random(h, s->m * s->n, 0, 1), s->m * s->n);
    for (int64_t i = 0; i < s->m * s->n; ++i) old[i] = un_product_get(dw, i / s->n, i % s->n);
    for (int64_t i = 0; i < s->k * s->m; ++i)
        un_product_put(wide, i / s->m, i % s->m, un_product_get(dy, i / s->m, i % s->m));
    h->ops->linear_grad(h->q, dw, dbias, dy, x);
    h->ops->col_sum(h->q, want, wide); /* as of the same numbers in f32 */
    assert_memory_equal(dbias, want, (size_t)s->m * sizeof *want);
    const struct un_product_case as = {
        .kernel = s->kernel, .m = s->m, .n = s->n, .k = s->k, .ta = true, .beta = 1};
    un_product_check(&as, dw, old, dy, x, NULL);
}

static void linear_grads(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{70, 33, 129}, {100, 7, 64}, {2, 48, 0}, {1, 1, 1}};
    for (size_t t = 0; t < sizeof shapes / sizeof *shapes; ++t)
        for (int i = 0; i < un_product_tried_count; ++i) {
            const struct un_product_case s = {
                .kernel = un_product_tried[i], .m = shapes[t][0], .n = shapes[t][1], .k = shapes[t][2]};
            un_harness_each(run_linear_grad, &s);
        }
}

int main(void) {
    un_product_try_kernels();
    un_harness_variations = 3; /* threads, addresses, strides; there are many kernels */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_sizes), cmocka_unit_test(ranges),       cmocka_unit_test(large),
        cmocka_unit_test(deep),      cmocka_unit_test(types),        cmocka_unit_test(epilogues),
        cmocka_unit_test(betas),     cmocka_unit_test(linear_grads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
