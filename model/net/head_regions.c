/* Masked regions: features regressed (MRFR), classes (MRC), class distributions (MRC-kl).
 * Source: uniter_torch.FeatRegress and RegionClassifier. */
#include "model/net/heads.h"

/* pred = y W + bias with W = img_linear's weight [H,F]; so dW += y^T dpred and dy = dpred W^T. */
static void regress_chunk(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                          const struct un_heads *heads, struct un_mat x, enum un_objective t,
                          struct un_chunk at) {
    const struct un_rows *rows = &p->batch->rows[t];
    const struct un_trunk_work *work = &heads->work.trunk;
    int64_t h = p->dims->hidden_size, f = p->dims->img_dim;
    struct un_mat w = un_pass_weight(p, heads->at.image_weight, h, f, p->act);
    struct un_mat pred = un_trunk_scores(p, work, at.n, f), dpred = un_trunk_dscores(p, work, at.n, f);
    struct un_mat y = un_trunk_fwd(p, work, &heads->at.regress, x, rows->row + at.first, at.n);
    struct un_epilogue after = {.bias = p->params + heads->at.regress_bias, .bias_type = UN_F32};
    p->ops->gemm(p->q, pred, y, false, w, false, 0, &after);
    p->ops->squared_error(p->q, out->row_loss[t] + at.first,
                          out->unit[t] ? out->unit[t] + at.first * f : NULL, dpred, pred,
                          un_batch_features(p->batch, f), un_batch_feature_targets(p->batch, t) + at.first,
                          p->batch->scale + t);
    if (!p->grads) return;
    p->ops->linear_grad(p->q, un_pass_grad(p, heads->at.image_weight, h, f), NULL, y, dpred);
    p->ops->col_sum(p->q, p->grads + heads->at.regress_bias, dpred);
    p->ops->gemm(p->q, un_pass_mat(p, work->dy, at.n, h), dpred, false, w, true, 0, NULL);
    un_trunk_bwd(p, dx, work, &heads->at.regress, rows->row + at.first, at.n);
}

void un_head_regress(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                     const struct un_heads *heads, struct un_mat x, enum un_objective t) {
    int64_t n = p->batch->rows[t].n;
    for (int64_t first = 0; first < n; first += heads->work.trunk.chunk)
        regress_chunk(p, dx, out, heads, x, t, un_trunk_chunk(&heads->work.trunk, first, n));
}

/* Loss of the class scores, and their gradient. */
static void class_loss(const struct un_pass *p, const struct un_outputs *out, struct un_mat dscores,
                       struct un_mat scores, enum un_objective t, int64_t first) {
    const struct un_batch *b = p->batch;
    float *row_loss = out->row_loss[t] + first, *hit = out->hit[t] + first;
    if (un_objectives[t].target == UN_TARGET_CLASS) {
        p->ops->cross_entropy(p->q, row_loss, hit, dscores, scores, b->rows[t].target + first, b->scale + t);
        return;
    }
    int64_t begin = first * scores.cols;
    void *soft = (unsigned char *)b->rows[t].soft + begin * un_type_bytes(b->soft_type);
    p->ops->kl_divergence(p->q, row_loss, hit, out->unit[t] ? out->unit[t] + begin : NULL, dscores, scores,
                          un_mat(soft, b->soft_type, scores.rows, scores.cols), b->scale + t);
}

static void class_chunk(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                        const struct un_heads *heads, struct un_mat x, enum un_objective t,
                        struct un_chunk at) {
    const struct un_trunk_work *work = &heads->work.trunk;
    const struct un_linear *classes = &heads->at.classes;
    const int32_t *index = p->batch->rows[t].row + at.first;
    struct un_mat scores = un_trunk_scores(p, work, at.n, classes->out);
    struct un_mat dscores = un_trunk_dscores(p, work, at.n, classes->out);
    struct un_mat y = un_trunk_fwd(p, work, &heads->at.classify, x, index, at.n);
    un_linear_fwd(p, scores, classes, y, UN_ACT_NONE, un_no_mat());
    class_loss(p, out, dscores, scores, t, at.first);
    if (!p->grads) return;
    un_linear_grad(p, classes, dscores, y);
    un_linear_bwd(p, un_pass_mat(p, work->dy, at.n, classes->in), classes, dscores, 0);
    un_trunk_bwd(p, dx, work, &heads->at.classify, index, at.n);
}

void un_head_classes(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                     const struct un_heads *heads, struct un_mat x, enum un_objective t) {
    int64_t n = p->batch->rows[t].n;
    for (int64_t first = 0; first < n; first += heads->work.trunk.chunk)
        class_chunk(p, dx, out, heads, x, t, un_trunk_chunk(&heads->work.trunk, first, n));
}
