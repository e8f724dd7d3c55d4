/* last(LayerNorm(activation(first(x)))): the head of vqa, ve, vcr and of re with two layers, each with its own
 * parameters NAME.0, NAME.2, NAME.3. Source: downstream_torch.mlp. Inside the wing only. */
#ifndef UN_MODEL_NET_MLP_H
#define UN_MODEL_NET_MLP_H

#include "model/net/layers.h"

struct un_mlp_at {
    struct un_linear first, last; /* [mid,in], [out,mid] */
    struct un_norm norm;
    enum un_activation activation; /* GELU or RELU */
};

/* Kept from the forward to the backward of one pass, and scratch; N = most rows. */
struct un_mlp_work {
    void *z, *y, *d;          /* [N,mid] before the activation (GELU only), after the LayerNorm, gradients */
    struct un_norm_kept norm; /* r holds the output of the activation */
};

enum un_status un_mlp_add(struct un_params *params, struct un_mlp_at *at, const char *name, int64_t in,
                          int64_t mid, int64_t out, enum un_activation activation);
void un_mlp_carve(struct un_mlp_work *work, struct un_arena *arena, enum un_type act, int64_t rows,
                  int64_t mid);
/* scores [N,out] f32 of x [N,in]. */
void un_mlp_fwd(const struct un_pass *p, struct un_mat scores, const struct un_mlp_work *work,
                const struct un_mlp_at *at, struct un_mat x);
/* dx [N,in] = , gradients of the parameters += , from dscores [N,out]. */
void un_mlp_bwd(const struct un_pass *p, struct un_mat dx, const struct un_mlp_work *work,
                const struct un_mlp_at *at, struct un_mat dscores, struct un_mat x);

#endif
