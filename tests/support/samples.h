/* Samples written down by hand -> one packed micro-batch on a device: the tests' own packer, independent of
 * io/pack. Plain loops over model/batch.h's words, no speed. */
#ifndef UN_TESTS_SUPPORT_SAMPLES_H
#define UN_TESTS_SUPPORT_SAMPLES_H

#include "model/batch.h"
#include "tests/support/task_rows.h"

/* One sample, all pointers borrowed. Members its objective does not use are NULL. */
struct sample {
    enum un_objective objective;
    int32_t words, regions;
    const int32_t *id;                      /* [words] with [CLS] and [SEP] */
    const int32_t *label;                   /* [words] mlm: the right word or -1 */
    const float *feature;                   /* [regions,F] before masking */
    const float *box;                       /* [regions,7] */
    const uint8_t *mask;                    /* [regions] mrfr, mrc, mrckl */
    const float *soft;                      /* [regions,C] mrc, mrckl */
    const int32_t *word_type, *region_type; /* [words], [regions], with caps.typed; NULL: 0 and 1 */
    int target;                             /* itm: 1 true pair */
    uint8_t dataset;
};

/* The factors of the gradient: scale[t] = weight[t] / units, ot_coef = +-weight[itm] * ot_lambda / pairs. */
struct factors {
    double weight[UN_OBJECTIVE_COUNT], ot_lambda;
};

struct packed {
    struct un_batch host, device; /* the same micro-batch; pointers of `device` are device memory */
    struct un_device *on;
    void *memory, *block;
};

/* Raises caps so that these samples fit (start from zeros). Features and soft labels are f32. */
void samples_caps(struct un_batch_caps *caps, const struct sample *samples, int64_t n, int64_t vocab_size,
                  int64_t img_dim, int64_t img_label_dim);
/* Packs in the given order and copies to the device. */
enum un_status samples_pack(struct packed *out, struct un_device *device, struct un_queue *q,
                            const struct un_batch_caps *caps, const struct sample *samples, int64_t n,
                            const struct factors *factors);
/* The same, with rows of a task, whose sequences the samples are. Caps: of samples_caps, with tasks and num_labels. */
enum un_status samples_pack_task(struct packed *out, struct un_device *device, struct un_queue *q,
                                 const struct un_batch_caps *caps, const struct sample *samples, int64_t n,
                                 const struct task_rows *rows, const struct factors *factors);
void packed_close(struct packed *packed);

#endif
