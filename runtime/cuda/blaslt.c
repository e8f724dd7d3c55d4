/* Matrix products by cuBLASLt: which algorithm, once per product (product.h), and its launch.
 *
 * The library's heuristic names candidates, best first. Where nothing prevents it, each is tried at the first
 * call of its product, on operands made for that and into scratch, so that no data of the caller is touched:
 * it must give the same bits twice, and those of the first candidate; then the fastest is kept. So the bits of
 * a product do not depend on what the clock said. No sums by atomics: the inner dimension is cut only where
 * the product allows it, and only with partial sums that a second kernel adds. */
#include "runtime/cuda/cuda.h"
#include "runtime/cuda/product.h"

#include <cublasLt.h>
#include <string.h>

/* 32 MiB: what NVIDIA advises for compute capability 9.0. */
enum { CANDIDATES = 16, ROUNDS = 2, RUNS = 4, EXTRA = 256 };
static const size_t WORKSPACE = (size_t)32 << 20, TRIAL_MOST = (size_t)384 << 20;

struct choice {
    cublasLtMatmulAlgo_t algo;
    bool possible; /* false: the library has no algorithm; the backend's own kernels do it */
};

/* Everything cublasLtMatmul wants for one product. The library's descriptors are plain memory. */
struct call {
    cublasLtMatmulDescOpaque_t what;
    cublasLtMatrixLayoutOpaque_t left, right, d;
};

struct un_cuda_blas {
    cublasLtHandle_t handle;
    void *workspace; /* device */
    cudaEvent_t from, to;
    struct un_product_table table;
    struct choice choice[UN_PRODUCT_MOST];
    bool said_small, said_full;
};

size_t un_cuda_blas_workspace(void) {
    return WORKSPACE;
}

/* Operands and result of a trial, one after the other; digests at the end. */
static size_t trial_part(const struct un_limits *limits) {
    const size_t most = (size_t)limits->max_tokens * (size_t)limits->max_width * sizeof(float);
    return (most < TRIAL_MOST ? most + 255 : TRIAL_MOST) / 256 * 256;
}

size_t un_cuda_blas_scratch(const struct un_limits *limits) {
    return 2 * trial_part(limits) + EXTRA;
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

static cublasStatus_t set(struct call *c, cublasLtMatmulDescAttributes_t name, const void *value,
                          size_t bytes) {
    return cublasLtMatmulDescSetAttribute(&c->what, name, value, bytes);
}

static cublasStatus_t set_bias(struct call *c, const struct un_product *product, const void *bias) {
    const int32_t type = type_of(product->d.type);
    const uint32_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    cublasStatus_t status = set(c, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = set(c, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = set(c, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    return status;
}

static cublasStatus_t describe(struct call *c, const struct un_product *product, const void *bias) {
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
static int candidates(struct un_cuda_blas *blas, const struct un_product *product, struct call *c,
                      cublasLtMatmulAlgo_t algo[CANDIDATES]) {
    cublasLtMatmulPreferenceOpaque_t wish;
    cublasLtMatmulHeuristicResult_t found[CANDIDATES];
    int asked = CANDIDATES, got = 0, count = 0;
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

struct lt_operands {
    const void *left, *right;
    void *d; /* also what beta multiplies */
};

static cublasStatus_t multiply(struct un_queue *q, const struct un_product *product, struct call *c,
                               const struct lt_operands *o, const cublasLtMatmulAlgo_t *algo) {
    const float alpha = 1.0f, beta = product->beta ? 1.0f : 0.0f;
    return cublasLtMatmul(q->blas->handle, &c->what, &alpha, o->left, &c->left, o->right, &c->right, &beta,
                          o->d, &c->d, o->d, &c->d, algo, q->blas->workspace, WORKSPACE, q->stream);
}

/* The same work RUNS times; the least of ROUNDS. */
static double time_runs(struct un_queue *q, const struct un_product *product, struct call *c,
                        const struct lt_operands *o, const cublasLtMatmulAlgo_t *algo) {
    float least = -1, ms = 0;
    for (int round = 0; round < ROUNDS; ++round) {
        cudaEventRecord(q->blas->from, q->stream);
        for (int i = 0; i < RUNS; ++i) (void)multiply(q, product, c, o, algo);
        cudaEventRecord(q->blas->to, q->stream);
        if (cudaEventSynchronize(q->blas->to) != cudaSuccess ||
            cudaEventElapsedTime(&ms, q->blas->from, q->blas->to) != cudaSuccess)
            return -1;
        if (least < 0 || ms < least) least = ms;
    }
    return 1e-3 * (double)least / RUNS;
}

/* Runs one candidate twice for its digests, then for its time; in place, as the caller's products are. What
 * is overwritten was poison. */
static struct un_product_trial try_one(struct un_queue *q, const struct un_product *product, struct call *c,
                                       const struct lt_operands *o, const cublasLtMatmulAlgo_t *algo,
                                       uint64_t *digest) {
    struct un_product_trial trial = {.ran = true, .seconds = -1};
    const struct un_mat result = {o->d, (enum un_type)product->d.type, product->d.cols, product->d.rows,
                                  product->d.lead};
    const size_t bytes = un_product_bytes(&product->d);
    for (int i = 0; i < 2; ++i) {
        if (product->beta)
            cudaMemcpyAsync(o->d, o->left, bytes, cudaMemcpyDeviceToDevice, q->stream);
        else
            cudaMemsetAsync(o->d, 0xFF, bytes, q->stream);
        if (multiply(q, product, c, o, algo) != CUBLAS_STATUS_SUCCESS) {
            trial.ran = false;
            (void)cudaGetLastError(); /* else the next launch would be blamed */
        }
        un_cuda_trial_digest(q, digest + i, result);
    }
    cudaMemcpyAsync(trial.digest, digest, sizeof trial.digest, cudaMemcpyDeviceToHost, q->stream);
    if (cudaStreamSynchronize(q->stream) != cudaSuccess) trial.ran = false;
    if (trial.ran) trial.seconds = time_runs(q, product, c, o, algo);
    return trial;
}

/* Operands and result of a trial in the queue's scratch; false: they do not fit. */
static bool trial_operands(struct un_queue *q, const struct un_product *product, struct lt_operands *o,
                           uint64_t **digest) {
    const size_t part = (q->scratch_bytes - EXTRA) / 2 / 256 * 256;
    const size_t out = un_product_bytes(&product->d);
    if (q->scratch_bytes < EXTRA || un_product_bytes(&product->left) > part ||
        un_product_bytes(&product->right) > part || out > part)
        return false;
    /* one after the other; where they do not fit so, shifted against each other: they are only read */
    const size_t left = (un_product_bytes(&product->left) + 255) / 256 * 256,
                 right = un_product_bytes(&product->right);
    const size_t shift = left + right <= part ? left : right + 256 <= part ? 256 : 0;
    *o = (struct lt_operands){q->scratch, q->scratch + shift, q->scratch + part};
    *digest = (uint64_t *)(void *)(q->scratch + 2 * part);
    un_cuda_trial_fill(q, q->scratch, part);
    return true;
}

/* Which of `count` algorithms; -1: none repeats its bits. */
static int choose(struct un_queue *q, const struct un_product *product, const cublasLtMatmulAlgo_t *algo,
                  int count) {
    struct un_cuda_blas *blas = q->blas;
    struct lt_operands o;
    uint64_t *digest;
    if (!trial_operands(q, product, &o, &digest)) {
        if (!blas->said_small)
            un_log(UN_LOG_DEBUG, "products larger than the scratch for trials take cuBLASLt's first choice");
        blas->said_small = true;
        return 0;
    }
    struct un_product_trial trial[CANDIDATES];
    struct call probe;
    if (describe(&probe, product, o.left) != CUBLAS_STATUS_SUCCESS) return 0;
    for (int i = 0; i < count; ++i) trial[i] = try_one(q, product, &probe, &o, &algo[i], digest);
    const int best = un_product_choose(trial, count);
    un_log(UN_LOG_DEBUG, "product %lld x %lld x %lld: algorithm %d of %d, %.1f us (the first: %.1f us)",
           (long long)product->n, (long long)product->m, (long long)product->k, best + 1, count,
           best < 0 ? -1.0 : 1e6 * trial[best].seconds, 1e6 * trial[0].seconds);
    return best;
}

static struct choice find(struct un_queue *q, const struct un_product *product, struct call *c, bool timed) {
    cublasLtMatmulAlgo_t algo[CANDIDATES];
    struct choice choice = {.possible = false};
    const int count = candidates(q->blas, product, c, algo);
    const int best = count == 0 ? -1 : timed ? choose(q, product, algo, count) : 0;
    if (best >= 0) choice = (struct choice){algo[best], true};
    return choice;
}

/* The algorithm of a product, found at its first call. */
static struct choice choice_of(struct un_queue *q, const struct un_product *product, struct call *c) {
    struct un_cuda_blas *blas = q->blas;
    bool added;
    const int place = un_product_place(&blas->table, product, &added);
    if (place < 0) {
        if (!blas->said_full)
            un_log(UN_LOG_WARN, "more than %d shapes of products: later ones take cuBLASLt's first choice",
                   UN_PRODUCT_MOST);
        blas->said_full = true;
        return find(q, product, c, false);
    }
    if (added) blas->choice[place] = find(q, product, c, !q->device->untimed && !q->capturing);
    return blas->choice[place];
}

bool un_cuda_blas_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a,
                       struct un_mat b, bool transpose_b, float beta, const void *bias,
                       enum un_type bias_type, bool *biased) {
    struct un_product product;
    struct call call;
    *biased = false;
    const bool with_bias = bias && ((uintptr_t)bias & 15u) == 0; /* the product does not hold its alignment */
    if (!q->blas || !un_product_make(&product, c, a, transpose_a, b, transpose_b, beta, with_bias, bias_type,
                                     q->device->tf32))
        return false;
    if (describe(&call, &product, bias) != CUBLAS_STATUS_SUCCESS) return false;
    struct choice choice = choice_of(q, &product, &call);
    if (!choice.possible && product.bias) { /* perhaps without the bias */
        product.bias = 0;
        if (describe(&call, &product, NULL) != CUBLAS_STATUS_SUCCESS) return false;
        choice = choice_of(q, &product, &call);
    }
    if (!choice.possible) return false;
    const struct lt_operands o = {b.data, a.data, c.data};
    const cublasStatus_t status = multiply(q, &product, &call, &o, &choice.algo);
    if (status != CUBLAS_STATUS_SUCCESS && q->error.status == UN_OK)
        un_cuda_fail(q, UN_INTERNAL, "cuda %d: a product of %lld x %lld x %lld: cuBLASLt: %s", q->ordinal,
                     (long long)product.n, (long long)product.m, (long long)product.k,
                     cublasLtGetStatusString(status));
    q->last = "a product by cuBLASLt";
    *biased = product.bias;
    return true;
}
