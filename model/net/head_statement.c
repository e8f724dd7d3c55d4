/* Is a statement about two images true (NLVR2): a linear map on the pooled token of one sequence with both images,
 * or on the pooled tokens, side by side, of two sequences with one image each. Source: downstream_torch.Triplet
 * and Pair. */
#include "model/net/task.h"

struct statement_at {
    struct un_linear label; /* [2, members * H] */
};

static enum un_status add_wide(struct un_params *params, void *at, const struct un_dims *dims,
                               int64_t members) {
    struct statement_at *places = at;
    return un_linear_add(params, &places->label, "nlvr2_output", 2, members * dims->hidden_size);
}

static enum un_status add_one(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                              const struct un_dims *dims) {
    (void)inputs;
    return add_wide(params, at, dims, 1);
}

static enum un_status add_two(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                              const struct un_dims *dims) {
    (void)inputs;
    return add_wide(params, at, dims, 2);
}

static void run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk chunk) {
    (void)chunk; /* all rows */
    const struct un_rows *rows = &p->batch->rows[t];
    const struct statement_at *at = heads->at[t];
    struct un_mat scores = un_task_scores(p->batch, p->dims, p->act, heads, t);
    struct un_mat dscores = un_task_dscores(p, heads, t, UN_F32);
    struct un_mat pooled = un_pooler_fwd(p, &heads->pooler, x, rows->row, rows->members);
    /* The members of a row stand together, so that their vectors are one of all their widths. */
    struct un_mat joint = un_pass_mat(p, pooled.data, rows->n, at->label.in);
    un_linear_fwd(p, scores, &at->label, joint, UN_ACT_NONE, un_no_mat());
    p->ops->cross_entropy(p->q, out->row_loss[t], out->hit[t], dscores, scores, rows->target,
                          p->batch->scale + t);
    if (!p->grads) return;
    un_linear_grad(p, &at->label, dscores, joint);
    un_linear_bwd(p, un_pass_mat(p, heads->pooler.dpooled, rows->n, at->label.in), &at->label, dscores, 0);
    un_pooler_bwd(p, dx, &heads->pooler, rows->row, rows->members);
}

const struct un_head un_head_statement = {
    .at_bytes = sizeof(struct statement_at), .add = add_one, .carve = un_task_carve, .run = run};
const struct un_head un_head_statements = {
    .at_bytes = sizeof(struct statement_at), .add = add_two, .carve = un_task_carve, .run = run};
