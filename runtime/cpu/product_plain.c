/* The plain kernel: THE ORDER of product.h in portable C, for any processor; no mode of the processor is used. The
 * loops over columns are left to the compiler's vectoriser. */
#include "runtime/cpu/lanes.h"
#include "runtime/cpu/product.h"

enum { ROWS = 4, COLS = 16, HALF = UN_PRODUCT_HALF };

/* Subnormal numbers become zero of their sign. */
UN_INLINE float flush(float x) {
    const int32_t bits = un_lanes_bits(x);
    return un_lanes_float((bits & 0x7F800000) == 0 ? bits & (int32_t)0x80000000 : bits);
}

/* fma(x, y, sum), tiny results as zero. What comes out as 2^-126 may have been tiny: rounding to subnormal numbers is
 * coarser than to 24 bits. The exact value is below 2^-126 - 2^-151 where the difference to it is negative, and one
 * rounding in double keeps the sign of that. */
static float careful(float x, float y, float sum) {
    const float z = fmaf(x, y, sum);
    if (fabsf(z) != 0x1p-126f) return flush(z);
    const double sign = z < 0.0f ? -1.0 : 1.0;
    return fma(sign * (double)x, (double)y, sign * (double)sum - (0x1p-126 - 0x1p-151)) < 0.0
               ? copysignf(0.0f, z)
               : z;
}

/* Sums of the even or of the odd members of a block. */
static void half(float sum[COLS], const float *x, const float *y) {
    int32_t edge = 0;
    for (int j = 0; j < COLS; ++j) sum[j] = 0.0f;
    for (int p = 0; p < HALF; ++p)
        for (int j = 0; j < COLS; ++j) {
            const float z = fmaf(x[p], y[p * COLS + j], sum[j]);
            edge |= (un_lanes_bits(z) & 0x7FFFFFFF) == 0x00800000;
            sum[j] = flush(z);
        }
    if (!edge) return;
    for (int j = 0; j < COLS; ++j) {
        sum[j] = 0.0f;
        for (int p = 0; p < HALF; ++p) sum[j] = careful(x[p], y[p * COLS + j], sum[j]);
    }
}

static void multiply(float *acc, int64_t stride, const void *left, int64_t panels, const void *right,
                     int64_t blocks) {
    const float *x = left;
    for (int64_t p = 0; p < panels; ++p)
        for (int64_t b = 0; b < blocks; ++b)
            for (int r = 0; r < ROWS; ++r, x += UN_PRODUCT_BLOCK) {
                const float *y = (const float *)right + b * UN_PRODUCT_BLOCK * COLS;
                float even[COLS], odd[COLS], *to = acc + (p * ROWS + r) * stride;
                half(even, x, y);
                half(odd, x + HALF, y + HALF * COLS);
                for (int j = 0; j < COLS; ++j) to[j] = flush(to[j] + flush(even[j] + odd[j]));
            }
}

static void pack_left(void *panel, const struct un_product_factor *a, const struct un_product_piece *piece) {
    un_product_pack_left(panel, ROWS, a, piece);
}

static void pack_right(void *panel, const struct un_product_factor *b, const struct un_product_piece *piece) {
    un_product_pack_right(panel, COLS, b, piece);
}

static bool able(void) {
    return true;
}

const struct un_product_kernel un_product_plain = {.name = "plain",
                                                   .rows = ROWS,
                                                   .cols = COLS,
                                                   .element = sizeof(float),
                                                   .able = able,
                                                   .pack_left = pack_left,
                                                   .pack_right = pack_right,
                                                   .multiply = multiply};
