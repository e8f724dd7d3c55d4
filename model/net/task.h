/* What the heads of tasks share: scores that stay for the host, and their gradient in a buffer of its own.
 * Inside the wing only. */
#ifndef UN_MODEL_NET_TASK_H
#define UN_MODEL_NET_TASK_H

#include "model/net/heads.h"
#include "model/net/mlp.h"

/* Buffers of a task's head: the first two of every one, then its own block. */
enum {
    UN_TASK_SCORES,
    UN_TASK_DSCORES,
    UN_TASK_OWN,
    UN_TASK_JOINT = UN_TASK_OWN /* of UN_ASKS_TWO: [n,2H] */
};

/* Rows and columns of the scores of task t: a row a member, or a row a row where it has no members. */
int64_t un_task_score_rows(const struct un_batch *batch, enum un_objective t);
int64_t un_task_score_cols(const struct un_dims *dims, enum un_objective t);
/* Takes both for the largest task of the head. */
void un_task_carve(void *buffer[UN_HEAD_BUFFERS], struct un_arena *arena, enum un_type act,
                   const struct un_dims *dims, const struct un_batch_caps *caps, enum un_objective t);
/* un_head.mlp of a head with an MLP twice as wide as the network on each pooled token. */
void un_task_mlp(int64_t *rows, int64_t *mid, const struct un_dims *dims, const struct un_batch_caps *caps,
                 enum un_objective t);
/* [rows,cols] f32. */
struct un_mat un_task_scores(const struct un_batch *batch, const struct un_dims *dims, enum un_type act,
                             const struct un_heads *heads, enum un_objective t);
/* The vectors before the head of the last pass, of a pass with rows of one task or with pairs. */
struct un_mat un_task_pooled(const struct un_batch *batch, const struct un_dims *dims, enum un_type act,
                             const struct un_heads *heads);
/* [rows,cols] of the activations' type for products, or f32; data NULL in a forward only. */
struct un_mat un_task_dscores(const struct un_pass *p, const struct un_heads *heads, enum un_objective t,
                              enum un_type type);

#endif
