/* Worker threads and slots. A worker takes a free slot, plans the next micro-batch into it under the lock,
 * packs it without the lock, and marks it done; the consumer takes slots in the order of planning. Law:
 * `lock` guards everything in un_loader and the slots' state; the rest of a slot belongs to the worker while
 * it is BUSY and to the consumer while it is HELD. Free slots form a stack and not a ring, so that a slot
 * held for long blocks nobody. */
#include "io/feed/loader.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_DONE, SLOT_HELD };

struct slot {
    enum slot_state state;
    struct un_error error; /* of planning or packing; status UN_OK: none */
    struct un_batch batch;
    struct un_sample *samples;
    int64_t n_samples;
    struct un_lane_state after;
    int64_t step, lane;
    void *memory; /* of the batch, from setup.host_alloc */
};

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
    struct slot *slots;         /* [setup.slots] */
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

static struct slot *plan_next_slot(struct un_loader *loader) {
    int64_t index = loader->free_list[--loader->n_free];
    struct slot *slot = &loader->slots[index];
    struct un_lane_state *lane = &loader->lanes[loader->next_lane - loader->setup.lane_begin];
    slot->state = SLOT_BUSY;
    slot->step = loader->next_step;
    slot->lane = loader->next_lane;
    slot->error.status = UN_OK;
    loader->order[loader->planned++ % loader->setup.slots] = index;
    if (un_plan_next(loader->setup.plan, (uint32_t)slot->step, slot->lane, lane, slot->samples,
                     &slot->n_samples) != UN_OK)
        slot->error = *un_error_get();
    slot->after = *lane;
    advance_cursor(loader, slot->n_samples == 0);
    return slot;
}

static bool has_work(const struct un_loader *loader) {
    return loader->n_free > 0 && loader->next_lane < loader->setup.lane_end;
}

/* A slot to pack, or NULL at the end. */
static struct slot *take_slot(struct un_loader *loader) {
    struct slot *slot = NULL;
    pthread_mutex_lock(&loader->lock);
    while (!loader->stop && !has_work(loader)) pthread_cond_wait(&loader->slot_freed, &loader->lock);
    if (!loader->stop) slot = plan_next_slot(loader);
    pthread_mutex_unlock(&loader->lock);
    return slot;
}

static void finish_slot(struct un_loader *loader, struct slot *slot) {
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

static bool is_resident(const struct un_resident *resident, int dataset, int64_t image) {
    int32_t place = resident ? un_resident_find(resident, dataset, image) : -1;
    return place >= 0 && un_resident_has(resident, place);
}

static bool has_image(const struct un_sequence *sequence, int64_t image) {
    for (int i = 0; i < sequence->n_images; ++i)
        if (sequence->image[i] == image) return true;
    return false;
}

/* Each image once where a group has it in sequence after sequence. */
static void expect_sample(const struct un_loader *loader, const struct un_sample *sample) {
    struct un_sequence sequence[UN_MAX_GROUP];
    int n = un_plan_sequences(loader->setup.plan, sample, sequence);
    for (int s = 0; s < n; ++s)
        for (int i = 0; i < sequence[s].n_images; ++i) {
            int64_t image = sequence[s].image[i];
            if (s > 0 && has_image(&sequence[s - 1], image)) continue;
            if (is_resident(loader->setup.resident, sample->dataset, image)) continue;
            un_dataset_expect(un_plan_dataset(loader->setup.plan, sample->dataset), image);
        }
}

/* The features of all samples are on their way while the first ones are packed. */
static void expect(const struct un_loader *loader, const struct slot *slot) {
    for (int64_t i = 0; i < slot->n_samples; ++i) expect_sample(loader, &slot->samples[i]);
}

static void *work(void *context) {
    struct worker *worker = context;
    struct un_loader *loader = worker->loader;
    un_memory_freeze(true);
    for (struct slot *slot; (slot = take_slot(loader)) != NULL; finish_slot(loader, slot)) {
        if (slot->error.status == UN_OK) expect(loader, slot);
        if (slot->error.status == UN_OK &&
            un_pack(worker->packer, &slot->batch, slot->samples, slot->n_samples, (uint32_t)slot->step,
                    (uint32_t)slot->lane, loader->setup.purpose) != UN_OK)
            slot->error = *un_error_get();
    }
    return NULL;
}

/* Signals are the main thread's business: the workers inherit a mask that blocks all but those a thread gives
 * itself. */
static enum un_status start_workers(struct un_loader *loader) {
    sigset_t others, before;
    sigfillset(&others);
    const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof own / sizeof *own; ++i) sigdelset(&others, own[i]);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    int error = 0;
    for (int i = 0; i < loader->setup.threads && error == 0; ++i) {
        error = pthread_create(&loader->workers[i].thread, NULL, work, &loader->workers[i]);
        loader->workers[i].started = error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) return UN_OK;
    return un_fail(UN_INTERNAL, "loader: %d threads could not be started: %s", loader->setup.threads,
                   strerror(error));
}

static void *host_alloc(const struct un_loader_setup *setup, size_t bytes) {
    if (!setup->host_alloc) return un_alloc(bytes, 1, "micro-batches of the loader");
    void *memory = setup->host_alloc(setup->context, bytes);
    if (!memory) un_fail(UN_MEMORY, "loader: no pinned memory for a micro-batch of %zu bytes", bytes);
    return memory;
}

static void host_free(const struct un_loader_setup *setup, void *memory) {
    if (!memory) return;
    if (setup->host_free)
        setup->host_free(setup->context, memory);
    else
        un_free(memory);
}

static size_t slot_bytes(const struct un_loader_setup *setup) {
    struct un_batch batch;
    struct un_arena arena = {.name = "loader"};
    un_batch_carve(&batch, &setup->caps, &arena);
    return arena.used;
}

static enum un_status open_slot(struct un_loader *loader, int64_t index) {
    struct slot *slot = &loader->slots[index];
    struct un_arena arena = {.name = "loader", .size = slot_bytes(&loader->setup)};
    slot->samples =
        un_alloc((size_t)un_plan_max_samples(loader->setup.plan), sizeof *slot->samples, "planned samples");
    if (!slot->samples) return UN_MEMORY;
    slot->memory = host_alloc(&loader->setup, arena.size);
    if (!slot->memory) return UN_MEMORY;
    arena.base = slot->memory;
    un_batch_carve(&slot->batch, &loader->setup.caps, &arena);
    loader->free_list[loader->n_free++] = index;
    return UN_OK;
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
    memcpy(loader->lanes, setup->states + setup->lane_begin, lanes * sizeof *loader->lanes);
    for (int64_t i = 0; i < setup->slots; ++i) UN_TRY(open_slot(loader, i));
    for (int i = 0; i < setup->threads; ++i) {
        loader->workers[i].loader = loader;
        UN_TRY(un_packer_open(&loader->workers[i].packer, setup->plan, &setup->caps));
        if (setup->resident) un_packer_set_resident(loader->workers[i].packer, setup->resident);
    }
    return UN_OK;
}

size_t un_loader_bytes(const struct un_loader_setup *setup) {
    size_t slot = sizeof(struct slot) + 2 * sizeof(int64_t) + slot_bytes(setup) +
                  (size_t)un_plan_max_samples(setup->plan) * sizeof(struct un_sample);
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
    for (int64_t i = 0; loader->slots && i < loader->setup.slots; ++i) {
        un_free(loader->slots[i].samples);
        host_free(&loader->setup, loader->slots[i].memory);
    }
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
static struct slot *wait_slot(struct un_loader *loader) {
    for (;;) {
        if (loader->error.status != UN_OK || is_over(loader) || all_held(loader)) return NULL;
        if (loader->delivered < loader->planned) {
            struct slot *slot = &loader->slots[loader->order[loader->delivered % loader->setup.slots]];
            if (slot->state == SLOT_DONE) return slot;
        }
        pthread_cond_wait(&loader->slot_done, &loader->lock);
    }
}

static enum un_status deliver(struct un_loader *loader, struct un_loaded *loaded) {
    struct slot *slot = wait_slot(loader);
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
    struct slot *slot =
        (struct slot *)(void *)((unsigned char *)(uintptr_t)loaded->batch - offsetof(struct slot, batch));
    pthread_mutex_lock(&loader->lock);
    UN_ASSERT(slot->state == SLOT_HELD);
    slot->state = SLOT_FREE;
    loader->free_list[loader->n_free++] = slot - loader->slots;
    pthread_cond_signal(&loader->slot_freed);
    pthread_mutex_unlock(&loader->lock);
}
