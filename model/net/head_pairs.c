/* Pairs of text and image: do they belong together (ITM), and the word-region alignment (WRA) by optimal
 * transport whose distance is pulled down for true pairs and up for false ones. Source:
 * uniter_torch.Uniter.pool, itm_output and word_region_alignment. All pairs of a micro-batch at once. */
#include "model/net/heads.h"

static void match_fwd(const struct un_pass *p, const struct un_outputs *out, const struct un_heads *heads,
                      struct un_mat x, enum un_objective t) {
    const struct un_rows *rows = &p->batch->rows[t];
    const struct un_heads_work *work = &heads->work;
    int64_t h = x.cols;
    struct un_mat first = un_pass_mat(p, work->first, rows->n, h),
                  pooled = un_pass_mat(p, work->pooled, rows->n, h);
    struct un_mat scores = un_mat32(work->pair_scores, rows->n, 2);
    p->ops->gather_rows(p->q, first, x, rows->row);
    un_linear_fwd(p, pooled, &heads->at.pooler, first, UN_ACT_TANH, un_no_mat());
    un_linear_fwd(p, scores, &heads->at.pair, pooled, UN_ACT_NONE, un_no_mat());
    if (out->scores.data) /* tests: the loss below writes its gradient over the scores */
        un_linear_fwd(p, un_mat32(out->scores.data, rows->n, 2), &heads->at.pair, pooled, UN_ACT_NONE,
                      un_no_mat());
    p->ops->cross_entropy(p->q, out->row_loss[t], out->hit[t], p->grads ? scores : un_no_mat(), scores,
                          rows->target, p->batch->scale + t);
}

static void match_bwd(const struct un_pass *p, struct un_mat dx, const struct un_heads *heads,
                      enum un_objective t) {
    const struct un_rows *rows = &p->batch->rows[t];
    const struct un_heads_work *work = &heads->work;
    int64_t h = dx.cols;
    struct un_mat first = un_pass_mat(p, work->first, rows->n, h),
                  pooled = un_pass_mat(p, work->pooled, rows->n, h);
    struct un_mat d = un_pass_mat(p, work->dpooled, rows->n, h),
                  dscores = un_mat32(work->pair_scores, rows->n, 2);
    un_linear_grad(p, &heads->at.pair, dscores, pooled);
    un_linear_bwd(p, d, &heads->at.pair, dscores, 0);
    p->ops->tanh_bwd(p->q, d, d, pooled);
    un_linear_grad(p, &heads->at.pooler, d, first);
    un_linear_bwd(p, first, &heads->at.pooler, d,
                  0); /* the gathered rows are used up: their room is reused */
    p->ops->scatter_add_rows(p->q, dx, first, rows->row);
}

void un_head_pairs(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                   const struct un_heads *heads, struct un_mat x, enum un_objective t) {
    struct un_pairs pairs = un_batch_pairs(p->batch);
    match_fwd(p, out, heads, x, t);
    p->ops->transport_fwd(p->q, out->distance, out->plan, heads->work.cost, x, &pairs, &heads->wra);
    if (!p->grads) return;
    match_bwd(p, dx, heads, t);
    p->ops->transport_bwd(p->q, dx, p->batch->ot_coef, out->plan, heads->work.cost, x, &pairs);
}
