/* THE table of ops: everything the network computes. One const table per backend (cpu/device.c,
 * cuda/table.c), filled with named fields; no caller knows which one runs.
 *
 * Laws, unless an entry says otherwise:
 *  - Outputs come first, then inputs, then sizes and scalars. All pointers are device memory, borrowed.
 *  - "=" overwrites every element of the output, "+=" accumulates into it.
 *  - Outputs do not overlap inputs; "in place: x over y" marks the allowed exceptions.
 *  - Matrices are row-major un_mat; activations and weights are f32 or bf16;
 *    statistics, losses, transport, bias and LayerNorm parameters and all gradients of parameters are f32.
 *  - Any row count including 0 is allowed. An index of -1 in an index list means "no row": gathered as zeros,
 *    scattered nowhere, loss and gradient zero. (Fixed-shape replays fill lists up with -1.)
 *  - Results do not depend on the number of threads, on timing or on where the buffers lie: each output
 *    element has one fixed order of summation, given by shapes alone.
 *  - Errors stick to the queue (device.h). */
#ifndef UN_RUNTIME_OPS_H
#define UN_RUNTIME_OPS_H

#include "runtime/adamw.h"
#include "runtime/device.h"
#include "runtime/maps.h"
#include "runtime/pairs.h"
#include "runtime/rng.h"
#include "runtime/tensor.h"

enum un_activation { UN_ACT_NONE, UN_ACT_GELU, UN_ACT_TANH, UN_ACT_RELU };

/* An output in fp8 beside itself: to, amax and scale have the bits of quantize (below) of the output as it is stored. */
struct un_codes {
    struct un_mat to;   /* e4m3 or e5m2, the output's shape; data NULL: its amax alone */
    uint32_t *amax;     /* NULL: not wanted */
    const float *scale; /* read where `to` is set */
};

/* What follows a matrix product in the same op: c = act(product + bias). */
struct un_epilogue {
    const void *bias;       /* [cols of c] added to every row; NULL: none */
    enum un_type bias_type; /* f32, or as c */
    enum un_activation activation;
    struct un_mat
        pre; /* GELU, ReLU: receives product + bias (for gelu_bwd) when pre.data is set; same shape as c */
    const struct un_codes *codes; /* of c, f32 or bf16; NULL: not wanted */
};

/* Samples of a packed micro-batch: sample s is tokens [start[s], start[s+1]). */
struct un_layout {
    const int32_t *start; /* [S+1] */
    int64_t samples, tokens;
    int64_t longest; /* most tokens of one sample, <= UN_MAX_SAMPLE_TOKENS */
};
enum { UN_MAX_SAMPLE_TOKENS = 512 };

/* Groups of rows that add up into one destination row, in this order (made on the host by packing). */
struct un_segments {
    const int32_t *id;    /* [count] destination rows, ascending, each once */
    const int32_t *start; /* [count+1] into perm */
    const int32_t *perm;  /* [rows] source rows, ascending within a segment */
    int64_t count;
};

struct un_ops {
    /* ---- matrix products ---- */

    /* c = op(a) op(b) + beta * c, then the epilogue (only with beta = 0). op(x) = x or its transpose.
     * op(a) [M,K], op(b) [K,N], c [M,N].
     * Order: K ascending in blocks that depend on the shape only. */
    void (*gemm)(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a, struct un_mat b,
                 bool transpose_b, float beta, const struct un_epilogue *epilogue);
    /* dbias[j] += sum_i dy[i,j].
     * Order: fixed blocks of rows, then the blocks in order. */
    void (*col_sum)(struct un_queue *q, float *dbias, struct un_mat dy);
    /* Many gradients at once for a linear layer:
     * dw [N,K] += dy[T,N]^T x[T,K];
     * dbias [N] += col_sum(dy); may be NULL. */
    void (*linear_grad)(struct un_queue *q, struct un_mat dw, float *dbias, struct un_mat dy,
                        struct un_mat x);

    /* ---- fp8 (runtime/fp8.h) ---- */

    /* y[i,j] = yt[j,i] = x[i,j] * *scale as e4m3 or e5m2; y and yt of one type, each where its data is set.
     * *amax = max(*amax, |x[i,j]|), as the bits of f32 compared as whole numbers: a NaN is above all. NULL: not wanted.
     * x f32 or bf16; *scale a power of two. Order: a maximum has none. */
    void (*quantize)(struct un_queue *q, struct un_mat y, struct un_mat yt, uint32_t *amax, struct un_mat x,
                     const float *scale);

    /* c = (a * *a_unit) (b * *b_unit)^T + beta * c, then the epilogue (only with beta = 0). a [M,K] e4m3 or e5m2,
     * b [N,K] e4m3: both with K along their rows; units are powers of two, c f32 or bf16.
     * Order: as gemm of factors in bf16, which hold every number times its unit (from 2^-126 on) exactly; a library of
     * a card adds the numbers and takes both units after. Needs un_limits.fp8. */
    void (*gemm_fp8)(struct un_queue *q, struct un_mat c, struct un_mat a, const float *a_unit,
                     struct un_mat b, const float *b_unit, float beta, const struct un_epilogue *epilogue);

    /* gelu_bwd, with the codes of dz. */
    void (*gelu_bwd_fp8)(struct un_queue *q, struct un_mat dz, const struct un_codes *codes, float *dbias,
                         struct un_mat dy, struct un_mat z);

    /* norm_fwd, with the codes of y. */
    void (*norm_fwd_fp8)(struct un_queue *q, struct un_mat y, const struct un_codes *codes, struct un_mat r,
                         float *mean, float *rstd, struct un_mat x, struct un_mat residual,
                         const float *gamma, const float *beta, const struct un_dropout *drop);
    /* norm_bwd, with the codes of dx, or of dr without dx. */
    void (*norm_bwd_fp8)(struct un_queue *q, struct un_mat dr, struct un_mat dx, const struct un_codes *codes,
                         float *dgamma, float *dbeta, float *dbias, struct un_mat dy, struct un_mat r,
                         const float *mean, const float *rstd, const float *gamma,
                         const struct un_dropout *drop);

    /* attention_fwd, with the codes of out; attention_bwd, with those of dqkv. */
    void (*attention_fwd_fp8)(struct un_queue *q, struct un_mat out, const struct un_codes *codes, float *lse,
                              struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                              const struct un_dropout *drop);
    void (*attention_bwd_fp8)(struct un_queue *q, struct un_mat dqkv, const struct un_codes *codes,
                              float *dbias, struct un_mat dout, struct un_mat out, const float *lse,
                              struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                              const struct un_dropout *drop);

    /* ---- pointwise ---- */

    /* dz = dy * gelu'(z), gelu(z) = z/2 (1 + erf(z/sqrt 2)).
     * dbias += as col_sum of dz; may be NULL.
     * In place: dz over dy. */
    void (*gelu_bwd)(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat z);
    /* dz = dy * (1 - y^2), y = tanh(z).
     * In place: dz over dy. */
    void (*tanh_bwd)(struct un_queue *q, struct un_mat dz, struct un_mat dy, struct un_mat y);
    /* dz = y > 0 ? dy : 0, y = max(z, 0) (NaN stays NaN).
     * dbias += as col_sum of dz; may be NULL.
     * In place: dz over dy. */
    void (*relu_bwd)(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat y);
    /* y = x * factor; factor of element (row, col) is un_dropout_factor(d, row * round_up(cols, 8) + col).
     * Forward and backward alike. d->threshold 0 copies.
     * In place: y over x. */
    void (*dropout)(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_dropout *d);
    /* r[i,:] = (a[i,:] + b[i,:]) + table[index[i],:], table f32.
     * index NULL: row 0 for all; -1: nothing is added to a + b.
     * In place: r over a. */
    void (*add_row)(struct un_queue *q, struct un_mat r, struct un_mat a, struct un_mat b,
                    struct un_mat table, const int32_t *index);
    /* dst[i] += src[i]. */
    void (*add)(struct un_queue *q, float *dst, const float *src, int64_t count);
    /* ptr[0..count) = 0. */
    void (*zero)(struct un_queue *q, void *ptr, size_t bytes);
    /* dst = src converted (f32 <-> bf16, f16 -> f32 or bf16, ...), round to nearest even. */
    void (*cast)(struct un_queue *q, void *dst, enum un_type dst_type, const void *src, enum un_type src_type,
                 int64_t count);

    /* ---- LayerNorm with residual and dropout ---- */

    /* r = residual + dropout(x); residual.data NULL: r = dropout(x); drop NULL: none.
     * y = (r - mean) * rstd * gamma + beta, eps 1e-12 inside the root.
     * mean, rstd [N] of each row are kept for the backward.
     * In place: r over x. y may not be r. */
    void (*norm_fwd)(struct un_queue *q, struct un_mat y, struct un_mat r, float *mean, float *rstd,
                     struct un_mat x, struct un_mat residual, const float *gamma, const float *beta,
                     const struct un_dropout *drop);
    /* dr = gradient of r, also that of residual.
     * dx = dropout(dr), the gradient of x, when dx.data is set.
     * dgamma += sum dy * xhat; dbeta += sum dy.
     * dbias += sum of dx, or of dr without dx; may be NULL.
     * In place: dr over dy. Order of the sums over rows as in col_sum. */
    void (*norm_bwd)(struct un_queue *q, struct un_mat dr, struct un_mat dx, float *dgamma, float *dbeta,
                     float *dbias, struct un_mat dy, struct un_mat r, const float *mean, const float *rstd,
                     const float *gamma, const struct un_dropout *drop);
    /* norm_fwd of x = r, then dropout, then scatter_rows to y, with their bits; r is not written. */
    void (*norm_scatter_fwd)(struct un_queue *q, struct un_mat y, const int32_t *index, struct un_mat r,
                             float *mean, float *rstd, const float *gamma, const float *beta,
                             const struct un_dropout *drop);
    /* gather_rows of dy to dr (of its type), dropout, norm_bwd over that, with their bits; dr is not dy. */
    void (*norm_gather_bwd)(struct un_queue *q, struct un_mat dr, float *dgamma, float *dbeta, float *dbias,
                            struct un_mat dy, const int32_t *index, struct un_mat r, const float *mean,
                            const float *rstd, const float *gamma, const struct un_dropout *drop);

    /* ---- rows by index ---- */

    /* dst[i,:] = src[index[i],:]. */
    void (*gather_rows)(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index);
    /* dst[index[i],:] = src[i,:], index without repeats; other rows of dst untouched.
     * Of one type: bit by bit. */
    void (*scatter_rows)(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index);
    /* dst[index[i],:] += src[i,:], index without repeats. */
    void (*scatter_add_rows)(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index);
    /* dst[seg.id[k],:] += sum over i in segment k, in order, of src[perm[i],:]. */
    void (*segment_add_rows)(struct un_queue *q, struct un_mat dst, struct un_mat src,
                             const struct un_segments *seg);
    /* r[i,:] = (word[id[i],:] + position[pos[i],:]) + type[kind[i],:], summed in f32; word, position: both f32 or bf16.
     * type f32. kind NULL: row 0 for all. */
    void (*embed_words)(struct un_queue *q, struct un_mat r, const int32_t *id, const int32_t *pos,
                        struct un_mat word, struct un_mat position, struct un_mat type, const int32_t *kind);
    /* x[i,:] = masked[i] ? mask_row : feature[index[i],:].
     * feature f16 or f32; index NULL: i itself. */
    void (*mask_features)(struct un_queue *q, struct un_mat x, struct un_mat feature, const int32_t *index,
                          const uint8_t *masked, const float *mask_row);

    /* ---- maps of a convolutional network: f32 alone; sizes: un_maps, un_window ---- */

    /* Rows of a convolution as rows of a product: dst row r is output cell first + r, counted as rows of maps of
     * the output's size (un_window_out).
     * dst[r, (ky * size + kx) * C + c] = src[cell (i, y * stride + ky * dilation - pad, x * stride + kx * dilation
     * - pad), c], 0 outside the map. dst has size * size * C columns; its rows end at the last output cell. */
    void (*patches)(struct un_queue *q, struct un_mat dst, struct un_mat src, const struct un_maps *maps,
                    const struct un_window *window, int64_t first);
    /* y[cell of the output, c] = max over the window at (y * stride, x * stride); NaN wins. pad 0, dilation 1,
     * stride <= size. Output size: un_window_out_up; a window that hangs over is cut. */
    void (*max_pool)(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_maps *maps,
                     const struct un_window *window);
    /* Max over bins of boxes on one map x [height * width, C]. box [R,4] = x1 y1 x2 y2; scale: cells a unit of box.
     * y [R * pool * pool, C], row (r * pool + py) * pool + px.
     * Along an axis: start = round(x1 * scale), end = round(x2 * scale), half away from zero;
     * bin = (float)max(end - start + 1, 1) / pool;
     * bin p: cells start + floor(p * bin) to start + ceil((p + 1) * bin), exclusive, cut to the map.
     * Products in f32, rounded before floor and ceil. A bin without cells is 0; NaN wins.
     * Corners are cut to +-2^24 cells; NaN counts as -2^24. */
    void (*region_pool)(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t height, int64_t width,
                        const float *box, int64_t regions, int64_t pool, float scale);
    /* y = max(a + b, 0), NaN stays NaN.
     * In place: y over a. */
    void (*add_relu)(struct un_queue *q, struct un_mat y, struct un_mat a, struct un_mat b);
    /* y[i,:] = (sum over j < count of x[i * count + j,:]) / count.
     * Order: blocks of 16 rows, j ascending, then the blocks in order. */
    void (*mean_rows)(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t count);

    /* ---- attention ---- */

    /* Packed self-attention.
     * qkv [T,3H] = query | key | value, head a in columns [a*D, (a+1)*D) of each third.
     * out[t, head a] = sum_u dropout(softmax_u(q_t . k_u / sqrt D)) v_u over the tokens u of t's sample.
     * lse [T,A] keeps log sum exp of the scaled scores.
     * Dropout element: (t*A + a) * UN_MAX_SAMPLE_TOKENS + (u - start). */
    void (*attention_fwd)(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                          const struct un_layout *layout, int64_t heads, const struct un_dropout *drop);
    /* dqkv [T,3H] from dout; probabilities are recomputed from lse.
     * dbias [3H] += the sums over the rows of dqkv as stored; may be NULL.
     * Order of the sums: the backend's own, by the lengths of the samples alone (card: attention_bwd.cu; CPU: as
     * col_sum); samples of no tokens behind the others change no bit. */
    void (*attention_bwd)(struct un_queue *q, struct un_mat dqkv, float *dbias, struct un_mat dout,
                          struct un_mat out, const float *lse, struct un_mat qkv,
                          const struct un_layout *layout, int64_t heads, const struct un_dropout *drop);

    /* Attention from one packed batch to another, sample s of queries to sample s of keys (as many samples).
     * query [Tq,H], key_value [Tk,2H] = key | value; heads, out, lse and scaling as in attention_fwd, u over the tokens
     * of the keys' sample.
     * A query whose sample has no keys, and rows of no sample: zero.
     * Dropout element: (t*A + a) * UN_MAX_SAMPLE_TOKENS + (u - start of the keys' sample). */
    void (*cross_attention_fwd)(struct un_queue *q, struct un_mat out, float *lse, struct un_mat query,
                                struct un_mat key_value, const struct un_layout *queries,
                                const struct un_layout *keys, int64_t heads, const struct un_dropout *drop);
    /* dquery [Tq,H] and dkey_value [Tk,2H] from dout; probabilities are recomputed from lse. */
    void (*cross_attention_bwd)(struct un_queue *q, struct un_mat dquery, struct un_mat dkey_value,
                                struct un_mat dout, struct un_mat out, const float *lse, struct un_mat query,
                                struct un_mat key_value, const struct un_layout *queries,
                                const struct un_layout *keys, int64_t heads, const struct un_dropout *drop);
    /* Tokens of a sample, averaged with weights from a score each (f32).
     * weight[t] = softmax of score over the tokens of t's sample, kept for the backward;
     * out[s,:] = sum_t dropout(weight[t]) x[t,:] over the tokens of sample s, in order.
     * Rows of no sample, or of a sample without tokens: zero. x, out and their gradients of one type.
     * Dropout element: t. */
    void (*attention_pool_fwd)(struct un_queue *q, struct un_mat out, float *weight, struct un_mat x,
                               const float *score, const struct un_layout *layout,
                               const struct un_dropout *drop);
    /* dx[t,:] = dropout(weight[t]) dout[s,:];
     * dscore[t] = weight[t] (g_t - sum_u weight[u] g_u), g_t = dropout factor of t * dout[s,:] . x[t,:]. */
    void (*attention_pool_bwd)(struct un_queue *q, struct un_mat dx, float *dscore, struct un_mat dout,
                               struct un_mat x, const float *weight, const struct un_layout *layout,
                               const struct un_dropout *drop);

    /* ---- losses ---- */

    /* Each gives row losses (f32) and, when the gradient's data is set, the gradient of its input scaled by *scale, of
     * its own type. In place: the gradient over the input when the types agree. */

    /* Softmax cross-entropy, logits f32. target -1: all zero.
     * row_loss[i] = lse(logits[i,:]) - logits[i,target[i]];
     * hit[i] = 1 if target[i] is the (first) largest logit else 0;
     * dlogits = (softmax - onehot) * *scale. */
    void (*cross_entropy)(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                          struct un_mat logits, const int32_t *target, const float *scale);
    /* Binary cross-entropy of each column, logits and target [N,C] f32. row[i] -1: all zero.
     * row_loss[i] = sum_c max(x, 0) - x target + log(1 + e^-|x|), x = logits[i,c];
     * hit[i] = target[i, (first) largest logit];
     * dlogits = (1 / (1 + e^-x) - target) * *scale. */
    void (*sigmoid_cross_entropy)(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                                  struct un_mat logits, struct un_mat target, const int32_t *row,
                                  const float *scale);
    /* Softmax cross-entropy over the members of a row: those of row i are scores[start[i]..start[i+1]), i < n;
     * start[0] = 0, target[i] counts from start[i]. target -1: all zero.
     * row_loss, hit: as in cross_entropy;
     * dscores [members] = (softmax - onehot) * *scale, 0 from start[n] on; may be NULL.
     * In place: dscores over scores. */
    void (*segment_cross_entropy)(struct un_queue *q, float *row_loss, float *hit, float *dscores,
                                  const float *scores, const int32_t *start, const int32_t *target, int64_t n,
                                  int64_t members, const float *scale);
    /* Margin between the sigmoids of the target and of wrong members; rows, target and dscores as above, g(s) =
     * 1 / (1 + e^-s). wrong[i]: that member (it is not the target); -1: all others; -2: the (first) highest
     * other one. wrong NULL: all others.
     * row_loss[i] = sum_w max(0, margin + g(s_w) - g(s_target));
     * hit[i] = 1 if the target is the (first) highest of its row else 0;
     * dscores: 0 where the max is 0.
     * In place: dscores over scores. */
    void (*margin_rank)(struct un_queue *q, float *row_loss, float *hit, float *dscores, const float *scores,
                        const int32_t *start, const int32_t *target, const int32_t *wrong, int64_t n,
                        int64_t members, float margin, const float *scale);
    /* KL to soft labels, logits f32, soft f16 or f32 [N,C].
     * unit (i,c) = p (log p - log softmax(logits)), 0 where p = 0; unit [N,C] is written when not NULL.
     * row_loss[i] = sum_c unit;
     * hit[i] = 1 if argmax p == argmax logits (0 for a row of zeros: "no row");
     * dlogits = (softmax * sum_c p - p) * *scale. */
    void (*kl_divergence)(struct un_queue *q, float *row_loss, float *hit, float *unit, struct un_mat dlogits,
                          struct un_mat logits, struct un_mat soft, const float *scale);
    /* Squared error, pred f32; target row = feature[region[i],:], f16 or f32.
     * unit (i,f) = (pred - target)^2; unit [N,F] is written when not NULL.
     * row_loss[i] = sum_f unit;
     * dpred = 2 (pred - target) * *scale. */
    void (*squared_error)(struct un_queue *q, float *row_loss, float *unit, struct un_mat dpred,
                          struct un_mat pred, struct un_mat feature, const int32_t *region,
                          const float *scale);

    /* ---- word-region alignment ---- */

    /* For each pair, the whole batch in one call; plan, cost f32 at plan_start.
     * cost_ij = 1 - cos(x_word i, x_region j), vectors divided by max(|x|, 1e-5);
     * plan by IPOT or Sinkhorn with uniform marginals;
     * distance[b] = sum_ij cost_ij plan_ij.
     * Source: UNITER section 3, reference/uniter_torch.py. */
    void (*transport_fwd)(struct un_queue *q, float *distance, float *plan, float *cost, struct un_mat x,
                          const struct un_pairs *pairs, const struct un_transport *how);
    /* dx[token,:] += coef[b] * d distance[b] / d x with the plan held constant. coef [B]. */
    void (*transport_bwd)(struct un_queue *q, struct un_mat dx, const float *coef, const float *plan,
                          const float *cost, struct un_mat x, const struct un_pairs *pairs);

    /* ---- optimizer ---- */

    /* partial[k] = sum of g[i]^2 over chunk k of UN_PARAM_BLOCK elements, in double; count = elements. */
    void (*square_sums)(struct un_queue *q, double *partial, const float *g, int64_t count);
    /* *word += 0, or NaN when one of x[0..count) is not finite. */
    void (*check_finite)(struct un_queue *q, double *word, const float *x, int64_t count);
    /* out[0] = sqrt(sum of partial in order),
     * out[1] = clip factor min(1, max_norm / (out[0] + 1e-6)), 1 when max_norm <= 0,
     * out[2] = 1 if out[0] is finite else 0. */
    void (*clip_factor)(struct un_queue *q, float *out, const double *partial, int64_t chunks,
                        float max_norm);
    /* One AdamW update of elements [0, count): g' = g * *clip; m, v, p as in uniter_torch.AdamW.
     * decay[k]: flags UN_DECAY_* of block k of UN_PARAM_ALIGN elements.
     * low: bf16 copy of p, written when not NULL, that of blocks left alone too.
     * *finite == 0: nothing changes. */
    void (*adamw)(struct un_queue *q, float *p, void *low, float *m, float *v, const float *g,
                  const uint8_t *decay, int64_t count, const struct un_adamw *how, const float *clip,
                  const float *finite);
};

#endif
