/* Eight or four neighbouring elements as they lie in memory. A thread that wants several vectors under way
 * reads them all raw and converts when the last read is out: a conversion between two reads would make the
 * second wait. */
#ifndef UN_RUNTIME_CUDA_RAW_CUH
#define UN_RUNTIME_CUDA_RAW_CUH

#include "runtime/cuda/kernel.cuh"

template <class T> struct un_raw8 { uint4 w; };
template <> struct un_raw8<float> { float4 a, b; };

template <class T> __device__ __forceinline__ void un_raw_zero(un_raw8<T> &r) {
    r.w = make_uint4(0, 0, 0, 0);
}
__device__ __forceinline__ void un_raw_zero(un_raw8<float> &r) {
    r.a = r.b = make_float4(0, 0, 0, 0);
}
template <class T> __device__ __forceinline__ void un_raw_read(un_raw8<T> &r, const T *p) {
    r.w = *(const uint4 *)p;
}
__device__ __forceinline__ void un_raw_read(un_raw8<float> &r, const float *p) {
    r.a = *(const float4 *)p;
    r.b = *(const float4 *)(p + 4);
}
__device__ __forceinline__ void un_raw_floats(float v[UN_VEC], const un_raw8<float> &r) {
    v[0] = r.a.x, v[1] = r.a.y, v[2] = r.a.z, v[3] = r.a.w;
    v[4] = r.b.x, v[5] = r.b.y, v[6] = r.b.z, v[7] = r.b.w;
}
__device__ __forceinline__ void un_raw_floats(float v[UN_VEC], const un_raw8<un_bf16> &r) {
    const uint32_t w[4] = {r.w.x, r.w.y, r.w.z, r.w.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        v[2 * i] = un_float_of(w[i] << 16);
        v[2 * i + 1] = un_float_of(w[i] & 0xFFFF0000u);
    }
}
__device__ __forceinline__ void un_raw_floats(float v[UN_VEC], const un_raw8<un_f16> &r) {
    const uint32_t w[4] = {r.w.x, r.w.y, r.w.z, r.w.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        v[2 * i] = un_unpack_f16((uint16_t)w[i]);
        v[2 * i + 1] = un_unpack_f16((uint16_t)(w[i] >> 16));
    }
}

/* ---- four ---- */

template <class T> struct un_raw4 { uint2 w; };
template <> struct un_raw4<float> { float4 w; };

template <class T> __device__ __forceinline__ void un_raw_zero(un_raw4<T> &r) {
    r.w = make_uint2(0, 0);
}
__device__ __forceinline__ void un_raw_zero(un_raw4<float> &r) {
    r.w = make_float4(0, 0, 0, 0);
}
template <class T> __device__ __forceinline__ void un_raw_read(un_raw4<T> &r, const T *p) {
    r.w = *(const uint2 *)p;
}
__device__ __forceinline__ void un_raw_read(un_raw4<float> &r, const float *p) {
    r.w = *(const float4 *)p;
}
__device__ __forceinline__ void un_raw_floats(float v[4], const un_raw4<float> &r) {
    v[0] = r.w.x, v[1] = r.w.y, v[2] = r.w.z, v[3] = r.w.w;
}
__device__ __forceinline__ void un_raw_floats(float v[4], const un_raw4<un_f16> &r) {
    v[0] = un_unpack_f16((uint16_t)r.w.x), v[1] = un_unpack_f16((uint16_t)(r.w.x >> 16));
    v[2] = un_unpack_f16((uint16_t)r.w.y), v[3] = un_unpack_f16((uint16_t)(r.w.y >> 16));
}
/* p aligned to the four elements. */
__device__ __forceinline__ void un_store4(float *p, const float v[4]) {
    *(float4 *)p = make_float4(v[0], v[1], v[2], v[3]);
}
__device__ __forceinline__ void un_store4(un_bf16 *p, const float v[4]) {
    *(uint2 *)p = make_uint2(un_pack_bf16(v[0], v[1]), un_pack_bf16(v[2], v[3]));
}

#endif
