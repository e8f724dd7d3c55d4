/* Collectives beside the computation: a thread of each rank runs what is posted, in order, on a communicator
 * of its own.
 *
 * All ranks post the same work in the same order. Where there may be no thread (the library does not allow
 * it, or the caller does not want it), work runs when it is waited for: at the same places of the program on
 * all ranks, so its collectives still meet. One thread posts and waits. Nothing is allocated after the
 * opening.
 *
 * A second line, with a thread and a communicator of its own, runs beside the first one: what is posted to one may
 * have to come after what was posted before it to the other. So one bucket is on its way inside the node while
 * another one is between the nodes. */
#ifndef UN_COMM_QUEUE_H
#define UN_COMM_QUEUE_H

#include "comm/comm.h"

struct un_comm_queue;

typedef enum un_status (*un_comm_work)(struct un_comm *comm, void *context, int64_t index);

/* NEAR: what is inside a node, and everything that is posted without naming a line. */
enum un_comm_line { UN_LINE_NEAR, UN_LINE_FAR, UN_LINES };

/* Seconds since the opening: in which work ran, on whichever line, and in which the caller was held up by
 * waiting. */
struct un_comm_times {
    double busy, waited;
};

/* Collective. One process: *queue = NULL, which every call below takes for a queue that has nothing to do:
 * what is posted to it is dropped. lines: 1, or 2. capacity: work that may stand in a line; who posts more
 * waits. */
enum un_status un_comm_queue_open(struct un_comm_queue **queue, struct un_comm *comm, bool overlap, int lines,
                                  int64_t capacity);
/* Ends the threads after all that was posted has run; what waits for a caller (no thread) is dropped. */
void un_comm_queue_close(struct un_comm_queue *queue);
bool un_comm_queue_has_thread(const struct un_comm_queue *queue);

/* work(comm, context, index) later. what: a literal, for messages. Returns a ticket; those of a line rise. After
 * a failure nothing runs any more, on no line, and every wait gives the failure. */
int64_t un_comm_queue_post(struct un_comm_queue *queue, const char *what, un_comm_work work, void *context,
                           int64_t index);
/* The same on this line, after the work of ticket `after` (0: of nothing) has run on its own. */
int64_t un_comm_queue_post_after(struct un_comm_queue *queue, enum un_comm_line line, int64_t after,
                                 const char *what, un_comm_work work, void *context, int64_t index);
/* Until the work of this ticket, and so all before it on its line, has run. Ticket 0: nothing to wait for. */
enum un_status un_comm_queue_wait(struct un_comm_queue *queue, int64_t ticket);
struct un_comm_times un_comm_queue_times(struct un_comm_queue *queue);

#endif
