/* The way of micro-batches to a device that does not read host memory: a queue that only copies, and two
 * blocks on the device. One micro-batch is on its way while the one before it is computed; the two queues
 * wait for each other by events, the host for neither. A micro-batch is sent with fillers (un_batch_fill)
 * unless the device takes any shape, and only what of it is used. A device that reads host memory gets the
 * host's own micro-batch.
 *
 * With a store (io/feed/resident.h) the new features go from the block into it before they are used. */
#ifndef UN_LAUNCH_TRAFFIC_SEND_H
#define UN_LAUNCH_TRAFFIC_SEND_H

#include "io/feed/resident.h"
#include "model/batch.h"

enum { UN_SEND_BLOCKS = 2 };

/* Borrowed, for as long as the sender is open. */
struct un_send_setup {
    struct un_device *device;
    struct un_queue *queue;           /* of the computation */
    const struct un_batch_caps *caps; /* of the micro-batches */
};

/* The rank's share of the features: `rows` rows of lanes [lane_begin, lane_end) of the data sets. */
struct un_send_store {
    struct un_dataset *const *sets;
    int64_t n, lane_begin, lane_end, rows;
    bool optional; /* data.cache: auto */
};

struct un_sender {
    struct un_device *device; /* this and the next two: of the setup */
    struct un_queue *queue;
    const struct un_batch_caps *caps;
    struct un_queue *copies; /* NULL: the device reads host memory */
    void *block[UN_SEND_BLOCKS];
    struct un_event *copied[UN_SEND_BLOCKS]; /* the block is filled */
    struct un_event *used[UN_SEND_BLOCKS];   /* the work on it is done */
    struct un_batch padded[UN_SEND_BLOCKS];  /* what was sent: host pointers */
    const struct un_batch *ahead;            /* sent, not yet taken; NULL: none */
    int slot;                                /* of `ahead`, else of the one taken last */
    struct un_resident *resident;            /* NULL: no store */
    void *store;                             /* [caps.store_rows,F] device */
};

enum un_status un_send_open(struct un_sender *s, const struct un_send_setup *setup);
/* Device memory of the blocks for these caps. */
size_t un_send_bytes(const struct un_batch_caps *caps);
/* The store on the device, of caps->store_rows rows: last, when everything else is taken. If the device
 * gives no memory for an optional one, this is no failure and s->store stays NULL. */
enum un_status un_send_open_store(struct un_sender *s, const struct un_send_store *store);
/* Waits for copies under way: before host memory they read goes away. Errors of the copies come out here. */
enum un_status un_send_settle(struct un_sender *s);
void un_send_close(struct un_sender *s);

/* All of `host` but its factors (scale, ot_coef) starts on its way; it must stay until it was taken and used.
 * At most one may be ahead, and one at a time taken and not yet used. */
void un_send_ahead(struct un_sender *s, const struct un_batch *host);
/* out: the micro-batch on the device; work that `queue` gets from here on finds it there. Factors are
 * those of now. A micro-batch that is not the one ahead is sent at once, beside that. */
void un_send_take(struct un_sender *s, const struct un_batch *host, struct un_batch *out);
/* All work on a micro-batch that was taken is in `queue`. */
void un_send_used(struct un_sender *s, const struct un_batch *taken);

#endif
