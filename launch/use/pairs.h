/* Texts with their images, packed micro-batch by micro-batch in a fixed order: that of a validation on one lane. */
#ifndef UN_LAUNCH_USE_PAIRS_H
#define UN_LAUNCH_USE_PAIRS_H

#include "io/feed/pack.h"
#include "io/run/progress.h"
#include "launch/use/given.h"
#include "launch/use/weights.h"

struct un_use_pairs {
    struct un_use_given given;
    struct un_dataset *set;
    struct un_plan *plan;
    struct un_packer *packer;
    struct un_batch_caps caps;
    struct un_device *device;
    struct un_lane_state state;
    void *memory; /* of the micro-batch */
    /* The micro-batch: */
    struct un_batch batch;
    struct un_sample *sample; /* [n] */
    struct un_sequence *sequence;
    int64_t n;
    uint32_t step;
    struct un_progress progress; /* of un_use_pairs_next; silent where results go to the same terminal */
};

/* names [n]: pairs, see given.h. task: a second objective that will ask about the same pairs (UN_USE_NO_TASK: none).
 * UN_USAGE: the data do not go with the network. Closed by the call below, also on failure. */
enum { UN_USE_NO_TASK = -1 };
enum un_status un_use_pairs_open(struct un_use_pairs *pairs, const struct un_use_keys *keys,
                                 const char *const *names, int n, const struct un_use_weights *weights,
                                 struct un_device *device, int task);
void un_use_pairs_close(struct un_use_pairs *pairs);
/* How many there are. */
int64_t un_use_pairs_count(const struct un_use_pairs *pairs);
/* The next micro-batch as true pairs of itm; pairs->n 0: the end. */
enum un_status un_use_pairs_next(struct un_use_pairs *pairs);
/* The same pairs as rows of the task. */
enum un_status un_use_pairs_ask(struct un_use_pairs *pairs, enum un_objective task);
/* Which pair text `text` of the set is: as named, or in the order of the set. */
int64_t un_use_pairs_place(const struct un_use_pairs *pairs, int64_t text);
/* And sample i of the micro-batch. */
int64_t un_use_pairs_index(const struct un_use_pairs *pairs, int64_t i);
/* The id of its text, or its sentence, and the id of its image. */
void un_use_pairs_name(const struct un_use_pairs *pairs, int64_t index, const char **text,
                       const char **image);

#endif
