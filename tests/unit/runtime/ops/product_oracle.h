/* Products bit by bit against THE ORDER of runtime/cpu/product.h, element by element in code of its own, by every kernel
 * that this processor has and by those of AMX and AVX512-BF16 in C. */
#ifndef UN_TESTS_UNIT_RUNTIME_OPS_PRODUCT_ORACLE_H
#define UN_TESTS_UNIT_RUNTIME_OPS_PRODUCT_ORACLE_H

#include "runtime/cpu/product.h"
#include "tests/unit/runtime/ops/harness.h"

enum un_product_numbers {
    UN_NUMBERS_EVEN,
    UN_NUMBERS_WIDE,
    UN_NUMBERS_SMALL,
    UN_NUMBERS_LARGE,
    UN_NUMBERS_LEAST,
    UN_NUMBERS_STRANGE
};

struct un_product_case {
    const struct un_product_kernel *kernel;
    int64_t m, n, k;
    bool ta, tb;
    enum un_type a, b, c;
    float beta;
    enum un_activation activation;
    bool bias, pre;
    enum un_type bias_type;
    enum un_product_numbers numbers;
    float *sums; /* [m,n] of THE ORDER, once for all kernels and variations; NULL: anew */
    bool *summed;
};

/* The kernels that run here, once found; those that do not are named. */
enum { UN_PRODUCT_TRIED = 8 };
extern const struct un_product_kernel *un_product_tried[UN_PRODUCT_TRIED];
extern int un_product_tried_count;
void un_product_try_kernels(void);

/* Elements of f32 and bf16 matrices. */
void un_product_put(struct un_mat m, int64_t i, int64_t j, float v);
float un_product_get(struct un_mat m, int64_t i, int64_t j);
/* Random ones of a range; salt: another matrix. */
struct un_mat un_product_numbers_of(struct un_harness *h, enum un_type type, int64_t rows, int64_t cols,
                                    enum un_product_numbers numbers, uint32_t salt);
/* Bits of an element, after its rounding. */
void un_product_same(const char *what, struct un_mat got, int64_t i, int64_t j, float want);
/* All of c, which was `old` [m,n], and of the epilogue's pre. */
void un_product_check(const struct un_product_case *s, struct un_mat c, const float *old, struct un_mat a,
                      struct un_mat b, const struct un_epilogue *e);
/* The case by every kernel, in every variation of the harness. Factors in f32 go to kernels whose panels are f32. */
void un_product_each(struct un_product_case s);

#endif
