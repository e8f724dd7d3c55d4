/* What kernels share: element types, vectors of eight elements, sums over a warp and a block in a fixed
 * order, dropout. */
#ifndef UN_RUNTIME_CUDA_KERNEL_CUH
#define UN_RUNTIME_CUDA_KERNEL_CUH

#include "runtime/cuda/machine.cuh"

enum { UN_WARP = 32, UN_VEC = 8 /* elements a thread reads at once: 16 bytes of bf16 */ };

/* ---- element types: the storage of UN_BF16 and UN_F16 ---- */

struct un_bf16 {
    uint16_t bits;
};
struct un_f16 {
    uint16_t bits;
};

__device__ __forceinline__ float un_float_of(uint32_t bits) {
    return __uint_as_float(bits);
}
__device__ __forceinline__ float un_load(const float *p) {
    return *p;
}
__device__ __forceinline__ float un_load(const un_bf16 *p) {
    return un_float_of((uint32_t)p->bits << 16);
}
__device__ __forceinline__ float un_load(const un_f16 *p) {
    return un_unpack_f16(p->bits);
}
__device__ __forceinline__ void un_store(float *p, float v) {
    *p = v;
}
__device__ __forceinline__ void un_store(un_bf16 *p, float v) {
    p->bits = (uint16_t)un_pack_bf16(v, 0.0f);
}
__device__ __forceinline__ void un_store(un_f16 *p, float v) {
    p->bits = un_pack_f16(v);
}

/* Rounds as storing and loading again would. */
template <class T> __device__ __forceinline__ float un_rounded(float v) {
    T t;
    un_store(&t, v);
    return un_load(&t);
}

/* ---- eight neighbouring elements ---- */

/* Host: may rows of this matrix be read in vectors of 16 bytes? Same answer for all rows. A matrix that is
 * not there may. */
static inline bool un_is_wide(struct un_mat m) {
    size_t row = (size_t)m.stride * (size_t)un_type_bytes(m.type);
    return !m.data || (((uintptr_t)m.data & 15u) == 0 && (m.rows <= 1 || (row & 15u) == 0));
}
static inline bool un_is_wide_array(const void *p) {
    return ((uintptr_t)p & 15u) == 0;
}

/* v[i] = p[i] for i < n, 0 above; n <= 8. wide: p is 16-byte aligned (used when n is 8). */
__device__ __forceinline__ void un_load8(float v[UN_VEC], const float *p, int64_t n, bool wide) {
    if (wide && n >= UN_VEC) {
        float4 a = *(const float4 *)p, b = *(const float4 *)(p + 4);
        v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
        v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
        return;
    }
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) v[i] = i < n ? p[i] : 0.0f;
}
__device__ __forceinline__ void un_load8(float v[UN_VEC], const un_bf16 *p, int64_t n, bool wide) {
    if (wide && n >= UN_VEC) {
        uint4 a = *(const uint4 *)p;
        const uint32_t w[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            v[2 * i] = un_float_of(w[i] << 16);
            v[2 * i + 1] = un_float_of(w[i] & 0xFFFF0000u);
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) v[i] = i < n ? un_load(p + i) : 0.0f;
}
__device__ __forceinline__ void un_load8(float v[UN_VEC], const un_f16 *p, int64_t n, bool wide) {
    if (wide && n >= UN_VEC) {
        uint4 a = *(const uint4 *)p;
        const uint32_t w[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            v[2 * i] = un_unpack_f16((uint16_t)w[i]);
            v[2 * i + 1] = un_unpack_f16((uint16_t)(w[i] >> 16));
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) v[i] = i < n ? un_load(p + i) : 0.0f;
}
/* p[i] = v[i] for i < n. */
__device__ __forceinline__ void un_store8(float *p, const float v[UN_VEC], int64_t n, bool wide) {
    if (wide && n >= UN_VEC) {
        *(float4 *)p = make_float4(v[0], v[1], v[2], v[3]);
        *(float4 *)(p + 4) = make_float4(v[4], v[5], v[6], v[7]);
        return;
    }
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i)
        if (i < n) p[i] = v[i];
}
__device__ __forceinline__ void un_store8(un_bf16 *p, const float v[UN_VEC], int64_t n, bool wide) {
    if (wide && n >= UN_VEC) {
        *(uint4 *)p = make_uint4(un_pack_bf16(v[0], v[1]), un_pack_bf16(v[2], v[3]), un_pack_bf16(v[4], v[5]),
                                 un_pack_bf16(v[6], v[7]));
        return;
    }
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i)
        if (i < n) un_store(p + i, v[i]);
}
__device__ __forceinline__ void un_store8(un_f16 *p, const float v[UN_VEC], int64_t n, bool) {
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i)
        if (i < n) un_store(p + i, v[i]);
}

/* Which warp of its block a thread is in (one-dimensional blocks), from one lane for all: so the compiler knows that all
 * lanes have the same number, and their loops over it need no care for lanes that leave early. All lanes take part. */
__device__ __forceinline__ int un_warp_index() {
    return __shfl_sync(0xFFFFFFFFu, (int)threadIdx.x / UN_WARP, 0);
}

/* ---- sums and maxima of a warp: every lane gets the result, a butterfly, so its order is fixed ---- */

__device__ __forceinline__ float un_warp_sum(float v) {
#pragma unroll
    for (int o = UN_WARP / 2; o > 0; o >>= 1) v += __shfl_xor_sync(0xFFFFFFFFu, v, o);
    return v;
}
__device__ __forceinline__ double un_warp_sum(double v) {
#pragma unroll
    for (int o = UN_WARP / 2; o > 0; o >>= 1) v += __shfl_xor_sync(0xFFFFFFFFu, v, o);
    return v;
}
__device__ __forceinline__ float un_warp_max(float v) {
#pragma unroll
    for (int o = UN_WARP / 2; o > 0; o >>= 1) v = fmaxf(v, __shfl_xor_sync(0xFFFFFFFFu, v, o));
    return v;
}

/* Sum over a block of `warps` warps; every thread gets it. part [32] shared memory of the caller, free again
 * after the next barrier. All threads of the block take part. */
template <class T> __device__ __forceinline__ T un_block_sum(T v, T *part, int warps) {
    const int warp = (int)threadIdx.x / UN_WARP, lane = (int)threadIdx.x % UN_WARP;
    v = un_warp_sum(v);
    __syncthreads(); /* part may hold an earlier sum that others still read */
    if (lane == 0) part[warp] = v;
    __syncthreads();
    T sum = part[0];
    for (int w = 1; w < warps; ++w) sum += part[w];
    return sum;
}

/* ---- dropout: un_dropout_factor of eight elements by one Philox call ---- */

/* f[i] = factor of element 8 * group + i. threshold 0: all 1 (the scale). */
__device__ __forceinline__ void un_dropout8(float f[UN_VEC], const un_dropout &d, uint32_t group) {
    if (d.threshold == 0) {
#pragma unroll
        for (int i = 0; i < UN_VEC; ++i) f[i] = 1.0f;
        return;
    }
    const un_rng4 r = un_philox(group & 0x1FFFFFFFu, d.site, d.at[1], d.at[0], un_rng_key0(d.seed),
                                un_rng_key1(d.seed, UN_RNG_DROPOUT));
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) f[i] = un_dropout_bits(r, i) < d.threshold ? 0.0f : d.scale;
}
/* Group of the first element of a row when rows start at multiples of round_up(cols, 8). */
__device__ __forceinline__ uint32_t un_row_group(int64_t row, int64_t cols) {
    return (uint32_t)(row * ((cols + 7) / 8));
}
/* Host: what a kernel takes by value when no dropout is wanted. */
static inline un_dropout un_dropout_or_none(const un_dropout *d) {
    un_dropout none = {};
    none.scale = 1.0f;
    return d ? *d : none;
}

/* ---- host: from the type of an operand to the template ---- */

/* Runs the statement with T the storage type of `type`; the last one is for types the op does not take. */
#define UN_BY_FLOAT(type, T, statement, otherwise)                                                           \
    do {                                                                                                     \
        if ((type) == UN_F32) {                                                                              \
            using T = float;                                                                                 \
            statement;                                                                                       \
        } else if ((type) == UN_BF16) {                                                                      \
            using T = un_bf16;                                                                               \
            statement;                                                                                       \
        } else {                                                                                             \
            otherwise;                                                                                       \
        }                                                                                                    \
    } while (0)

static inline unsigned un_blocks(int64_t work, int64_t a_block) {
    return (unsigned)((work + a_block - 1) / a_block);
}

#endif
