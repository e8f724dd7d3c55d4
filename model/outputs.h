/* What a pass leaves on the device, and its copies on the host. */
#ifndef UN_MODEL_OUTPUTS_H
#define UN_MODEL_OUTPUTS_H

#include "model/batch.h"

/* What a pass leaves for the host, device memory of the model, valid until the next pass. Row arrays follow
 * the rows of batch->rows[t]. */
struct un_outputs {
    float *row_loss[UN_OBJECTIVE_COUNT]; /* sum of unit losses of a row; itm: cross-entropy of a pair */
    float *hit[UN_OBJECTIVE_COUNT];      /* 1 where the prediction was right; NULL where none are told */
    float *distance;                     /* [pairs] transport distance */
    float *plan;                         /* [plan_start[pairs]] */
    struct un_mat hidden;                /* [T,H] last layer, of type act; so is pooled */
    struct un_mat
        score[UN_OBJECTIVE_COUNT]; /* of tasks, and of mlm and mrc after un_model_keep: scores before
                                                the loss, f32, a row a row or a member */
    float *cost;                   /* as plan; only after un_model_keep */
    /* Only when asked for by un_model_debug: unit losses, pooled [pairs,H] (of a task [members,H],
     * of nlvr2_attn [n,2H]), scores [pairs,2] */
    float *unit[UN_OBJECTIVE_COUNT];
    struct un_mat pooled, scores;
};

/* Host copies of what a pass left, sized from caps once. */
struct un_host_outputs {
    float *row_loss[UN_OBJECTIVE_COUNT], *hit[UN_OBJECTIVE_COUNT];
    float *distance, *plan; /* plan only when with_plan */
    float
        *score[UN_OBJECTIVE_COUNT]; /* of tasks, rows without gaps; only after un_host_outputs_keep_scores */
    int64_t score_cols[UN_OBJECTIVE_COUNT];
};
enum un_status un_host_outputs_open(struct un_host_outputs *h, struct un_device *d,
                                    const struct un_batch_caps *caps, bool with_plan);
/* Scores of tasks are fetched from now on (evaluation). Between the columns of a card's rows may be gaps: they come
 * along, score_cols is from row to row. cols [UN_OBJECTIVE_COUNT]: of the model (un_model_score_cols). */
enum un_status un_host_outputs_keep_scores(struct un_host_outputs *h, struct un_device *d,
                                           const struct un_batch_caps *caps,
                                           const int64_t cols[UN_OBJECTIVE_COUNT]);
void un_host_outputs_close(struct un_host_outputs *h, struct un_device *d);
/* Queues the copies of the used parts of `out`. batch: host pointers. */
void un_host_outputs_fetch(struct un_host_outputs *h, const struct un_outputs *out,
                           const struct un_batch *batch, struct un_device *d, struct un_queue *q);
#endif
