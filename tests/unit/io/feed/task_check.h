/* A micro-batch of a task against a naive derivation from its sequences (io/feed/sequence.h, tested by itself). */
#ifndef UN_TESTS_UNIT_IO_FEED_TASK_CHECK_H
#define UN_TESTS_UNIT_IO_FEED_TASK_CHECK_H

#include "tests/support/pack_check.h"
#include "tests/unit/io/feed/task_case.h"

/* The memory of the batch is PACK_FILL. */
void task_rig_open(struct pack_rig *rig, const struct world_spec *spec, const struct un_plan_keys *how,
                   bool valid);

/* Where the walk over the sequences of a micro-batch stands. */
struct task_walk {
    const struct pack_rig *rig;
    const struct un_batch *b;
    struct un_dataset *d;
    int64_t sequence, token, word, region;
};

/* The next sequence: words, types, regions. */
void task_check_sequence(struct task_walk *w, const struct un_sequence *s);
/* After the last one: counts and groups of equal words, positions and types. */
void task_check_totals(const struct task_walk *w);
/* Row i of the objective has the tokens [token, token + n). */
void task_check_members(const struct un_rows *rows, int64_t i, const int32_t *token, int64_t n);
/* Within the bounds, and nothing was written behind the used part of an array that was PACK_FILL before. */
void task_check_tails(const struct pack_rig *rig, enum un_objective t);

#endif
