/* The rows of a task in a micro-batch of the tests' packer (samples.h): which sequences make a row, and what is right
 * for it. */
#ifndef UN_TESTS_SUPPORT_TASK_ROWS_H
#define UN_TESTS_SUPPORT_TASK_ROWS_H

#include "model/batch.h"

struct sample;

struct task_rows {
    enum un_objective objective;
    int64_t n, each;       /* rows, of so many sequences each, one after another */
    const int32_t *target; /* [n] label or right member; NULL: 0 */
    const int32_t *wrong;  /* [n] the wrong member; NULL: all others */
    const float *score;    /* [n, caps->num_labels] vqa, ve */
};

/* Behind the sequences of a micro-batch, which are packed. weight: of the objective. */
void task_rows_fill(struct un_batch *b, const struct un_batch_caps *caps, const struct sample *samples,
                    const struct task_rows *rows, double weight);

#endif
