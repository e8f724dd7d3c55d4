/* Sums over columns and over the flat gradient, in orders that shapes fix; no atomics. All are bound by
 * memory: col_sum reads its matrix once (2 bytes an element at bf16) and writes 4 cols bytes for each 43 or
 * more rows; square_sums reads 4 bytes an element. */
#include "runtime/cuda/strip_walk.cuh"
#include "runtime/params.h"

size_t un_cuda_reduce_scratch(const struct un_limits *limits) {
    return un_strip_most(limits->max_width, 1);
}

void un_cuda_col_sum(struct un_queue *q, float *dbias, struct un_mat dy) {
    un_walk_args s = {};
    s.a = dy;
    s.rows = dy.rows, s.cols = dy.cols;
    un_walk_run<UN_WALK_SUM, true>(q, s, dbias, "col_sum");
}

namespace {

enum { ADD_PARTS = 16, ADD_THREADS = 512 };

/* A warp takes every sixteenth block of 32 columns, and the warps' sums are added in order. */
__global__ void __launch_bounds__(ADD_THREADS) sum_blocks(const un_strip_sums s) {
    __shared__ float part[ADD_PARTS][UN_WARP];
    const int kind = (int)blockIdx.y, y = (int)threadIdx.y, x = (int)threadIdx.x;
    const int64_t col = (int64_t)blockIdx.x * UN_WARP + x;
    float *dst = kind == 0 ? s.dst[0] : kind == 1 ? s.dst[1] : s.dst[2];
    if (!dst) return; /* the whole block */
    float sum = 0.0f;
    if (col < s.cols) {
        const float *p = s.partial + (int64_t)kind * s.blocks * s.cols + col;
#pragma unroll 8
        for (int64_t b = y; b < s.blocks; b += ADD_PARTS) sum += p[b * s.cols];
    }
    part[y][x] = sum;
    __syncthreads();
    if (y != 0 || col >= s.cols) return;
    for (int k = 1; k < ADD_PARTS; ++k) sum += part[k][x];
    dst[col] += sum;
}

} // namespace

void un_strip_add(struct un_queue *q, const struct un_strip_sums *sums, int kinds) {
    const dim3 grid(un_blocks(sums->cols, UN_WARP), (unsigned)kinds), block(UN_WARP, ADD_PARTS);
    UN_LAUNCH(q, sum_blocks, grid, block, 0, *sums);
}

/* ---- the norm of the gradient ---- */

namespace {

enum { SQUARE_WARPS = 8, SQUARE_THREADS = 256, SQUARE_AHEAD = 8, CLIP_WARPS = 32, CLIP_THREADS = 1024 };
constexpr int square_each = (int)UN_PARAM_BLOCK / (4 * (int)UN_WARP); /* fours a lane takes */

/* A warp sums a chunk: lane l takes the fours l, l + 32, ... in four running sums. */
__global__ void __launch_bounds__(SQUARE_THREADS)
    square_chunks(double *partial, const float *g, int64_t count, bool wide) {
    const int lane = (int)threadIdx.x % UN_WARP;
    const int64_t chunk = (int64_t)blockIdx.x * SQUARE_WARPS + threadIdx.x / UN_WARP,
                  start = chunk * UN_PARAM_BLOCK;
    if (start >= count) return; /* the whole warp */
    const bool whole = wide && start + UN_PARAM_BLOCK <= count;
    double s[4] = {0.0, 0.0, 0.0, 0.0};
    for (int first = 0; first < square_each; first += SQUARE_AHEAD) {
        float4 v[SQUARE_AHEAD];
        const int64_t at = start + 4 * ((int64_t)first * UN_WARP + lane);
        if (whole) {
#pragma unroll
            for (int k = 0; k < SQUARE_AHEAD; ++k) v[k] = *(const float4 *)(g + at + 4 * k * UN_WARP);
        } else {
#pragma unroll
            for (int k = 0; k < SQUARE_AHEAD; ++k) {
                const int64_t i = at + 4 * k * UN_WARP;
                v[k] = make_float4(i < count ? g[i] : 0.0f, i + 1 < count ? g[i + 1] : 0.0f,
                                   i + 2 < count ? g[i + 2] : 0.0f, i + 3 < count ? g[i + 3] : 0.0f);
            }
        }
#pragma unroll
        for (int k = 0; k < SQUARE_AHEAD; ++k) {
            s[0] += (double)v[k].x * v[k].x, s[1] += (double)v[k].y * v[k].y;
            s[2] += (double)v[k].z * v[k].z, s[3] += (double)v[k].w * v[k].w;
        }
    }
    const double sum = un_warp_sum((s[0] + s[1]) + (s[2] + s[3]));
    if (lane == 0) partial[chunk] = sum;
}

/* One block: thread t takes chunks t, t + 1024, ... */
__global__ void __launch_bounds__(CLIP_THREADS)
    clip_sums(float *out, const double *partial, int64_t chunks, float max_norm) {
    __shared__ double part[CLIP_WARPS];
    double sum = 0.0;
#pragma unroll 8
    for (int64_t k = threadIdx.x; k < chunks; k += CLIP_THREADS) sum += partial[k];
    sum = un_block_sum(sum, part, CLIP_WARPS);
    if (threadIdx.x != 0) return;
    const float norm = (float)sqrt(sum), factor = max_norm / (norm + 1e-6f);
    out[0] = norm;
    out[1] = max_norm > 0.0f && factor < 1.0f ? factor : 1.0f;
    out[2] = fabsf(norm) <= 3.4028235e38f ? 1.0f : 0.0f;
}

/* A sum of zeros, and of a NaN for whatever is not finite, by one block: rows of losses are thousands at
 * most. */
__global__ void __launch_bounds__(CLIP_THREADS) finite_word(double *word, const float *x, int64_t count) {
    __shared__ double part[CLIP_WARPS];
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i < count; i += CLIP_THREADS) sum += (double)x[i] * 0.0;
    sum = un_block_sum(sum, part, CLIP_WARPS);
    if (threadIdx.x == 0) *word += sum;
}

} // namespace

void un_cuda_check_finite(struct un_queue *q, double *word, const float *x, int64_t count) {
    if (count > 0) UN_LAUNCH(q, finite_word, 1, CLIP_THREADS, 0, word, x, count);
}

void un_cuda_square_sums(struct un_queue *q, double *partial, const float *g, int64_t count) {
    if (count == 0) return;
    const int64_t chunks = (count + UN_PARAM_BLOCK - 1) / UN_PARAM_BLOCK;
    UN_LAUNCH(q, square_chunks, un_blocks(chunks, SQUARE_WARPS), SQUARE_THREADS, 0, partial, g, count,
              un_is_wide_array(g));
}

void un_cuda_clip_factor(struct un_queue *q, float *out, const double *partial, int64_t chunks,
                         float max_norm) {
    UN_LAUNCH(q, clip_sums, 1, CLIP_THREADS, 0, out, partial, chunks, max_norm);
}
