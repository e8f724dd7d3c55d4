/* Fake cards (fake_card.h). Law: `lock` of a queue guards its ring and its error; an event's count of records
 * may be read by any queue. */
#include "tests/cards/fake/fake_card.h"

#include "runtime/backends.h"
#include "runtime/cpu/cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RING = 4096 };

struct work {
    un_fake_work run;
    _Alignas(16) unsigned char context[UN_FAKE_CONTEXT];
};

struct fake_queue {
    struct un_queue cpu; /* first: what ops see; copied from the CPU backend's own */
    struct un_queue *inner;
    bool threaded, urgent, stop;
    unsigned late; /* microseconds at most */
    uint64_t seed;
    struct work *ring;
    int64_t posted, done;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct un_error error;
};

struct un_event {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t recorded, reached;
};

/* The inside of a device: that of the CPU backend and its tables, from which these are made. */
struct fake_state {
    struct un_device *inner;
    struct un_device_ops mem;
    struct un_ops ops;
};

static struct fake_queue *of(struct un_queue *q) {
    return (struct fake_queue *)q;
}

static struct fake_state *state_of(struct un_device *d) {
    return d->state;
}

/* ---- queues ---- */

static void run_late(struct fake_queue *q) {
    q->seed = q->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    if (q->late) usleep((useconds_t)((q->seed >> 33) % q->late));
}

static void *serve(void *context) {
    struct fake_queue *q = context;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        while (q->done == q->posted && !q->stop) pthread_cond_wait(&q->changed, &q->lock);
        if (q->done == q->posted) break;
        struct work *w = &q->ring[q->done % RING];
        pthread_mutex_unlock(&q->lock);
        run_late(q);
        enum un_status status = w->run(w->context);
        pthread_mutex_lock(&q->lock);
        if (status != UN_OK && q->error.status == UN_OK) q->error = *un_error_get();
        ++q->done;
        pthread_cond_broadcast(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

void un_fake_post(struct un_queue *queue, un_fake_work work, const void *context, size_t bytes) {
    struct fake_queue *q = of(queue);
    if (!q->threaded) {
        _Alignas(16) unsigned char copy[UN_FAKE_CONTEXT];
        memcpy(copy, context, bytes);
        (void)work(copy);
        return;
    }
    pthread_mutex_lock(&q->lock);
    while (q->posted - q->done == RING) pthread_cond_wait(&q->changed, &q->lock);
    struct work *w = &q->ring[q->posted % RING];
    w->run = work;
    memcpy(w->context, context, bytes);
    ++q->posted;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

bool un_fake_urgent(const struct un_queue *queue) {
    return ((const struct fake_queue *)(const void *)queue)->urgent;
}

static enum un_status status_of(struct un_queue *queue, bool wait) {
    struct fake_queue *q = of(queue);
    if (!q->threaded) return q->cpu.error.status == UN_OK ? UN_OK : un_error_adopt(&q->cpu.error);
    pthread_mutex_lock(&q->lock);
    while (wait && q->done < q->posted) pthread_cond_wait(&q->changed, &q->lock);
    enum un_status status = q->error.status == UN_OK ? UN_OK : un_error_adopt(&q->error);
    pthread_mutex_unlock(&q->lock);
    return status;
}

static enum un_status queue_wait(struct un_queue *queue) {
    return status_of(queue, true);
}

static enum un_status queue_status(struct un_queue *queue) {
    return status_of(queue, false);
}

static enum un_status queue_open(struct un_device *d, const struct un_limits *limits, struct un_queue **out) {
    struct fake_state *s = state_of(d);
    struct fake_queue *q = un_alloc(1, sizeof *q, "queue");
    if (!q) return UN_MEMORY;
    enum un_status status = s->inner->mem->queue_open(s->inner, limits, &q->inner);
    if (status != UN_OK) return status;
    q->cpu = *q->inner;
    q->cpu.device = d;
    q->threaded = limits->max_tokens == 0;
    q->urgent = limits->urgent;
    *out = &q->cpu;
    if (!q->threaded) return UN_OK;
    const char *late = getenv("UN_FAKE_LATE");
    q->late = late ? (unsigned)strtoul(late, NULL, 10) : 0;
    q->seed = (uint64_t)getpid();
    q->cpu.threads = 1;
    q->ring = un_alloc(RING, sizeof *q->ring, "queue");
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    if (!q->ring || pthread_create(&q->thread, NULL, serve, q) != 0) return UN_MEMORY;
    return UN_OK;
}

static void queue_close(struct un_queue *queue) {
    struct fake_queue *q = of(queue);
    if (q->threaded) {
        pthread_mutex_lock(&q->lock);
        q->stop = true;
        pthread_cond_broadcast(&q->changed);
        pthread_mutex_unlock(&q->lock);
        pthread_join(q->thread, NULL);
        pthread_cond_destroy(&q->changed);
        pthread_mutex_destroy(&q->lock);
        un_free(q->ring);
    }
    state_of(q->cpu.device)->inner->mem->queue_close(q->inner);
    un_free(q);
}

/* ---- events ---- */

static enum un_status event_open(struct un_device *d, struct un_event **out) {
    (void)d;
    struct un_event *e = un_alloc(1, sizeof *e, "event");
    if (!e) return UN_MEMORY;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->changed, NULL);
    *out = e;
    return UN_OK;
}

static void event_close(struct un_event *e) {
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    un_free(e);
}

/* An event and the record that is meant. */
struct point {
    struct un_event *event;
    int64_t number;
};

static enum un_status reach(void *context) {
    const struct point *p = context;
    pthread_mutex_lock(&p->event->lock);
    if (p->event->reached < p->number) p->event->reached = p->number;
    pthread_cond_broadcast(&p->event->changed);
    pthread_mutex_unlock(&p->event->lock);
    return UN_OK;
}

static enum un_status await(void *context) {
    const struct point *p = context;
    pthread_mutex_lock(&p->event->lock);
    while (p->event->reached < p->number) pthread_cond_wait(&p->event->changed, &p->event->lock);
    pthread_mutex_unlock(&p->event->lock);
    return UN_OK;
}

static struct point newest(struct un_event *e, bool another) {
    pthread_mutex_lock(&e->lock);
    struct point p = {e, e->recorded += another};
    pthread_mutex_unlock(&e->lock);
    return p;
}

static void event_record(struct un_event *e, struct un_queue *q) {
    struct point p = newest(e, true);
    un_fake_post(q, reach, &p, sizeof p);
}

static void queue_wait_event(struct un_queue *q, struct un_event *e) {
    struct point p = newest(e, false);
    un_fake_post(q, await, &p, sizeof p);
}

static enum un_status event_wait(struct un_event *e) {
    struct point p = newest(e, false);
    return await(&p);
}

/* ---- copies, and the ops that queues with a thread are given ---- */

struct copy {
    void *to;
    const void *from;
    size_t bytes;
};

static enum un_status run_copy(void *context) {
    const struct copy *c = context;
    if (c->bytes > 0) memmove(c->to, c->from, c->bytes);
    return UN_OK;
}

static void copy(struct un_queue *q, void *to, const void *from, size_t bytes) {
    un_fake_post(q, run_copy, &(struct copy){to, from, bytes}, sizeof(struct copy));
}

struct sum {
    struct un_queue *q;
    float *to;
    const float *from;
    int64_t count;
};

static enum un_status run_add(void *context) {
    const struct sum *s = context;
    un_cpu_add(s->q, s->to, s->from, s->count);
    return UN_OK;
}

static void add(struct un_queue *q, float *to, const float *from, int64_t count) {
    un_fake_post(q, run_add, &(struct sum){q, to, from, count}, sizeof(struct sum));
}

/* ---- the device ---- */

static void *card_alloc(struct un_device *d, size_t bytes, const char *what) {
    return state_of(d)->inner->mem->alloc(state_of(d)->inner, bytes, what);
}

static void card_free(struct un_device *d, void *ptr) {
    state_of(d)->inner->mem->free(state_of(d)->inner, ptr);
}

static size_t scratch_bytes(struct un_device *d, const struct un_limits *limits) {
    return state_of(d)->inner->mem->scratch_bytes(state_of(d)->inner, limits);
}

static enum un_status use_kernel(struct un_device *d, const char *name) {
    return un_device_use_kernel(state_of(d)->inner, name);
}

static void card_close(struct un_device *d) {
    struct fake_state *s = state_of(d);
    un_device_close(s->inner);
    un_free(s);
    un_free(d);
}

/* What fake_nccl.c is given as a stream. */
static void *stream(struct un_queue *q) {
    return q;
}

static void fill_tables(struct fake_state *s) {
    s->mem = *s->inner->mem;
    s->mem.alloc = s->mem.host_alloc = card_alloc;
    s->mem.free = s->mem.host_free = card_free;
    s->mem.queue_open = queue_open;
    s->mem.queue_close = queue_close;
    s->mem.queue_wait = queue_wait;
    s->mem.queue_status = queue_status;
    s->mem.event_open = event_open;
    s->mem.event_close = event_close;
    s->mem.event_record = event_record;
    s->mem.queue_wait_event = queue_wait_event;
    s->mem.event_wait = event_wait;
    s->mem.stream = stream;
    s->mem.copy_in = s->mem.copy_out = s->mem.copy = copy;
    s->mem.scratch_bytes = scratch_bytes;
    s->mem.place_threads = NULL;
    s->mem.library_bytes = NULL;
    s->mem.take_libraries = NULL;
    s->mem.use_kernel = use_kernel;
    s->mem.close = card_close;
    s->ops = *s->inner->ops;
    s->ops.add = add;
}

/* In place of those of runtime/cuda. */
int un_cuda_count(void) {
    const char *count = getenv("UN_FAKE_CARDS");
    return count ? atoi(count) : 0;
}

enum un_status un_cuda_open(int ordinal, struct un_device **device) {
    struct un_device *d = un_alloc(1, sizeof *d, "fake card");
    struct fake_state *s = un_alloc(1, sizeof *s, "fake card");
    if (!d || !s) return UN_MEMORY;
    enum un_status status = un_cpu_open(1, &s->inner);
    if (status != UN_OK) return status;
    fill_tables(s);
    *d = *s->inner;
    d->mem = &s->mem;
    d->ops = &s->ops;
    d->kind = UN_DEVICE_CUDA;
    d->host_readable = false;
    d->state = s;
    snprintf(d->id, sizeof d->id, "fake-%d", ordinal);
    snprintf(d->name, sizeof d->name, "fake card %d: of host memory", ordinal);
    *device = d;
    return UN_OK;
}
