/* Masked regions: classes (MRC), class distributions (MRC-kl). Source: uniter_torch.RegionClassifier. */
#include "model/net/heads.h"

struct classes_at {
    struct un_trunk_at trunk;
    struct un_linear classes; /* [C,H] */
};

static enum un_status add(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                          const struct un_dims *dims) {
    (void)inputs;
    struct classes_at *places = at;
    int64_t h = dims->hidden_size;
    UN_TRY(un_trunk_add(params, &places->trunk, "region_classifier.net.0", "region_classifier.net.2", h));
    UN_TRY(un_linear_add(params, &places->classes, "region_classifier.net.3", dims->img_label_dim, h));
    un_linear_low(params, false);
    return UN_OK;
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

static void run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk at) {
    const struct un_trunk_work *work = &heads->region_trunk;
    const struct classes_at *places = heads->at[t];
    const struct un_linear *classes = &places->classes;
    const int32_t *index = p->batch->rows[t].row + at.first;
    struct un_mat scores = un_trunk_scores_kept(p, work, out->score[t], at, classes->out);
    struct un_mat dscores = un_trunk_dscores(p, work, at.n, classes->out);
    struct un_mat y = un_trunk_fwd(p, work, &places->trunk, x, index, at.n);
    un_linear_fwd(p, scores, classes, y, UN_ACT_NONE, un_no_mat());
    class_loss(p, out, dscores, scores, t, at.first);
    if (!p->grads) return;
    un_linear_grad(p, classes, dscores, y);
    un_linear_bwd(p, un_pass_mat(p, work->dy, at.n, classes->in), classes, dscores, 0);
    un_trunk_bwd(p, dx, work, &places->trunk, index, at.n);
}

const struct un_head un_head_classes = {
    .at_bytes = sizeof(struct classes_at), .add = add, .run = run, .in_chunks = true};
