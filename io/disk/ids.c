/* Linear probing at a load of at most one half; the tag, half of the hash, spares most comparisons of ids. */
#include "io/disk/ids.h"
#include "runtime/memory.h"
#include <string.h>
#include <xxhash.h>

struct un_idmap_slot {
    uint32_t tag, index_plus_1; /* 0: empty */
};

/* The slot that holds `id`, or the empty one where it belongs. */
static struct un_idmap_slot *probe(const struct un_idmap *map, const char *id, uint32_t *tag) {
    uint64_t hash = XXH3_64bits(id, strlen(id));
    *tag = (uint32_t)(hash >> 32);
    for (uint64_t i = hash & map->mask;; i = (i + 1) & map->mask) {
        struct un_idmap_slot *slot = map->slots + i;
        if (slot->index_plus_1 == 0) return slot;
        if (slot->tag == *tag && strcmp(map->ids[slot->index_plus_1 - 1], id) == 0) return slot;
    }
}

enum un_status un_idmap_open(struct un_idmap *map, const char *const *ids, int64_t n, int64_t *first,
                             int64_t *second) {
    uint64_t slots = 16;
    *map = (struct un_idmap){.ids = ids};
    *first = *second = -1;
    if (n >= UINT32_MAX) return un_fail(UN_DATA, "%lld ids are more than the table holds", (long long)n);
    while (slots < 2 * (uint64_t)n) slots *= 2;
    map->slots = un_alloc(slots, sizeof *map->slots, "a table of ids");
    if (!map->slots) return UN_MEMORY;
    map->mask = slots - 1;
    for (int64_t i = 0; i < n; ++i) {
        uint32_t tag;
        struct un_idmap_slot *slot = probe(map, ids[i], &tag);
        if (slot->index_plus_1 != 0) {
            *first = (int64_t)slot->index_plus_1 - 1;
            *second = i;
            return UN_OK;
        }
        *slot = (struct un_idmap_slot){tag, (uint32_t)i + 1};
    }
    return UN_OK;
}

static enum un_status rebuild(struct un_idmap *map, const char *const *ids, int64_t n, uint64_t slots) {
    uint32_t tag;
    struct un_idmap grown = {.ids = ids, .mask = slots - 1};
    grown.slots = un_alloc(slots, sizeof *grown.slots, "a table of ids");
    if (!grown.slots) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) {
        struct un_idmap_slot *slot = probe(&grown, ids[i], &tag);
        *slot = (struct un_idmap_slot){tag, (uint32_t)i + 1};
    }
    un_free(map->slots);
    *map = grown;
    return UN_OK;
}

enum un_status un_idmap_add(struct un_idmap *map, const char *const *ids, int64_t index, int64_t *found) {
    uint64_t slots = map->slots ? map->mask + 1 : 0;
    uint32_t tag;
    map->ids = ids;
    if (index >= UINT32_MAX - 1) return un_fail(UN_DATA, "more ids than the table holds");
    if (2 * ((uint64_t)index + 1) > slots) UN_TRY(rebuild(map, ids, index, slots ? 2 * slots : 16));
    struct un_idmap_slot *slot = probe(map, ids[index], &tag);
    *found = (int64_t)slot->index_plus_1 - 1;
    if (*found < 0) *slot = (struct un_idmap_slot){tag, (uint32_t)index + 1};
    return UN_OK;
}

void un_idmap_close(struct un_idmap *map) {
    un_free(map->slots);
    map->slots = NULL;
}

int64_t un_idmap_find(const struct un_idmap *map, const char *id) {
    uint32_t tag;
    return (int64_t)probe(map, id, &tag)->index_plus_1 - 1;
}
