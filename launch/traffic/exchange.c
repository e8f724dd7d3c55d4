/* The exchange of a step (exchange.h): what does not depend on how the data travel. */
#include "launch/traffic/exchange.h"

#include "launch/traffic/exchange_path.h"

int64_t un_exchange_most_owned(const struct un_shard *s) {
    int64_t most = un_shard_blocks(s, 0) * UN_PARAM_BLOCK;
    return most < s->total ? most : s->total;
}

static int64_t list_of(const struct un_shard *s) {
    return un_shard_blocks(s, 0) + 1;
}

static size_t sums_count(const struct un_shard *s) {
    return (size_t)(un_param_blocks(s->total) + s->size);
}

/* Lists of un_exchange_low that the path keeps beside those: all on the host, or those of a node. */
static int lists_beside(const struct un_exchange_route *route, const struct un_shard *s) {
    if (route->path == &un_exchange_staged) return s->size + 1;
    return route->path == &un_exchange_cards && s->nodes > 1 ? un_shard_places(s) : 0;
}

size_t un_exchange_bytes(const struct un_exchange_route *route, const struct un_shard *s,
                         const struct un_params *low) {
    enum { BLOCKS = 4 }; /* of the library: scratch, lists of `low` */
    if (!route->path) return 0;
    size_t bytes = route->path->bytes(s, list_of(s)) + sums_count(s) * sizeof(int32_t);
    if (route->library) bytes += BLOCKS * (size_t)UN_COMM_GRAIN;
    return low ? bytes + un_exchange_low_bytes(s, low, lists_beside(route, s)) : bytes;
}

/* The lists of all ranks, each in its local order, into the order of the buffer; then the words. */
static void fill_index(struct un_exchange *x) {
    const struct un_shard *s = &x->shard;
    for (int r = 0; r < s->size; ++r) {
        int64_t list = r * x->list;
        for (int64_t b = 0; b < s->buckets; ++b) {
            struct un_span part = un_shard_part(s, b, r);
            int64_t to = part.begin / UN_PARAM_BLOCK, from = list + un_shard_local(s, b) / UN_PARAM_BLOCK;
            for (int64_t k = 0; k < un_param_blocks(un_span_count(part)); ++k)
                x->index[to + k] = (int32_t)(from + k);
        }
        x->index[un_param_blocks(s->total) + r] = (int32_t)(list + un_shard_blocks(s, r));
    }
}

enum un_status un_exchange_open(struct un_exchange *x, const struct un_exchange_setup *setup) {
    *x = (struct un_exchange){.path = setup->route.path,
                              .open_cards = setup->route.open_cards,
                              .comm = setup->comm,
                              .device = setup->device,
                              .queue = setup->queue,
                              .exact = setup->exact,
                              .overlap = setup->overlap,
                              .rail_ctas = setup->rail_ctas,
                              .plain = {.device = setup->device, .queue = setup->queue},
                              .shard = setup->shard};
    x->memory = setup->memory ? setup->memory : &x->plain;
    un_exchange_order_set(&x->order, &x->shard, setup->first);
    if (!x->path) return UN_OK;
    x->list = list_of(&x->shard);
    if (x->list * x->shard.size > INT32_MAX)
        return un_fail(UN_USAGE, "%d ranks have more blocks of parameters than an index of 2^31 entries",
                       x->shard.size);
    x->index = un_alloc(sums_count(&x->shard), sizeof *x->index, "order of partial norms");
    if (!x->index) return UN_MEMORY;
    fill_index(x);
    if (setup->low) UN_TRY(un_exchange_low_open(&x->low, &x->shard, setup->low, x->comm->rank, x->memory));
    return x->path->open(x);
}

void un_exchange_attach(struct un_exchange *x, const struct un_exchange_buffers *buffers) {
    x->buffers = *buffers;
}

enum un_status un_exchange_start(struct un_exchange *x) {
    if (!x->path) return UN_OK;
    int lines = x->path->lined && x->shard.nodes > 1 ? UN_LINES : 1;
    /* A step posts every bucket twice, the norm, the lists and the counts of the next step. */
    UN_TRY(un_comm_queue_open(&x->collectives, x->comm, x->overlap, lines, 2 * x->shard.buckets + 3));
    if (x->buffers.low)
        un_log(UN_LOG_INFO, "parameters: %lld of %lld buckets go round as bf16",
               (long long)un_exchange_low_buckets(x), (long long)x->shard.buckets);
    return x->path->start(x);
}

void un_exchange_close(struct un_exchange *x) {
    un_comm_queue_close(x->collectives);
    if (x->path) x->path->close(x);
    if (x->memory) un_exchange_low_close(&x->low, x->memory);
    un_free(x->index);
    *x = (struct un_exchange){0};
}

/* ---- a step ---- */

void un_exchange_begin(struct un_exchange *x) {
    x->posted = 0;
    x->open_grads = (struct un_span){0, x->shard.total};
}

/* Are all gradients of bucket b? */
static bool is_final(const struct un_exchange *x, int64_t b) {
    struct un_span bucket = un_shard_bucket(&x->shard, b), open = x->open_grads;
    return open.begin >= open.end || bucket.begin >= open.end || bucket.end <= open.begin;
}

void un_exchange_ready(struct un_exchange *x, int64_t begin, int64_t end) {
    struct un_span *open = &x->open_grads;
    if (!x->path) return;
    UN_ASSERT(end >= open->end || begin <= open->begin);
    if (end >= open->end)
        open->end = begin > open->begin ? begin : open->begin;
    else if (end > open->begin)
        open->begin = end;
    for (; x->posted < x->shard.buckets; ++x->posted) {
        int64_t b = un_exchange_reduce_bucket(&x->order, x->posted);
        if (!is_final(x, b) || x->path->reduce(x, b) != UN_OK) return; /* a failure sticks */
    }
}

struct un_optim_part un_exchange_part(const struct un_exchange *x, int64_t b) {
    struct un_span span = un_shard_part(&x->shard, b, x->comm->rank);
    return (struct un_optim_part){span.begin, un_span_count(span), un_shard_local(&x->shard, b)};
}

enum un_status un_exchange_reduced(struct un_exchange *x, int64_t b) {
    return x->path ? x->path->reduced(x, b) : UN_OK;
}

enum un_status un_exchange_norm(struct un_exchange *x) {
    return x->path ? x->path->norm(x) : UN_OK; /* one process: the sums are the partial ones */
}

/* The lists first: what stands in front of the buffer needs its norms at once. So nothing leaves before all own
 * parts are updated. */
static enum un_status send_low(struct un_exchange *x) {
    un_exchange_low_pack(&x->low, x->device, x->queue, x->buffers.params);
    x->unlisted = true;
    UN_TRY(x->path->list(x));
    for (int64_t turn = 0; turn < x->shard.buckets; ++turn)
        UN_TRY(x->path->gather(x, un_exchange_gather_bucket(&x->order, turn)));
    return UN_OK;
}

enum un_status un_exchange_updated(struct un_exchange *x, int64_t b) {
    if (!x->path) return UN_OK;
    int64_t turn = un_exchange_gather_turn(&x->order, b);
    if (turn == 0) x->missing = x->shard.buckets;
    if (!x->low.bucket) return x->path->gather(x, b);
    return turn == x->shard.buckets - 1 ? send_low(x) : UN_OK;
}

static void lower(struct un_exchange *x, int64_t begin, int64_t end) {
    if (end > begin)
        x->device->ops->cast(x->queue, (uint16_t *)x->buffers.low + begin, UN_BF16, x->buffers.params + begin,
                             UN_F32, end - begin);
}

/* The parameters of bucket b have come. As f32: their bf16 copies are made here. The update has made those of the
 * own part. */
static void arrived(struct un_exchange *x, int64_t b) {
    if (!x->buffers.low || un_exchange_bucket_type(x, b) == UN_BF16) return;
    struct un_span bucket = un_shard_bucket(&x->shard, b);
    struct un_span own = un_shard_part(&x->shard, b, x->comm->rank);
    lower(x, bucket.begin, own.begin);
    lower(x, own.end, bucket.end);
}

static enum un_status await_lists(struct un_exchange *x) {
    UN_TRY(x->path->listed(x));
    un_exchange_low_unpack(&x->low, x->device, x->queue, x->buffers.params);
    x->unlisted = false;
    return UN_OK;
}

/* In which turn the last of the buckets comes that [begin, end) lies in. */
static int64_t last_turn(const struct un_exchange *x, int64_t begin, int64_t end) {
    int64_t last = 0;
    for (int64_t b = un_shard_find(&x->shard, end - 1); b <= un_shard_find(&x->shard, begin); ++b) {
        int64_t turn = un_exchange_gather_turn(&x->order, b);
        if (turn > last) last = turn;
    }
    return last;
}

enum un_status un_exchange_need(struct un_exchange *x, int64_t begin, int64_t end) {
    if (!x->path || end <= begin) return UN_OK;
    if (x->unlisted) UN_TRY(await_lists(x));
    for (int64_t last = last_turn(x, begin, end), turn; (turn = x->shard.buckets - x->missing) <= last;
         --x->missing) {
        int64_t b = un_exchange_gather_bucket(&x->order, turn);
        UN_TRY(x->path->gathered(x, b));
        arrived(x, b);
    }
    return UN_OK;
}

enum un_status un_exchange_settle(struct un_exchange *x) {
    return un_exchange_need(x, 0, x->shard.total);
}

static enum un_status work_sum(struct un_comm *comm, void *context, int64_t n) {
    return comm->ops->sum_i64(comm, context, n);
}

int64_t un_exchange_sum(struct un_exchange *x, int64_t *counts, int64_t n) {
    return un_comm_queue_post(x->collectives, "counts of a step", work_sum, counts, n);
}

enum un_status un_exchange_wait(struct un_exchange *x, int64_t ticket) {
    return un_comm_queue_wait(x->collectives, ticket);
}

struct un_comm_times un_exchange_times(const struct un_exchange *x) {
    return x->path ? x->path->times(x) : (struct un_comm_times){0};
}

bool un_exchange_beside(const struct un_exchange *x) {
    return x->path && (x->path->queued || un_comm_queue_has_thread(x->collectives));
}

int64_t un_exchange_low_buckets(const struct un_exchange *x) {
    int64_t n = 0;
    for (int64_t b = 0; x->low.bucket && b < x->shard.buckets; ++b) n += x->low.bucket[b];
    return n;
}

const char *un_exchange_way(const struct un_exchange *x) {
    return x->path ? x->path->way : "none";
}
