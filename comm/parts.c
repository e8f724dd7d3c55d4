/* Buckets over ranks (parts.h). Law: the order of an exact sum is a function of the number of ranks alone,
 * and nothing is allocated after the opening. */
#include "comm/parts.h"

#include "comm/levels.h"
#include "runtime/memory.h"

#include <string.h>

/* Elements of the largest part of a bucket. */
static size_t most_of(const struct un_shard *s) {
    int64_t blocks = un_param_blocks(s->total), k = s->bucket / UN_PARAM_BLOCK;
    if (k > blocks) k = blocks;
    return (size_t)((k + s->size - 1) / s->size * UN_PARAM_BLOCK);
}

static size_t scratch_count(const struct un_shard *s) {
    return most_of(s) * (size_t)s->size;
}

size_t un_parts_bytes(const struct un_shard *s) {
    return scratch_count(s) * sizeof(float) + 2 * (size_t)s->size * sizeof(int);
}

enum un_status un_parts_open(struct un_parts *p, const struct un_shard *shard) {
    *p = (struct un_parts){.shard = *shard};
    /* Places of parts are ints of the library. */
    if (shard->bucket > INT32_MAX || scratch_count(shard) > INT32_MAX)
        return un_fail(UN_USAGE,
                       "comm.bucket_mb: buckets of %lld elements on %d ranks need parts beyond 2^31 elements",
                       (long long)shard->bucket, shard->size);
    p->counts = un_alloc((size_t)shard->size, sizeof *p->counts, "parts of a bucket");
    p->at = un_alloc((size_t)shard->size, sizeof *p->at, "parts of a bucket");
    p->scratch = un_alloc(scratch_count(shard), sizeof *p->scratch, "scratch of the gradient sum");
    if (p->counts && p->at && p->scratch) return UN_OK;
    un_parts_close(p);
    return UN_MEMORY;
}

void un_parts_close(struct un_parts *p) {
    un_free(p->counts);
    un_free(p->at);
    un_free(p->scratch);
    *p = (struct un_parts){0};
}

static void set_parts(struct un_parts *p, int64_t b) {
    int64_t begin = un_shard_bucket(&p->shard, b).begin;
    for (int r = 0; r < p->shard.size; ++r) {
        struct un_span part = un_shard_part(&p->shard, b, r);
        p->counts[r] = (int)un_span_count(part);
        p->at[r] = (int)(part.begin - begin);
    }
}

enum un_status un_parts_reduce(struct un_comm *comm, struct un_parts *p, int64_t b, float *bucket,
                               bool exact) {
    set_parts(p, b);
    int mine = p->counts[comm->rank];
    if (exact) {
        UN_TRY(comm->ops->all_to_all_parts(comm, p->scratch, bucket, p->counts, p->at));
        un_levels_sum(p->scratch, comm->size, mine);
    } else
        UN_TRY(comm->ops->reduce_scatter(comm, p->scratch, bucket, p->counts));
    if (mine > 0) memcpy(bucket + p->at[comm->rank], p->scratch, (size_t)mine * sizeof *bucket);
    return UN_OK;
}

enum un_status un_parts_gather(struct un_comm *comm, struct un_parts *p, int64_t b, float *bucket) {
    set_parts(p, b);
    return comm->ops->all_gather_parts(comm, bucket, p->counts, p->at);
}
