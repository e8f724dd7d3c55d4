/* The files of cuBLASLt between each other: blaslt_call.c describes and asks, blaslt_trial.c chooses, blaslt.c remembers and
 * launches. */
#ifndef UN_RUNTIME_CUDA_BLASLT_H
#define UN_RUNTIME_CUDA_BLASLT_H

#include "runtime/cuda/cuda.h"
#include "runtime/cuda/product.h"

#include <cublasLt.h>

enum { UN_LT_CANDIDATES = 16, UN_LT_EXTRA = 256 /* bytes of scratch for digests */ };

/* The algorithms of a product, the one to take first; all of them were proved to give the same bits. */
struct un_lt_choice {
    cublasLtMatmulAlgo_t algo[UN_LT_CANDIDATES];
    int count; /* 0: none; the backend's own kernels do it */
};

/* Everything cublasLtMatmul wants for one product. The library's descriptors are plain memory. */
struct un_lt_call {
    cublasLtMatmulDescOpaque_t what;
    cublasLtMatrixLayoutOpaque_t left, right, d;
};

struct un_lt_operands {
    const void *left, *right;
    void *d;                             /* also what beta multiplies */
    const float *left_unit, *right_unit; /* device: factors of factors in fp8; NULL: none */
};

struct un_cuda_blas {
    cublasLtHandle_t handle;
    void *workspace; /* device */
    cudaEvent_t from, to;
    struct un_product_table table;
    struct un_lt_choice choice[UN_PRODUCT_MOST];
    struct un_trials trials;
    bool said_full;
};

cublasStatus_t un_lt_describe(struct un_lt_call *c, const struct un_product *product, const void *bias,
                              const struct un_lt_operands *units);
/* Allowed algorithms, the library's favourite first; returns how many. */
int un_lt_candidates(struct un_cuda_blas *blas, const struct un_product *product, struct un_lt_call *c,
                     cublasLtMatmulAlgo_t algo[UN_LT_CANDIDATES]);
cublasStatus_t un_lt_multiply(struct un_queue *q, const struct un_product *product, struct un_lt_call *c,
                              const struct un_lt_operands *o, const cublasLtMatmulAlgo_t *algo);

/* Which algorithms of the library may do a product, found by running them (blaslt_trial.c). `o`: the caller's
 * operands; where the scratch is too small for a trial, one whose result is overwritten (beta 0) is proved on
 * them. timed: else the first that is proved is taken. */
void un_lt_find(struct un_queue *q, const struct un_product *product, struct un_lt_call *c,
                const struct un_lt_operands *o, bool timed, struct un_lt_choice *choice);

#endif
