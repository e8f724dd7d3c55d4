/* What the ranks exchange in a step, bucket by bucket and beside the computation: gradients are
 * reduced to their owners as the backward finishes them, parameters go from their owners to everybody while
 * the next forward already runs on those that have come. The order of a step:
 *
 *   begin - ready ... ready (backward of the last lane) - reduced for every bucket, each as it left
 *         - norm - updated for every bucket, in the opposite order - need ... need (next forward)
 *
 * How the data travel is one of three paths (exchange_path.h). One process: no path, everything is there at
 * once. Errors of the communication stick and come out of the next call that returns a status. */
#ifndef UN_LAUNCH_TRAFFIC_EXCHANGE_H
#define UN_LAUNCH_TRAFFIC_EXCHANGE_H

#include "comm/device_parts.h"
#include "comm/parts.h"
#include "comm/queue.h"
#include "launch/traffic/exchange_low.h"
#include "launch/traffic/order.h"
#include "model/optim.h"

struct un_exchange_path;

/* How the data travel, chosen by un_backend_settle. */
struct un_exchange_route {
    const struct un_exchange_path *path; /* NULL: one process */
    un_device_comm_opener *open_cards;   /* of the module; for the path between devices */
    const struct un_comm_library
        *library; /* of the module, of un_backend_register; NULL: memory is the device's */
    bool must;    /* comm.register: on */
    int nodes;    /* of the shards (comm/shard.h), of un_backend_levels; at most 1: one level */
};

/* What is borrowed outlives the exchange. */
struct un_exchange_setup {
    struct un_exchange_route route;
    struct un_comm *comm;     /* borrowed */
    struct un_device *device; /* borrowed */
    struct un_queue *queue;   /* borrowed: of the computation */
    struct un_shard shard;    /* of the buffers below */
    struct un_span first;     /* a forward reads it first, a backward finishes it last; empty: nothing */
    const struct un_params
        *low;            /* borrowed: the table of the parameters that have a bf16 copy; NULL: none has */
    bool exact, overlap; /* train.exact, comm.overlap */
    int rail_ctas;       /* comm.rail_ctas */
    /* Borrowed: where the buffers below come from; NULL: from the device. */
    struct un_comm_memory *memory;
};

/* What is moved; all borrowed; of setup.memory. */
struct un_exchange_buffers {
    float *grads, *params; /* [P] device, with the shard's room behind; so has low */
    void *low;             /* [P] device: bf16 copy of params; NULL: none */
    struct un_optim *optim;
};

struct un_exchange {
    const struct un_exchange_path *path; /* this and the next nine: of the setup */
    un_device_comm_opener *open_cards;
    struct un_comm *comm;
    struct un_device *device;
    struct un_queue *queue;
    bool exact, overlap;
    int rail_ctas;
    struct un_comm_memory *memory;
    struct un_comm_memory plain; /* of the device; where the setup has none */
    struct un_shard shard;
    struct un_exchange_buffers buffers;
    struct un_comm_queue *collectives; /* on host memory; NULL: one process */
    double counted;                    /* busy seconds of the path that steps have told of */
    struct un_exchange_order order;
    struct un_span open_grads; /* the gradients of this step that are not final yet */
    int64_t posted;            /* buckets of this step that are on their way to their owners */
    int64_t missing;           /* buckets of the last turns whose parameters have not arrived yet */
    struct un_exchange_low low;
    bool unlisted; /* the lists of `low` have not arrived yet */
    /* The lists of partial norms: a rank's own blocks in its local order, then its word (model/optim.h). */
    int64_t list;   /* entries of a rank's list, that of the rank with most blocks */
    int32_t *index; /* [sums]: which entry of the lists of all ranks stands where in optim->sums */

    /* paths through host memory */
    struct un_parts parts;
    int64_t *tickets;             /* [buckets]: of the last reduction or gathering */
    int64_t list_ticket;          /* of the last exchange of the lists of `low` */
    double *mine, *all, *ordered; /* [list], [ranks * list], [sums] */
    struct un_queue *copies;      /* staged: beside `queue` */
    struct un_event **events;     /* [buckets]: the device has finished the bucket */
    float *stage;                 /* staged: [elements of a bucket] pinned */
    float *list_stage;            /* staged: own list of `low`, then all, pinned */
    void *low_node;               /* cards, two levels: lists of `low` of this node */
    struct un_event *listed;      /* staged: the device has made the own list; cards: all lists are there */

    /* path between devices; `events` are those of the side queues here */
    struct un_device_comm cards; /* all; in two levels those of this node */
    struct un_device_parts card_parts;
    struct un_queue *side;     /* of `cards` */
    struct un_event *computed; /* the computation has come here */
    struct un_event *summed;   /* the partial norms of all are there */
    double *card_all;          /* device [ranks * list] */
    int32_t *card_index;       /* device: index */
    /* two levels */
    struct un_device_comm far_cards; /* those in this place of all nodes */
    struct un_queue *far_side;       /* of far_cards */
    struct un_event *handed;         /* from one of the side queues to the other */
    double *card_node;               /* device [ranks of a node * list] */
};

/* Memory, this rank alone; then the buffers; then, when all ranks have them, what they open together
 * (collective; a rank whose library fails in between returns alone). */
enum un_status un_exchange_open(struct un_exchange *x, const struct un_exchange_setup *setup);
void un_exchange_attach(struct un_exchange *x, const struct un_exchange_buffers *buffers);
enum un_status un_exchange_start(struct un_exchange *x);
void un_exchange_close(struct un_exchange *x);
/* Memory of un_exchange_open, and elements of the rank that owns the most; both before the opening. low: of the setup. */
size_t un_exchange_bytes(const struct un_exchange_route *route, const struct un_shard *shard,
                         const struct un_params *low);
int64_t un_exchange_most_owned(const struct un_shard *shard);

void un_exchange_begin(struct un_exchange *x);
/* All work that makes the gradients of [begin, end) in buffers.grads final is queued on the device. What is not final yet
 * stays one span: spans come from its end or from its beginning. */
void un_exchange_ready(struct un_exchange *x, int64_t begin, int64_t end);
/* This rank's part of bucket b. */
struct un_optim_part un_exchange_part(const struct un_exchange *x, int64_t b);
/* What is queued from here on finds this rank's part of bucket b as the sum over all ranks. Is there first what left first:
 * x->order tells the turns. */
enum un_status un_exchange_reduced(struct un_exchange *x, int64_t b);
/* optim->sums from the partial norms and words of all ranks. */
enum un_status un_exchange_norm(struct un_exchange *x);
/* This rank's part of bucket b is queued to be as it shall be, its bf16 copy too: sends it to the others. All
 * buckets, in the turns of gathering of x->order. Where there is a bf16 copy others get that of most buckets, and f32 values
 * only of what is computed with in f32 (exchange_low.h); all else that they hold as f32 is old and nobody's to read. */
enum un_status un_exchange_updated(struct un_exchange *x, int64_t b);
/* What is queued from here on finds the parameters of [begin, end), as far as they are computed with, and their bf16
 * copy, as those of all owners. */
enum un_status un_exchange_need(struct un_exchange *x, int64_t begin, int64_t end);
/* The same for all parameters: before anybody but the forward of a step looks at them. */
enum un_status un_exchange_settle(struct un_exchange *x);

/* Integers summed over the ranks; until the wait for the ticket they belong to the exchange. One process:
 * they are their sum. */
int64_t un_exchange_sum(struct un_exchange *x, int64_t *counts, int64_t n);
enum un_status un_exchange_wait(struct un_exchange *x, int64_t ticket);
/* Does communication run beside the computation? And in words, how it travels. */
bool un_exchange_beside(const struct un_exchange *x);
const char *un_exchange_way(const struct un_exchange *x);
/* Buckets whose parameters go as bf16. */
int64_t un_exchange_low_buckets(const struct un_exchange *x);
/* Of gradients and parameters. waited < 0: not known, because no host waits. */
struct un_comm_times un_exchange_times(const struct un_exchange *x);

#endif
