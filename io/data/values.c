#include "io/data/values.h"
#include "runtime/half.h"

#include <math.h>
#include <string.h>

/* Sums and differences of rounded values: 1,601 halves sum to one within this; so do box edges and widths. */
static const double TOLERANCE = 5e-3;

enum { SCAN = 1 << 14 };

/* Adding one to an exponent of all ones carries into the sign bit, so OR collects the answer without a
 * branch. */
static bool any_not_finite16(const uint16_t *v, int64_t n) {
    uint16_t any = 0;
    for (int64_t i = 0; i < n; ++i) any |= (uint16_t)((v[i] & 0x7C00u) + 0x0400u);
    return any & 0x8000u;
}
static bool any_not_finite32(const uint32_t *v, int64_t n) {
    uint32_t any = 0;
    for (int64_t i = 0; i < n; ++i) any |= (v[i] & 0x7F800000u) + 0x00800000u;
    return any & 0x80000000u;
}

/* In blocks that stay in the nearest cache; the block at fault is searched value by value. */
int64_t un_find_not_finite(const void *values, enum un_type type, int64_t n) {
    const uint16_t *v16 = values;
    const uint32_t *v32 = values;
    for (int64_t at = 0; at < n; at += SCAN) {
        int64_t count = n - at < SCAN ? n - at : SCAN;
        if (!(type == UN_F16 ? any_not_finite16(v16 + at, count) : any_not_finite32(v32 + at, count)))
            continue;
        while (!(type == UN_F16 ? any_not_finite16(v16 + at, 1) : any_not_finite32(v32 + at, 1))) ++at;
        return at;
    }
    return -1;
}

bool un_all_zero(const void *values, size_t bytes) {
    const unsigned char *v = values;
    return bytes == 0 || (v[0] == 0 && memcmp(v, v + 1, bytes - 1) == 0);
}

/* As integers, halves from +0 to 1 are the numbers up to 0x3C00; all others but -0 are larger. */
int64_t un_find_not_probability(const uint16_t *values, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        if (values[i] > 0x3C00u && values[i] != 0x8000u) return i;
    return -1;
}

/* Comparisons are written so that NaN fails them. */
static bool box_good(const float *b) {
    bool inside = true;
    for (int i = 0; i < 6; ++i) inside &= b[i] >= -1e-3f && b[i] <= 1.0f + 1e-3f;
    return inside && b[2] >= b[0] && b[3] >= b[1];
}

int64_t un_find_bad_box(const float *box, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        if (!box_good(box + 6 * i)) return i;
    return -1;
}

int64_t un_find_bad_extent(const float *box, int64_t n) {
    for (int64_t i = 0; i < n; ++i, box += 6)
        if (!(fabs((double)(box[2] - box[0] - box[4])) <= TOLERANCE &&
              fabs((double)(box[3] - box[1] - box[5])) <= TOLERANCE))
            return i;
    return -1;
}

int64_t un_find_bad_sum(const void *soft, enum un_type type, int64_t n, int64_t width, double *sum) {
    const uint16_t *half = soft;
    const float *single = soft;
    for (int64_t i = 0; i < n; ++i) {
        *sum = 0;
        for (int64_t k = i * width; k < (i + 1) * width; ++k)
            *sum += (double)un_half_to(type == UN_F16 ? half[k] : un_half_from(single[k]));
        if (!(fabs(*sum - 1) <= TOLERANCE)) return i;
    }
    return -1;
}
