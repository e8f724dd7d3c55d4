/* The exchange where the host reads the device's memory (exchange_path.h). Law: functions named work_... run
 * in a thread of the queue and touch the buffers of their bucket only; between posting and waiting nobody
 * else touches those. */
#include "launch/traffic/exchange_path.h"

static size_t norm_count(const struct un_shard *s, int64_t list) {
    return (size_t)(s->size + 1) * (size_t)list + (size_t)(un_param_blocks(s->total) + s->size);
}

size_t un_exchange_host_bytes(const struct un_shard *s, int64_t list) {
    return un_parts_bytes(s) + norm_count(s, list) * sizeof(double) + (size_t)s->buckets * sizeof(int64_t);
}

enum un_status un_exchange_host_open(struct un_exchange *x) {
    x->tickets = un_alloc((size_t)x->shard.buckets, sizeof *x->tickets, "tickets of buckets");
    x->mine = un_alloc(norm_count(&x->shard, x->list), sizeof *x->mine, "partial norms of all ranks");
    if (!x->tickets || !x->mine) return UN_MEMORY;
    x->all = x->mine + x->list;
    x->ordered = x->all + (int64_t)x->shard.size * x->list;
    return un_parts_open(&x->parts, &x->shard);
}

enum un_status un_exchange_host_start(struct un_exchange *x) {
    bool thread = un_comm_queue_has_thread(x->collectives);
    if (x->overlap && !thread)
        un_log(UN_LOG_INFO, "comm.overlap: this MPI allows one thread only, so communication waits for the "
                            "computation and the computation for it");
    return un_parts_start(&x->parts, x->comm, !thread);
}

void un_exchange_host_close(struct un_exchange *x) {
    un_parts_close(&x->parts);
    un_free(x->tickets);
    un_free(x->mine);
}

enum un_status un_exchange_host_post(struct un_exchange *x, const char *what, un_comm_work work, int64_t b) {
    x->tickets[b] = un_comm_queue_post(x->collectives, what, work, x, b);
    return UN_OK;
}

enum un_status un_exchange_host_wait(struct un_exchange *x, int64_t b) {
    return un_comm_queue_wait(x->collectives, x->tickets[b]);
}

enum un_status un_exchange_host_list(struct un_exchange *x, un_comm_work work) {
    x->list_ticket = un_comm_queue_post(x->collectives, "parameters in f32", work, x,
                                        (int64_t)un_exchange_low_list_bytes(&x->low));
    return UN_OK;
}

enum un_status un_exchange_host_listed(struct un_exchange *x) {
    return un_comm_queue_wait(x->collectives, x->list_ticket);
}

static enum un_status work_norm(struct un_comm *comm, void *context, int64_t list) {
    struct un_exchange *x = context;
    return comm->ops->all_gather(comm, x->all, x->mine, (size_t)list * sizeof *x->mine);
}

enum un_status un_exchange_host_norm(struct un_exchange *x) {
    const struct un_device_ops *mem = x->device->mem;
    int64_t sums = un_optim_sums_count(x->buffers.optim);
    mem->copy_out(x->queue, x->mine, x->buffers.optim->partial, (size_t)x->list * sizeof *x->mine);
    UN_TRY(mem->queue_wait(x->queue));
    UN_TRY(un_comm_queue_wait(x->collectives,
                              un_comm_queue_post(x->collectives, "partial norms", work_norm, x, x->list)));
    for (int64_t i = 0; i < sums; ++i) x->ordered[i] = x->all[x->index[i]];
    mem->copy_in(x->queue, x->buffers.optim->sums, x->ordered, (size_t)sums * sizeof *x->ordered);
    return UN_OK;
}

struct un_comm_times un_exchange_host_times(const struct un_exchange *x) {
    return un_comm_queue_times(x->collectives);
}

static float *bucket_of(const struct un_exchange *x, float *buffer, int64_t b) {
    return buffer + un_shard_bucket(&x->shard, b).begin;
}

static enum un_status work_reduce(struct un_comm *comm, void *context, int64_t b) {
    struct un_exchange *x = context;
    return un_parts_reduce(comm, &x->parts, b, bucket_of(x, x->buffers.grads, b), x->exact);
}

static enum un_status work_gather(struct un_comm *comm, void *context, int64_t b) {
    struct un_exchange *x = context;
    return un_parts_gather(comm, &x->parts, b, un_exchange_bucket(x, b), un_exchange_bucket_type(x, b));
}

/* ---- two levels: one line of the queue for each ---- */

static enum un_status work_reduce_inside(struct un_comm *comm, void *context, int64_t b) {
    struct un_exchange *x = context;
    int64_t turn = un_exchange_reduce_turn(&x->order, b);
    return un_parts_reduce_inside(comm, &x->parts, b, turn, bucket_of(x, x->buffers.grads, b), x->exact);
}

static enum un_status work_reduce_across(struct un_comm *comm, void *context, int64_t b) {
    struct un_exchange *x = context;
    int64_t turn = un_exchange_reduce_turn(&x->order, b);
    return un_parts_reduce_across(comm, &x->parts, b, turn, bucket_of(x, x->buffers.grads, b), x->exact);
}

static enum un_status work_gather_across(struct un_comm *comm, void *context, int64_t b) {
    struct un_exchange *x = context;
    return un_parts_gather_across(comm, &x->parts, b, un_exchange_bucket(x, b),
                                  un_exchange_bucket_type(x, b));
}

static enum un_status work_gather_inside(struct un_comm *comm, void *context, int64_t b) {
    struct un_exchange *x = context;
    return un_parts_gather_inside(comm, &x->parts, b, un_exchange_bucket(x, b),
                                  un_exchange_bucket_type(x, b));
}

/* The set of scratch that bucket b takes is free when that of two turns before has been added across the nodes. The
 * buckets of the step before were all waited for. */
static void reduce_two(struct un_exchange *x, int64_t b) {
    struct un_comm_queue *q = x->collectives;
    int64_t turn = un_exchange_reduce_turn(&x->order, b);
    int64_t before = turn >= 2 ? x->tickets[un_exchange_reduce_bucket(&x->order, turn - 2)] : 0;
    int64_t inside = un_comm_queue_post_after(q, UN_LINE_NEAR, before, "gradients inside a node",
                                              work_reduce_inside, x, b);
    x->tickets[b] =
        un_comm_queue_post_after(q, UN_LINE_FAR, inside, "gradients between nodes", work_reduce_across, x, b);
}

static void gather_two(struct un_exchange *x, int64_t b) {
    struct un_comm_queue *q = x->collectives;
    int64_t across =
        un_comm_queue_post_after(q, UN_LINE_FAR, 0, "parameters between nodes", work_gather_across, x, b);
    x->tickets[b] = un_comm_queue_post_after(q, UN_LINE_NEAR, across, "parameters inside a node",
                                             work_gather_inside, x, b);
}

static enum un_status reduce(struct un_exchange *x, int64_t b) {
    if (x->shard.nodes <= 1) return un_exchange_host_post(x, "gradients", work_reduce, b);
    reduce_two(x, b);
    return UN_OK;
}

static enum un_status gather(struct un_exchange *x, int64_t b) {
    if (x->shard.nodes <= 1) return un_exchange_host_post(x, "parameters", work_gather, b);
    gather_two(x, b);
    return UN_OK;
}

static enum un_status work_list(struct un_comm *comm, void *context, int64_t bytes) {
    struct un_exchange *x = context;
    return comm->ops->all_gather(comm, x->low.lists, x->low.mine, (size_t)bytes);
}

static enum un_status list(struct un_exchange *x) {
    return un_exchange_host_list(x, work_list);
}

const struct un_exchange_path un_exchange_host = {
    .way = "through MPI",
    .lined = true,
    .bytes = un_exchange_host_bytes,
    .open = un_exchange_host_open,
    .start = un_exchange_host_start,
    .close = un_exchange_host_close,
    .reduce = reduce,
    .reduced = un_exchange_host_wait,
    .norm = un_exchange_host_norm,
    .gather = gather,
    .gathered = un_exchange_host_wait,
    .list = list,
    .listed = un_exchange_host_listed,
    .times = un_exchange_host_times,
};
