/* Who owns which elements of the flat buffer (shard.h). Law: all buckets but the one that begins the buffer have
 * equally many blocks, and only bucket 0 holds blocks that are nobody's, so every sum over buckets has a closed
 * form. */
#include "comm/shard.h"

/* Blocks with those that fill the buffer up. */
static int64_t room_blocks(const struct un_shard *s) {
    return (un_param_blocks(s->total) + s->size - 1) / s->size * s->size;
}

void un_shard_set(struct un_shard *shard, int64_t total, int size, size_t bucket_bytes) {
    int64_t each = ((int64_t)(bucket_bytes / (UN_PARAM_BLOCK * sizeof(float))) + size / 2) / size;
    int64_t blocks = (each < 1 ? 1 : each) * size;
    *shard = (struct un_shard){.total = total, .bucket = blocks * UN_PARAM_BLOCK, .size = size, .nodes = 1};
    shard->buckets = (room_blocks(shard) + blocks - 1) / blocks;
}

void un_shard_spread(struct un_shard *shard, int nodes) {
    shard->nodes = nodes;
}

int64_t un_shard_room(const struct un_shard *s) {
    return room_blocks(s) * UN_PARAM_BLOCK;
}

int un_shard_places(const struct un_shard *s) {
    return s->size / s->nodes;
}

int un_shard_place(const struct un_shard *s, int rank) {
    int places = un_shard_places(s);
    return rank % places * s->nodes + rank / places;
}

/* Blocks of the room before the end of bucket b. */
static int64_t end_block(const struct un_shard *s, int64_t b) {
    return room_blocks(s) - b * (s->bucket / UN_PARAM_BLOCK);
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
    return (room_blocks(s) - 1 - element / UN_PARAM_BLOCK) / (s->bucket / UN_PARAM_BLOCK);
}

/* Blocks of bucket b for each rank. */
static int64_t share_blocks(const struct un_shard *s, int64_t b) {
    return (end_block(s, b) - first_block(s, b)) / s->size;
}

int64_t un_shard_share(const struct un_shard *s, int64_t b) {
    return share_blocks(s, b) * UN_PARAM_BLOCK;
}

int64_t un_shard_largest_share(const struct un_shard *s) {
    return s->buckets > 0 ? un_shard_share(s, 0) : 0;
}

int64_t un_shard_moved(const struct un_shard *s, int64_t b, enum un_type type) {
    return un_shard_share(s, b) * un_type_bytes(type) / (int64_t)sizeof(float);
}

size_t un_shard_scratch_set(const struct un_shard *s) {
    return (size_t)un_shard_largest_share(s) * (size_t)s->size;
}

size_t un_shard_scratch_rail(const struct un_shard *s) {
    return s->nodes > 1 ? (size_t)un_shard_largest_share(s) * (size_t)s->nodes : 0;
}

size_t un_shard_scratch(const struct un_shard *s) {
    return (s->nodes > 1 ? 2 : 1) * un_shard_scratch_set(s) + un_shard_scratch_rail(s);
}

struct un_span un_shard_part(const struct un_shard *s, int64_t b, int rank) {
    int64_t blocks = share_blocks(s, b), first = first_block(s, b) + un_shard_place(s, rank) * blocks;
    return span_of(s, first, first + blocks);
}

/* The buckets after b stand before it in the buffer, and the last one may be shorter. */
int64_t un_shard_local(const struct un_shard *s, int64_t b) {
    int64_t last = s->buckets - 1;
    if (b >= last) return 0;
    return (last - b - 1) * (s->bucket / s->size) + un_shard_share(s, last);
}

int64_t un_shard_count(const struct un_shard *s, int rank) {
    if (s->buckets == 0) return 0;
    return un_shard_local(s, 0) + un_span_count(un_shard_part(s, 0, rank));
}

int64_t un_shard_blocks(const struct un_shard *s, int rank) {
    return un_param_blocks(un_shard_count(s, rank));
}
