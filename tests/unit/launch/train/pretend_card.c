/* See pretend_card.h. Law: one lock around everything, as the thread that communicates uses the device too.
 * Host is a party of its own: what it waited for, all later work of all queues comes after. */
#include "tests/unit/launch/train/pretend_card.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { QUEUES = 8, EVENTS = 256, BLOCKS = 4, LATE = 64 };

struct clock {
    int64_t at[QUEUES];
};
struct late_copy {
    void *dst;
    const void *src;
    size_t bytes;
};
struct queue {
    struct un_queue *inner;
    bool copies;
    struct clock clock;
    struct late_copy late[LATE];
    int n_late;
};
struct event {
    struct un_event *inner;
    struct clock clock;
    int queue; /* that recorded it; -1: none yet */
};
struct block {
    char *begin;
    size_t bytes;
    int64_t last[QUEUES]; /* time of each queue's last access */
    bool open[QUEUES];    /* ops of this queue work on it until the next event is recorded */
};

/* The one card of a test program. */
static struct {
    pthread_mutex_t lock;
    const struct un_device_ops *cpu;
    struct un_device_ops mem;
    size_t free_bytes, taken;
    const char *refused;
    struct queue queues[QUEUES];
    struct event events[EVENTS];
    struct block blocks[BLOCKS];
    struct clock host;
    struct pretend_counts counts;
} card = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void join(struct clock *into, const struct clock *from) {
    for (int i = 0; i < QUEUES; ++i)
        if (into->at[i] < from->at[i]) into->at[i] = from->at[i];
}

static int queue_of(const struct un_queue *q) {
    for (int i = 0; i < QUEUES; ++i)
        if (card.queues[i].inner == q) return i;
    fail_msg("a queue that was never opened");
    return 0;
}

static struct event *event_of(const struct un_event *e) {
    for (int i = 0; i < EVENTS; ++i)
        if (card.events[i].inner == e) return &card.events[i];
    fail_msg("an event that was never opened");
    return NULL;
}

/* New work enters queue i: it comes after all that the host has waited for. */
static int64_t enter(int i) {
    join(&card.queues[i].clock, &card.host);
    return ++card.queues[i].clock.at[i];
}

static void run_late(struct queue *q) {
    for (int i = 0; i < q->n_late; ++i) memcpy(q->late[i].dst, q->late[i].src, q->late[i].bytes);
    q->n_late = 0;
}

static struct block *block_of(const void *p) {
    for (int i = 0; i < BLOCKS; ++i)
        if (card.blocks[i].begin && (const char *)p >= card.blocks[i].begin &&
            (const char *)p < card.blocks[i].begin + card.blocks[i].bytes)
            return &card.blocks[i];
    return NULL;
}

static void touch(struct block *b, int i, int64_t now) {
    for (int k = 0; k < QUEUES; ++k)
        if (k != i && card.queues[i].clock.at[k] < b->last[k]) ++card.counts.races;
    b->last[i] = now;
    b->open[i] = !card.queues[i].copies;
}

/* ---- the table ---- */

static void *card_alloc(struct un_device *d, size_t bytes, const char *what) {
    if ((card.refused && strcmp(what, card.refused) == 0) || bytes > card.free_bytes - card.taken) {
        un_fail(UN_MEMORY, "no %zu bytes on the pretended card for %s", bytes, what);
        return NULL;
    }
    void *p = card.cpu->alloc(d, bytes, what);
    card.taken += bytes;
    for (int i = 0; p && strcmp(what, "micro-batch") == 0 && i < BLOCKS; ++i)
        if (!card.blocks[i].begin) {
            card.blocks[i] = (struct block){.begin = p, .bytes = bytes};
            ++card.counts.blocks;
            break;
        }
    return p;
}

static void card_free(struct un_device *d, void *p) {
    struct block *b = p ? block_of(p) : NULL;
    if (b) *b = (struct block){0};
    card.cpu->free(d, p);
}

static enum un_status card_memory_info(struct un_device *d, size_t *free_bytes, size_t *total_bytes) {
    (void)d;
    *free_bytes = card.free_bytes - card.taken;
    *total_bytes = card.free_bytes;
    return UN_OK;
}

static enum un_status card_queue_open(struct un_device *d, const struct un_limits *limits,
                                      struct un_queue **q) {
    enum un_status status = card.cpu->queue_open(d, limits, q);
    for (int i = 0; status == UN_OK && i < QUEUES; ++i)
        if (!card.queues[i].inner) {
            card.queues[i] = (struct queue){.inner = *q, .copies = limits->max_tokens == 0};
            break;
        }
    return status;
}

static void card_queue_close(struct un_queue *q) {
    struct queue *mine = &card.queues[queue_of(q)];
    run_late(mine);
    mine->inner = NULL;
    card.cpu->queue_close(q);
}

static enum un_status card_queue_wait(struct un_queue *q) {
    pthread_mutex_lock(&card.lock);
    int i = queue_of(q);
    run_late(&card.queues[i]);
    join(&card.host, &card.queues[i].clock);
    pthread_mutex_unlock(&card.lock);
    return card.cpu->queue_wait(q);
}

static enum un_status card_event_open(struct un_device *d, struct un_event **e) {
    enum un_status status = card.cpu->event_open(d, e);
    for (int i = 0; status == UN_OK && i < EVENTS; ++i)
        if (!card.events[i].inner) {
            card.events[i] = (struct event){.inner = *e, .queue = -1};
            break;
        }
    return status;
}

static void card_event_close(struct un_event *e) {
    event_of(e)->inner = NULL;
    card.cpu->event_close(e);
}

/* What ops do with a block is not seen: it counts as one access from the copy into it to the first event. */
static void card_event_record(struct un_event *e, struct un_queue *q) {
    pthread_mutex_lock(&card.lock);
    int i = queue_of(q);
    struct event *event = event_of(e);
    int64_t now = enter(i);
    for (int b = 0; b < BLOCKS; ++b) {
        if (card.blocks[b].open[i]) card.blocks[b].last[i] = now;
        card.blocks[b].open[i] = false;
    }
    event->clock = card.queues[i].clock;
    event->queue = i;
    pthread_mutex_unlock(&card.lock);
}

static void card_queue_wait_event(struct un_queue *q, struct un_event *e) {
    pthread_mutex_lock(&card.lock);
    int i = queue_of(q);
    const struct event *event = event_of(e);
    enter(i);
    if (event->queue >= 0) {
        run_late(&card.queues[event->queue]);
        join(&card.queues[i].clock, &event->clock);
    }
    pthread_mutex_unlock(&card.lock);
}

static enum un_status card_event_wait(struct un_event *e) {
    pthread_mutex_lock(&card.lock);
    const struct event *event = event_of(e);
    if (event->queue >= 0) {
        run_late(&card.queues[event->queue]);
        join(&card.host, &event->clock);
    }
    pthread_mutex_unlock(&card.lock);
    return UN_OK;
}

static void card_copy(struct un_queue *q, void *dst, const void *src, size_t bytes, const void *device) {
    pthread_mutex_lock(&card.lock);
    int i = queue_of(q);
    struct queue *mine = &card.queues[i];
    struct block *b = block_of(device);
    int64_t now = enter(i);
    if (b) touch(b, i, now);
    if (mine->copies && mine->n_late < LATE) {
        mine->late[mine->n_late++] = (struct late_copy){dst, src, bytes};
        ++card.counts.late;
    } else {
        run_late(mine);
        memcpy(dst, src, bytes);
    }
    if (device == dst) card.counts.copied += (int64_t)bytes;
    pthread_mutex_unlock(&card.lock);
}

static void card_copy_in(struct un_queue *q, void *device_dst, const void *host_src, size_t bytes) {
    card_copy(q, device_dst, host_src, bytes, device_dst);
}

static void card_copy_out(struct un_queue *q, void *host_dst, const void *device_src, size_t bytes) {
    card_copy(q, host_dst, device_src, bytes, device_src);
}

void pretend_card(struct un_device *cpu, size_t free_bytes) {
    card.cpu = cpu->mem;
    card.mem = *cpu->mem;
    card.mem.alloc = card_alloc;
    card.mem.free = card_free;
    card.mem.memory_info = card_memory_info;
    card.mem.queue_open = card_queue_open;
    card.mem.queue_close = card_queue_close;
    card.mem.queue_wait = card_queue_wait;
    card.mem.event_open = card_event_open;
    card.mem.event_close = card_event_close;
    card.mem.event_record = card_event_record;
    card.mem.queue_wait_event = card_queue_wait_event;
    card.mem.event_wait = card_event_wait;
    card.mem.copy_in = card_copy_in;
    card.mem.copy_out = card_copy_out;
    card.mem.copy = NULL; /* nothing that is tested with this card uses it, and it would not be seen */
    card.mem.place_threads = NULL; /* its ops run on the card */
    card.mem.library_bytes = NULL;
    card.mem.take_libraries = NULL;
    card.free_bytes = free_bytes;
    card.taken = 0;
    card.refused = NULL;
    memset(card.queues, 0, sizeof card.queues);
    memset(card.events, 0, sizeof card.events);
    memset(card.blocks, 0, sizeof card.blocks);
    card.host = (struct clock){0};
    card.counts = (struct pretend_counts){0};
    cpu->mem = &card.mem;
    cpu->host_readable = cpu->any_shape = false;
}

struct pretend_counts pretend_counts(void) {
    return card.counts;
}

void pretend_refuse(const char *what) {
    card.refused = what;
}
