/* What this rank waits for in comm, told to whoever watches the rank (launch/process/watchdog.c): one
 * pulse for each thread that has collectives of its own.
 *
 * Law: the thread writes, the watcher reads, neither waits; a beginning costs two stores. Of collectives
 * between cards several may be under way, and another thread may see them end. The numbers of one line are
 * the same on all ranks, because all ranks begin the same collectives in the same order: a rank with a
 * smaller number has not arrived. */
#ifndef UN_COMM_PULSE_H
#define UN_COMM_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* name of the line, for messages: the training thread, the ones that exchange gradients and parameters beside
 * it (comm/queue.c), in two levels one inside the nodes and one, the rail, between them; collectives between
 * cards (comm/device_comm.h) */
#define UN_PULSE_LINES(X) X(MAIN, main) X(GRADIENTS, gradients) X(CARDS, cards) X(RAIL, rail)
enum un_pulse_line {
#define UN_PULSE_ENUM(upper, lower) UN_PULSE_##upper,
    UN_PULSE_LINES(UN_PULSE_ENUM)
#undef UN_PULSE_ENUM
        UN_PULSE_COUNT
};

struct un_pulse {
    _Atomic uint64_t begun, ended; /* collectives so far; different: one is under way */
    _Atomic(const char *) what;    /* the last one begun; a literal */
};

/* pulse NULL: nobody watches. Every begin has its end, also when the collective fails. */
static inline void un_pulse_begin(struct un_pulse *pulse, const char *what) {
    if (!pulse) return;
    atomic_store_explicit(&pulse->what, what, memory_order_relaxed);
    atomic_fetch_add_explicit(&pulse->begun, 1, memory_order_release);
}
static inline void un_pulse_end(struct un_pulse *pulse) {
    if (pulse) atomic_fetch_add_explicit(&pulse->ended, 1, memory_order_release);
}

struct un_comm;
/* From here on every collective of the communicator's table is told to pulses[UN_PULSE_MAIN]; other threads
 * tell theirs to comm->pulses + their line. pulses [UN_PULSE_COUNT] is borrowed and outlives the
 * communicator. Call once, before the second collective. */
void un_pulse_watch(struct un_comm *comm, struct un_pulse *pulses);

#endif
