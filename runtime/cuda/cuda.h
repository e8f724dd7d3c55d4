/* Inside of the CUDA backend: the queue, its scratch, and one prototype per op (meanings: runtime/ops.h).
 *
 * A queue is a stream. An op checks its sizes, launches its kernels and returns; nothing here waits for the
 * card. Ops allocate nothing: what they need beyond their outputs is the queue's scratch, which the next op
 * of the queue may overwrite as soon as it runs (a stream runs in order). Laws of every kernel:
 *  - the grid and who adds what in which order follow from shapes alone, never from the card, the alignment
 *    of a pointer or timing; no atomics on floats;
 *  - a row is owned by the same threads whether it is read in vectors of 16 bytes or element by element;
 *  - f32 inside, whatever the type of the operands; bf16 results are rounded once, to nearest even. */
#ifndef UN_RUNTIME_CUDA_CUDA_H
#define UN_RUNTIME_CUDA_CUDA_H

#include "runtime/memory.h"
#include "runtime/ops.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

struct un_cuda_blas; /* blaslt.c: handle, workspace, algorithms found so far */

struct un_queue {
    struct un_device *device;
    int ordinal; /* the card */
    cudaStream_t stream;
    struct un_error error;  /* the first error that stuck; later ops still run and must stay in bounds */
    unsigned char *scratch; /* device memory */
    size_t scratch_bytes;
    struct un_cuda_blas *blas; /* NULL: only this backend's own products */
    const char *last;          /* what was queued last, for messages */
    bool capturing;            /* between graph_begin and graph_end */
    size_t shared_most;        /* shared memory that a block of this card may have */
    bool said_long;            /* that long samples take the plain attention */
};

/* What the shared module gives to the program (plugin.c), by the one function it exports. */
struct un_cuda_module {
    int (*count)(void); /* visible cards, 0 or more; an error of the runtime is recorded */
    enum un_status (*open)(int ordinal, struct un_device **device);
};
/* NULL when the program was built with other headers: `abi` is its UN_PLUGIN_ABI. */
const void *un_cuda_module(uint64_t abi);

/* The calling thread's work goes to this card. */
void un_cuda_use(int ordinal);

/* Scratch of one op; false (and an error on the queue) when there is less than `bytes`. The memory is that of
 * every other op of the queue. */
bool un_cuda_scratch(struct un_queue *q, struct un_arena *arena, size_t bytes, const char *op);
/* The bytes of scratch each file asks for at most; queue.c takes the largest. */
typedef size_t (*un_cuda_scratch_need)(const struct un_limits *limits);
size_t un_cuda_gemm_scratch(const struct un_limits *limits);
size_t un_cuda_pointwise_scratch(const struct un_limits *limits);
size_t un_cuda_layernorm_scratch(const struct un_limits *limits);
size_t un_cuda_attention_scratch(const struct un_limits *limits);
size_t un_cuda_loss_scratch(const struct un_limits *limits);
size_t un_cuda_transport_scratch(const struct un_limits *limits);
size_t un_cuda_reduce_scratch(const struct un_limits *limits);
size_t un_cuda_fp8_scratch(const struct un_limits *limits);
size_t un_cuda_blas_scratch(const struct un_limits *limits);

/* After every launch or CUDA call: an error sticks to the queue unless one does. */
void un_cuda_check(struct un_queue *q, cudaError_t error, const char *what);
/* Lets an error of our own stick. */
#define un_cuda_fail(q, status, ...)                                                                         \
    do {                                                                                                     \
        (void)un_fail((status), __VA_ARGS__);                                                                \
        un_cuda_stick(q);                                                                                    \
    } while (0)
void un_cuda_stick(struct un_queue *q);

extern const struct un_ops un_cuda_ops;

/* cuBLASLt, where it can do a product: c = op(a) op(b) + beta c, with bias when `bias` is set. False: it
 * can't, nothing was queued. *biased: the bias was added. Defined in blaslt.c; tests without a card answer
 * false. */
bool un_cuda_blas_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a,
                       struct un_mat b, bool transpose_b, float beta, const void *bias,
                       enum un_type bias_type, bool *biased);
/* Likewise c = a b^T + beta c with factors in fp8, times both units. */
bool un_cuda_blas_gemm_fp8(struct un_queue *q, struct un_mat c, struct un_mat a, const float *a_unit,
                           struct un_mat b, const float *b_unit, float beta, const void *bias,
                           enum un_type bias_type, bool *biased);
/* Where a product goes before its epilogue: with z kept, there at once, so that bias and GELU move 4 bytes an element,
 * not 6; and what is left to do after it. biased: the bias was added. */
struct un_mat un_cuda_gemm_target(struct un_mat c, const struct un_epilogue *epilogue);
void un_cuda_gemm_finish(struct un_queue *q, struct un_mat c, struct un_mat to,
                         const struct un_epilogue *epilogue, bool biased);
/* The library's handle and workspace for a queue; also blaslt.c. */
enum un_status un_cuda_blas_open(struct un_queue *q, struct un_cuda_blas **blas);
void un_cuda_blas_close(struct un_queue *q, struct un_cuda_blas *blas);
size_t un_cuda_blas_workspace(void); /* bytes beside the scratch */
void un_cuda_trials(struct un_queue *q, struct un_trials *trials);

/* For the choice among algorithms (trial.cu): numbers in [-1, 1) for f32 and bf16 alike, a function of the
 * place alone, of which fp8 leaves only bytes below 2, no NaN; and a 64-bit digest of all elements of a matrix, *digest in device memory. */
void un_cuda_trial_fill(struct un_queue *q, void *memory, size_t bytes, bool fp8);
void un_cuda_trial_digest(struct un_queue *q, uint64_t *digest, struct un_mat m);

/* What follows a product that the matrix library can't do itself: z = from + bias (NULL: none), pre = z when
 * pre.data is set, c = activation(z). from may be c or pre. bias f32, bf16 or f16. codes: of c, or NULL. */
void un_cuda_activate(struct un_queue *q, struct un_mat c, struct un_mat from, struct un_mat pre,
                      const void *bias, enum un_type bias_type, enum un_activation activation,
                      const struct un_codes *codes);

void un_cuda_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a, struct un_mat b,
                  bool transpose_b, float beta, const struct un_epilogue *epilogue);
void un_cuda_col_sum(struct un_queue *q, float *dbias, struct un_mat dy);
void un_cuda_linear_grad(struct un_queue *q, struct un_mat dw, float *dbias, struct un_mat dy,
                         struct un_mat x);

void un_cuda_quantize(struct un_queue *q, struct un_mat y, struct un_mat yt, uint32_t *amax, struct un_mat x,
                      const float *scale);

void un_cuda_gemm_fp8(struct un_queue *q, struct un_mat c, struct un_mat a, const float *a_unit,
                      struct un_mat b, const float *b_unit, float beta, const struct un_epilogue *epilogue);

void un_cuda_gelu_bwd_fp8(struct un_queue *q, struct un_mat dz, const struct un_codes *codes, float *dbias,
                          struct un_mat dy, struct un_mat z);

void un_cuda_norm_fwd_fp8(struct un_queue *q, struct un_mat y, const struct un_codes *codes, struct un_mat r,
                          float *mean, float *rstd, struct un_mat x, struct un_mat residual,
                          const float *gamma, const float *beta, const struct un_dropout *drop);
void un_cuda_norm_bwd_fp8(struct un_queue *q, struct un_mat dr, struct un_mat dx,
                          const struct un_codes *codes, float *dgamma, float *dbeta, float *dbias,
                          struct un_mat dy, struct un_mat r, const float *mean, const float *rstd,
                          const float *gamma, const struct un_dropout *drop);

void un_cuda_attention_fwd_fp8(struct un_queue *q, struct un_mat out, const struct un_codes *codes,
                               float *lse, struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                               const struct un_dropout *drop);
void un_cuda_attention_bwd_fp8(struct un_queue *q, struct un_mat dqkv, const struct un_codes *codes,
                               float *dbias, struct un_mat dout, struct un_mat out, const float *lse,
                               struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                               const struct un_dropout *drop);

void un_cuda_gelu_bwd(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat z);
void un_cuda_tanh_bwd(struct un_queue *q, struct un_mat dz, struct un_mat dy, struct un_mat y);
void un_cuda_relu_bwd(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat y);
void un_cuda_dropout(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_dropout *d);
void un_cuda_add_row(struct un_queue *q, struct un_mat r, struct un_mat a, struct un_mat b,
                     struct un_mat table, const int32_t *index);
void un_cuda_add(struct un_queue *q, float *dst, const float *src, int64_t count);
void un_cuda_zero(struct un_queue *q, void *ptr, size_t bytes);
void un_cuda_cast(struct un_queue *q, void *dst, enum un_type dst_type, const void *src,
                  enum un_type src_type, int64_t count);

void un_cuda_norm_fwd(struct un_queue *q, struct un_mat y, struct un_mat r, float *mean, float *rstd,
                      struct un_mat x, struct un_mat residual, const float *gamma, const float *beta,
                      const struct un_dropout *drop);
void un_cuda_norm_bwd(struct un_queue *q, struct un_mat dr, struct un_mat dx, float *dgamma, float *dbeta,
                      float *dbias, struct un_mat dy, struct un_mat r, const float *mean, const float *rstd,
                      const float *gamma, const struct un_dropout *drop);
void un_cuda_norm_scatter_fwd(struct un_queue *q, struct un_mat y, const int32_t *index, struct un_mat r,
                              float *mean, float *rstd, const float *gamma, const float *beta,
                              const struct un_dropout *drop);
void un_cuda_norm_gather_bwd(struct un_queue *q, struct un_mat dr, float *dgamma, float *dbeta, float *dbias,
                             struct un_mat dy, const int32_t *index, struct un_mat r, const float *mean,
                             const float *rstd, const float *gamma, const struct un_dropout *drop);

void un_cuda_gather_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index);
void un_cuda_scatter_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index);
void un_cuda_scatter_add_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index);
void un_cuda_segment_add_rows(struct un_queue *q, struct un_mat dst, struct un_mat src,
                              const struct un_segments *seg);
void un_cuda_embed_words(struct un_queue *q, struct un_mat r, const int32_t *id, const int32_t *pos,
                         struct un_mat word, struct un_mat position, struct un_mat type, const int32_t *kind);
void un_cuda_mask_features(struct un_queue *q, struct un_mat x, struct un_mat feature, const int32_t *index,
                           const uint8_t *masked, const float *mask_row);

void un_cuda_patches(struct un_queue *q, struct un_mat dst, struct un_mat src, const struct un_maps *maps,
                     const struct un_window *window, int64_t first);
void un_cuda_max_pool(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_maps *maps,
                      const struct un_window *window);
void un_cuda_region_pool(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t height, int64_t width,
                         const float *box, int64_t regions, int64_t pool, float scale);
void un_cuda_add_relu(struct un_queue *q, struct un_mat y, struct un_mat a, struct un_mat b);
void un_cuda_mean_rows(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t count);

void un_cuda_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                           const struct un_layout *layout, int64_t heads, const struct un_dropout *drop);
void un_cuda_attention_bwd(struct un_queue *q, struct un_mat dqkv, float *dbias, struct un_mat dout,
                           struct un_mat out, const float *lse, struct un_mat qkv,
                           const struct un_layout *layout, int64_t heads, const struct un_dropout *drop);

void un_cuda_cross_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat query,
                                 struct un_mat key_value, const struct un_layout *queries,
                                 const struct un_layout *keys, int64_t heads, const struct un_dropout *drop);
void un_cuda_cross_attention_bwd(struct un_queue *q, struct un_mat dquery, struct un_mat dkey_value,
                                 struct un_mat dout, struct un_mat out, const float *lse, struct un_mat query,
                                 struct un_mat key_value, const struct un_layout *queries,
                                 const struct un_layout *keys, int64_t heads, const struct un_dropout *drop);
void un_cuda_attention_pool_fwd(struct un_queue *q, struct un_mat out, float *weight, struct un_mat x,
                                const float *score, const struct un_layout *layout,
                                const struct un_dropout *drop);
void un_cuda_attention_pool_bwd(struct un_queue *q, struct un_mat dx, float *dscore, struct un_mat dout,
                                struct un_mat x, const float *weight, const struct un_layout *layout,
                                const struct un_dropout *drop);

void un_cuda_cross_entropy(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                           struct un_mat logits, const int32_t *target, const float *scale);
void un_cuda_sigmoid_cross_entropy(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                                   struct un_mat logits, struct un_mat target, const int32_t *row,
                                   const float *scale);
void un_cuda_segment_cross_entropy(struct un_queue *q, float *row_loss, float *hit, float *dscores,
                                   const float *scores, const int32_t *start, const int32_t *target,
                                   int64_t n, int64_t members, const float *scale);
void un_cuda_margin_rank(struct un_queue *q, float *row_loss, float *hit, float *dscores, const float *scores,
                         const int32_t *start, const int32_t *target, const int32_t *wrong, int64_t n,
                         int64_t members, float margin, const float *scale);
void un_cuda_kl_divergence(struct un_queue *q, float *row_loss, float *hit, float *unit,
                           struct un_mat dlogits, struct un_mat logits, struct un_mat soft,
                           const float *scale);
void un_cuda_squared_error(struct un_queue *q, float *row_loss, float *unit, struct un_mat dpred,
                           struct un_mat pred, struct un_mat feature, const int32_t *region,
                           const float *scale);

void un_cuda_transport_fwd(struct un_queue *q, float *distance, float *plan, float *cost, struct un_mat x,
                           const struct un_pairs *pairs, const struct un_transport *how);
void un_cuda_transport_bwd(struct un_queue *q, struct un_mat dx, const float *coef, const float *plan,
                           const float *cost, struct un_mat x, const struct un_pairs *pairs);

void un_cuda_square_sums(struct un_queue *q, double *partial, const float *g, int64_t count);
void un_cuda_check_finite(struct un_queue *q, double *word, const float *x, int64_t count);
void un_cuda_clip_factor(struct un_queue *q, float *out, const double *partial, int64_t chunks,
                         float max_norm);
void un_cuda_adamw(struct un_queue *q, float *p, void *low, float *m, float *v, const float *g,
                   const uint8_t *decay, int64_t count, const struct un_adamw *how, const float *clip,
                   const float *finite);

#ifdef __cplusplus
}
#endif
#endif
