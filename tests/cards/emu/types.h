/* CUDA's words and vector types for a C++ compiler. Standard headers come first: some of them use a word that
 * becomes a macro here. */
#ifndef UN_TESTS_CARDS_EMU_TYPES_H
#define UN_TESTS_CARDS_EMU_TYPES_H

#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

#define __global__ __attribute__((noinline)) /* a kernel stays a function: its name stands in reports */
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
/* not __noinline__, which no kernel says: libstdc++ 14 writes it inside its own __attribute__ */
#define __align__(n) __attribute__((aligned(n)))
/* In a function: one variable for all threads, found by its name and filled with NaNs at each block
 * (shared.cpp). */
#define __shared__ static

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

/* TYPE2 and TYPE4 with their alignment on the card, and make_TYPE2, make_TYPE4. */
#define UN_EMU_VECTOR2(name, type, align)                                                                    \
    struct alignas(align) name {                                                                             \
        type x, y;                                                                                           \
    };                                                                                                       \
    static inline name make_##name(type x, type y) {                                                         \
        return {x, y};                                                                                       \
    }
#define UN_EMU_VECTOR4(name, type, align)                                                                    \
    struct alignas(align) name {                                                                             \
        type x, y, z, w;                                                                                     \
    };                                                                                                       \
    static inline name make_##name(type x, type y, type z, type w) {                                         \
        return {x, y, z, w};                                                                                 \
    }
UN_EMU_VECTOR2(uchar2, unsigned char, 2)
UN_EMU_VECTOR4(uchar4, unsigned char, 4)
UN_EMU_VECTOR2(short2, short, 4)
UN_EMU_VECTOR2(ushort2, unsigned short, 4)
UN_EMU_VECTOR4(short4, short, 8)
UN_EMU_VECTOR4(ushort4, unsigned short, 8)
UN_EMU_VECTOR2(int2, int, 8)
UN_EMU_VECTOR4(int4, int, 16)
UN_EMU_VECTOR2(uint2, unsigned, 8)
UN_EMU_VECTOR4(uint4, unsigned, 16)
UN_EMU_VECTOR2(longlong2, long long, 16)
UN_EMU_VECTOR2(ulonglong2, unsigned long long, 16)
UN_EMU_VECTOR2(float2, float, 8)
UN_EMU_VECTOR4(float4, float, 16)
UN_EMU_VECTOR2(double2, double, 16)
#undef UN_EMU_VECTOR2
#undef UN_EMU_VECTOR4

struct float3 {
    float x, y, z;
};
static inline float3 make_float3(float x, float y, float z) {
    return {x, y, z};
}

#endif
