/* Word-region alignment, forward: cosine costs, the plan, the distance; runtime/cpu/transport.c on the card.
 * All pairs in one launch, a block a pair (laws: transport.cuh, transport_solve.cuh).
 *
 * Work of a pair of 24 words, 50 regions, 768 columns: the rows are read twice (114 KB each time, the second
 * time mostly from the cache), 0.9 million products for the cost - 7,000 cycles of the f32 units, so bf16
 * goes through the tensor cores: products of bf16 are exact in f32 and the lengths divide afterwards -, then
 * 50 iterations of 1,200 entries that depend on one another: what counts there is the way through one
 * barrier, one sum across a warp and two divisions (reckoned 350 cycles; 170 instructions a warp). */
#include "runtime/cuda/transport_long.cuh"

static constexpr int DOT_TILES = UN_DOT_COLS / 8;
static constexpr int BLOCK_COLS = 4 * UN_VEC; /* columns of x a warp takes at once */

size_t un_cuda_transport_scratch(const struct un_limits *limits) {
    (void)limits;
    return 0;
}

namespace {

/* A tile of the products of words and regions: words i.., regions j.. of the pair, column tiles of 8. */
struct cost_tile {
    int i, j, tiles;
};

/* acc[u] += this warp's columns of x, as a fragment of the tensor cores: lane 4 g + t holds rows g (0, 1) and
 * g + 8 (2, 3), columns 8 u + 2 t and + 1. Warp w takes blocks w, w + WARPS, ... of 32 columns of x: eight
 * short sums rather than a long one, which the tensor cores would round downwards at each step. A lane's
 * eight elements stand for columns 2t, 2t+1, 2t+8, 2t+9 of two products: in both operands alike, so any
 * assignment is right, and memory is read in vectors. */
__device__ __forceinline__ void dots(float acc[DOT_TILES][4], const un_pair<un_bf16> &p, const cost_tile &c,
                                     const un_token_rows<const un_bf16> &x) {
    const int warp = (int)threadIdx.x / UN_WARP, g = (int)threadIdx.x % UN_WARP / 4, t = (int)threadIdx.x % 4;
    const un_bf16 *word = p.x + (int64_t)(c.i + g) * x.stride,
                  *region = p.x + (int64_t)(p.n + c.j + g) * x.stride;
    const int64_t below = 8 * x.stride;
    for (int64_t k = warp * BLOCK_COLS + t * UN_VEC; k - t * UN_VEC < x.cols;
         k += UN_TRANSPORT_WARPS * BLOCK_COLS) {
        const int64_t count = x.cols - k;
        const uint4 lo = un_bits8(word + k, c.i + g < p.n ? count : 0, x.wide),
                    hi = un_bits8(word + below + k, c.i + g + 8 < p.n ? count : 0, x.wide);
        const uint32_t first[4] = {lo.x, hi.x, lo.y, hi.y}, second[4] = {lo.z, hi.z, lo.w, hi.w};
        uint4 b[DOT_TILES];
#pragma unroll
        for (int u = 0; u < DOT_TILES; ++u)
            b[u] = un_bits8(region + u * below + k, c.j + 8 * u + g < p.m ? count : 0, x.wide);
#pragma unroll
        for (int u = 0; u < DOT_TILES; ++u)
            if (u < c.tiles) {
                const uint32_t one[2] = {b[u].x, b[u].y}, two[2] = {b[u].z, b[u].w};
                un_mma_bf16(acc[u], first, one);
                un_mma_bf16(acc[u], second, two);
            }
    }
}

/* v[i] = p[i] for i < n, 0 above; n <= 4. */
__device__ __forceinline__ void load4(float v[4], const float *p, int n, bool wide) {
    if (wide && n >= 4) {
        const float4 a = *(const float4 *)p;
        v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
        return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) v[i] = i < n ? p[i] : 0.0f;
}

/* The same tiles and blocks in f32: a lane adds up the 32 columns that a quad shares above. A half of the
 * tile at a time: the addresses of all of it do not fit into registers. */
__device__ __forceinline__ void dots(float acc[DOT_TILES][4], const un_pair<float> &p, const cost_tile &c,
                                     const un_token_rows<const float> &x) {
    const int warp = (int)threadIdx.x / UN_WARP, g = (int)threadIdx.x % UN_WARP / 4, t = (int)threadIdx.x % 4;
    const float *word = p.x + (int64_t)(c.i + g) * x.stride;
    const int cols = (int)x.cols;
#pragma unroll
    for (int half = 0; half < DOT_TILES; half += DOT_TILES / 2) {
        const int first = c.j + 8 * half + 2 * t;
        const float *region = p.x + (int64_t)(p.n + first) * x.stride;
        for (int block = warp * BLOCK_COLS; block < cols; block += UN_TRANSPORT_WARPS * BLOCK_COLS)
#pragma unroll 1
            for (int k = block; k < block + BLOCK_COLS && k < cols && half < c.tiles; k += 4) {
                float a[2][4], b[2][4];
                load4(a[0], word + k, c.i + g < p.n ? cols - k : 0, x.wide);
                load4(a[1], word + 8 * x.stride + k, c.i + g + 8 < p.n ? cols - k : 0, x.wide);
                const float *y = region + k;
#pragma unroll
                for (int u = 0; u < DOT_TILES / 2; ++u, y += 8 * x.stride) {
                    load4(b[0], y, first + 8 * u < p.m ? cols - k : 0, x.wide);
                    load4(b[1], y + x.stride, first + 8 * u + 1 < p.m ? cols - k : 0, x.wide);
#pragma unroll
                    for (int e = 0; e < 4; ++e)
#pragma unroll
                        for (int q = 0; q < 4; ++q) acc[half + u][q] += a[q / 2][e] * b[q % 2][e];
                }
            }
    }
}

/* This warp's part of the tile, [DOT_ROWS, DOT_STRIDE]. */
__device__ __forceinline__ void keep_part(float *part, const float acc[DOT_TILES][4], int tiles) {
    const int g = (int)threadIdx.x % UN_WARP / 4, t = (int)threadIdx.x % 4;
    part += (int)threadIdx.x / UN_WARP * UN_DOT_ROWS * UN_DOT_STRIDE + g * UN_DOT_STRIDE + 2 * t;
#pragma unroll
    for (int u = 0; u < DOT_TILES; ++u)
        if (u < tiles) {
            *(float2 *)(part + 8 * u) = make_float2(acc[u][0], acc[u][1]);
            *(float2 *)(part + 8 * UN_DOT_STRIDE + 8 * u) = make_float2(acc[u][2], acc[u][3]);
        }
}

/* cost_ij = 1 - x_i . x_j / (|x_i| |x_j|), the whole pair; visible to the block afterwards. */
template <class X>
__device__ __forceinline__ void pair_cost(float *cost, const un_pair<X> &p, const un_token_rows<const X> &x,
                                          un_transport_room &room) {
    un_pair_lengths(room.inverse, p, x);
    for (int i = 0; i < p.n; i += UN_DOT_ROWS)
        for (int j = 0; j < p.m; j += UN_DOT_COLS) {
            const cost_tile c = {i, j, (p.m - j + 7) / 8};
            float acc[DOT_TILES][4] = {};
            dots(acc, p, c, x);
            keep_part(room.part, acc, c.tiles);
            __syncthreads();
            for (int e = (int)threadIdx.x; e < UN_DOT_ROWS * UN_DOT_COLS; e += UN_TRANSPORT_THREADS) {
                const int r = e / UN_DOT_COLS, s = e % UN_DOT_COLS;
                if (i + r >= p.n || j + s >= p.m) continue;
                const float dot = un_parts_sum(room.part, UN_DOT_ROWS * UN_DOT_STRIDE, r * UN_DOT_STRIDE + s);
                cost[(i + r) * p.m + j + s] = 1.0f - dot * room.inverse[i + r] * room.inverse[p.n + j + s];
            }
            __syncthreads();
        }
}

/* 128 registers a thread: two blocks to a multiprocessor, so that 256 pairs are one wave. */
template <class X>
__global__ void __launch_bounds__(UN_TRANSPORT_THREADS, 2)
    transport_fwd(float *distance, float *plan, float *cost, un_token_rows<const X> x, struct un_pairs pairs,
                  struct un_transport how) {
    __shared__ un_transport_room room;
    const int64_t b = blockIdx.x;
    un_pair<X> p;
    if (!un_pair_of(p, pairs, b, x)) {
        if (threadIdx.x == 0) distance[b] = 0.0f;
        return;
    }
    pair_cost(cost + p.start, p, x, room);
    double sum;
    if (p.n <= 16 && p.m <= 64)
        sum = un_solve<2, 2>(plan, cost, p.start, p.n, p.m, how, room);
    else if (p.n <= 32 && p.m <= 64)
        sum = un_solve<4, 2>(plan, cost, p.start, p.n, p.m, how, room);
    else if (p.n <= 32 && p.m <= UN_SOLVE_COLS)
        sum = un_solve<4, 4>(plan, cost, p.start, p.n, p.m, how, room);
    else if (p.n <= 64 && p.m <= 64)
        sum = un_solve<8, 2>(plan, cost, p.start, p.n, p.m, how, room);
    else if (p.n <= 64 && p.m <= UN_SOLVE_COLS)
        sum = un_solve<8, 4>(plan, cost, p.start, p.n, p.m, how, room);
    else
        sum = un_solve_long(plan + p.start, cost + p.start, p.n, p.m, how, room);
    sum = un_block_sum(sum, room.sum, UN_TRANSPORT_WARPS);
    if (threadIdx.x == 0) distance[b] = (float)sum;
}

} /* namespace */

void un_cuda_transport_fwd(struct un_queue *q, float *distance, float *plan, float *cost, struct un_mat x,
                           const struct un_pairs *pairs, const struct un_transport *how) {
    if (pairs->count == 0) return;
    if (pairs->longest_words > UN_TRANSPORT_TOKENS || pairs->longest_regions > UN_TRANSPORT_TOKENS) {
        un_cuda_fail(q, UN_USAGE, "transport: a pair of more than %d tokens", (int)UN_TRANSPORT_TOKENS);
        return;
    }
    UN_BY_FLOAT(x.type, X,
                UN_LAUNCH(q, transport_fwd<X>, un_blocks(pairs->count, 1), UN_TRANSPORT_THREADS, 0, distance,
                          plan, cost, un_token_rows_of<const X>(x), *pairs, *how),
                un_cuda_fail(q, UN_USAGE, "transport: x is neither f32 nor bf16"));
}
