/* Worker threads and slots. A worker takes a free slot, plans the next micro-batch into it under the lock,
 * packs it without the lock, and marks it done; the consumer takes slots in the order of planning. Law:
 * `lock` guards everything in un_loader and the slots' state; the rest of a slot belongs to the worker while
 * it is BUSY and to the consumer while it is HELD. Free slots form a stack and not a ring, so that a slot
 * held for long blocks nobody. */
#include "io/feed/slot.h"
#include "runtime/thread.h"

#include <pthread.h>
#include <string.h>

struct worker {
    struct un_loader *loader;
    struct un_packer *packer;
    pthread_t thread;
    bool started;
};

struct un_loader {
    struct un_loader_setup setup;
    pthread_mutex_t lock;
    pthread_cond_t slot_freed, slot_done;
    bool stop;                  /* workers take nothing new */
    struct un_error error;      /* the one delivered; status UN_OK: none */
    struct un_slot *slots;      /* [setup.slots] */
    int64_t *free_list, n_free; /* [setup.slots] stack of free slots */
    int64_t *order; /* [setup.slots] micro-batch k, not yet delivered, is in slot order[k % slots] */
    int64_t planned, delivered;   /* micro-batches so far */
    int64_t next_step, next_lane; /* to be planned; next_lane == lane_end: nothing is left */
    struct un_lane_state *lanes;  /* [lanes of the rank] after the last one planned */
    struct worker *workers;       /* [setup.threads] */
};

static void advance_cursor(struct un_loader *loader, bool lane_over) {
    const struct un_loader_setup *setup = &loader->setup;
    if (!un_plan_is_valid(setup->plan)) {
        if (++loader->next_lane < setup->lane_end) return;
        loader->next_lane = setup->lane_begin;
        ++loader->next_step;
    } else if (lane_over) {
        ++loader->next_lane;
        loader->next_step = setup->first_step;
    } else {
        ++loader->next_step;
    }
}

static struct un_slot *plan_next_slot(struct un_loader *loader) {
    int64_t index = loader->free_list[--loader->n_free];
    struct un_slot *slot = &loader->slots[index];
    struct un_lane_state *lane = &loader->lanes[loader->next_lane - loader->setup.lane_begin];
    slot->state = SLOT_BUSY;
    slot->step = loader->next_step;
    slot->lane = loader->next_lane;
    slot->error.status = UN_OK;
    loader->order[loader->planned++ % loader->setup.slots] = index;
    if (un_slot_plan(slot, &loader->setup, lane) != UN_OK) slot->error = *un_error_get();
    slot->after = *lane;
    advance_cursor(loader, slot->n_samples == 0);
    return slot;
}

static bool has_work(const struct un_loader *loader) {
    return loader->n_free > 0 && loader->next_lane < loader->setup.lane_end;
}

/* A slot to pack, or NULL at the end. */
static struct un_slot *take_slot(struct un_loader *loader) {
    struct un_slot *slot = NULL;
    pthread_mutex_lock(&loader->lock);
    while (!loader->stop && !has_work(loader)) pthread_cond_wait(&loader->slot_freed, &loader->lock);
    if (!loader->stop) slot = plan_next_slot(loader);
    pthread_mutex_unlock(&loader->lock);
    return slot;
}

static void finish_slot(struct un_loader *loader, struct un_slot *slot) {
    pthread_mutex_lock(&loader->lock);
    slot->state = SLOT_DONE;
    if (slot->error.status != UN_OK) {
        loader->stop =
            true; /* what was planned before this slot is in other workers' hands and still comes */
        pthread_cond_broadcast(&loader->slot_freed);
    }
    pthread_cond_signal(&loader->slot_done);
    pthread_mutex_unlock(&loader->lock);
}

static void *work(void *context) {
    struct worker *worker = context;
    struct un_loader *loader = worker->loader;
    un_memory_freeze(true);
    for (struct un_slot *slot; (slot = take_slot(loader)) != NULL; finish_slot(loader, slot)) {
        if (slot->error.status == UN_OK && un_slot_pack(slot, &loader->setup, worker->packer) != UN_OK)
            slot->error = *un_error_get();
    }
    return NULL;
}

static enum un_status start_workers(struct un_loader *loader) {
    int error = 0;
    for (int i = 0; i < loader->setup.threads && error == 0; ++i) {
        error = un_thread_start(&loader->workers[i].thread, NULL, work, &loader->workers[i]);
        loader->workers[i].started = error == 0;
    }
    if (error == 0) return UN_OK;
    char limit[96];
    un_memory_limit(limit, sizeof limit);
    return un_fail(
        UN_MEMORY,
        "loader: %d threads could not be started (%s), each of which wants %zu MiB of addresses: a limit of "
        "memory (ulimit -v) or of processes (ulimit -u) is too low%s",
        loader->setup.threads, strerror(error), un_memory_stack() >> 20, limit);
}

static enum un_status allocate(struct un_loader *loader) {
    const struct un_loader_setup *setup = &loader->setup;
    size_t lanes = (size_t)(setup->lane_end - setup->lane_begin);
    loader->slots = un_alloc((size_t)setup->slots, sizeof *loader->slots, "slots of the loader");
    loader->free_list = un_alloc((size_t)setup->slots, sizeof *loader->free_list, "free slots");
    loader->order = un_alloc((size_t)setup->slots, sizeof *loader->order, "order of slots");
    loader->lanes = un_alloc(lanes, sizeof *loader->lanes, "lane states");
    loader->workers = un_alloc((size_t)setup->threads, sizeof *loader->workers, "loader threads");
    if (!loader->slots || !loader->free_list || !loader->order || !loader->lanes || !loader->workers)
        return UN_MEMORY;
    if (setup->states)
        memcpy(loader->lanes, setup->states + setup->lane_begin, lanes * sizeof *loader->lanes);
    for (int64_t i = 0; i < setup->slots; ++i) {
        UN_TRY(un_slot_open(&loader->slots[i], setup));
        loader->free_list[loader->n_free++] = i;
    }
    for (int i = 0; i < setup->threads; ++i) {
        loader->workers[i].loader = loader;
        UN_TRY(un_packer_open(&loader->workers[i].packer, setup->plan, &setup->caps));
        if (setup->resident) un_packer_set_resident(loader->workers[i].packer, setup->resident);
    }
    return UN_OK;
}

size_t un_loader_bytes(const struct un_loader_setup *setup) {
    size_t slot = 2 * sizeof(int64_t) + un_slot_bytes(setup);
    size_t worker = sizeof(struct worker) + un_packer_bytes(setup->plan, &setup->caps);
    size_t lanes = (size_t)(setup->lane_end - setup->lane_begin) * sizeof(struct un_lane_state);
    return sizeof(struct un_loader) + (size_t)setup->slots * slot + (size_t)setup->threads * worker + lanes;
}

enum un_status un_loader_open(struct un_loader **out, const struct un_loader_setup *setup) {
    *out = NULL;
    if (setup->slots < 1 || setup->threads < 1)
        return un_fail(UN_INTERNAL, "loader: %lld slots, %d threads", (long long)setup->slots,
                       setup->threads);
    UN_ASSERT(!setup->host_alloc == !setup->host_free);
    UN_ASSERT(!setup->resident == (setup->caps.store_rows == 0));
    UN_ASSERT(!setup->lists == (setup->states != NULL) && (!setup->lists || un_plan_is_valid(setup->plan)));
    struct un_loader *loader = un_alloc(1, sizeof *loader, "loader");
    if (!loader) return UN_MEMORY;
    loader->setup = *setup;
    loader->next_step = setup->first_step;
    loader->next_lane = setup->lane_begin;
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->slot_freed, NULL);
    pthread_cond_init(&loader->slot_done, NULL);
    enum un_status status = UN_OK;
    UN_TRY_GOTO(allocate(loader), failed);
    loader->setup.states = NULL; /* copied; the caller's may go away */
    UN_TRY_GOTO(start_workers(loader), failed);
    *out = loader;
    return UN_OK;
failed:
    un_loader_close(loader);
    return status;
}

static void stop_workers(struct un_loader *loader) {
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->slot_freed);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->setup.threads; ++i)
        if (loader->workers[i].started) pthread_join(loader->workers[i].thread, NULL);
}

void un_loader_close(struct un_loader *loader) {
    if (!loader) return;
    if (loader->workers) stop_workers(loader);
    for (int i = 0; loader->workers && i < loader->setup.threads; ++i)
        un_packer_close(loader->workers[i].packer);
    for (int64_t i = 0; loader->slots && i < loader->setup.slots; ++i)
        un_slot_close(&loader->slots[i], &loader->setup);
    pthread_cond_destroy(&loader->slot_done);
    pthread_cond_destroy(&loader->slot_freed);
    pthread_mutex_destroy(&loader->lock);
    un_free(loader->workers);
    un_free(loader->lanes);
    un_free(loader->order);
    un_free(loader->free_list);
    un_free(loader->slots);
    un_free(loader);
}

/* Is there nothing to wait for: the pass is over and all of it delivered, or the caller holds every slot? */
static bool is_over(const struct un_loader *loader) {
    return loader->delivered == loader->planned && loader->next_lane == loader->setup.lane_end;
}

static bool all_held(const struct un_loader *loader) {
    return loader->delivered == loader->planned && loader->n_free == 0;
}

/* The next slot in order once it is done; NULL when there is none to come. */
static struct un_slot *wait_slot(struct un_loader *loader) {
    for (;;) {
        if (loader->error.status != UN_OK || is_over(loader) || all_held(loader)) return NULL;
        if (loader->delivered < loader->planned) {
            struct un_slot *slot = &loader->slots[loader->order[loader->delivered % loader->setup.slots]];
            if (slot->state == SLOT_DONE) return slot;
        }
        pthread_cond_wait(&loader->slot_done, &loader->lock);
    }
}

static enum un_status deliver(struct un_loader *loader, struct un_loaded *loaded) {
    struct un_slot *slot = wait_slot(loader);
    if (slot && slot->error.status != UN_OK) loader->error = slot->error;
    if (loader->error.status != UN_OK) return un_error_adopt(&loader->error);
    if (slot) {
        slot->state = SLOT_HELD;
        ++loader->delivered;
        *loaded = (struct un_loaded){&slot->batch, &slot->after,  slot->step,
                                     slot->lane,   slot->samples, slot->n_samples};
        return UN_OK;
    }
    if (is_over(loader)) return UN_OK;
    return un_fail(UN_INTERNAL, "loader: all %lld slots are held by the caller",
                   (long long)loader->setup.slots);
}

enum un_status un_loader_next(struct un_loader *loader, struct un_loaded *loaded) {
    *loaded = (struct un_loaded){.lane = loader->setup.lane_end};
    pthread_mutex_lock(&loader->lock);
    enum un_status status = deliver(loader, loaded);
    pthread_mutex_unlock(&loader->lock);
    return status;
}

void un_loader_release(struct un_loader *loader, const struct un_loaded *loaded) {
    if (!loaded->batch) return;
    struct un_slot *slot = (struct un_slot *)(void *)((unsigned char *)(uintptr_t)loaded->batch -
                                                      offsetof(struct un_slot, batch));
    pthread_mutex_lock(&loader->lock);
    UN_ASSERT(slot->state == SLOT_HELD);
    slot->state = SLOT_FREE;
    loader->free_list[loader->n_free++] = slot - loader->slots;
    pthread_cond_signal(&loader->slot_freed);
    pthread_mutex_unlock(&loader->lock);
}
