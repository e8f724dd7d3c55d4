/* A flat buffer of floats over ranks, bucket by bucket: gradients reduce-scattered, parameters all-gathered.
 * Who owns what: comm/shard.h. */
#ifndef UN_COMM_PARTS_H
#define UN_COMM_PARTS_H

#include "comm/comm.h"
#include "comm/shard.h"
#include "runtime/tensor.h"

/* Parts of the bucket that a level has at hand. */
struct un_parts_cut {
    int *counts, *at; /* [size] */
};

/* Used by one thread at a time, its two levels by one each. Takes all its memory when it is opened. */
struct un_parts {
    struct un_shard shard;
    struct un_parts_cut cut;
    float *scratch; /* the own part of every rank */
    /* two levels, where shard.nodes > 1 */
    struct un_parts_cut rail_cut;
    float *sets[2]; /* of turn t, t % 2: what the own place owns, of every rank of the node */
    float *rail;    /* the own part of every node */
    struct un_comm *inside, *across; /* the ranks of this node by place; those in this place by node */
};

enum un_status un_parts_open(struct un_parts *parts, const struct un_shard *shard);
/* Collective, before the first bucket: opens the communicators of the two levels; one level: does nothing. Each
 * belongs to the thread that reduces and gathers on its level. watched: it has no pulse of its own, so theirs are comm's. */
enum un_status un_parts_start(struct un_parts *parts, struct un_comm *comm, bool watched);
void un_parts_close(struct un_parts *parts);
size_t un_parts_bytes(const struct un_shard *shard);

/* Collective. bucket: the floats of bucket b, in a buffer that has the shard's room. This rank's part of it becomes the sum over ranks; the rest is
 * left as it was. exact: added as a balanced binary tree over the ranks in rank order, (r0+r1)+(r2+r3)..., an
 * odd one going up unchanged; with a power-of-two number of ranks this completes the tree over lanes that
 * each rank began, so the bits do not depend on the number of ranks. It is an all-to-all of parts and a local
 * sum, and so moves as many bytes as a ring: (n-1)/n of the bucket per rank each way. Not exact: the
 * library's reduce-scatter. Two levels make the same additions (levels.h), or two reduce-scatters: the same
 * bytes move inside a node, but only (nodes-1)/nodes of a bucket leave it, not that much from each of its ranks. */
enum un_status un_parts_reduce(struct un_comm *comm, struct un_parts *parts, int64_t b, float *bucket,
                               bool exact);
/* Collective. Every rank brings its part of bucket b and gets the others: f32 or bf16, whose bits are moved. */
enum un_status un_parts_gather(struct un_comm *comm, struct un_parts *parts, int64_t b, void *bucket,
                               enum un_type type);

/* The same in two steps, where shard.nodes > 1: inside the node and then across the nodes, gathered the other way
 * round. Of different buckets the steps may run at once, each level in a thread of its own, all ranks taking the
 * buckets of a level in the same order. turn: which of a reduction's buckets this is, counted from 0 in that order. The
 * step inside of a turn overwrites what that of two turns before left, so it comes after the step across of that one.
 * The bucket is read by the first step and written by the second.
 * comm: the calling thread's; it only takes note of a failure. */
enum un_status un_parts_reduce_inside(struct un_comm *comm, struct un_parts *parts, int64_t b, int64_t turn,
                                      const float *bucket, bool exact);
enum un_status un_parts_reduce_across(struct un_comm *comm, struct un_parts *parts, int64_t b, int64_t turn,
                                      float *bucket, bool exact);
enum un_status un_parts_gather_across(struct un_comm *comm, struct un_parts *parts, int64_t b, void *bucket,
                                      enum un_type type);
enum un_status un_parts_gather_inside(struct un_comm *comm, struct un_parts *parts, int64_t b, void *bucket,
                                      enum un_type type);

#endif
