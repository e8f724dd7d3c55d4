/* A loader's surroundings: two made data sets, their plan, a set-up. */
#ifndef UN_TESTS_UNIT_IO_FEED_LOADER_CASE_H
#define UN_TESTS_UNIT_IO_FEED_LOADER_CASE_H

#include "io/feed/loader.h"
#include "runtime/rng.h"
#include "tests/support/world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LANES = 4, STEPS = 30, FIRST_STEP = 5 };

struct rig {
    struct world world;
    struct un_plan *plan;
    struct un_lane_state states[LANES];
    struct un_loader_setup setup;
};

static inline void rig_start(struct rig *rig, bool valid) {
    const struct un_plan_keys how = {.lanes = LANES,
                                     .tokens_per_lane = 120,
                                     .itm_neg_prob = 0.5,
                                     .mlm_prob = 0.15,
                                     .mrm_prob = 0.15,
                                     .seed = 9};
    const struct un_dataset_info *info = un_dataset_info(rig->world.datasets[0]);
    world_check(un_plan_open(&rig->plan, rig->world.datasets, rig->world.keys, rig->world.n, &how, valid));
    for (int64_t lane = 0; lane < LANES; ++lane) un_plan_start(rig->plan, lane, &rig->states[lane]);
    rig->setup = (struct un_loader_setup){.plan = rig->plan,
                                          .lane_end = LANES,
                                          .first_step = FIRST_STEP,
                                          .states = rig->states,
                                          .slots = LANES + 1,
                                          .threads = 2,
                                          .purpose = valid ? UN_RNG_VALID : UN_RNG_MASK};
    un_pack_caps(rig->plan, info->img_dim, info->img_label_dim, &rig->setup.caps);
}

static inline void rig_open(struct rig *rig, int64_t bad_image, int64_t images, bool valid) {
    struct world_spec specs[2] = {
        {.files = make_files_default(), .mix = {8, 4, 2, 4, 6}, .bad_image = bad_image},
        {.files = make_files_default(), .mix = {1, 1, 1, 1, 1}}};
    specs[0].files.images = images;
    specs[0].files.align = true;
    specs[1].files.prefix = "vg";
    specs[1].files.seed = 3;
    world_open(&rig->world, specs, 2, LANES, valid);
    rig_start(rig, valid);
}

static inline void rig_close(struct rig *rig) {
    un_plan_close(rig->plan);
    world_close(&rig->world);
}

#endif
