/* The order of buckets (order.h). Turns of gathering are: the first group, then the buckets that stand before it in
 * the buffer, then those behind it. A bucket's number falls by one from turn to turn but where a group ends. */
#include "launch/traffic/order.h"

void un_exchange_order_set(struct un_exchange_order *o, const struct un_shard *shard, struct un_span first) {
    int64_t last = shard->buckets - 1;
    *o = (struct un_exchange_order){.buckets = shard->buckets, .low = last, .high = last};
    if (first.end <= first.begin) return;
    o->low = un_shard_find(shard, first.end - 1);
    o->high = un_shard_find(shard, first.begin);
}

int64_t un_exchange_gather_bucket(const struct un_exchange_order *o, int64_t turn) {
    int64_t first = o->high - o->low + 1, behind = o->low; /* buckets of the first group, and behind it */
    if (turn < first) return o->high - turn;
    if (turn < o->buckets - behind) return o->buckets - 1 - (turn - first);
    return o->buckets - 1 - turn;
}

int64_t un_exchange_gather_turn(const struct un_exchange_order *o, int64_t b) {
    if (b > o->high) return o->high - o->low + 1 + (o->buckets - 1 - b);
    if (b >= o->low) return o->high - b;
    return o->buckets - 1 - b;
}

int64_t un_exchange_reduce_bucket(const struct un_exchange_order *o, int64_t turn) {
    return un_exchange_gather_bucket(o, o->buckets - 1 - turn);
}

int64_t un_exchange_reduce_turn(const struct un_exchange_order *o, int64_t b) {
    return o->buckets - 1 - un_exchange_gather_turn(o, b);
}
