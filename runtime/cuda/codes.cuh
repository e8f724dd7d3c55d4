/* Numbers of fp8, eight at a time, and their amax: of quantize and of the ops that write codes beside what they store
 * (un_codes). A card with units for fp8 rounds two numbers with one instruction. */
#ifndef UN_RUNTIME_CUDA_CODES_CUH
#define UN_RUNTIME_CUDA_CODES_CUH

#include "runtime/cuda/kernel.cuh"

/* What a kernel takes by value of un_codes. */
struct un_code_sink {
    uint8_t *to; /* NULL: the amax alone */
    int64_t stride;
    uint32_t *amax;
    const float *scale;
    bool e4m3, wide; /* wide: rows begin at multiples of 8 bytes */
};

/* A thread's share: what it multiplies by, and the largest size it has seen. */
struct un_coder {
    float scale;
    uint32_t most;
};
__device__ __forceinline__ un_coder un_coder_of(const un_code_sink &s) {
    return {s.to ? *s.scale : 1.0f, 0u};
}

/* Largest size, as bits, of eight numbers; a NaN is above all. */
__device__ __forceinline__ uint32_t un_most8(const float v[UN_VEC]) {
    uint32_t most = 0;
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) {
        const uint32_t size = __float_as_uint(v[i]) & 0x7FFFFFFFu;
        most = size > most ? size : most;
    }
    return most;
}

/* The codes of eight numbers times `scale`; most: of un_most8. A NaN's is set by hand: of e5m2 the instruction's is another
 * one than fp8.h's. */
__device__ __forceinline__ uint2 un_codes8(const float v[UN_VEC], float scale, bool e4m3, uint32_t most) {
    uint32_t w[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float low = v[2 * i] * scale, high = v[2 * i + 1] * scale;
        w[i] = e4m3 ? un_pack_e4m3(low, high) : un_pack_e5m2(low, high);
    }
    uint2 codes = make_uint2(w[0] | w[1] << 16, w[2] | w[3] << 16);
    if (most <= 0x7F800000u) return codes;
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) {
        uint32_t &word = i < 4 ? codes.x : codes.y;
        if (v[i] != v[i]) word = (word & ~(0xFFu << 8 * (i % 4))) | 0x7Fu << 8 * (i % 4);
    }
    return codes;
}

/* Eight codes; n of them count. */
__device__ __forceinline__ void un_put_codes8(uint8_t *to, uint2 codes, int64_t n, bool wide) {
    if (wide && n >= UN_VEC) {
        *(uint2 *)to = codes;
        return;
    }
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i)
        if (i < n) to[i] = (uint8_t)((i < 4 ? codes.x : codes.y) >> 8 * (i % 4));
}

/* v, as stored at [col, col + 8) of a row, of which n are in it: their codes and their amax. */
__device__ __forceinline__ void un_code8(un_coder &c, const un_code_sink &s, int64_t row, int64_t col,
                                         float v[UN_VEC], int64_t n) {
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) v[i] = i < n ? v[i] : 0.0f;
    const uint32_t most = un_most8(v);
    c.most = most > c.most ? most : c.most;
    if (s.to) un_put_codes8(s.to + row * s.stride + col, un_codes8(v, c.scale, s.e4m3, most), n, s.wide);
}

/* The largest of a warp; every lane gets it. */
__device__ __forceinline__ uint32_t un_warp_most(uint32_t most) {
#pragma unroll
    for (int o = UN_WARP / 2; o > 0; o >>= 1) {
        const uint32_t other = __shfl_xor_sync(0xFFFFFFFFu, most, o);
        most = other > most ? other : most;
    }
    return most;
}

/* *amax = max(*amax, the block's): part [warps] shared memory. All threads of the block take part. */
__device__ __forceinline__ void un_amax(uint32_t *amax, uint32_t most, uint32_t *part, int warps) {
    const int thread = (int)(threadIdx.y * blockDim.x + threadIdx.x);
    most = un_warp_most(most);
    if (thread % UN_WARP == 0) part[thread / UN_WARP] = most;
    __syncthreads();
    if (!amax || thread != 0) return;
    for (int w = 1; w < warps; ++w) most = part[w] > most ? part[w] : most;
    atomicMax(amax, most);
}

/* ---- host ---- */

/* Are these codes for a matrix of so many rows and columns? If not, an error sticks. NULL: none. */
static inline bool un_code_sink_of(struct un_queue *q, un_code_sink *sink, const struct un_codes *codes,
                                   int64_t rows, int64_t cols, const char *op) {
    *sink = {};
    if (!codes) return true;
    const struct un_mat &to = codes->to;
    if (to.data && (!un_fp8_is(to.type) || to.rows != rows || to.cols != cols)) {
        un_cuda_fail(q, UN_INTERNAL, "%s: codes of type %d [%lld,%lld], want fp8 [%lld,%lld]", op,
                     (int)to.type, (long long)to.rows, (long long)to.cols, (long long)rows, (long long)cols);
        return false;
    }
    *sink = {(uint8_t *)to.data, to.stride,          codes->amax,
             codes->scale,       to.type == UN_E4M3, (((uintptr_t)to.data | (uintptr_t)to.stride) & 7u) == 0};
    return true;
}

#endif
