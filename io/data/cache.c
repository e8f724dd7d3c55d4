/* The host cache (cache.h). An entry goes EMPTY -> FILLING -> READY once; a fill that fails goes back to
 * EMPTY. */
#include "io/data/cache.h"
#include "runtime/memory.h"
#include <stdatomic.h>

enum { EMPTY, FILLING, READY };

struct un_cache {
    int64_t n, placed; /* entries [0, placed) have a place */
    int64_t bytes, all_bytes;
    int64_t *at;            /* [placed] */
    _Atomic uint8_t *state; /* [placed] */
    char *memory;           /* [bytes] */
    _Atomic int64_t hits, misses;
};

static int64_t aligned(int64_t bytes) {
    return (bytes + UN_CACHE_ALIGN - 1) / UN_CACHE_ALIGN * UN_CACHE_ALIGN;
}

enum un_status un_cache_open(struct un_cache **cache, const int64_t *bytes, int64_t n, int64_t limit) {
    struct un_cache *c = *cache = un_alloc(1, sizeof *c, "host cache");
    if (!c) return UN_MEMORY;
    c->n = n;
    bool room = true;
    for (int64_t i = 0; i < n; ++i) {
        room = room && aligned(bytes[i]) <= limit - c->bytes;
        c->all_bytes += aligned(bytes[i]);
        if (room) c->bytes += aligned(bytes[i]), ++c->placed;
    }
    c->at = un_alloc((size_t)c->placed + 1, sizeof *c->at, "host cache");
    c->state = un_alloc((size_t)c->placed + 1, sizeof *c->state, "host cache");
    c->memory = un_alloc((size_t)c->bytes + 1, 1, "host cache");
    if (!c->at || !c->state || !c->memory) {
        un_cache_close(c);
        *cache = NULL;
        return UN_MEMORY;
    }
    for (int64_t i = 1; i < c->placed; ++i) c->at[i] = c->at[i - 1] + aligned(bytes[i - 1]);
    return UN_OK;
}

void un_cache_close(struct un_cache *c) {
    if (!c) return;
    un_free(c->at);
    un_free(c->state);
    un_free(c->memory);
    un_free(c);
}

bool un_cache_has(const struct un_cache *c, int64_t entry) {
    return entry < c->placed && atomic_load_explicit(&c->state[entry], memory_order_acquire) == READY;
}

const void *un_cache_find(struct un_cache *c, int64_t entry) {
    bool ready = un_cache_has(c, entry);
    atomic_fetch_add_explicit(ready ? &c->hits : &c->misses, 1, memory_order_relaxed);
    return ready ? c->memory + c->at[entry] : NULL;
}

void *un_cache_begin(struct un_cache *c, int64_t entry) {
    uint8_t empty = EMPTY;
    if (entry >= c->placed || !atomic_compare_exchange_strong(&c->state[entry], &empty, FILLING)) return NULL;
    return c->memory + c->at[entry];
}

void un_cache_done(struct un_cache *c, int64_t entry, bool good) {
    atomic_store_explicit(&c->state[entry], good ? READY : EMPTY, memory_order_release);
}

struct un_cache_counts un_cache_counts(const struct un_cache *c) {
    return (struct un_cache_counts){.entries = c->placed,
                                    .bytes = c->bytes,
                                    .all_entries = c->n,
                                    .all_bytes = c->all_bytes,
                                    .hits = atomic_load(&c->hits),
                                    .misses = atomic_load(&c->misses)};
}
