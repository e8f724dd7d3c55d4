/* Groups equal keys: the un_segments of model/batch.h, made by a stable radix sort into given arrays. */
#ifndef UN_IO_FEED_SEGMENTS_H
#define UN_IO_FEED_SEGMENTS_H

#include <stdint.h>

enum { UN_RADIX_BITS = 11, UN_RADIX_SIZE = 1 << UN_RADIX_BITS };

/* Scratch of one sort; owned by the caller. */
struct un_segments_scratch {
    int32_t *perm;  /* [rows] */
    int32_t *count; /* [UN_RADIX_SIZE] */
};

/* key [n], >= 0. id [groups] ascending, each key once; start [groups+1]; perm [n]: indices of the keys equal
 * to id[g], ascending, at [start[g], start[g+1]). Returns the number of groups; id [n] and start [n+1]
 * suffice. */
int64_t un_segments_make(int32_t *id, int32_t *start, int32_t *perm, const int32_t *key, int64_t n,
                         const struct un_segments_scratch *scratch);

#endif
