/* The loader: threads that keep the next micro-batches of this rank's lanes ready, in the order (step, lane).
 *
 * Training: (first_step, lane_begin .. lane_end-1), then first_step + 1, without end. Validation
 * (un_plan_is_valid): lane by lane; a lane's micro-batches are numbered from first_step, and one with samples
 * == 0 ends it; after the last lane un_loader_next gives batch NULL and lane == lane_end, as often as it is
 * asked. Planning goes in order under the lock, because a plan needs the lane's state before it; reading and
 * packing of different slots runs in parallel. What is delivered does not depend on the number of threads or
 * slots, nor does the error: a failed micro-batch is reported at its place in the order, after all before it.
 * One consumer. Nothing is allocated after open. */
#ifndef UN_IO_FEED_LOADER_H
#define UN_IO_FEED_LOADER_H

#include "io/feed/pack.h"

struct un_loader;

/* Sequences that the caller chooses, in place of the plan's samples. `next` says what the next micro-batch holds:
 * list->sequence is `room` [most], as many of them as fit (un_pack_fitting); n 0: there are no more. Called in order
 * and by one thread at a time, ahead of who takes the micro-batches. */
struct un_loader_lists {
    void (*next)(void *context, struct un_sequence *room, int64_t most, struct un_pack_list *list);
    void *context;
};

struct un_loader_setup {
    const struct un_plan *plan;
    struct un_batch_caps caps;
    int64_t lane_begin, lane_end;       /* lanes of this rank */
    int64_t first_step;                 /* of the next micro-batches: 1-based update number */
    const struct un_lane_state *states; /* [all lanes] at first_step; copied. NULL: */
    const struct un_loader_lists
        *lists;    /* of one lane; borrowed; the plan, a valid one, only says whose they are */
    int64_t slots; /* micro-batches ready, in work or held; lanes of the rank + 1 or more, to work ahead */
    int threads;
    uint32_t purpose;                   /* UN_RNG_MASK | UN_RNG_VALID */
    const struct un_resident *resident; /* NULL: no store of features, and caps.store_rows is 0 */
    /* UN_ALIGN-aligned memory of the slots (pinned on a card); NULL: un_alloc and un_free. */
    void *(*host_alloc)(void *context, size_t bytes);
    void (*host_free)(void *context, void *ptr);
    void *context;
};

/* One ready micro-batch and the state of its lane after it. */
struct un_loaded {
    const struct un_batch *batch; /* scale and ot_coef may be written by the consumer */
    const struct un_lane_state *after;
    int64_t step, lane;
    /* What it holds, in order; of itm_hard, in training, what it stands for. NULL: sequences of a list. */
    const struct un_sample *samples;
    int64_t n_samples; /* or of these */
};

enum un_status un_loader_open(struct un_loader **loader, const struct un_loader_setup *setup);
/* Waits for the next micro-batch in order. In valid mode batch->samples == 0 once the lane is over. Errors of
 * the threads come out here; after one, every call gives it again. The slot stays the caller's until
 * un_loader_release, in any order; several may be held, but one more than `slots` is UN_INTERNAL (it would
 * wait for ever). */
enum un_status un_loader_next(struct un_loader *loader, struct un_loaded *loaded);
void un_loader_release(struct un_loader *loader, const struct un_loaded *loaded);
/* Ends the threads, each at the latest when the micro-batch in its hands is packed. NULL is nothing. */
void un_loader_close(struct un_loader *loader);
/* Host memory that un_loader_open will take. */
size_t un_loader_bytes(const struct un_loader_setup *setup);

#endif
