/* The exchange of a step (exchange.h): what does not depend on how the data travel. */
#include "launch/traffic/exchange.h"

#include "launch/job/job.h"
#include "launch/traffic/exchange_path.h"

static struct un_shard shard_of(const struct un_job *job, int64_t total) {
    struct un_shard shard;
    un_shard_set(&shard, total, job->comm->size, (size_t)job->config.comm.bucket_mb << 20);
    return shard;
}

int64_t un_exchange_most_owned(const struct un_job *job, int64_t total) {
    struct un_shard shard = shard_of(job, total);
    int64_t most = un_shard_blocks(&shard, shard.size - 1) * UN_PARAM_BLOCK;
    return most < total ? most : total;
}

static int64_t list_of(const struct un_shard *s) {
    return un_shard_blocks(s, s->size - 1) + 1;
}

static size_t sums_count(const struct un_shard *s) {
    return (size_t)(un_param_blocks(s->total) + s->size);
}

size_t un_exchange_bytes(const struct un_job *job, int64_t total) {
    if (!job->exchange.path) return 0;
    struct un_shard shard = shard_of(job, total);
    return job->exchange.path->bytes(&shard, list_of(&shard)) + sums_count(&shard) * sizeof(int32_t);
}

/* The lists of all ranks, each in its local order, into the order of the buffer; then the words. */
static void fill_index(struct un_exchange *x) {
    const struct un_shard *s = &x->shard;
    for (int r = 0; r < s->size; ++r) {
        int64_t list = r * x->list;
        for (int64_t b = 0; b < s->buckets; ++b) {
            struct un_span part = un_shard_part(s, b, r);
            int64_t to = part.begin / UN_PARAM_BLOCK, from = list + un_shard_local(s, b, r) / UN_PARAM_BLOCK;
            for (int64_t k = 0; k < un_param_blocks(un_span_count(part)); ++k)
                x->index[to + k] = (int32_t)(from + k);
        }
        x->index[un_param_blocks(s->total) + r] = (int32_t)(list + un_shard_blocks(s, r));
    }
}

enum un_status un_exchange_open(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    x->shard = shard_of(job, job->table->total);
    if (!x->path) return UN_OK;
    x->list = list_of(&x->shard);
    if (x->list * x->shard.size > INT32_MAX)
        return un_fail(UN_USAGE, "%d ranks have more blocks of parameters than an index of 2^31 entries",
                       x->shard.size);
    x->index = un_alloc(sums_count(&x->shard), sizeof *x->index, "order of partial norms");
    if (!x->index) return UN_MEMORY;
    fill_index(x);
    return x->path->open(job);
}

enum un_status un_exchange_start(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    if (!x->path) return UN_OK;
    /* A step posts every bucket twice, the norm and the counts of the next step. */
    UN_TRY(un_comm_queue_open(&x->queue, job->comm, job->config.comm.overlap, 2 * x->shard.buckets + 2));
    return x->path->start(job);
}

void un_exchange_close(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    un_comm_queue_close(x->queue);
    if (x->path) x->path->close(job);
    un_free(x->index);
    *x = (struct un_exchange){0};
}

/* ---- a step ---- */

void un_exchange_begin(struct un_job *job) {
    job->exchange.posted = 0;
}

void un_exchange_ready(struct un_job *job, int64_t begin) {
    struct un_exchange *x = &job->exchange;
    if (!x->path) return;
    for (; x->posted < x->shard.buckets && un_shard_bucket(&x->shard, x->posted).begin >= begin; ++x->posted)
        if (x->path->reduce(job, x->posted) != UN_OK) return; /* it sticks */
}

struct un_optim_part un_exchange_part(const struct un_job *job, int64_t b) {
    const struct un_exchange *x = &job->exchange;
    struct un_span span = un_shard_part(&x->shard, b, job->comm->rank);
    return (struct un_optim_part){span.begin, un_span_count(span),
                                  un_shard_local(&x->shard, b, job->comm->rank)};
}

enum un_status un_exchange_reduced(struct un_job *job, int64_t b) {
    const struct un_exchange_path *path = job->exchange.path;
    return path ? path->reduced(job, b) : UN_OK;
}

enum un_status un_exchange_norm(struct un_job *job) {
    const struct un_exchange_path *path = job->exchange.path;
    return path ? path->norm(job) : UN_OK; /* one process: the sums are the partial ones */
}

enum un_status un_exchange_updated(struct un_job *job, int64_t b) {
    struct un_exchange *x = &job->exchange;
    if (!x->path) return UN_OK;
    if (b == x->shard.buckets - 1) x->missing = x->shard.buckets;
    return x->path->gather(job, b);
}

static void lower(struct un_job *job, int64_t begin, int64_t end) {
    if (end > begin)
        job->device->ops->cast(job->queue, (uint16_t *)job->low + begin, UN_BF16, job->params + begin, UN_F32,
                               end - begin);
}

/* The f32 parameters of bucket b have come: their bf16 copies are made here. The update has made those of the
 * own part. */
static void arrived(struct un_job *job, int64_t b) {
    if (!job->low) return;
    struct un_span bucket = un_shard_bucket(&job->exchange.shard, b);
    struct un_span own = un_shard_part(&job->exchange.shard, b, job->comm->rank);
    lower(job, bucket.begin, own.begin);
    lower(job, own.end, bucket.end);
}

enum un_status un_exchange_need(struct un_job *job, int64_t begin, int64_t end) {
    struct un_exchange *x = &job->exchange;
    if (!x->path || end <= begin) return UN_OK;
    /* Buckets are gathered from the beginning of the buffer on: the last one needed is there last. */
    for (int64_t last = un_shard_find(&x->shard, end - 1); x->missing > last; --x->missing) {
        UN_TRY(x->path->gathered(job, x->missing - 1));
        arrived(job, x->missing - 1);
    }
    return UN_OK;
}

enum un_status un_exchange_settle(struct un_job *job) {
    return un_exchange_need(job, 0, job->exchange.shard.total);
}

static enum un_status work_sum(struct un_comm *comm, void *context, int64_t n) {
    return comm->ops->sum_i64(comm, context, n);
}

int64_t un_exchange_sum(struct un_job *job, int64_t *counts, int64_t n) {
    return un_comm_queue_post(job->exchange.queue, "counts of a step", work_sum, counts, n);
}

enum un_status un_exchange_wait(struct un_job *job, int64_t ticket) {
    return un_comm_queue_wait(job->exchange.queue, ticket);
}

struct un_comm_times un_exchange_times(const struct un_job *job) {
    const struct un_exchange_path *path = job->exchange.path;
    return path ? path->times(job) : (struct un_comm_times){0};
}

bool un_exchange_beside(const struct un_job *job) {
    const struct un_exchange *x = &job->exchange;
    return x->path && (x->path->queued || un_comm_queue_has_thread(x->queue));
}

const char *un_exchange_way(const struct un_job *job) {
    return job->exchange.path ? job->exchange.path->way : "none";
}
