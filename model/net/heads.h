/* The heads of the objectives: a table objective -> function. A head runs forward and, when gradients
 * are wanted, backward at once, because the factors of the gradient (batch->scale, batch->ot_coef) are known
 * before the pass. So nothing of a head outlives it, and heads over words or regions work in chunks of rows.
 * Inside the wing only. */
#ifndef UN_MODEL_NET_HEADS_H
#define UN_MODEL_NET_HEADS_H

#include "model/net/inputs.h"
#include "model/net/trunk.h"
#include "model/outputs.h"

struct un_heads_at {
    struct un_linear pooler, pair; /* itm: [H,H], [2,H] */
    struct un_trunk_at words, regress, classify;
    struct un_linear vocabulary;        /* [V,H]: weight tied to the word embeddings, own bias */
    struct un_linear classes;           /* [C,H] */
    int64_t image_weight, regress_bias; /* [H,F] tied to img_linear and used untransposed; [F] */
};

struct un_heads_work {
    struct un_trunk_work trunk;
    void *first, *pooled, *dpooled; /* [B,H] */
    float *pair_scores;             /* [B,2], then their gradient */
    float *cost;                    /* as the plans */
};

struct un_heads {
    struct un_heads_at at;
    struct un_heads_work work;
    struct un_transport wra;
};

/* After un_inputs_add: the tied tensors are found in `inputs`. */
enum un_status un_heads_add(struct un_params *params, struct un_heads_at *at,
                            const struct un_inputs_at *inputs, const struct un_dims *dims);
void un_heads_carve(struct un_heads_work *work, struct un_arena *arena, enum un_type act,
                    const struct un_dims *dims, const struct un_batch_caps *caps);
/* Runs the heads of all objectives that have rows, in their order. x [T,H] last hidden states; dx [T,H] +=
 * their gradient when p->grads is set. out: row losses, hits, distances and plans are written where its
 * pointers say. */
void un_heads_run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                  const struct un_heads *heads, struct un_mat x);

/* Rows, losses and hits are those of objective t. */
typedef void un_head(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                     const struct un_heads *heads, struct un_mat x, enum un_objective t);
#define UN_HEAD_DECLARE(upper, lower, head) un_head un_head_##head;
UN_OBJECTIVES(UN_HEAD_DECLARE)
#undef UN_HEAD_DECLARE

#endif
