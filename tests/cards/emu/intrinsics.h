/* Functions of one thread that CUDA has and C++ has not: bits, fast and rounded arithmetic, cached loads,
 * atomics, and the conversions of machine.cuh. The fast ones have the card's dominating error where that is
 * easy (a rounded product before exp2), else are more exact than the card. No atomics on floats: a law of
 * the backend. */
#ifndef UN_TESTS_CARDS_EMU_INTRINSICS_H
#define UN_TESTS_CARDS_EMU_INTRINSICS_H

#include "runtime/fp8.h"
#include "tests/cards/emu/types.h"

#include <type_traits>

using std::isfinite;
using std::isinf;
using std::isnan;
using std::signbit;

template <class To, class From> static inline To un_emu_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
static inline float __uint_as_float(unsigned u) {
    return un_emu_bits<float>(u);
}
static inline unsigned __float_as_uint(float f) {
    return un_emu_bits<unsigned>(f);
}
static inline float __int_as_float(int i) {
    return un_emu_bits<float>(i);
}
static inline int __float_as_int(float f) {
    return un_emu_bits<int>(f);
}
static inline double __longlong_as_double(long long i) {
    return un_emu_bits<double>(i);
}
static inline long long __double_as_longlong(double d) {
    return un_emu_bits<long long>(d);
}

static inline int __popc(unsigned u) {
    return __builtin_popcount(u);
}
static inline int __popcll(unsigned long long u) {
    return __builtin_popcountll(u);
}
static inline int __ffs(int i) {
    return __builtin_ffs(i);
}
static inline int __clz(int i) {
    return i == 0 ? 32 : __builtin_clz((unsigned)i);
}
static inline unsigned __umulhi(unsigned a, unsigned b) {
    return (unsigned)((uint64_t)a * b >> 32);
}
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    return (unsigned)(((uint64_t)high << 32 | low) << (shift & 31u) >> 32);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return (unsigned)(((uint64_t)high << 32 | low) >> (shift & 31u));
}
/* Byte i of the result is byte (selector nibble i) of y:x; the sign mode (bit 3) is not used here. */
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    const uint64_t both = (uint64_t)y << 32 | x;
    unsigned r = 0;
    for (unsigned i = 0; i < 4; ++i)
        r |= (unsigned)(both >> (8 * (selector >> (4 * i) & 7u)) & 0xFFu) << (8 * i);
    return r;
}

/* ---- arithmetic ---- */

/* The C library's headers declare functions of these names. */
#define __expf   un_emu_fast_exp
#define __exp10f un_emu_fast_exp10
#define __logf   un_emu_fast_log
#define __log2f  un_emu_fast_log2
#define __powf   un_emu_fast_pow
static inline float un_emu_fast_exp(float x) {
    return exp2f(x * 1.4426950408889634f);
}
static inline float un_emu_fast_exp10(float x) {
    return exp2f(x * 3.3219280948873623f);
}
static inline float un_emu_fast_log(float x) {
    return log2f(x) * 0.6931471805599453f;
}
static inline float un_emu_fast_log2(float x) {
    return log2f(x);
}
static inline float un_emu_fast_pow(float x, float y) {
    return exp2f(y * log2f(x));
}
/* 0 when the divisor is so large that its reciprocal is a denormal. */
static inline float __fdividef(float x, float y) {
    return fabsf(y) > 0x1p126f && fabsf(y) < INFINITY ? x * 0.0f : x * (1.0f / y);
}
static inline float rsqrtf(float x) {
    return 1.0f / sqrtf(x);
}
static inline double rsqrt(double x) {
    return 1.0 / sqrt(x);
}
static inline float __frsqrt_rn(float x) {
    return (float)(1.0 / sqrt((double)x));
}
static inline float __frcp_rn(float x) {
    return 1.0f / x;
}
static inline float __fsqrt_rn(float x) {
    return sqrtf(x);
}
static inline float __fadd_rn(float a, float b) {
    return a + b;
}
static inline float __fsub_rn(float a, float b) {
    return a - b;
}
static inline float __fmul_rn(float a, float b) {
    return a * b;
}
static inline float __fdiv_rn(float a, float b) {
    return a / b;
}
static inline float __fmaf_rn(float a, float b, float c) {
    return fmaf(a, b, c);
}
static inline double __dadd_rn(double a, double b) {
    return a + b;
}
static inline double __dmul_rn(double a, double b) {
    return a * b;
}
static inline double __fma_rn(double a, double b, double c) {
    return fma(a, b, c);
}
static inline float __saturatef(float x) {
    return x > 0.0f ? fminf(x, 1.0f) : 0.0f;
}
static inline int __float2int_rn(float x) {
    return (int)rintf(x);
}
static inline int __float2int_rz(float x) {
    return (int)x;
}
static inline float __int2float_rn(int x) {
    return (float)x;
}
static inline float __uint2float_rn(unsigned x) {
    return (float)x;
}
static inline float normcdff(float x) {
    return (float)(0.5 * erfc(-(double)x * 0.70710678118654752));
}

/* min and max of equal types, as CUDA has them; of a NaN and a number the number. */
#define UN_EMU_MIN_MAX(type)                                                                                 \
    static inline type min(type a, type b) {                                                                 \
        return b < a ? b : a;                                                                                \
    }                                                                                                        \
    static inline type max(type a, type b) {                                                                 \
        return b > a ? b : a;                                                                                \
    }
UN_EMU_MIN_MAX(int)
UN_EMU_MIN_MAX(unsigned)
UN_EMU_MIN_MAX(long)
UN_EMU_MIN_MAX(unsigned long)
UN_EMU_MIN_MAX(long long)
UN_EMU_MIN_MAX(unsigned long long)
#undef UN_EMU_MIN_MAX
static inline float min(float a, float b) {
    return fminf(a, b);
}
static inline float max(float a, float b) {
    return fmaxf(a, b);
}
static inline double min(double a, double b) {
    return fmin(a, b);
}
static inline double max(double a, double b) {
    return fmax(a, b);
}

/* ---- memory ---- */

#define UN_EMU_LOAD(name)                                                                                    \
    template <class T> static inline T name(const T *p) {                                                    \
        return *p;                                                                                           \
    }
#define UN_EMU_STORE(name)                                                                                   \
    template <class T> static inline void name(T *p, T v) {                                                  \
        *p = v;                                                                                              \
    }
UN_EMU_LOAD(__ldg)
UN_EMU_LOAD(__ldca)
UN_EMU_LOAD(__ldcg)
UN_EMU_LOAD(__ldcs)
UN_EMU_LOAD(__ldlu)
UN_EMU_LOAD(__ldcv)
UN_EMU_STORE(__stwb)
UN_EMU_STORE(__stcg)
UN_EMU_STORE(__stcs)
UN_EMU_STORE(__stwt)
#undef UN_EMU_LOAD
#undef UN_EMU_STORE

template <class T, class F> static inline T un_emu_atomic(T *p, F change) {
    static_assert(std::is_integral<T>::value, "atomics on floats add in an order of timing");
    T before = __atomic_load_n(p, __ATOMIC_RELAXED);
    while (
        !__atomic_compare_exchange_n(p, &before, change(before), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return before;
}
template <class T> static inline T atomicAdd(T *p, T v) {
    return un_emu_atomic(p, [v](T old) { return (T)(old + v); });
}
template <class T> static inline T atomicSub(T *p, T v) {
    return un_emu_atomic(p, [v](T old) { return (T)(old - v); });
}
template <class T> static inline T atomicMax(T *p, T v) {
    return un_emu_atomic(p, [v](T old) { return old > v ? old : v; });
}
template <class T> static inline T atomicMin(T *p, T v) {
    return un_emu_atomic(p, [v](T old) { return old < v ? old : v; });
}
template <class T> static inline T atomicOr(T *p, T v) {
    return un_emu_atomic(p, [v](T old) { return (T)(old | v); });
}
template <class T> static inline T atomicAnd(T *p, T v) {
    return un_emu_atomic(p, [v](T old) { return (T)(old & v); });
}
template <class T> static inline T atomicExch(T *p, T v) {
    return un_emu_atomic(p, [v](T) { return v; });
}
template <class T> static inline T atomicCAS(T *p, T compare, T v) {
    return un_emu_atomic(p, [compare, v](T old) { return old == compare ? v : old; });
}
static inline unsigned atomicInc(unsigned *p, unsigned most) {
    return un_emu_atomic(p, [most](unsigned old) { return old >= most ? 0u : old + 1u; });
}

/* ---- arithmetic and conversions of machine.cuh ---- */

/* The card's unit has no denormals: operands and results below 2^-126 are zero. */
static inline float un_emu_no_denormal(float x) {
    return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x;
}
static inline float un_exp2(float x) {
    return un_emu_no_denormal(exp2f(x));
}
static inline float un_reciprocal(float x) {
    return un_emu_no_denormal(1.0f / un_emu_no_denormal(x));
}

/* To nearest even; every NaN becomes the card's. */
static inline uint32_t un_emu_bf16(float f) {
    const uint32_t u = __float_as_uint(f);
    return f != f ? 0x7FFFu : (u + 0x7FFFu + (u >> 16 & 1u)) >> 16;
}
static inline uint32_t un_pack_bf16(float lo, float hi) {
    return un_emu_bf16(lo) | un_emu_bf16(hi) << 16;
}
static inline uint32_t un_pack_e4m3(float lo, float hi) {
    return un_fp8_to_e4m3(lo) | (uint32_t)un_fp8_to_e4m3(hi) << 8;
}
static inline uint32_t un_pack_e5m2(float lo, float hi) {
    return un_fp8_to_e5m2(lo) | (uint32_t)un_fp8_to_e5m2(hi) << 8;
}
static inline float un_unpack_f16(uint16_t h) {
    const uint32_t sign = (h & 0x8000u) << 16, size = h & 0x7FFFu;
    if (size >= 0x7C00u) return __uint_as_float(sign | 0x7F800000u | size << 13);
    return copysignf(size < 0x400u ? (float)size * 0x1p-24f : __uint_as_float((size << 13) + 0x38000000u),
                     __uint_as_float(sign));
}
/* Above 65504: 65520 and more round to infinity, as the carry of the rounding has it. */
static inline uint16_t un_pack_f16(float f) {
    const uint32_t u = __float_as_uint(f), sign = u >> 16 & 0x8000u, size = u & 0x7FFFFFFFu;
    if (f != f) return 0x7FFF;
    if (size >= 0x47800000u) return (uint16_t)(sign | 0x7C00u);
    if (size < 0x38800000u) return (uint16_t)(sign | (uint32_t)rintf(fabsf(f) * 0x1p24f));
    return (uint16_t)(sign | ((size - 0x38000000u + 0xFFFu + (size >> 13 & 1u)) >> 13));
}

#endif
