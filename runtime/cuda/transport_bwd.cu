/* Word-region alignment, backward with the plan held constant; runtime/cpu/transport.c on the card. All pairs
 * in one launch, a block a pair (laws: transport.cuh).
 *
 * With u = x / |x|, d cos(x, y) / dx = (u_y - cos u_x) / |x|; below the floor the length is constant and the
 * second term falls away. So a token's gradient is a mixture of the other side's vectors, by weight_ij =
 * -coef T_ij / (|w_i| |r_j|), and its own vector times pull_i = coef sum_j T_ij cos_ij / |x_i|^2.
 *
 * A warp's task is 16 tokens x 64 columns. Weights are made from the plan as they are needed. With bf16 rows
 * the products run on the tensor cores, each weight as the sum of two bf16 (up to 2^-16 of it is lost, a
 * 256th of what the rounding of a bf16 gradient loses); with f32 rows in f32. Bytes of a pair of n + m
 * tokens: rows three times (once from memory), gradients once in and once out, 4.5 KB a token of 768 in
 * bf16; 1.8 million products for 24 x 50 x 768. */
#include "runtime/cuda/transport.cuh"

static constexpr int TASK_ROWS = 16, TASK_COLS = 64;
static constexpr int TASK_TILES = 8; /* of 8 columns: column g of tile u is column 8 g + u of the task */
static constexpr int STEP = 16;      /* tokens of the other side in one product */

namespace {

struct bwd_room {
    float inverse[UN_TRANSPORT_TOKENS]; /* of the lengths */
    float pull[UN_TRANSPORT_TOKENS];
};

/* One side of a pair as the left operand: rows are its own tokens, depth the other side's. */
struct side {
    int rows, depth, own, other; /* own, other: first token in the pair */
    const float *plan;
    int row_step, depth_step; /* in the plan */
    float coef;
};

__device__ __forceinline__ float weight(const side &s, const bwd_room &r, int row, int k) {
    if (row >= s.rows || k >= s.depth) return 0.0f;
    return -s.coef * s.plan[row * s.row_step + k * s.depth_step] * r.inverse[s.own + row] *
           r.inverse[s.other + k];
}

/* Sums of T cos along rows (a warp each) and down columns (a thread each). */
template <class X>
__device__ __forceinline__ void pulls(bwd_room &r, const un_pair<X> &p, const float *plan, const float *cost,
                                      float coef) {
    const int warp = (int)threadIdx.x / UN_WARP, lane = (int)threadIdx.x % UN_WARP;
    const float floor_inverse = 1.0f / UN_TRANSPORT_FLOOR;
    for (int i = warp; i < p.n; i += UN_TRANSPORT_WARPS) {
        const float *t = plan + i * p.m, *c = cost + i * p.m;
        float sum = 0.0f;
        for (int j = lane; j < p.m; j += UN_WARP) sum += t[j] * (1.0f - c[j]);
        sum = un_warp_sum(sum);
        const float inverse = r.inverse[i];
        if (lane == 0) r.pull[i] = inverse < floor_inverse ? sum * (coef * inverse * inverse) : 0.0f;
    }
    for (int j = (int)threadIdx.x; j < p.m; j += UN_TRANSPORT_THREADS) {
        float sum = 0.0f;
#pragma unroll 8
        for (int i = 0; i < p.n; ++i) sum += plan[i * p.m + j] * (1.0f - cost[i * p.m + j]);
        const float inverse = r.inverse[p.n + j];
        r.pull[p.n + j] = inverse < floor_inverse ? sum * (coef * inverse * inverse) : 0.0f;
    }
}

/* Two weights of neighbouring depths as high and low bf16. */
__device__ __forceinline__ void split(uint32_t &high, uint32_t &low, float a, float b) {
    high = un_pack_bf16(a, b);
    low = un_pack_bf16(a - un_float_of(high << 16), b - un_float_of(high & 0xFFFF0000u));
}

/* The fragment of 16 rows x 16 depths at (row, k): lane 4 g + t holds rows g and g + 8, depths 2t, 2t+1,
 * 2t+8, 2t+9. */
__device__ __forceinline__ void weights(uint32_t high[4], uint32_t low[4], const side &s, const bwd_room &r,
                                        int row, int k) {
    const int g = (int)threadIdx.x % UN_WARP / 4, t = (int)threadIdx.x % 4;
#pragma unroll
    for (int q = 0; q < 4; ++q) {
        const int i = row + g + q % 2 * 8, d = k + 2 * t + q / 2 * 8;
        split(high[q], low[q], weight(s, r, i, d), weight(s, r, i, d + 1));
    }
}

/* Elements 2 h and 2 h + 1 of two rows, paired across the rows. */
__device__ __forceinline__ void pair_up(uint32_t &even, uint32_t &odd, uint32_t a, uint32_t b) {
    even = (a & 0xFFFFu) | b << 16;
    odd = a >> 16 | (b & 0xFFFF0000u);
}

/* acc += weights x rows of the other side; y: its first row at the task's first column, of which `count` are
 * inside. acc[u] as a fragment: rows g (0, 1) and g + 8 (2, 3), columns 8 (2t) + u and 8 (2t + 1) + u of the
 * task: so a lane reads 8 neighbouring columns and ends with 8 neighbouring ones. */
__device__ __forceinline__ void mix(float acc[TASK_TILES][4], const side &s, const bwd_room &r, int row,
                                    const un_bf16 *y, int64_t stride, int64_t count, bool wide) {
    const int g = (int)threadIdx.x % UN_WARP / 4, t = (int)threadIdx.x % 4;
    count -= g * UN_VEC, y += g * UN_VEC;
    for (int k = 0; k < s.depth; k += STEP) {
        uint4 v[4];
        uint32_t high[4], low[4];
#pragma unroll
        for (int q = 0; q < 4; ++q) {
            const int d = k + 2 * t + q % 2 + q / 2 * 8;
            v[q] = un_bits8(y + d * stride, d < s.depth ? count : 0, wide);
        }
        weights(high, low, s, r, row, k);
        const uint32_t w[4][4] = {{v[0].x, v[0].y, v[0].z, v[0].w},
                                  {v[1].x, v[1].y, v[1].z, v[1].w},
                                  {v[2].x, v[2].y, v[2].z, v[2].w},
                                  {v[3].x, v[3].y, v[3].z, v[3].w}};
#pragma unroll
        for (int h = 0; h < 4; ++h) {
            uint32_t even[2], odd[2];
            pair_up(even[0], odd[0], w[0][h], w[1][h]);
            pair_up(even[1], odd[1], w[2][h], w[3][h]);
            un_mma_bf16(acc[2 * h], low, even);
            un_mma_bf16(acc[2 * h], high, even);
            un_mma_bf16(acc[2 * h + 1], low, odd);
            un_mma_bf16(acc[2 * h + 1], high, odd);
        }
    }
}

/* The same ownership in f32, one token of the other side after the other. */
__device__ __forceinline__ void mix(float acc[TASK_TILES][4], const side &s, const bwd_room &r, int row,
                                    const float *y, int64_t stride, int64_t count, bool wide) {
    const int g = (int)threadIdx.x % UN_WARP / 4, t = (int)threadIdx.x % 4;
    count -= 2 * t * UN_VEC, y += 2 * t * UN_VEC;
    for (int k = 0; k < s.depth; ++k, y += stride) {
        const float a[2] = {weight(s, r, row + g, k), weight(s, r, row + g + 8, k)};
        float v[2][UN_VEC];
        un_load8(v[0], y, count, wide);
        un_load8(v[1], y + UN_VEC, count - UN_VEC, wide);
#pragma unroll
        for (int u = 0; u < TASK_TILES; ++u)
#pragma unroll
            for (int q = 0; q < 4; ++q) acc[u][q] += a[q / 2] * v[q % 2][u];
    }
}

/* dx += acc + pull * own, for the task's 16 tokens from `row` on and 64 columns from `col` on. */
template <class X, class D>
__device__ __forceinline__ void add_task(const un_token_rows<D> &dx, const un_token_rows<const X> &x,
                                         const un_pair<X> &p, const side &s, const bwd_room &r,
                                         const float acc[TASK_TILES][4], int row, int64_t col) {
    const int g = (int)threadIdx.x % UN_WARP / 4, t = (int)threadIdx.x % 4;
#pragma unroll
    for (int q = 0; q < 4; ++q) {
        const int i = row + g + q / 2 * 8;
        const int64_t c = col + (2 * t + q % 2) * UN_VEC, n = x.cols - c;
        if (i >= s.rows || n <= 0) continue;
        const int token = s.own + i;
        const float pull = r.pull[token];
        float own[UN_VEC], sum[UN_VEC];
        D *to = dx.data + (p.first + token) * dx.stride + c;
        un_load8(own, p.x + token * x.stride + c, n, x.wide);
        un_load8(sum, to, n, dx.wide);
#pragma unroll
        for (int u = 0; u < TASK_TILES; ++u) sum[u] += acc[u][q] + pull * own[u];
        un_store8(to, sum, n, dx.wide);
    }
}

template <class X, class D>
__global__ void __launch_bounds__(UN_TRANSPORT_THREADS, 2)
    transport_bwd(un_token_rows<D> dx, const float *coef, const float *plan, const float *cost,
                  un_token_rows<const X> x, struct un_pairs pairs) {
    __shared__ bwd_room r;
    const int64_t b = blockIdx.x;
    un_pair<X> p;
    if (!un_pair_of(p, pairs, b, x)) return;
    plan += p.start, cost += p.start;
    const float factor = coef[b];
    un_pair_lengths(r.inverse, p, x);
    __syncthreads();
    pulls(r, p, plan, cost, factor);
    __syncthreads();
    const int words = (p.n + TASK_ROWS - 1) / TASK_ROWS, regions = (p.m + TASK_ROWS - 1) / TASK_ROWS;
    const int columns = (int)((x.cols + TASK_COLS - 1) / TASK_COLS);
    for (int k = (int)threadIdx.x / UN_WARP; k < (words + regions) * columns; k += UN_TRANSPORT_WARPS) {
        const int rows = k / columns;
        const int64_t col = (int64_t)(k % columns) * TASK_COLS;
        const side s = rows < words ? side{p.n, p.m, 0, p.n, plan, p.m, 1, factor}
                                    : side{p.m, p.n, p.n, 0, plan, 1, p.m, factor};
        const int row = (rows < words ? rows : rows - words) * TASK_ROWS;
        float acc[TASK_TILES][4] = {};
        mix(acc, s, r, row, p.x + s.other * x.stride + col, x.stride, x.cols - col, x.wide);
        add_task(dx, x, p, s, r, acc, row, col);
    }
}

template <class X>
void launch(struct un_queue *q, struct un_mat dx, const float *coef, const float *plan, const float *cost,
            struct un_mat x, const struct un_pairs *pairs) {
    UN_BY_FLOAT(dx.type, D,
                UN_LAUNCH(q, (transport_bwd<X, D>), un_blocks(pairs->count, 1), UN_TRANSPORT_THREADS, 0,
                          un_token_rows_of<D>(dx), coef, plan, cost, un_token_rows_of<const X>(x), *pairs),
                un_cuda_fail(q, UN_USAGE, "transport: dx is neither f32 nor bf16"));
}

} /* namespace */

void un_cuda_transport_bwd(struct un_queue *q, struct un_mat dx, const float *coef, const float *plan,
                           const float *cost, struct un_mat x, const struct un_pairs *pairs) {
    if (pairs->count == 0) return;
    if (pairs->longest_words > UN_TRANSPORT_TOKENS || pairs->longest_regions > UN_TRANSPORT_TOKENS) {
        un_cuda_fail(q, UN_USAGE, "transport: a pair of more than %d tokens", (int)UN_TRANSPORT_TOKENS);
        return;
    }
    UN_BY_FLOAT(x.type, X, launch<X>(q, dx, coef, plan, cost, x, pairs),
                un_cuda_fail(q, UN_USAGE, "transport: x is neither f32 nor bf16"));
}
