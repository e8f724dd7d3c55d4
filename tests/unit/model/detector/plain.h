/* The detector's network as its specification says it, in double, one loop inside the other: no ops, no folding, channels first.
 * For small sizes. */
#ifndef UN_TESTS_UNIT_MODEL_DETECTOR_PLAIN_H
#define UN_TESTS_UNIT_MODEL_DETECTOR_PLAIN_H

#include "model/detector/sizes.h"

/* A map [channels,height,width]. */
struct plain_map {
    int64_t channels, height, width;
    double *value; /* owned */
};
struct plain_sight {
    struct plain_map stem, res[3], logits, deltas;
};
/* Rows of a region. */
struct plain_judgement {
    double *pooled, *feature, *classes, *boxes, *attributes; /* owned; pooled [P,C,pool,pool] */
    double
        least_lead; /* of a region's best class over its second, of the largest: below it a class may flip */
};

/* input [height,width,3]. */
void plain_see(struct plain_sight *sight, const struct un_detector_file *file,
               const struct un_detector_sizes *sizes, const float *input, int64_t height, int64_t width);
/* On a coarse map, as plain_see gives it. box [P,4] in pixels of the input. */
void plain_judge(struct plain_judgement *judgement, const struct un_detector_file *file,
                 const struct un_detector_sizes *sizes, const struct plain_map *map, const float *box,
                 int64_t regions);
void plain_sight_free(struct plain_sight *sight);
void plain_judgement_free(struct plain_judgement *judgement);

#endif
