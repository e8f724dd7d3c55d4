/* The exchange of a step (exchange.h). Law: functions named work_... run in the thread of the queue and touch
 * the buffers of their bucket only; between posting and waiting nobody else touches those.
 */
#include "launch/exchange.h"

#include "launch/job.h"

#include <string.h>

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

static size_t norm_count(const struct un_exchange *x) {
    return (size_t)(x->shard.size + 1) * (size_t)x->most_blocks + (size_t)un_param_blocks(x->shard.total);
}

static size_t stage_count(const struct un_shard *s) {
    return (size_t)(s->bucket < s->total ? s->bucket : s->total);
}

size_t un_exchange_bytes(const struct un_job *job, int64_t total) {
    if (job->comm->size == 1) return 0;
    struct un_exchange x = {.shard = shard_of(job, total)};
    x.most_blocks = un_shard_blocks(&x.shard, x.shard.size - 1);
    size_t stage = job->device && !job->device->host_readable ? stage_count(&x.shard) * sizeof(float) : 0;
    return un_parts_bytes(&x.shard) + norm_count(&x) * sizeof(double) + stage;
}

static enum un_status open_copies(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    struct un_device *d = job->device;
    struct un_limits limits = {0}; /* it only copies */
    UN_TRY(d->mem->queue_open(d, &limits, &x->copies));
    x->stage = d->mem->host_alloc(d, stage_count(&x->shard) * sizeof(float), "bucket on its way");
    x->events = un_alloc((size_t)x->shard.buckets, sizeof(struct un_event *), "events of buckets");
    if (!x->stage || !x->events) return UN_MEMORY;
    for (int64_t b = 0; b < x->shard.buckets; ++b) UN_TRY(d->mem->event_open(d, &x->events[b]));
    return UN_OK;
}

static enum un_status open_memory(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    x->most_blocks = un_shard_blocks(&x->shard, x->shard.size - 1);
    x->tickets = un_alloc((size_t)x->shard.buckets, sizeof *x->tickets, "tickets of buckets");
    x->mine = un_alloc(norm_count(x), sizeof *x->mine, "partial norms of all ranks");
    if (!x->tickets || !x->mine) return UN_MEMORY;
    x->all = x->mine + x->most_blocks;
    x->ordered = x->all + (int64_t)x->shard.size * x->most_blocks;
    UN_TRY(un_parts_open(&x->parts, &x->shard));
    return job->device->host_readable ? UN_OK : open_copies(job);
}

enum un_status un_exchange_open(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    x->shard = shard_of(job, job->table->total);
    return job->comm->size == 1 ? UN_OK : open_memory(job);
}

enum un_status un_exchange_start(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    if (job->comm->size == 1) return UN_OK;
    /* A step posts every bucket twice, the norm and the counts of the next step. */
    UN_TRY(un_comm_queue_open(&x->queue, job->comm, job->config.comm.overlap, 2 * x->shard.buckets + 2));
    if (job->config.comm.overlap && !un_comm_queue_has_thread(x->queue))
        un_log(UN_LOG_INFO, "comm.overlap: this MPI allows one thread only, so communication waits for the "
                            "computation and the computation for it");
    return UN_OK;
}

void un_exchange_close(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    un_comm_queue_close(x->queue);
    un_parts_close(&x->parts);
    un_free(x->tickets);
    un_free(x->mine);
    const struct un_device_ops *mem = job->device->mem;
    for (int64_t b = 0; x->events && b < x->shard.buckets; ++b)
        if (x->events[b]) mem->event_close(x->events[b]);
    un_free(x->events);
    if (x->stage) mem->host_free(job->device, x->stage);
    if (x->copies) mem->queue_close(x->copies);
    *x = (struct un_exchange){0};
}

/* ---- work of the queue ---- */

/* Elements [span) of a buffer on the device to the stage, where the bucket begins at 0, or back. */
static void copy(struct un_job *job, float *buffer, int64_t bucket_begin, struct un_span span, bool out) {
    const struct un_device_ops *mem = job->device->mem;
    float *host = job->exchange.stage + (span.begin - bucket_begin), *device = buffer + span.begin;
    size_t bytes = (size_t)un_span_count(span) * sizeof(float);
    if (out)
        mem->copy_out(job->exchange.copies, host, device, bytes);
    else
        mem->copy_in(job->exchange.copies, device, host, bytes);
}

static enum un_status work_reduce(struct un_comm *comm, void *context, int64_t b) {
    struct un_job *job = context;
    struct un_exchange *x = &job->exchange;
    struct un_span bucket = un_shard_bucket(&x->shard, b);
    bool exact = job->config.train.exact;
    float *grads = job->grads[0];
    if (job->device->host_readable) return un_parts_reduce(comm, &x->parts, b, grads + bucket.begin, exact);
    UN_TRY(job->device->mem->event_wait(x->events[b]));
    copy(job, grads, bucket.begin, bucket, true);
    UN_TRY(job->device->mem->queue_wait(x->copies));
    UN_TRY(un_parts_reduce(comm, &x->parts, b, x->stage, exact));
    copy(job, grads, bucket.begin, un_shard_part(&x->shard, b, comm->rank), false);
    return job->device->mem->queue_wait(x->copies);
}

static enum un_status work_gather(struct un_comm *comm, void *context, int64_t b) {
    struct un_job *job = context;
    struct un_exchange *x = &job->exchange;
    struct un_span bucket = un_shard_bucket(&x->shard, b);
    if (job->device->host_readable) return un_parts_gather(comm, &x->parts, b, job->params + bucket.begin);
    UN_TRY(job->device->mem->event_wait(x->events[b]));
    copy(job, job->params, bucket.begin, un_shard_part(&x->shard, b, comm->rank), true);
    UN_TRY(job->device->mem->queue_wait(x->copies));
    UN_TRY(un_parts_gather(comm, &x->parts, b, x->stage));
    copy(job, job->params, bucket.begin, bucket, false);
    return job->device->mem->queue_wait(x->copies);
}

static enum un_status work_norm(struct un_comm *comm, void *context, int64_t index) {
    struct un_exchange *x = context;
    (void)index;
    return comm->ops->all_gather(comm, x->all, x->mine, (size_t)x->most_blocks * sizeof *x->mine);
}

static enum un_status work_sum(struct un_comm *comm, void *context, int64_t n) {
    return comm->ops->sum_i64(comm, context, n);
}

/* ---- a step ---- */

void un_exchange_begin(struct un_job *job) {
    job->exchange.posted = 0;
}

static void post(struct un_job *job, const char *what, un_comm_work work, int64_t b) {
    struct un_exchange *x = &job->exchange;
    if (x->events) job->device->mem->event_record(x->events[b], job->queue);
    x->tickets[b] = un_comm_queue_post(x->queue, what, work, job, b);
}

void un_exchange_ready(struct un_job *job, int64_t begin) {
    struct un_exchange *x = &job->exchange;
    if (!x->queue) return;
    for (; x->posted < x->shard.buckets && un_shard_bucket(&x->shard, x->posted).begin >= begin; ++x->posted)
        post(job, "gradients", work_reduce, x->posted);
}

struct un_optim_part un_exchange_part(const struct un_job *job, int64_t b) {
    const struct un_exchange *x = &job->exchange;
    struct un_span span = un_shard_part(&x->shard, b, job->comm->rank);
    return (struct un_optim_part){span.begin, un_span_count(span),
                                  un_shard_local(&x->shard, b, job->comm->rank)};
}

enum un_status un_exchange_reduced(struct un_job *job, int64_t b) {
    struct un_exchange *x = &job->exchange;
    return x->queue ? un_comm_queue_wait(x->queue, x->tickets[b]) : UN_OK;
}

/* The lists of all ranks, each in its local order, into the order of the buffer. */
static void order(struct un_exchange *x) {
    for (int r = 0; r < x->shard.size; ++r)
        for (int64_t b = 0; b < x->shard.buckets; ++b) {
            struct un_span part = un_shard_part(&x->shard, b, r);
            memcpy(x->ordered + part.begin / UN_PARAM_BLOCK,
                   x->all + r * x->most_blocks + un_shard_local(&x->shard, b, r) / UN_PARAM_BLOCK,
                   (size_t)un_param_blocks(un_span_count(part)) * sizeof *x->ordered);
        }
}

enum un_status un_exchange_norm(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    const struct un_device_ops *mem = job->device->mem;
    if (!x->queue) return UN_OK; /* the sums are the partial ones */
    mem->copy_out(job->queue, x->mine, job->optim.partial,
                  (size_t)un_param_blocks(job->optim.owned) * sizeof *x->mine);
    UN_TRY(mem->queue_wait(job->queue));
    UN_TRY(un_comm_queue_wait(x->queue, un_comm_queue_post(x->queue, "partial norms", work_norm, x, 0)));
    order(x);
    mem->copy_in(job->queue, job->optim.sums, x->ordered,
                 (size_t)un_param_blocks(x->shard.total) * sizeof *x->ordered);
    return UN_OK;
}

void un_exchange_updated(struct un_job *job, int64_t b) {
    if (job->exchange.queue) post(job, "parameters", work_gather, b);
}

enum un_status un_exchange_need(struct un_job *job, int64_t begin, int64_t end) {
    struct un_exchange *x = &job->exchange;
    if (!x->queue || end <= begin) return UN_OK;
    /* Buckets are gathered from the beginning of the buffer on: the last one needed is there last. */
    return un_comm_queue_wait(x->queue, x->tickets[un_shard_find(&x->shard, end - 1)]);
}

enum un_status un_exchange_settle(struct un_job *job) {
    return un_exchange_need(job, 0, job->exchange.shard.total);
}

int64_t un_exchange_sum(struct un_job *job, int64_t *counts, int64_t n) {
    return un_comm_queue_post(job->exchange.queue, "counts of a step", work_sum, counts, n);
}

enum un_status un_exchange_wait(struct un_job *job, int64_t ticket) {
    return un_comm_queue_wait(job->exchange.queue, ticket);
}

struct un_comm_times un_exchange_times(const struct un_job *job) {
    return un_comm_queue_times(job->exchange.queue);
}
