/* What the network reads of a sample, before it is packed: [CLS] words [SEP] and regions, one sequence, or of a
 * task the group of sequences that belong together.
 *
 * One sequence of vqa, ve, re, nlvr2_triplet and of all pretraining; nlvr2_pair and nlvr2_attn: the left one,
 * the right one; vcr: the four choices, with variant 1 each behind the right answer; itm_rank: the true pair,
 * the pairs with other images, the pairs with other texts. Where a valid set is evaluated, a sample of vcr is
 * the four answers, then the four rationales behind each answer in turn. itm_hard: none in training; on a
 * valid set as itm_rank. Pretraining on texts of vcr: question, right answer, right rationale in one. */
#ifndef UN_IO_FEED_SEQUENCE_H
#define UN_IO_FEED_SEQUENCE_H

#include "io/feed/plan.h"

enum { UN_SEQUENCE_PARTS = 3, UN_SEQUENCE_IMAGES = 2, UN_MAX_GROUP = 20 };
/* The text's own tokens; others are its parts (un_dataset_read_part). */
enum { UN_PART_TEXT = -1 };

struct un_sequence {
    int64_t text;
    int n_parts; /* [CLS] part [SEP] part [SEP] ... */
    int8_t part[UN_SEQUENCE_PARTS];
    uint8_t word_type[UN_SEQUENCE_PARTS]; /* of a part's words; [CLS] has that of the first */
    uint8_t sep_type[UN_SEQUENCE_PARTS];  /* of the [SEP] behind the part */
    int n_images;
    int64_t image[UN_SEQUENCE_IMAGES];
    uint8_t region_type[UN_SEQUENCE_IMAGES];
};

/* How many; at most UN_MAX_GROUP. */
int un_plan_sequences(const struct un_plan *plan, const struct un_sample *sample,
                      struct un_sequence out[UN_MAX_GROUP]);
/* A text and an image, which need not be its own, with the types of pretraining. */
struct un_sequence un_sequence_pair(int64_t text, int64_t image);
/* With [CLS] and every [SEP]. */
int64_t un_sequence_words(const struct un_dataset *d, const struct un_sequence *sequence);
int64_t un_sequence_regions(const struct un_dataset *d, const struct un_sequence *sequence);
int64_t un_sequence_part_words(const struct un_dataset *d, const struct un_sequence *sequence, int part);
/* Which choice the sequence `index` of a sample of vcr is asked about, and the right one: 1 right, 0 wrong, -1
 * not known or not asked (a rationale behind a wrong answer). */
int32_t un_plan_choice(const struct un_plan *plan, const struct un_sample *sample, int index);

#endif
