/* Samples -> one packed micro-batch: reads rows, masks, fills every list of model/batch.h but scale and
 * ot_coef. Samples of itm_hard, in training, stay out: their sequences are chosen later (un_plan_candidates) and
 * packed by un_pack_sequences. */
#ifndef UN_IO_FEED_PACK_H
#define UN_IO_FEED_PACK_H

#include "io/feed/plan.h"
#include "io/feed/resident.h"
#include "io/feed/sequence.h"

/* Caps of the micro-batches of a plan: bounds that no micro-batch can pass, tight where all samples are
 * alike. feature_type is f32 as soon as one data set holds f32 (f16 rows are then widened, exactly). */
void un_pack_caps(const struct un_plan *plan, int64_t img_dim, int64_t img_label_dim,
                  struct un_batch_caps *caps);

/* The same for other micro-batches of the plan, of `tokens` tokens. */
void un_pack_caps_of(const struct un_plan *plan, int64_t tokens, int64_t img_dim, int64_t img_label_dim,
                     struct un_batch_caps *caps);

struct un_packer; /* scratch of one packing thread */
/* UN_USAGE: a data set whose feature width, number of classes, of answers or vocabulary does not go with caps. */
enum un_status un_packer_open(struct un_packer **packer, const struct un_plan *plan,
                              const struct un_batch_caps *caps);
void un_packer_close(struct un_packer *packer);
/* From now on the features of resident images are left out (model/batch.h: feature_row, fresh, stored).
 * caps.store_rows holds `resident` and, behind it, caps.regions rows for guests: images without a place,
 * which stay for one micro-batch. Borrowed. */
void un_packer_set_resident(struct un_packer *packer, const struct un_resident *resident);
size_t un_packer_bytes(const struct un_plan *plan, const struct un_batch_caps *caps);
/* Overwrites all of *batch, which must have been carved with the packer's caps. Allocates nothing. Lists are
 * ascending by packed row; segments hold indices of words (0 .. W-1). One packer serves one thread at a time.
 * UN_INTERNAL too where un_batch_check finds its law broken.
 * purpose: UN_RNG_MASK for training, UN_RNG_VALID for validation (then the same masks at every validation). */
enum un_status un_pack(struct un_packer *packer, struct un_batch *batch, const struct un_sample *samples,
                       int64_t n, uint32_t step, uint32_t lane, uint32_t purpose);

/* Sequences of one data set that the caller chose, as rows of a task that is asked at [CLS]. */
struct un_pack_list {
    enum un_objective objective;
    int dataset;
    const struct un_sequence *sequence; /* [n] */
    int64_t n;
    int64_t
        each; /* of them are a row; its first one is the right one where there are others, else none is known */
};
/* As un_pack; nothing is drawn. */
enum un_status un_pack_sequences(struct un_packer *packer, struct un_batch *batch,
                                 const struct un_pack_list *list, uint32_t step, uint32_t lane);
/* How many of the first sequences fit into a micro-batch. */
int64_t un_pack_fitting(const struct un_plan *plan, const struct un_batch_caps *caps,
                        const struct un_pack_list *list);

#endif
