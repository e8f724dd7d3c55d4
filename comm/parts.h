/* A flat buffer of floats over ranks, bucket by bucket: gradients reduce-scattered, parameters all-gathered.
 * Who owns what: comm/shard.h. */
#ifndef UN_COMM_PARTS_H
#define UN_COMM_PARTS_H

#include "comm/comm.h"
#include "comm/shard.h"

/* Used by one thread at a time. Takes all its memory when it is opened. */
struct un_parts {
    struct un_shard shard;
    int *counts, *at; /* [size] parts of the bucket at hand */
    float *
        scratch; /* flat: the own part of every rank; else what the own place owns, of every rank of the node */
    /* two levels, where shard.nodes > 1 */
    float *rail;                     /* the own part of every node */
    struct un_comm *inside, *across; /* the ranks of this node by place; those in this place by node */
};

enum un_status un_parts_open(struct un_parts *parts, const struct un_shard *shard);
/* Collective, before the first bucket: opens the communicators of the two levels; one level: does nothing. They
 * belong to the thread that reduces and gathers. watched: it has no pulse of its own, so theirs are comm's. */
enum un_status un_parts_start(struct un_parts *parts, struct un_comm *comm, bool watched);
void un_parts_close(struct un_parts *parts);
size_t un_parts_bytes(const struct un_shard *shard);

/* Collective. bucket: the floats of bucket b. This rank's part of it becomes the sum over ranks; the rest is
 * left as it was. exact: added as a balanced binary tree over the ranks in rank order, (r0+r1)+(r2+r3)..., an
 * odd one going up unchanged; with a power-of-two number of ranks this completes the tree over lanes that
 * each rank began, so the bits do not depend on the number of ranks. It is an all-to-all of parts and a local
 * sum, and so moves as many bytes as a ring: (n-1)/n of the bucket per rank each way. Not exact: the
 * library's reduce-scatter. Two levels make the same additions (levels.h), or two reduce-scatters: the same
 * bytes move inside a node, but only (nodes-1)/nodes of a bucket leave it, not that much from each of its ranks. */
enum un_status un_parts_reduce(struct un_comm *comm, struct un_parts *parts, int64_t b, float *bucket,
                               bool exact);
/* Collective. Every rank brings its part of bucket b and gets the others. */
enum un_status un_parts_gather(struct un_comm *comm, struct un_parts *parts, int64_t b, float *bucket);

#endif
