/* The way back of what a step leaves on the device for the host: losses and counts of each micro-batch, and how the
 * update ended. They go on a queue of their own, which only copies, so neither the computation nor the host waits
 * for them: two micro-batches may be on the way, and the outcome of one update. A device that reads host memory
 * copies at once. */
#ifndef UN_LAUNCH_TRAFFIC_RECEIVE_H
#define UN_LAUNCH_TRAFFIC_RECEIVE_H

#include "model/optim.h"
#include "model/outputs.h"

enum { UN_RECEIVE_SLOTS = 2 };

/* Borrowed, for as long as the receiver is open. */
struct un_receive_setup {
    struct un_device *device;
    struct un_queue *queue;           /* of the computation */
    const struct un_batch_caps *caps; /* of the micro-batches */
    int shares; /* processes that update together; 0: nothing is updated, one slot is enough */
};

struct un_receiver {
    struct un_device *device; /* this and the next: of the setup */
    struct un_queue *queue;
    struct un_queue *copies;   /* that of the computation where the device reads host memory */
    struct un_event *computed; /* what is to be copied is there */
    struct un_event *copied;   /* all of it has been */
    struct un_event *arrived[UN_RECEIVE_SLOTS], *ended;
    struct un_host_outputs outputs[UN_RECEIVE_SLOTS];
    struct un_optim_told told;
    int slot; /* of the micro-batch that was sent last */
};

enum un_status un_receive_open(struct un_receiver *r, const struct un_receive_setup *setup);
void un_receive_close(struct un_receiver *r);

/* Work that `queue` gets from here on may write over what is still on its way. */
void un_receive_clear(struct un_receiver *r);
/* Starts what the pass queued last has left, `out` of `host`, on its way. Returns its slot, which is free again by the
 * second call from here: until then it must have been waited for. */
int un_receive_outputs(struct un_receiver *r, const struct un_outputs *out, const struct un_batch *host);
/* Waits for it and for all that `queue` was given before it. */
enum un_status un_receive_await(struct un_receiver *r, int slot, const struct un_host_outputs **outputs);
/* Likewise of an update, once the clip factor is queued. One at a time. */
void un_receive_outcome(struct un_receiver *r, const struct un_optim *optim);
enum un_status un_receive_ended(struct un_receiver *r, double *norm, enum un_optim_skip *skip);

#endif
