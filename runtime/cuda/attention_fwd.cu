/* Forward attention of bf16 heads of 64 columns.
 *
 * A block has one head of one sample; its keys and values lie whole in shared memory (at 512 tokens 128 KiB).
 * A warp owns 16 queries at a time and goes over the keys 64 at once: scores in registers, softmax with a
 * running maximum, and its results, as the left operand, straight into the product with the values. Nothing
 * passes between warps, so bits follow from the sample alone, not from the count of warps or the other
 * samples. Up to 64 tokens, the usual, there is one round and no rescaling.
 *
 * attention_fwd_fp8 (coded) writes the codes of out as well, H bytes a token.
 *
 * Bytes: reads 3 H, writes H of bf16 and A floats a token. At H 768 and 16,896 tokens 104 MB: 24 us at 4.3
 * TB/s. Products: 4 H tokens^2 a sample, about 4 GFLOP for 300 samples of 56 padded to 64: 10 us at 400
 * TFLOP/s. */
#include "runtime/cuda/attention_mma.cuh"

size_t un_attention_fwd_bytes(int tokens) {
    return (size_t)un_padded(tokens) * (2 * UN_HEAD_BYTES + (size_t)un_keep_stride(tokens));
}

namespace {

enum { ROUND = 64 /* keys at once */ };

/* A query's state, of two rows a lane. */
struct softmax {
    float top[2]; /* largest score so far */
    float sum[2]; /* of exp(score - top), this lane's columns only */
};

/* Scores of one round become probabilities relative to the running maximum; sum is rescaled to it. */
__device__ __forceinline__ void weigh(float s[8][4], float sum[8][4], softmax &m, bool first) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        float top = m.top[half];
#pragma unroll
        for (int j = 0; j < 8; ++j) top = fmaxf(top, fmaxf(s[j][2 * half], s[j][2 * half + 1]));
        top = fmaxf(top, __shfl_xor_sync(0xFFFFFFFFu, top, 1));
        top = fmaxf(top, __shfl_xor_sync(0xFFFFFFFFu, top, 2));
        if (!first) {
            const float less = un_exp2((m.top[half] - top) * (UN_SCORE_SCALE * UN_LOG2E));
            m.sum[half] *= less;
#pragma unroll
            for (int c = 0; c < 8; ++c) sum[c][2 * half] *= less, sum[c][2 * half + 1] *= less;
        }
        m.top[half] = top;
        const float shift = top * (UN_SCORE_SCALE * UN_LOG2E);
#pragma unroll
        for (int j = 0; j < 8; ++j)
#pragma unroll
            for (int e = 2 * half; e < 2 * half + 2; ++e) {
                s[j][e] = un_exp2(s[j][e] * (UN_SCORE_SCALE * UN_LOG2E) - shift);
                m.sum[half] += s[j][e];
            }
    }
}

/* Dropped probabilities become zero; keep: the bytes of row g, of these 64 keys. */
__device__ __forceinline__ void drop(float s[8][4], const unsigned char *keep, int stride) {
    const int q = (int)threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const uint2 v = *(const uint2 *)(keep + 8 * half * stride);
        const uint32_t w[2] = {v.x >> 2 * q, v.y >> 2 * q};
#pragma unroll
        for (int j = 0; j < 8; ++j)
#pragma unroll
            for (int e = 0; e < 2; ++e)
                if (!(w[j / 4] & (1u << (8 * (j % 4) + e)))) s[j][2 * half + e] = 0.0f;
    }
}

/* What the kernel takes besides the call. */
struct fwd_matrices {
    un_bf16 *out;
    float *lse;
    const un_bf16 *qkv;
    int64_t out_stride, qkv_stride;
};

/* A block's shared memory. */
struct fwd_tiles {
    unsigned char *keys, *values, *keep;
};

/* Queries [row, row + 16) of the block's sample, whose fragment is `query`: out and lse; coded: and the codes of out. */
template <bool coded>
__device__ __forceinline__ void
queries(const fwd_matrices &to, const uint32_t query[4][4], const fwd_tiles &t, int row,
        const un_attention &call, const un_attention_part &p, const un_code_sink &codes, uint32_t *most) {
    const int lane = (int)threadIdx.x % UN_WARP, g = lane / 4, q = lane % 4;
    const int keep_stride = un_keep_stride(p.tokens);
    float sum[8][4] = {}, factor[2];
    softmax m = {{-INFINITY, -INFINITY}, {0.0f, 0.0f}};
#pragma unroll 1
    for (int u = 0; u < p.tokens; u += ROUND) {
        float s[8][4] = {};
#pragma unroll
        for (int k = 0; k < ROUND / UN_STEP; ++k)
            if (u + k * UN_STEP < p.tokens) un_tile_scores(s + 2 * k, query, t.keys, u + k * UN_STEP);
        if (u + ROUND > p.tokens)
#pragma unroll
            for (int i = 0; i < 32; ++i)
                if (u + i / 4 * 8 + 2 * q + i % 2 >= p.tokens) s[i / 4][i % 4] = -INFINITY;
        weigh(s, sum, m, u == 0);
        drop(s, t.keep + (row + g) * keep_stride + u / 8, keep_stride);
#pragma unroll
        for (int k = 0; k < ROUND / UN_STEP; ++k)
            if (u + k * UN_STEP < p.tokens) {
                uint32_t left[4];
                un_fragment_left(left, s + 2 * k);
                un_tile_mix(sum, left, t.values, u + k * UN_STEP);
            }
    }
    float *lse = to.lse + (int64_t)p.first * call.heads + p.head;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int r = row + g + 8 * half;
        float all = m.sum[half];
        all += __shfl_xor_sync(0xFFFFFFFFu, all, 1);
        all += __shfl_xor_sync(0xFFFFFFFFu, all, 2);
        factor[half] = call.drop.scale / all;
        if (q == 0 && r < p.tokens) lse[r * call.heads] = m.top[half] * UN_SCORE_SCALE + logf(all);
    }
    const un_fragment f = un_fragment_of(sum, factor);
    un_fragment_store(to.out + p.first * to.out_stride + p.head * UN_HEAD, to.out_stride, row, p.tokens, f);
    if (coded) un_fragment_code(most, codes, p.head * UN_HEAD, p.first + row, p.first + p.tokens, f);
}

template <int warps, bool coded>
__device__ __forceinline__ void attend(const fwd_matrices &m, const un_attention &call,
                                       const un_code_sink &codes, uint32_t *most) {
    UN_DYNAMIC_SHARED(shared);
    const un_attention_part p = un_attention_part_of(call, (int)blockIdx.x);
    if (p.tokens <= 0) return;
    if (p.tail >= 0) {
        if (coded) un_tail_zero_codes(un_code_part(codes, p), 0, p);
        un_tail_zero(m.out + p.first * m.out_stride + p.head * UN_HEAD, m.out_stride, p);
        for (int i = p.tail * (UN_WARP * warps) + (int)threadIdx.x; i < p.tokens;
             i += UN_ATTENTION_TAIL * UN_WARP * warps)
            m.lse[(int64_t)(p.first + i) * call.heads + p.head] = 0.0f;
        return;
    }
    const int hidden = call.heads * UN_HEAD, bytes = un_padded(p.tokens) * UN_HEAD_BYTES;
    const un_bf16 *head = m.qkv + p.first * m.qkv_stride + p.head * UN_HEAD;
    const fwd_tiles t = {shared, shared + bytes, shared + 2 * bytes};
    un_tile_fill(t.keys, head + hidden, m.qkv_stride, p.tokens);
    un_tile_fill(t.values, head + 2 * hidden, m.qkv_stride, p.tokens);
    un_copy_commit();
    const int first = un_warp_index() * UN_STEP, apart = warps * UN_STEP;
    uint32_t query[4][4];
    un_fragment_load(query, head, m.qkv_stride, first, p.tokens);
    un_keep_draw(t.keep, call, p);
    un_copy_wait<0>();
    __syncthreads();
#pragma unroll 1
    for (int row = first; row < p.tokens;) {
        queries<coded>(m, query, t, row, call, p, codes, most);
        if ((row += apart) >= p.tokens) break;
        un_fragment_load(query, head, m.qkv_stride, row, p.tokens);
    }
}

/* 4 warps: four blocks a multiprocessor, so 128 registers; samples longer than UN_SHORT_TOKENS fill its
 * shared memory by themselves and get 8 warps. */
template <int warps>
__global__ void __launch_bounds__(UN_WARP *warps, warps == 4 ? 4 : 1)
    attention_fwd_kernel(fwd_matrices m, un_attention call) {
    attend<warps, false>(m, call, {}, NULL);
}
template <int warps>
__global__ void __launch_bounds__(UN_WARP *warps, warps == 4 ? 4 : 1)
    attention_fwd_coded(fwd_matrices m, un_attention call, un_code_sink sink) {
    __shared__ uint32_t most;
    if (threadIdx.x == 0) most = 0; /* before the barrier behind the tiles */
    attend<warps, true>(m, call, sink, &most);
    un_block_amax(sink.amax, &most);
}

template <int warps>
void launch(struct un_queue *q, const fwd_matrices &m, const un_attention &call, bool tail,
            const un_code_sink *codes) {
    const size_t bytes = un_attention_fwd_bytes(call.most);
    const unsigned grid = un_attention_blocks(call, tail);
    if (codes) {
        UN_SHARED_MOST(q, (attention_fwd_coded<warps>), bytes);
        UN_LAUNCH(q, (attention_fwd_coded<warps>), grid, UN_WARP * warps, bytes, m, call, *codes);
    } else {
        UN_SHARED_MOST(q, (attention_fwd_kernel<warps>), bytes);
        UN_LAUNCH(q, (attention_fwd_kernel<warps>), grid, UN_WARP * warps, bytes, m, call);
    }
}

} // namespace

void un_attention_fwd_mma(struct un_queue *q, struct un_mat out, const un_code_sink *codes, float *lse,
                          struct un_mat qkv, struct un_attention call) {
    const fwd_matrices m = {(un_bf16 *)out.data, lse, (const un_bf16 *)qkv.data, out.stride, qkv.stride};
    un_attention few = call, many = call;
    few.most = call.most < UN_SHORT_TOKENS ? call.most : UN_SHORT_TOKENS;
    many.least = UN_SHORT_TOKENS + 1;
    launch<4>(q, m, few, true, codes);
    if (call.most > UN_SHORT_TOKENS) launch<8>(q, m, many, false, codes);
}
