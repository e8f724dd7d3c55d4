/* The exchange between the devices (exchange_path.h), on a queue beside that of the computation. Law:
 * every collective waits, on the side queue, for what the computation's had been given before it, and
 * whoever needs its result waits for its event, on the computation's. So memory may be used again in the
 * order in which the training thread uses it, and the host only waits where it reads a number.
 *
 * In two levels each has a communicator and a side queue of its own, so that a bucket is inside the nodes while the
 * one before it is between them. Both communicators are opened as that of all ranks is, by ranks that meet in a
 * part of MPI's: nothing is asked of the library that one level does not ask. Their collectives may wait for peers at
 * the same time, which NCCL allows where all ranks give them to both in one order, as here, and where the kernels of
 * both fit on a card beside each other. */
#include "launch/traffic/exchange_path.h"

/* Doubles: the lists of all ranks, in two levels after those of the node. */
static size_t list_count(const struct un_shard *s, int64_t list) {
    int ranks = s->size + (s->nodes > 1 ? un_shard_places(s) : 0);
    return (size_t)ranks * (size_t)list;
}

static size_t cards_bytes(const struct un_shard *s, int64_t list) {
    size_t sums = (size_t)(un_param_blocks(s->total) + s->size);
    return un_device_parts_bytes(s) + list_count(s, list) * sizeof(double) + sums * sizeof(int32_t);
}

static enum un_status open_events(struct un_exchange *x) {
    struct un_device *d = x->device;
    x->events = un_alloc((size_t)x->shard.buckets, sizeof(struct un_event *), "events of buckets");
    if (!x->events) return UN_MEMORY;
    for (int64_t b = 0; b < x->shard.buckets; ++b) UN_TRY(d->mem->event_open(d, &x->events[b]));
    UN_TRY(d->mem->event_open(d, &x->computed));
    UN_TRY(d->mem->event_open(d, &x->handed));
    UN_TRY(d->mem->event_open(d, &x->listed));
    return d->mem->event_open(d, &x->summed);
}

static enum un_status open(struct un_exchange *x) {
    struct un_device *d = x->device;
    /* Of the ops, only `add` runs there. A bucket that is kept from the card delays all ranks, a product only this. */
    struct un_limits limits = {.urgent = true};
    size_t sums = (size_t)(un_param_blocks(x->shard.total) + x->shard.size);
    UN_TRY(d->mem->queue_open(d, &limits, &x->side));
    if (x->shard.nodes > 1) UN_TRY(d->mem->queue_open(d, &limits, &x->far_side));
    UN_TRY(un_device_parts_open(&x->card_parts, &x->shard, x->comm->rank, x->memory));
    x->card_all = d->mem->alloc(d, list_count(&x->shard, x->list) * sizeof(double), "partial norms of all");
    x->card_index = d->mem->alloc(d, sums * sizeof *x->card_index, "order of partial norms");
    if (!x->card_all || !x->card_index) return UN_MEMORY;
    if (x->low.bucket && x->shard.nodes > 1) {
        size_t places = (size_t)un_shard_places(&x->shard);
        x->low_node = un_comm_memory_take(x->memory, places * un_exchange_low_list_bytes(&x->low),
                                          "parameters in f32 of a node");
        if (!x->low_node) return UN_MEMORY;
    }
    x->card_node = x->card_all + x->shard.size * x->list;
    d->mem->copy_in(x->queue, x->card_index, x->index, sums * sizeof *x->card_index);
    UN_TRY(d->mem->queue_wait(x->queue));
    return open_events(x);
}

/* A communicator to be opened, of ranks of one host or not. */
struct level {
    struct un_device_comm *cards;
    struct un_queue *queue;
    int most_ctas;
    bool one_host;
};

static enum un_status open_once(struct un_exchange *x, const struct level *l, struct un_comm *comm,
                                const struct un_comm_memory *memory) {
    struct un_pulse *pulses = x->comm->pulses;
    *l->cards = (struct un_device_comm){.device = x->device,
                                        .queue = l->queue,
                                        .pulse = pulses ? pulses + UN_PULSE_CARDS : NULL,
                                        .most_ctas = l->most_ctas,
                                        .one_host = l->one_host,
                                        .memory = memory};
    return un_comm_agree(x->comm, x->open_cards(l->cards, comm));
}

/* Collective over all ranks: a communicator of those that `comm`, a part of x->comm, holds. Where some rank's library
 * would not be told of memory, and need not, all close theirs and open another one without. */
static enum un_status open_cards(struct un_exchange *x, const struct level *l, struct un_comm *comm) {
    const struct un_comm_memory *memory = x->memory->reach != UN_REACH_NONE ? x->memory : NULL;
    enum un_status status = open_once(x, l, comm, memory);
    int64_t untold = l->cards->untold;
    if (status == UN_OK || !memory || memory->must) return status;
    struct un_error why = *un_error_get();
    UN_TRY(x->comm->ops->max_i64(x->comm, &untold, 1));
    if (!untold) return un_comm_alike(x->comm, un_error_adopt(&why));
    un_log(UN_LOG_INFO, "comm.register: off, because %s", why.text);
    un_error_clear();
    if (l->cards->ops) l->cards->ops->close(l->cards);
    return open_once(x, l, comm, NULL);
}

/* Of the ranks that name the same colour. */
static enum un_status open_level(struct un_exchange *x, const struct level *l, int colour) {
    struct un_comm *part;
    UN_TRY(x->comm->ops->split(x->comm, colour, &part));
    if (x->comm->pulses) un_pulse_watch(part, x->comm->pulses);
    enum un_status status = open_cards(x, l, part);
    un_comm_close(part);
    return status;
}

static void say_memory(const struct un_exchange *x) {
    static const char *const how[] = {"not registered", "registered", "registered as windows"};
    char name[64];
    if (!x->memory->library) return;
    (void)x->memory->library->reach(name, sizeof name);
    if (x->shard.nodes > 1)
        un_log(UN_LOG_INFO, "comm.register: %s: memory %s inside the hosts and %s between them", name,
               how[x->cards.reach], how[x->far_cards.reach]);
    else
        un_log(UN_LOG_INFO, "comm.register: %s: memory %s", name, how[x->cards.reach]);
}

static enum un_status start(struct un_exchange *x) {
    int places = un_shard_places(&x->shard);
    struct level near = {&x->cards, x->side, 0, x->shard.nodes > 1 || x->comm->nodes == 1};
    struct level far = {&x->far_cards, x->far_side, x->rail_ctas, false};
    UN_TRY(un_comm_memory_agree(x->memory, x->comm));
    if (x->shard.nodes <= 1) {
        UN_TRY(open_cards(x, &near, x->comm));
    } else {
        UN_TRY(open_level(x, &near, x->comm->rank / places));
        UN_TRY(open_level(x, &far, x->comm->rank % places));
    }
    say_memory(x);
    return UN_OK;
}

static void close(struct un_exchange *x) {
    const struct un_device_ops *mem = x->device->mem;
    if (x->cards.ops) x->cards.ops->close(&x->cards);
    if (x->far_cards.ops) x->far_cards.ops->close(&x->far_cards);
    for (int64_t b = 0; x->events && b < x->shard.buckets; ++b)
        if (x->events[b]) mem->event_close(x->events[b]);
    un_free(x->events);
    if (x->computed) mem->event_close(x->computed);
    if (x->handed) mem->event_close(x->handed);
    if (x->summed) mem->event_close(x->summed);
    if (x->listed) mem->event_close(x->listed);
    un_device_parts_close(&x->card_parts);
    mem->free(x->device, x->card_all);
    mem->free(x->device, x->card_index);
    un_comm_memory_give(x->memory, x->low_node);
    if (x->side) mem->queue_close(x->side);
    if (x->far_side) mem->queue_close(x->far_side);
}

/* What follows on a side queue finds all that was queued on the computation's. */
static void after_computation(struct un_exchange *x, struct un_queue *side) {
    x->device->mem->event_record(x->computed, x->queue);
    x->device->mem->queue_wait_event(side, x->computed);
}

/* What follows on side queue `to` finds all that was queued on `from`. */
static void hand_over(struct un_exchange *x, struct un_queue *from, struct un_queue *to) {
    x->device->mem->event_record(x->handed, from);
    x->device->mem->queue_wait_event(to, x->handed);
}

static enum un_status check(struct un_exchange *x) {
    UN_TRY(x->cards.ops->check(&x->cards));
    return x->far_cards.ops ? x->far_cards.ops->check(&x->far_cards) : UN_OK;
}

/* What follows on the computation's queue finds what was queued on the side ones before `event`. */
static enum un_status before_computation(struct un_exchange *x, struct un_event *event) {
    x->device->mem->queue_wait_event(x->queue, event);
    return check(x);
}

/* The step inside comes after the step across of two turns before, for it takes the same scratch; the buckets of the step
 * before were waited for by the computation. */
static enum un_status reduce_two(struct un_exchange *x, int64_t b, float *bucket) {
    struct un_device_parts *p = &x->card_parts;
    int64_t turn = un_exchange_reduce_turn(&x->order, b);
    if (turn >= 2)
        x->device->mem->queue_wait_event(x->side, x->events[un_exchange_reduce_bucket(&x->order, turn - 2)]);
    UN_TRY(un_device_parts_reduce_inside(&x->cards, p, b, turn, bucket, x->exact));
    hand_over(x, x->side, x->far_side);
    UN_TRY(un_device_parts_reduce_across(&x->far_cards, p, b, turn, bucket, x->exact));
    x->device->mem->event_record(x->events[b], x->far_side);
    return UN_OK;
}

static enum un_status reduce(struct un_exchange *x, int64_t b) {
    float *bucket = x->buffers.grads + un_shard_bucket(&x->shard, b).begin;
    after_computation(x, x->side);
    if (x->shard.nodes > 1) return reduce_two(x, b, bucket);
    UN_TRY(un_device_parts_reduce(&x->cards, &x->card_parts, b, bucket, x->exact));
    x->device->mem->event_record(x->events[b], x->side);
    return UN_OK;
}

static enum un_status gather(struct un_exchange *x, int64_t b) {
    void *bucket = un_exchange_bucket(x, b);
    const enum un_type type = un_exchange_bucket_type(x, b);
    bool two = x->shard.nodes > 1;
    after_computation(x, two ? x->far_side : x->side);
    if (two) {
        UN_TRY(un_device_parts_gather_across(&x->far_cards, &x->card_parts, b, bucket, type));
        hand_over(x, x->far_side, x->side);
    }
    UN_TRY(un_device_parts_gather(&x->cards, &x->card_parts, b, bucket, type));
    x->device->mem->event_record(x->events[b], x->side);
    return UN_OK;
}

/* The lists of the own node, and then those of all nodes: ranks of a node are consecutive. */
static enum un_status list_two(struct un_exchange *x, size_t bytes) {
    struct un_device_comm *near = &x->cards, *far = &x->far_cards;
    UN_TRY(near->ops->all_gather(near, x->low_node, x->low.mine, bytes));
    hand_over(x, x->side, x->far_side);
    return far->ops->all_gather(far, x->low.lists, x->low_node, (size_t)near->size * bytes);
}

static enum un_status list(struct un_exchange *x) {
    struct un_device_comm *c = &x->cards;
    bool two = x->shard.nodes > 1;
    size_t bytes = un_exchange_low_list_bytes(&x->low);
    after_computation(x, x->side);
    UN_TRY(two ? list_two(x, bytes) : c->ops->all_gather(c, x->low.lists, x->low.mine, bytes));
    x->device->mem->event_record(x->listed, two ? x->far_side : x->side);
    return UN_OK;
}

static enum un_status listed(struct un_exchange *x) {
    return before_computation(x, x->listed);
}

static enum un_status await_bucket(struct un_exchange *x, int64_t b) {
    return before_computation(x, x->events[b]);
}

/* Doubles are moved as pairs of floats: rows by index copy bits. */
static struct un_mat pairs(const double *data, int64_t rows) {
    return un_mat32(data, rows, 2);
}

/* The lists of the own node, and then those of all nodes. */
static enum un_status norm_two(struct un_exchange *x, size_t bytes) {
    struct un_device_comm *near = &x->cards, *far = &x->far_cards;
    UN_TRY(near->ops->all_gather(near, x->card_node, x->buffers.optim->partial, bytes));
    hand_over(x, x->side, x->far_side);
    return far->ops->all_gather(far, x->card_all, x->card_node, (size_t)near->size * bytes);
}

static enum un_status norm(struct un_exchange *x) {
    struct un_device_comm *c = &x->cards;
    bool two = x->shard.nodes > 1;
    size_t bytes = (size_t)x->list * sizeof(double);
    after_computation(x, x->side);
    if (two)
        UN_TRY(norm_two(x, bytes));
    else
        UN_TRY(c->ops->all_gather(c, x->card_all, x->buffers.optim->partial, bytes));
    x->device->mem->event_record(x->summed, two ? x->far_side : x->side);
    UN_TRY(before_computation(x, x->summed));
    x->device->ops->gather_rows(x->queue,
                                pairs(x->buffers.optim->sums, un_optim_sums_count(x->buffers.optim)),
                                pairs(x->card_all, x->shard.size * x->list), x->card_index);
    return UN_OK;
}

static double busy(const struct un_device_comm *cards) {
    struct un_device_comm *c = (struct un_device_comm *)(uintptr_t)cards;
    return c->ops ? c->ops->busy(c) : 0;
}

/* Of the level that was longer at it: the other one ran beside it. */
static struct un_comm_times times(const struct un_exchange *x) {
    double near = busy(&x->cards), far = busy(&x->far_cards);
    return (struct un_comm_times){.busy = near > far ? near : far, .waited = -1};
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
    .list = list,
    .listed = listed,
    .times = times,
};
