/* Matrix products whose bits are this program's own: c = op(a) op(b) with factors in bf16, or of mixed types.
 *
 * THE ORDER, the contract of every kernel. It is what the instruction TDPBF16PS computes, so that a matrix unit and
 * plain C give the same bits. An element of the product is a sum over k of x_k y_k:
 *
 *  - k runs in blocks of 32. The last block is filled up with pairs of +0: these are members of the sum like others.
 *  - In a block the even and the odd members are summed apart, each by fused multiply-adds from +0 with k ascending:
 *    even = fma(x_k, y_k, even), one rounding to f32 each. block = even + odd.
 *  - acc = acc + block, from acc = +0, blocks ascending.
 *  - A subnormal factor counts as zero of its sign. A result of a multiply-add or an addition that is tiny becomes zero
 *    of its sign; tiny: below 2^-126 after rounding to 24 bits with an exponent of any size (as x86 judges it). So an
 *    exact value from 2^-126 (1 - 2^-25) on is 2^-126, and one below it is zero.
 *  - A NaN counts as the positive quiet one, whatever went in. NaN and infinity in other rows or columns than an
 *    element's own never reach it.
 *  - Then, subnormal numbers kept: beta != 0: z = fma(beta, c, acc); bias: z + bias; the activation of z; all in f32. A
 *    result in bf16 is rounded once, to nearest even; `pre` is z, rounded once, and the activation takes z before that.
 *
 * A sum is never divided among threads. Factors in f32 (which scores of few columns have) are used as they are, by
 * kernels whose panels are f32. */
#ifndef UN_RUNTIME_CPU_PRODUCT_H
#define UN_RUNTIME_CPU_PRODUCT_H

#include "runtime/ops.h"

#include <string.h>

enum { UN_PRODUCT_BLOCK = 32, UN_PRODUCT_HALF = UN_PRODUCT_BLOCK / 2 };

/* A factor as the packing sees it: element i of the outer side (a row of op(a), a column of op(b)) at k is
 * data[i * outer + k * inner]. */
struct un_product_factor {
    const void *data;
    enum un_type type; /* f32 or bf16 */
    int64_t outer, inner;
    int64_t count, depth; /* elements of the outer side, of k */
};

/* A rectangle of one factor that becomes panels: `high` outer elements from `first`, whole panels of them, and `blocks`
 * blocks from `k`; what lies beyond the factor is zero. */
struct un_product_piece {
    int64_t first, high, k, blocks;
};

/* How tiles are computed. A left panel holds `rows` rows of op(a), a right panel `cols` columns of op(b), for blocks of
 * k one after the other; what a panel looks like inside is the kernel's own. */
struct un_product_kernel {
    const char *name;
    int rows, cols; /* of a panel; UN_PRODUCT_ROWS % rows == 0, cols <= UN_PRODUCT_COLS */
    int element;    /* bytes of an element in a panel: 4 (f32, takes factors of any type) or 2 (bf16 alone) */
    bool (*able)(void);  /* does this processor have it, and does the system permit it? */
    bool (*quick)(void); /* is it faster than the next one on a processor that has it? NULL: yes */
    /* All panels of a piece, one after the other; one panel. */
    void (*pack_left)(void *panel, const struct un_product_factor *a, const struct un_product_piece *piece);
    void (*pack_right)(void *panel, const struct un_product_factor *b, const struct un_product_piece *piece);
    /* Around calls of multiply, on the thread that makes them: the state of the processor it wants, and back; nothing
     * else is computed in between. NULL: none. */
    unsigned (*enter)(void);
    void (*leave)(unsigned mode);
    /* acc [panels * rows, cols], `stride` floats apart, += left right, in THE ORDER. left: `panels` panels one after
     * the other; all of ceil(depth / 32) blocks. What fills up the last block is zero in both panels: one pair of
     * zeros changes at most the sign of a zero, and more of them nothing, so a kernel may leave those out. */
    void (*multiply)(float *acc, int64_t stride, const void *left, int64_t panels, const void *right,
                     int64_t depth);
};

/* Rows that are packed at once, columns of the widest right panel. */
enum { UN_PRODUCT_ROWS = 96, UN_PRODUCT_COLS = 64 };

extern const struct un_product_kernel un_product_plain, un_product_avx2, un_product_avx512, un_product_bf16,
    un_product_amx;
/* All that were compiled, the best first; the last is the plain one. */
extern const struct un_product_kernel *const un_product_kernels[];
extern const int un_product_kernel_count;
/* The fastest one that this processor has. */
const struct un_product_kernel *un_product_best(void);
/* It, or the next best with panels of f32. */
const struct un_product_kernel *un_product_wide(const struct un_product_kernel *kernel);
/* By name; UN_USAGE: there is none, or this processor has it not. */
enum un_status un_product_find(const char *name, const struct un_product_kernel **kernel);

/* The widened element, subnormal numbers as zero of their sign. */
static inline float un_product_read(const struct un_product_factor *x, int64_t i, int64_t k) {
    const int64_t at = i * x->outer + k * x->inner;
    uint32_t bits;
    if (x->type == UN_F32)
        memcpy(&bits, (const float *)x->data + at, sizeof bits);
    else
        bits = (uint32_t)((const uint16_t *)x->data)[at] << 16;
    if ((bits & 0x7F800000u) == 0) bits &= 0x80000000u;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Bytes of a panel of `side` outer elements. */
static inline size_t un_product_panel(const struct un_product_kernel *kernel, int side, int64_t blocks) {
    return (size_t)(blocks * UN_PRODUCT_BLOCK * side * kernel->element);
}

/* Panels of f32 as the plain and the vector kernels take them. Left: for a block, for a row, its 16 even members, then
 * its 16 odd ones. Right: for a block, 16 rows of even members, `cols` wide, then 16 rows of odd ones. Any processor. */
void un_product_pack_left(float *panel, int rows, const struct un_product_factor *a,
                          const struct un_product_piece *piece);
void un_product_pack_right(float *panel, int cols, const struct un_product_factor *b,
                           const struct un_product_piece *piece);

/* c = op(a) op(b) + beta * c and the epilogue, as gemm in runtime/ops.h. c, a, b, pre: f32 or bf16. */
void un_product_run(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a, struct un_mat b,
                    bool transpose_b, float beta, const struct un_epilogue *epilogue);

#endif
