/* What cuBLASLt is asked for: descriptors of a product, its candidates, and the call itself. No sums by atomics: the
 * inner dimension is cut only where the product allows it, and only with partial sums that a second kernel adds. */
#include "runtime/cuda/blaslt.h"

/* 32 MiB: what NVIDIA advises for compute capability 9.0. */
static const size_t WORKSPACE = (size_t)32 << 20;

size_t un_cuda_blas_workspace(void) {
    return WORKSPACE;
}

/* ---- descriptors ---- */

static cudaDataType type_of(int32_t type) {
    return type == UN_F32    ? CUDA_R_32F
           : type == UN_E4M3 ? CUDA_R_8F_E4M3
           : type == UN_E5M2 ? CUDA_R_8F_E5M2
                             : CUDA_R_16BF;
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

static cublasStatus_t set_units(struct un_lt_call *c, const struct un_lt_operands *units) {
    const float *left = units->left_unit, *right = units->right_unit;
    if (!left || !right) return CUBLAS_STATUS_SUCCESS;
    const cublasStatus_t status = set(c, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, &left, sizeof left);
    return status == CUBLAS_STATUS_SUCCESS
               ? set(c, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, &right, sizeof right)
               : status;
}

cublasStatus_t un_lt_describe(struct un_lt_call *c, const struct un_product *product, const void *bias,
                              const struct un_lt_operands *units) {
    const int32_t left = product->transpose_left ? CUBLAS_OP_T : CUBLAS_OP_N,
                  right = product->transpose_right ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasStatus_t status = cublasLtMatmulDescInit(
        &c->what, product->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (status == CUBLAS_STATUS_SUCCESS) status = set(c, CUBLASLT_MATMUL_DESC_TRANSA, &left, sizeof left);
    if (status == CUBLAS_STATUS_SUCCESS) status = set(c, CUBLASLT_MATMUL_DESC_TRANSB, &right, sizeof right);
    if (status == CUBLAS_STATUS_SUCCESS) status = set_units(c, units);
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

cublasStatus_t un_lt_multiply(struct un_queue *q, const struct un_product *product, struct un_lt_call *c,
                              const struct un_lt_operands *o, const cublasLtMatmulAlgo_t *algo) {
    const float alpha = 1.0f, beta = product->beta ? 1.0f : 0.0f;
    return cublasLtMatmul(q->blas->handle, &c->what, &alpha, o->left, &c->left, o->right, &c->right, &beta,
                          o->d, &c->d, o->d, &c->d, algo, q->blas->workspace, WORKSPACE, q->stream);
}
