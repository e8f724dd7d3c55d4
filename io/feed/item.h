/* A sample on its way into a micro-batch, and the packer that puts it there. Inside the wing only. */
#ifndef UN_IO_FEED_ITEM_H
#define UN_IO_FEED_ITEM_H

#include "io/feed/mask.h"
#include "io/feed/pack.h"
#include "io/feed/segments.h"

struct un_packer {
    const struct un_plan *plan; /* borrowed */
    struct un_batch_caps caps;
    struct un_segments_scratch sort;
    int32_t *word_target;               /* [most words of a text] */
    uint16_t *soft_label;               /* [C] of one mrc region */
    const struct un_resident *resident; /* NULL: no store */
    uint16_t *half;                     /* [most regions, F]: f16 rows on their way into an f32 micro-batch */
    void *block;
};

/* One sample on its way into the batch. The batch's counts still stand before it while it is put in. */
struct un_item {
    const struct un_sample *sample;
    struct un_dataset *d;
    int64_t words, regions; /* words with [CLS] and [SEP] */
    struct un_mask_rng rng;
};

/* Masks what the sample's objective masks and lists what it asks. */
enum un_status un_item_ask(struct un_packer *packer, struct un_batch *b, const struct un_item *it);

#endif
