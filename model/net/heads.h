/* The heads of the objectives: a table objective -> function. A head runs forward and, when gradients
 * are wanted, backward at once, because the factors of the gradient (batch->scale, batch->ot_coef) are known
 * before the pass. So nothing of a head outlives it, and heads over words or regions work in chunks of rows:
 * the widest scores are [UN_HEAD_CHUNK, V], f32 in every precision. Inside the room only. */
#ifndef UN_MODEL_NET_HEADS_H
#define UN_MODEL_NET_HEADS_H

#include "model/net/inputs.h"
#include "model/outputs.h"

enum { UN_HEAD_CHUNK = 256, UN_HEAD_CHUNK_LOW = 2048 /* bf16: cards want large products */ };

/* LayerNorm(GELU(dense(x))): the first part of the three heads over words or regions. */
struct un_trunk_at {
    struct un_linear dense;
    struct un_norm norm;
};

struct un_heads_at {
    struct un_linear pooler, pair; /* itm: [H,H], [2,H] */
    struct un_trunk_at words, regress, classify;
    struct un_linear vocabulary;        /* [V,H]: weight tied to the word embeddings, own bias */
    struct un_linear classes;           /* [C,H] */
    int64_t image_weight, regress_bias; /* [H,F] tied to img_linear and used untransposed; [F] */
};

/* Scratch for one chunk, N = min(UN_HEAD_CHUNK, most rows), and for the pairs, B. */
struct un_heads_work {
    void *x, *z, *y, *dy;           /* [N,H] */
    struct un_norm_kept norm;       /* r holds the GELU output */
    float *scores;                  /* [N,max(V,F,C)] */
    void *dscores;                  /* their gradient, of type act, for the products: over scores when f32 */
    void *first, *pooled, *dpooled; /* [B,H] */
    float *pair_scores;             /* [B,2], then their gradient */
    float *cost;                    /* as the plans */
    int64_t chunk;
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

/* One chunk of the rows of an objective. */
struct un_chunk {
    int64_t first, n;
};
static inline struct un_chunk un_head_chunk(const struct un_heads_work *work, int64_t first, int64_t rows) {
    return (struct un_chunk){first, rows - first < work->chunk ? rows - first : work->chunk};
}

/* Scores of one chunk, and where their gradient goes (nowhere in a forward only). */
struct un_mat un_head_scores(const struct un_pass *p, const struct un_heads_work *work, int64_t rows,
                             int64_t cols);
struct un_mat un_head_dscores(const struct un_pass *p, const struct un_heads_work *work, int64_t rows,
                              int64_t cols);

/* work->y = trunk(x[index[0..n),:]). */
struct un_mat un_trunk_fwd(const struct un_pass *p, const struct un_heads_work *work,
                           const struct un_trunk_at *at, struct un_mat x, const int32_t *index, int64_t n);
/* dx[index,:] += , parameters' gradients += , from work->dy. */
void un_trunk_bwd(const struct un_pass *p, struct un_mat dx, const struct un_heads_work *work,
                  const struct un_trunk_at *at, const int32_t *index, int64_t n);

#endif
