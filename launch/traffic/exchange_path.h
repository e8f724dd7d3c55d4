/* How the buckets of an exchange travel, one table for each way. For exchange*.c of this wing alone.
 *
 *   host    the host reads the device's memory: collectives on it, by the thread of the queue; in two levels
 *           by one thread each, so that a bucket is inside the nodes while the one before it is between them
 *   staged  it does not: the same through one pinned bucket of host memory
 *   cards   collectives between the devices, on a queue of their own; no host waits for them
 *
 * Every call is made by the training thread, for more than one process. reduce and gather come after the work
 * of that bucket was queued on x->queue, and are told of there by events or because that queue runs at
 * once. */
#ifndef UN_LAUNCH_TRAFFIC_EXCHANGE_PATH_H
#define UN_LAUNCH_TRAFFIC_EXCHANGE_PATH_H

#include "launch/traffic/exchange.h"

struct un_exchange_path {
    const char *way; /* in words */
    bool queued;     /* by the device itself; else by the thread of the queue, if it has one */
    bool lined;      /* its two levels are on two lines of the queue of collectives (comm/queue.h) */
    size_t (*bytes)(const struct un_shard *shard, int64_t list);
    enum un_status (*open)(struct un_exchange *x);
    enum un_status (*start)(struct un_exchange *x); /* collective */
    void (*close)(struct un_exchange *x);           /* also after an `open` that failed in the middle */
    enum un_status (*reduce)(struct un_exchange *x, int64_t b);
    enum un_status (*reduced)(struct un_exchange *x, int64_t b);
    enum un_status (*norm)(struct un_exchange *x);
    enum un_status (*gather)(struct un_exchange *x, int64_t b);
    enum un_status (*gathered)(struct un_exchange *x, int64_t b);
    /* The own list of x->low to all lists: starts on its way; is there for x->queue. */
    enum un_status (*list)(struct un_exchange *x);
    enum un_status (*listed)(struct un_exchange *x);
    struct un_comm_times (*times)(const struct un_exchange *x);
};
extern const struct un_exchange_path un_exchange_host, un_exchange_staged, un_exchange_cards;

/* As what the parameters of bucket b travel, and where they stand. */
static inline enum un_type un_exchange_bucket_type(const struct un_exchange *x, int64_t b) {
    return x->low.bucket && x->low.bucket[b] ? UN_BF16 : UN_F32;
}
static inline void *un_exchange_bucket(const struct un_exchange *x, int64_t b) {
    int64_t begin = un_shard_bucket(&x->shard, b).begin;
    if (un_exchange_bucket_type(x, b) == UN_BF16) return (uint16_t *)x->buffers.low + begin;
    return x->buffers.params + begin;
}

/* What the paths through host memory share (exchange_host.c). */
size_t un_exchange_host_bytes(const struct un_shard *shard, int64_t list);
enum un_status un_exchange_host_open(struct un_exchange *x);
enum un_status un_exchange_host_start(struct un_exchange *x);
void un_exchange_host_close(struct un_exchange *x);
enum un_status un_exchange_host_post(struct un_exchange *x, const char *what, un_comm_work work, int64_t b);
enum un_status un_exchange_host_wait(struct un_exchange *x, int64_t b);
/* work: index is the bytes of a list. */
enum un_status un_exchange_host_list(struct un_exchange *x, un_comm_work work);
enum un_status un_exchange_host_listed(struct un_exchange *x);
enum un_status un_exchange_host_norm(struct un_exchange *x);
struct un_comm_times un_exchange_host_times(const struct un_exchange *x);

#endif
