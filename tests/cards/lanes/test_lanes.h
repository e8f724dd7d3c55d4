/* What the tests of fragments share; after the kernels, whose words cmocka does not know. */
#ifndef UN_TESTS_CARDS_LANES_TEST_LANES_H
#define UN_TESTS_CARDS_LANES_TEST_LANES_H

extern "C" {
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
}

extern const struct CMUnitTest lanes_attention, lanes_transport, lanes_transport_bwd;

/* An integer of [-most, most]. */
static inline int lanes_small(uint32_t *state, int most) {
    *state = *state * 1664525u + 1013904223u;
    return (int)((*state >> 8) % (2u * (unsigned)most + 1)) - most;
}

static inline un_bf16 lanes_to_bf16(float f) {
    const uint32_t bits = __float_as_uint(f);
    return un_bf16{(uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16)};
}

#endif
