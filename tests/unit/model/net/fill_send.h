/* A packed micro-batch with fillers, on a device where everything else is poison. */
#ifndef UN_TESTS_UNIT_MODEL_NET_FILL_SEND_H
#define UN_TESTS_UNIT_MODEL_NET_FILL_SEND_H

#include "tests/support/net.h"

/* Puts behind the real entries what would end in a crash or in other numbers, fills the batch, and sends its spans, and
 * nothing else, to a block that was poisoned. batch->device is the filled one then. */
void fill_send(struct net *net, struct packed *batch, const struct un_batch_caps *caps,
               struct un_batch *padded);

#endif
