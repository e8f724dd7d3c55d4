/* Products through cuBLASLt (runtime/cuda/blaslt.c) against a library of our own that keeps NVIDIA's
 * interface: it computes as its book says, column-major, with algorithms that sum in other orders, fail, cut
 * the inner dimension or never give the same twice, and a clock of its own. So: the caller's row-major
 * product comes out, the bits are those of the library's first choice, time decides only among equals, and
 * the library is asked once a product. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/cuda/cuda.h"
#include "runtime/rng.h"

#include <cublasLt.h>
#include <string.h>

/* ---- the library ---- */

enum kind { FORWARD, BACKWARD, ROLLING, FAILING, SPLIT };
struct algorithm {
    enum kind kind;
    double seconds;
};
struct layout {
    int32_t type;
    int64_t rows, cols, lead;
};
struct description {
    int32_t left, right, epilogue, bias_type;
    cublasComputeType_t compute;
    const void *bias;
};

static const struct algorithm *offered; /* best first */
static int offered_count, asked, multiplied;
static bool refuses_bias;
static uint32_t wanted_scheme, wanted_align;
static double now, at_from, at_to;

static float value(int32_t type, const void *p, int64_t i) {
    if (type == CUDA_R_32F) return ((const float *)p)[i];
    const uint32_t bits = (uint32_t)((const uint16_t *)p)[i] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static void store(int32_t type, void *p, int64_t i, float x) {
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
    if (name == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) memcpy(&wanted_scheme, buf, sizeof wanted_scheme);
    if (name == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES) memcpy(&wanted_align, buf, sizeof wanted_align);
    assert_int_equal(size, name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? 8 : 4);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                                    cublasLtMatmulAlgoConfigAttributes_t name, void *buf,
                                                    size_t size, size_t *written) {
    const bool split = offered[algo->data[0]].kind == SPLIT;
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
    ++asked;
    *count = 0;
    if (refuses_bias && ((struct description *)(void *)desc)->epilogue == CUBLASLT_EPILOGUE_BIAS)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    for (int i = 0; i < offered_count && i < most; ++i) {
        memset(&found[i], 0, sizeof found[i]);
        found[i].algo.data[0] = (uint64_t)i;
        ++*count;
    }
    return *count > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

static float sum_of(const struct description *what, enum kind kind, const void *left, const struct layout *l,
                    const void *right, const struct layout *r, int64_t i, int64_t j) {
    const int64_t inner = what->left == CUBLAS_OP_T ? l->rows : l->cols;
    float sum = 0;
    for (int64_t n = 0; n < inner; ++n) {
        const int64_t k = kind == BACKWARD ? inner - 1 - n : kind == ROLLING ? (n + multiplied) % inner : n;
        sum += value(l->type, left, what->left == CUBLAS_OP_T ? k + i * l->lead : i + k * l->lead) *
               value(r->type, right, what->right == CUBLAS_OP_T ? j + k * r->lead : k + j * r->lead);
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
    const struct algorithm *a = &offered[algo->data[0]];
    if (a->kind == FAILING) return CUBLAS_STATUS_EXECUTION_FAILED;
    ++multiplied;
    now += a->seconds;
    for (int64_t j = 0; j < out->cols; ++j)
        for (int64_t i = 0; i < out->rows; ++i) {
            float sum = sum_of(what, a->kind, left, l, right, r, i, j);
            if (*(const float *)beta != 0) sum += value(out->type, c, i + j * out->lead);
            if (what->epilogue == CUBLASLT_EPILOGUE_BIAS) sum += value(what->bias_type, what->bias, i);
            store(out->type, d, i + j * out->lead, sum);
        }
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- the runtime, as far as blaslt.c needs it: everything runs at once ---- */

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
    *(double *)(void *)event = now;
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
cudaError_t cudaMemsetAsync(void *dst, int x, size_t bytes, cudaStream_t stream) {
    (void)stream;
    memset(dst, x, bytes);
    return cudaSuccess;
}
void un_cuda_stick(struct un_queue *q) {
    if (q->error.status == UN_OK) q->error = *un_error_get();
}
void un_cuda_check(struct un_queue *q, cudaError_t error, const char *what) {
    if (error != cudaSuccess) un_cuda_fail(q, UN_INTERNAL, "%s", what);
}
void un_cuda_trial_fill(struct un_queue *q, void *memory, size_t bytes) {
    (void)q;
    for (size_t i = 0; i < bytes / 2; ++i)
        store(CUDA_R_16BF, memory, (int64_t)i,
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

/* ---- the tests ---- */

static void *plain_alloc(struct un_device *d, size_t bytes, const char *what) {
    (void)d;
    return un_alloc(bytes, 1, what);
}
static void plain_free(struct un_device *d, void *ptr) {
    (void)d;
    un_free(ptr);
}

struct bench {
    struct un_device_ops mem;
    struct un_device device;
    struct un_queue q;
};

static void open_bench(struct bench *b, int64_t tokens, const struct algorithm *a, int count) {
    memset(b, 0, sizeof *b);
    b->mem.alloc = plain_alloc;
    b->mem.free = plain_free;
    b->device.mem = &b->mem;
    b->q.device = &b->device;
    const struct un_limits limits = {.max_tokens = tokens, .max_width = 96};
    b->q.scratch_bytes = un_cuda_blas_scratch(&limits);
    b->q.scratch = un_alloc(b->q.scratch_bytes, 1, "scratch");
    assert_non_null(b->q.scratch);
    assert_int_equal(un_cuda_blas_open(&b->q, &b->q.blas), UN_OK);
    offered = a;
    offered_count = count;
    asked = multiplied = 0;
    refuses_bias = false;
}
static void close_bench(struct bench *b) {
    assert_int_equal(b->q.error.status, UN_OK);
    un_cuda_blas_close(&b->q, b->q.blas);
    un_free(b->q.scratch);
}

static struct un_mat matrix(enum un_type type, int64_t rows, int64_t cols, uint32_t what) {
    struct un_mat m = un_mat(NULL, type, rows, cols);
    m.stride = cols + 8;
    m.data = un_alloc((size_t)(rows * m.stride), (size_t)un_type_bytes(type), "matrix");
    assert_non_null(m.data);
    for (int64_t i = 0; i < rows * m.stride; ++i)
        store(type == UN_F32 ? CUDA_R_32F : CUDA_R_16BF, m.data, i,
              un_rng_unit(un_rng(5, UN_RNG_TEST, 0, 0, what, (uint32_t)i).v[0]) - 0.5f);
    return m;
}
static float at(struct un_mat m, int64_t i, int64_t j) {
    return value(m.type == UN_F32 ? CUDA_R_32F : CUDA_R_16BF, m.data, i * m.stride + j);
}

/* One product in every layout; its bits are those of sums in the order of `kind`. */
static void check(struct bench *b, enum kind kind, enum un_type type, float beta, bool with_bias) {
    enum { M = 20, N = 24, K = 40 };
    for (int layout = 0; layout < 4; ++layout) {
        const bool ta = layout & 1, tb = layout & 2;
        struct un_mat x = matrix(type, ta ? K : M, ta ? M : K, 1),
                      y = matrix(type, tb ? N : K, tb ? K : N, 2), c = matrix(type, M, N, 3),
                      want = matrix(type, M, N, 3), bias = matrix(type, 1, N, 4);
        for (int64_t i = 0; i < M; ++i)
            for (int64_t j = 0; j < N; ++j) {
                float sum = 0;
                for (int64_t n = 0; n < K; ++n) {
                    const int64_t k = kind == BACKWARD ? K - 1 - n : n;
                    sum += (tb ? at(y, j, k) : at(y, k, j)) * (ta ? at(x, k, i) : at(x, i, k));
                }
                if (beta != 0) sum += at(want, i, j);
                if (with_bias && !refuses_bias) sum += at(bias, 0, j);
                store(type == UN_F32 ? CUDA_R_32F : CUDA_R_16BF, want.data, i * want.stride + j, sum);
            }
        bool biased;
        assert_true(
            un_cuda_blas_gemm(&b->q, c, x, ta, y, tb, beta, with_bias ? bias.data : NULL, type, &biased));
        assert_int_equal(biased, with_bias && !refuses_bias);
        assert_memory_equal(c.data, want.data, (size_t)(M * c.stride * un_type_bytes(type)));
        un_free(x.data), un_free(y.data), un_free(c.data), un_free(want.data), un_free(bias.data);
    }
}

static void time_decides_among_equals(void **state) {
    (void)state;
    static const struct algorithm a[] = {{FORWARD, 5}, {BACKWARD, 1}, {FAILING, 1}, {FORWARD, 3},
                                         {ROLLING, 1}, {SPLIT, 1},    {FORWARD, 4}};
    struct bench b;
    open_bench(&b, 1000, a, 7);
    check(&b, FORWARD, UN_F32, 0, false);
    check(&b, FORWARD, UN_F32, 1, false);
    check(&b, FORWARD, UN_F32, 0, true);
    check(&b, FORWARD, UN_BF16, 0, true);
    assert_int_equal(asked, 16); /* once a product */
    const double before = now;
    check(&b, FORWARD, UN_F32, 0, false);
    assert_true(now - before == 4 * 3.0); /* four products by the fastest of equal bits, and no trial */
    assert_int_equal(asked, 16);
    assert_int_equal(wanted_scheme, CUBLASLT_REDUCTION_SCHEME_NONE);
    assert_int_equal(wanted_align, 16);
    close_bench(&b);
}

static void first_choice_sets_the_bits(void **state) {
    (void)state;
    static const struct algorithm a[] = {{ROLLING, 1}, {BACKWARD, 2}, {FORWARD, 1}};
    struct bench b;
    open_bench(&b, 1000, a, 3);
    check(&b, BACKWARD, UN_F32, 0, false); /* the first does not repeat its bits */
    close_bench(&b);
}

static void untimed_takes_the_first(void **state) {
    (void)state;
    static const struct algorithm a[] = {{FORWARD, 5}, {FORWARD, 1}};
    struct bench b;
    for (int way = 0; way < 3; ++way) { /* asked for; while a graph is recorded; scratch too small */
        open_bench(&b, way == 2 ? 4 : 1000, a, 2);
        b.device.untimed = way == 0;
        b.q.capturing = way == 1;
        const double before = now;
        check(&b, FORWARD, UN_F32, 0, false);
        assert_true(now - before == 4 * 5.0);
        assert_int_equal(multiplied, 4);
        close_bench(&b);
    }
}

static void without_the_bias(void **state) {
    (void)state;
    static const struct algorithm a[] = {{FORWARD, 5}};
    struct bench b;
    open_bench(&b, 1000, a, 1);
    refuses_bias = true;
    check(&b, FORWARD, UN_F32, 0, true);
    close_bench(&b);
}

static void nothing_to_offer(void **state) {
    (void)state;
    static const struct algorithm a[] = {{SPLIT, 1}, {ROLLING, 1}, {FAILING, 1}};
    struct bench b;
    open_bench(&b, 1000, a, 3);
    struct un_mat x = matrix(UN_F32, 20, 40, 1), y = matrix(UN_F32, 40, 24, 2), c = matrix(UN_F32, 20, 24, 3);
    bool biased = true;
    for (int i = 0; i < 3; ++i)
        assert_false(un_cuda_blas_gemm(&b.q, c, x, false, y, false, 0, NULL, UN_F32, &biased));
    assert_false(biased);
    assert_int_equal(asked, 1); /* that is remembered too */
    un_free(x.data), un_free(y.data), un_free(c.data);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_decides_among_equals), cmocka_unit_test(first_choice_sets_the_bits),
        cmocka_unit_test(untimed_takes_the_first),   cmocka_unit_test(without_the_bias),
        cmocka_unit_test(nothing_to_offer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
