/* bfloat16 to float and back, in integer arithmetic: exact one way, round to nearest even the other. Values
 * that round beyond the largest become infinity; NaN stays NaN. */
#ifndef UN_RUNTIME_BFLOAT_H
#define UN_RUNTIME_BFLOAT_H

#include <stdint.h>
#include <string.h>

static inline float un_bfloat_to(uint16_t bfloat) {
    uint32_t bits = (uint32_t)bfloat << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline uint16_t un_bfloat_from(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

#endif
