/* A ring of photos between decoders and the network (ahead.h). Photo k stands in slot k % slots. */
#include "launch/extract/ahead.h"
#include "runtime/memory.h"

#include <pthread.h>

enum { SPARE = 2 }; /* slots beyond the decoders: one with the network, one that waits for it */

struct slot {
    struct un_extract_ready ready;
    bool full;
};
struct un_extract_ahead {
    struct un_extract_ahead_setup setup;
    struct slot *slot; /* [slots] */
    int64_t slots;
    pthread_t *thread;
    int started;
    pthread_mutex_t lock; /* of what follows, and of `full` */
    pthread_cond_t filled, emptied;
    int64_t next, given, freed; /* photos taken up, given out, given back */
    bool stop;
};

int64_t un_extract_pixels(const struct un_detector_how *how) {
    return how->shorter * how->longest;
}

static enum un_status decode(const struct un_extract_ahead_setup *s, struct un_pixels *pixels,
                             struct un_extract_ready *r) {
    const char *path = s->photos[r->photo].path;
    const struct un_pixels_how how = {.orient = s->orient};
    UN_TRY(un_pixels_read(pixels, path, &how));
    UN_TRY(un_detector_scale(&r->scale, pixels->height, pixels->width, s->how));
    if (r->scale.height < 1 || r->scale.width < 1 || r->scale.height * r->scale.width > s->most)
        return un_fail(UN_DATA, "%s: %lld x %lld pixels become %lld x %lld, which the network cannot take",
                       path, (long long)pixels->width, (long long)pixels->height, (long long)r->scale.width,
                       (long long)r->scale.height);
    const struct un_photo photo = {pixels->bgr, pixels->height, pixels->width};
    un_detector_input(r->input, &photo, &r->scale, s->how->profile);
    return UN_OK;
}

/* The number of the next photo and a free slot; -1: the thread ends. */
static int64_t take_up(struct un_extract_ahead *a) {
    pthread_mutex_lock(&a->lock);
    while (!a->stop && a->next < a->setup.n && a->next - a->freed >= a->slots)
        pthread_cond_wait(&a->emptied, &a->lock);
    int64_t k = a->stop || a->next >= a->setup.n ? -1 : a->next++;
    pthread_mutex_unlock(&a->lock);
    return k;
}

static void *work(void *argument) {
    struct un_extract_ahead *a = argument;
    struct un_pixels pixels = {0};
    for (int64_t k; (k = take_up(a)) >= 0;) {
        struct slot *slot = a->slot + k % a->slots;
        slot->ready.photo = a->setup.take[k];
        decode(&a->setup, &pixels, &slot->ready);
        slot->ready.error = *un_error_get();
        un_error_clear();
        pthread_mutex_lock(&a->lock);
        slot->full = true;
        pthread_cond_broadcast(&a->filled);
        pthread_mutex_unlock(&a->lock);
    }
    un_pixels_free(&pixels);
    return NULL;
}

static enum un_status open_all(struct un_extract_ahead *a) {
    int threads = a->setup.threads;
    a->slots = threads + SPARE;
    a->slot = un_alloc((size_t)a->slots, sizeof *a->slot, "photos ahead");
    a->thread = un_alloc((size_t)threads, sizeof *a->thread, "threads");
    if (!a->slot || !a->thread) return UN_MEMORY;
    for (int64_t i = 0; i < a->slots; ++i) {
        float *input = un_alloc((size_t)a->setup.most * 3, sizeof(float), "photos ahead");
        if (!input) return UN_MEMORY;
        a->slot[i].ready.input = input;
    }
    while (a->started < threads && pthread_create(&a->thread[a->started], NULL, work, a) == 0) ++a->started;
    return a->started > 0 ? UN_OK : un_fail(UN_INTERNAL, "no thread to decode photos can be started");
}

enum un_status un_extract_ahead_open(struct un_extract_ahead **ahead,
                                     const struct un_extract_ahead_setup *setup) {
    struct un_extract_ahead *a = *ahead = un_alloc(1, sizeof *a, "photos ahead");
    if (!a) return UN_MEMORY;
    a->setup = *setup;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->filled, NULL);
    pthread_cond_init(&a->emptied, NULL);
    enum un_status status = open_all(a);
    if (status != UN_OK) {
        un_extract_ahead_close(a);
        *ahead = NULL;
    }
    return status;
}

const struct un_extract_ready *un_extract_ahead_next(struct un_extract_ahead *a) {
    struct slot *slot = NULL;
    pthread_mutex_lock(&a->lock);
    if (a->given > a->freed) { /* the one before */
        a->slot[a->freed++ % a->slots].full = false;
        pthread_cond_broadcast(&a->emptied);
    }
    if (a->given < a->setup.n) {
        slot = a->slot + a->given++ % a->slots;
        while (!slot->full) pthread_cond_wait(&a->filled, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return slot ? &slot->ready : NULL;
}

void un_extract_ahead_close(struct un_extract_ahead *a) {
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_broadcast(&a->emptied);
    pthread_mutex_unlock(&a->lock);
    for (int t = 0; t < a->started; ++t) pthread_join(a->thread[t], NULL);
    for (int64_t i = 0; a->slot && i < a->slots; ++i) un_free(a->slot[i].ready.input);
    pthread_cond_destroy(&a->filled);
    pthread_cond_destroy(&a->emptied);
    pthread_mutex_destroy(&a->lock);
    un_free(a->slot);
    un_free(a->thread);
    un_free(a);
}
