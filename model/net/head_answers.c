/* Answers of a question (VQA), labels of a hypothesis (VE): an MLP on the pooled token, a sigmoid an answer, each
 * against its own score. Source: downstream_torch.Answers. */
#include "model/net/task.h"

static enum un_status add(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                          const struct un_dims *dims) {
    (void)inputs;
    int64_t h = dims->hidden_size;
    enum un_objective t = dims->heads & un_objective_bit(UN_VE) ? UN_VE : UN_VQA;
    UN_TRY(un_mlp_add(params, at, "vqa_output", h, 2 * h, un_task_score_cols(dims, t), UN_ACT_GELU));
    un_linear_low(params, false);
    return UN_OK;
}

static void run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk chunk) {
    (void)chunk; /* all rows */
    const struct un_rows *rows = &p->batch->rows[t];
    const struct un_mlp_at *at = heads->at[t];
    struct un_mat scores = un_task_scores(p->batch, p->dims, p->act, heads, t);
    struct un_mat dscores = un_task_dscores(p, heads, t, p->act);
    struct un_mat pooled = un_pooler_fwd(p, &heads->pooler, x, rows->row, rows->n);
    un_mlp_fwd(p, scores, &heads->mlp, at, pooled);
    p->ops->sigmoid_cross_entropy(p->q, out->row_loss[t], out->hit[t], dscores, scores,
                                  un_mat32(rows->score, rows->n, scores.cols), rows->row,
                                  p->batch->scale + t);
    if (!p->grads) return;
    un_mlp_bwd(p, un_pass_mat(p, heads->pooler.dpooled, rows->n, dx.cols), &heads->mlp, at, dscores, pooled);
    un_pooler_bwd(p, dx, &heads->pooler, rows->row, rows->n);
}

const struct un_head un_head_answers = {
    .at_bytes = sizeof(struct un_mlp_at), .add = add, .carve = un_task_carve, .mlp = un_task_mlp, .run = run};
