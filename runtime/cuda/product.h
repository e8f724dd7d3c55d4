/* What blaslt.c decides without a card: the library's arguments for a row-major product, which products it
 * is asked for, where an algorithm once chosen is remembered, and which of the tried ones is taken.
 *
 * Law: whether the library does a product, and with which sums, follows from shapes, types, strides and
 * alignments; time only chooses among algorithms that gave the same bits. */
#ifndef UN_RUNTIME_CUDA_PRODUCT_H
#define UN_RUNTIME_CUDA_PRODUCT_H

#include "runtime/tensor.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One matrix as a column-major library sees it: element (i, j) at i + j * lead. */
struct un_product_mat {
    int64_t rows, cols, lead;
    int32_t type;  /* enum un_type */
    int32_t align; /* bytes that divide the address and lead: 2 to 16 */
};

/* d [m,n] = op(left) op(right) + beta * d, all column-major; left is the caller's b, right its a, d its c.
 * No padding bytes: compared as memory. */
struct un_product {
    int64_t m, n, k;
    struct un_product_mat left, right, d;
    int32_t transpose_left, transpose_right;
    int32_t bias, beta, tf32; /* 0 or 1 */
    int32_t
        split; /* 1: the inner dimension may be cut into pieces whose sums are added by a second kernel: k >= 2048 where
                    * tiles of 128 x 128 fill less than 85 % of waves of 132 (runtime/waves.h), on every card alike */
};

/* Describes c = op(a) op(b) + beta c; false: not for the library (tiny, a type it does not mix, beta other
 * than 0 or 1). with_bias: a bias of type `bias_type` is wanted; product->bias tells whether the library adds it
 * (of the type of c alone). */
bool un_product_make(struct un_product *product, struct un_mat c, struct un_mat a, bool transpose_a,
                     struct un_mat b, bool transpose_b, float beta, bool with_bias, enum un_type bias_type,
                     bool tf32);

/* Bytes of a matrix from its first to its last element. */
size_t un_product_bytes(const struct un_product_mat *m);

/* Products seen so far, each with a place in an array of the caller's. Never more than UN_PRODUCT_MOST. */
enum { UN_PRODUCT_MOST = 2048, UN_PRODUCT_SLOTS = 4096 };
struct un_product_table {
    struct un_product product[UN_PRODUCT_MOST];
    int16_t slot[UN_PRODUCT_SLOTS]; /* place + 1, 0: free */
    int count;
};
/* The place of a product, or -1; *added: it was not there before. */
int un_product_place(struct un_product_table *table, const struct un_product *product, bool *added);

/* One algorithm after its trials. */
struct un_product_trial {
    bool ran;           /* every run of it succeeded */
    uint64_t digest[2]; /* of the result, twice */
    double seconds;     /* of a run; less than 0: not timed */
};
bool un_product_repeats(const struct un_product_trial *t); /* ran, and gave the same bits twice */
/* order [count]: those that repeat their bits and give those of the first one that repeats its own, the fastest
 * first; equal times, or none taken: the earlier first. Returns how many. */
int un_product_order(const struct un_product_trial *trial, int count, int *order);

#ifdef __cplusplus
}
#endif
#endif
