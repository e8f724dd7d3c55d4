/* The order in which buckets go round: arithmetic that all ranks do alike.
 *
 * A forward reads some elements first, wherever they stand in the buffer, then the buffer from its beginning on; the
 * backward finishes gradients the other way round, those of the first elements last. So the buckets that hold any of the
 * first elements are gathered first, then the others from the beginning of the buffer on, each group from its last bucket,
 * which stands in front, to its first. Gradients are reduced in the opposite order. */
#ifndef UN_LAUNCH_TRAFFIC_ORDER_H
#define UN_LAUNCH_TRAFFIC_ORDER_H

#include "comm/shard.h"

struct un_exchange_order {
    int64_t buckets;
    int64_t low, high; /* the first group is the buckets [low, high] */
};

/* first: the elements that are read first, of the shard's total; empty: there are none of their own. */
void un_exchange_order_set(struct un_exchange_order *order, const struct un_shard *shard,
                           struct un_span first);
/* The bucket whose turn it is, turns counted from 0; and the turn of bucket b. */
int64_t un_exchange_gather_bucket(const struct un_exchange_order *order, int64_t turn);
int64_t un_exchange_gather_turn(const struct un_exchange_order *order, int64_t b);
int64_t un_exchange_reduce_bucket(const struct un_exchange_order *order, int64_t turn);
int64_t un_exchange_reduce_turn(const struct un_exchange_order *order, int64_t b);

#endif
