/* Backward attention of bf16 heads of 64 columns.
 *
 * A block has one head of one sample and goes over it twice with the same two tiles of shared memory (at 512
 * tokens 128 KiB, with the rest 165): first they hold queries and dout, each warp owns 16 keys at a time and sums dk and dv;
 * then keys and values, each warp owns 16 queries and sums dq. So every sum stays in the registers of one
 * warp, in the order of the tokens, without atomics; bits follow from the sample alone. Probabilities and
 * their gradients are made twice (seven products instead of five), the dropout bits once.
 *
 * The sums over the rows of dqkv (dbias) are taken of what was stored: of 16 rows as un_fragment_sum has it, the steps
 * of a warp in order, the warps in order; a sample's go to memory, 768 bytes a head, and are added over the samples
 * as sum_blocks in reduce.cu adds blocks. Samples of no tokens are zeros there.
 *
 * attention_bwd_fp8 (coded) writes the codes of dqkv as well, 3 H bytes a token.
 *
 * Bytes: reads 5 H, writes 3 H of bf16 a token, and A floats; the second reading of q, k, v, dout is from the
 * L2 cache, as a block comes back to them within microseconds. At H 768 and 16,896 tokens 208 MB: 48 us at
 * 4.3 TB/s. Products: 14 H tokens^2 a sample, 13 GFLOP for 300 samples of 56 padded to 64: 33 us at 400
 * TFLOP/s, beside the copies of other blocks. */
#include "runtime/cuda/attention_mma.cuh"

size_t un_attention_bwd_bytes(int tokens) {
    return (size_t)un_padded(tokens) *
           (2 * UN_HEAD_BYTES + 2 * sizeof(float) + (size_t)un_keep_stride(tokens));
}

namespace {

/* A block's shared memory. */
struct tiles {
    unsigned char *x, *y; /* queries and dout, then keys and values */
    float *lse, *delta;   /* a query: log2 of the sum of exp, +inf behind the sample; dout . out */
    unsigned char *keep;
    int keep_stride;
};

__device__ __forceinline__ tiles tiles_of(unsigned char *shared, int tokens) {
    const int padded = un_padded(tokens);
    tiles t;
    t.x = shared;
    t.y = t.x + padded * UN_HEAD_BYTES;
    t.lse = (float *)(t.y + padded * UN_HEAD_BYTES);
    t.delta = t.lse + padded;
    t.keep = (unsigned char *)(t.delta + padded);
    t.keep_stride = un_keep_stride(tokens);
    return t;
}

/* The head's rows of the operands, from the sample's first on. */
struct operands {
    const un_bf16 *query, *key, *value, *out, *dout;
    un_bf16 *dquery, *dkey, *dvalue;
    int64_t stride, out_stride, dout_stride, dstride;
    bool summed; /* column sums are wanted */
};

/* lse and delta of all queries; eight lanes a row. All threads. */
__device__ __forceinline__ void sum_rows(const tiles &t, const operands &o, const float *lse, int heads,
                                         int tokens) {
    const int lane = (int)threadIdx.x % UN_WARP, chunk = lane % UN_HEAD_CHUNKS;
    const int rows = UN_WARP / UN_HEAD_CHUNKS;
    for (int row0 = (int)threadIdx.x / UN_WARP * rows; row0 < un_padded(tokens);
         row0 += (int)blockDim.x / UN_WARP * rows) {
        const int row = row0 + lane / UN_HEAD_CHUNKS;
        float a[UN_VEC], b[UN_VEC], sum = 0.0f;
        const int n = row < tokens ? UN_VEC : 0;
        un_load8(a, o.out + row * o.out_stride + chunk * UN_VEC, n, true);
        un_load8(b, o.dout + row * o.dout_stride + chunk * UN_VEC, n, true);
#pragma unroll
        for (int i = 0; i < UN_VEC; ++i) sum += a[i] * b[i];
#pragma unroll
        for (int bit = 1; bit < UN_HEAD_CHUNKS; bit *= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, bit);
        if (chunk == 0) {
            t.delta[row] = sum;
            t.lse[row] = row < tokens ? lse[row * heads] * UN_LOG2E : INFINITY;
        }
    }
}

/* Of one score (without its scale) and its gradient: the probability times 0 or 1, and the gradient of the
 * score. */
__device__ __forceinline__ void slope(float &s, float &g, float lse, float delta, bool keep, float scale) {
    const float p = un_exp2(s * (UN_SCORE_SCALE * UN_LOG2E) - lse);
    g = p * ((keep ? scale : 0.0f) * g - delta);
    s = keep ? p : 0.0f;
}

/* Column sums of the rows a warp has made, this lane's two columns of each matrix. */
struct sums {
    float query[2], key[2], value[2];
};

/* What the codes of a block go through; hidden: columns from dquery to dkey. */
struct coding {
    un_code_sink sink;
    int hidden;
    uint32_t *most; /* shared memory */
};

/* Stores 16 rows of a gradient and adds them to `to`; coded: and their codes, in the third of the columns. */
template <bool coded>
__device__ __forceinline__ void put_rows(un_bf16 *to_rows, float to[2], int64_t stride, int row, int tokens,
                                         const float sum[8][4], float by, bool summed, coding &c, int third) {
    const float factor[2] = {by, by};
    const un_fragment f = un_fragment_of(sum, factor);
    un_fragment_store(to_rows, stride, row, tokens, f);
    if (coded) un_fragment_code(c.most, c.sink, third * c.hidden, row, tokens, f);
    if (summed) un_fragment_sum(to, f, row, tokens);
}

/* dk and dv of keys [row, row + 16), whose fragments are key and value. Scores stand as keys x queries, so
 * that they are left operands as they come. Queries behind the sample have probability 0 by their lse; keys
 * behind it have rows that nobody stores. */
template <bool coded>
__device__ __forceinline__ void own_keys(sums &to, const tiles &t, const operands &o,
                                         const uint32_t key[4][4], const uint32_t value[4][4], int row,
                                         int tokens, float scale, coding &c) {
    const int lane = (int)threadIdx.x % UN_WARP, g = lane / 4, q = lane % 4;
    float dkey[8][4] = {}, dvalue[8][4] = {};
    for (int u = 0; u < tokens; u += UN_STEP) {
        float s[2][4], ds[2][4];
        uint32_t left[4];
        un_tile_scores(s, key, t.x, u);
        un_tile_scores(ds, value, t.y, u);
#pragma unroll
        for (int j = 0; j < 2; ++j) {
            const int column = u + 8 * j + 2 * q;
            const float2 lse = *(const float2 *)(t.lse + column), delta = *(const float2 *)(t.delta + column);
            const unsigned char *keep = t.keep + column * t.keep_stride + row / 8;
            const uint32_t left_bits = *(const uint16_t *)keep >> g,
                           right_bits = *(const uint16_t *)(keep + t.keep_stride) >> g;
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const uint32_t bit = 1u << 8 * half;
                slope(s[j][2 * half], ds[j][2 * half], lse.x, delta.x, left_bits & bit, scale);
                slope(s[j][2 * half + 1], ds[j][2 * half + 1], lse.y, delta.y, right_bits & bit, scale);
            }
        }
        un_fragment_left(left, s);
        un_tile_mix(dvalue, left, t.y, u);
        un_fragment_left(left, ds);
        un_tile_mix(dkey, left, t.x, u);
    }
    put_rows<coded>(o.dkey, to.key, o.dstride, row, tokens, dkey, UN_SCORE_SCALE, o.summed, c, 1);
    put_rows<coded>(o.dvalue, to.value, o.dstride, row, tokens, dvalue, scale, o.summed, c, 2);
}

/* dq of queries [row, row + 16), whose fragments are query and dout. */
template <bool coded>
__device__ __forceinline__ void own_queries(sums &to, const tiles &t, const operands &o,
                                            const uint32_t query[4][4], const uint32_t dout[4][4], int row,
                                            int tokens, float scale, coding &c) {
    const int lane = (int)threadIdx.x % UN_WARP, g = lane / 4, q = lane % 4;
    float dquery[8][4] = {};
    const float lse[2] = {t.lse[row + g], t.lse[row + g + 8]};
    const float delta[2] = {t.delta[row + g], t.delta[row + g + 8]};
    const unsigned char *keep = t.keep + (row + g) * t.keep_stride;
    for (int u = 0; u < tokens; u += UN_STEP) {
        float s[2][4], ds[2][4];
        uint32_t left[4];
        un_tile_scores(s, query, t.x, u);
        un_tile_scores(ds, dout, t.y, u);
        if (u + UN_STEP > tokens)
#pragma unroll
            for (int i = 0; i < 8; ++i)
                if (u + i / 4 * 8 + 2 * q + i % 2 >= tokens) s[i / 4][i % 4] = -INFINITY;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const uint32_t bits =
                (uint32_t) * (const uint16_t *)(keep + 8 * half * t.keep_stride + u / 8) >> 2 * q;
#pragma unroll
            for (int j = 0; j < 2; ++j)
#pragma unroll
                for (int e = 0; e < 2; ++e)
                    slope(s[j][2 * half + e], ds[j][2 * half + e], lse[half], delta[half],
                          bits & (1u << (8 * j + e)), scale);
        }
        un_fragment_left(left, ds);
        un_tile_mix(dquery, left, t.x, u);
    }
    put_rows<coded>(o.dquery, to.query, o.dstride, row, tokens, dquery, UN_SCORE_SCALE, o.summed, c, 0);
}

/* What the kernel takes besides the call. */
struct matrices {
    un_bf16 *dqkv;
    const un_bf16 *dout, *out, *qkv;
    int64_t dqkv_stride, dout_stride, out_stride, qkv_stride;
    float *partial; /* [samples, 3H] or NULL */
};

__device__ __forceinline__ operands operands_of(const matrices &m, const un_attention &c,
                                                const un_attention_part &p) {
    const int hidden = c.heads * UN_HEAD, column = p.head * UN_HEAD;
    operands o;
    o.query = m.qkv + p.first * m.qkv_stride + column;
    o.key = o.query + hidden;
    o.value = o.key + hidden;
    o.out = m.out + p.first * m.out_stride + column;
    o.dout = m.dout + p.first * m.dout_stride + column;
    o.dquery = m.dqkv + p.first * m.dqkv_stride + column;
    o.dkey = o.dquery + hidden;
    o.dvalue = o.dkey + hidden;
    o.stride = m.qkv_stride;
    o.out_stride = m.out_stride;
    o.dout_stride = m.dout_stride;
    o.dstride = m.dqkv_stride;
    o.summed = m.partial;
    return o;
}

enum { SUMS = 3 * UN_HEAD }; /* of a sample and head */

__device__ __forceinline__ void put_sum(const matrices &m, const un_attention &c, const un_attention_part &p,
                                        int i, float sum) {
    float *to = m.partial + ((int64_t)p.sample * 3 * c.heads + p.head) * UN_HEAD;
    to[i / UN_HEAD * c.heads * UN_HEAD + i % UN_HEAD] = sum;
}

/* The warps' sums, in order, become those of the sample; `shared` holds them meanwhile, the tiles are used up. All
 * threads. */
template <int warps>
__device__ __forceinline__ void put_sums(const matrices &m, const un_attention &c, const un_attention_part &p,
                                         const sums &own, unsigned char *shared) {
    float *part = (float *)shared;
    const int lane = (int)threadIdx.x % UN_WARP;
    float2 *mine = (float2 *)(part + (int)threadIdx.x / UN_WARP * SUMS) + lane;
    __syncthreads();
    mine[0] = make_float2(own.query[0], own.query[1]);
    mine[UN_WARP] = make_float2(own.key[0], own.key[1]);
    mine[2 * UN_WARP] = make_float2(own.value[0], own.value[1]);
    __syncthreads();
    for (int i = (int)threadIdx.x; i < SUMS; i += UN_WARP * warps) {
        float sum = part[i];
#pragma unroll
        for (int w = 1; w < warps; ++w) sum += part[w * SUMS + i];
        put_sum(m, c, p, i, sum);
    }
}

template <int warps, bool coded>
__device__ __forceinline__ void attend(const matrices &m, const float *lse, const un_attention &call,
                                       coding &c) {
    UN_DYNAMIC_SHARED(shared);
    const un_attention_part p = un_attention_part_of(call, (int)blockIdx.x);
    sums own = {};
    if (p.tokens <= 0) { /* of a sample without tokens, or one of the other launch, which is the later one */
        if (m.partial && p.tail < 0 && call.least == 1)
            for (int i = (int)threadIdx.x; i < SUMS; i += UN_WARP * warps) put_sum(m, call, p, i, 0.0f);
        return;
    }
    const operands o = operands_of(m, call, p);
    if (coded) c.sink = un_code_part(c.sink, p), c.hidden = call.heads * UN_HEAD;
    if (p.tail >= 0) {
        for (int third = 0; coded && third < 3; ++third) un_tail_zero_codes(c.sink, third * c.hidden, p);
        un_tail_zero(o.dquery, o.dstride, p);
        un_tail_zero(o.dkey, o.dstride, p);
        un_tail_zero(o.dvalue, o.dstride, p);
        return;
    }
    const tiles t = tiles_of(shared, p.tokens);
    const float scale = call.drop.scale;
    const int first = un_warp_index() * UN_STEP, apart = warps * UN_STEP;
    uint32_t a[4][4], b[4][4];
    un_tile_fill(t.x, o.query, o.stride, p.tokens);
    un_tile_fill(t.y, o.dout, o.dout_stride, p.tokens);
    un_copy_commit();
    un_fragment_load(a, o.key, o.stride, first, p.tokens);
    un_fragment_load(b, o.value, o.stride, first, p.tokens);
    sum_rows(t, o, lse + (int64_t)p.first * call.heads + p.head, call.heads, p.tokens);
    un_keep_draw(t.keep, call, p);
    un_copy_wait<0>();
    __syncthreads();
#pragma unroll 1
    for (int row = first; row < p.tokens;) {
        own_keys<coded>(own, t, o, a, b, row, p.tokens, scale, c);
        if ((row += apart) >= p.tokens) break;
        un_fragment_load(a, o.key, o.stride, row, p.tokens);
        un_fragment_load(b, o.value, o.stride, row, p.tokens);
    }
    __syncthreads();
    un_tile_fill(t.x, o.key, o.stride, p.tokens);
    un_tile_fill(t.y, o.value, o.stride, p.tokens);
    un_copy_commit();
    un_fragment_load(a, o.query, o.stride, first, p.tokens);
    un_fragment_load(b, o.dout, o.dout_stride, first, p.tokens);
    un_copy_wait<0>();
    __syncthreads();
#pragma unroll 1
    for (int row = first; row < p.tokens;) {
        own_queries<coded>(own, t, o, a, b, row, p.tokens, scale, c);
        if ((row += apart) >= p.tokens) break;
        un_fragment_load(a, o.query, o.stride, row, p.tokens);
        un_fragment_load(b, o.dout, o.dout_stride, row, p.tokens);
    }
    if (m.partial) put_sums<warps>(m, call, p, own, shared);
}

/* 4 warps: three blocks a multiprocessor, so 168 registers; long samples as in the forward. */
template <int warps>
__global__ void __launch_bounds__(UN_WARP *warps, warps == 4 ? 3 : 1)
    attention_bwd_kernel(matrices m, const float *lse, un_attention call) {
    coding none = {};
    attend<warps, false>(m, lse, call, none);
}
template <int warps>
__global__ void __launch_bounds__(UN_WARP *warps, warps == 4 ? 3 : 1)
    attention_bwd_coded(matrices m, const float *lse, un_attention call, un_code_sink sink) {
    __shared__ uint32_t most;
    if (threadIdx.x == 0) most = 0; /* before the barrier behind the tiles */
    coding c = {sink, 0, &most};
    attend<warps, true>(m, lse, call, c);
    un_block_amax(sink.amax, &most);
}

template <int warps>
void launch(struct un_queue *q, const matrices &m, const float *lse, const un_attention &call, bool tail,
            const un_code_sink *codes) {
    const size_t bytes = un_attention_bwd_bytes(call.most);
    const unsigned grid = un_attention_blocks(call, tail);
    if (codes) {
        UN_SHARED_MOST(q, (attention_bwd_coded<warps>), bytes);
        UN_LAUNCH(q, (attention_bwd_coded<warps>), grid, UN_WARP * warps, bytes, m, lse, call, *codes);
    } else {
        UN_SHARED_MOST(q, (attention_bwd_kernel<warps>), bytes);
        UN_LAUNCH(q, (attention_bwd_kernel<warps>), grid, UN_WARP * warps, bytes, m, lse, call);
    }
}

} // namespace

void un_attention_bwd_mma(struct un_queue *q, struct un_mat dqkv, const un_code_sink *codes, float *partial,
                          struct un_mat dout, struct un_mat out, const float *lse, struct un_mat qkv,
                          struct un_attention call) {
    const matrices m = {(un_bf16 *)dqkv.data,
                        (const un_bf16 *)dout.data,
                        (const un_bf16 *)out.data,
                        (const un_bf16 *)qkv.data,
                        dqkv.stride,
                        dout.stride,
                        out.stride,
                        qkv.stride,
                        partial};
    un_attention few = call, many = call;
    few.most = call.most < UN_SHORT_TOKENS ? call.most : UN_SHORT_TOKENS;
    many.least = UN_SHORT_TOKENS + 1;
    launch<4>(q, m, lse, few, true, codes);
    if (call.most > UN_SHORT_TOKENS) launch<8>(q, m, lse, many, false, codes);
}
