/* Matrix products by cuBLASLt: what the library is asked for, and the launch of what was found
 * (blaslt_trial.c), once per product (product.h). No sums by atomics: the inner dimension is cut only where
 * the product allows it, and only with partial sums that a second kernel adds.
 *
 * Law: an algorithm runs on a caller's data when it was proved, or not at all. Where the library has none, or
 * all of them fail, the backend's own product follows, and says so: it is slow. */
#include "runtime/cuda/blaslt.h"

#include <inttypes.h>
#include <string.h>

/* 32 MiB: what NVIDIA advises for compute capability 9.0. */
static const size_t WORKSPACE = (size_t)32 << 20;

size_t un_cuda_blas_workspace(void) {
    return WORKSPACE;
}

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
    made->workspace = q->device->mem->alloc(q->device, WORKSPACE, "workspace of cuBLASLt");
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

/* ---- descriptors ---- */

static cudaDataType type_of(int32_t type) {
    return type == UN_F32 ? CUDA_R_32F : CUDA_R_16BF;
}

static cublasStatus_t lay(cublasLtMatrixLayoutOpaque_t *layout, const struct un_product_mat *m) {
    return cublasLtMatrixLayoutInit(layout, type_of(m->type), (uint64_t)m->rows, (uint64_t)m->cols, m->lead);
}

static cublasStatus_t set(struct un_lt_call *c, cublasLtMatmulDescAttributes_t name, const void *value,
                          size_t bytes) {
    return cublasLtMatmulDescSetAttribute(&c->what, name, value, bytes);
}

static cublasStatus_t set_bias(struct un_lt_call *c, const struct un_product *product, const void *bias) {
    const int32_t type = type_of(product->d.type);
    const uint32_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    cublasStatus_t status = set(c, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = set(c, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = set(c, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    return status;
}

cublasStatus_t un_lt_describe(struct un_lt_call *c, const struct un_product *product, const void *bias) {
    const int32_t left = product->transpose_left ? CUBLAS_OP_T : CUBLAS_OP_N,
                  right = product->transpose_right ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasStatus_t status = cublasLtMatmulDescInit(
        &c->what, product->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (status == CUBLAS_STATUS_SUCCESS) status = set(c, CUBLASLT_MATMUL_DESC_TRANSA, &left, sizeof left);
    if (status == CUBLAS_STATUS_SUCCESS) status = set(c, CUBLASLT_MATMUL_DESC_TRANSB, &right, sizeof right);
    if (status == CUBLAS_STATUS_SUCCESS && product->bias) status = set_bias(c, product, bias);
    if (status == CUBLAS_STATUS_SUCCESS) status = lay(&c->left, &product->left);
    if (status == CUBLAS_STATUS_SUCCESS) status = lay(&c->right, &product->right);
    if (status == CUBLAS_STATUS_SUCCESS) status = lay(&c->d, &product->d);
    return status;
}

/* ---- candidates ---- */

static cublasStatus_t prefer(cublasLtMatmulPreferenceOpaque_t *wish, const struct un_product *product) {
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        uint32_t value;
    } wishes[] = {
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, (uint32_t)product->left.align},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, (uint32_t)product->right.align},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, (uint32_t)product->d.align},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, (uint32_t)product->d.align},
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
         product->split ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : CUBLASLT_REDUCTION_SCHEME_NONE},
    };
    const uint64_t workspace = WORKSPACE;
    cublasStatus_t status = cublasLtMatmulPreferenceInit(wish);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                      &workspace, sizeof workspace);
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes && status == CUBLAS_STATUS_SUCCESS; ++i)
        status = cublasLtMatmulPreferenceSetAttribute(wish, wishes[i].name, &wishes[i].value,
                                                      sizeof wishes[i].value);
    return status;
}

static uint32_t config(const cublasLtMatmulAlgo_t *algo, cublasLtMatmulAlgoConfigAttributes_t name) {
    uint32_t value = 0;
    size_t written = 0;
    cublasLtMatmulAlgoConfigGetAttribute(algo, name, &value, sizeof value, &written);
    return value;
}

/* One chain of sums, or pieces with sums of their own that are added after. The mask above is only a wish. */
static bool allowed(const cublasLtMatmulAlgo_t *algo, const struct un_product *product) {
    const uint32_t split = config(algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM),
                   scheme = config(algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME);
    if (split <= 1 && scheme == CUBLASLT_REDUCTION_SCHEME_NONE) return true;
    return product->split && scheme == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
}

/* Allowed algorithms, the library's favourite first; 0: it has none. */
int un_lt_candidates(struct un_cuda_blas *blas, const struct un_product *product, struct un_lt_call *c,
                     cublasLtMatmulAlgo_t algo[UN_LT_CANDIDATES]) {
    cublasLtMatmulPreferenceOpaque_t wish;
    cublasLtMatmulHeuristicResult_t found[UN_LT_CANDIDATES];
    int asked = UN_LT_CANDIDATES, got = 0, count = 0;
    if (prefer(&wish, product) != CUBLAS_STATUS_SUCCESS) return 0;
    if (cublasLtMatmulAlgoGetHeuristic(blas->handle, &c->what, &c->left, &c->right, &c->d, &c->d, &wish,
                                       asked, found, &got) != CUBLAS_STATUS_SUCCESS)
        return 0;
    for (int i = 0; i < got; ++i)
        if (found[i].state == CUBLAS_STATUS_SUCCESS && found[i].workspaceSize <= WORKSPACE &&
            allowed(&found[i].algo, product))
            algo[count++] = found[i].algo;
    return count;
}

/* ---- running ---- */

cublasStatus_t un_lt_multiply(struct un_queue *q, const struct un_product *product, struct un_lt_call *c,
                              const struct un_lt_operands *o, const cublasLtMatmulAlgo_t *algo) {
    const float alpha = 1.0f, beta = product->beta ? 1.0f : 0.0f;
    return cublasLtMatmul(q->blas->handle, &c->what, &alpha, o->left, &c->left, o->right, &c->right, &beta,
                          o->d, &c->d, o->d, &c->d, algo, q->blas->workspace, WORKSPACE, q->stream);
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
    return type == UN_F32 ? "f32" : "bf16";
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

bool un_cuda_blas_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a,
                       struct un_mat b, bool transpose_b, float beta, const void *bias,
                       enum un_type bias_type, bool *biased) {
    struct un_product product;
    struct un_lt_call call;
    struct un_lt_choice room;
    *biased = false;
    const bool with_bias = bias && ((uintptr_t)bias & 15u) == 0; /* the product does not hold its alignment */
    if (!q->blas || !un_product_make(&product, c, a, transpose_a, b, transpose_b, beta, with_bias, bias_type,
                                     q->device->tf32))
        return false;
    const struct un_lt_operands o = {b.data, a.data, c.data};
    for (;; product.bias = 0) { /* perhaps without the bias */
        const int known = q->blas->table.count;
        struct un_lt_choice *choice = NULL;
        if (un_lt_describe(&call, &product, bias) == CUBLAS_STATUS_SUCCESS)
            choice = choice_of(q, &product, &call, &o, &room);
        if (choice && launch(q, &product, &call, &o, choice)) break;
        if (product.bias) continue;
        if (!choice || q->blas->table.count > known)
            say_own(&product, "cuBLASLt has no algorithm that repeats its bits");
        return false;
    }
    q->last = "a product by cuBLASLt";
    *biased = product.bias;
    return true;
}

void un_cuda_trials(struct un_queue *q, struct un_trials *trials) {
    *trials = q->blas ? q->blas->trials : (struct un_trials){0};
}
