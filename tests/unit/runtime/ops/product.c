/* Products with factors in bf16, bit by bit against THE ORDER of runtime/cpu/product.h, element by element in code of
 * its own: every kernel that this processor has, all transposes, all types, edges, epilogues, threads, addresses. */
#include "runtime/cpu/product.h"
#include "runtime/backends.h"
#include "runtime/cpu/convert.h"
#include "runtime/cpu/cpu.h"
#include "tests/unit/runtime/ops/harness.h"
#include "tests/unit/runtime/ops/product_tiles.h"

#include <math.h>

/* ---- what an element must be ---- */

static float flush(float x) {
    return fpclassify(x) == FP_SUBNORMAL ? copysignf(0.0f, x) : x;
}

/* In double: the product is exact (16 bits; 48 of f32), the sum has its error beside it. */
static float add_product(float x, float y, float sum) {
    const float z = fmaf(x, y, sum);
    if (fabsf(z) != 0x1p-126f) return flush(z);
    const double p = (double)x * y, s = p + sum, back = s - p, error = (p - (s - back)) + (sum - back);
    const double size = fabs(s), edge = 0x1p-126 - 0x1p-151, lost = s < 0 ? -error : error;
    return size > edge || (size == edge && lost >= 0) ? z : copysignf(0.0f, z);
}

/* Numbers of a matrix, as the product reads them. */
static float element(struct un_mat m, bool transpose, int64_t i, int64_t k) {
    const int64_t at = transpose ? k * m.stride + i : i * m.stride + k;
    return flush(m.type == UN_BF16 ? un_half_from_bf16(((const uint16_t *)m.data)[at])
                                   : ((const float *)m.data)[at]);
}

static float sum_of(struct un_mat a, bool ta, int64_t i, struct un_mat b, bool tb, int64_t j, int64_t depth) {
    float acc = 0;
    for (int64_t first = 0; first < depth; first += 32) {
        float part[2] = {0, 0};
        for (int64_t k = first; k < first + 32; ++k)
            part[k % 2] = add_product(k < depth ? element(a, ta, i, k) : 0.0f,
                                      k < depth ? element(b, !tb, j, k) : 0.0f, part[k % 2]);
        acc = flush(acc + flush(part[0] + part[1]));
    }
    return acc == acc ? acc : un_lanes_float(0x7FC00000);
}

/* ---- kernels: all of the program, and that of AMX in C ---- */

enum { MOST = 8 };
static struct un_product_kernel tiles;
static const struct un_product_kernel *kernels[MOST];
static int kernel_count;

/* Those that run here; names those that do not. */
static void find_kernels(void) {
    tiles = un_product_tiles_here();
    for (int i = 0; i <= un_product_kernel_count; ++i) {
        const struct un_product_kernel *k = i < un_product_kernel_count ? un_product_kernels[i] : &tiles;
        if (k->able())
            kernels[kernel_count++] = k;
        else
            print_message("this processor has no %s: not tried\n", k->name);
    }
}

/* ---- cases ---- */

enum numbers { EVEN, WIDE, SMALL, HUGE_ONES, EDGE, STRANGE };

struct shape {
    const struct un_product_kernel *kernel;
    int64_t m, n, k;
    bool ta, tb;
    enum un_type a, b, c;
    float beta;
    enum un_activation activation;
    bool bias, pre;
    enum un_type bias_type;
    enum numbers numbers;
    float *sums; /* [m,n] of THE ORDER, once for all kernels and variations; NULL: anew */
    bool *summed;
};

/* A sign and a mantissa at random, an exponent in a range; 1 in 16 is a zero. */
static float draw(uint32_t r, enum numbers numbers) {
    static const int range[][2] = {{-3, 6}, {-60, 120}, {-140, 90}, {40, 87}, {-64, 3}, {-20, 40}};
    static const float strange[] = {INFINITY,   -INFINITY, NAN,     0x1p-133f,
                                    -0x1p-130f, -0.0f,     3.0e38f, -3.0e38f};
    if (r % 16 == 0) return r & 0x80000000u ? -0.0f : 0.0f;
    if (numbers == STRANGE && r % 61 == 0) return strange[r / 61 % 8];
    const float mantissa = 1.0f + (float)(r >> 4 & 0x7Fu) / 128.0f;
    const float x =
        ldexpf(mantissa, range[numbers][0] + (int)((r >> 12 & 0xFFFu) % (unsigned)range[numbers][1]));
    return r & 0x80000000u ? -x : x;
}

static void put(struct un_mat m, int64_t i, int64_t j, float v) {
    if (m.type == UN_BF16)
        ((uint16_t *)m.data)[i * m.stride + j] = un_half_to_bf16(v);
    else
        ((float *)m.data)[i * m.stride + j] = v;
}

static float get(struct un_mat m, int64_t i, int64_t j) {
    return m.type == UN_BF16 ? un_half_from_bf16(((const uint16_t *)m.data)[i * m.stride + j])
                             : ((const float *)m.data)[i * m.stride + j];
}

static struct un_mat numbers_of(struct un_harness *h, enum un_type type, int64_t rows, int64_t cols,
                                enum numbers numbers, uint32_t salt) {
    struct un_mat m = un_harness_mat_of(h, type, rows, cols);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j)
            put(m, i, j,
                draw(un_rng(7, UN_RNG_BENCH, salt, numbers, (uint32_t)i, (uint32_t)j).v[0], numbers));
    return m;
}

static void same(const char *what, struct un_mat got, int64_t i, int64_t j, float want) {
    const float g = get(got, i, j), w = got.type == UN_BF16 ? un_half_from_bf16(un_half_to_bf16(want)) : want;
    if (un_lanes_bits(g) != un_lanes_bits(w))
        fail_msg("%s (%lld, %lld): %.9g %08x, want %.9g %08x", what, (long long)i, (long long)j, (double)g,
                 (unsigned)un_lanes_bits(g), (double)w, (unsigned)un_lanes_bits(w));
}

static void check(const struct shape *s, struct un_mat c, const float *old, struct un_mat a, struct un_mat b,
                  const struct un_epilogue *e) {
    for (int64_t i = 0; i < s->m; ++i)
        for (int64_t j = 0; j < s->n; ++j) {
            float z = s->sums && *s->summed ? s->sums[i * s->n + j] : sum_of(a, s->ta, i, b, s->tb, j, s->k);
            if (s->sums) s->sums[i * s->n + j] = z;
            if (s->beta != 0.0f) z = fmaf(s->beta, old[i * s->n + j], z);
            if (s->bias)
                z += s->bias_type == UN_F32 ? ((const float *)e->bias)[j]
                                            : un_half_from_bf16(((const uint16_t *)e->bias)[j]);
            if (s->pre) same("pre", e->pre, i, j, z);
            if (s->activation == UN_ACT_GELU) z = un_lanes_gelu(z);
            if (s->activation == UN_ACT_TANH) z = un_lanes_tanh(z);
            if (s->activation == UN_ACT_RELU) z = z < 0.0f ? 0.0f : z;
            same(s->kernel->name, c, i, j, z);
        }
    if (s->sums) *s->summed = true;
}

static void run(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    h->device->state = (void *)(uintptr_t)s->kernel;
    struct un_mat a = numbers_of(h, s->a, s->ta ? s->k : s->m, s->ta ? s->m : s->k, s->numbers, 1),
                  b = numbers_of(h, s->b, s->tb ? s->n : s->k, s->tb ? s->k : s->n, s->numbers, 2),
                  c = numbers_of(h, s->c, s->m, s->n, EVEN, 3);
    struct un_epilogue e = {.bias_type = s->bias_type, .activation = s->activation};
    if (s->bias) e.bias = numbers_of(h, s->bias_type, 1, s->n, EVEN, 4).data;
    if (s->pre) e.pre = un_harness_mat_of(h, s->c, s->m, s->n);
    float *old = un_harness_take(h, s->m * s->n, sizeof *old);
    for (int64_t i = 0; i < s->m * s->n; ++i) old[i] = get(c, i / s->n, i % s->n);
    h->ops->gemm(h->q, c, a, s->ta, b, s->tb, s->beta, s->bias || s->activation != UN_ACT_NONE ? &e : NULL);
    check(s, c, old, a, b, &e);
}

/* By every kernel. Factors in f32 go to those whose panels are f32. */
static void each(struct shape s) {
    bool summed = false;
    s.sums = un_alloc((size_t)(s.m * s.n) + 1, sizeof *s.sums, "sums");
    s.summed = &summed;
    for (int i = 0; i < kernel_count; ++i) {
        s.kernel = kernels[i];
        if (s.kernel->element == sizeof(float) || (s.a == UN_BF16 && s.b == UN_BF16))
            un_harness_each(run, &s);
    }
    un_free(s.sums);
}

static struct shape low(int64_t m, int64_t n, int64_t k, int layout) {
    return (struct shape){.m = m,
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
            struct shape s = low(size[i], size[(i * 5 + 3) % SIZES], size[(i * 7 + 2) % SIZES], layout);
            s.numbers = i % 2 ? WIDE : EVEN;
            each(s);
        }
}

/* Every range of numbers in every layout: subnormal factors, sums and results, overflow, infinity and NaN. */
static void ranges(void **state) {
    (void)state;
    for (int layout = 0; layout < 4; ++layout)
        for (int numbers = EVEN; numbers <= STRANGE; ++numbers) {
            struct shape s = low(19, 35, 75, layout);
            s.numbers = (enum numbers)numbers;
            each(s);
            s.c = UN_F32;
            each(s);
        }
}

/* Several tiles of rows, chunks of columns, pieces of k. */
static void large(void **state) {
    (void)state;
    for (int layout = 0; layout < 4; ++layout) {
        struct shape s = low(197, 3, 40, layout);
        each(s);
        s.m = 3, s.n = 1700, s.k = 3;
        each(s);
        s.m = 2, s.n = 18, s.k = 2100, s.numbers = WIDE;
        each(s);
    }
}

static void types(void **state) {
    (void)state;
    for (int i = 1; i < 8; ++i)
        for (int layout = 0; layout < 4; ++layout) {
            struct shape s = low(9, 37, 34, layout);
            s.a = i & 1 ? UN_BF16 : UN_F32, s.b = i & 2 ? UN_BF16 : UN_F32, s.c = i & 4 ? UN_BF16 : UN_F32;
            s.beta = layout & 1 ? 1.0f : 0.0f;
            s.numbers = layout & 2 ? SMALL : EVEN;
            each(s);
        }
}

static void epilogues(void **state) {
    (void)state;
    static const enum un_activation acts[] = {UN_ACT_NONE, UN_ACT_GELU, UN_ACT_TANH, UN_ACT_RELU};
    for (int act = 0; act < 4; ++act)
        for (int way = 0; way < 4; ++way) {
            struct shape s = low(3, 600, 20, 2);
            s.activation = acts[act];
            s.bias = way > 0, s.bias_type = way == 1 ? UN_F32 : UN_BF16;
            s.pre = (acts[act] == UN_ACT_GELU || acts[act] == UN_ACT_RELU) && way % 2;
            if (way == 3) s.c = UN_F32;
            each(s);
        }
}

static void betas(void **state) {
    (void)state;
    for (int layout = 0; layout < 4; ++layout)
        for (int c = 0; c < 2; ++c) {
            struct shape s = low(35, 60, c ? 70 : 0, layout);
            s.beta = layout & 1 ? 1.0f : -0.375f, s.c = layout & 2 ? UN_F32 : UN_BF16;
            each(s);
        }
}

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
    for (int i = 0; i < kernel_count; ++i) {
        struct un_harness h;
        un_harness_open(&h, 1, NULL);
        h.device->state = (void *)(uintptr_t)kernels[i];
        for (size_t t = 0; t < 2 * sizeof cases / sizeof *cases; ++t) {
            const float *x = cases[t / 2].x, sign = t % 2 ? -1.0f : 1.0f;
            struct un_mat a = un_harness_mat_of(&h, UN_BF16, 1, 4), b = un_harness_mat_of(&h, UN_BF16, 1, 4),
                          c = un_harness_mat(&h, 1, 1);
            for (int k = 0; k < 4; ++k)
                put(a, 0, k, k % 2 ? 0.0f : sign * x[k]), put(b, 0, k, k % 2 ? 0.0f : x[k + 1]);
            h.ops->gemm(h.q, c, a, false, b, true, 0, NULL);
            if (get(c, 0, 0) != sign * cases[t / 2].want)
                fail_msg("%s, case %d: %a, want %a", kernels[i]->name, (int)t, (double)get(c, 0, 0),
                         (double)(sign * cases[t / 2].want));
        }
        un_harness_close(&h);
    }
}

/* NaN and infinity everywhere but in one row, one column and the k of both: none reaches their element. */
static void edges(void **state) {
    (void)state;
    for (int i = 0; i < kernel_count; ++i)
        for (int layout = 0; layout < 4; ++layout) {
            const bool ta = layout & 1, tb = layout & 2;
            enum { M = 34, N = 50, K = 37, ROW = 33, COL = 49 };
            struct un_harness h;
            un_harness_open(&h, 1, NULL);
            h.device->state = (void *)(uintptr_t)kernels[i];
            struct un_mat a = un_harness_mat_of(&h, UN_BF16, ta ? K : M, ta ? M : K),
                          b = un_harness_mat_of(&h, UN_BF16, tb ? N : K, tb ? K : N),
                          c = un_harness_mat(&h, M, N);
            for (int k = 0; k < K; ++k) {
                for (int r = 0; r < M; ++r)
                    put(a, ta ? k : r, ta ? r : k, r == ROW ? 1.0f : k % 2 ? NAN : INFINITY);
                for (int j = 0; j < N; ++j)
                    put(b, tb ? j : k, tb ? k : j, j == COL ? 2.0f : k % 3 ? INFINITY : NAN);
            }
            h.ops->gemm(h.q, c, a, ta, b, tb, 0, NULL);
            same("beside NaN", c, ROW, COL, 2.0f * K);
            assert_int_equal(un_lanes_bits(get(c, 0, 0)), 0x7FC00000);
            un_harness_close(&h);
        }
}

static void run_linear_grad(struct un_harness *h, const void *context) {
    const struct shape *s = context; /* dw [m,n], k tokens */
    h->device->state = (void *)(uintptr_t)s->kernel;
    struct un_mat dy = numbers_of(h, UN_BF16, s->k, s->m, EVEN, 1),
                  x = numbers_of(h, UN_BF16, s->k, s->n, EVEN, 2),
                  dw = numbers_of(h, UN_F32, s->m, s->n, EVEN, 3), wide = un_harness_mat(h, s->k, s->m);
    float *dbias = un_harness_random(h, s->m, -1, 1), *want = un_harness_copy(h, dbias, s->m);
    float *old = un_harness_copy(h, un_harness_random(h, s->m * s->n, 0, 1), s->m * s->n);
    for (int64_t i = 0; i < s->m * s->n; ++i) old[i] = get(dw, i / s->n, i % s->n);
    for (int64_t i = 0; i < s->k * s->m; ++i) put(wide, i / s->m, i % s->m, get(dy, i / s->m, i % s->m));
    h->ops->linear_grad(h->q, dw, dbias, dy, x);
    h->ops->col_sum(h->q, want, wide); /* as of the same numbers in f32 */
    assert_memory_equal(dbias, want, (size_t)s->m * sizeof *want);
    const struct shape as = {.kernel = s->kernel, .m = s->m, .n = s->n, .k = s->k, .ta = true, .beta = 1};
    check(&as, dw, old, dy, x, NULL);
}

static void linear_grads(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{70, 33, 129}, {100, 7, 64}, {2, 48, 0}, {1, 1, 1}};
    for (size_t t = 0; t < sizeof shapes / sizeof *shapes; ++t)
        for (int i = 0; i < kernel_count; ++i) {
            const struct shape s = {
                .kernel = kernels[i], .m = shapes[t][0], .n = shapes[t][1], .k = shapes[t][2]};
            un_harness_each(run_linear_grad, &s);
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
    find_kernels();
    un_harness_variations = 3; /* threads, addresses, strides; there are many kernels */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_sizes),      cmocka_unit_test(ranges),    cmocka_unit_test(large),
        cmocka_unit_test(types),          cmocka_unit_test(epilogues), cmocka_unit_test(betas),
        cmocka_unit_test(tiny),           cmocka_unit_test(edges),     cmocka_unit_test(linear_grads),
        cmocka_unit_test(chosen_by_name), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
