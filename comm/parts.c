/* Buckets over ranks (parts.h). Law: the order of an exact sum is a function of the number of ranks alone,
 * and nothing is allocated after the opening. */
#include "comm/parts.h"

#include "comm/levels.h"
#include "runtime/memory.h"

#include <string.h>

/* Elements of the largest of n parts of a bucket. */
static size_t most_of(const struct un_shard *s, int64_t n) {
    int64_t blocks = un_param_blocks(s->total), k = s->bucket / UN_PARAM_BLOCK;
    if (k > blocks) k = blocks;
    return (size_t)((k + n - 1) / n * UN_PARAM_BLOCK);
}

static int places_of(const struct un_shard *s) {
    return s->size / s->nodes;
}

/* From each rank of the node: its part, or what the ranks in the own place own together. */
static size_t scratch_count(const struct un_shard *s) {
    return most_of(s, places_of(s)) * (size_t)places_of(s);
}

static size_t rail_count(const struct un_shard *s) {
    return s->nodes > 1 ? most_of(s, s->size) * (size_t)s->nodes : 0;
}

size_t un_parts_bytes(const struct un_shard *s) {
    return (scratch_count(s) + rail_count(s)) * sizeof(float) + 2 * (size_t)s->size * sizeof(int);
}

enum un_status un_parts_open(struct un_parts *p, const struct un_shard *shard) {
    *p = (struct un_parts){.shard = *shard};
    /* Places of parts are ints of the library. */
    if (shard->bucket > INT32_MAX || scratch_count(shard) + rail_count(shard) > INT32_MAX)
        return un_fail(UN_USAGE,
                       "comm.bucket_mb: buckets of %lld elements on %d ranks need parts beyond 2^31 elements",
                       (long long)shard->bucket, shard->size);
    p->counts = un_alloc((size_t)shard->size, sizeof *p->counts, "parts of a bucket");
    p->at = un_alloc((size_t)shard->size, sizeof *p->at, "parts of a bucket");
    p->scratch =
        un_alloc(scratch_count(shard) + rail_count(shard), sizeof *p->scratch, "scratch of the gradient sum");
    if (p->counts && p->at && p->scratch) {
        p->rail = p->scratch + scratch_count(shard);
        return UN_OK;
    }
    un_parts_close(p);
    return UN_MEMORY;
}

enum un_status un_parts_start(struct un_parts *p, struct un_comm *comm, bool watched) {
    int nodes = p->shard.nodes, places = places_of(&p->shard);
    if (nodes <= 1) return UN_OK;
    UN_TRY(comm->ops->split(comm, comm->rank / places, &p->inside));
    UN_TRY(comm->ops->split(comm, comm->rank % places, &p->across));
    UN_ASSERT(p->inside->size == places && p->across->size == nodes);
    if (watched && comm->pulses) {
        un_pulse_watch(p->inside, comm->pulses);
        un_pulse_watch(p->across, comm->pulses);
    }
    return UN_OK;
}

void un_parts_close(struct un_parts *p) {
    un_comm_close(p->across);
    un_comm_close(p->inside);
    un_free(p->counts);
    un_free(p->at);
    un_free(p->scratch);
    *p = (struct un_parts){0};
}

/* What ranks first, first + step, ... own of bucket b, `count` parts that stand one after the other: their places
 * counted from the first. */
static void set_parts(struct un_parts *p, int64_t b, int first, int step, int count) {
    int64_t begin = un_shard_part(&p->shard, b, first).begin;
    for (int i = 0; i < count; ++i) {
        struct un_span part = un_shard_part(&p->shard, b, first + i * step);
        p->counts[i] = (int)un_span_count(part);
        p->at[i] = (int)(part.begin - begin);
    }
}

/* What the places own of bucket b, all nodes together. */
static void set_places(struct un_parts *p, int64_t b) {
    int places = places_of(&p->shard);
    int64_t begin = un_shard_bucket(&p->shard, b).begin;
    for (int j = 0; j < places; ++j) {
        int64_t from = un_shard_part(&p->shard, b, j).begin;
        p->counts[j] = (int)(un_shard_part(&p->shard, b, p->shard.size - places + j).end - from);
        p->at[j] = (int)(from - begin);
    }
}

/* recv: parts of all ranks of comm, the sum of which becomes its first. */
static enum un_status reduce(struct un_comm *comm, struct un_parts *p, float *recv, const float *send,
                             bool exact) {
    if (!exact) return comm->ops->reduce_scatter(comm, recv, send, p->counts);
    UN_TRY(comm->ops->all_to_all_parts(comm, recv, send, p->counts, p->at));
    un_levels_sum(recv, comm->size, p->counts[comm->rank]);
    return UN_OK;
}

static enum un_status reduce_two(struct un_parts *p, int64_t b, const float *bucket, bool exact) {
    set_places(p, b);
    UN_TRY(reduce(p->inside, p, p->scratch, bucket, exact));
    set_parts(p, b, p->inside->rank, p->inside->size, p->across->size);
    return reduce(p->across, p, p->rail, p->scratch, exact);
}

static enum un_status gather_two(struct un_parts *p, int64_t b, float *bucket) {
    int64_t at = un_shard_part(&p->shard, b, p->inside->rank).begin - un_shard_bucket(&p->shard, b).begin;
    set_parts(p, b, p->inside->rank, p->inside->size, p->across->size);
    UN_TRY(p->across->ops->all_gather_parts(p->across, bucket + at, p->counts, p->at));
    set_places(p, b);
    return p->inside->ops->all_gather_parts(p->inside, bucket, p->counts, p->at);
}

/* A level that has failed leaves the ranks anywhere. */
static enum un_status levels_end(struct un_comm *comm, const struct un_parts *p, enum un_status status) {
    comm->broken = comm->broken || p->inside->broken || p->across->broken;
    return status;
}

enum un_status un_parts_reduce(struct un_comm *comm, struct un_parts *p, int64_t b, float *bucket,
                               bool exact) {
    const float *sum = p->inside ? p->rail : p->scratch;
    struct un_span own = un_shard_part(&p->shard, b, comm->rank);
    if (p->inside)
        UN_TRY(levels_end(comm, p, reduce_two(p, b, bucket, exact)));
    else {
        set_parts(p, b, 0, 1, comm->size);
        UN_TRY(reduce(comm, p, p->scratch, bucket, exact));
    }
    if (un_span_count(own) > 0)
        memcpy(bucket + (own.begin - un_shard_bucket(&p->shard, b).begin), sum,
               (size_t)un_span_count(own) * sizeof *bucket);
    return UN_OK;
}

enum un_status un_parts_gather(struct un_comm *comm, struct un_parts *p, int64_t b, float *bucket) {
    if (p->inside) return levels_end(comm, p, gather_two(p, b, bucket));
    set_parts(p, b, 0, 1, comm->size);
    return comm->ops->all_gather_parts(comm, bucket, p->counts, p->at);
}
