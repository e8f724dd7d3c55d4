/* The tokens of each sample averaged with weights. A block owns one sample: forward, all of its tokens and a strip of
 * 1,024 columns, eight of them a thread; backward, a warp a token. Behind the samples' blocks, TAIL blocks zero the rows
 * of no sample.
 *
 * Law: a column's sum goes through the tokens in order; sums over columns or scores are a lane's share in order, then a
 * butterfly. Bytes of an element in bf16: 2 forward; 2 read and 2 written backward, and as much again of dout from L2. */
#include "runtime/cuda/kernel.cuh"

#include <math.h>

namespace {

enum {
    THREADS = 128,
    WARPS = THREADS / UN_WARP,
    STRIP = THREADS * UN_VEC, /* columns of a block of the forward */
    STEP = UN_WARP * UN_VEC,  /* of a warp at once */
    TAIL = 8,
    AHEAD = 4 /* tokens whose reads are under way together */
};

struct pool {
    const int32_t *start;
    int64_t samples, rows, cols; /* rows of x */
    un_dropout drop;
    bool wide;
};

/* A sample's tokens; behind the samples, the rows that are this tail block's: first, first + TAIL, .. */
struct part {
    int64_t sample, first, tokens;
    int tail; /* -1: a sample */
};
__device__ __forceinline__ part part_of(const pool &p) {
    part a = {(int64_t)blockIdx.x, 0, 0, -1};
    if (a.sample < p.samples) {
        a.first = p.start[a.sample];
        a.tokens = p.start[a.sample + 1] - a.first;
    } else {
        a.tail = (int)(a.sample - p.samples);
        a.first = (p.samples > 0 ? p.start[p.samples] : 0) + a.tail;
    }
    return a;
}

__device__ __forceinline__ float factor_of(const pool &p, int64_t token) {
    return p.drop.threshold ? un_dropout_factor(&p.drop, (uint32_t)token) : 1.0f;
}

/* Rows [from, rows), each step-th, of a matrix = 0. All threads. */
template <class T>
__device__ __forceinline__ void zero_rows(T *m, int64_t stride, int64_t from, int64_t rows, int64_t step,
                                          int64_t cols) {
    for (int64_t row = from; row < rows; row += step)
        for (int64_t j = threadIdx.x; j < cols; j += THREADS) un_store(m + row * stride + j, 0.0f);
}
__device__ __forceinline__ void zero_tail(float *x, int64_t from, int64_t rows) {
    for (int64_t i = from + (int64_t)threadIdx.x * TAIL; i < rows; i += TAIL * THREADS) x[i] = 0.0f;
}

/* weight[t] = softmax of the sample's scores. Every warp sums all of them, so that none waits for another; a thread
 * writes each THREADS-th. */
__device__ __forceinline__ void softmax(float *weight, const float *score, int tokens) {
    const int lane = (int)threadIdx.x % UN_WARP;
    float most = -INFINITY, sum = 0.0f;
    for (int t = lane; t < tokens; t += UN_WARP) most = fmaxf(most, score[t]);
    most = un_warp_max(most);
    for (int t = lane; t < tokens; t += UN_WARP) sum += expf(score[t] - most);
    sum = un_warp_sum(sum);
    for (int t = (int)threadIdx.x; t < tokens; t += THREADS) weight[t] = expf(score[t] - most) / sum;
}

template <class T>
__global__ void __launch_bounds__(THREADS)
    attention_pool_fwd(T *out, int64_t out_stride, int64_t out_rows, float *weight, const T *x,
                       int64_t x_stride, const float *score, const pool p) {
    __shared__ float dropped[UN_MAX_SAMPLE_TOKENS];
    const part a = part_of(p);
    const int64_t col = (int64_t)blockIdx.y * STRIP + threadIdx.x * UN_VEC;
    if (a.tail >= 0) {
        if (blockIdx.y > 0) return;
        zero_rows(out, out_stride, p.samples + a.tail, out_rows, TAIL, p.cols);
        zero_tail(weight, a.first, p.rows);
        return;
    }
    const int tokens = (int)a.tokens;
    softmax(dropped, score + a.first, tokens);
    for (int t = (int)threadIdx.x; t < tokens; t += THREADS) {
        if (blockIdx.y == 0) weight[a.first + t] = dropped[t];
        dropped[t] *= factor_of(p, a.first + t);
    }
    __syncthreads();
    if (col >= p.cols) return;
    const T *from = x + a.first * x_stride + col;
    float sum[UN_VEC] = {};
    for (int t = 0; t < tokens; t += AHEAD) {
        float v[AHEAD][UN_VEC];
#pragma unroll
        for (int k = 0; k < AHEAD; ++k)
            un_load8(v[k], from + (t + k) * x_stride, t + k < tokens ? p.cols - col : 0, p.wide);
#pragma unroll
        for (int k = 0; k < AHEAD; ++k) {
            const float w = t + k < tokens ? dropped[t + k] : 0.0f;
#pragma unroll
            for (int i = 0; i < UN_VEC; ++i)
                if (t + k < tokens) sum[i] += w * v[k][i];
        }
    }
    un_store8(out + a.sample * out_stride + col, sum, p.cols - col, p.wide);
}

/* What the backward takes and gives. */
template <class T> struct slopes {
    T *dx;
    const T *dout, *x;
    int64_t dx_stride, dout_stride, x_stride;
    float *dscore;
    const float *weight;
};

/* dx of one token from dout of its sample; returns dout . x. A warp. */
template <class T>
__device__ __forceinline__ float token_bwd(T *dx, const T *dout, const T *x, float weight, int64_t cols,
                                           bool wide) {
    float sum = 0.0f;
    for (int64_t col = threadIdx.x % UN_WARP * UN_VEC; col < cols; col += STEP) {
        float g[UN_VEC], v[UN_VEC];
        un_load8(g, dout + col, cols - col, wide);
        un_load8(v, x + col, cols - col, wide);
#pragma unroll
        for (int i = 0; i < UN_VEC; ++i) {
            sum += g[i] * v[i];
            g[i] *= weight;
        }
        un_store8(dx + col, g, cols - col, wide);
    }
    return un_warp_sum(sum);
}

template <class T>
__global__ void __launch_bounds__(THREADS) attention_pool_bwd(const slopes<T> s, const pool p) {
    __shared__ float slope[UN_MAX_SAMPLE_TOKENS];
    const part a = part_of(p);
    const int lane = (int)threadIdx.x % UN_WARP, tokens = (int)a.tokens;
    if (a.tail >= 0) {
        zero_rows(s.dx, s.dx_stride, a.first, p.rows, TAIL, p.cols);
        zero_tail(s.dscore, a.first, p.rows);
        return;
    }
    const float *weight = s.weight + a.first;
    for (int t = (int)threadIdx.x / UN_WARP; t < tokens; t += WARPS) {
        const int64_t row = a.first + t;
        const float factor = factor_of(p, row);
        const float sum = token_bwd(s.dx + row * s.dx_stride, s.dout + a.sample * s.dout_stride,
                                    s.x + row * s.x_stride, weight[t] * factor, p.cols, p.wide);
        if (lane == 0) slope[t] = factor * sum;
    }
    __syncthreads();
    float mean = 0.0f;
    for (int t = lane; t < tokens; t += UN_WARP) mean += weight[t] * slope[t];
    mean = un_warp_sum(mean);
    for (int t = (int)threadIdx.x; t < tokens; t += THREADS)
        s.dscore[a.first + t] = weight[t] * (slope[t] - mean);
}

} // namespace

/* Both of one type, and it is one of activations; samples that fit. */
static bool is_sound(struct un_queue *q, struct un_mat a, struct un_mat x, const struct un_layout *layout) {
    if (a.type == x.type && (x.type == UN_F32 || x.type == UN_BF16) && a.cols == x.cols &&
        layout->longest <= UN_MAX_SAMPLE_TOKENS)
        return true;
    un_cuda_fail(
        q, UN_INTERNAL,
        "attention_pool: operands of types %d and %d, %lld and %lld columns, samples of up to %lld tokens",
        (int)a.type, (int)x.type, (long long)a.cols, (long long)x.cols, (long long)layout->longest);
    return false;
}

static pool pool_of(const struct un_layout *layout, struct un_mat x, const struct un_dropout *drop,
                    bool wide) {
    return {layout->start, layout->samples, x.rows, x.cols, un_dropout_or_none(drop), wide};
}

void un_cuda_attention_pool_fwd(struct un_queue *q, struct un_mat out, float *weight, struct un_mat x,
                                const float *score, const struct un_layout *layout,
                                const struct un_dropout *drop) {
    if (!is_sound(q, out, x, layout) || x.cols == 0) return;
    const pool p = pool_of(layout, x, drop, un_is_wide(out) && un_is_wide(x));
    const dim3 grid((unsigned)(p.samples + TAIL), un_blocks(x.cols, STRIP));
    UN_BY_FLOAT(x.type, T,
                UN_LAUNCH(q, attention_pool_fwd<T>, grid, THREADS, 0, (T *)out.data, out.stride, out.rows,
                          weight, (const T *)x.data, x.stride, score, p),
                (void)0);
}

template <class T>
static void launch_bwd(struct un_queue *q, struct un_mat dx, float *dscore, struct un_mat dout,
                       struct un_mat x, const float *weight, const pool &p) {
    const slopes<T> s = {
        (T *)dx.data, (const T *)dout.data, (const T *)x.data, dx.stride, dout.stride, x.stride, dscore,
        weight};
    UN_LAUNCH(q, attention_pool_bwd<T>, (unsigned)(p.samples + TAIL), THREADS, 0, s, p);
}

void un_cuda_attention_pool_bwd(struct un_queue *q, struct un_mat dx, float *dscore, struct un_mat dout,
                                struct un_mat x, const float *weight, const struct un_layout *layout,
                                const struct un_dropout *drop) {
    if (!is_sound(q, dx, x, layout) || !is_sound(q, dout, x, layout) || x.cols == 0) return;
    const pool p = pool_of(layout, x, drop, un_is_wide(dx) && un_is_wide(dout) && un_is_wide(x));
    UN_BY_FLOAT(x.type, T, launch_bwd<T>(q, dx, dscore, dout, x, weight, p), (void)0);
}
