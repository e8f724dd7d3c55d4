/* Random draws of the micro-world: a short stream of numbers at a fixed place of the counter space
 * (UN_RNG_SYNTH). Counter: step = data set and split, lane = topic (and caption or region), sample = image,
 * index = draw. So every scene, caption and feature is a pure function of (seed, data set, split, image,
 * ...), whatever else is made with it. */
#ifndef UN_IO_SYNTH_DRAW_H
#define UN_IO_SYNTH_DRAW_H

#include "runtime/rng.h"
#include <stdbool.h>

/* Low byte of the lane; the caption or region number stands above it. */
enum un_synth_topic {
    UN_SYNTH_SCENE = 1,
    UN_SYNTH_DETECT = 2,
    UN_SYNTH_NOISE = 3,
    UN_SYNTH_CAPTION = 4,
    UN_SYNTH_PROTOTYPE = 5,
    UN_SYNTH_POSE = 6 /* what a task asks; part: the try */
};

/* Which image of which file; `step` of the counter. */
struct un_synth_place {
    uint64_t seed;
    uint32_t set;   /* enum un_synth_set, or un_synth_pose_set */
    uint32_t split; /* 0 train, 1 valid, of tasks 2 test */
    uint32_t image;
};
static inline uint32_t un_synth_step(const struct un_synth_place *place) {
    return place->set * 2 + place->split;
}

struct un_synth_draw {
    uint64_t seed;
    uint32_t step, lane, sample, next;
    struct un_rng4 block;
};

static inline struct un_synth_draw un_synth_draw(const struct un_synth_place *place,
                                                 enum un_synth_topic topic, uint32_t part) {
    return (struct un_synth_draw){
        place->seed, un_synth_step(place), (uint32_t)topic | part << 8, place->image, 0, {{0}}};
}
static inline uint32_t un_synth_word(struct un_synth_draw *d) {
    if (d->next % 4 == 0) d->block = un_rng(d->seed, UN_RNG_SYNTH, d->step, d->lane, d->sample, d->next / 4);
    return d->block.v[d->next++ % 4];
}
static inline float un_synth_unit(struct un_synth_draw *d) {
    return un_rng_unit(un_synth_word(d));
}
static inline float un_synth_range(struct un_synth_draw *d, float lo, float hi) {
    return lo + (hi - lo) * un_synth_unit(d);
}
static inline bool un_synth_chance(struct un_synth_draw *d, float p) {
    return un_synth_unit(d) < p;
}
/* Uniform in [lo, hi], both inclusive. */
static inline int un_synth_int(struct un_synth_draw *d, int lo, int hi) {
    return lo + (int)un_rng_below(un_synth_word(d), (uint32_t)(hi - lo) + 1);
}
/* An index with probability weight[i] / sum; n >= 1, sum > 0. */
static inline int un_synth_pick(struct un_synth_draw *d, const float *weight, int n) {
    float sum = 0;
    for (int i = 0; i < n; ++i) sum += weight[i];
    float at = un_synth_unit(d) * sum;
    int last = 0;
    for (int i = 0; i < n; ++i) {
        if (weight[i] <= 0) continue;
        last = i;
        if (at < weight[i]) break;
        at -= weight[i];
    }
    return last;
}

#endif
