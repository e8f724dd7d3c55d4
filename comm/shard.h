/* Who owns which elements of the flat buffer of parameters: pure arithmetic.
 *
 * The buffer is cut into blocks of UN_PARAM_BLOCK elements (the last may be short) and, from the end towards
 * the beginning, into buckets of whole blocks: bucket 0 ends with the buffer, because the backward finishes
 * gradients in this order; the last bucket begins with it and may have fewer blocks. Of a bucket of k blocks
 * part r of n is blocks [r k / n, (r + 1) k / n). Rank r owns part r; spread over nodes, the rank in place j of
 * node d owns part j * nodes + d, so that what the ranks in the same place own stands together. Every rank has a
 * part, maybe empty, of every bucket.
 * A rank keeps what it owns packed, in the order of the buffer: its local order. One rank owns everything,
 * and its local order is the buffer itself. */
#ifndef UN_COMM_SHARD_H
#define UN_COMM_SHARD_H

#include "runtime/params.h"

struct un_shard {
    int64_t total;   /* elements of the flat buffer */
    int64_t bucket;  /* elements of a full bucket: whole blocks */
    int64_t buckets; /* 0 when total is 0 */
    int size;        /* ranks */
    int nodes; /* 1, or a divisor of size: rank r is in place r % (size / nodes) of node r / (size / nodes) */
};

/* Elements [begin, end) of the flat buffer. */
struct un_span {
    int64_t begin, end;
};

/* Buckets of as many blocks as fit into bucket_bytes of floats, at least one. */
void un_shard_set(struct un_shard *shard, int64_t total, int size, size_t bucket_bytes);
/* Owners by node and place. nodes divides size; 1 is what un_shard_set sets. */
void un_shard_spread(struct un_shard *shard, int nodes);
struct un_span un_shard_bucket(const struct un_shard *shard, int64_t b);
/* The bucket of an element. */
int64_t un_shard_find(const struct un_shard *shard, int64_t element);
/* What `rank` owns of bucket b. */
struct un_span un_shard_part(const struct un_shard *shard, int64_t b, int rank);
/* Elements and blocks `rank` owns. The last rank owns the most blocks. */
int64_t un_shard_count(const struct un_shard *shard, int rank);
int64_t un_shard_blocks(const struct un_shard *shard, int rank);
/* Where un_shard_part(b, rank) begins in the local order: elements, a multiple of UN_PARAM_BLOCK. */
int64_t un_shard_local(const struct un_shard *shard, int64_t b, int rank);

static inline int64_t un_span_count(struct un_span span) {
    return span.end - span.begin;
}

#endif
