/* Panels of f32 (product.h), element by element. */
#include "runtime/cpu/product.h"

enum { BLOCK = UN_PRODUCT_BLOCK, HALF = UN_PRODUCT_HALF };

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void un_product_pack_left(float *panel, int rows, const struct un_product_factor *a,
                          const struct un_product_piece *piece) {
    for (int64_t i = 0; i < piece->high; ++i)
        for (int64_t b = 0; b < piece->blocks; ++b) {
            const int64_t first = piece->k + b * BLOCK,
                          deep = piece->first + i < a->count ? least(BLOCK, a->depth - first) : 0;
            float *to = panel + ((i / rows * piece->blocks + b) * rows + i % rows) * BLOCK;
            for (int k = 0; k < BLOCK; ++k)
                to[k % 2 * HALF + k / 2] = k < deep ? un_product_read(a, piece->first + i, first + k) : 0.0f;
        }
}

void un_product_pack_right(float *panel, int cols, const struct un_product_factor *b,
                           const struct un_product_piece *piece) {
    const int64_t have = least(cols, b->count - piece->first);
    for (int64_t i = 0; i < piece->blocks; ++i, panel += BLOCK * cols) {
        const int64_t first = piece->k + i * BLOCK, deep = least(BLOCK, b->depth - first);
        for (int k = 0; k < BLOCK; ++k) {
            float *row = panel + (k % 2 * HALF + k / 2) * cols;
            const int64_t wide = k < deep ? have : 0;
            for (int64_t j = 0; j < wide; ++j) row[j] = un_product_read(b, piece->first + j, first + k);
            for (int64_t j = wide; j < cols; ++j) row[j] = 0.0f;
        }
    }
}
