/* Products and casts of fp8 at the shapes of an encoder layer: products of base and large, each beside its share of the bf16 rate
 * (a card with units for fp8 may reach 2), casts in a pass of their own, and the ops that write codes beside their result;
 * what those cost more than norm_fwd, norm_bwd, gelu_bwd and the GELU of bench_card.c is what the codes cost. */
#include "tests/bench/bench_card_rig.h"

#include <stdio.h>
#include <string.h>

enum { T = 16896, H = 768, I = 3072, LARGE_H = 1024, LARGE_I = 4096 };

static struct operand a, b, c, d, e; /* their shapes change from group to group */
static float *one, *vector[4], *stats[2];
static uint32_t *amax;
static struct un_dropout drop = {.seed = 1, .site = 4, .threshold = 6554, .scale = 65536.0f / (65536 - 6554)};
static struct un_epilogue epilogue;
static float beta;

static struct un_codes codes_of(const struct operand *o) {
    return (struct un_codes){o->of[rig.set], amax, one};
}

static void run_product(void) {
    rig.ops->gemm_fp8(rig.queue, c.of[rig.set], a.of[rig.set], one, b.of[rig.set], one, beta,
                      beta != 0.0f ? NULL : &epilogue);
}
static void run_cast(void) {
    const struct un_codes to = codes_of(&c);
    rig.ops->quantize(rig.queue, to.to, (struct un_mat){.data = NULL}, amax, a.of[rig.set], one);
}
static void run_amax(void) {
    const struct un_mat none = {.data = NULL};
    rig.ops->quantize(rig.queue, none, none, amax, a.of[rig.set], one);
}
static void run_cast_turned(void) {
    rig.ops->quantize(rig.queue, (struct un_mat){.data = NULL}, c.of[rig.set], NULL, a.of[rig.set], one);
}
static void run_norm_fwd(void) {
    const struct un_codes codes = codes_of(&e);
    rig.ops->norm_fwd_fp8(rig.queue, b.of[rig.set], &codes, a.of[rig.set], stats[0], stats[1], a.of[rig.set],
                          c.of[rig.set], vector[0], vector[1], &drop);
}
static void run_norm_bwd(void) {
    const struct un_codes codes = codes_of(&e);
    rig.ops->norm_bwd_fp8(rig.queue, b.of[rig.set], a.of[rig.set], &codes, vector[2], vector[3], vector[3],
                          b.of[rig.set], c.of[rig.set], stats[0], stats[1], vector[0], &drop);
}
static void run_gelu_fwd(void) { /* a product of inner size 16 leaves the epilogue */
    const struct un_codes codes = codes_of(&e);
    const struct un_epilogue after = {.bias = vector[0],
                                      .bias_type = UN_F32,
                                      .activation = UN_ACT_GELU,
                                      .pre = c.of[rig.set],
                                      .codes = &codes};
    rig.ops->gemm(rig.queue, b.of[rig.set], a.of[rig.set], false, d.of[rig.set], true, 0, &after);
}
static void run_gelu_bwd(void) {
    const struct un_codes codes = codes_of(&e);
    rig.ops->gelu_bwd_fp8(rig.queue, b.of[rig.set], &codes, vector[0], b.of[rig.set], c.of[rig.set]);
}

static void release_all(void) {
    release(&a);
    release(&b);
    release(&c);
    release(&d);
    release(&e);
}

/* Forward y [T,out] = x [T,in] w^T + bias; back dx [T,in] = dy [T,out] w, over what stands there. */
static void product(const char *what, int64_t in, int64_t out) {
    char name[80];
    const double flop = 2.0 * T * (double)in * (double)out, weight = (double)in * (double)out;
    a = mats(T, in, UN_E4M3);
    b = mats(out, in, UN_E4M3);
    c = mats(T, out, UN_BF16);
    d = mats(1, out, UN_BF16);
    epilogue = (struct un_epilogue){.bias = d.of[0].data, .bias_type = UN_BF16};
    beta = 0;
    snprintf(name, sizeof name, "gemm_fp8 %s forward [T,%lld] x [%lld]", what, (long long)in, (long long)out);
    report(name, T * (double)in + weight + 2.0 * T * (double)out, flop, run_product);
    release_all();
    a = mats(T, out, UN_E5M2);
    b = mats(in, out, UN_E4M3);
    c = mats(T, in, UN_BF16);
    beta = 1;
    snprintf(name, sizeof name, "gemm_fp8 %s backward, beta 1", what);
    report(name, T * (double)out + weight + 4.0 * T * (double)in, flop, run_product);
    release_all();
}

static void products(void) {
    product("qkv", H, 3 * H);
    product("dense", H, H);
    product("up", H, I);
    product("down", I, H);
    product("qkv of large", LARGE_H, 3 * LARGE_H);
    product("dense of large", LARGE_H, LARGE_H);
    product("up of large", LARGE_H, LARGE_I);
    product("down of large", LARGE_I, LARGE_H);
}

/* Read 2 bytes an element, write 1. */
static void cast(const char *what, int64_t rows, int64_t cols, enum un_type type) {
    char name[80];
    const double elements = (double)rows * (double)cols;
    a = mats(rows, cols, UN_BF16);
    c = mats(rows, cols, type);
    snprintf(name, sizeof name, "quantize %s", what);
    report(name, 3 * elements, 0, run_cast);
    if (type == UN_E4M3) {
        release(&c);
        c = mats(cols, rows, type);
        snprintf(name, sizeof name, "quantize %s transposed", what);
        report(name, 3 * elements, 0, run_cast_turned);
        snprintf(name, sizeof name, "quantize %s amax alone", what);
        report(name, 2 * elements, 0, run_amax);
    }
    release_all();
}

static void casts(void) {
    cast("[T,768] e4m3", T, H, UN_E4M3);
    cast("[T,3072] e4m3", T, I, UN_E4M3);
    cast("[T,768] e5m2", T, H, UN_E5M2);
    cast("[T,3072] e5m2", T, I, UN_E5M2);
    cast("weight [3072,768] e4m3", I, H, UN_E4M3);
}

static void beside(void) {
    const double tall = (double)T * H, wide = (double)T * I;
    a = mats(T, H, UN_BF16), b = mats(T, H, UN_BF16), c = mats(T, H, UN_BF16), e = mats(T, H, UN_E4M3);
    report("norm_fwd_fp8 [T,768] residual, dropout", 9 * tall, 0, run_norm_fwd);
    release(&e);
    e = mats(T, H, UN_E5M2);
    report("norm_bwd_fp8 [T,768] dropout, bias", 9 * tall, 0, run_norm_bwd);
    release_all();
    a = mats(T, 16, UN_BF16), d = mats(I, 16, UN_BF16);
    b = mats(T, I, UN_BF16), c = mats(T, I, UN_BF16), e = mats(T, I, UN_E4M3);
    report("gemm of inner size 16, bias, GELU, codes [T,3072]", 7 * wide, 0, run_gelu_fwd);
    release(&e);
    e = mats(T, I, UN_E5M2);
    report("gelu_bwd_fp8 [T,3072] bias", 7 * wide, 0, run_gelu_bwd);
    release_all();
}

void bench_fp8(const uint32_t *step_and_lane) {
    const int32_t zero = 0;
    int32_t bits;
    const float number = 1.0f;
    memcpy(&bits, &number, sizeof bits);
    one = (float *)ints(&bits, 1);
    amax = (uint32_t *)ints(&zero, 1);
    drop.at = step_and_lane;
    for (int i = 0; i < 4; ++i) vector[i] = fresh(LARGE_I, UN_F32);
    for (int i = 0; i < 2; ++i) stats[i] = fresh(T, UN_F32);
    products();
    casts();
    beside();
}
