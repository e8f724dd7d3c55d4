/* What the plain kernels of attention share: a block's rows against all of the other side's.
 *
 * A block owns 16 rows of one head of one sample: queries, or in the backward keys (then it sums dk and dv). Their scores
 * against all rows of the other side lie in shared memory, 16 x n; products go through tiles of 64 rows, each thread
 * summing 2 x 4 results in the order of the columns or the tokens. */
#ifndef UN_RUNTIME_CUDA_ATTENTION_PLAIN_CUH
#define UN_RUNTIME_CUDA_ATTENTION_PLAIN_CUH

#include "runtime/cuda/attention.cuh"

#include <math.h>

namespace {

enum {
    THREADS = 128,
    WARPS = THREADS / UN_WARP,
    OWN = 16,  /* rows of a block */
    WIDE = 64, /* rows or columns of a product done at once */
    DEEP = 32, /* terms of a product's sums in shared memory at once */
    PITCH = DEEP + 1
};

/* Tile of the operand that all rows of a product share, and of the block's own rows. */
struct room {
    float *other, *own;   /* [WIDE * PITCH] or [DEEP, WIDE]; [OWN * PITCH] */
    float *score, *slope; /* [OWN, pitch] */
    float *lse, *delta;   /* [pitch] backward, of the queries */
    int pitch;            /* tokens rounded up to WIDE */
};

__host__ __device__ __forceinline__ int pitch_of(int tokens) {
    return (tokens + WIDE - 1) / WIDE * WIDE;
}
__host__ __device__ __forceinline__ size_t room_bytes(int tokens, bool backward) {
    const int lines = backward ? 2 * OWN + 2 : OWN;
    return ((WIDE + OWN) * PITCH + (size_t)lines * pitch_of(tokens)) * sizeof(float);
}
__device__ __forceinline__ room room_of(unsigned char *shared, int tokens) {
    room r;
    r.pitch = pitch_of(tokens);
    r.other = (float *)shared;
    r.own = r.other + WIDE * PITCH;
    r.score = r.own + OWN * PITCH;
    r.slope = r.score + OWN * r.pitch;
    r.lse = r.slope + OWN * r.pitch;
    r.delta = r.lse + r.pitch;
    return r;
}

/* A head's rows from the sample's first on. */
template <class T> struct head {
    T *at;
    int64_t stride;
};
template <class T>
__device__ __forceinline__ head<T> head_of(T *data, int64_t stride, const un_attention_part &p, int width,
                                           int column) {
    return {data + p.first * stride + column + p.head * width, stride};
}

/* to[16, pitch] = x y^T: the block's own rows [first, first + 16) of the `rows` of x, all `tokens` rows of y. All
 * threads; `to` is complete after the next barrier. */
template <class T>
__device__ void product_scores(float *to, const room &r, head<const T> x, int first, int rows,
                               head<const T> y, int tokens, int width) {
    const int across = (int)threadIdx.x % 16, down = (int)threadIdx.x / 16 * 2;
    for (int u = 0; u < r.pitch; u += WIDE) {
        float sum[2][4] = {};
        for (int d = 0; d < width; d += DEEP) {
            __syncthreads();
            for (int i = (int)threadIdx.x; i < WIDE * DEEP; i += THREADS) {
                const int row = i / DEEP, k = i % DEEP;
                const bool there = u + row < tokens && d + k < width;
                r.other[row * PITCH + k] = there ? un_load(y.at + (u + row) * y.stride + d + k) : 0.0f;
            }
            for (int i = (int)threadIdx.x; i < OWN * DEEP; i += THREADS) {
                const int row = i / DEEP, k = i % DEEP;
                const bool there = first + row < rows && d + k < width;
                r.own[row * PITCH + k] = there ? un_load(x.at + (first + row) * x.stride + d + k) : 0.0f;
            }
            __syncthreads();
#pragma unroll 8
            for (int k = 0; k < DEEP; ++k)
#pragma unroll
                for (int i = 0; i < 8; ++i)
                    sum[i / 4][i % 4] +=
                        r.own[(down + i / 4) * PITCH + k] * r.other[(across + 16 * (i % 4)) * PITCH + k];
        }
#pragma unroll
        for (int i = 0; i < 8; ++i)
            to[(down + i / 4) * r.pitch + u + across + 16 * (i % 4)] = sum[i / 4][i % 4];
    }
}

/* Rows [first, first + 16) of the `rows` of x = weight y; weight [16, pitch], 0 from `tokens` on. All threads. */
template <class T>
__device__ void product_mix(head<T> x, int first, int rows, const float *weight, const room &r,
                            head<const T> y, int tokens, int width) {
    const int across = (int)threadIdx.x % 16, down = (int)threadIdx.x / 16 * 2;
    for (int d = 0; d < width; d += WIDE) {
        float sum[2][4] = {};
        for (int u = 0; u < tokens; u += DEEP) {
            __syncthreads();
            for (int i = (int)threadIdx.x; i < WIDE * DEEP; i += THREADS) {
                const int row = i / WIDE, k = i % WIDE;
                const bool there = u + row < tokens && d + k < width;
                r.other[i] = there ? un_load(y.at + (u + row) * y.stride + d + k) : 0.0f;
            }
            __syncthreads();
#pragma unroll 8
            for (int k = 0; k < DEEP; ++k)
#pragma unroll
                for (int i = 0; i < 8; ++i)
                    sum[i / 4][i % 4] +=
                        weight[(down + i / 4) * r.pitch + u + k] * r.other[k * WIDE + across + 16 * (i % 4)];
        }
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const int row = first + down + i / 4, column = d + across + 16 * (i % 4);
            if (row < rows && column < width) un_store(x.at + row * x.stride + column, sum[i / 4][i % 4]);
        }
    }
}

/* Rows behind the last sample = 0 in `width` columns. */
template <class T>
__device__ __forceinline__ void tail_zero(head<T> h, int width, const un_attention_part &p) {
    for (int64_t row = p.tail; row < p.tokens; row += UN_ATTENTION_TAIL)
        for (int d = (int)threadIdx.x; d < width; d += THREADS) un_store(h.at + row * h.stride + d, 0.0f);
}

__device__ __forceinline__ void tail_zero_lse(float *lse, int heads, const un_attention_part &p) {
    for (int64_t i = p.tail * THREADS + (int)threadIdx.x; i < p.tokens; i += UN_ATTENTION_TAIL * THREADS)
        lse[i * heads] = 0.0f;
}

/* Products q.k of one query with `tokens` keys become dropout(softmax), zeros behind them; first: dropout group of the
 * first eight. Returns log sum exp. One warp. */
__device__ float softmax_row(float *s, int pitch, int tokens, float scale, const un_dropout &drop,
                             uint32_t first) {
    const int lane = (int)threadIdx.x % UN_WARP;
    float top = -INFINITY, sum = 0.0f;
    for (int u = lane; u < tokens; u += UN_WARP) top = fmaxf(top, s[u] *= scale);
    top = un_warp_max(top);
    for (int u = lane; u < pitch; u += UN_WARP) sum += s[u] = u < tokens ? expf(s[u] - top) : 0.0f;
    sum = un_warp_sum(sum);
    const float factor = 1.0f / sum;
    __syncwarp();
    for (int g = lane; g < pitch / UN_VEC; g += UN_WARP) {
        float f[UN_VEC];
        un_dropout8(f, drop, first + (uint32_t)g);
        for (int i = 0; i < UN_VEC; ++i) s[g * UN_VEC + i] *= f[i] * factor;
    }
    return top + logf(sum);
}

/* lse and delta = dout . out of `rows` queries; a warp a row. All threads. */
template <class T>
__device__ void sum_rows(const room &r, head<const T> out, head<const T> dout, const float *lse, int heads,
                         int rows, int width) {
    const int lane = (int)threadIdx.x % UN_WARP;
    for (int u = (int)threadIdx.x / UN_WARP; u < rows; u += WARPS) {
        float sum = 0.0f;
        for (int d = lane; d < width; d += UN_WARP)
            sum += un_load(out.at + u * out.stride + d) * un_load(dout.at + u * dout.stride + d);
        sum = un_warp_sum(sum);
        if (lane == 0) r.delta[u] = sum, r.lse[u] = lse[u * heads];
    }
}

/* Products q.k and dout.v of eight keys and one query, `step` floats apart, become the dropped probabilities
 * and the gradients of the products. */
__device__ __forceinline__ void slopes(float *s, float *g, int step, float lse, float delta, float scale,
                                       const un_dropout &drop, uint32_t group, int keys) {
    float f[UN_VEC];
    un_dropout8(f, drop, group);
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) {
        const float p = i < keys ? expf(s[i * step] * scale - lse) : 0.0f;
        g[i * step] = i < keys ? p * (f[i] * g[i * step] - delta) * scale : 0.0f;
        s[i * step] = p * f[i];
    }
}

} // namespace

#endif
