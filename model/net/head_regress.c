/* Masked regions: features regressed (MRFR). Source: uniter_torch.FeatRegress. */
#include "model/net/heads.h"

struct regress_at {
    int64_t image_weight, bias; /* [H,F] tied to img_linear and used untransposed; [F] */
    struct un_trunk_at trunk;
};

static enum un_status add(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                          const struct un_dims *dims) {
    struct regress_at *places = at;
    places->image_weight = inputs->image.weight;
    UN_TRY(un_pass_add(params, "feat_regress.bias", dims->img_dim, 0, UN_INIT_ZERO, &places->bias));
    return un_trunk_add(params, &places->trunk, "feat_regress.net.0", "feat_regress.net.2",
                        dims->hidden_size);
}

/* pred = y W + bias with W = img_linear's weight [H,F]; so dW += y^T dpred and dy = dpred W^T. */
static void run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk at) {
    const struct un_rows *rows = &p->batch->rows[t];
    const struct regress_at *places = heads->at[t];
    const struct un_trunk_work *work = &heads->region_trunk;
    int64_t h = p->dims->hidden_size, f = p->dims->img_dim;
    struct un_mat w = un_pass_weight(p, places->image_weight, h, f, p->act);
    struct un_mat pred = un_trunk_scores(p, work, at.n, f), dpred = un_trunk_dscores(p, work, at.n, f);
    struct un_mat y = un_trunk_fwd(p, work, &places->trunk, x, rows->row + at.first, at.n);
    struct un_epilogue after = {.bias = p->params + places->bias, .bias_type = UN_F32};
    p->ops->gemm(p->q, pred, y, false, w, false, 0, &after);
    p->ops->squared_error(p->q, out->row_loss[t] + at.first,
                          out->unit[t] ? out->unit[t] + at.first * f : NULL, dpred, pred,
                          un_batch_features(p->batch, f), un_batch_feature_targets(p->batch, t) + at.first,
                          p->batch->scale + t);
    if (!p->grads) return;
    p->ops->linear_grad(p->q, un_pass_grad(p, places->image_weight, h, f), NULL, y, dpred);
    p->ops->col_sum(p->q, p->grads + places->bias, dpred);
    p->ops->gemm(p->q, un_pass_mat(p, work->dy, at.n, h), dpred, false, w, true, 0, NULL);
    un_trunk_bwd(p, dx, work, &places->trunk, rows->row + at.first, at.n);
}

const struct un_head un_head_regress = {
    .at_bytes = sizeof(struct regress_at), .add = add, .run = run, .in_chunks = true};
