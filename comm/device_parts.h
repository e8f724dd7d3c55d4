/* comm/parts.h on device memory: buckets reduced and gathered by queued collectives (device_comm.h), with the
 * same bits. The exact sum is an all-to-all of parts and the device's own `add`, level by level of the tree. */
#ifndef UN_COMM_DEVICE_PARTS_H
#define UN_COMM_DEVICE_PARTS_H

#include "comm/device_comm.h"
#include "comm/shard.h"

/* blocks [to, to + count) += blocks [from, from + count) */
struct un_tree_add {
    int to, from, count;
};
enum { UN_TREE_ADDS = 64 }; /* at most two a level */

/* The tree of un_parts_reduce over `size` blocks, laid out so that a level is one addition of two ranges, or
 * two where a block goes up alone: slot[r] is the place of rank r's block, adds [UN_TREE_ADDS] in their
 * order; the sum ends in block 0. Returns the number of adds. Which blocks meet, and when, is the same as in
 * un_parts_reduce; which of two equal partners receives the sum is not, and does not change it. */
int un_tree_plan(int size, int *slot, struct un_tree_add *adds);

/* Takes all its memory when it is opened: one bucket of scratch on the device. */
struct un_device_parts {
    struct un_shard shard;
    int *counts, *at, *slot; /* [size] */
    struct un_tree_add adds[UN_TREE_ADDS];
    int n_adds;
    struct un_device *device; /* borrowed */
    float *scratch;           /* device: the own part of every rank */
};

enum un_status un_device_parts_open(struct un_device_parts *parts, const struct un_shard *shard,
                                    struct un_device *device);
void un_device_parts_close(struct un_device_parts *parts);
size_t un_device_parts_bytes(const struct un_shard *shard);

/* As un_parts_reduce and un_parts_gather, on device memory: queued on the communicator's queue. Not exact:
 * the rest of the bucket may be spent. */
enum un_status un_device_parts_reduce(struct un_device_comm *comm, struct un_device_parts *parts, int64_t b,
                                      float *bucket, bool exact);
enum un_status un_device_parts_gather(struct un_device_comm *comm, struct un_device_parts *parts, int64_t b,
                                      float *bucket);

#endif
