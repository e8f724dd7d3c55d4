/* Buckets over ranks (parts.h). Law: the order of an exact sum is a function of the number of ranks alone,
 * and nothing is allocated after the opening. */
#include "comm/parts.h"

#include "comm/levels.h"
#include "runtime/memory.h"

#include <string.h>

/* Ints: counts and places, for each level. */
static size_t ints(const struct un_shard *s) {
    return (s->nodes > 1 ? 4 : 2) * (size_t)s->size;
}

size_t un_parts_bytes(const struct un_shard *s) {
    return un_shard_scratch(s) * sizeof(float) + ints(s) * sizeof(int);
}

static void lay_out(struct un_parts *p) {
    const struct un_shard *s = &p->shard;
    p->cut.at = p->cut.counts + s->size;
    p->sets[0] = p->scratch;
    if (s->nodes <= 1) return;
    p->rail_cut = (struct un_parts_cut){p->cut.at + s->size, p->cut.at + 2 * (size_t)s->size};
    p->sets[1] = p->scratch + un_shard_scratch_set(s);
    p->rail = p->sets[1] + un_shard_scratch_set(s);
}

enum un_status un_parts_open(struct un_parts *p, const struct un_shard *shard) {
    *p = (struct un_parts){.shard = *shard};
    /* Places of parts are ints of the library. */
    if (shard->bucket > INT32_MAX || un_shard_scratch_set(shard) + un_shard_scratch_rail(shard) > INT32_MAX)
        return un_fail(UN_USAGE,
                       "comm.bucket_mb: buckets of %lld elements on %d ranks need parts beyond 2^31 elements",
                       (long long)shard->bucket, shard->size);
    p->cut.counts = un_alloc(ints(shard), sizeof *p->cut.counts, "parts of a bucket");
    p->scratch = un_alloc(un_shard_scratch(shard), sizeof *p->scratch, "scratch of the gradient sum");
    if (p->cut.counts && p->scratch) {
        lay_out(p);
        return UN_OK;
    }
    un_parts_close(p);
    return UN_MEMORY;
}

enum un_status un_parts_start(struct un_parts *p, struct un_comm *comm, bool watched) {
    int nodes = p->shard.nodes, places = un_shard_places(&p->shard);
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

/* n parts of `each` elements, one after the other. */
static void set_parts(struct un_parts_cut *cut, int n, int64_t each) {
    for (int i = 0; i < n; ++i) {
        cut->counts[i] = (int)each;
        cut->at[i] = (int)(i * each);
    }
}

/* recv: parts of all ranks of comm, the sum of which becomes its first. */
static enum un_status reduce(struct un_comm *comm, const struct un_parts_cut *cut, float *recv,
                             const float *send, bool exact) {
    if (!exact) return comm->ops->reduce_scatter(comm, recv, send, cut->counts);
    UN_TRY(comm->ops->all_to_all_parts(comm, recv, send, cut->counts, cut->at));
    un_levels_sum(recv, comm->size, cut->counts[comm->rank]);
    return UN_OK;
}

/* What a place owns of bucket b, all nodes together. */
static void set_places(struct un_parts *p, int64_t b, enum un_type type) {
    set_parts(&p->cut, p->inside->size, p->shard.nodes * un_shard_moved(&p->shard, b, type));
}

static void set_rail(struct un_parts *p, int64_t b, enum un_type type) {
    set_parts(&p->rail_cut, p->shard.nodes, un_shard_moved(&p->shard, b, type));
}

/* The sum of the own part of bucket b into its place. */
static void keep_sum(const struct un_comm *comm, const struct un_parts *p, int64_t b, float *bucket,
                     const float *sum) {
    int64_t share = un_shard_share(&p->shard, b);
    memcpy(bucket + un_shard_place(&p->shard, comm->rank) * share, sum, (size_t)share * sizeof *bucket);
}

/* A level that has failed leaves the ranks anywhere. */
static enum un_status level_end(struct un_comm *comm, const struct un_comm *level, enum un_status status) {
    comm->broken = comm->broken || level->broken;
    return status;
}

enum un_status un_parts_reduce_inside(struct un_comm *comm, struct un_parts *p, int64_t b, int64_t turn,
                                      const float *bucket, bool exact) {
    set_places(p, b, UN_F32);
    return level_end(comm, p->inside, reduce(p->inside, &p->cut, p->sets[turn % 2], bucket, exact));
}

enum un_status un_parts_reduce_across(struct un_comm *comm, struct un_parts *p, int64_t b, int64_t turn,
                                      float *bucket, bool exact) {
    set_rail(p, b, UN_F32);
    UN_TRY(level_end(comm, p->across, reduce(p->across, &p->rail_cut, p->rail, p->sets[turn % 2], exact)));
    keep_sum(comm, p, b, bucket, p->rail);
    return UN_OK;
}

enum un_status un_parts_gather_across(struct un_comm *comm, struct un_parts *p, int64_t b, void *bucket,
                                      enum un_type type) {
    const struct un_parts_cut *cut = &p->rail_cut;
    float *place = (float *)bucket + p->inside->rank * p->shard.nodes * un_shard_moved(&p->shard, b, type);
    set_rail(p, b, type);
    return level_end(comm, p->across,
                     p->across->ops->all_gather_parts(p->across, place, cut->counts, cut->at));
}

enum un_status un_parts_gather_inside(struct un_comm *comm, struct un_parts *p, int64_t b, void *bucket,
                                      enum un_type type) {
    set_places(p, b, type);
    return level_end(comm, p->inside,
                     p->inside->ops->all_gather_parts(p->inside, bucket, p->cut.counts, p->cut.at));
}

enum un_status un_parts_reduce(struct un_comm *comm, struct un_parts *p, int64_t b, float *bucket,
                               bool exact) {
    if (p->inside) {
        UN_TRY(un_parts_reduce_inside(comm, p, b, 0, bucket, exact));
        return un_parts_reduce_across(comm, p, b, 0, bucket, exact);
    }
    set_parts(&p->cut, comm->size, un_shard_share(&p->shard, b));
    UN_TRY(reduce(comm, &p->cut, p->scratch, bucket, exact));
    keep_sum(comm, p, b, bucket, p->scratch);
    return UN_OK;
}

enum un_status un_parts_gather(struct un_comm *comm, struct un_parts *p, int64_t b, void *bucket,
                               enum un_type type) {
    if (p->inside) {
        UN_TRY(un_parts_gather_across(comm, p, b, bucket, type));
        return un_parts_gather_inside(comm, p, b, bucket, type);
    }
    set_parts(&p->cut, comm->size, un_shard_moved(&p->shard, b, type));
    return comm->ops->all_gather_parts(comm, bucket, p->cut.counts, p->cut.at);
}
