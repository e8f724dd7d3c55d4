/* Small matrix products inside one thread, for ops that hold many of them (a head of one sample, a pair of
 * the transport): no threads, no allocation, no packing behind the caller's back.
 *
 * Law: every element of a product is one chain of multiply-adds, depth ascending, so its bits depend on
 * neither the tile it falls into nor on the sizes of the others. */
#ifndef UN_RUNTIME_CPU_TILE_H
#define UN_RUNTIME_CPU_TILE_H

#include "runtime/tensor.h"

#include <stdbool.h>

/* Widest panel worth keeping near the registers: columns of one sweep of the product. */
enum { UN_TILE_COLS = 64, UN_TILE_LANES = 16 };

static inline int64_t un_tile_round(int64_t n) {
    return (n + UN_TILE_LANES - 1) / UN_TILE_LANES * UN_TILE_LANES;
}

/* Largest of a row of a multiple of UN_TILE_LANES elements, at least one; NaN are skipped past the first
 * lanes. */
float un_tile_max(const float *x, int64_t padded);

/* The left factor: element (i, k) at data[i * row + k * step], so a transpose is a matter of steps. */
struct un_tile_left {
    const float *data;
    int64_t row, step;
};

/* c[rows, cols] = left[rows, depth] right[depth, cols], or += with `add`. right is row-major with stride
 * right_stride and must be readable up to un_tile_round(cols) in every row. Only rows x cols of c are
 * touched. */
void un_tile_product(float *c, int64_t c_stride, struct un_tile_left left, const float *right,
                     int64_t right_stride, int64_t rows, int64_t cols, int64_t depth, bool add);

/* What is packed and dotted is f32 or bf16, which is widened exactly. */

/* panel[rows, un_tile_round(cols)] = x, the columns past cols zero. */
void un_tile_pack(float *panel, struct un_mat x);
/* panel[cols, un_tile_round(rows)] = transpose of x, the columns past rows zero. */
void un_tile_transpose(float *panel, struct un_mat x);

/* c[i, j] = x_i . y_j for all rows of x and y, both of one type; sixteen running sums folded by a fixed tree, so more
 * accurate than a chain. */
void un_tile_dots(float *c, int64_t c_stride, struct un_mat x, struct un_mat y);

#endif
