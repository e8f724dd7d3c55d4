/* Device memory that collectives between cards move (device_comm.h).
 *
 * Their library may give memory itself and be told of it ("registered") before it is used. Cards of a host then reach
 * into each other's, and adapters into the card's, where otherwise every byte is copied once more through a buffer of
 * the library's. What is told is a whole block; collectives may take any range inside of it, which has to begin
 * equally far into the block on all ranks (but for the part of one's own of a collective in place). Either all ranks
 * tell the library of a block or none does, so they agree on it first. No byte that a collective delivers depends on
 * it; an order of the library's (reduce_parts) may. */
#ifndef UN_COMM_DEVICE_MEMORY_H
#define UN_COMM_DEVICE_MEMORY_H

#include "comm/comm.h"
#include "runtime/device.h"

/* What a library can be told, each including those before: nothing; of buffers, by each rank for itself; of windows,
 * by all ranks together, which have such memory at the same places. */
enum un_comm_reach { UN_REACH_NONE, UN_REACH_BUFFERS, UN_REACH_WINDOWS };

/* The table of a library, as it is at run time. */
struct un_comm_library {
    /* name [bytes]: the library's, with its version. */
    enum un_comm_reach (*reach)(char *name, size_t bytes);
    /* As alloc and free of struct un_device_ops, on the card of the queue. Free waits for all work of the card. */
    void *(*alloc)(struct un_device *device, struct un_queue *queue, size_t bytes, const char *what);
    void (*free)(struct un_device *device, struct un_queue *queue, void *data);
};

/* UN_COMM_GRAIN: a library gives memory in multiples of it. */
enum { UN_COMM_BLOCKS = 8, UN_COMM_GRAIN = 2 << 20 };

struct un_comm_block {
    void *data;
    size_t bytes;
};

/* Filled with device, queue, library and must; zeros else. */
struct un_comm_memory {
    struct un_device *device;                    /* borrowed */
    struct un_queue *queue;                      /* borrowed: of the computation */
    const struct un_comm_library *library;       /* NULL: memory is the device's own */
    bool must;                                   /* comm.register: on */
    bool failed;                                 /* the library had no memory for some block */
    enum un_comm_reach reach;                    /* of un_comm_memory_agree */
    struct un_comm_block blocks[UN_COMM_BLOCKS]; /* of the library */
    int n;
};

/* Zeros, [bytes] on the device: of the library, or else the device's own, unless it must be. NULL: UN_MEMORY. At most
 * UN_COMM_BLOCKS at a time, and the same on all ranks in the same order. Owner: caller, un_comm_memory_give. */
void *un_comm_memory_take(struct un_comm_memory *m, size_t bytes, const char *what);
/* After the communicators that were told of it are closed. NULL: nothing. */
void un_comm_memory_give(struct un_comm_memory *m, void *data);
/* Collective, after all was taken: m->reach on all ranks alike, that of the library that can least; none where a rank
 * could not have its blocks. */
enum un_status un_comm_memory_agree(struct un_comm_memory *m, struct un_comm *comm);
/* What a block of so many bytes takes on the card, before it is taken. */
size_t un_comm_memory_room(const struct un_comm_library *library, size_t bytes);

#endif
