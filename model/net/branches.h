/* The heads of pretraining beside each other on a card: their kernels are too small for all of it. Words stay on the pass's
 * queue, regions and pairs get a side queue each, with scratch of its own, forked from that queue before the heads and joined
 * after them.
 *
 * Law: heads of two branches write no parameter's gradient both, and no row of dx both, since a sample is asked by one
 * objective (un_batch_check, of every micro-batch that is packed). So it does not matter which adds first: the bits are those of one queue. Inside the wing only. */
#ifndef UN_MODEL_NET_BRANCHES_H
#define UN_MODEL_NET_BRANCHES_H

#include "model/net/network.h"

enum un_branch { UN_BRANCH_MAIN, UN_BRANCH_REGIONS, UN_BRANCH_PAIRS, UN_BRANCH_COUNT };

struct un_branches {
    struct un_queue *queue[UN_BRANCH_COUNT];                            /* main and those not open: NULL */
    struct un_event *forked[UN_BRANCH_COUNT], *joined[UN_BRANCH_COUNT]; /* of those that are open */
};

/* Trainings on a device of its own memory, without heads of tasks. */
bool un_branches_wanted(const struct un_model_setup *setup);
/* Of a side queue, for a network of so many parameters. */
void un_branches_limits(const struct un_model_setup *setup, int64_t params, struct un_limits *limits);
/* Opens the side queues if they are wanted. Also after an error: un_branches_close. */
enum un_status un_branches_open(struct un_branches *b, struct un_device *d,
                                const struct un_model_setup *setup, int64_t params);
void un_branches_close(struct un_branches *b, struct un_device *d);
/* The queue of objective t: q where it has no other. */
struct un_queue *un_branches_queue(const struct un_branches *b, struct un_queue *q, enum un_objective t);
void un_branches_fork(const struct un_branches *b, const struct un_device *d, struct un_queue *q);
void un_branches_join(const struct un_branches *b, const struct un_device *d, struct un_queue *q);
/* The first error that stuck to a side queue. */
enum un_status un_branches_status(const struct un_branches *b, const struct un_device *d);

#endif
