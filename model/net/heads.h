/* The heads of the objectives: a table objective -> head. A head runs forward and, when gradients are wanted,
 * backward at once, because the factors of the gradient (batch->scale, batch->ot_coef) are known before the pass.
 * So nothing of a head outlives it, and heads over words or regions work in chunks of rows. Parameters of its own
 * and buffers of its own only the head knows; objectives with the same head share both. Inside the wing only. */
#ifndef UN_MODEL_NET_HEADS_H
#define UN_MODEL_NET_HEADS_H

#include "model/net/branches.h"
#include "model/net/inputs.h"
#include "model/net/mlp.h"
#include "model/net/pooler.h"
#include "model/net/trunk.h"
#include "model/outputs.h"

enum { UN_HEAD_BUFFERS = 24 };

struct un_heads {
    un_objective_set set;              /* objectives whose heads there are */
    struct un_trunk_work trunk;        /* scratch for any head over words, while it runs */
    struct un_trunk_work region_trunk; /* and over regions: the same, or its own where queues are */
    struct un_mlp_work mlp;            /* likewise, of tasks */
    struct un_pooler pooler;
    struct un_transport wra;
    float margin;                 /* between the scores of right and wrong (re_rank, itm_rank, itm_hard) */
    void *at[UN_OBJECTIVE_COUNT]; /* places of the parameters, for the head of objective t */
    void *buffer[UN_OBJECTIVE_COUNT][UN_HEAD_BUFFERS]; /* what its carve took */
};

struct un_head {
    size_t at_bytes; /* of the struct that holds the places of its parameters */
    /* Appends its parameters to the table; tied tensors are found in `inputs`. */
    enum un_status (*add)(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                          const struct un_dims *dims);
    /* Takes scratch of its own; NULL: trunk and pooler have all it needs. t: the first objective with the head that
     * there is. */
    void (*carve)(void *buffer[UN_HEAD_BUFFERS], struct un_arena *arena, enum un_type act,
                  const struct un_dims *dims, const struct un_batch_caps *caps, enum un_objective t);
    /* Widest row and most rows of the mlp it works with; NULL: none. */
    void (*mlp)(int64_t *rows, int64_t *mid, const struct un_dims *dims, const struct un_batch_caps *caps,
                enum un_objective t);
    /* As un_heads_run, for the rows `at` of objective t, with its losses and hits. */
    void (*run)(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk at);
    bool in_chunks; /* at most trunk.chunk rows a call, in their order; else all rows at once */
};
#define UN_HEAD_DECLARE(upper, lower, head) extern const struct un_head un_head_##head;
UN_OBJECTIVES(UN_HEAD_DECLARE)
#undef UN_HEAD_DECLARE

/* Heads of dims->heads only. After un_inputs_add. The pooler, then each head in the order of the objectives: part of the order of parameters.
 * Owns the places, also after an error: un_heads_free. */
enum un_status un_heads_add(struct un_params *params, struct un_heads *heads,
                            const struct un_inputs_at *inputs, const struct un_dims *dims);
void un_heads_free(struct un_heads *heads);
/* chunk: rows of wide scores that stand at once, at most. apart: heads run beside each other, and share no scratch. */
void un_heads_carve(struct un_heads *heads, struct un_arena *arena, enum un_type act,
                    const struct un_dims *dims, const struct un_batch_caps *caps, int64_t chunk, bool apart);
/* Runs the heads of all objectives that have rows, in their order, each on the queue of its branch. x [T,H] last hidden states; dx [T,H] +=
 * their gradient when p->grads is set. out: row losses, hits, distances and plans are written where its
 * pointers say. */
void un_heads_run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                  const struct un_heads *heads, const struct un_branches *branches, struct un_mat x);

#endif
