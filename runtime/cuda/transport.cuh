/* What the kernels of the word-region alignment share: the shape of their blocks, one pair, its lengths, and
 * rows read in fragments of the tensor cores.
 *
 * Law: one block of WARPS warps is one pair. Which thread owns what and every order of sums follow from the
 * pair's own words, regions and columns, so a pair gives the same bits in every batch.
 *
 * Words of a pair are its tokens 0..n, regions its tokens n..n+m: an array over tokens holds both. */
#ifndef UN_RUNTIME_CUDA_TRANSPORT_CUH
#define UN_RUNTIME_CUDA_TRANSPORT_CUH

#include "runtime/cuda/kernel.cuh"

/* Vectors shorter than this are divided by it instead of by their length. */
#define UN_TRANSPORT_FLOOR 1e-5f

static constexpr int UN_TRANSPORT_WARPS = 8, UN_TRANSPORT_THREADS = UN_TRANSPORT_WARPS * UN_WARP,
                     UN_TRANSPORT_TOKENS = UN_MAX_SAMPLE_TOKENS;

/* Packed tokens as a kernel takes them. */
template <class X> struct un_token_rows {
    X *data;
    int64_t stride, cols;
    bool wide; /* rows are 16-byte aligned */
};
template <class X> static inline un_token_rows<X> un_token_rows_of(struct un_mat m) {
    return un_token_rows<X>{(X *)m.data, m.stride, m.cols, un_is_wide(m)};
}

/* One pair: n words, m regions; x its first token, plan and cost [n, m]. */
template <class X> struct un_pair {
    int n, m;
    int64_t first;
    const X *x;
    int start; /* in plan and cost */
};

/* False for a pair without words or regions, and for -1, "no pair". */
template <class X>
__device__ __forceinline__ bool un_pair_of(un_pair<X> &p, const struct un_pairs &pairs, int64_t b,
                                           const un_token_rows<const X> &x) {
    p.first = pairs.first[b], p.n = pairs.words[b], p.m = pairs.regions[b];
    if (p.first < 0 || p.n <= 0 || p.m <= 0) return false;
    p.x = x.data + p.first * x.stride;
    p.start = pairs.plan_start[b];
    return true;
}

/* inverse[token] = 1 / max(|x|, floor) for all tokens of the pair, in shared memory after the next barrier. A
 * warp reads four rows at a time, so that enough loads are under way. */
template <class X>
__device__ __forceinline__ void un_pair_lengths(float *inverse, const un_pair<X> &p,
                                                const un_token_rows<const X> &x) {
    constexpr int ROWS = 4;
    const int warp = (int)threadIdx.x / UN_WARP, lane = (int)threadIdx.x % UN_WARP, tokens = p.n + p.m;
    for (int row = warp; row < tokens; row += ROWS * UN_TRANSPORT_WARPS) {
        float sum[ROWS] = {};
        for (int64_t k = lane * UN_VEC; k < x.cols; k += UN_WARP * UN_VEC) {
            float v[ROWS][UN_VEC];
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                const int token = row + r * UN_TRANSPORT_WARPS;
                un_load8(v[r], p.x + token * x.stride + k, token < tokens ? x.cols - k : 0, x.wide);
            }
#pragma unroll
            for (int r = 0; r < ROWS; ++r)
#pragma unroll
                for (int i = 0; i < UN_VEC; ++i) sum[r] += v[r][i] * v[r][i];
        }
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const int token = row + r * UN_TRANSPORT_WARPS;
            const float length = sqrtf(un_warp_sum(sum[r]));
            if (lane == 0 && token < tokens) /* NaN stays NaN */
                inverse[token] = 1.0f / (length < UN_TRANSPORT_FLOOR ? UN_TRANSPORT_FLOOR : length);
        }
    }
}

/* Eight neighbouring elements as they lie in memory; those from n on are 0. */
__device__ __forceinline__ uint4 un_bits8(const un_bf16 *p, int64_t n, bool wide) {
    if (wide && n >= UN_VEC) return *(const uint4 *)p;
    uint32_t w[UN_VEC];
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) w[i] = i < n ? p[i].bits : 0u;
    return make_uint4(w[0] | w[1] << 16, w[2] | w[3] << 16, w[4] | w[5] << 16, w[6] | w[7] << 16);
}

#endif
