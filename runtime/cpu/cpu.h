/* Inside of the CPU backend: the queue, its scratch, and one prototype per op (meanings: runtime/ops.h).
 *
 * A queue runs its work at once, with OpenMP threads where that pays. Law: work is cut by shape only, never
 * by the number of threads, so that results do not depend on it. Ops allocate nothing: what they need beyond
 * their outputs is carved from the queue's scratch, which is sized when the queue opens. */
#ifndef UN_RUNTIME_CPU_CPU_H
#define UN_RUNTIME_CPU_CPU_H

#include "runtime/memory.h"
#include "runtime/ops.h"

#include <cblas.h>

struct un_product_kernel;

struct un_queue {
    struct un_device *device;
    int threads;           /* of the device */
    struct un_error error; /* the first error that stuck; later ops still run and must stay in bounds */
    const struct un_product_kernel *kernel; /* of bf16 products: the device's when the queue opened */
    unsigned char *scratch;
    size_t scratch_bytes;
};

/* Scratch of one op, from its first call to its return: carve it with un_arena_take (from one thread, before
 * the parallel part). The next op gets the same memory, so nothing survives. `bytes`: all that the op will
 * take, each part rounded up to UN_ALIGN; when the queue has less, the error sticks and false is returned. */
bool un_cpu_scratch(struct un_queue *q, struct un_arena *arena, size_t bytes, const char *op);

/* Lets an error stick to the queue unless one does. Safe from one thread at a time. */
#define un_cpu_fail(q, status, ...)                                                                          \
    do {                                                                                                     \
        (void)un_fail((status), __VA_ARGS__);                                                                \
        un_cpu_stick(q);                                                                                     \
    } while (0)
void un_cpu_stick(struct un_queue *q);

/* The bytes of scratch each file asks for at most; device.c takes the largest. */
typedef size_t (*un_cpu_scratch_need)(const struct un_limits *limits, int threads);
size_t un_cpu_layernorm_scratch(const struct un_limits *limits, int threads);
size_t un_cpu_attention_scratch(const struct un_limits *limits, int threads);
size_t un_cpu_loss_scratch(const struct un_limits *limits, int threads);
size_t un_cpu_product_scratch(const struct un_limits *limits, int threads);
size_t un_cpu_fp8_scratch(const struct un_limits *limits, int threads);
size_t un_cpu_transport_scratch(const struct un_limits *limits, int threads);

/* Worth waking the other threads: elements (or multiply-adds) of work below which one thread is faster. It
 * changes who computes, never what. */
enum { UN_CPU_PARALLEL_MIN = 16384 };

/* What a processor has of the sets that BLAS kernels are compiled for. */
struct un_cpu_sets {
    bool avx2, avx512, amx;
};
/* Which OPENBLAS_CORETYPE a program should be started with where OpenBLAS runs `corename`, whose products are right
 * or not: the fastest kernel for these sets, of those behind the one that was tried (NULL: none was). NULL: the kernel
 * stays, as it is fast and right or as there is no other. Pure. */
const char *un_cpu_blas_choose(const char *corename, bool right, const struct un_cpu_sets *sets,
                               const char *tried);
typedef __typeof__(cblas_sgemm) un_cpu_sgemm;
/* Whether all four transposes of a product of odd sizes are exact for small whole numbers. */
bool un_cpu_blas_right(un_cpu_sgemm *sgemm);
/* "OpenBLAS 0.3.21 SkylakeX" */
void un_cpu_blas_name(char *name, size_t bytes);
/* One thread inside the library: the ops cut the products themselves. */
void un_cpu_blas_single(void);

/* Of the table of the device. */
void un_cpu_place_threads(const struct un_device *d, const int *cores);
/* Entries of the device's table (reserve.c). */
size_t un_cpu_library_bytes(const struct un_device *d);
enum un_status un_cpu_take_libraries(struct un_device *d);

static inline float *un_cpu_row(struct un_mat m, int64_t row) {
    return (float *)m.data + row * m.stride;
}

void un_cpu_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a, struct un_mat b,
                 bool transpose_b, float beta, const struct un_epilogue *epilogue);
void un_cpu_col_sum(struct un_queue *q, float *dbias, struct un_mat dy);
void un_cpu_linear_grad(struct un_queue *q, struct un_mat dw, float *dbias, struct un_mat dy,
                        struct un_mat x);

void un_cpu_quantize(struct un_queue *q, struct un_mat y, struct un_mat yt, uint32_t *amax, struct un_mat x,
                     const float *scale);

void un_cpu_gemm_fp8(struct un_queue *q, struct un_mat c, struct un_mat a, const float *a_unit,
                     struct un_mat b, const float *b_unit, float beta, const struct un_epilogue *epilogue);

/* The codes of m, which stands in memory: quantize. NULL: none. */
void un_cpu_codes(struct un_queue *q, const struct un_codes *codes, struct un_mat m);
void un_cpu_gelu_bwd_fp8(struct un_queue *q, struct un_mat dz, const struct un_codes *codes, float *dbias,
                         struct un_mat dy, struct un_mat z);

void un_cpu_norm_fwd_fp8(struct un_queue *q, struct un_mat y, const struct un_codes *codes, struct un_mat r,
                         float *mean, float *rstd, struct un_mat x, struct un_mat residual,
                         const float *gamma, const float *beta, const struct un_dropout *drop);
void un_cpu_norm_bwd_fp8(struct un_queue *q, struct un_mat dr, struct un_mat dx, const struct un_codes *codes,
                         float *dgamma, float *dbeta, float *dbias, struct un_mat dy, struct un_mat r,
                         const float *mean, const float *rstd, const float *gamma,
                         const struct un_dropout *drop);

void un_cpu_attention_fwd_fp8(struct un_queue *q, struct un_mat out, const struct un_codes *codes, float *lse,
                              struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                              const struct un_dropout *drop);
void un_cpu_attention_bwd_fp8(struct un_queue *q, struct un_mat dqkv, const struct un_codes *codes,
                              float *dbias, struct un_mat dout, struct un_mat out, const float *lse,
                              struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                              const struct un_dropout *drop);

void un_cpu_gelu_bwd(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat z);
void un_cpu_tanh_bwd(struct un_queue *q, struct un_mat dz, struct un_mat dy, struct un_mat y);
void un_cpu_relu_bwd(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat y);
void un_cpu_dropout(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_dropout *d);
void un_cpu_add_row(struct un_queue *q, struct un_mat r, struct un_mat a, struct un_mat b,
                    struct un_mat table, const int32_t *index);
void un_cpu_add(struct un_queue *q, float *dst, const float *src, int64_t count);
void un_cpu_zero(struct un_queue *q, void *ptr, size_t bytes);
void un_cpu_cast(struct un_queue *q, void *dst, enum un_type dst_type, const void *src, enum un_type src_type,
                 int64_t count);

void un_cpu_norm_fwd(struct un_queue *q, struct un_mat y, struct un_mat r, float *mean, float *rstd,
                     struct un_mat x, struct un_mat residual, const float *gamma, const float *beta,
                     const struct un_dropout *drop);
void un_cpu_norm_bwd(struct un_queue *q, struct un_mat dr, struct un_mat dx, float *dgamma, float *dbeta,
                     float *dbias, struct un_mat dy, struct un_mat r, const float *mean, const float *rstd,
                     const float *gamma, const struct un_dropout *drop);
void un_cpu_norm_scatter_fwd(struct un_queue *q, struct un_mat y, const int32_t *index, struct un_mat r,
                             float *mean, float *rstd, const float *gamma, const float *beta,
                             const struct un_dropout *drop);
void un_cpu_norm_gather_bwd(struct un_queue *q, struct un_mat dr, float *dgamma, float *dbeta, float *dbias,
                            struct un_mat dy, const int32_t *index, struct un_mat r, const float *mean,
                            const float *rstd, const float *gamma, const struct un_dropout *drop);

void un_cpu_gather_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index);
void un_cpu_scatter_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index);
void un_cpu_scatter_add_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index);
void un_cpu_segment_add_rows(struct un_queue *q, struct un_mat dst, struct un_mat src,
                             const struct un_segments *seg);
void un_cpu_embed_words(struct un_queue *q, struct un_mat r, const int32_t *id, const int32_t *pos,
                        struct un_mat word, struct un_mat position, struct un_mat type, const int32_t *kind);
void un_cpu_mask_features(struct un_queue *q, struct un_mat x, struct un_mat feature, const int32_t *index,
                          const uint8_t *masked, const float *mask_row);

void un_cpu_patches(struct un_queue *q, struct un_mat dst, struct un_mat src, const struct un_maps *maps,
                    const struct un_window *window, int64_t first);
void un_cpu_max_pool(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_maps *maps,
                     const struct un_window *window);
void un_cpu_region_pool(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t height, int64_t width,
                        const float *box, int64_t regions, int64_t pool, float scale);
void un_cpu_add_relu(struct un_queue *q, struct un_mat y, struct un_mat a, struct un_mat b);
void un_cpu_mean_rows(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t count);

void un_cpu_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                          const struct un_layout *layout, int64_t heads, const struct un_dropout *drop);
void un_cpu_attention_bwd(struct un_queue *q, struct un_mat dqkv, float *dbias, struct un_mat dout,
                          struct un_mat out, const float *lse, struct un_mat qkv,
                          const struct un_layout *layout, int64_t heads, const struct un_dropout *drop);

void un_cpu_cross_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat query,
                                struct un_mat key_value, const struct un_layout *queries,
                                const struct un_layout *keys, int64_t heads, const struct un_dropout *drop);
void un_cpu_cross_attention_bwd(struct un_queue *q, struct un_mat dquery, struct un_mat dkey_value,
                                struct un_mat dout, struct un_mat out, const float *lse, struct un_mat query,
                                struct un_mat key_value, const struct un_layout *queries,
                                const struct un_layout *keys, int64_t heads, const struct un_dropout *drop);
void un_cpu_attention_pool_fwd(struct un_queue *q, struct un_mat out, float *weight, struct un_mat x,
                               const float *score, const struct un_layout *layout,
                               const struct un_dropout *drop);
void un_cpu_attention_pool_bwd(struct un_queue *q, struct un_mat dx, float *dscore, struct un_mat dout,
                               struct un_mat x, const float *weight, const struct un_layout *layout,
                               const struct un_dropout *drop);

void un_cpu_cross_entropy(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                          struct un_mat logits, const int32_t *target, const float *scale);
void un_cpu_sigmoid_cross_entropy(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                                  struct un_mat logits, struct un_mat target, const int32_t *row,
                                  const float *scale);
void un_cpu_segment_cross_entropy(struct un_queue *q, float *row_loss, float *hit, float *dscores,
                                  const float *scores, const int32_t *start, const int32_t *target, int64_t n,
                                  int64_t members, const float *scale);
void un_cpu_margin_rank(struct un_queue *q, float *row_loss, float *hit, float *dscores, const float *scores,
                        const int32_t *start, const int32_t *target, const int32_t *wrong, int64_t n,
                        int64_t members, float margin, const float *scale);
void un_cpu_kl_divergence(struct un_queue *q, float *row_loss, float *hit, float *unit, struct un_mat dlogits,
                          struct un_mat logits, struct un_mat soft, const float *scale);
void un_cpu_squared_error(struct un_queue *q, float *row_loss, float *unit, struct un_mat dpred,
                          struct un_mat pred, struct un_mat feature, const int32_t *region,
                          const float *scale);

void un_cpu_transport_fwd(struct un_queue *q, float *distance, float *plan, float *cost, struct un_mat x,
                          const struct un_pairs *pairs, const struct un_transport *how);
void un_cpu_transport_bwd(struct un_queue *q, struct un_mat dx, const float *coef, const float *plan,
                          const float *cost, struct un_mat x, const struct un_pairs *pairs);

void un_cpu_square_sums(struct un_queue *q, double *partial, const float *g, int64_t count);
void un_cpu_check_finite(struct un_queue *q, double *word, const float *x, int64_t count);
void un_cpu_clip_factor(struct un_queue *q, float *out, const double *partial, int64_t chunks,
                        float max_norm);
void un_cpu_adamw(struct un_queue *q, float *p, void *low, float *m, float *v, const float *g,
                  const uint8_t *decay, int64_t count, const struct un_adamw *how, const float *clip,
                  const float *finite);

#endif
