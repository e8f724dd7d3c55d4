/* A plan over one made data set, with MLM in a quarter of the samples and ITM in the rest. */
#ifndef UN_TESTS_UNIT_IO_FEED_PLAN_CASE_H
#define UN_TESTS_UNIT_IO_FEED_PLAN_CASE_H

#include "io/feed/plan.h"
#include "tests/support/world.h"

static inline struct un_plan_keys keys_default(int64_t lanes) {
    return (struct un_plan_keys){.lanes = lanes,
                                 .tokens_per_lane = 60,
                                 .mixing = UN_MIXING_SAMPLE,
                                 .itm_neg_prob = 0.5,
                                 .mlm_prob = 0.15,
                                 .mrm_prob = 0.15,
                                 .seed = 7};
}

static inline void open_world(struct world *world, int64_t images, int64_t lanes, bool allow_empty_lanes) {
    struct world_spec spec = {.files = make_files_default(), .mix = {[UN_MLM] = 1, [UN_ITM] = 3}};
    spec.files.images = images;
    world_open(world, &spec, 1, lanes, allow_empty_lanes);
}

static inline struct un_plan *open_plan(const struct world *world, const struct un_plan_keys *how,
                                        bool valid) {
    struct un_plan *plan;
    world_check(un_plan_open(&plan, world->datasets, world->keys, world->n, how, valid));
    return plan;
}

#endif
