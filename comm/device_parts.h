/* comm/parts.h on device memory: buckets reduced and gathered by queued collectives (device_comm.h), with the
 * same bits. The exact sum is an all-to-all of parts and the device's own `add`, level by level of the tree. */
#ifndef UN_COMM_DEVICE_PARTS_H
#define UN_COMM_DEVICE_PARTS_H

#include "comm/device_comm.h"
#include "comm/shard.h"
#include "runtime/tensor.h"

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

/* The ranks of a level: the length of a part of the bucket at hand, and the tree over them. */
struct un_device_cut {
    int64_t each;
    int *slot; /* [ranks] */
    struct un_tree_add adds[UN_TREE_ADDS];
    int n_adds;
};

/* Takes all its memory when it is opened: one bucket of scratch on the device, in two levels two of them and as much
 * as a place owns of one. */
struct un_device_parts {
    struct un_shard shard;
    int rank;                      /* of all */
    struct un_device_cut cut;      /* over all ranks; in two levels over those of a node */
    struct un_device_cut far_cut;  /* two levels: over the nodes */
    struct un_comm_memory *memory; /* borrowed */
    float *sets[2]; /* device: the own part of every rank; in two levels, of turn t, t % 2: what the own place
                       owns, of every rank of the node */
    float *rail;    /* device: the own part of every node */
};

/* rank: this one, of all. */
enum un_status un_device_parts_open(struct un_device_parts *parts, const struct un_shard *shard, int rank,
                                    struct un_comm_memory *memory);
void un_device_parts_close(struct un_device_parts *parts);
size_t un_device_parts_bytes(const struct un_shard *shard);

/* As un_parts_reduce and un_parts_gather, on device memory: queued on the communicator's queue. Not exact:
 * the rest of the bucket may be spent. */
enum un_status un_device_parts_reduce(struct un_device_comm *comm, struct un_device_parts *parts, int64_t b,
                                      float *bucket, bool exact);
enum un_status un_device_parts_gather(struct un_device_comm *comm, struct un_device_parts *parts, int64_t b,
                                      void *bucket, enum un_type type);

/* The two steps of two levels, where shard.nodes > 1, as those of comm/parts.h. near: the ranks of this node by
 * place; far: those in this place by node. Each is queued on its own communicator's queue: the caller ties them by
 * events, the step inside of a turn after the step across of two turns before, whose scratch it overwrites. Not
 * exact: no scratch is used, and the rest of the bucket may be spent. */
enum un_status un_device_parts_reduce_inside(struct un_device_comm *near, struct un_device_parts *parts,
                                             int64_t b, int64_t turn, float *bucket, bool exact);
enum un_status un_device_parts_reduce_across(struct un_device_comm *far, struct un_device_parts *parts,
                                             int64_t b, int64_t turn, float *bucket, bool exact);
enum un_status un_device_parts_gather_across(struct un_device_comm *far, struct un_device_parts *parts,
                                             int64_t b, void *bucket, enum un_type type);
enum un_status un_device_parts_gather_inside(struct un_device_comm *near, struct un_device_parts *parts,
                                             int64_t b, void *bucket, enum un_type type);

#endif
