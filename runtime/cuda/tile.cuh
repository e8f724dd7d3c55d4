/* Rows by teams: a team of warps owns a row and holds a tile of it in registers, four neighbouring elements
 * at a time. Which thread has which element, and so the order of every sum, follows from the number of
 * columns.
 */
#ifndef UN_TILE_CUH
#define UN_TILE_CUH

#include "runtime/cuda/raw.cuh"

#include <math.h>

namespace {

enum { GROUP = 4 /* elements that a thread reads at once: 16 bytes of logits */ };

/* ---- teams ---- */

/* Of a block: one team of WARPS warps, or four teams of one warp. */
template <int WARPS> struct team {
    enum { THREADS = WARPS * (int)UN_WARP, TEAMS = WARPS == 1 ? 4 : 1, BLOCK = THREADS * TEAMS };
    static_assert(WARPS <= 32, "a block");
};

__device__ __forceinline__ double sum_of(double a, double b) {
    return a + b;
}
__device__ __forceinline__ float larger_of(float a, float b) { /* not NaN, unless both are */
    return fmaxf(a, b);
}
__device__ __forceinline__ int smaller_of(int a, int b) {
    return a < b ? a : b;
}

/* v of all threads of the team, which all get it: a butterfly in each warp, then the warps in order. What a
 * thread read before is read before any thread writes what comes after. */
template <int WARPS, class T, T (*op)(T, T)> __device__ __forceinline__ T fold(T v) {
#pragma unroll
    for (int o = UN_WARP / 2; o > 0; o >>= 1) v = op(v, __shfl_xor_sync(0xFFFFFFFFu, v, o));
    if (WARPS == 1) {
        __syncwarp();
        return v;
    }
    __shared__ T part[WARPS];
    __syncthreads(); /* an earlier fold may still be read */
    if (threadIdx.x % UN_WARP == 0) part[threadIdx.x / UN_WARP] = v;
    __syncthreads();
    v = part[0];
#pragma unroll
    for (int w = 1; w < WARPS; ++w) v = op(v, part[w]);
    return v;
}

/* ---- tiles: elements [base, base + TILE) of a row, spread over the team in groups of four ---- */

template <int WARPS, int VECS> struct tile {
    enum { COLS = WARPS * (int)UN_WARP * GROUP * VECS, EACH = VECS * GROUP };
};

/* The column of element i of this thread's tile at base. */
template <int WARPS> __device__ __forceinline__ int64_t column(int64_t base, int i) {
    const int me = (int)threadIdx.x % team<WARPS>::THREADS;
    return base + (int64_t)((i / GROUP) * team<WARPS>::THREADS + me) * GROUP + i % GROUP;
}

/* v = the row's elements, `none` beyond its end. wide: rows are aligned and cols is a multiple of GROUP. */
template <int WARPS, int VECS, class T>
__device__ __forceinline__ void read_tile(float v[VECS * GROUP], const T *row, int64_t base, int64_t cols,
                                          bool wide, float none) {
    if (wide) {
        un_raw4<T> r[VECS];
#pragma unroll
        for (int k = 0; k < VECS; ++k) {
            const int64_t col = column<WARPS>(base, k * GROUP);
            un_raw_zero(r[k]);
            if (col < cols) un_raw_read(r[k], row + col);
        }
#pragma unroll
        for (int k = 0; k < VECS; ++k) {
            un_raw_floats(v + k * GROUP, r[k]);
            if (column<WARPS>(base, k * GROUP) < cols) continue;
#pragma unroll
            for (int i = 0; i < GROUP; ++i) v[k * GROUP + i] = none;
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < VECS * GROUP; ++i) {
        const int64_t col = column<WARPS>(base, i);
        v[i] = col < cols ? un_load(row + col) : none;
    }
}
template <int WARPS, int VECS, class D>
__device__ __forceinline__ void write_tile(D *row, const float v[VECS * GROUP], int64_t base, int64_t cols,
                                           bool wide) {
#pragma unroll
    for (int k = 0; k < VECS; ++k) {
        const int64_t col = column<WARPS>(base, k * GROUP);
        if (wide && col < cols) un_store4(row + col, v + k * GROUP);
#pragma unroll
        for (int i = 0; i < GROUP; ++i)
            if (!wide && col + i < cols) un_store(row + col + i, v[k * GROUP + i]);
    }
}
template <int WARPS, class D> __device__ __forceinline__ void zero_row(D *row, int64_t cols) {
    for (int64_t j = threadIdx.x % team<WARPS>::THREADS; j < cols; j += team<WARPS>::THREADS)
        un_store(row + j, 0.0f);
}
/* Four running sums, so that no addition waits for the one before. */
template <int VECS> __device__ __forceinline__ float tile_sum(const float v[VECS * GROUP]) {
    float s[GROUP] = {};
#pragma unroll
    for (int i = 0; i < VECS * GROUP; ++i) s[i % GROUP] += v[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}
template <int VECS> __device__ __forceinline__ float tile_most(const float v[VECS * GROUP], float most) {
#pragma unroll
    for (int i = 0; i < VECS * GROUP; ++i) most = fmaxf(most, v[i]);
    return most;
}
/* The first column where v is `most`, if that is before `first`. */
template <int WARPS, int VECS>
__device__ __forceinline__ int tile_first(const float v[VECS * GROUP], int64_t base, int64_t cols, float most,
                                          int first) {
#pragma unroll
    for (int i = 0; i < VECS * GROUP; ++i) {
        const int64_t col = column<WARPS>(base, i);
        if (v[i] == most && col < cols) first = smaller_of(first, (int)col);
    }
    return first;
}
template <int VECS> __device__ __forceinline__ void tile_exp(float v[VECS * GROUP], float most) {
#pragma unroll
    for (int i = 0; i < VECS * GROUP; ++i) v[i] = expf(v[i] - most);
}

template <int WARPS> __device__ __forceinline__ int64_t team_row() {
    return (int64_t)blockIdx.x * team<WARPS>::TEAMS + (int64_t)(threadIdx.x / team<WARPS>::THREADS);
}
template <int WARPS> __device__ __forceinline__ bool is_first() {
    return threadIdx.x % team<WARPS>::THREADS == 0;
}

} // namespace

#endif
