/* What elements of a product must be, and the cases' common part (product_oracle.h). */
#include "tests/unit/runtime/ops/product_oracle.h"

#include "runtime/cpu/convert.h"
#include "runtime/memory.h"
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

/* ---- kernels: all of the program, and those of AMX and AVX512-BF16 in C ---- */

enum { MOST = 8 };
static struct un_product_kernel in_c[2];
const struct un_product_kernel *un_product_tried[MOST];
int un_product_tried_count;

/* Those that run here; names those that do not. */
void un_product_try_kernels(void) {
    in_c[0] = un_product_tiles_here(), in_c[1] = un_product_words_here();
    for (int i = 0; i < un_product_kernel_count + 2; ++i) {
        const struct un_product_kernel *k =
            i < un_product_kernel_count ? un_product_kernels[i] : &in_c[i - un_product_kernel_count];
        if (k->able())
            un_product_tried[un_product_tried_count++] = k;
        else
            print_message("this processor has no %s: not tried\n", k->name);
    }
}

/* ---- cases ---- */

/* A sign and a mantissa at random, an exponent in a range; 1 in 16 is a zero. */
static float draw(uint32_t r, enum un_product_numbers numbers) {
    static const int range[][2] = {{-3, 6}, {-60, 120}, {-140, 90}, {40, 87}, {-64, 3}, {-20, 40}};
    static const float strange[] = {INFINITY,   -INFINITY, NAN,     0x1p-133f,
                                    -0x1p-130f, -0.0f,     3.0e38f, -3.0e38f};
    if (r % 16 == 0) return r & 0x80000000u ? -0.0f : 0.0f;
    if (numbers == UN_NUMBERS_STRANGE && r % 61 == 0) return strange[r / 61 % 8];
    const float mantissa = 1.0f + (float)(r >> 4 & 0x7Fu) / 128.0f;
    const float x =
        ldexpf(mantissa, range[numbers][0] + (int)((r >> 12 & 0xFFFu) % (unsigned)range[numbers][1]));
    return r & 0x80000000u ? -x : x;
}

void un_product_put(struct un_mat m, int64_t i, int64_t j, float v) {
    if (m.type == UN_BF16)
        ((uint16_t *)m.data)[i * m.stride + j] = un_half_to_bf16(v);
    else
        ((float *)m.data)[i * m.stride + j] = v;
}

float un_product_get(struct un_mat m, int64_t i, int64_t j) {
    return m.type == UN_BF16 ? un_half_from_bf16(((const uint16_t *)m.data)[i * m.stride + j])
                             : ((const float *)m.data)[i * m.stride + j];
}

struct un_mat un_product_numbers_of(struct un_harness *h, enum un_type type, int64_t rows, int64_t cols,
                                    enum un_product_numbers numbers, uint32_t salt) {
    struct un_mat m = un_harness_mat_of(h, type, rows, cols);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j)
            un_product_put(
                m, i, j,
                draw(un_rng(7, UN_RNG_BENCH, salt, numbers, (uint32_t)i, (uint32_t)j).v[0], numbers));
    return m;
}

void un_product_same(const char *what, struct un_mat got, int64_t i, int64_t j, float want) {
    const float g = un_product_get(got, i, j),
                w = got.type == UN_BF16 ? un_half_from_bf16(un_half_to_bf16(want)) : want;
    if (un_lanes_bits(g) != un_lanes_bits(w))
        fail_msg("%s (%lld, %lld): %.9g %08x, want %.9g %08x", what, (long long)i, (long long)j, (double)g,
                 (unsigned)un_lanes_bits(g), (double)w, (unsigned)un_lanes_bits(w));
}

void un_product_check(const struct un_product_case *s, struct un_mat c, const float *old, struct un_mat a,
                      struct un_mat b, const struct un_epilogue *e) {
    for (int64_t i = 0; i < s->m; ++i)
        for (int64_t j = 0; j < s->n; ++j) {
            float z = s->sums && *s->summed ? s->sums[i * s->n + j] : sum_of(a, s->ta, i, b, s->tb, j, s->k);
            if (s->sums) s->sums[i * s->n + j] = z;
            if (s->beta != 0.0f) z = fmaf(s->beta, old[i * s->n + j], z);
            if (s->bias)
                z += s->bias_type == UN_F32 ? ((const float *)e->bias)[j]
                                            : un_half_from_bf16(((const uint16_t *)e->bias)[j]);
            if (s->pre) un_product_same("pre", e->pre, i, j, z);
            if (s->activation == UN_ACT_GELU) z = un_lanes_gelu(z);
            if (s->activation == UN_ACT_TANH) z = un_lanes_tanh(z);
            if (s->activation == UN_ACT_RELU) z = z < 0.0f ? 0.0f : z;
            un_product_same(s->kernel->name, c, i, j, z);
        }
    if (s->sums) *s->summed = true;
}

static void run(struct un_harness *h, const void *context) {
    const struct un_product_case *s = context;
    h->device->state = (void *)(uintptr_t)s->kernel;
    struct un_mat a = un_product_numbers_of(h, s->a, s->ta ? s->k : s->m, s->ta ? s->m : s->k, s->numbers, 1),
                  b = un_product_numbers_of(h, s->b, s->tb ? s->n : s->k, s->tb ? s->k : s->n, s->numbers, 2),
                  c = un_product_numbers_of(h, s->c, s->m, s->n, UN_NUMBERS_EVEN, 3);
    struct un_epilogue e = {.bias_type = s->bias_type, .activation = s->activation};
    if (s->bias) e.bias = un_product_numbers_of(h, s->bias_type, 1, s->n, UN_NUMBERS_EVEN, 4).data;
    if (s->pre) e.pre = un_harness_mat_of(h, s->c, s->m, s->n);
    float *old = un_harness_take(h, s->m * s->n, sizeof *old);
    for (int64_t i = 0; i < s->m * s->n; ++i) old[i] = un_product_get(c, i / s->n, i % s->n);
    h->ops->gemm(h->q, c, a, s->ta, b, s->tb, s->beta, s->bias || s->activation != UN_ACT_NONE ? &e : NULL);
    un_product_check(s, c, old, a, b, &e);
}

/* By every kernel. Factors in f32 go to those whose panels are f32. */
void un_product_each(struct un_product_case s) {
    bool summed = false;
    s.sums = un_alloc((size_t)(s.m * s.n) + 1, sizeof *s.sums, "sums");
    s.summed = &summed;
    for (int i = 0; i < un_product_tried_count; ++i) {
        s.kernel = un_product_tried[i];
        if (s.kernel->element == sizeof(float) || (s.a == UN_BF16 && s.b == UN_BF16))
            un_harness_each(run, &s);
    }
    un_free(s.sums);
}
