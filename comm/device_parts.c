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

static size_t scratch_count(const struct un_shard *s) {
    return (size_t)un_shard_largest_share(s) * (size_t)s->size;
}

size_t un_device_parts_bytes(const struct un_shard *s) {
    return scratch_count(s) * sizeof(float);
}

enum un_status un_device_parts_open(struct un_device_parts *p, const struct un_shard *shard,
                                    struct un_device *device) {
    *p = (struct un_device_parts){.shard = *shard, .device = device};
    if (shard->bucket > INT32_MAX || scratch_count(shard) > INT32_MAX)
        return un_fail(UN_USAGE,
                       "comm.bucket_mb: buckets of %lld elements on %d ranks need parts beyond 2^31 elements",
                       (long long)shard->bucket, shard->size);
    p->counts = un_alloc(3 * (size_t)shard->size, sizeof *p->counts, "parts of a bucket");
    p->scratch = device->mem->alloc(device, un_device_parts_bytes(shard), "scratch of the gradient sum");
    if (!p->counts || !p->scratch) {
        un_device_parts_close(p);
        return UN_MEMORY;
    }
    p->at = p->counts + shard->size;
    p->slot = p->at + shard->size;
    p->n_adds = un_tree_plan(shard->size, p->slot, p->adds);
    return UN_OK;
}

void un_device_parts_close(struct un_device_parts *p) {
    un_free(p->counts);
    if (p->scratch) p->device->mem->free(p->device, p->scratch);
    *p = (struct un_device_parts){0};
}

static void set_parts(struct un_device_parts *p, int64_t b) {
    int64_t share = un_shard_share(&p->shard, b);
    for (int r = 0; r < p->shard.size; ++r) {
        p->counts[r] = (int)share;
        p->at[r] = (int)(un_shard_place(&p->shard, r) * share);
    }
}

enum un_status un_device_parts_reduce(struct un_device_comm *c, struct un_device_parts *p, int64_t b,
                                      float *bucket, bool exact) {
    set_parts(p, b);
    if (!exact) return c->ops->reduce_parts(c, bucket, p->counts, p->at);
    UN_TRY(c->ops->exchange_parts(c, p->scratch, p->slot, bucket, p->counts, p->at));
    int64_t mine = p->counts[c->rank];
    for (int i = 0; i < p->n_adds; ++i) {
        const struct un_tree_add *a = &p->adds[i];
        c->device->ops->add(c->queue, p->scratch + a->to * mine, p->scratch + a->from * mine,
                            a->count * mine);
    }
    return c->ops->copy(c, bucket + p->at[c->rank], p->scratch, (size_t)mine * sizeof *bucket);
}

enum un_status un_device_parts_gather(struct un_device_comm *c, struct un_device_parts *p, int64_t b,
                                      float *bucket) {
    set_parts(p, b);
    return c->ops->gather_parts(c, bucket, p->counts, p->at);
}
