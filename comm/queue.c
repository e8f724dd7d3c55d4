/* The queue of collectives and its threads (queue.h). Law: `lock` guards everything but the communicators, each of
 * which belongs to whoever runs work of its line; the work of a line is run by one thread only, in the order of
 * posting. Work comes after work that was posted before it, so lines never wait for each other in a circle. */
#include "comm/queue.h"

#include "runtime/clock.h"
#include "runtime/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct item {
    const char *what;
    un_comm_work work;
    void *context;
    int64_t index, after;
};

struct line {
    struct un_comm_queue *queue;
    struct un_comm *comm;   /* copy, else the caller's */
    struct un_comm *copy;   /* the thread's; NULL: no thread */
    struct un_pulse *pulse; /* of the thread, if anybody watches; without one the communicator's own tells */
    struct item *items;     /* [capacity] ring: item n stands at (n - 1) % capacity */
    int64_t posted, done;
    bool threaded;
    pthread_t thread;
};

struct un_comm_queue {
    struct line lines[UN_LINES];
    int n_lines;
    int64_t capacity;
    bool stop;
    int running;  /* lines that are at work, */
    double since; /* and since when */
    pthread_mutex_t lock;
    pthread_cond_t more, less; /* posted or stop; done */
    struct un_comm_times times;
    struct un_error error; /* the first failure */
};

/* A ticket is the number of an item and its line. */
static struct line *line_of(struct un_comm_queue *q, int64_t ticket) {
    return &q->lines[ticket % UN_LINES];
}

static int64_t ticket_of(const struct line *l, int64_t number) {
    return number * UN_LINES + (l - l->queue->lines);
}

static void keep_error(struct un_comm_queue *q, const char *what, enum un_status status) {
    const struct un_error *own = un_error_get();
    const char *text = own->status != UN_OK ? own->text : un_status_text(status);
    if (q->error.status != UN_OK) return;
    q->error.status = status;
    snprintf(q->error.text, sizeof q->error.text, "%s: %.*s", what, UN_ERROR_MAX - 64, text);
}

/* Lock held. */
static void count_time(struct un_comm_queue *q, int change) {
    double now = un_clock();
    if (q->running > 0) q->times.busy += now - q->since;
    q->since = now;
    q->running += change;
}

static enum un_status work_on(struct line *l, const struct item *item) {
    un_pulse_begin(l->pulse, item->what);
    enum un_status status = item->work(l->comm, item->context, item->index);
    un_pulse_end(l->pulse);
    return status;
}

static void reach(struct un_comm_queue *q, int64_t ticket);

/* Runs the oldest work of a line, when what it comes after has run. The lock is held on entry and exit, and not in
 * between. */
static void run_one(struct line *l) {
    struct un_comm_queue *q = l->queue;
    struct item item = l->items[l->done % q->capacity];
    reach(q, item.after);
    if (q->error.status == UN_OK) {
        count_time(q, 1);
        pthread_mutex_unlock(&q->lock);
        enum un_status status = work_on(l, &item);
        pthread_mutex_lock(&q->lock);
        count_time(q, -1);
        if (status != UN_OK) keep_error(q, item.what, status);
    }
    ++l->done;
    pthread_cond_broadcast(&q->less);
}

/* Until the work of this ticket has run: by the thread, or here. Lock held. */
static void reach(struct un_comm_queue *q, int64_t ticket) {
    struct line *l = line_of(q, ticket);
    while (l->done < ticket / UN_LINES) {
        if (l->threaded)
            pthread_cond_wait(&q->less, &q->lock);
        else
            run_one(l);
    }
}

static void *serve(void *context) {
    struct line *l = context;
    struct un_comm_queue *q = l->queue;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        while (l->done == l->posted && !q->stop) pthread_cond_wait(&q->more, &q->lock);
        if (l->done == l->posted) break;
        run_one(l);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

bool un_comm_queue_has_thread(const struct un_comm_queue *q) {
    return q && q->lines[UN_LINE_NEAR].threaded;
}

/* A duplicate and a thread on all ranks, or neither. */
static enum un_status start_thread(struct line *l, struct un_comm *comm, enum un_pulse_line pulse) {
    UN_TRY(comm->ops->duplicate(comm, &l->copy));
    if (!l->copy) return UN_OK;
    l->comm = l->copy;
    if (comm->pulses) l->pulse = comm->pulses + pulse;
    int code = pthread_create(&l->thread, NULL, serve, l);
    l->threaded = code == 0;
    return un_comm_agree(
        comm, code == 0 ? UN_OK : un_fail(UN_MEMORY, "thread of the communication: %s", strerror(code)));
}

static enum un_status start(struct un_comm_queue *q, struct un_comm *comm) {
    static const enum un_pulse_line pulses[UN_LINES] = {UN_PULSE_GRADIENTS, UN_PULSE_RAIL};
    for (int i = 0; i < q->n_lines; ++i) UN_TRY(start_thread(&q->lines[i], comm, pulses[i]));
    return UN_OK;
}

static struct un_comm_queue *allocate(struct un_comm *comm, int lines, int64_t capacity) {
    struct un_comm_queue *q = un_alloc(1, sizeof *q, "queue of collectives");
    struct item *items = un_alloc((size_t)(lines * capacity), sizeof *items, "queue of collectives");
    if (!q || !items) {
        un_free(items);
        un_free(q);
        return NULL;
    }
    *q = (struct un_comm_queue){.n_lines = lines, .capacity = capacity};
    for (int i = 0; i < lines; ++i)
        q->lines[i] = (struct line){.queue = q, .comm = comm, .items = items + i * capacity};
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->more, NULL);
    pthread_cond_init(&q->less, NULL);
    return q;
}

enum un_status un_comm_queue_open(struct un_comm_queue **out, struct un_comm *comm, bool overlap, int lines,
                                  int64_t capacity) {
    *out = NULL;
    if (comm->size == 1) return UN_OK;
    UN_ASSERT(lines >= 1 && lines <= UN_LINES);
    struct un_comm_queue *q = allocate(comm, lines, capacity);
    enum un_status status = un_comm_agree(comm, q ? UN_OK : UN_MEMORY);
    if (status == UN_OK && overlap) status = start(q, comm);
    if (status == UN_OK)
        *out = q;
    else
        un_comm_queue_close(q);
    return status;
}

/* All lines end before one of their communicators does: each may wait for work of the other. */
void un_comm_queue_close(struct un_comm_queue *q) {
    if (!q) return;
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_broadcast(&q->more);
    pthread_mutex_unlock(&q->lock);
    for (int i = 0; i < q->n_lines; ++i)
        if (q->lines[i].threaded) pthread_join(q->lines[i].thread, NULL);
    for (int i = q->n_lines - 1; i >= 0; --i) un_comm_close(q->lines[i].copy);
    pthread_cond_destroy(&q->less);
    pthread_cond_destroy(&q->more);
    pthread_mutex_destroy(&q->lock);
    un_free(q->lines[0].items);
    un_free(q);
}

int64_t un_comm_queue_post_after(struct un_comm_queue *q, enum un_comm_line line, int64_t after,
                                 const char *what, un_comm_work work, void *context, int64_t index) {
    if (!q) return 0;
    UN_ASSERT((int)line < q->n_lines);
    struct line *l = &q->lines[line];
    pthread_mutex_lock(&q->lock);
    if (l->posted >= q->capacity) reach(q, ticket_of(l, l->posted + 1 - q->capacity));
    l->items[l->posted % q->capacity] = (struct item){what, work, context, index, after};
    int64_t ticket = ticket_of(l, ++l->posted);
    pthread_cond_broadcast(&q->more);
    pthread_mutex_unlock(&q->lock);
    return ticket;
}

int64_t un_comm_queue_post(struct un_comm_queue *q, const char *what, un_comm_work work, void *context,
                           int64_t index) {
    return un_comm_queue_post_after(q, UN_LINE_NEAR, 0, what, work, context, index);
}

enum un_status un_comm_queue_wait(struct un_comm_queue *q, int64_t ticket) {
    if (!q) return UN_OK;
    pthread_mutex_lock(&q->lock);
    if (line_of(q, ticket)->done < ticket / UN_LINES) {
        double start = un_clock();
        reach(q, ticket);
        q->times.waited += un_clock() - start;
    }
    enum un_status status = q->error.status == UN_OK ? UN_OK : un_error_adopt(&q->error);
    pthread_mutex_unlock(&q->lock);
    return status;
}

struct un_comm_times un_comm_queue_times(struct un_comm_queue *q) {
    if (!q) return (struct un_comm_times){0};
    pthread_mutex_lock(&q->lock);
    struct un_comm_times times = q->times;
    pthread_mutex_unlock(&q->lock);
    return times;
}
