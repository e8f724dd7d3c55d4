/* A made data set of a task, and plans on it. */
#ifndef UN_TESTS_UNIT_IO_FEED_TASK_CASE_H
#define UN_TESTS_UNIT_IO_FEED_TASK_CASE_H

#include "io/feed/sequence.h"
#include "tests/support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TASK_LANES = 3 };

static inline enum un_task task_of(enum un_objective t) {
    switch (t) {
    case UN_VQA: return UN_TASK_VQA;
    case UN_VE: return UN_TASK_VE;
    case UN_NLVR2_TRIPLET:
    case UN_NLVR2_PAIR:
    case UN_NLVR2_ATTN: return UN_TASK_NLVR2;
    case UN_VCR: return UN_TASK_VCR;
    case UN_RE:
    case UN_RE_RANK: return UN_TASK_RE;
    case UN_ITM_RANK:
    case UN_ITM_HARD: return UN_TASK_RETRIEVAL;
    default: return UN_TASK_NONE;
    }
}

/* 12 images with 3 texts each, objective t alone in the mix. */
static inline struct world_spec task_spec(enum un_task task, enum un_objective t) {
    struct world_spec spec = {.files = make_files_default()};
    spec.files.images = 12;
    spec.files.texts_per_image = 3;
    spec.files.task = task;
    spec.files.num_answers = task == UN_TASK_VE ? 3 : 30;
    spec.mix[t] = 1;
    return spec;
}

static inline struct un_plan_keys task_keys(void) {
    return (struct un_plan_keys){.lanes = TASK_LANES,
                                 .tokens_per_lane = 400,
                                 .itm_neg_prob = 0.5,
                                 .mlm_prob = 0.15,
                                 .mrm_prob = 0.15,
                                 .seed = 7,
                                 .negatives = 1,
                                 .hard_ratio = 0.3,
                                 .typed = true};
}

static inline struct un_plan *task_plan(const struct world *world, const struct un_plan_keys *how,
                                        bool valid) {
    struct un_plan *plan;
    world_check(un_plan_open(&plan, world->datasets, world->keys, world->n, how, valid));
    return plan;
}

#endif
