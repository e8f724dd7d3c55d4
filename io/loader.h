/* The loader: threads that keep the next micro-batches of this rank's lanes ready, in the order (step, lane). */
#ifndef UN_LOADER_H
#define UN_LOADER_H

#include "io/pack.h"

struct un_loader;

struct un_loader_setup {
    const struct un_plan *plan;
    struct un_batch_caps caps;
    int64_t lane_begin, lane_end;     /* lanes of this rank */
    int64_t first_step;               /* of the next micro-batches: 1-based update number */
    const struct un_lane_state *states; /* [all lanes] at first_step; copied */
    int64_t slots;                    /* micro-batches ready or in work; >= lanes of the rank + 1 */
    int threads;
    uint32_t purpose;                 /* UN_RNG_MASK | UN_RNG_VALID */
    void *(*host_alloc)(void *context, size_t bytes); /* memory of the slots (pinned on a card); NULL: un_alloc */
    void (*host_free)(void *context, void *ptr);
    void *context;
};

/* One ready micro-batch and the state of its lane after it. */
struct un_loaded {
    const struct un_batch *batch; /* scale and ot_coef may be written by the consumer */
    const struct un_lane_state *after;
    int64_t step, lane;
};

enum un_status un_loader_open(struct un_loader **loader, const struct un_loader_setup *setup);
/* Waits for the next micro-batch in order. In valid mode batch->samples == 0 once the lane is over. Errors of the threads come
 * out here. The slot stays the caller's until un_loader_release; several may be held (up to slots). */
enum un_status un_loader_next(struct un_loader *loader, struct un_loaded *loaded);
void un_loader_release(struct un_loader *loader, const struct un_loaded *loaded);
void un_loader_close(struct un_loader *loader);
size_t un_loader_bytes(const struct un_loader_setup *setup);

#endif
