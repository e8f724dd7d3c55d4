/* Masked words (MLM): trunk, scores over the vocabulary by the transposed word embeddings, cross-entropy.
 * Source: uniter_torch.MlmHead. */
#include "model/net/heads.h"

struct words_at {
    struct un_linear vocabulary; /* [V,H]: weight tied to the word embeddings, own bias */
    struct un_trunk_at trunk;
};

enum { TYPES_OF_SECOND_STAGE = 4 };

static enum un_status add(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                          const struct un_dims *dims) {
    struct words_at *places = at;
    int64_t h = dims->hidden_size, v = dims->vocab_size;
    places->vocabulary = (struct un_linear){.weight = inputs->word, .out = v, .in = h};
    UN_TRY(un_pass_add(params, "cls.predictions.bias", v, 0, UN_INIT_ZERO, &places->vocabulary.bias));
    int64_t dense = params->n;
    UN_TRY(un_trunk_add(params, &places->trunk, "cls.predictions.transform.dense",
                        "cls.predictions.transform.LayerNorm", h));
    /* the authors make this head anew for the second stage, and leave its map as PyTorch draws it */
    if (dims->type_vocab_size == TYPES_OF_SECOND_STAGE)
        params->list[dense].init = params->list[dense + 1].init = UN_INIT_TORCH;
    return UN_OK;
}

static void run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk at) {
    const struct un_rows *rows = &p->batch->rows[t];
    const struct un_trunk_work *work = &heads->trunk;
    const struct words_at *places = heads->at[t];
    const struct un_linear *vocabulary = &places->vocabulary;
    struct un_mat scores = un_trunk_scores_kept(p, work, out->score[t], at, vocabulary->out);
    struct un_mat dscores = un_trunk_dscores(p, work, at.n, vocabulary->out);
    struct un_mat y = un_trunk_fwd(p, work, &places->trunk, x, rows->row + at.first, at.n);
    un_linear_fwd(p, scores, vocabulary, y, UN_ACT_NONE, un_no_mat());
    p->ops->cross_entropy(p->q, out->row_loss[t] + at.first, out->hit[t] + at.first, dscores, scores,
                          rows->target + at.first, p->batch->scale + t);
    if (!p->grads) return;
    un_linear_grad(p, vocabulary, dscores, y);
    un_linear_bwd(p, un_pass_mat(p, work->dy, at.n, vocabulary->in), vocabulary, dscores, 0);
    un_trunk_bwd(p, dx, work, &places->trunk, rows->row + at.first, at.n);
}

const struct un_head un_head_words = {
    .at_bytes = sizeof(struct words_at), .add = add, .run = run, .in_chunks = true};
