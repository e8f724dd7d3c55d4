/* Attention of any type, head width and alignment: f32 arithmetic, element by element.
 *
 * A block owns 16 rows of one head of one sample: queries, in the backward also keys (then it sums dk and
 * dv). Their scores against all tokens of the sample lie in shared memory, 16 x n; products go through tiles
 * of 64 rows, each thread summing 2 x 4 results in the order of the columns or the tokens. Used for
 * train.precision fp32 and small networks: it aims at a tenth of the card's f32 rate, not more. */
#include "runtime/cuda/attention.cuh"

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

/* to[16, pitch] = x y^T: the block's own rows [first, first + 16) of x, all `tokens` rows of y. All threads;
 * `to` is complete after the next barrier. */
template <class T>
__device__ void product_scores(float *to, const room &r, head<const T> x, int first, head<const T> y,
                               int tokens, int width) {
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
                const bool there = first + row < tokens && d + k < width;
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

/* Rows [first, first + 16) of x = weight y; weight [16, pitch], 0 from `tokens` on. All threads. */
template <class T>
__device__ void product_mix(head<T> x, int first, const float *weight, const room &r, head<const T> y,
                            int tokens, int width) {
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
            if (row < tokens && column < width) un_store(x.at + row * x.stride + column, sum[i / 4][i % 4]);
        }
    }
}

/* Rows behind the last sample = 0 in `width` columns. */
template <class T>
__device__ __forceinline__ void tail_zero(head<T> h, int width, const un_attention_part &p) {
    for (int64_t row = p.tail; row < p.tokens; row += UN_ATTENTION_TAIL)
        for (int d = (int)threadIdx.x; d < width; d += THREADS) un_store(h.at + row * h.stride + d, 0.0f);
}

/* Row of products q.k of query `row` becomes dropout(softmax), zeros behind the sample; returns log sum exp.
 * One warp. */
__device__ float softmax_row(float *s, int pitch, float scale, int row, const un_attention &c,
                             const un_attention_part &p) {
    const int lane = (int)threadIdx.x % UN_WARP;
    const uint32_t first = un_attention_group(c, p.first + row, p.head);
    float top = -INFINITY, sum = 0.0f;
    for (int u = lane; u < p.tokens; u += UN_WARP) top = fmaxf(top, s[u] *= scale);
    top = un_warp_max(top);
    for (int u = lane; u < pitch; u += UN_WARP) sum += s[u] = u < p.tokens ? expf(s[u] - top) : 0.0f;
    sum = un_warp_sum(sum);
    const float factor = 1.0f / sum;
    __syncwarp();
    for (int g = lane; g < pitch / UN_VEC; g += UN_WARP) {
        float f[UN_VEC];
        un_dropout8(f, c.drop, first + (uint32_t)g);
        for (int i = 0; i < UN_VEC; ++i) s[g * UN_VEC + i] *= f[i] * factor;
    }
    return top + logf(sum);
}

template <class T>
__global__ void __launch_bounds__(THREADS)
    attention_fwd_plain_kernel(T *out, int64_t out_stride, float *lse, const T *qkv, int64_t stride,
                               int width, float scale, un_attention call) {
    UN_DYNAMIC_SHARED(shared);
    const un_attention_part p = un_attention_part_of(call, (int)blockIdx.x);
    const int own = (int)blockIdx.y * OWN, hidden = call.heads * width;
    const head<T> to = head_of(out, out_stride, p, width, 0);
    lse += (int64_t)p.first * call.heads + p.head;
    if (p.tail >= 0) {
        if (own > 0) return;
        tail_zero(to, width, p);
        for (int64_t i = p.tail * THREADS + (int)threadIdx.x; i < p.tokens; i += UN_ATTENTION_TAIL * THREADS)
            lse[i * call.heads] = 0.0f;
        return;
    }
    if (own >= p.tokens) return;
    const room r = room_of(shared, p.tokens);
    const head<const T> query = head_of(qkv, stride, p, width, 0),
                        key = head_of(qkv, stride, p, width, hidden),
                        value = head_of(qkv, stride, p, width, 2 * hidden);
    product_scores(r.score, r, query, own, key, p.tokens, width);
    __syncthreads();
    for (int i = (int)threadIdx.x / UN_WARP; i < OWN && own + i < p.tokens; i += WARPS) {
        const float sum = softmax_row(r.score + i * r.pitch, r.pitch, scale, own + i, call, p);
        if (threadIdx.x % UN_WARP == 0) lse[(own + i) * call.heads] = sum;
    }
    product_mix(to, own, r.score, r, value, p.tokens, width);
}

/* lse and delta = dout . out of all queries; a warp a row. All threads. */
template <class T>
__device__ void sum_rows(const room &r, head<const T> out, head<const T> dout, const float *lse, int heads,
                         int tokens, int width) {
    const int lane = (int)threadIdx.x % UN_WARP;
    for (int u = (int)threadIdx.x / UN_WARP; u < tokens; u += WARPS) {
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

/* What the backward takes besides the call. */
template <class T> struct plain_matrices {
    T *dqkv;
    const T *dout, *out, *qkv;
    int64_t dqkv_stride, dout_stride, out_stride, qkv_stride;
};

/* blockIdx.z 0: dq of 16 queries; 1: dk and dv of 16 keys. */
template <class T>
__global__ void __launch_bounds__(THREADS)
    attention_bwd_plain_kernel(plain_matrices<T> m, const float *lse, int width, float scale,
                               un_attention call) {
    UN_DYNAMIC_SHARED(shared);
    const un_attention_part p = un_attention_part_of(call, (int)blockIdx.x);
    const int own = (int)blockIdx.y * OWN, hidden = call.heads * width;
    const head<T> to = head_of(m.dqkv, m.dqkv_stride, p, width, 0);
    if (p.tail >= 0) {
        if (own > 0 || blockIdx.z > 0) return;
        for (int third = 0; third < 3; ++third)
            tail_zero(head<T>{to.at + third * hidden, to.stride}, width, p);
        return;
    }
    if (own >= p.tokens) return;
    const room r = room_of(shared, p.tokens);
    const head<const T> query = head_of(m.qkv, m.qkv_stride, p, width, 0),
                        key = head_of(m.qkv, m.qkv_stride, p, width, hidden),
                        value = head_of(m.qkv, m.qkv_stride, p, width, 2 * hidden),
                        dout = head_of(m.dout, m.dout_stride, p, width, 0);
    sum_rows(r, head_of(m.out, m.out_stride, p, width, 0), dout, lse + (int64_t)p.first * call.heads + p.head,
             call.heads, p.tokens, width);
    if (blockIdx.z == 0) {
        product_scores(r.score, r, query, own, key, p.tokens, width);
        product_scores(r.slope, r, dout, own, value, p.tokens, width);
        __syncthreads();
        for (int i = (int)threadIdx.x; i < OWN * r.pitch / UN_VEC; i += THREADS) {
            const int row = i % OWN, u = i / OWN * UN_VEC, at = row * r.pitch + u;
            const bool there = own + row < p.tokens;
            slopes(r.score + at, r.slope + at, 1, there ? r.lse[own + row] : 0.0f,
                   there ? r.delta[own + row] : 0.0f, scale, call.drop,
                   un_attention_group(call, p.first + own + row, p.head) + (uint32_t)(u / UN_VEC),
                   there ? p.tokens - u : 0);
        }
        product_mix(to, own, r.slope, r, key, p.tokens, width);
    } else {
        product_scores(r.score, r, key, own, query, p.tokens, width);
        product_scores(r.slope, r, value, own, dout, p.tokens, width);
        __syncthreads();
        for (int i = (int)threadIdx.x; i < OWN * r.pitch / UN_VEC; i += THREADS) {
            const int u = i % r.pitch, row = i / r.pitch * UN_VEC, at = row * r.pitch + u;
            const bool there = u < p.tokens;
            slopes(r.score + at, r.slope + at, r.pitch, there ? r.lse[u] : 0.0f, there ? r.delta[u] : 0.0f,
                   scale, call.drop,
                   un_attention_group(call, p.first + u, p.head) + (uint32_t)((own + row) / UN_VEC),
                   there ? p.tokens - own - row : 0);
        }
        product_mix(head<T>{to.at + hidden, to.stride}, own, r.slope, r, query, p.tokens, width);
        product_mix(head<T>{to.at + 2 * hidden, to.stride}, own, r.score, r, dout, p.tokens, width);
    }
}

dim3 grid_of(const un_attention &call, unsigned z) {
    return dim3(un_attention_blocks(call, true), call.most > OWN ? un_blocks(call.most, OWN) : 1, z);
}

template <class T>
void launch_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                const un_attention &call) {
    const int width = (int)(out.cols / call.heads);
    const size_t bytes = room_bytes(call.most, false);
    UN_SHARED_MOST(q, attention_fwd_plain_kernel<T>, bytes);
    UN_LAUNCH(q, attention_fwd_plain_kernel<T>, grid_of(call, 1), THREADS, bytes, (T *)out.data, out.stride,
              lse, (const T *)qkv.data, qkv.stride, width, 1.0f / sqrtf((float)width), call);
}

template <class T>
void launch_bwd(struct un_queue *q, struct un_mat dqkv, struct un_mat dout, struct un_mat out,
                const float *lse, struct un_mat qkv, const un_attention &call) {
    const int width = (int)(out.cols / call.heads);
    const size_t bytes = room_bytes(call.most, true);
    const plain_matrices<T> m = {
        (T *)dqkv.data, (const T *)dout.data, (const T *)out.data, (const T *)qkv.data,
        dqkv.stride,    dout.stride,          out.stride,          qkv.stride};
    UN_SHARED_MOST(q, attention_bwd_plain_kernel<T>, bytes);
    UN_LAUNCH(q, attention_bwd_plain_kernel<T>, grid_of(call, 2), THREADS, bytes, m, lse, width,
              1.0f / sqrtf((float)width), call);
}

} // namespace

void un_attention_fwd_plain(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                            struct un_attention call) {
    UN_BY_FLOAT(out.type, T, launch_fwd<T>(q, out, lse, qkv, call), (void)0);
}

void un_attention_bwd_plain(struct un_queue *q, struct un_mat dqkv, struct un_mat dout, struct un_mat out,
                            const float *lse, struct un_mat qkv, struct un_attention call) {
    UN_BY_FLOAT(out.type, T, launch_bwd<T>(q, dqkv, dout, out, lse, qkv, call), (void)0);
}
