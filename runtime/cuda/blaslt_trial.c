/* Which algorithm of cuBLASLt does a product: proved by its digests, chosen by its time.
 *
 * Candidates are tried at the first call of their product, on operands made for that and in scratch, so that no
 * data of the caller is touched: each must give the same bits twice, and those of the first one that does; of
 * these the fastest is taken, the others stay in reserve. So the bits of a product do not depend on what the
 * clock said, nor on a failure that strikes later. */
#include "runtime/clock.h"
#include "runtime/cuda/blaslt.h"
#include "runtime/fp8.h"

#include <inttypes.h>

enum { ROUNDS = 2, RUNS = 4 };
static const size_t TRIAL_MOST = (size_t)384 << 20;

/* Operands and result of a trial, one after the other; digests at the end. */
static size_t trial_part(const struct un_limits *limits) {
    const size_t most = (size_t)limits->max_tokens * (size_t)limits->max_width * sizeof(float);
    return (most < TRIAL_MOST ? most + 255 : TRIAL_MOST) / 256 * 256;
}

size_t un_cuda_blas_scratch(const struct un_limits *limits) {
    return 2 * trial_part(limits) + UN_LT_EXTRA;
}

/* One product, its operands of a trial, and where digests go. */
struct trial {
    const struct un_product *product;
    struct un_lt_call call;
    struct un_lt_operands o;
    uint64_t *digest; /* [2] device */
};

/* The same work RUNS times; the least of ROUNDS. */
static double time_runs(struct un_queue *q, struct trial *t, const cublasLtMatmulAlgo_t *algo) {
    float least = -1, ms = 0;
    for (int round = 0; round < ROUNDS; ++round) {
        cudaEventRecord(q->blas->from, q->stream);
        for (int i = 0; i < RUNS; ++i) (void)un_lt_multiply(q, t->product, &t->call, &t->o, algo);
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
static struct un_product_trial try_one(struct un_queue *q, struct trial *t, const cublasLtMatmulAlgo_t *algo,
                                       bool timed) {
    struct un_product_trial trial = {.ran = true, .seconds = -1};
    const struct un_product_mat *d = &t->product->d;
    const struct un_mat result = {t->o.d, (enum un_type)d->type, d->cols, d->rows, d->lead};
    const size_t row = (size_t)d->rows * (size_t)un_type_bytes(result.type),
                 pitch = (size_t)d->lead * (size_t)un_type_bytes(result.type);
    for (int i = 0; i < 2; ++i) {
        if (t->product->beta)
            cudaMemcpyAsync(t->o.d, t->o.left, un_product_bytes(d), cudaMemcpyDeviceToDevice, q->stream);
        else /* what stands between the rows of a caller's matrix stays */
            cudaMemset2DAsync(t->o.d, pitch, 0xFF, row, (size_t)d->cols, q->stream);
        if (un_lt_multiply(q, t->product, &t->call, &t->o, algo) != CUBLAS_STATUS_SUCCESS) {
            trial.ran = false;
            (void)cudaGetLastError(); /* else the next launch would be blamed */
        }
        un_cuda_trial_digest(q, t->digest + i, result);
    }
    cudaMemcpyAsync(trial.digest, t->digest, sizeof trial.digest, cudaMemcpyDeviceToHost, q->stream);
    if (cudaStreamSynchronize(q->stream) != cudaSuccess) trial.ran = false;
    if (trial.ran && timed) trial.seconds = time_runs(q, t, algo);
    return trial;
}

/* Operands and result in the queue's scratch; false: they do not fit. */
static bool in_scratch(struct un_queue *q, struct trial *t) {
    const size_t part = (q->scratch_bytes - UN_LT_EXTRA) / 2 / 256 * 256;
    const struct un_product *product = t->product;
    if (un_product_bytes(&product->left) > part || un_product_bytes(&product->right) > part ||
        un_product_bytes(&product->d) > part)
        return false;
    /* one after the other; where they do not fit so, shifted against each other: they are only read */
    const size_t left = (un_product_bytes(&product->left) + 255) / 256 * 256,
                 right = un_product_bytes(&product->right);
    const size_t shift = left + right <= part ? left : right + 256 <= part ? 256 : 0;
    t->o = (struct un_lt_operands){.left = q->scratch, .right = q->scratch + shift, .d = q->scratch + part};
    un_cuda_trial_fill(q, q->scratch, part, un_fp8_is((enum un_type)product->left.type));
    return true;
}

/* Fills *t; *alone: the operands are the caller's, so nothing but a proof may run on them. */
static bool prepare(struct un_queue *q, const struct un_product *product,
                    const struct un_lt_operands *callers, struct trial *t, bool *alone) {
    if (q->scratch_bytes < UN_LT_EXTRA) return false;
    t->product = product;
    t->digest = (uint64_t *)(void *)(q->scratch + (q->scratch_bytes - UN_LT_EXTRA) / 256 * 256);
    *alone = !in_scratch(q, t);
    if (!*alone) return true;
    t->o = *callers;
    return !product->beta;
}

void un_lt_find(struct un_queue *q, const struct un_product *product, struct un_lt_call *c,
                const struct un_lt_operands *o, bool timed, struct un_lt_choice *choice) {
    cublasLtMatmulAlgo_t algo[UN_LT_CANDIDATES];
    struct un_product_trial trial[UN_LT_CANDIDATES];
    struct trial t = {.call = *c}; /* a bias is the caller's: only read */
    int order[UN_LT_CANDIDATES], tried = 0;
    bool alone;
    const double start = un_clock();
    choice->count = 0;
    if (!prepare(q, product, o, &t, &alone)) return;
    const int count = un_lt_candidates(q->blas, product, c, algo);
    while (tried < count) {
        trial[tried] = try_one(q, &t, &algo[tried], timed && !alone);
        ++tried;
        if ((alone || !timed) && un_product_repeats(&trial[tried - 1])) break;
    }
    choice->count = un_product_order(trial, tried, order);
    for (int i = 0; i < choice->count; ++i) choice->algo[i] = algo[order[i]];
    q->blas->trials.count += 1;
    q->blas->trials.seconds += un_clock() - start;
    if (choice->count > 0)
        un_log(UN_LOG_DEBUG,
               "product %" PRId64 " x %" PRId64 " x %" PRId64
               ": algorithm %d of %d, %d of the same bits, %.1f us (the first: %.1f us)",
               product->n, product->m, product->k, order[0] + 1, count, choice->count,
               1e6 * trial[order[0]].seconds, 1e6 * trial[0].seconds);
}
