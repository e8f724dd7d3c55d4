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

/* The least exponent of numbers that are not zero, as the bits have it; 255 for none. */
static int32_t least_exponent(const float *x, int n) {
    int32_t least = 255;
    for (int i = 0; i < n; ++i) {
        const int32_t exponent = un_lanes_bits(x[i]) >> 23 & 255;
        least = exponent > 0 && exponent < least ? exponent : least;
    }
    return least;
}

/* The same sums where none can be tiny: all are whole multiples of 2^(sum of exponents - 2 * 127 - 46). */
static void plain_sums(float even[COLS], float odd[COLS], const float *x, const float *y) {
    for (int j = 0; j < COLS; ++j) even[j] = odd[j] = 0.0f;
    for (int p = 0; p < HALF; ++p)
        for (int j = 0; j < COLS; ++j) {
            even[j] = fmaf(x[p], y[p * COLS + j], even[j]);
            odd[j] = fmaf(x[HALF + p], y[(HALF + p) * COLS + j], odd[j]);
        }
}

static void add_row(float *to, const float *x, const float *y, bool safe) {
    float even[COLS], odd[COLS];
    if (safe) {
        plain_sums(even, odd, x, y);
    } else {
        half(even, x, y);
        half(odd, x + HALF, y + HALF * COLS);
    }
    for (int j = 0; j < COLS; ++j) to[j] = flush(to[j] + flush(even[j] + odd[j]));
}

static void multiply(float *acc, int64_t stride, const void *left, int64_t panels, const void *right,
                     int64_t depth) {
    const int64_t blocks = (depth + UN_PRODUCT_BLOCK - 1) / UN_PRODUCT_BLOCK;
    /* factors of f32 have 2 * 23 bits below their exponents */
    enum { SAFE = 2 * 127 - 126 + 2 * 23 };
    for (int64_t b = 0; b < blocks; ++b) {
        const float *y = (const float *)right + b * UN_PRODUCT_BLOCK * COLS;
        const int32_t least = least_exponent(y, UN_PRODUCT_BLOCK * COLS);
        for (int64_t r = 0; r < panels * ROWS; ++r) {
            const float *x =
                (const float *)left + ((r / ROWS * blocks + b) * ROWS + r % ROWS) * UN_PRODUCT_BLOCK;
            add_row(acc + r * stride, x, y, least + least_exponent(x, UN_PRODUCT_BLOCK) >= SAFE);
        }
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
