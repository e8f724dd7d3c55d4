// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "tests/unit/runtime/cuda/blaslt_library.h"
#include "runtime/cuda/cuda.h"
#include "runtime/rng.h"

#include <cublasLt.h>
#include <string.h>

/* ---- the library ---- */

struct layout {
    int32_t type;
    int64_t rows, cols, lead;
};
struct description {
    int32_t left, right, epilogue, bias_type;
    cublasComputeType_t compute;
    const void *bias;
};

struct lt lt;
static double at_from, at_to;

float lt_value(int32_t type, const void *p, int64_t i) {
    if (type == CUDA_R_32F) return ((const float *)p)[i];
    const uint32_t bits = (uint32_t)((const uint16_t *)p)[i] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
void lt_store(int32_t type, void *p, int64_t i, float x) {
    if (type == CUDA_R_32F) {
        ((float *)p)[i] = x;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    ((uint16_t *)p)[i] = (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
    static int handle_itself;
    *handle = (cublasLtHandle_t)&handle_itself;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
const char *cublasLtGetStatusString(cublasStatus_t status) {
    return status == CUBLAS_STATUS_SUCCESS ? "success" : "failure";
}
cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t m, size_t size, cudaDataType type,
                                                 uint64_t rows, uint64_t cols, int64_t lead) {
    assert_true(size >= sizeof(struct layout) && lead >= (int64_t)rows);
    *(struct layout *)(void *)m = (struct layout){(int32_t)type, (int64_t)rows, (int64_t)cols, lead};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t desc, size_t size,
                                               cublasComputeType_t compute, cudaDataType scale) {
    assert_true(size >= sizeof(struct description) && scale == CUDA_R_32F);
    *(struct description *)(void *)desc =
        (struct description){.epilogue = CUBLASLT_EPILOGUE_DEFAULT, .compute = compute};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name,
                                              const void *buf, size_t size) {
    struct description *d = (struct description *)(void *)desc;
    void *to = name == CUBLASLT_MATMUL_DESC_TRANSA           ? (void *)&d->left
               : name == CUBLASLT_MATMUL_DESC_TRANSB         ? (void *)&d->right
               : name == CUBLASLT_MATMUL_DESC_EPILOGUE       ? (void *)&d->epilogue
               : name == CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE ? (void *)&d->bias_type
               : name == CUBLASLT_MATMUL_DESC_BIAS_POINTER   ? (void *)&d->bias
                                                             : NULL;
    if (!to) return CUBLAS_STATUS_INVALID_VALUE;
    assert_int_equal(size, to == (void *)&d->bias ? sizeof d->bias : sizeof d->left);
    memcpy(to, buf, size);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t wish, size_t size) {
    memset(wish, 0, size);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t wish,
                                                    cublasLtMatmulPreferenceAttributes_t name,
                                                    const void *buf, size_t size) {
    (void)wish;
    if (name == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) memcpy(&lt.scheme, buf, sizeof lt.scheme);
    if (name == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES) memcpy(&lt.align, buf, sizeof lt.align);
    assert_int_equal(size, name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? 8 : 4);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                                    cublasLtMatmulAlgoConfigAttributes_t name, void *buf,
                                                    size_t size, size_t *written) {
    const bool split = lt.offered[algo->data[0]].kind == LT_SPLIT;
    uint32_t x = name == CUBLASLT_ALGO_CONFIG_SPLITK_NUM
                     ? (split ? 4 : 1)
                     : (split ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : 0);
    memcpy(buf, &x, *written = size < sizeof x ? size : sizeof x);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t wish, int most,
                                              cublasLtMatmulHeuristicResult_t found[], int *count) {
    (void)handle, (void)a, (void)b, (void)c, (void)d, (void)wish;
    ++lt.asked;
    *count = 0;
    if (lt.refuses_bias && ((struct description *)(void *)desc)->epilogue == CUBLASLT_EPILOGUE_BIAS)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    for (int i = 0; i < lt.count && i < most; ++i) {
        memset(&found[i], 0, sizeof found[i]);
        found[i].algo.data[0] = (uint64_t)i;
        ++*count;
    }
    return *count > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

static float sum_of(const struct description *what, enum lt_kind kind, const void *left,
                    const struct layout *l, const void *right, const struct layout *r, int64_t i, int64_t j) {
    const int64_t inner = what->left == CUBLAS_OP_T ? l->rows : l->cols;
    float sum = 0;
    for (int64_t n = 0; n < inner; ++n) {
        const int64_t k = kind == LT_BACKWARD  ? inner - 1 - n
                          : kind == LT_ROLLING ? (n + lt.multiplied) % inner
                                               : n;
        sum += lt_value(l->type, left, what->left == CUBLAS_OP_T ? k + i * l->lead : i + k * l->lead) *
               lt_value(r->type, right, what->right == CUBLAS_OP_T ? j + k * r->lead : k + j * r->lead);
    }
    return sum;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha,
                              const void *left, cublasLtMatrixLayout_t left_layout, const void *right,
                              cublasLtMatrixLayout_t right_layout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t *algo, void *workspace, size_t bytes,
                              cudaStream_t stream) {
    (void)handle, (void)stream;
    const struct description *what = (const struct description *)(const void *)desc;
    const struct layout *l = (const void *)left_layout, *r = (const void *)right_layout,
                        *out = (const void *)d_layout;
    assert_true(*(const float *)alpha == 1.0f && c == d && c_layout == d_layout && workspace && bytes > 0);
    const struct lt_algorithm *a = &lt.offered[algo->data[0]];
    if (a->kind == LT_FAILING || lt.broken >> algo->data[0] & 1u) return CUBLAS_STATUS_EXECUTION_FAILED;
    ++lt.multiplied;
    lt.now += a->seconds;
    for (int64_t j = 0; j < out->cols; ++j)
        for (int64_t i = 0; i < out->rows; ++i) {
            float sum = sum_of(what, a->kind, left, l, right, r, i, j);
            if (*(const float *)beta != 0) sum += lt_value(out->type, c, i + j * out->lead);
            if (what->epilogue == CUBLASLT_EPILOGUE_BIAS) sum += lt_value(what->bias_type, what->bias, i);
            lt_store(out->type, d, i + j * out->lead, sum);
        }
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- the runtime ---- */

cudaError_t cudaEventCreate(cudaEvent_t *event) {
    static int count;
    *event = (cudaEvent_t)(count++ % 2 == 0 ? &at_from : &at_to);
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    return event ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    (void)stream;
    *(double *)(void *)event = lt.now;
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    return event ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to) {
    *ms = (float)(1e3 * (*(double *)(void *)to - *(double *)(void *)from));
    return cudaSuccess;
}
cudaError_t cudaGetLastError(void) {
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    (void)stream;
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
    (void)kind, (void)stream;
    memcpy(dst, src, bytes);
    return cudaSuccess;
}
cudaError_t cudaMemset2DAsync(void *dst, size_t pitch, int x, size_t width, size_t height,
                              cudaStream_t stream) {
    (void)stream;
    for (size_t i = 0; i < height; ++i) memset((char *)dst + i * pitch, x, width);
    return cudaSuccess;
}
void un_cuda_stick(struct un_queue *q) {
    if (q->error.status == UN_OK) q->error = *un_error_get();
}
void un_cuda_check(struct un_queue *q, cudaError_t error, const char *what) {
    if (error != cudaSuccess) un_cuda_fail(q, UN_INTERNAL, "%s", what);
}
void un_cuda_trial_fill(struct un_queue *q, void *memory, size_t bytes, bool fp8) {
    (void)fp8;
    (void)q;
    for (size_t i = 0; i < bytes / 2; ++i)
        lt_store(CUDA_R_16BF, memory, (int64_t)i,
                 un_rng_unit(un_rng(3, UN_RNG_TEST, 0, 0, 0, (uint32_t)i).v[0]) - 0.5f);
}
void un_cuda_trial_digest(struct un_queue *q, uint64_t *digest, struct un_mat m) {
    (void)q;
    const size_t size = (size_t)un_type_bytes(m.type);
    *digest = 1;
    for (int64_t i = 0; i < m.rows; ++i)
        for (size_t b = 0; b < (size_t)m.cols * size; ++b)
            *digest =
                *digest * 1099511628211u + ((const unsigned char *)m.data)[(size_t)(i * m.stride) * size + b];
}
