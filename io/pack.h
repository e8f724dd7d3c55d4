/* Samples -> one packed micro-batch: reads rows, masks, fills every list of model/batch.h but scale and ot_coef. */
#ifndef UN_PACK_H
#define UN_PACK_H

#include "io/plan.h"

/* Caps of the micro-batches of a plan. */
void un_pack_caps(const struct un_plan *plan, int64_t img_dim, int64_t img_label_dim, struct un_batch_caps *caps);

struct un_packer; /* scratch of one packing thread */
enum un_status un_packer_open(struct un_packer **packer, const struct un_plan *plan, const struct un_batch_caps *caps);
void un_packer_close(struct un_packer *packer);
/* purpose: UN_RNG_MASK for training, UN_RNG_VALID for validation (then the same masks at every validation). */
enum un_status un_pack(struct un_packer *packer, struct un_batch *batch, const struct un_sample *samples, int64_t n,
                       uint32_t step, uint32_t lane, uint32_t purpose);

#endif
