/* A data set's rows in host memory, filled by the first read of each image and text, so that later epochs
 * read nothing from files.
 *
 * Law: all memory is taken when the cache is opened, as much as the rows need or the limit allows; every
 * entry has its place from then on, so a read that fills and one that finds need no lock. What does not fit
 * is read from the file each time. */
#ifndef UN_IO_DATA_CACHE_H
#define UN_IO_DATA_CACHE_H

#include "runtime/status.h"

struct un_cache;
enum { UN_CACHE_ALIGN = 16 }; /* entries are rounded up to this */

/* Bytes of each of n entries; entries are taken in order until `limit` bytes are full. Without memory:
 * UN_MEMORY. */
enum un_status un_cache_open(struct un_cache **cache, const int64_t *bytes, int64_t n, int64_t limit);
void un_cache_close(struct un_cache *cache);
/* The entry when it is filled, else NULL. Thread-safe, as un_cache_put. */
const void *un_cache_find(struct un_cache *cache, int64_t entry);
/* The same, without counting. */
bool un_cache_has(const struct un_cache *cache, int64_t entry);
/* Where to put an entry that has a place and that nobody fills at the moment, else NULL; then un_cache_done. */
void *un_cache_begin(struct un_cache *cache, int64_t entry);
void un_cache_done(struct un_cache *cache, int64_t entry, bool good);

struct un_cache_counts {
    int64_t entries, bytes;         /* that have a place */
    int64_t all_entries, all_bytes; /* that would like one */
    int64_t hits, misses;           /* of un_cache_find */
};
struct un_cache_counts un_cache_counts(const struct un_cache *cache);

#endif
