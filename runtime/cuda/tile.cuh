/* Rows by teams: a team of warps owns a row and holds a tile of it in registers, four neighbouring elements
 * at a time. Which thread has which element, and so the order of every sum, follows from the number of
 * columns. */
#ifndef UN_RUNTIME_CUDA_TILE_CUH
#define UN_RUNTIME_CUDA_TILE_CUH

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
#pragma unroll 4 /* all at once would take the registers of the row */
    for (int w = 1; w < WARPS; ++w) v = op(v, part[w]);
    return v;
}

/* ---- tiles: elements [base, base + TILE) of a row, spread over the team in groups of four ---- */

template <int WARPS, int VECS> struct tile {
    enum { COLS = WARPS * (int)UN_WARP * GROUP * VECS, EACH = VECS * GROUP };
};

/* The first column of this thread in the tile at base; its element i is offset<WARPS>(i) columns further. */
template <int WARPS> __device__ __forceinline__ int first_column(int base) {
    return base + (int)threadIdx.x % team<WARPS>::THREADS * GROUP;
}
template <int WARPS> __device__ __forceinline__ constexpr int offset(int i) {
    return i / GROUP * team<WARPS>::THREADS * GROUP + i % GROUP;
}

/* v = the row's elements, `none` beyond its end. wide: rows are aligned and cols is a multiple of GROUP. */
template <int WARPS, int VECS, class T>
__device__ __forceinline__ void read_tile(float v[VECS * GROUP], const T *row, int base, int cols, bool wide,
                                          float none) {
    const T *p = row + first_column<WARPS>(base);
    const int left = cols - first_column<WARPS>(base);
    if (wide) {
        un_raw4<T> r[VECS];
#pragma unroll
        for (int k = 0; k < VECS; ++k) {
            un_raw_zero(r[k]);
            if (offset<WARPS>(k * GROUP) < left) un_raw_read(r[k], p + offset<WARPS>(k * GROUP));
        }
#pragma unroll
        for (int k = 0; k < VECS; ++k) {
            un_raw_floats(v + k * GROUP, r[k]);
#pragma unroll
            for (int i = 0; i < GROUP; ++i)
                if (offset<WARPS>(k * GROUP) >= left) v[k * GROUP + i] = none;
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < VECS * GROUP; ++i)
        v[i] = offset<WARPS>(i) < left ? un_load(p + offset<WARPS>(i)) : none;
}
template <int WARPS, int VECS, class D>
__device__ __forceinline__ void write_tile(D *row, const float v[VECS * GROUP], int base, int cols,
                                           bool wide) {
    D *p = row + first_column<WARPS>(base);
    const int left = cols - first_column<WARPS>(base);
    if (wide) {
#pragma unroll
        for (int k = 0; k < VECS; ++k)
            if (offset<WARPS>(k * GROUP) < left) un_store4(p + offset<WARPS>(k * GROUP), v + k * GROUP);
        return;
    }
#pragma unroll
    for (int i = 0; i < VECS * GROUP; ++i)
        if (offset<WARPS>(i) < left) un_store(p + offset<WARPS>(i), v[i]);
}
template <int WARPS, class D> __device__ __forceinline__ void zero_row(D *row, int cols) {
    for (int j = (int)threadIdx.x % team<WARPS>::THREADS; j < cols; j += team<WARPS>::THREADS)
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
__device__ __forceinline__ int tile_first(const float v[VECS * GROUP], int base, int cols, float most,
                                          int first) {
    const int start = first_column<WARPS>(base);
#pragma unroll
    for (int i = 0; i < VECS * GROUP; ++i)
        if (v[i] == most && offset<WARPS>(i) < cols - start)
            first = smaller_of(first, start + offset<WARPS>(i));
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
