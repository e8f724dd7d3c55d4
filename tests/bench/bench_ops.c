/* Times the ops at the shapes of a UNITER-base micro-batch (T tokens, H 768, I 3072) and sets every rate beside
 * what the same machine does in the same run: products beside one call of the BLAS with its own threads
 * (M = 1024, N = 3072, K = 768), everything else beside a plain copy. Run: bench_ops [threads [part of a name]]
 * With one thread its processor time is taken, which a busy machine disturbs least. */
#include "tests/bench/bench_ops_rig.h"

#include "runtime/backends.h"
#include "runtime/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = 2048, R = 1048, H = 768, A = 12, I = 3072, F = 2048, V = 28996, ROWS = 80 };

/* ---- products ---- */

static struct {
    struct un_mat c, a, b;
    bool ta, tb;
    float beta;
    struct un_epilogue epilogue;
    bool with_epilogue;
} product;

static void run_product(void) {
    ops->gemm(queue, product.c, product.a, product.ta, product.b, product.tb, product.beta,
              product.with_epilogue ? &product.epilogue : NULL);
}

static void bench_product(const char *name, int64_t m, int64_t n, int64_t k, bool ta, bool tb, float beta,
                          enum un_activation act) {
    if (!strstr(name, wanted)) return;
    product.c = mat(m, n);
    product.a = ta ? mat(k, m) : mat(m, k);
    product.b = tb ? mat(n, k) : mat(k, n);
    product.ta = ta;
    product.tb = tb;
    product.beta = beta;
    product.with_epilogue = beta == 0.0f;
    product.epilogue = (struct un_epilogue){.bias = fresh(n), .activation = act};
    if (act == UN_ACT_GELU) product.epilogue.pre = mat(m, n);
    report(name, 2.0 * (double)m * (double)n * (double)k, 0, run_product);
    release(product.c);
    release(product.a);
    release(product.b);
    device->mem->free(device, (void *)(uintptr_t)product.epilogue.bias);
    if (act == UN_ACT_GELU) release(product.epilogue.pre);
}

static void products(void) {
    static const int64_t tokens[] = {T, 1900, 480};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; ++i) {
        int64_t t = tokens[i];
        printf("-- %lld tokens\n", (long long)t);
        bench_product("gemm [T,768] x [2304,768]' + bias", t, 3 * H, H, false, true, 0, UN_ACT_NONE);
        bench_product("gemm [T,768] x [768,768]' + bias", t, H, H, false, true, 0, UN_ACT_NONE);
        bench_product("gemm [T,768] x [3072,768]' + bias, gelu", t, I, H, false, true, 0, UN_ACT_GELU);
        bench_product("gemm [T,3072] x [768,3072]' + bias", t, H, I, false, true, 0, UN_ACT_NONE);
        bench_product("gemm [T,2048] x [768,2048]' + bias", t, H, F, false, true, 0, UN_ACT_NONE);
        bench_product("gemm dx [T,768] x [768,3072]", t, I, H, false, false, 0, UN_ACT_NONE);
        bench_product("gemm dx [T,3072] x [3072,768]", t, H, I, false, false, 0, UN_ACT_NONE);
        bench_product("gemm dx [T,2304] x [2304,768]", t, H, 3 * H, false, false, 0, UN_ACT_NONE);
        bench_product("gemm dx [T,768] x [768,768]", t, H, H, false, false, 0, UN_ACT_NONE);
        bench_product("gemm dw [3072,768] += [T,3072]' [T,768]", I, H, t, true, false, 1, UN_ACT_NONE);
        bench_product("gemm dw [768,3072] += [T,768]' [T,3072]", H, I, t, true, false, 1, UN_ACT_NONE);
        bench_product("gemm dw [2304,768] += [T,2304]' [T,768]", 3 * H, H, t, true, false, 1, UN_ACT_NONE);
        bench_product("gemm dw [768,768] += [T,768]' [T,768]", H, H, t, true, false, 1, UN_ACT_NONE);
        bench_product("gemm dw [768,2048] += [T,768]' [T,2048]", H, F, t, true, false, 1, UN_ACT_NONE);
    }
    printf("-- masked words\n");
    bench_product("gemm decoder [80,768] x [28996,768]' + bias", ROWS, V, H, false, true, 0, UN_ACT_NONE);
    bench_product("gemm decoder dx [80,28996] x [28996,768]", ROWS, H, V, false, false, 0, UN_ACT_NONE);
    bench_product("gemm decoder dw += [80,28996]' [80,768]", V, H, ROWS, true, false, 1, UN_ACT_NONE);
    bench_product("gemm transform [80,768] x [768,768]' gelu", ROWS, H, H, false, true, 0, UN_ACT_GELU);
}

/* ---- elementwise, rows, sums ---- */

static struct un_mat wide_a, wide_b, wide_c, tall_a, tall_b, tall_c, words, grad, feature;
static float *row_a, *row_b, *stat_a, *stat_b;
static double *partial;
static int32_t *ids, *positions, *order;
static struct un_segments segments;
static uint8_t *flags;
static struct un_dropout drop = {
    .seed = 1, .at = (const uint32_t[]){2, 3}, .site = 4, .threshold = 6554, .scale = 1.1111f};

static void run_gelu_bwd(void) {
    ops->gelu_bwd(queue, wide_a, NULL, wide_b, wide_c);
}
static void run_gelu_bwd_in_place(void) {
    ops->gelu_bwd(queue, wide_b, NULL, wide_b, wide_c);
}
static void run_dropout(void) {
    ops->dropout(queue, tall_a, tall_b, &drop);
}
static void run_dropout_in_place(void) {
    ops->dropout(queue, tall_a, tall_a, &drop);
}
static void run_norm_fwd(void) {
    ops->norm_fwd(queue, tall_c, tall_a, stat_a, stat_b, tall_a, tall_b, row_a, row_b, &drop);
}
static void run_norm_fwd_bare(void) {
    ops->norm_fwd(queue, tall_c, tall_a, stat_a, stat_b, tall_b, (struct un_mat){0}, row_a, row_b, NULL);
}
static void run_norm_bwd(void) {
    ops->norm_bwd(queue, tall_a, tall_c, row_a, row_b, NULL, tall_a, tall_b, stat_a, stat_b, row_a + H,
                  &drop);
}
static void run_norm_bwd_bare(void) {
    ops->norm_bwd(queue, tall_a, (struct un_mat){0}, row_a, row_b, NULL, tall_c, tall_b, stat_a, stat_b,
                  row_a + H, NULL);
}
static void run_col_sum_wide(void) {
    ops->col_sum(queue, row_a, wide_a);
}
static void run_col_sum(void) {
    ops->col_sum(queue, row_a, tall_a);
}
static void run_add_row(void) {
    ops->add_row(queue, tall_a, tall_b, tall_c, un_mat32(row_a, 1, H), NULL);
}
static void run_add(void) {
    ops->add(queue, flat_a, flat_b, FLAT);
}
static void run_zero(void) {
    ops->zero(queue, flat_a, FLAT * sizeof(float));
}
static void run_cast(void) {
    ops->cast(queue, flat_a, UN_BF16, flat_b, UN_F32, FLAT);
}
static void run_square_sums(void) {
    ops->square_sums(queue, partial, flat_a, FLAT);
}
static void run_adamw(void) {
    static const struct un_adamw how = {1e-4f, 0.9f, 0.98f, 1e-6f, 0.01f, 1e-4f, 1e-4f, 1e-4f};
    static const float one = 1.0f;
    ops->adamw(queue, flat_a, NULL, flat_b, flat_c, flat_d, flags, FLAT, &how, &one, &one);
}
static void run_gather(void) {
    ops->gather_rows(queue, tall_a, words, ids);
}
static void run_embed(void) {
    ops->embed_words(queue, tall_a, ids, positions, words, tall_b, un_mat32(row_a, 1, H), NULL);
}
static void run_tanh_bwd(void) {
    ops->tanh_bwd(queue, tall_a, tall_b, tall_c);
}
static void run_linear_grad(void) {
    ops->linear_grad(queue, grad, row_a, wide_a, tall_a);
}
static void run_scatter(void) {
    ops->scatter_rows(queue, tall_a, tall_b, order);
}
static void run_scatter_add(void) {
    ops->scatter_add_rows(queue, tall_a, tall_b, order);
}
static void run_segment_add(void) {
    ops->segment_add_rows(queue, words, tall_b, &segments);
}
static void run_clip(void) {
    ops->clip_factor(queue, row_b, partial, FLAT / UN_PARAM_BLOCK, 1.0f);
}
static void run_mask(void) {
    ops->mask_features(queue, wide_a, feature, NULL, flags, row_a);
}

/* The tokens grouped by position, as the gradient of the position table wants them. */
static void group_by_position(void) {
    int32_t *id = (int32_t *)fresh(60), *start = (int32_t *)fresh(61), *perm = (int32_t *)fresh(T), n = 0;
    for (int32_t p = 0; p < 60; ++p) {
        id[p] = p;
        start[p] = n;
        for (int32_t i = p; i < T; i += 60) perm[n++] = i;
    }
    start[60] = n;
    segments = (struct un_segments){id, start, perm, 60};
}

static void set_up(void) {
    struct un_limits limits = {
        .max_tokens = T, .max_samples = 512, .max_width = V, .max_heads = A, .max_params = FLAT};
    if (device->mem->queue_open(device, &limits, &queue) != UN_OK) exit(71);
    flat_a = fresh(FLAT);
    flat_b = fresh(FLAT);
    flat_c = fresh(FLAT);
    flat_d = fresh(FLAT);
    for (int64_t i = 0; i < FLAT; ++i) flat_c[i] *= flat_c[i];
    partial = (double *)(void *)fresh(FLAT / UN_PARAM_BLOCK * 2);
    flags = (uint8_t *)fresh(FLAT / UN_PARAM_ALIGN / 4 + T);
    for (int64_t i = 0; i < FLAT / UN_PARAM_ALIGN; ++i) flags[i] &= UN_DECAY_DECAYS;
    wide_a = mat(T, I);
    wide_b = mat(T, I);
    wide_c = mat(T, I);
    tall_a = mat(T, H);
    tall_b = mat(T, H);
    tall_c = mat(T, H);
    words = mat(V, H);
    row_a = fresh(2 * I);
    row_b = fresh(I);
    stat_a = fresh(T), stat_b = fresh(T);
    grad = mat(I, H);
    ids = (int32_t *)fresh(T);
    order = (int32_t *)fresh(T);
    positions = (int32_t *)fresh(T);
    for (int32_t i = 0; i < T; ++i) {
        ids[i] = (int32_t)un_rng_below(un_rng(1, UN_RNG_BENCH, 1, 0, 0, (uint32_t)i).v[0], V);
        positions[i] = i % 60;
        order[i] = (i * 5) % T;
    }
    group_by_position();
    feature = (struct un_mat){fresh((int64_t)R * F / 2), UN_F16, R, F, F};
    uint16_t *half = feature.data;
    for (int64_t i = 0; i < (int64_t)R * F; ++i) half[i] = (uint16_t)(0x3000 + i % 4096);
}

static void elementwise(void) {
    const double wide = (double)T * I, tall = (double)T * H, b = sizeof(float);
    printf("-- elementwise\n");
    report("gelu_bwd [T,3072]", 3 * wide * b, wide, run_gelu_bwd);
    report("gelu_bwd [T,3072] in place", 3 * wide * b, wide, run_gelu_bwd_in_place);
    report("dropout [T,768]", 2 * tall * b, tall, run_dropout);
    report("dropout [T,768] in place", 2 * tall * b, tall, run_dropout_in_place);
    report("norm_fwd [T,768] + residual, dropout", 4 * tall * b, tall, run_norm_fwd);
    report("norm_fwd [T,768] bare", 3 * tall * b, tall, run_norm_fwd_bare);
    report("norm_bwd [T,768] + dropout", 4 * tall * b, tall, run_norm_bwd);
    report("norm_bwd [T,768] bare", 3 * tall * b, tall, run_norm_bwd_bare);
    report("col_sum [T,3072]", wide * b, wide, run_col_sum_wide);
    report("col_sum [T,768]", tall * b, tall, run_col_sum);
    report("tanh_bwd [T,768]", 3 * tall * b, tall, run_tanh_bwd);
    report("add_row [T,768]", 3 * tall * b, tall, run_add_row);
    report("gather_rows [T,768] of [28996,768]", 2 * tall * b, tall, run_gather);
    report("scatter_rows [T,768]", 2 * tall * b, tall, run_scatter);
    report("scatter_add_rows [T,768]", 3 * tall * b, tall, run_scatter_add);
    report("segment_add_rows [T,768] into 60 rows", tall * b, tall, run_segment_add);
    report("embed_words [T,768]", 3 * tall * b, tall, run_embed);
    wide_a.rows = R;
    wide_a.cols = wide_a.stride = F;
    report("mask_features [1048,2048] f16", 1.5 * R * F * b, (double)R * F, run_mask);
    wide_a = (struct un_mat){wide_a.data, UN_F32, T, I, I};
    report("linear_grad [3072,768], dbias, 2048 tokens", 2.0 * T * I * H, 0, run_linear_grad);
    printf("-- flat, %d Mi elements\n", FLAT >> 20);
    report("add", 3.0 * FLAT * b, FLAT, run_add);
    report("zero", 1.0 * FLAT * b, FLAT, run_zero);
    report("cast f32 to bf16", 1.5 * FLAT * b, FLAT, run_cast);
    report("square_sums", 1.0 * FLAT * b, FLAT, run_square_sums);
    report("clip_factor, 256 chunks", 256 * 8, 256, run_clip);
    report("adamw", 7.0 * FLAT * b, FLAT, run_adamw);
}

int main(int argc, char **argv) {
    if (un_cpu_open(argc > 1 ? atoi(argv[1]) : 0, &device) != UN_OK) return 71;
    if (argc > 2) wanted = argv[2];
    ops = device->ops;
    set_up();
    references();
    elementwise();
    bench_maps();
    products();
    return device->mem->queue_wait(queue);
}
