/* Conversions between float and the two 16-bit formats, branch-free so that loops over them vectorise on any
 * processor. Rounding is to nearest, ties to even; NaN stays NaN; overflow gives infinity; denormals are
 * kept. */
#ifndef UN_RUNTIME_CPU_CONVERT_H
#define UN_RUNTIME_CPU_CONVERT_H

#include "runtime/cpu/lanes.h"

UN_INLINE float un_half_from_bf16(uint16_t h) {
    return un_lanes_float((int32_t)((uint32_t)h << 16));
}

UN_INLINE uint16_t un_half_to_bf16(float x) {
    uint32_t u = (uint32_t)un_lanes_bits(x);
    uint32_t rounded = (u + 0x7FFFu + ((u >> 16) & 1u)) >> 16;
    return (uint16_t)(x == x ? rounded : (u >> 16) | 0x40u);
}

/* The exponent moves from bias 15 to bias 127 by a multiplication, which also normalises denormals. */
UN_INLINE float un_half_from_f16(uint16_t h) {
    uint32_t size = h & 0x7FFFu, sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t finite = (uint32_t)un_lanes_bits(un_lanes_float((int32_t)(size << 13)) * 0x1p112f);
    uint32_t bits = size < 0x7C00u ? finite : 0x7F800000u | (size << 13);
    return un_lanes_float((int32_t)(bits | sign));
}

UN_INLINE uint16_t un_half_to_f16(float x) {
    uint32_t u = (uint32_t)un_lanes_bits(x), size = u & 0x7FFFFFFFu, sign = (u >> 16) & 0x8000u;
    /* Normal results: re-bias, then round the 13 bits that go. 65520 and more carry into infinity by
     * themselves. */
    uint32_t normal = (size - 0x38000000u + 0xFFFu + ((size >> 13) & 1u)) >> 13;
    /* Below 2^-14: adding 0.5 lets the float adder round to a multiple of 2^-24, the step of denormals. */
    uint32_t tiny = (uint32_t)un_lanes_bits(un_lanes_float((int32_t)size) + 0.5f) - 0x3F000000u;
    uint32_t bits = size < 0x38800000u ? tiny : normal;
    bits = size < 0x47800000u ? bits : 0x7C00u;
    bits = size <= 0x7F800000u ? bits : 0x7E00u | ((size >> 13) & 0x3FFu);
    return (uint16_t)(bits | sign);
}

#endif
