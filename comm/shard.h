/* Who owns which elements of the flat buffer of parameters: pure arithmetic.
 *
 * The buffer is cut into blocks of UN_PARAM_BLOCK elements (the last may be short) and filled up at its end with
 * blocks that are nobody's to a multiple of the ranks: its room. From the end of the room towards the beginning
 * it is cut into buckets of a multiple of the ranks too: bucket 0 ends with the buffer, because the backward
 * finishes gradients in this order; the last bucket begins with it and may have fewer blocks. So every bucket
 * has a part of the same length for every rank, its share: part r of n is the r-th of them. Rank r owns part r;
 * spread over nodes, the rank in place j of node d owns part j * nodes + d, so that what the ranks in the same
 * place own stands together. Of what fills the buffer up nobody owns anything: parts of bucket 0 end with the
 * buffer and may be empty, but whole shares are exchanged.
 * A rank keeps what it owns packed, in the order of the buffer: its local order. One rank owns everything,
 * and its local order is the buffer itself. */
#ifndef UN_COMM_SHARD_H
#define UN_COMM_SHARD_H

#include "runtime/params.h"
#include "runtime/tensor.h"

#include <stddef.h>

struct un_shard {
    int64_t total;   /* elements of the flat buffer */
    int64_t bucket;  /* elements of a full bucket: as many whole blocks for each rank */
    int64_t buckets; /* 0 when total is 0 */
    int size;        /* ranks */
    int nodes; /* 1, or a divisor of size: rank r is in place r % (size / nodes) of node r / (size / nodes) */
};

/* Elements [begin, end) of the flat buffer. */
struct un_span {
    int64_t begin, end;
};

/* Buckets of the multiple of `size` blocks nearest to bucket_bytes of floats, at least one block for each rank. */
void un_shard_set(struct un_shard *shard, int64_t total, int size, size_t bucket_bytes);
/* Owners by node and place. nodes divides size; 1 is what un_shard_set sets. */
void un_shard_spread(struct un_shard *shard, int nodes);
/* Elements that a buffer which is exchanged must have: total, and what fills it up. What stands there is
 * exchanged and has no meaning. */
int64_t un_shard_room(const struct un_shard *shard);
/* Without what fills the buffer up. */
struct un_span un_shard_bucket(const struct un_shard *shard, int64_t b);
/* The bucket of an element. */
int64_t un_shard_find(const struct un_shard *shard, int64_t element);
/* Elements of each rank's share of bucket b; of a full one. Which of the shares is rank's. */
int64_t un_shard_share(const struct un_shard *shard, int64_t b);
int64_t un_shard_largest_share(const struct un_shard *shard);
int un_shard_place(const struct un_shard *shard, int rank);
/* A share of bucket b in floats; of bf16, whose bits are moved, in pairs. */
int64_t un_shard_moved(const struct un_shard *shard, int64_t b, enum un_type type);
/* Ranks of a node. */
int un_shard_places(const struct un_shard *shard);
/* Floats of scratch for the exact sum of a bucket: a set of the own part of every rank, in two levels of what the own
 * place owns, of every rank of the node; a rail of the own part of every node, none in one level; and in all, two
 * levels with two sets, so that a level works on one while the other level has the other. */
size_t un_shard_scratch_set(const struct un_shard *shard);
size_t un_shard_scratch_rail(const struct un_shard *shard);
size_t un_shard_scratch(const struct un_shard *shard);
/* What `rank` owns of bucket b. */
struct un_span un_shard_part(const struct un_shard *shard, int64_t b, int rank);
/* Elements and blocks `rank` owns. Rank 0 owns the most blocks. */
int64_t un_shard_count(const struct un_shard *shard, int rank);
int64_t un_shard_blocks(const struct un_shard *shard, int rank);
/* Where the own part of bucket b begins in the local order of every rank: elements, a multiple of UN_PARAM_BLOCK. */
int64_t un_shard_local(const struct un_shard *shard, int64_t b);

static inline int64_t un_span_count(struct un_span span) {
    return span.end - span.begin;
}

#endif
