/* The exchange through one pinned bucket of host memory, where the host cannot read the device's
 * (exchange_path.h). Law: only the thread of the queue touches the stage and the queue of copies, one bucket
 * at a time; what it copies in is on the device when it is done. */
#include "launch/job/job.h"
#include "launch/traffic/exchange_path.h"

static size_t stage_count(const struct un_shard *s) {
    return (size_t)(s->bucket < s->total ? s->bucket : s->total);
}

static size_t staged_bytes(const struct un_shard *s, int64_t list) {
    return un_exchange_host_bytes(s, list) + stage_count(s) * sizeof(float);
}

static enum un_status open(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    struct un_device *d = job->device;
    struct un_limits limits = {0}; /* it only copies */
    UN_TRY(un_exchange_host_open(job));
    UN_TRY(d->mem->queue_open(d, &limits, &x->copies));
    x->stage = d->mem->host_alloc(d, stage_count(&x->shard) * sizeof(float), "bucket on its way");
    x->events = un_alloc((size_t)x->shard.buckets, sizeof(struct un_event *), "events of buckets");
    if (!x->stage || !x->events) return UN_MEMORY;
    for (int64_t b = 0; b < x->shard.buckets; ++b) UN_TRY(d->mem->event_open(d, &x->events[b]));
    return UN_OK;
}

static void close(struct un_job *job) {
    struct un_exchange *x = &job->exchange;
    const struct un_device_ops *mem = job->device->mem;
    for (int64_t b = 0; x->events && b < x->shard.buckets; ++b)
        if (x->events[b]) mem->event_close(x->events[b]);
    un_free(x->events);
    if (x->stage) mem->host_free(job->device, x->stage);
    if (x->copies) mem->queue_close(x->copies);
    un_exchange_host_close(job);
}

/* Elements [span) of a buffer on the device to the stage, where the bucket begins at 0, or back. Waits. */
static enum un_status copy(struct un_job *job, float *buffer, int64_t bucket_begin, struct un_span span,
                           bool out) {
    const struct un_device_ops *mem = job->device->mem;
    struct un_queue *copies = job->exchange.copies;
    float *host = job->exchange.stage + (span.begin - bucket_begin), *device = buffer + span.begin;
    size_t bytes = (size_t)un_span_count(span) * sizeof(float);
    if (bytes == 0) return UN_OK;
    if (out)
        mem->copy_out(copies, host, device, bytes);
    else
        mem->copy_in(copies, device, host, bytes);
    return mem->queue_wait(copies);
}

static enum un_status work_reduce(struct un_comm *comm, void *context, int64_t b) {
    struct un_job *job = context;
    struct un_exchange *x = &job->exchange;
    struct un_span bucket = un_shard_bucket(&x->shard, b);
    UN_TRY(job->device->mem->event_wait(x->events[b]));
    UN_TRY(copy(job, job->grads[0], bucket.begin, bucket, true));
    UN_TRY(un_parts_reduce(comm, &x->parts, b, x->stage, job->config.train.exact));
    return copy(job, job->grads[0], bucket.begin, un_shard_part(&x->shard, b, comm->rank), false);
}

static enum un_status work_gather(struct un_comm *comm, void *context, int64_t b) {
    struct un_job *job = context;
    struct un_exchange *x = &job->exchange;
    struct un_span bucket = un_shard_bucket(&x->shard, b), own = un_shard_part(&x->shard, b, comm->rank);
    UN_TRY(job->device->mem->event_wait(x->events[b]));
    UN_TRY(copy(job, job->params, bucket.begin, own, true));
    UN_TRY(un_parts_gather(comm, &x->parts, b, x->stage));
    UN_TRY(copy(job, job->params, bucket.begin, (struct un_span){bucket.begin, own.begin}, false));
    return copy(job, job->params, bucket.begin, (struct un_span){own.end, bucket.end}, false);
}

static enum un_status reduce(struct un_job *job, int64_t b) {
    job->device->mem->event_record(job->exchange.events[b], job->queue);
    return un_exchange_host_post(job, "gradients", work_reduce, b);
}

static enum un_status gather(struct un_job *job, int64_t b) {
    job->device->mem->event_record(job->exchange.events[b], job->queue);
    return un_exchange_host_post(job, "parameters", work_gather, b);
}

const struct un_exchange_path un_exchange_staged = {
    .way = "through MPI and host memory",
    .bytes = staged_bytes,
    .open = open,
    .start = un_exchange_host_start,
    .close = close,
    .reduce = reduce,
    .reduced = un_exchange_host_wait,
    .norm = un_exchange_host_norm,
    .gather = gather,
    .gathered = un_exchange_host_wait,
    .times = un_exchange_host_times,
};
