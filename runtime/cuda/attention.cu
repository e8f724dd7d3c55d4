/* Attention on the card: which path a call takes.
 *
 * bf16 with heads of 64 columns, all operands where 16 bytes can be read, go the way of the matrix
 * instructions; everything else (f32, other widths, odd addresses) the plain way, f32 inside. The two round
 * differently: the former takes probabilities and their gradients to bf16 before the second product. The
 * program's own buffers are always aligned, so a network takes one way throughout, but for samples whose tiles the
 * card has not enough shared memory for: their length decides. Either gives a sample the same bits whatever stands
 * around it. */
#include "runtime/cuda/attention.cuh"
#include "runtime/cuda/strip.cuh"

/* Floats of the sums that attention_bwd leaves of each sample, at most: where there are more, col_sum goes over dqkv. */
static const int64_t sums_most = 3 * UN_STRIP_PARTIAL;

/* Everything else stays in registers and shared memory. */
size_t un_cuda_attention_scratch(const struct un_limits *limits) {
    const int64_t all = limits->max_samples * limits->max_width;
    return un_strip_bytes((size_t)(all < sums_most ? all : sums_most));
}

/* False, and an error on the queue, for a call that no kernel may see. */
static bool is_sound(struct un_queue *q, struct un_mat out, struct un_mat qkv, const struct un_layout *layout,
                     int64_t heads) {
    const int64_t blocks = (layout->samples + UN_ATTENTION_TAIL) * heads;
    if (heads < 1 || out.cols % heads || qkv.cols != 3 * out.cols || qkv.rows != out.rows ||
        layout->longest > UN_MAX_SAMPLE_TOKENS || blocks > INT32_MAX || out.rows > INT32_MAX) {
        un_cuda_fail(q, UN_INTERNAL,
                     "attention: %lld x %lld from %lld x %lld, %lld heads, samples of up to %lld tokens",
                     (long long)out.rows, (long long)out.cols, (long long)qkv.rows, (long long)qkv.cols,
                     (long long)heads, (long long)layout->longest);
        return false;
    }
    if (out.type != qkv.type || (out.type != UN_F32 && out.type != UN_BF16)) {
        un_cuda_fail(q, UN_INTERNAL, "attention: operands of types %d and %d", out.type, qkv.type);
        return false;
    }
    return out.rows > 0;
}

static bool is_fast(struct un_mat out, struct un_mat qkv, int64_t heads) {
    return out.type == UN_BF16 && out.cols == 64 * heads && un_is_wide(out) && un_is_wide(qkv);
}

/* The longest samples that fit: all on sm_90; backward 496 tokens on sm_80, 320 where a block has 99 KiB. */
static int tokens_that_fit(const struct un_queue *q, size_t (*bytes)(int tokens)) {
    int most = UN_MAX_SAMPLE_TOKENS;
    while (most > 0 && bytes(most) > q->shared_most) --most;
    return most;
}

/* Takes the samples that do not fit out of *fast; false: all do. */
static bool split(struct un_queue *q, struct un_attention *fast, struct un_attention *plain,
                  size_t (*bytes)(int tokens)) {
    const int fit = tokens_that_fit(q, bytes);
    if (fast->most <= fit) return false;
    *plain = *fast;
    fast->most = fit;
    plain->least = fit + 1;
    if (!q->said_long)
        un_log(UN_LOG_WARN,
               "cuda %d: samples of more than %d tokens take the plain, slow attention: blocks of this card "
               "have "
               "%zu bytes of shared memory, %zu are wanted",
               q->ordinal, fit, q->shared_most, bytes(plain->most));
    q->said_long = true;
    return true;
}

/* Where no kernel has written the codes of m: those of another path than the fast one, or of rows not at 8 bytes. */
static void code_after(struct un_queue *q, const struct un_codes *codes, struct un_mat m) {
    if (codes) un_cuda_quantize(q, codes->to, {}, codes->amax, m, codes->scale);
}

void un_cuda_attention_fwd_fp8(struct un_queue *q, struct un_mat out, const struct un_codes *codes,
                               float *lse, struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                               const struct un_dropout *drop) {
    un_code_sink sink;
    if (!is_sound(q, out, qkv, layout, heads)) return;
    if (!un_code_sink_of(q, &sink, codes, out.rows, out.cols, "attention_fwd_fp8")) return;
    struct un_attention call = un_attention_call(layout, out.rows, heads, drop), plain = call;
    const bool fast = is_fast(out, qkv, heads),
               slow = !fast || split(q, &call, &plain, un_attention_fwd_bytes),
               beside = codes && !slow && sink.wide;
    if (fast) un_attention_fwd_mma(q, out, beside ? &sink : NULL, lse, qkv, call);
    if (slow) un_attention_fwd_plain(q, out, lse, qkv, plain);
    if (!beside) code_after(q, codes, out);
}

void un_cuda_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                           const struct un_layout *layout, int64_t heads, const struct un_dropout *drop) {
    un_cuda_attention_fwd_fp8(q, out, NULL, lse, qkv, layout, heads, drop);
}

void un_cuda_attention_bwd_fp8(struct un_queue *q, struct un_mat dqkv, const struct un_codes *codes,
                               float *dbias, struct un_mat dout, struct un_mat out, const float *lse,
                               struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                               const struct un_dropout *drop) {
    un_code_sink sink;
    if (!is_sound(q, out, qkv, layout, heads) || !is_sound(q, dout, dqkv, layout, heads)) return;
    if (dout.type != out.type) {
        un_cuda_fail(q, UN_INTERNAL, "attention: operands of types %d and %d", dout.type, out.type);
        return;
    }
    if (!un_code_sink_of(q, &sink, codes, dqkv.rows, dqkv.cols, "attention_bwd_fp8")) return;
    struct un_attention call = un_attention_call(layout, out.rows, heads, drop), plain = call;
    const bool fast = is_fast(out, qkv, heads) && is_fast(dout, dqkv, heads),
               slow = !fast || split(q, &call, &plain, un_attention_bwd_bytes);
    const int64_t floats = layout->samples * dqkv.cols;
    const bool inside = dbias && !slow && floats <= sums_most, beside = codes && !slow && sink.wide;
    float *partial = NULL;
    struct un_arena arena;
    if (inside) {
        if (!un_cuda_scratch(q, &arena, un_strip_bytes((size_t)floats), "attention_bwd")) return;
        partial = (float *)un_arena_take(&arena, (size_t)floats, sizeof(float));
    }
    if (fast) un_attention_bwd_mma(q, dqkv, beside ? &sink : NULL, partial, dout, out, lse, qkv, call);
    if (slow) un_attention_bwd_plain(q, dqkv, dout, out, lse, qkv, plain);
    const un_strip_sums sums = {{dbias, NULL, NULL}, partial, layout->samples, dqkv.cols};
    if (inside)
        un_strip_add(q, &sums, 1);
    else if (dbias)
        un_cuda_col_sum(q, dbias, dqkv);
    if (!beside) code_after(q, codes, dqkv);
}

void un_cuda_attention_bwd(struct un_queue *q, struct un_mat dqkv, float *dbias, struct un_mat dout,
                           struct un_mat out, const float *lse, struct un_mat qkv,
                           const struct un_layout *layout, int64_t heads, const struct un_dropout *drop) {
    un_cuda_attention_bwd_fp8(q, dqkv, NULL, dbias, dout, out, lse, qkv, layout, heads, drop);
}
