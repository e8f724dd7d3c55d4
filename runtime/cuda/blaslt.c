/* Matrix products by cuBLASLt: what was found for them (blaslt_trial.c), once per product (product.h), and its launch.
 *
 * Law: an algorithm runs on a caller's data when it was proved, or not at all. Where the library has none, or
 * all of them fail, the backend's own product follows, and says so: it is slow. */
#include "runtime/cuda/blaslt.h"

#include <inttypes.h>
#include <string.h>

static enum un_status blas_failed(const char *what, cublasStatus_t status) {
    return un_fail(UN_INTERNAL, "cuBLASLt: %s: %s", what, cublasLtGetStatusString(status));
}

void un_cuda_blas_close(struct un_queue *q, struct un_cuda_blas *blas) {
    if (!blas) return;
    if (blas->handle) cublasLtDestroy(blas->handle);
    if (blas->from) cudaEventDestroy(blas->from);
    if (blas->to) cudaEventDestroy(blas->to);
    q->device->mem->free(q->device, blas->workspace);
    un_free(blas);
}

enum un_status un_cuda_blas_open(struct un_queue *q, struct un_cuda_blas **blas) {
    struct un_cuda_blas *made = *blas = un_alloc(1, sizeof *made, "algorithms of products");
    if (!made) return UN_MEMORY;
    made->workspace = q->device->mem->alloc(q->device, un_cuda_blas_workspace(), "workspace of cuBLASLt");
    if (!made->workspace) return UN_MEMORY;
    cublasStatus_t status = cublasLtCreate(&made->handle);
    if (status != CUBLAS_STATUS_SUCCESS) {
        made->handle = NULL;
        return blas_failed("a handle", status);
    }
    cudaError_t error = cudaEventCreate(&made->from);
    if (error == cudaSuccess) error = cudaEventCreate(&made->to);
    un_cuda_check(q, error, "events of the products");
    return error == cudaSuccess ? UN_OK : q->error.status;
}

/* The algorithms of a product, found at its first call. Work that is being recorded cannot be tried: its
 * products were met before. */
static struct un_lt_choice *choice_of(struct un_queue *q, const struct un_product *product,
                                      struct un_lt_call *c, const struct un_lt_operands *o,
                                      struct un_lt_choice *room) {
    struct un_cuda_blas *blas = q->blas;
    bool added;
    const int place = un_product_place(&blas->table, product, &added);
    if (place >= 0 && !added) return &blas->choice[place];
    struct un_lt_choice *choice = place >= 0 ? &blas->choice[place] : room;
    if (place < 0 && !blas->said_full)
        un_log(UN_LOG_WARN,
               "more than %d shapes of products: later ones are tried at each call, which is slow",
               UN_PRODUCT_MOST);
    blas->said_full |= place < 0;
    choice->count = 0;
    if (q->capturing)
        un_cuda_fail(q, UN_INTERNAL,
                     "a product of %" PRId64 " x %" PRId64 " x %" PRId64
                     " was not met before it was recorded",
                     product->n, product->m, product->k);
    else
        un_lt_find(q, product, c, o, !q->device->untimed && place >= 0, choice);
    return choice;
}

static const char *type_name(int32_t type) {
    static const char *const names[] = {
        [UN_F32] = "f32", [UN_BF16] = "bf16", [UN_E4M3] = "e4m3", [UN_E5M2] = "e5m2"};
    return names[type];
}

/* Once a product; of one that the library adds no bias to, it is told apart whether it does the rest. */
static void say_own(const struct un_product *p, const char *why) {
    un_log(UN_LOG_WARN,
           "product %" PRId64 " x %" PRId64 " x %" PRId64
           " (%s%s %s%s -> %s%s%s, addresses and rows at multiples of %d, "
           "%d, %d bytes): %s; the backend's own, slow product does it",
           p->n, p->m, p->k, type_name(p->right.type), p->transpose_right ? "^T" : "",
           type_name(p->left.type), p->transpose_left ? "^T" : "", type_name(p->d.type),
           p->beta ? ", added" : "", p->bias ? ", bias" : "", p->right.align, p->left.align, p->d.align, why);
}

/* Runs the first algorithm that does not fail; one that fails is not taken again. */
static bool launch(struct un_queue *q, const struct un_product *product, struct un_lt_call *c,
                   const struct un_lt_operands *o, struct un_lt_choice *choice) {
    while (choice->count > 0) {
        const cublasStatus_t status = un_lt_multiply(q, product, c, o, &choice->algo[0]);
        if (status == CUBLAS_STATUS_SUCCESS) return true;
        (void)cudaGetLastError(); /* else the next launch would be blamed */
        un_log(UN_LOG_WARN,
               "product %" PRId64 " x %" PRId64 " x %" PRId64
               ": its algorithm failed (%s), %d more of the same bits",
               product->n, product->m, product->k, cublasLtGetStatusString(status), choice->count - 1);
        memmove(choice->algo, choice->algo + 1, (size_t)--choice->count * sizeof *choice->algo);
        if (choice->count == 0)
            say_own(product, "all its algorithms have failed, from here on with other bits");
    }
    return false;
}

/* With the bias, or without it, or not at all. */
static bool multiply(struct un_queue *q, struct un_product *product, const struct un_lt_operands *o,
                     const void *bias, bool *biased) {
    struct un_lt_call call;
    struct un_lt_choice room;
    for (;; product->bias = 0) { /* perhaps without the bias */
        const int known = q->blas->table.count;
        struct un_lt_choice *choice = NULL;
        if (un_lt_describe(&call, product, bias, o) == CUBLAS_STATUS_SUCCESS)
            choice = choice_of(q, product, &call, o, &room);
        if (choice && launch(q, product, &call, o, choice)) break;
        if (product->bias) continue;
        if (!choice || q->blas->table.count > known)
            say_own(product, "cuBLASLt has no algorithm that repeats its bits");
        return false;
    }
    q->last = "a product by cuBLASLt";
    *biased = product->bias;
    return true;
}

static bool bias_fits(const void *bias) {
    return bias && ((uintptr_t)bias & 15u) == 0; /* the product does not hold its alignment */
}

bool un_cuda_blas_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a,
                       struct un_mat b, bool transpose_b, float beta, const void *bias,
                       enum un_type bias_type, bool *biased) {
    struct un_product product;
    *biased = false;
    if (!q->blas || !un_product_make(&product, c, a, transpose_a, b, transpose_b, beta, bias_fits(bias),
                                     bias_type, q->device->tf32))
        return false;
    const struct un_lt_operands o = {.left = b.data, .right = a.data, .d = c.data};
    return multiply(q, &product, &o, bias, biased);
}

bool un_cuda_blas_gemm_fp8(struct un_queue *q, struct un_mat c, struct un_mat a, const float *a_unit,
                           struct un_mat b, const float *b_unit, float beta, const void *bias,
                           enum un_type bias_type, bool *biased) {
    struct un_product product;
    *biased = false;
    if (!q->blas || !un_product_make(&product, c, a, false, b, true, beta, bias_fits(bias), bias_type, false))
        return false;
    const struct un_lt_operands o = {b.data, a.data, c.data, b_unit, a_unit};
    return multiply(q, &product, &o, bias, biased);
}

void un_cuda_trials(struct un_queue *q, struct un_trials *trials) {
    *trials = q->blas ? q->blas->trials : (struct un_trials){0};
}
