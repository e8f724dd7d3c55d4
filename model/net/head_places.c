/* Which region an expression means (referring expressions): a score a region from its last hidden state, by a linear
 * map or an MLP; softmax over the regions of the expression, or a margin of sigmoids to a wrong one.
 * Source: downstream_torch.Regions. */
#include "model/net/task.h"

struct places_at {
    bool deep;
    struct un_linear score; /* [1,H] */
    struct un_mlp_at mlp;
};
enum { ROWS = UN_TASK_OWN, DROWS /* [members,H] of the regions, and their gradients */ };

static enum un_status add(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                          const struct un_dims *dims) {
    (void)inputs;
    struct places_at *places = at;
    int64_t h = dims->hidden_size;
    places->deep = dims->re_layers == 2;
    return places->deep ? un_mlp_add(params, &places->mlp, "re_output", h, h, 1, UN_ACT_GELU)
                        : un_linear_add(params, &places->score, "re_output", 1, h);
}

static void mlp(int64_t *rows, int64_t *mid, const struct un_dims *dims, const struct un_batch_caps *caps,
                enum un_objective t) {
    if (dims->re_layers != 2) return;
    *rows = un_batch_member_cap(caps, t);
    *mid = dims->hidden_size;
}

static void carve(void *buffer[UN_HEAD_BUFFERS], struct un_arena *arena, enum un_type act,
                  const struct un_dims *dims, const struct un_batch_caps *caps, enum un_objective t) {
    int64_t count = un_batch_member_cap(caps, t) * dims->hidden_size;
    un_task_carve(buffer, arena, act, dims, caps, t);
    buffer[ROWS] = un_take(arena, act, count);
    buffer[DROWS] = un_take(arena, act, count);
}

static void loss(const struct un_pass *p, const struct un_outputs *out, const struct un_heads *heads,
                 struct un_mat dscores, struct un_mat scores, enum un_objective t) {
    const struct un_rows *r = &p->batch->rows[t];
    const float *scale = p->batch->scale + t;
    if (t == UN_RE_RANK)
        p->ops->margin_rank(p->q, out->row_loss[t], out->hit[t], dscores.data, scores.data, r->start,
                            r->target, r->wrong, r->n, r->members, heads->margin, scale);
    else
        p->ops->segment_cross_entropy(p->q, out->row_loss[t], out->hit[t], dscores.data, scores.data,
                                      r->start, r->target, r->n, r->members, scale);
}

static void run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk chunk) {
    (void)chunk; /* all rows */
    const struct un_rows *r = &p->batch->rows[t];
    const struct places_at *at = heads->at[t];
    struct un_mat scores = un_task_scores(p->batch, p->dims, p->act, heads, t);
    struct un_mat dscores = un_task_dscores(p, heads, t, UN_F32);
    struct un_mat rows = un_pass_mat(p, heads->buffer[t][ROWS], r->members, x.cols);
    struct un_mat drows = un_pass_mat(p, heads->buffer[t][DROWS], r->members, x.cols);
    p->ops->gather_rows(p->q, rows, x, r->row);
    if (at->deep)
        un_mlp_fwd(p, scores, &heads->mlp, &at->mlp, rows);
    else
        un_linear_fwd(p, scores, &at->score, rows, UN_ACT_NONE, un_no_mat());
    loss(p, out, heads, dscores, scores, t);
    if (!p->grads) return;
    if (at->deep) {
        un_mlp_bwd(p, drows, &heads->mlp, &at->mlp, dscores, rows);
    } else {
        un_linear_grad(p, &at->score, dscores, rows);
        un_linear_bwd(p, drows, &at->score, dscores, 0);
    }
    p->ops->scatter_add_rows(p->q, dx, drows, r->row);
}

const struct un_head un_head_places = {
    .at_bytes = sizeof(struct places_at), .add = add, .carve = carve, .mlp = mlp, .run = run};
