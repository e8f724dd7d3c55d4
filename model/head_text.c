/* Masked words (MLM): trunk, scores over the vocabulary by the transposed word embeddings, cross-entropy.
 * Source: uniter_torch.MlmHead. */
#include "model/heads.h"

void un_head_words(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                   const struct un_heads *heads, struct un_mat x) {
    const struct un_rows *rows = &p->batch->rows[UN_MLM];
    const struct un_heads_work *work = &heads->work;
    const struct un_linear *vocabulary = &heads->at.vocabulary;
    for (int64_t first = 0; first < rows->n; first += work->chunk) {
        int64_t n = rows->n - first < work->chunk ? rows->n - first : work->chunk;
        struct un_mat scores = un_mat32(work->scores, n, vocabulary->out);
        struct un_mat y = un_trunk_fwd(p, work, &heads->at.words, x, rows->row + first, n);
        un_linear_fwd(p, scores, vocabulary, y, UN_ACT_NONE, un_no_mat());
        p->ops->cross_entropy(p->q, out->row_loss[UN_MLM] + first, out->hit[UN_MLM] + first, scores,
                              rows->target + first, p->batch->scale + UN_MLM, p->grads != NULL);
        if (!p->grads) continue;
        un_linear_grad(p, vocabulary, scores, y);
        un_linear_bwd(p, un_mat32(work->dy, n, vocabulary->in), vocabulary, scores, 0);
        un_trunk_bwd(p, dx, work, &heads->at.words, rows->row + first, n);
    }
}
