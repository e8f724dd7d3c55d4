/* A sequence, and a group of them, on the way into a micro-batch, and the packer that puts them there. Inside
 * the wing only. */
#ifndef UN_IO_FEED_ITEM_H
#define UN_IO_FEED_ITEM_H

#include "io/feed/mask.h"
#include "io/feed/pack.h"
#include "io/feed/segments.h"

/* What the sequences that stand together have read by now, and where it is in the micro-batch: others copy it. Only
 * sequences that are masked in no way may follow one another here: those of tasks. */
enum { UN_KNOWN = 64 };
struct un_known {
    int64_t item; /* text or image */
    int part;     /* of the text; 0 of an image */
    int64_t at;   /* among the words, or the regions; */
    int64_t row;  /* of an image: among the rows of `feature`, -1: it is in the store */
};
struct un_known_list {
    struct un_known entry[UN_KNOWN];
    int n;
};

struct un_packer {
    const struct un_plan *plan; /* borrowed */
    struct un_batch_caps caps;
    struct un_segments_scratch sort;
    int32_t *word_target;               /* [most words of a sequence] */
    uint16_t *soft_label;               /* [C] of one mrc region */
    int32_t *answer;                    /* [num_labels] of a text */
    float *score;                       /* [num_labels] theirs */
    const struct un_resident *resident; /* NULL: no store */
    struct un_known_list words, images; /* emptied before each group */
    uint16_t *half;                     /* [most regions, F]: f16 rows on their way into an f32 micro-batch */
    void *block;
};

/* One sequence on its way into the batch. The batch's counts still stand before it while it is put in. */
struct un_item {
    const struct un_sample *sample;
    const struct un_sequence *sequence;
    struct un_dataset *d;
    int64_t words, regions; /* words with [CLS] and [SEP]s */
    struct un_mask_rng rng;
};

/* Sequences [first, first + n) of the batch, all in their place, that are one sample of a task. */
struct un_group {
    const struct un_sample *sample;
    struct un_dataset *d;
    int64_t first, n;
    struct un_mask_rng rng;
};

/* Words, regions and their types; the counts of the batch go on by them. */
enum un_status un_item_put(struct un_packer *packer, struct un_batch *b, const struct un_item *it);
/* Masks what the sample's objective of pretraining masks and lists what it asks. */
enum un_status un_item_ask(struct un_packer *packer, struct un_batch *b, const struct un_item *it);
/* Lists what a task asks. */
enum un_status un_group_ask(struct un_packer *packer, struct un_batch *b, const struct un_group *group);
/* The next row of task t: its members are the [CLS] tokens of sequences [first, first + n). */
void un_group_put_row(struct un_batch *b, enum un_objective t, int dataset, int64_t first, int64_t n);

#endif
