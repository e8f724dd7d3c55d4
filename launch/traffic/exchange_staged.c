/* The exchange through one pinned bucket of host memory, where the host cannot read the device's
 * (exchange_path.h). Law: only the thread of the queue touches the stage and the queue of copies, one bucket
 * at a time; what it copies in is on the device when it is done. */
#include "launch/traffic/exchange_path.h"

static size_t stage_count(const struct un_shard *s) {
    return (size_t)un_shard_largest_share(s) * (size_t)s->size;
}

static size_t staged_bytes(const struct un_shard *s, int64_t list) {
    return un_exchange_host_bytes(s, list) + stage_count(s) * sizeof(float);
}

static enum un_status open(struct un_exchange *x) {
    struct un_device *d = x->device;
    struct un_limits limits = {0}; /* it only copies */
    UN_TRY(un_exchange_host_open(x));
    UN_TRY(d->mem->queue_open(d, &limits, &x->copies));
    x->stage = d->mem->host_alloc(d, stage_count(&x->shard) * sizeof(float), "bucket on its way");
    x->events = un_alloc((size_t)x->shard.buckets, sizeof(struct un_event *), "events of buckets");
    if (!x->stage || !x->events) return UN_MEMORY;
    for (int64_t b = 0; b < x->shard.buckets; ++b) UN_TRY(d->mem->event_open(d, &x->events[b]));
    return UN_OK;
}

static void close(struct un_exchange *x) {
    const struct un_device_ops *mem = x->device->mem;
    for (int64_t b = 0; x->events && b < x->shard.buckets; ++b)
        if (x->events[b]) mem->event_close(x->events[b]);
    un_free(x->events);
    if (x->stage) mem->host_free(x->device, x->stage);
    if (x->copies) mem->queue_close(x->copies);
    un_exchange_host_close(x);
}

/* Elements [span) of a buffer on the device to the stage, where the bucket begins at 0, or back. Waits. */
static enum un_status copy(struct un_exchange *x, float *buffer, int64_t bucket_begin, struct un_span span,
                           bool out) {
    const struct un_device_ops *mem = x->device->mem;
    struct un_queue *copies = x->copies;
    float *host = x->stage + (span.begin - bucket_begin), *device = buffer + span.begin;
    size_t bytes = (size_t)un_span_count(span) * sizeof(float);
    if (bytes == 0) return UN_OK;
    if (out)
        mem->copy_out(copies, host, device, bytes);
    else
        mem->copy_in(copies, device, host, bytes);
    return mem->queue_wait(copies);
}

static enum un_status work_reduce(struct un_comm *comm, void *context, int64_t b) {
    struct un_exchange *x = context;
    struct un_span bucket = un_shard_bucket(&x->shard, b);
    UN_TRY(x->device->mem->event_wait(x->events[b]));
    UN_TRY(copy(x, x->buffers.grads, bucket.begin, bucket, true));
    UN_TRY(un_parts_reduce(comm, &x->parts, b, x->stage, x->exact));
    return copy(x, x->buffers.grads, bucket.begin, un_shard_part(&x->shard, b, comm->rank), false);
}

static enum un_status work_gather(struct un_comm *comm, void *context, int64_t b) {
    struct un_exchange *x = context;
    struct un_span bucket = un_shard_bucket(&x->shard, b), own = un_shard_part(&x->shard, b, comm->rank);
    UN_TRY(x->device->mem->event_wait(x->events[b]));
    UN_TRY(copy(x, x->buffers.params, bucket.begin, own, true));
    UN_TRY(un_parts_gather(comm, &x->parts, b, x->stage));
    UN_TRY(copy(x, x->buffers.params, bucket.begin, (struct un_span){bucket.begin, own.begin}, false));
    return copy(x, x->buffers.params, bucket.begin, (struct un_span){own.end, bucket.end}, false);
}

static enum un_status reduce(struct un_exchange *x, int64_t b) {
    x->device->mem->event_record(x->events[b], x->queue);
    return un_exchange_host_post(x, "gradients", work_reduce, b);
}

static enum un_status gather(struct un_exchange *x, int64_t b) {
    x->device->mem->event_record(x->events[b], x->queue);
    return un_exchange_host_post(x, "parameters", work_gather, b);
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
