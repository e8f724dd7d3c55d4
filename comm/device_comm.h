/* Collectives on device memory: queued like ops, so that they run beside the computation and no host waits
 * for them. Knows addresses and lengths, but neither layers nor steps.
 *
 * All ranks queue the same collectives in the same order, from one thread. A call returns as soon as its work
 * stands on the queue of the communicator; what must come before or after it is tied with the device's events
 * (runtime/device.h). A rank that dies or a link that breaks is noticed in the background: the communicator
 * is then aborted, its work ends in some way, and `check` and every later call return the error. The waits
 * are told to a pulse (pulse.h), whose watcher ends the process when they last too long.
 *
 * The implementations are modules that are loaded when a run wants them, so that a program that was built
 * with one starts on machines that cannot use it (runtime/plugin.h). */
#ifndef UN_COMM_DEVICE_COMM_H
#define UN_COMM_DEVICE_COMM_H

#include "comm/device_memory.h"
#include "runtime/plugin.h"

struct un_device_comm;

struct un_device_comm_ops {
    /* Parts are of one length, `each` floats, one after the other: part r begins at r * each. Part r of `send`
     * goes to rank r. This rank's part of rank r's arrives at recv + slot[r] * each; slot: 0 .. size-1, each once.
     *
     * Libraries have a collective for slot[r] = r alone (ncclAlltoAll), and take it where the ranks are on one host: of
     * two ranks. From three on the slots of the sum (un_tree_plan) are 0 2 1 and 0 2 1 3, so that a level is one or two
     * additions of ranges. To receive in the order of the ranks would take size - 1 additions instead, 7 for 3 on 8
     * ranks, of as many bytes; or ranks that own part slot[r] instead of part r, which is another order of the parts of
     * a checkpoint. It would save calls on the host, 1 for 2 * size a bucket, and neither a launch nor a byte: NCCL
     * 2.28 makes the same sends and receives of it, in one kernel. Only with NCCL_CTA_POLICY_ZERO, windows and one host
     * is it done by copy engines, without a multiprocessor; that policy is not asked for, as nobody has measured it. */
    enum un_status (*exchange_parts)(struct un_device_comm *c, float *recv, const int *slot,
                                     const float *send, int64_t each);
    /* In place: this rank's part becomes the sum over all ranks, in an order of the library's; the others may
     * be spent. */
    enum un_status (*reduce_parts)(struct un_device_comm *c, float *data, int64_t each);
    /* In place: every rank brings its own part and gets the others. */
    enum un_status (*gather_parts)(struct un_device_comm *c, float *data, int64_t each);
    /* recv [size * bytes]: the blocks of all ranks in rank order. */
    enum un_status (*all_gather)(struct un_device_comm *c, void *recv, const void *send, size_t bytes);
    /* On this card. */
    enum un_status (*copy)(struct un_device_comm *c, void *dst, const void *src, size_t bytes);
    /* What has gone wrong so far, without waiting. */
    enum un_status (*check)(struct un_device_comm *c);
    /* Seconds in which collectives were under way, as far as they have ended. */
    double (*busy)(struct un_device_comm *c);
    /* Ends well when all that was queued has run, and by an abort otherwise. The queue is closed after it. */
    void (*close)(struct un_device_comm *c);
};

struct un_device_comm {
    const struct un_device_comm_ops *ops; /* NULL: not open */
    int rank, size;
    struct un_device *device; /* borrowed */
    struct un_queue *queue;   /* borrowed; every call above queues here */
    struct un_pulse *pulse;   /* borrowed; NULL: nobody watches */
    int most_ctas;            /* thread blocks that a collective takes at most; 0: the library's choice */
    bool one_host;            /* all ranks are on one */
    /* Borrowed: the library is told of its blocks, as windows where the ranks are on one host, as far as memory->reach
     * goes; until the end of the communicator. NULL: of nothing. */
    const struct un_comm_memory *memory;
    enum un_comm_reach reach; /* how it was told */
    bool untold;              /* the opening failed in that, and might not without */
    void *state;
};

/* Collective over all ranks of comm, which is used for the meeting only. *out has device, queue, pulse, most_ctas, one_host
 * and memory set and gets the rest. The status is this rank's own; after a failure out->ops is NULL, but where out->untold: what is open
 * then is to be closed, by all ranks at the same time. */
typedef enum un_status un_device_comm_opener(struct un_device_comm *out, struct un_comm *comm);

/* The table of a module. */
struct un_device_comm_module {
    uint64_t abi; /* UN_DEVICE_COMM_ABI, or it is of another build */
    un_device_comm_opener *open;
    const struct un_comm_library *library; /* NULL: it gives no memory */
};
#define UN_DEVICE_COMM_ABI                                                                                   \
    UN_PLUGIN_MIX(                                                                                           \
        UN_PLUGIN_MIX(                                                                                       \
            UN_PLUGIN_MIX(UN_PLUGIN_MIX(UN_PLUGIN_MIX(UN_PLUGIN_ABI, un_device_comm_ops), un_device_comm),   \
                          un_comm),                                                                          \
            un_comm_memory),                                                                                 \
        un_device_comm_module)

#endif
