/* Pairs of text and image: do they belong together (ITM), and the word-region alignment (WRA) by optimal
 * transport whose distance is pulled down for true pairs and up for false ones. Source: uniter_torch.Uniter,
 * itm_output and word_region_alignment. All pairs of a micro-batch at once. */
#include "model/net/heads.h"

struct pairs_at {
    struct un_linear pair; /* [2,H] */
};
enum {
    SCORES, /* [B,2], then their gradient */
    COST    /* as the plans */
};

static enum un_status add(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                          const struct un_dims *dims) {
    (void)inputs;
    struct pairs_at *places = at;
    return un_linear_add(params, &places->pair, "itm_output", 2, dims->hidden_size);
}

static void carve(void *buffer[UN_HEAD_BUFFERS], struct un_arena *arena, enum un_type act,
                  const struct un_dims *dims, const struct un_batch_caps *caps, enum un_objective t) {
    (void)act, (void)dims, (void)t;
    buffer[SCORES] = un_take_floats(arena, caps->samples * 2);
    buffer[COST] = un_take_floats(arena, caps->plan);
}

static void match_fwd(const struct un_pass *p, const struct un_outputs *out, const struct un_heads *heads,
                      struct un_mat x, enum un_objective t) {
    const struct un_rows *rows = &p->batch->rows[t];
    const struct pairs_at *at = heads->at[t];
    struct un_mat pooled = un_pooler_fwd(p, &heads->pooler, x, rows->row, rows->n);
    struct un_mat scores = un_mat32(heads->buffer[t][SCORES], rows->n, 2);
    un_linear_fwd(p, scores, &at->pair, pooled, UN_ACT_NONE, un_no_mat());
    if (out->scores.data) /* tests: the loss below writes its gradient over the scores */
        un_linear_fwd(p, un_mat32(out->scores.data, rows->n, 2), &at->pair, pooled, UN_ACT_NONE, un_no_mat());
    p->ops->cross_entropy(p->q, out->row_loss[t], out->hit[t], p->grads ? scores : un_no_mat(), scores,
                          rows->target, p->batch->scale + t);
}

static void match_bwd(const struct un_pass *p, struct un_mat dx, const struct un_heads *heads,
                      enum un_objective t) {
    const struct un_rows *rows = &p->batch->rows[t];
    const struct pairs_at *at = heads->at[t];
    struct un_mat dscores = un_mat32(heads->buffer[t][SCORES], rows->n, 2);
    un_linear_grad(p, &at->pair, dscores, un_pass_mat(p, heads->pooler.pooled, rows->n, dx.cols));
    un_linear_bwd(p, un_pass_mat(p, heads->pooler.dpooled, rows->n, dx.cols), &at->pair, dscores, 0);
    un_pooler_bwd(p, dx, &heads->pooler, rows->row, rows->n);
}

static void run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk at) {
    (void)at; /* all rows */
    struct un_pairs pairs = un_batch_pairs(p->batch);
    float *cost = out->cost ? out->cost : heads->buffer[t][COST];
    match_fwd(p, out, heads, x, t);
    p->ops->transport_fwd(p->q, out->distance, out->plan, cost, x, &pairs, &heads->wra);
    if (!p->grads) return;
    match_bwd(p, dx, heads, t);
    p->ops->transport_bwd(p->q, dx, p->batch->ot_coef, out->plan, cost, x, &pairs);
}

const struct un_head un_head_pairs = {
    .at_bytes = sizeof(struct pairs_at), .add = add, .carve = carve, .run = run};
