/* Buckets over ranks on device memory (device_parts.h). Law: a level of the tree is added by at most two ops,
 * whatever the number of ranks. The exact sum of a bucket of B bytes on n ranks moves 3 (n - 1) / n B bytes
 * of device memory beside the exchange itself, where one kernel over all n blocks would move (n + 1) / n B:
 * on a card that copies 4 TB/s, 10 microseconds more for 25 MiB, which a link of 400 GB/s carries in 50. */
#include "comm/device_parts.h"

#include "runtime/memory.h"
#include "runtime/ops.h"

int un_tree_plan(int size, int *slot, struct un_tree_add *adds) {
    int width[32], levels = 0, n = 0; /* width[l]: blocks that level l has, the leaves first */
    for (int m = size; m > 1; m = m / 2 + m % 2) width[levels++] = m;
    slot[0] = 0;
    /* From the root down: block k of the level above splits into 2k, which keeps its place, and 2k + 1. */
    for (int l = levels - 1; l >= 0; --l) {
        int m = width[l], up = m / 2 + m % 2, alone = m % 2 ? slot[up - 1] : up;
        for (int k = up - 1; k >= 0; --k) {
            int at = slot[k];
            slot[2 * k] = at;
            if (2 * k + 1 < m) slot[2 * k + 1] = up + at - (at > alone);
        }
    }
    for (int l = 0; l < levels; ++l) {
        int m = width[l], up = m / 2 + m % 2, alone = up;
        if (m % 2) { /* the last of this level, whose place is that of its leftmost leaf */
            int64_t leaf = (int64_t)(m - 1) << l;
            alone = slot[leaf];
        }
        if (alone > 0) adds[n++] = (struct un_tree_add){0, up, alone < m - up ? alone : m - up};
        if (alone + 1 < up) adds[n++] = (struct un_tree_add){alone + 1, up + alone, up - alone - 1};
    }
    return n;
}

size_t un_device_parts_bytes(const struct un_shard *s) {
    return un_shard_scratch(s) * sizeof(float);
}

static void cut_open(struct un_device_cut *cut, int *slots, int ranks) {
    cut->slot = slots;
    cut->n_adds = un_tree_plan(ranks, slots, cut->adds);
}

enum un_status un_device_parts_open(struct un_device_parts *p, const struct un_shard *shard, int rank,
                                    struct un_comm_memory *memory) {
    int places = un_shard_places(shard);
    *p = (struct un_device_parts){.shard = *shard, .rank = rank, .memory = memory};
    int *slots = un_alloc((size_t)(places + shard->nodes), sizeof *slots, "parts of a bucket");
    p->cut.slot = slots;
    p->sets[0] = un_comm_memory_take(memory, un_device_parts_bytes(shard), "scratch of the gradient sum");
    if (!slots || !p->sets[0]) {
        un_device_parts_close(p);
        return UN_MEMORY;
    }
    cut_open(&p->cut, slots, places);
    cut_open(&p->far_cut, slots + places, shard->nodes);
    if (shard->nodes > 1) {
        p->sets[1] = p->sets[0] + un_shard_scratch_set(shard);
        p->rail = p->sets[1] + un_shard_scratch_set(shard);
    } else
        p->sets[1] = p->sets[0]; /* one queue: a bucket is done before the next one begins */
    return UN_OK;
}

void un_device_parts_close(struct un_device_parts *p) {
    un_free(p->cut.slot);
    if (p->memory) un_comm_memory_give(p->memory, p->sets[0]);
    *p = (struct un_device_parts){0};
}

/* What each place owns of bucket b, all nodes together; one level: each rank. */
static void set_places(struct un_device_parts *p, int64_t b, enum un_type type) {
    p->cut.each = p->shard.nodes * un_shard_moved(&p->shard, b, type);
}

/* What the ranks of the own place own of bucket b, by node. Returns where the first begins in the bucket. */
static int64_t set_nodes(struct un_device_parts *p, int64_t b, enum un_type type) {
    const struct un_shard *s = &p->shard;
    int64_t share = un_shard_moved(&p->shard, b, type);
    p->far_cut.each = share;
    return p->rank % un_shard_places(s) * s->nodes * share;
}

/* The own part of every rank of c into the blocks of recv, the first of which becomes their sum. */
static enum un_status add_up(struct un_device_comm *c, const struct un_device_cut *cut, float *recv,
                             const float *send) {
    int64_t mine = cut->each;
    UN_TRY(c->ops->exchange_parts(c, recv, cut->slot, send, mine));
    for (int i = 0; i < cut->n_adds; ++i) {
        const struct un_tree_add *a = &cut->adds[i];
        c->device->ops->add(c->queue, recv + a->to * mine, recv + a->from * mine, a->count * mine);
    }
    return UN_OK;
}

/* The sum into its place of the bucket. */
static enum un_status keep_sum(struct un_device_comm *c, const struct un_device_parts *p, int64_t b,
                               float *bucket, const float *sum) {
    int64_t share = un_shard_share(&p->shard, b);
    return c->ops->copy(c, bucket + un_shard_place(&p->shard, p->rank) * share, sum,
                        (size_t)share * sizeof *bucket);
}

enum un_status un_device_parts_reduce(struct un_device_comm *c, struct un_device_parts *p, int64_t b,
                                      float *bucket, bool exact) {
    UN_TRY(un_device_parts_reduce_inside(c, p, b, 0, bucket, exact));
    return exact ? keep_sum(c, p, b, bucket, p->sets[0]) : UN_OK;
}

enum un_status un_device_parts_gather(struct un_device_comm *c, struct un_device_parts *p, int64_t b,
                                      void *bucket, enum un_type type) {
    return un_device_parts_gather_inside(c, p, b, bucket, type);
}

enum un_status un_device_parts_reduce_inside(struct un_device_comm *near, struct un_device_parts *p,
                                             int64_t b, int64_t turn, float *bucket, bool exact) {
    const struct un_device_cut *cut = &p->cut;
    set_places(p, b, UN_F32);
    if (!exact) return near->ops->reduce_parts(near, bucket, cut->each);
    return add_up(near, cut, p->sets[turn % 2], bucket);
}

enum un_status un_device_parts_reduce_across(struct un_device_comm *far, struct un_device_parts *p, int64_t b,
                                             int64_t turn, float *bucket, bool exact) {
    const struct un_device_cut *cut = &p->far_cut;
    int64_t at = set_nodes(p, b, UN_F32);
    if (!exact) return far->ops->reduce_parts(far, bucket + at, cut->each);
    UN_TRY(add_up(far, cut, p->rail, p->sets[turn % 2]));
    return keep_sum(far, p, b, bucket, p->rail);
}

enum un_status un_device_parts_gather_across(struct un_device_comm *far, struct un_device_parts *p, int64_t b,
                                             void *bucket, enum un_type type) {
    int64_t at = set_nodes(p, b, type);
    return far->ops->gather_parts(far, (float *)bucket + at, p->far_cut.each);
}

enum un_status un_device_parts_gather_inside(struct un_device_comm *near, struct un_device_parts *p,
                                             int64_t b, void *bucket, enum un_type type) {
    set_places(p, b, type);
    return near->ops->gather_parts(near, bucket, p->cut.each);
}
