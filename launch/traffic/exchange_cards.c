/* The exchange between the devices (exchange_path.h), on a queue beside that of the computation. Law:
 * every collective waits, on the side queue, for what the computation's had been given before it, and
 * whoever needs its result waits for its event, on the computation's. So memory may be used again in the
 * order in which the training thread uses it, and the host only waits where it reads a number. */
#include "launch/traffic/exchange_path.h"

static size_t cards_bytes(const struct un_shard *s, int64_t list) {
    size_t sums = (size_t)(un_param_blocks(s->total) + s->size);
    return un_device_parts_bytes(s) + (size_t)s->size * (size_t)list * sizeof(double) +
           sums * sizeof(int32_t);
}

static enum un_status open_events(struct un_exchange *x) {
    struct un_device *d = x->device;
    x->events = un_alloc((size_t)x->shard.buckets, sizeof(struct un_event *), "events of buckets");
    if (!x->events) return UN_MEMORY;
    for (int64_t b = 0; b < x->shard.buckets; ++b) UN_TRY(d->mem->event_open(d, &x->events[b]));
    UN_TRY(d->mem->event_open(d, &x->computed));
    return d->mem->event_open(d, &x->summed);
}

static enum un_status open(struct un_exchange *x) {
    struct un_device *d = x->device;
    struct un_limits limits = {0}; /* of the ops, only `add` runs there */
    size_t sums = (size_t)(un_param_blocks(x->shard.total) + x->shard.size);
    UN_TRY(d->mem->queue_open(d, &limits, &x->side));
    UN_TRY(un_device_parts_open(&x->card_parts, &x->shard, d));
    x->card_all =
        d->mem->alloc(d, (size_t)(x->shard.size * x->list) * sizeof(double), "partial norms of all");
    x->card_index = d->mem->alloc(d, sums * sizeof *x->card_index, "order of partial norms");
    if (!x->card_all || !x->card_index) return UN_MEMORY;
    d->mem->copy_in(x->queue, x->card_index, x->index, sums * sizeof *x->card_index);
    UN_TRY(d->mem->queue_wait(x->queue));
    return open_events(x);
}

static enum un_status start(struct un_exchange *x) {
    struct un_pulse *pulses = x->comm->pulses;
    x->cards = (struct un_device_comm){
        .device = x->device, .queue = x->side, .pulse = pulses ? pulses + UN_PULSE_CARDS : NULL};
    return un_comm_agree(x->comm, x->open_cards(&x->cards, x->comm));
}

static void close(struct un_exchange *x) {
    const struct un_device_ops *mem = x->device->mem;
    if (x->cards.ops) x->cards.ops->close(&x->cards);
    for (int64_t b = 0; x->events && b < x->shard.buckets; ++b)
        if (x->events[b]) mem->event_close(x->events[b]);
    un_free(x->events);
    if (x->computed) mem->event_close(x->computed);
    if (x->summed) mem->event_close(x->summed);
    un_device_parts_close(&x->card_parts);
    mem->free(x->device, x->card_all);
    mem->free(x->device, x->card_index);
    if (x->side) mem->queue_close(x->side);
}

/* What follows on the side queue finds all that was queued on the computation's. */
static void after_computation(struct un_exchange *x) {
    x->device->mem->event_record(x->computed, x->queue);
    x->device->mem->queue_wait_event(x->side, x->computed);
}

/* What follows on the computation's queue finds what was queued on the side one before `event`. */
static enum un_status before_computation(struct un_exchange *x, struct un_event *event) {
    x->device->mem->queue_wait_event(x->queue, event);
    return x->cards.ops->check(&x->cards);
}

static enum un_status reduce(struct un_exchange *x, int64_t b) {
    after_computation(x);
    UN_TRY(un_device_parts_reduce(&x->cards, &x->card_parts, b,
                                  x->buffers.grads + un_shard_bucket(&x->shard, b).begin, x->exact));
    x->device->mem->event_record(x->events[b], x->side);
    return UN_OK;
}

static enum un_status gather(struct un_exchange *x, int64_t b) {
    after_computation(x);
    UN_TRY(un_device_parts_gather(&x->cards, &x->card_parts, b,
                                  x->buffers.params + un_shard_bucket(&x->shard, b).begin));
    x->device->mem->event_record(x->events[b], x->side);
    return UN_OK;
}

static enum un_status await_bucket(struct un_exchange *x, int64_t b) {
    return before_computation(x, x->events[b]);
}

/* Doubles are moved as pairs of floats: rows by index copy bits. */
static struct un_mat pairs(const double *data, int64_t rows) {
    return un_mat32(data, rows, 2);
}

static enum un_status norm(struct un_exchange *x) {
    struct un_device_comm *c = &x->cards;
    after_computation(x);
    UN_TRY(c->ops->all_gather(c, x->card_all, x->buffers.optim->partial, (size_t)x->list * sizeof(double)));
    x->device->mem->event_record(x->summed, x->side);
    UN_TRY(before_computation(x, x->summed));
    x->device->ops->gather_rows(x->queue,
                                pairs(x->buffers.optim->sums, un_optim_sums_count(x->buffers.optim)),
                                pairs(x->card_all, x->shard.size * x->list), x->card_index);
    return UN_OK;
}

static struct un_comm_times times(const struct un_exchange *x) {
    struct un_device_comm *c = (struct un_device_comm *)(uintptr_t)&x->cards;
    return (struct un_comm_times){.busy = c->ops ? c->ops->busy(c) : 0, .waited = -1};
}

const struct un_exchange_path un_exchange_cards = {
    .way = "between the cards",
    .queued = true,
    .bytes = cards_bytes,
    .open = open,
    .start = start,
    .close = close,
    .reduce = reduce,
    .reduced = await_bucket,
    .norm = norm,
    .gather = gather,
    .gathered = await_bucket,
    .times = times,
};
