/* What the files of the plan share: plan.c (opening, questions), plan_check.c (what is refused), plan_next.c
 * (samples of a micro-batch), plan_order.c (orders), plan_others.c (negatives), plan_digest.c, sequence.c. */
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

enum { UN_VE_LABELS = 3 };

/* Is everything that a question is judged by asked at once? */
static inline bool un_plan_evaluates(const struct un_plan *plan) {
    return plan->valid && plan->how.evaluate;
}
/* Are the sequences of its samples chosen later, by their scores (un_plan_candidates)? */
static inline bool un_plan_mines(const struct un_plan *plan, enum un_objective t) {
    return t == UN_ITM_HARD && !plan->valid;
}
/* Are its pairs ranked against others drawn in the plan? */
static inline bool un_plan_ranks(const struct un_plan *plan, enum un_objective t) {
    return t == UN_ITM_RANK || (t == UN_ITM_HARD && !un_plan_mines(plan, t));
}
/* Samples of a stream that are the same text. */
static inline int64_t un_plan_variants(const struct un_plan *plan, enum un_objective t) {
    return un_plan_mines(plan, t) || (t == UN_VCR && !un_plan_evaluates(plan)) ? 2 : 1;
}

/* Checks a stream and widens the extent of the plan by its sequences. */
enum un_status un_plan_admit(struct un_plan *plan, const struct un_stream *stream);
/* Can every sample of a stream that ranks have its others? */
enum un_status un_plan_check_others(const struct un_plan *plan, const struct un_stream *stream);
/* May samples of lanes [begin, end) have images or texts from outside of their lane? Second images aside, which a
 * data set keeps for its texts. */
bool un_plan_needs_all(const struct un_plan *plan, int dataset, int64_t begin, int64_t end);
/* Fills other[] of a sample that is ranked. */
void un_plan_rank(const struct un_plan *plan, struct un_sample *sample);

#endif
