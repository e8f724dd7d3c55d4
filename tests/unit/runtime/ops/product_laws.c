/* Laws of products in bf16: what is tiny, NaN and infinity beyond the edges, kernels by name, types that are refused. */
#include "runtime/backends.h"
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/lanes.h"
#include "tests/unit/runtime/ops/product_oracle.h"

/* A product that is exactly on the edge of what is tiny, and 2^-16 of it to either side; with both signs. */
static void tiny(void **state) {
    (void)state;
    static const struct {
        float x[4], want; /* x0 x1 + x2 x3, both even members */
    } cases[] = {
        {{0x1p-63f, 0x1p-63f, -0x1p-75f, 0x1p-76f}, 0x1p-126f}, /* the edge, 2^-126 - 2^-151 */
        {{0x1p-63f, 0x1p-63f, -0x1.02p-75f, 0x1p-76f}, 0.0f},   /* below */
        {{0x1p-63f, 0x1p-63f, -0x1.fep-76f, 0x1p-76f}, 0x1p-126f},
        {{0x1p-63f, 0x1p-63f, -0x1p-75f, 0x1p-75f}, 0.0f}, /* 2^-126 - 2^-150 */
        {{0x1p-63f, 0x1p-63f, 0.0f, 1.0f}, 0x1p-126f},
        {{0x1p-64f, 0x1p-63f, 0x1p-63f, 0x1p-63f}, 0x1p-126f}, /* the first is gone before the second comes */
    };
    for (int i = 0; i < un_product_tried_count; ++i) {
        struct un_harness h;
        un_harness_open(&h, 1, NULL);
        h.device->state = (void *)(uintptr_t)un_product_tried[i];
        for (size_t t = 0; t < 2 * sizeof cases / sizeof *cases; ++t) {
            const float *x = cases[t / 2].x, sign = t % 2 ? -1.0f : 1.0f;
            struct un_mat a = un_harness_mat_of(&h, UN_BF16, 1, 4), b = un_harness_mat_of(&h, UN_BF16, 1, 4),
                          c = un_harness_mat(&h, 1, 1);
            for (int k = 0; k < 4; ++k)
                un_product_put(a, 0, k, k % 2 ? 0.0f : sign * x[k]),
                    un_product_put(b, 0, k, k % 2 ? 0.0f : x[k + 1]);
            h.ops->gemm(h.q, c, a, false, b, true, 0, NULL);
            if (un_product_get(c, 0, 0) != sign * cases[t / 2].want)
                fail_msg("%s, case %d: %a, want %a", un_product_tried[i]->name, (int)t,
                         (double)un_product_get(c, 0, 0), (double)(sign * cases[t / 2].want));
        }
        un_harness_close(&h);
    }
}

/* Pairs of zeros fill up the last block, and are members: a sum that is -0 comes out of them as +0. After two blocks the
 * sum is tiny, -0; the third has two members, both tiny and -0, then fourteen pairs of zeros. */
static void filled_up(void **state) {
    (void)state;
    enum { K = 66 };
    static const struct {
        int k;
        float x, y;
    } at[] = {{0, 0x1.8p-63f, 0x1p-63f},
              {32, -0x1.cp-63f, 0x1p-63f},
              {64, -0x1p-70f, 0x1p-70f},
              {65, -0x1p-70f, 0x1p-70f}};
    for (int i = 0; i < un_product_tried_count; ++i) {
        struct un_harness h;
        un_harness_open(&h, 1, NULL);
        h.device->state = (void *)(uintptr_t)un_product_tried[i];
        struct un_mat a = un_harness_mat_of(&h, UN_BF16, 1, K), b = un_harness_mat_of(&h, UN_BF16, 1, K),
                      c = un_harness_mat(&h, 1, 1);
        for (int k = 0; k < K; ++k) un_product_put(a, 0, k, 0.0f), un_product_put(b, 0, k, 0.0f);
        for (int t = 0; t < 4; ++t)
            un_product_put(a, 0, at[t].k, at[t].x), un_product_put(b, 0, at[t].k, at[t].y);
        h.ops->gemm(h.q, c, a, false, b, true, 0, NULL);
        un_product_same(un_product_tried[i]->name, c, 0, 0, 0.0f);
        un_harness_close(&h);
    }
}

/* NaN and infinity everywhere but in one row, one column and the k of both: none reaches their element. */
static void edges(void **state) {
    (void)state;
    for (int i = 0; i < un_product_tried_count; ++i)
        for (int layout = 0; layout < 4; ++layout) {
            const bool ta = layout & 1, tb = layout & 2;
            enum { M = 34, N = 50, K = 37, ROW = 33, COL = 49 };
            struct un_harness h;
            un_harness_open(&h, 1, NULL);
            h.device->state = (void *)(uintptr_t)un_product_tried[i];
            struct un_mat a = un_harness_mat_of(&h, UN_BF16, ta ? K : M, ta ? M : K),
                          b = un_harness_mat_of(&h, UN_BF16, tb ? N : K, tb ? K : N),
                          c = un_harness_mat(&h, M, N);
            for (int k = 0; k < K; ++k) {
                for (int r = 0; r < M; ++r)
                    un_product_put(a, ta ? k : r, ta ? r : k, r == ROW ? 1.0f : k % 2 ? NAN : INFINITY);
                for (int j = 0; j < N; ++j)
                    un_product_put(b, tb ? j : k, tb ? k : j, j == COL ? 2.0f : k % 3 ? INFINITY : NAN);
            }
            h.ops->gemm(h.q, c, a, ta, b, tb, 0, NULL);
            un_product_same("beside NaN", c, ROW, COL, 2.0f * K);
            assert_int_equal(un_lanes_bits(un_product_get(c, 0, 0)), 0x7FC00000);
            un_harness_close(&h);
        }
}

static void chosen_by_name(void **state) {
    (void)state;
    struct un_device *d;
    assert_int_equal(un_cpu_open(1, &d), UN_OK);
    for (int i = 0; i < un_product_kernel_count; ++i) {
        const struct un_product_kernel *k = un_product_kernels[i];
        assert_int_equal(un_device_use_kernel(d, k->name), k->able() ? UN_OK : UN_USAGE);
        if (k->able())
            assert_string_equal(strstr(d->name, "; bf16: ") + 8, k->name);
        else
            assert_non_null(strstr(un_error_get()->text, k->name));
        un_error_clear();
    }
    for (int i = 0; un_product_kernels[i] != un_product_best(); ++i)
        assert_false(un_product_kernels[i]->able() &&
                     (!un_product_kernels[i]->quick || un_product_kernels[i]->quick()));
    assert_true(!un_product_best()->quick || un_product_best()->quick());
    assert_int_equal(un_device_use_kernel(d, "plain"), UN_OK);
    assert_int_equal(un_device_use_kernel(d, "auto"), UN_OK);
    assert_ptr_equal(d->state, un_product_best());
    assert_int_equal(un_device_use_kernel(d, "sse"), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "\"sse\""));
    un_error_clear();
    un_device_close(d);
}

static void refused(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    float *x = un_harness_random(&h, 16, 0, 1);
    struct un_mat m = un_mat32(x, 2, 2);
    h.ops->gemm(h.q, m, un_mat(x, UN_F16, 2, 2), false, m, false, 0, NULL);
    assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "gemm: types 0 = 2 x 0"));
    un_error_clear();
    memset(&h.q->error, 0, sizeof h.q->error);
    h.ops->col_sum(h.q, x, un_mat(x, UN_F16, 2, 2));
    assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
    un_error_clear();
    memset(&h.q->error, 0, sizeof h.q->error);
    un_harness_close(&h);
}

int main(void) {
    un_product_try_kernels();
    const struct CMUnitTest tests[] = {cmocka_unit_test(tiny), cmocka_unit_test(filled_up),
                                       cmocka_unit_test(edges), cmocka_unit_test(chosen_by_name),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
