/* Who owns which elements of the flat buffer (shard.h). Law: only the bucket that ends the buffer has a short
 * block and only the one that begins it has fewer blocks, so every sum over buckets has a closed form. */
#include "comm/shard.h"

void un_shard_set(struct un_shard *shard, int64_t total, int size, size_t bucket_bytes) {
    int64_t blocks = (int64_t)(bucket_bytes / (UN_PARAM_BLOCK * sizeof(float)));
    int64_t all = un_param_blocks(total);
    if (blocks < 1) blocks = 1;
    *shard = (struct un_shard){.total = total,
                               .bucket = blocks * UN_PARAM_BLOCK,
                               .buckets = all / blocks + (all % blocks != 0),
                               .size = size,
                               .nodes = 1};
}

void un_shard_spread(struct un_shard *shard, int nodes) {
    shard->nodes = nodes;
}

/* Which part of a bucket is `rank`'s. The last rank has the last part. */
static int part_of(const struct un_shard *s, int rank) {
    int places = s->size / s->nodes;
    return rank % places * s->nodes + rank / places;
}

/* Blocks before the end of bucket b. */
static int64_t end_block(const struct un_shard *s, int64_t b) {
    return un_param_blocks(s->total) - b * (s->bucket / UN_PARAM_BLOCK);
}

static int64_t first_block(const struct un_shard *s, int64_t b) {
    int64_t block = end_block(s, b + 1);
    return block > 0 ? block : 0;
}

/* The span of the blocks [first, end). */
static struct un_span span_of(const struct un_shard *s, int64_t first, int64_t end) {
    int64_t begin = first * UN_PARAM_BLOCK, after = end * UN_PARAM_BLOCK;
    return (struct un_span){begin < s->total ? begin : s->total, after < s->total ? after : s->total};
}

struct un_span un_shard_bucket(const struct un_shard *s, int64_t b) {
    return span_of(s, first_block(s, b), end_block(s, b));
}

int64_t un_shard_find(const struct un_shard *s, int64_t element) {
    return (un_param_blocks(s->total) - 1 - element / UN_PARAM_BLOCK) / (s->bucket / UN_PARAM_BLOCK);
}

/* Blocks of a bucket of k before part `part`. */
static int64_t before(const struct un_shard *s, int64_t k, int part) {
    return k * part / s->size;
}

static int64_t part_blocks(const struct un_shard *s, int64_t k, int rank) {
    int part = part_of(s, rank);
    return before(s, k, part + 1) - before(s, k, part);
}

struct un_span un_shard_part(const struct un_shard *s, int64_t b, int rank) {
    int64_t first = first_block(s, b), k = end_block(s, b) - first;
    int part = part_of(s, rank);
    return span_of(s, first + before(s, k, part), first + before(s, k, part + 1));
}

/* Blocks of `rank` in the buckets from b on, which stand before bucket b - 1 in the buffer. */
static int64_t blocks_from(const struct un_shard *s, int64_t b, int rank) {
    if (b >= s->buckets) return 0;
    int64_t last = s->buckets - 1;
    return (last - b) * part_blocks(s, s->bucket / UN_PARAM_BLOCK, rank) +
           part_blocks(s, end_block(s, last), rank);
}

int64_t un_shard_blocks(const struct un_shard *s, int rank) {
    return blocks_from(s, 0, rank);
}

int64_t un_shard_count(const struct un_shard *s, int rank) {
    if (s->buckets == 0) return 0;
    return un_shard_local(s, 0, rank) + un_span_count(un_shard_part(s, 0, rank));
}

int64_t un_shard_local(const struct un_shard *s, int64_t b, int rank) {
    return blocks_from(s, b + 1, rank) * UN_PARAM_BLOCK;
}
