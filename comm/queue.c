/* The queue of collectives and its thread (queue.h). Law: `lock` guards everything but `comm`, which belongs
 * to whoever runs work; work is run by one thread only, in the order of posting. */
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
    int64_t index;
};

struct un_comm_queue {
    struct un_comm *comm;   /* copy, else the caller's */
    struct un_comm *copy;   /* the thread's; NULL: no thread */
    struct un_pulse *pulse; /* of the thread, if anybody watches; without one the communicator's own tells */
    struct item *items;     /* [capacity] ring: ticket t stands at (t - 1) % capacity */
    int64_t capacity, posted, done;
    bool threaded, stop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more, less; /* posted or stop; done */
    struct un_comm_times times;
    struct un_error error; /* the first failure */
};

static void keep_error(struct un_comm_queue *q, const char *what, enum un_status status) {
    const struct un_error *own = un_error_get();
    const char *text = own->status != UN_OK ? own->text : un_status_text(status);
    q->error.status = status;
    snprintf(q->error.text, sizeof q->error.text, "%s: %.*s", what, UN_ERROR_MAX - 64, text);
}

/* Runs the oldest work. The lock is held on entry and exit, and not in between. */
static void run_one(struct un_comm_queue *q) {
    struct item item = q->items[q->done % q->capacity];
    if (q->error.status == UN_OK) {
        pthread_mutex_unlock(&q->lock);
        double start = un_clock();
        un_pulse_begin(q->pulse, item.what);
        enum un_status status = item.work(q->comm, item.context, item.index);
        un_pulse_end(q->pulse);
        double seconds = un_clock() - start;
        pthread_mutex_lock(&q->lock);
        q->times.busy += seconds;
        if (status != UN_OK) keep_error(q, item.what, status);
    }
    ++q->done;
    pthread_cond_broadcast(&q->less);
}

static void *serve(void *context) {
    struct un_comm_queue *q = context;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        while (q->done == q->posted && !q->stop) pthread_cond_wait(&q->more, &q->lock);
        if (q->done == q->posted) break;
        run_one(q);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

bool un_comm_queue_has_thread(const struct un_comm_queue *q) {
    return q && q->threaded;
}

/* A duplicate and a thread on all ranks, or neither. */
static enum un_status start_thread(struct un_comm_queue *q, struct un_comm *comm) {
    UN_TRY(comm->ops->duplicate(comm, &q->copy));
    if (!q->copy) return UN_OK;
    q->comm = q->copy;
    if (comm->pulses) q->pulse = comm->pulses + UN_PULSE_GRADIENTS;
    int code = pthread_create(&q->thread, NULL, serve, q);
    q->threaded = code == 0;
    return un_comm_agree(
        comm, code == 0 ? UN_OK : un_fail(UN_MEMORY, "thread of the communication: %s", strerror(code)));
}

enum un_status un_comm_queue_open(struct un_comm_queue **out, struct un_comm *comm, bool overlap,
                                  int64_t capacity) {
    *out = NULL;
    if (comm->size == 1) return UN_OK;
    struct un_comm_queue *q = un_alloc(1, sizeof *q, "queue of collectives");
    struct item *items = un_alloc((size_t)capacity, sizeof *items, "queue of collectives");
    enum un_status status = un_comm_agree(comm, q && items ? UN_OK : UN_MEMORY);
    if (status != UN_OK) {
        un_free(items);
        un_free(q);
        return status;
    }
    *q = (struct un_comm_queue){.comm = comm, .items = items, .capacity = capacity};
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->more, NULL);
    pthread_cond_init(&q->less, NULL);
    if (overlap) status = start_thread(q, comm);
    if (status == UN_OK)
        *out = q;
    else
        un_comm_queue_close(q);
    return status;
}

void un_comm_queue_close(struct un_comm_queue *q) {
    if (!q) return;
    if (q->threaded) {
        pthread_mutex_lock(&q->lock);
        q->stop = true;
        pthread_cond_broadcast(&q->more);
        pthread_mutex_unlock(&q->lock);
        pthread_join(q->thread, NULL);
    }
    un_comm_close(q->copy);
    pthread_cond_destroy(&q->less);
    pthread_cond_destroy(&q->more);
    pthread_mutex_destroy(&q->lock);
    un_free(q->items);
    un_free(q);
}

/* Until `done` has reached `ticket`: by the thread, or here. Lock held. */
static void reach(struct un_comm_queue *q, int64_t ticket) {
    while (q->done < ticket) {
        if (q->threaded)
            pthread_cond_wait(&q->less, &q->lock);
        else
            run_one(q);
    }
}

int64_t un_comm_queue_post(struct un_comm_queue *q, const char *what, un_comm_work work, void *context,
                           int64_t index) {
    if (!q) return 0;
    pthread_mutex_lock(&q->lock);
    reach(q, q->posted + 1 - q->capacity);
    q->items[q->posted % q->capacity] = (struct item){what, work, context, index};
    int64_t ticket = ++q->posted;
    pthread_cond_signal(&q->more);
    pthread_mutex_unlock(&q->lock);
    return ticket;
}

enum un_status un_comm_queue_wait(struct un_comm_queue *q, int64_t ticket) {
    if (!q) return UN_OK;
    pthread_mutex_lock(&q->lock);
    if (q->done < ticket) {
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
