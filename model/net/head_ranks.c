/* Which pair of a group belongs together (retrieval): a score a pair from its pooled token, the true pair's above the
 * others' by a margin of sigmoids. Source: downstream_torch.Retrieval. itm_output is there as where rank_output
 * comes from, and is never taught. */
#include "model/net/task.h"

struct ranks_at {
    struct un_linear pair, rank; /* [2,H], [1,H] */
};

static enum un_status add(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                          const struct un_dims *dims) {
    (void)inputs;
    struct ranks_at *places = at;
    int64_t first = params->n;
    UN_TRY(un_linear_add(params, &places->pair, "itm_output", 2, dims->hidden_size));
    for (int64_t i = first; i < params->n && dims->taught; ++i) params->list[i].left = true;
    return un_linear_add(params, &places->rank, "rank_output", 1, dims->hidden_size);
}

static void run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk chunk) {
    (void)chunk; /* all rows */
    const struct un_rows *rows = &p->batch->rows[t];
    const struct ranks_at *at = heads->at[t];
    struct un_mat scores = un_task_scores(p->batch, p->dims, p->act, heads, t);
    struct un_mat dscores = un_task_dscores(p, heads, t, UN_F32);
    struct un_mat pooled = un_pooler_fwd(p, &heads->pooler, x, rows->row, rows->members);
    un_linear_fwd(p, scores, &at->rank, pooled, UN_ACT_NONE, un_no_mat());
    p->ops->margin_rank(p->q, out->row_loss[t], out->hit[t], dscores.data, scores.data, rows->start,
                        rows->target, rows->wrong, rows->n, rows->members, heads->margin,
                        p->batch->scale + t);
    if (!p->grads) return;
    un_linear_grad(p, &at->rank, dscores, pooled);
    un_linear_bwd(p, un_pass_mat(p, heads->pooler.dpooled, rows->members, dx.cols), &at->rank, dscores, 0);
    un_pooler_bwd(p, dx, &heads->pooler, rows->row, rows->members);
}

const struct un_head un_head_ranks = {
    .at_bytes = sizeof(struct ranks_at), .add = add, .carve = un_task_carve, .run = run};
