/* IEEE 754 binary16 to float and back, in integer arithmetic: exact one way, round to nearest even the other.
 * Own code because _Float16 needs gcc 12 on x86 and HDF5's own conversion takes about 50 ns an element. */
#ifndef UN_RUNTIME_HALF_H
#define UN_RUNTIME_HALF_H

#include <stdint.h>
#include <string.h>

static inline float un_half_to(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = half & 0x7FFFu, bits;
    float value;
    if (rest >= 0x7C00u) {
        bits = 0x7F800000u | (rest & 0x3FFu) << 13;
    } else if (rest >= 0x400u) {
        bits = (rest << 13) + (112u << 23);
    } else { /* subnormal: rest * 2^-24 is exact in float */
        value = (float)rest * 0x1p-24f;
        memcpy(&bits, &value, 4);
    }
    bits |= sign;
    memcpy(&value, &bits, 4);
    return value;
}

/* Values too large become infinity; NaN stays NaN. */
static inline uint16_t un_half_from(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint32_t sign = bits >> 16 & 0x8000u, rest = bits & 0x7FFFFFFFu;
    if (rest > 0x7F800000u) return (uint16_t)(sign | 0x7E00u);
    if (rest >= 0x47800000u) return (uint16_t)(sign | 0x7C00u);
    if (rest < 0x33000000u) return (uint16_t)sign;
    uint32_t shift = 13, mantissa = rest - (112u << 23);
    if (rest < 0x38800000u) { /* subnormal result: units of 2^-24 */
        shift = 126u - (rest >> 23);
        mantissa = 0x800000u | (rest & 0x7FFFFFu);
    }
    uint32_t half = mantissa >> shift, lost = mantissa & ((1u << shift) - 1u), tie = 1u << (shift - 1u);
    half += lost > tie || (lost == tie && (half & 1u));
    return (uint16_t)(sign | half);
}

#endif
