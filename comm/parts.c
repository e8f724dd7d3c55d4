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

/* Floats in all: two sets, so that a level works on one while the other level has the other. */
static size_t floats(const struct un_shard *s) {
    return (s->nodes > 1 ? 2 : 1) * scratch_count(s) + rail_count(s);
}

/* Ints: counts and places, for each level. */
static size_t ints(const struct un_shard *s) {
    return (s->nodes > 1 ? 4 : 2) * (size_t)s->size;
}

size_t un_parts_bytes(const struct un_shard *s) {
    return floats(s) * sizeof(float) + ints(s) * sizeof(int);
}

static void lay_out(struct un_parts *p) {
    const struct un_shard *s = &p->shard;
    p->cut.at = p->cut.counts + s->size;
    p->sets[0] = p->scratch;
    if (s->nodes <= 1) return;
    p->rail_cut = (struct un_parts_cut){p->cut.at + s->size, p->cut.at + 2 * (size_t)s->size};
    p->sets[1] = p->scratch + scratch_count(s);
    p->rail = p->sets[1] + scratch_count(s);
}

enum un_status un_parts_open(struct un_parts *p, const struct un_shard *shard) {
    *p = (struct un_parts){.shard = *shard};
    /* Places of parts are ints of the library. */
    if (shard->bucket > INT32_MAX || scratch_count(shard) + rail_count(shard) > INT32_MAX)
        return un_fail(UN_USAGE,
                       "comm.bucket_mb: buckets of %lld elements on %d ranks need parts beyond 2^31 elements",
                       (long long)shard->bucket, shard->size);
    p->cut.counts = un_alloc(ints(shard), sizeof *p->cut.counts, "parts of a bucket");
    p->scratch = un_alloc(floats(shard), sizeof *p->scratch, "scratch of the gradient sum");
    if (p->cut.counts && p->scratch) {
        lay_out(p);
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
    un_free(p->cut.counts);
    un_free(p->scratch);
    *p = (struct un_parts){0};
}

/* What ranks first, first + step, ... own of bucket b, `count` parts that stand one after the other: their places
 * counted from the first. */
static void set_parts(const struct un_shard *s, struct un_parts_cut *cut, int64_t b, int first, int step,
                      int count) {
    int64_t begin = un_shard_part(s, b, first).begin;
    for (int i = 0; i < count; ++i) {
        struct un_span part = un_shard_part(s, b, first + i * step);
        cut->counts[i] = (int)un_span_count(part);
        cut->at[i] = (int)(part.begin - begin);
    }
}

/* What the places own of bucket b, all nodes together. */
static void set_places(struct un_parts *p, int64_t b) {
    int places = places_of(&p->shard);
    int64_t begin = un_shard_bucket(&p->shard, b).begin;
    for (int j = 0; j < places; ++j) {
        int64_t from = un_shard_part(&p->shard, b, j).begin;
        p->cut.counts[j] = (int)(un_shard_part(&p->shard, b, p->shard.size - places + j).end - from);
        p->cut.at[j] = (int)(from - begin);
    }
}

/* What the ranks of the own place own of bucket b. */
static void set_rail(struct un_parts *p, int64_t b) {
    set_parts(&p->shard, &p->rail_cut, b, p->inside->rank, p->inside->size, p->across->size);
}

/* recv: parts of all ranks of comm, the sum of which becomes its first. */
static enum un_status reduce(struct un_comm *comm, const struct un_parts_cut *cut, float *recv,
                             const float *send, bool exact) {
    if (!exact) return comm->ops->reduce_scatter(comm, recv, send, cut->counts);
    UN_TRY(comm->ops->all_to_all_parts(comm, recv, send, cut->counts, cut->at));
    un_levels_sum(recv, comm->size, cut->counts[comm->rank]);
    return UN_OK;
}

/* The sum of the own part of bucket b into its place. */
static void keep_sum(const struct un_comm *comm, const struct un_parts *p, int64_t b, float *bucket,
                     const float *sum) {
    struct un_span own = un_shard_part(&p->shard, b, comm->rank);
    if (un_span_count(own) == 0) return;
    memcpy(bucket + (own.begin - un_shard_bucket(&p->shard, b).begin), sum,
           (size_t)un_span_count(own) * sizeof *bucket);
}

/* A level that has failed leaves the ranks anywhere. */
static enum un_status level_end(struct un_comm *comm, const struct un_comm *level, enum un_status status) {
    comm->broken = comm->broken || level->broken;
    return status;
}

enum un_status un_parts_reduce_inside(struct un_comm *comm, struct un_parts *p, int64_t b,
                                      const float *bucket, bool exact) {
    set_places(p, b);
    return level_end(comm, p->inside, reduce(p->inside, &p->cut, p->sets[b % 2], bucket, exact));
}

enum un_status un_parts_reduce_across(struct un_comm *comm, struct un_parts *p, int64_t b, float *bucket,
                                      bool exact) {
    set_rail(p, b);
    UN_TRY(level_end(comm, p->across, reduce(p->across, &p->rail_cut, p->rail, p->sets[b % 2], exact)));
    keep_sum(comm, p, b, bucket, p->rail);
    return UN_OK;
}

enum un_status un_parts_gather_across(struct un_comm *comm, struct un_parts *p, int64_t b, float *bucket) {
    const struct un_parts_cut *cut = &p->rail_cut;
    float *place =
        bucket + (un_shard_part(&p->shard, b, p->inside->rank).begin - un_shard_bucket(&p->shard, b).begin);
    set_rail(p, b);
    return level_end(comm, p->across,
                     p->across->ops->all_gather_parts(p->across, place, cut->counts, cut->at));
}

enum un_status un_parts_gather_inside(struct un_comm *comm, struct un_parts *p, int64_t b, float *bucket) {
    set_places(p, b);
    return level_end(comm, p->inside,
                     p->inside->ops->all_gather_parts(p->inside, bucket, p->cut.counts, p->cut.at));
}

enum un_status un_parts_reduce(struct un_comm *comm, struct un_parts *p, int64_t b, float *bucket,
                               bool exact) {
    if (p->inside) {
        UN_TRY(un_parts_reduce_inside(comm, p, b, bucket, exact));
        return un_parts_reduce_across(comm, p, b, bucket, exact);
    }
    set_parts(&p->shard, &p->cut, b, 0, 1, comm->size);
    UN_TRY(reduce(comm, &p->cut, p->scratch, bucket, exact));
    keep_sum(comm, p, b, bucket, p->scratch);
    return UN_OK;
}

enum un_status un_parts_gather(struct un_comm *comm, struct un_parts *p, int64_t b, float *bucket) {
    if (p->inside) {
        UN_TRY(un_parts_gather_across(comm, p, b, bucket));
        return un_parts_gather_inside(comm, p, b, bucket);
    }
    set_parts(&p->shard, &p->cut, b, 0, 1, comm->size);
    return comm->ops->all_gather_parts(comm, bucket, p->cut.counts, p->cut.at);
}
