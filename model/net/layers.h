/* The two maps with parameters of which the network is made: a linear map and a LayerNorm, each knowing its places
 * in the flat buffer. Inside the wing only. */
#ifndef UN_MODEL_NET_LAYERS_H
#define UN_MODEL_NET_LAYERS_H

#include "model/net/pass.h"

/* y = x weight^T + bias; weight [out,in], bias [out]. */
struct un_linear {
    int64_t weight, bias; /* offsets in the flat buffer */
    int64_t out, in;
};
enum un_status un_linear_add(struct un_params *params, struct un_linear *at, const char *name, int64_t out,
                             int64_t in);
/* The map that was added last: what computes in bf16 reads its weight, and its bias with `both`, as bf16 alone
 * (un_param.low): it stands before an activation, never before scores, which are f32. */
void un_linear_low(struct un_params *params, bool both);
/* y = activation(map(x)); pre: what goes into the activation, for the backward (data NULL: not kept). */
void un_linear_fwd(const struct un_pass *p, struct un_mat y, const struct un_linear *at, struct un_mat x,
                   enum un_activation activation, struct un_mat pre);
/* Gradients of weight and bias += ; of the weight alone, where the op that made dy has summed the bias. */
void un_linear_grad(const struct un_pass *p, const struct un_linear *at, struct un_mat dy, struct un_mat x);
void un_linear_grad_weight(const struct un_pass *p, const struct un_linear *at, struct un_mat dy,
                           struct un_mat x);
/* Gradient of the weight = ; for weights that a pass uses once. */
void un_linear_put_grad_weight(const struct un_pass *p, const struct un_linear *at, struct un_mat dy,
                               struct un_mat x);
/* dx = dy weight + beta dx. */
void un_linear_bwd(const struct un_pass *p, struct un_mat dx, const struct un_linear *at, struct un_mat dy,
                   float beta);

struct un_norm {
    int64_t gamma, beta; /* offsets */
    int64_t width;
};
/* What the forward of a LayerNorm leaves for its backward: input r [N,width] of type act, statistics [N]. */
struct un_norm_kept {
    void *r;
    float *mean, *rstd;
};
enum un_status un_norm_add(struct un_params *params, struct un_norm *at, const char *name, int64_t width);
void un_norm_carve(struct un_norm_kept *kept, struct un_arena *arena, enum un_type act, int64_t rows,
                   int64_t width);
/* kept->r = residual + dropout(x); residual.data NULL, drop NULL: none.
 * y = LayerNorm of kept->r.
 * x may be kept->r itself. */
void un_norm_fwd(const struct un_pass *p, struct un_mat y, const struct un_norm_kept *kept,
                 const struct un_norm *at, struct un_mat x, struct un_mat residual,
                 const struct un_dropout *drop);
/* dr = gradient of r; in place over dy allowed.
 * dx = that of x; data NULL: not wanted.
 * Gradients of gamma, beta += .
 * dbias += sum over the rows of dx, or of dr without dx: the gradient of what was added to every row of x; NULL: not
 * wanted. */
void un_norm_bwd(const struct un_pass *p, struct un_mat dr, struct un_mat dx, const struct un_norm *at,
                 struct un_mat dy, const struct un_norm_kept *kept, const struct un_dropout *drop,
                 float *dbias);

#endif
