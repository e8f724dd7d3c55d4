/* Ids to indices: an open-addressing table over XXH3, eight bytes a slot. The ids are borrowed. */
#ifndef UN_IDMAP_H
#define UN_IDMAP_H

#include "runtime/status.h"

struct un_idmap {
    const char *const *ids; /* [n], borrowed */
    struct un_idmap_slot *slots;
    uint64_t mask; /* slots - 1 */
};

/* *first, *second: the indices of the first id that stands twice; -1 when all differ. */
enum un_status un_idmap_open(struct un_idmap *map, const char *const *ids, int64_t n, int64_t *first,
                             int64_t *second);
void un_idmap_close(struct un_idmap *map);
/* Index of `id`, or -1. */
int64_t un_idmap_find(const struct un_idmap *map, const char *id);

#endif
