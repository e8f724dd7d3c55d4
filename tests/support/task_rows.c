/* See task_rows.h. */
#include "tests/support/task_rows.h"

#include "tests/support/samples.h"

#include <string.h>

/* Members of the row that sequence s is of. */
static void add_members(struct un_batch *b, struct un_rows *rows, enum un_asks asks, int64_t s,
                        const struct sample *sample) {
    int32_t first = b->start[s];
    if (asks == UN_ASKS_GROUP) rows->row[rows->members++] = first;
    for (int32_t k = 0; asks == UN_ASKS_PLACES && k < sample->regions; ++k)
        rows->row[rows->members++] = first + sample->words + k;
}

/* Sequence s at the end of a side. */
static void add_side(struct un_batch *b, struct un_side *side, int64_t s, int64_t row) {
    int64_t tokens = b->start[s + 1] - b->start[s];
    for (int32_t t = b->start[s]; t < b->start[s + 1]; ++t) side->row[side->tokens++] = t;
    if (row == 0) side->start[0] = 0;
    side->start[row + 1] = (int32_t)side->tokens;
    if (tokens > side->longest) side->longest = tokens;
}

static double units_of(const struct task_rows *task) {
    if (un_objectives[task->objective].summed) return 1;
    bool negatives = un_objectives[task->objective].units == UN_UNITS_NEGATIVES;
    return (double)task->n * (double)(negatives ? task->each - 1 : 1);
}

void task_rows_fill(struct un_batch *b, const struct un_batch_caps *caps, const struct sample *samples,
                    const struct task_rows *task, double weight) {
    struct un_rows *rows = &b->rows[task->objective];
    enum un_asks asks = un_objectives[task->objective].asks;
    rows->start[0] = 0;
    for (int64_t i = 0; i < task->n; ++i) {
        for (int64_t k = 0; k < task->each; ++k) {
            int64_t s = i * task->each + k;
            add_members(b, rows, asks, s, &samples[s]);
            if (asks == UN_ASKS_TWO) add_side(b, &b->side[k], s, i);
        }
        rows->start[i + 1] = (int32_t)rows->members;
        if (rows->target) rows->target[i] = task->target ? task->target[i] : 0;
        if (rows->wrong) rows->wrong[i] = task->wrong ? task->wrong[i] : -1;
        rows->dataset[i] = samples[i * task->each].dataset;
    }
    rows->n = task->n;
    if (rows->score)
        memcpy(rows->score, task->score, (size_t)(task->n * caps->num_labels) * sizeof *task->score);
    b->scale[task->objective] = (float)(weight / units_of(task));
}
