/* Times every op on a card at the shapes of UNITER-base with micro-batches of 16,896 tokens, and sets each
 * rate beside what the same card does in the same run: products beside one of 8192 cubed, everything else
 * beside a copy within the card's memory. One JSON object a line, for ci/gpu.sh. Run by hand: bench_card
 * [part of a name]
 *
 * Law: operands are random, every run takes the next of several sets that together exceed the caches, and the
 * median of the repeats counts; times are those of events on the card around a burst of launches. */
#include "tests/bench/bench_card_rig.h"

#include "runtime/memory.h"
#include "runtime/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = 16896, S = 302, W = 4832, R = 12064, H = 768, A = 12, I = 3072, F = 2048, V = 28996, C = 1601 };
enum { ROWS = 320, REGIONS = 512, PAIRS = 256, PARAMS = 110 * 1000 * 1000 / 4096 * 4096 };
enum { MATRIX = 8192, COPIED = 64 << 20 };

/* ---- what is timed ---- */

static struct operand x, y, z, w; /* their shapes change from group to group */
static float *vector[8], *stats[4];
static struct un_dropout drop = {.seed = 1, .site = 4, .threshold = 6554, .scale = 65536.0f / (65536 - 6554)};
static struct un_layout layout;
static struct un_segments segments;
static int32_t *row_of_region, *word_id, *word_pos, *masked_row, *target;
static struct un_pairs pairs;
static const struct un_transport ipot = {.solver = UN_SOLVER_IPOT, .iterations = 50, .beta = 0.5f};
static const struct un_transport sinkhorn = {
    .solver = UN_SOLVER_SINKHORN, .iterations = 100, .epsilon = 0.1f, .tolerance = 1e-4f};
static struct un_epilogue epilogue;

static void run_copy(void) {
    size_t bytes = (size_t)(x.of[rig.set].rows * x.of[rig.set].cols * un_type_bytes(x.of[rig.set].type));
    rig.device->mem->copy(rig.queue, y.of[rig.set].data, x.of[rig.set].data, bytes);
}
static void run_matrix(void) {
    rig.ops->gemm(rig.queue, z.of[0], x.of[rig.set], false, y.of[rig.set], false, 0, NULL);
}
static void run_linear(void) { /* y [T,out] = x [T,in] w^T + bias */
    rig.ops->gemm(rig.queue, y.of[rig.set], x.of[rig.set], false, w.of[rig.set], true, 0, &epilogue);
}
static void run_linear_bwd(void) {
    rig.ops->gemm(rig.queue, x.of[rig.set], y.of[rig.set], false, w.of[rig.set], false, 1, NULL);
}
static void run_linear_grad(void) {
    rig.ops->linear_grad(rig.queue, z.of[0], NULL, y.of[rig.set], x.of[rig.set]);
}
static void run_norm_fwd(void) {
    rig.ops->norm_fwd(rig.queue, y.of[rig.set], x.of[rig.set], stats[0], stats[1], x.of[rig.set],
                      z.of[rig.set], vector[0], vector[1], &drop);
}
static void run_norm_bwd(void) {
    rig.ops->norm_bwd(rig.queue, y.of[rig.set], x.of[rig.set], vector[2], vector[3], vector[4], y.of[rig.set],
                      z.of[rig.set], stats[0], stats[1], vector[0], &drop);
}
static void
run_gelu_fwd(void) { /* a product of inner size 16 leaves the epilogue: bias and GELU with z kept */
    struct un_epilogue e = {
        .bias = vector[0], .bias_type = UN_F32, .activation = UN_ACT_GELU, .pre = z.of[rig.set]};
    rig.ops->gemm(rig.queue, y.of[rig.set], x.of[rig.set], false, w.of[rig.set], true, 0, &e);
}
static void run_gelu_bwd(void) {
    rig.ops->gelu_bwd(rig.queue, y.of[rig.set], vector[0], y.of[rig.set], z.of[rig.set]);
}
static void run_col_sum(void) {
    rig.ops->col_sum(rig.queue, vector[0], y.of[rig.set]);
}
static void run_attention_fwd(void) {
    rig.ops->attention_fwd(rig.queue, y.of[rig.set], stats[0], x.of[rig.set], &layout, A, &drop);
}
static void run_attention_bwd(void) {
    rig.ops->attention_bwd(rig.queue, z.of[rig.set], vector[0], w.of[rig.set], y.of[rig.set], stats[0],
                           x.of[rig.set], &layout, A, &drop);
}
static void run_embed(void) {
    rig.ops->embed_words(rig.queue, y.of[rig.set], word_id, word_pos, x.of[0], z.of[0],
                         un_mat32(vector[0], 1, x.of[0].cols), NULL);
}
static void run_scatter(void) {
    rig.ops->scatter_rows(rig.queue, x.of[rig.set], y.of[rig.set], row_of_region);
}
static void run_gather(void) {
    rig.ops->gather_rows(rig.queue, y.of[rig.set], x.of[rig.set], row_of_region);
}
static void run_segments(void) {
    rig.ops->segment_add_rows(rig.queue, z.of[0], y.of[rig.set], &segments);
}
static void run_mask(void) {
    rig.ops->mask_features(rig.queue, y.of[rig.set], x.of[rig.set], NULL, w.of[0].data, vector[0]);
}
static void run_cross_entropy(void) {
    rig.ops->cross_entropy(rig.queue, stats[0], stats[1], y.of[rig.set], x.of[rig.set], target, vector[0]);
}
static void run_kl(void) {
    rig.ops->kl_divergence(rig.queue, stats[0], stats[1], NULL, y.of[rig.set], x.of[rig.set], z.of[rig.set],
                           vector[0]);
}
static void run_squared(void) {
    rig.ops->squared_error(rig.queue, stats[0], NULL, y.of[rig.set], x.of[rig.set], z.of[rig.set], masked_row,
                           vector[0]);
}
static void run_ipot(void) {
    rig.ops->transport_fwd(rig.queue, stats[0], x.of[0].data, x.of[1].data, y.of[rig.set], &pairs, &ipot);
}
static void run_sinkhorn(void) {
    rig.ops->transport_fwd(rig.queue, stats[0], x.of[0].data, x.of[1].data, y.of[rig.set], &pairs, &sinkhorn);
}
static void run_transport_bwd(void) {
    rig.ops->transport_bwd(rig.queue, z.of[rig.set], stats[1], x.of[0].data, x.of[1].data, y.of[rig.set],
                           &pairs);
}
static void run_zero(void) {
    rig.ops->zero(rig.queue, x.of[0].data, (size_t)PARAMS * 4);
}
static void run_add(void) {
    rig.ops->add(rig.queue, x.of[0].data, x.of[1].data, PARAMS);
}
static void run_square_sums(void) {
    rig.ops->square_sums(rig.queue, (double *)y.of[0].data, x.of[0].data, PARAMS);
}
static void run_clip(void) {
    rig.ops->clip_factor(rig.queue, vector[1], (double *)y.of[0].data, PARAMS / UN_PARAM_BLOCK, 5.0f);
}
static void run_adamw(void) {
    static const struct un_adamw how = {1e-4f, 0.9f, 0.98f, 1e-6f, 0.01f, 1e-4f, 1e-4f, 1e-4f};
    rig.ops->adamw(rig.queue, x.of[0].data, y.of[0].data, x.of[1].data, x.of[2].data, x.of[3].data,
                   w.of[0].data, PARAMS, &how, vector[1] + 1, vector[1] + 2);
}

static void release_all(void) {
    release(&x);
    release(&y);
    release(&z);
    release(&w);
}

/* ---- groups ---- */

static void ceilings(void) {
    x = mats(COPIED, 8, UN_BF16); /* 1 GiB: far beyond the caches */
    y = mats(COPIED, 8, UN_BF16);
    double s = seconds(run_copy), bytes = 2.0 * COPIED * 8 * 2;
    rig.copy_rate = bytes / s;
    release_all();
    x = mats(MATRIX, MATRIX, UN_BF16);
    y = mats(MATRIX, MATRIX, UN_BF16);
    z = mats(MATRIX, MATRIX, UN_BF16);
    rig.matrix_rate = 2.0 * MATRIX * MATRIX * MATRIX / seconds(run_matrix);
    release_all();
    printf("{\"device\": \"%s\", \"copy_GB_per_s\": %.1f, \"matrix_TFLOP_per_s\": %.1f}\n", rig.device->name,
           rig.copy_rate * 1e-9, rig.matrix_rate * 1e-12);
}

static void linear(const char *what, int64_t in, int64_t out) {
    char name[80];
    double flop = 2.0 * T * (double)in * (double)out, act = 2.0 * T * (double)(in + out);
    double weight = 2.0 * (double)in * (double)out;
    x = mats(T, in, UN_BF16);
    y = mats(T, out, UN_BF16);
    w = mats(out, in, UN_BF16);
    z = mats(out, in, UN_F32);
    epilogue = (struct un_epilogue){.bias = w.of[0].data, .bias_type = UN_BF16};
    snprintf(name, sizeof name, "gemm %s forward [T,%lld] x [%lld]", what, (long long)in, (long long)out);
    report(name, act + weight, flop, run_linear);
    snprintf(name, sizeof name, "gemm %s backward, beta 1", what);
    report(name, act + weight + 2.0 * T * (double)in, flop, run_linear_bwd);
    snprintf(name, sizeof name, "linear_grad %s", what);
    report(name, act + 4 * weight, flop, run_linear_grad);
    release_all();
}

static void rows_of_tokens(void) {
    const double tall = 2.0 * T * H, wide = 2.0 * T * I;
    x = mats(T, H, UN_BF16);
    y = mats(T, H, UN_BF16);
    z = mats(T, H, UN_BF16);
    report("norm_fwd [T,768] residual, dropout", 4 * tall, 0, run_norm_fwd);
    report("norm_bwd [T,768] dropout, bias", 4 * tall, 0, run_norm_bwd);
    report("col_sum [T,768]", tall, 0, run_col_sum);
    release_all();
    x = mats(T, 16, UN_BF16);
    w = mats(I, 16, UN_BF16);
    y = mats(T, I, UN_BF16);
    z = mats(T, I, UN_BF16);
    report("gemm of inner size 16, bias, GELU [T,3072]", 3 * wide, 0, run_gelu_fwd);
    report("gelu_bwd [T,3072] bias", 3 * wide, 0, run_gelu_bwd);
    report("col_sum [T,3072]", wide, 0, run_col_sum);
    release_all();
}

/* Samples of 16 words and 40 regions, near enough to the mean. */
static void attention(void) {
    const double tall = 2.0 * T * H, flop = 4.0 * T * 56 * H;
    static int32_t start[S + 1];
    for (int s = 0; s <= S; ++s) start[s] = (int32_t)((int64_t)T * s / S);
    layout = (struct un_layout){ints(start, S + 1), S, T, (T + S - 1) / S};
    x = mats(T, 3 * H, UN_BF16);
    y = mats(T, H, UN_BF16);
    z = mats(T, 3 * H, UN_BF16);
    w = mats(T, H, UN_BF16);
    report("attention_fwd 302 samples of 56", 4 * tall, flop, run_attention_fwd);
    report("attention_bwd 302 samples of 56", 8 * tall, 2.5 * flop, run_attention_bwd);
    rig.device->mem->free(rig.device, (void *)layout.start);
    release_all();
}

static void indices(void) {
    static int32_t a[T + 1], b[T + 1], c[T + 1];
    for (int i = 0; i < R; ++i) a[i] = (int32_t)((int64_t)i * T / R);
    row_of_region = ints(a, R);
    for (int i = 0; i < W; ++i) {
        a[i] = (i * 7919) % V;
        b[i] = i % 16;
    }
    word_id = ints(a, W);
    word_pos = ints(b, W);
    for (int k = 0; k < 16; ++k) { /* by position: 16 destinations of W / 16 rows each */
        a[k] = k;
        b[k] = k * (W / 16);
        for (int i = 0; i < W / 16; ++i) c[k * (W / 16) + i] = i * 16 + k;
    }
    b[16] = W;
    segments = (struct un_segments){ints(a, 16), ints(b, 17), ints(c, W), 16};
    for (int i = 0; i < REGIONS; ++i) {
        a[i] = i * (R / REGIONS);
        b[i] = (i * 37) % C;
    }
    masked_row = ints(a, REGIONS);
    target = ints(b, REGIONS);
}

static void rows_by_index(void) {
    const double region = 2.0 * R * H, word = 2.0 * W * H;
    x = mats(T, H, UN_BF16);
    y = mats(R, H, UN_BF16);
    report("gather_rows [12064,768]", 2 * region, 0, run_gather);
    report("scatter_rows [12064,768]", 2 * region, 0, run_scatter);
    release_all();
    x = mats(V, H, UN_F32);
    z = mats(512, H, UN_F32);
    y = mats(W, H, UN_BF16);
    report("embed_words [4832,768]", 3 * word, 0, run_embed);
    report("segment_add_rows 16 rows of 302", word, 0, run_segments);
    release_all();
    x = mats(R, F, UN_F16);
    y = mats(R, F, UN_BF16);
    w = mats(R, 1, UN_U8);
    report("mask_features [12064,2048]", 4.0 * R * F, 0, run_mask);
    release_all();
}

static void losses(void) {
    x = mats(ROWS, V + 60, UN_F32);
    y = mats(ROWS, V + 60, UN_BF16);
    for (int i = 0; i < SETS; ++i) x.of[i].cols = y.of[i].cols = V;
    report("cross_entropy [320,28996]", 6.0 * ROWS * V, 0, run_cross_entropy);
    release_all();
    x = mats(REGIONS, C + 63, UN_F32);
    y = mats(REGIONS, C + 63, UN_BF16);
    z = mats(REGIONS, C, UN_F16);
    for (int i = 0; i < SETS; ++i) x.of[i].cols = y.of[i].cols = C;
    report("kl_divergence [512,1601]", 8.0 * REGIONS * C, 0, run_kl);
    report("cross_entropy [512,1601]", 6.0 * REGIONS * C, 0, run_cross_entropy);
    release_all();
    x = mats(REGIONS, F, UN_F32);
    y = mats(REGIONS, F, UN_BF16);
    z = mats(R, F, UN_F16);
    report("squared_error [512,2048]", 8.0 * REGIONS * F, 0, run_squared);
    release_all();
}

static void transport(void) {
    static int32_t first[PAIRS], words[PAIRS], regions[PAIRS], plan[PAIRS + 1];
    int32_t token = 0;
    for (int b = 0; b < PAIRS; ++b) { /* 24 x 50 on average, as the peer is timed */
        first[b] = token;
        words[b] = 16 + b % 17;
        regions[b] = 30 + b * 7 % 41;
        plan[b + 1] = plan[b] + words[b] * regions[b];
        token += words[b] + regions[b];
    }
    pairs = (struct un_pairs){
        ints(first, PAIRS), ints(words, PAIRS), ints(regions, PAIRS), ints(plan, PAIRS + 1), PAIRS, 32, 70};
    x = mats(plan[PAIRS], 1, UN_F32);
    y = mats(token, H, UN_BF16);
    z = mats(token, H, UN_BF16);
    const double bytes = 2.0 * token * H + 8.0 * plan[PAIRS];
    report("transport_fwd ipot, 256 pairs", bytes, 0, run_ipot);
    report("transport_fwd sinkhorn, 256 pairs", bytes, 0, run_sinkhorn);
    report("transport_bwd 256 pairs", bytes + 4.0 * token * H, 0, run_transport_bwd);
    release_all();
}

static void optimizer(void) {
    x = mats(PARAMS, 1, UN_F32);
    y = mats(PARAMS, 1, UN_BF16);
    w = mats(PARAMS / UN_PARAM_ALIGN, 1, UN_U8);
    report("zero 110 M", 4.0 * PARAMS, 0, run_zero);
    report("add 110 M", 12.0 * PARAMS, 0, run_add);
    report("square_sums 110 M", 4.0 * PARAMS, 0, run_square_sums);
    report("clip_factor 26,855 partial sums", 8.0 * PARAMS / UN_PARAM_BLOCK, 0, run_clip);
    rig.ops->zero(rig.queue, x.of[2].data, (size_t)PARAMS * 4); /* the second moments: no negative ones */
    rig.ops->zero(rig.queue, w.of[0].data, (size_t)PARAMS / UN_PARAM_ALIGN); /* no block left alone */
    report("adamw 110 M", 30.0 * PARAMS, 0, run_adamw);
    release_all();
}

static void open_card(void) {
    static const uint32_t step_and_lane[2] = {1, 0};
    struct un_limits limits = {.max_tokens = T + T / 4,
                               .max_samples = T / 4,
                               .max_width = V,
                               .max_heads = A,
                               .max_params = PARAMS,
                               .fp8 = true};
    check(un_device_open("cuda", 0, 0, &rig.device));
    check(rig.device->mem->queue_open(rig.device, &limits, &rig.queue));
    check(rig.device->mem->event_open_timed(rig.device, &rig.before));
    check(rig.device->mem->event_open_timed(rig.device, &rig.after));
    rig.ops = rig.device->ops;
    drop.at = (const uint32_t *)ints((const int32_t *)step_and_lane, 2);
    for (int i = 0; i < 8; ++i) vector[i] = fresh(V, UN_F32);
    for (int i = 0; i < 4; ++i) stats[i] = fresh((int64_t)T * A, UN_F32);
}

int main(int argc, char **argv) {
    if (argc > 1) rig.wanted = argv[1];
    open_card();
    ceilings();
    linear("qkv", H, 3 * H);
    linear("dense", H, H);
    linear("up", H, I);
    linear("down", I, H);
    bench_fp8(drop.at);
    rows_of_tokens();
    attention();
    indices();
    rows_by_index();
    losses();
    transport();
    bench_maps();
    optimizer();
    return rig.device->mem->queue_wait(rig.queue);
}
