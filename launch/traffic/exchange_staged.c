/* The exchange through one pinned bucket of host memory, where the host cannot read the device's
 * (exchange_path.h). Law: only the thread of the queue touches the stage and the queue of copies, one bucket
 * at a time; what it copies in is on the device when it is done. */
#include "launch/traffic/exchange_path.h"

static size_t staged_bytes(const struct un_shard *s, int64_t list) {
    return un_exchange_host_bytes(s, list) + un_shard_scratch_set(s) * sizeof(float);
}

static enum un_status open(struct un_exchange *x) {
    struct un_device *d = x->device;
    struct un_limits limits = {0}; /* it only copies */
    UN_TRY(un_exchange_host_open(x));
    UN_TRY(d->mem->queue_open(d, &limits, &x->copies));
    x->stage = d->mem->host_alloc(d, un_shard_scratch_set(&x->shard) * sizeof(float), "bucket on its way");
    x->events = un_alloc((size_t)x->shard.buckets, sizeof(struct un_event *), "events of buckets");
    if (!x->stage || !x->events) return UN_MEMORY;
    if (x->low.bucket) {
        size_t lists = (size_t)(x->shard.size + 1) * un_exchange_low_list_bytes(&x->low);
        x->list_stage = d->mem->host_alloc(d, lists, "parameters in f32 on their way");
        if (!x->list_stage) return UN_MEMORY;
        UN_TRY(d->mem->event_open(d, &x->listed));
    }
    for (int64_t b = 0; b < x->shard.buckets; ++b) UN_TRY(d->mem->event_open(d, &x->events[b]));
    return UN_OK;
}

static void close(struct un_exchange *x) {
    const struct un_device_ops *mem = x->device->mem;
    for (int64_t b = 0; x->events && b < x->shard.buckets; ++b)
        if (x->events[b]) mem->event_close(x->events[b]);
    un_free(x->events);
    if (x->stage) mem->host_free(x->device, x->stage);
    if (x->list_stage) mem->host_free(x->device, x->list_stage);
    if (x->listed) mem->event_close(x->listed);
    if (x->copies) mem->queue_close(x->copies);
    un_exchange_host_close(x);
}

/* Bytes between the device and the stage. Waits. */
static enum un_status move(struct un_exchange *x, void *host, void *device, size_t bytes, bool out) {
    const struct un_device_ops *mem = x->device->mem;
    if (bytes == 0) return UN_OK;
    if (out)
        mem->copy_out(x->copies, host, device, bytes);
    else
        mem->copy_in(x->copies, device, host, bytes);
    return mem->queue_wait(x->copies);
}

/* Elements [span) of a bucket on the device to the stage, or back; it begins at element `begin`. */
static enum un_status copy(struct un_exchange *x, void *bucket, enum un_type type, int64_t begin,
                           struct un_span span, bool out) {
    int64_t each = un_type_bytes(type), at = (span.begin - begin) * each;
    return move(x, (char *)x->stage + at, (char *)bucket + at, (size_t)(un_span_count(span) * each), out);
}

static enum un_status work_reduce(struct un_comm *comm, void *context, int64_t b) {
    struct un_exchange *x = context;
    struct un_span bucket = un_shard_bucket(&x->shard, b);
    float *grads = x->buffers.grads + bucket.begin;
    UN_TRY(x->device->mem->event_wait(x->events[b]));
    UN_TRY(copy(x, grads, UN_F32, bucket.begin, bucket, true));
    UN_TRY(un_parts_reduce(comm, &x->parts, b, x->stage, x->exact));
    return copy(x, grads, UN_F32, bucket.begin, un_shard_part(&x->shard, b, comm->rank), false);
}

static enum un_status work_gather(struct un_comm *comm, void *context, int64_t b) {
    struct un_exchange *x = context;
    struct un_span bucket = un_shard_bucket(&x->shard, b), own = un_shard_part(&x->shard, b, comm->rank);
    struct un_span before = {bucket.begin, own.begin}, after = {own.end, bucket.end};
    enum un_type type = un_exchange_bucket_type(x, b);
    void *params = un_exchange_bucket(x, b);
    UN_TRY(x->device->mem->event_wait(x->events[b]));
    UN_TRY(copy(x, params, type, bucket.begin, own, true));
    UN_TRY(un_parts_gather(comm, &x->parts, b, x->stage, type));
    UN_TRY(copy(x, params, type, bucket.begin, before, false));
    return copy(x, params, type, bucket.begin, after, false);
}

static enum un_status work_list(struct un_comm *comm, void *context, int64_t bytes) {
    struct un_exchange *x = context;
    char *mine = (char *)x->list_stage, *lists = mine + bytes;
    UN_TRY(x->device->mem->event_wait(x->listed));
    UN_TRY(move(x, mine, x->low.mine, (size_t)bytes, true));
    UN_TRY(comm->ops->all_gather(comm, lists, mine, (size_t)bytes));
    return move(x, lists, x->low.lists, (size_t)(comm->size * bytes), false);
}

static enum un_status reduce(struct un_exchange *x, int64_t b) {
    x->device->mem->event_record(x->events[b], x->queue);
    return un_exchange_host_post(x, "gradients", work_reduce, b);
}

static enum un_status gather(struct un_exchange *x, int64_t b) {
    x->device->mem->event_record(x->events[b], x->queue);
    return un_exchange_host_post(x, "parameters", work_gather, b);
}

static enum un_status list(struct un_exchange *x) {
    x->device->mem->event_record(x->listed, x->queue);
    return un_exchange_host_list(x, work_list);
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
    .list = list,
    .listed = un_exchange_host_listed,
    .times = un_exchange_host_times,
};
