/* Ids to indices: an open-addressing table over XXH3, eight bytes a slot. The ids are borrowed. */
#ifndef UN_IO_DISK_IDS_H
#define UN_IO_DISK_IDS_H

#include "runtime/status.h"

struct un_idmap {
    const char *const *ids; /* [n], borrowed */
    struct un_idmap_slot *slots;
    uint64_t mask; /* slots - 1 */
};

/* *first, *second: the indices of the first id that stands twice; -1 when all differ. */
enum un_status un_idmap_open(struct un_idmap *map, const char *const *ids, int64_t n, int64_t *first,
                             int64_t *second);
/* One more: ids[index], where index is how many there are and ids (which may have moved) holds them all; the
 * table grows. *found: the index of an equal id, not added again; else -1. Begins with a map of zeros. */
enum un_status un_idmap_add(struct un_idmap *map, const char *const *ids, int64_t index, int64_t *found);
void un_idmap_close(struct un_idmap *map);
/* Index of `id`, or -1. Not with a zeroed map. */
int64_t un_idmap_find(const struct un_idmap *map, const char *id);

#endif
