/* A card for tests without one: the CPU device, made unreadable for the host, with queues that are really
 * asynchronous towards each other.
 *
 * Copies of a queue without scratch (a copy queue) run as late as the events allow: a copy that nobody waits
 * for before its source changes, or before its destination is read, gives wrong numbers. And every access to
 * a micro-batch's block is checked by vector clocks: two queues that touch it without an event (or the host)
 * between them are counted in `races`, whatever the timing. */
#ifndef UN_TESTS_UNIT_LAUNCH_TRAIN_PRETEND_CARD_H
#define UN_TESTS_UNIT_LAUNCH_TRAIN_PRETEND_CARD_H

#include "runtime/device.h"

struct pretend_counts {
    int64_t races, late; /* late: copies that did not run at once */
    int64_t copied;      /* bytes of copy_in so far, all queues */
    int64_t blocks;      /* of micro-batches that are watched */
};

/* Turns an open CPU device, without queues yet, into the card; free_bytes: what is free on it, and
 * more is not given. One at a time. */
void pretend_card(struct un_device *cpu, size_t free_bytes);
struct pretend_counts pretend_counts(void);
/* An allocation named so fails from now on; NULL: none. */
void pretend_refuse(const char *what);

#endif
