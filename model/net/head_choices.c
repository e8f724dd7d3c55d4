/* Choices of a question (VCR): every one is right or wrong by itself, an MLP on its pooled token.
 * Source: downstream_torch.Choices. */
#include "model/net/task.h"

static enum un_status add(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                          const struct un_dims *dims) {
    (void)inputs;
    int64_t h = dims->hidden_size;
    return un_mlp_add(params, at, "vcr_output", h, 2 * h, un_task_score_cols(dims, UN_VCR), UN_ACT_RELU);
}

static void run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk chunk) {
    (void)chunk; /* all rows */
    const struct un_rows *rows = &p->batch->rows[t];
    struct un_mat scores = un_task_scores(p->batch, p->dims, p->act, heads, t);
    struct un_mat dscores = un_task_dscores(p, heads, t, UN_F32);
    struct un_mat pooled = un_pooler_fwd(p, &heads->pooler, x, rows->row, rows->n);
    un_mlp_fwd(p, scores, &heads->mlp, heads->at[t], pooled);
    p->ops->cross_entropy(p->q, out->row_loss[t], out->hit[t], dscores, scores, rows->target,
                          p->batch->scale + t);
    if (!p->grads) return;
    un_mlp_bwd(p, un_pass_mat(p, heads->pooler.dpooled, rows->n, dx.cols), &heads->mlp, heads->at[t], dscores,
               pooled);
    un_pooler_bwd(p, dx, &heads->pooler, rows->row, rows->n);
}

const struct un_head un_head_choices = {
    .at_bytes = sizeof(struct un_mlp_at), .add = add, .carve = un_task_carve, .mlp = un_task_mlp, .run = run};
