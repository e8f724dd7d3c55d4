/* The two fp8 types of 8 bits (OCP 8-bit floating point, 2023), in integer arithmetic that C and CUDA share.
 *
 *   UN_E4M3  sign, 4 bits of exponent (bias 7), 3 of mantissa: up to 448, normal from 2^-6, steps of 2^-9 below; no
 *            infinity, 0x7F and 0xFF are NaN
 *   UN_E5M2  sign, 5 bits of exponent (bias 15), 2 of mantissa: up to 57,344, normal from 2^-14, steps of 2^-16 below;
 *            0x7C infinity, 0x7D to 0x7F NaN
 *
 * Into them: to nearest, ties to even, subnormal numbers kept; what would be above the largest number, infinity too, becomes
 * the largest of its sign (saturating, as cvt.rn.satfinite of a card); every NaN becomes 0x7F. Out of them: exact, in bf16 too. */
#ifndef UN_RUNTIME_FP8_H
#define UN_RUNTIME_FP8_H

#include "runtime/rng.h"
#include "runtime/tensor.h"

#include <stdbool.h>
#include <string.h>

#define UN_E4M3_MOST 448.0f
#define UN_E5M2_MOST 57344.0f

UN_INLINE uint32_t un_fp8_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
UN_INLINE float un_fp8_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* mantissa: bits of it. shift: what an f32 has more. rebias: difference of the exponents' biases. tiny: the number whose
 * last bit is worth the step of subnormal numbers, so that an addition rounds to it. */
UN_INLINE uint8_t un_fp8_round(float x, int mantissa, uint32_t rebias, float tiny, uint32_t most) {
    const int shift = 23 - mantissa;
    const uint32_t u = un_fp8_bits(x), size = u & 0x7FFFFFFFu, sign = u >> 24 & 0x80u;
    const uint32_t half = (1u << (shift - 1)) - 1u + (size >> shift & 1u);
    const uint32_t normal = ((size + half) >> shift) - (rebias << mantissa);
    const uint32_t low = un_fp8_bits(un_fp8_float(size) + tiny) - un_fp8_bits(tiny);
    const uint32_t code = size < (rebias + 1) << 23 ? low : normal < most ? normal : most;
    return (uint8_t)(size > 0x7F800000u ? 0x7Fu : sign | code);
}
UN_INLINE uint8_t un_fp8_to_e4m3(float x) {
    return un_fp8_round(x, 3, 120, 0x1p14f, 0x7E);
}
UN_INLINE uint8_t un_fp8_to_e5m2(float x) {
    return un_fp8_round(x, 2, 112, 0x1p7f, 0x7B);
}

/* The exponent moves by a multiplication, which also makes subnormal numbers normal. */
UN_INLINE float un_fp8_from_e4m3(uint8_t code) {
    const uint32_t size = code & 0x7Fu, sign = (code & 0x80u) << 24;
    const uint32_t bits = un_fp8_bits(un_fp8_float(size << 20) * 0x1p120f);
    return un_fp8_float(sign | (size == 0x7Fu ? 0x7FC00000u : bits));
}
UN_INLINE float un_fp8_from_e5m2(uint8_t code) {
    const uint32_t size = code & 0x7Fu, sign = (code & 0x80u) << 24;
    const uint32_t bits = un_fp8_bits(un_fp8_float(size << 21) * 0x1p112f);
    const uint32_t wide = 0x7F800000u | (size > 0x7Cu ? 0x400000u : 0u);
    return un_fp8_float(sign | (size >= 0x7Cu ? wide : bits));
}
UN_INLINE float un_fp8_from(uint8_t code, enum un_type type) {
    return type == UN_E4M3 ? un_fp8_from_e4m3(code) : un_fp8_from_e5m2(code);
}
/* Where a backend widens the factors of a product to bf16: elements of a factor that stand there at a time, in whole rows. */
enum { UN_FP8_PIECE = 4 << 20 };
static inline int64_t un_fp8_piece_rows(int64_t rows, int64_t cols) {
    const int64_t piece = UN_FP8_PIECE, fit = cols > 0 ? piece / cols : rows;
    return fit < 1 ? 1 : fit < rows ? fit : rows;
}
/* Elements of the largest piece, where rows have up to `width` elements and a factor up to `rows` rows or `width`. */
static inline int64_t un_fp8_piece_most(int64_t rows, int64_t width) {
    const int64_t piece = UN_FP8_PIECE, all = (rows > width ? rows : width) * width;
    const int64_t most = all < piece ? all : piece;
    return most > width ? most : width;
}

static inline bool un_fp8_is(enum un_type type) {
    return type == UN_E4M3 || type == UN_E5M2;
}

#endif
