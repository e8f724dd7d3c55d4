/* A plan, a packer and one micro-batch for tests, and a naive derivation of every field of the batch from the
 * samples and from what make_files wrote, so that data set and packing are checked together. */
#ifndef UN_TESTS_SUPPORT_PACK_CHECK_H
#define UN_TESTS_SUPPORT_PACK_CHECK_H

#include "io/feed/pack.h"
#include "tests/support/world.h"

enum { PACK_FILL = 0xA5 }; /* what a test fills the memory of the batch with */

struct pack_rig {
    const struct world_spec *specs; /* borrowed */
    struct world world;
    struct un_plan *plan;
    struct un_batch_caps caps;
    struct un_packer *packer;
    struct un_batch batch;
    struct un_arena arena; /* of the batch */
};

void pack_rig_open(struct pack_rig *rig, const struct world_spec *specs, int64_t n,
                   const struct un_plan_keys *how, bool valid);
/* For a world and a plan that are open: caps, packer and batch. */
void pack_rig_carve(struct pack_rig *rig, int64_t img_dim, int64_t classes);
void pack_rig_close(struct pack_rig *rig);

/* The batch of the n samples, every field. */
void pack_check(const struct pack_rig *rig, const struct un_sample *samples, int64_t n, uint32_t step,
                uint32_t lane, uint32_t purpose);
/* Nothing was written behind the used part of an array that was PACK_FILL before. */
void pack_check_tails(const struct pack_rig *rig);
/* key [n] of [0, keys). */
void pack_check_segments(const struct un_segments *seg, const int32_t *key, int64_t n, int32_t keys);

#endif
