/* The histories of fp8 (scaling.h). */
#include "model/scaling.h"

#include "runtime/fp8.h"
#include "runtime/memory.h"

#include <math.h>

enum { SCALE_MOST = 60 /* exponent */ };
static const uint32_t infinite = 0x7F800000u; /* as bits; above it are NaN */

enum un_status un_scaling_open(struct un_scaling *s, int64_t tensors, int64_t length, int64_t after) {
    *s = (struct un_scaling){.tensors = tensors, .length = length, .after = after};
    s->amax = un_alloc((size_t)(tensors * length), sizeof *s->amax, "histories of fp8");
    return s->amax ? UN_OK : un_error_get()->status;
}

void un_scaling_close(struct un_scaling *s) {
    un_free(s->amax);
    *s = (struct un_scaling){0};
}

bool un_scaling_ready(const struct un_scaling *s) {
    return s->tensors > 0 && s->filled >= s->after;
}

static uint32_t largest(const struct un_scaling *s, int64_t tensor) {
    const int64_t n = s->filled < s->length ? s->filled : s->length;
    uint32_t most = 0;
    for (int64_t i = 0; i < n; ++i) {
        const uint32_t one = s->amax[tensor * s->length + i];
        most = one > most ? one : most;
    }
    return most;
}

float un_scaling_scale(const struct un_scaling *s, int64_t tensor) {
    const float amax = un_fp8_float(largest(s, tensor));
    const double most = un_fp8_type(tensor) == UN_E5M2 ? (double)UN_E5M2_MOST : (double)UN_E4M3_MOST;
    int exponent = 0;
    if (amax == 0) return 1.0f;
    (void)frexp(most / (double)amax,
                &exponent); /* m 2^e, 0.5 <= m < 1; amax has 24 bits: never rounded up to a power */
    exponent = exponent - 1 > SCALE_MOST    ? SCALE_MOST
               : exponent - 1 < -SCALE_MOST ? -SCALE_MOST
                                            : exponent - 1;
    return ldexpf(1.0f, exponent);
}

void un_scaling_take(struct un_scaling *s, const uint32_t *amax) {
    const int64_t place = s->filled % s->length;
    for (int64_t t = 0; t < s->tensors; ++t) {
        const uint32_t one = amax[t] < infinite ? amax[t] : largest(s, t);
        s->amax[t * s->length + place] = one;
    }
    ++s->filled;
}
