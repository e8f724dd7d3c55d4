/* What io/feed/plan.c (opening, questions, digest) and io/feed/plan_next.c (samples of a micro-batch) share. */
#ifndef UN_IO_FEED_PRIVATE_H
#define UN_IO_FEED_PRIVATE_H

#include "io/feed/plan.h"

struct un_plan {
    struct un_plan_keys how;
    bool valid;
    struct un_dataset *datasets[UN_MAX_DATASETS]; /* borrowed */
    int64_t n_datasets;
    struct un_stream streams[UN_MAX_STREAMS];
    double mix_end[UN_MAX_STREAMS]; /* running sum of the mixes */
    int64_t n_streams;
    struct un_plan_extent extent;
    bool kept;       /* un_plan_keep has been called; */
    uint64_t digest; /* it took this when the index was still whole */
};

/* A lane's part of a data set: its images [image, image + images) and all their texts. */
struct un_plan_part {
    int64_t image, images, text, texts;
};

static inline struct un_plan_part un_plan_part(const struct un_dataset *d, int64_t lane) {
    struct un_plan_part part = {.image = un_dataset_lane_image(d, lane)};
    int64_t end = un_dataset_lane_image(d, lane + 1);
    part.images = end - part.image;
    part.text = un_dataset_image_text(d, part.image);
    part.texts = un_dataset_image_text(d, end) - part.text;
    return part;
}

#endif
