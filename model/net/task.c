/* Scores of the tasks, see task.h. */
#include "model/net/task.h"

enum { VE_LABELS = 3, CLASSES = 2 };

int64_t un_task_score_rows(const struct un_batch *batch, enum un_objective t) {
    const struct un_rows *rows = &batch->rows[t];
    return un_objectives[t].target == UN_TARGET_MEMBER ? rows->members : rows->n;
}

int64_t un_task_score_cols(const struct un_dims *dims, enum un_objective t) {
    switch (un_objectives[t].target) {
    case UN_TARGET_ANSWERS: return t == UN_VE ? VE_LABELS : dims->num_labels;
    case UN_TARGET_LABEL: return CLASSES;
    default: return 1;
    }
}

/* Elements from row to row: where the gradient is bf16, rows begin at 16-byte addresses for the products; a single
 * column stays dense. */
static int64_t stride_of(enum un_type act, int64_t cols) {
    return act == UN_F32 || cols <= CLASSES ? cols : (cols + 63) / 64 * 64;
}

void un_task_carve(void *buffer[UN_HEAD_BUFFERS], struct un_arena *arena, enum un_type act,
                   const struct un_dims *dims, const struct un_batch_caps *caps, enum un_objective t) {
    bool members = un_objectives[t].target == UN_TARGET_MEMBER;
    int64_t rows = members ? un_batch_member_cap(caps, t) : un_batch_row_cap(caps, t);
    int64_t count = rows * stride_of(act, un_task_score_cols(dims, t));
    buffer[UN_TASK_SCORES] = un_take_floats(arena, count);
    buffer[UN_TASK_DSCORES] = un_take_floats(arena, count);
}

void un_task_mlp(int64_t *rows, int64_t *mid, const struct un_dims *dims, const struct un_batch_caps *caps,
                 enum un_objective t) {
    *rows = un_batch_row_cap(caps, t);
    *mid = 2 * dims->hidden_size;
}

struct un_mat un_task_scores(const struct un_batch *batch, const struct un_dims *dims, enum un_type act,
                             const struct un_heads *heads, enum un_objective t) {
    struct un_mat m =
        un_mat32(heads->buffer[t][UN_TASK_SCORES], un_task_score_rows(batch, t), un_task_score_cols(dims, t));
    m.stride = stride_of(act, m.cols);
    return m;
}

struct un_mat un_task_pooled(const struct un_batch *batch, const struct un_dims *dims, enum un_type act,
                             const struct un_heads *heads) {
    int64_t h = dims->hidden_size;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        const struct un_rows *rows = &batch->rows[t];
        if (!un_objectives[t].task || rows->n == 0) continue;
        if (un_objectives[t].asks == UN_ASKS_TWO)
            return un_mat(heads->buffer[t][UN_TASK_JOINT], act, rows->n, 2 * h);
        if (un_objectives[t].pools) return un_mat(heads->pooler.pooled, act, rows->members, h);
    }
    return un_mat(heads->pooler.pooled, act, batch->rows[UN_ITM].n, h);
}

struct un_mat un_task_dscores(const struct un_pass *p, const struct un_heads *heads, enum un_objective t,
                              enum un_type type) {
    struct un_mat m = un_mat(p->grads ? heads->buffer[t][UN_TASK_DSCORES] : NULL, type,
                             un_task_score_rows(p->batch, t), un_task_score_cols(p->dims, t));
    m.stride = stride_of(p->act, m.cols);
    return m;
}
