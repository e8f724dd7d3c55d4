/* The table of a communicator, wrapped: every collective is told before it begins and when it has ended. What
 * the wrap does not name goes to the inner table as it is. */
#include "comm/pulse.h"
#include "comm/comm.h"

static struct un_pulse *main_pulse(struct un_comm *c) {
    return c->pulses + UN_PULSE_MAIN;
}

static enum un_status end(struct un_comm *c, enum un_status status) {
    un_pulse_end(main_pulse(c));
    return status;
}

static enum un_status watched_barrier(struct un_comm *c) {
    un_pulse_begin(main_pulse(c), "barrier");
    return end(c, c->inner->barrier(c));
}

static enum un_status watched_all_gather(struct un_comm *c, void *recv, const void *send, size_t bytes) {
    un_pulse_begin(main_pulse(c), "all-gather");
    return end(c, c->inner->all_gather(c, recv, send, bytes));
}

static enum un_status watched_all_to_all(struct un_comm *c, void *recv, const void *send, size_t bytes) {
    un_pulse_begin(main_pulse(c), "all-to-all");
    return end(c, c->inner->all_to_all(c, recv, send, bytes));
}

static enum un_status watched_broadcast(struct un_comm *c, void *data, size_t bytes, int root) {
    un_pulse_begin(main_pulse(c), "broadcast");
    return end(c, c->inner->broadcast(c, data, bytes, root));
}

static enum un_status watched_sum_i64(struct un_comm *c, int64_t *data, int64_t count) {
    un_pulse_begin(main_pulse(c), "sum of integers");
    return end(c, c->inner->sum_i64(c, data, count));
}

static enum un_status watched_max_i64(struct un_comm *c, int64_t *data, int64_t count) {
    un_pulse_begin(main_pulse(c), "maximum of integers");
    return end(c, c->inner->max_i64(c, data, count));
}

void un_pulse_watch(struct un_comm *comm, struct un_pulse *pulses) {
    comm->pulses = pulses;
    comm->inner = comm->ops;
    comm->watched = *comm->inner;
    comm->watched.barrier = watched_barrier;
    comm->watched.all_gather = watched_all_gather;
    comm->watched.all_to_all = watched_all_to_all;
    comm->watched.broadcast = watched_broadcast;
    comm->watched.sum_i64 = watched_sum_i64;
    comm->watched.max_i64 = watched_max_i64;
    comm->ops = &comm->watched;
}
