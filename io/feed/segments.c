/* Least-significant-digit radix sort of indices by key: as many passes as the largest key has digits. Stable,
 * so indices stay ascending inside a group. */
#include "io/feed/segments.h"

#include <string.h>

/* to = from, ordered by digit `shift` of key, stable. */
static void sort_digit(int32_t *to, const int32_t *from, const int32_t *key, int64_t n, int shift,
                       int32_t *count) {
    memset(count, 0, UN_RADIX_SIZE * sizeof *count);
    for (int64_t i = 0; i < n; ++i) ++count[key[i] >> shift & (UN_RADIX_SIZE - 1)];
    for (int32_t d = 0, sum = 0; d < UN_RADIX_SIZE; ++d) {
        int32_t here = count[d];
        count[d] = sum;
        sum += here;
    }
    for (int64_t i = 0; i < n; ++i) to[count[key[from[i]] >> shift & (UN_RADIX_SIZE - 1)]++] = from[i];
}

static void sort_indices(int32_t *perm, const int32_t *key, int64_t n,
                         const struct un_segments_scratch *scratch) {
    int32_t largest = 0;
    for (int64_t i = 0; i < n; ++i) {
        perm[i] = (int32_t)i;
        if (key[i] > largest) largest = key[i];
    }
    for (int shift = 0; shift < 31 && largest >> shift > 0; shift += UN_RADIX_BITS) {
        sort_digit(scratch->perm, perm, key, n, shift, scratch->count);
        memcpy(perm, scratch->perm, (size_t)n * sizeof *perm);
    }
}

int64_t un_segments_make(int32_t *id, int32_t *start, int32_t *perm, const int32_t *key, int64_t n,
                         const struct un_segments_scratch *scratch) {
    sort_indices(perm, key, n, scratch);
    int64_t groups = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (i > 0 && key[perm[i]] == key[perm[i - 1]]) continue;
        id[groups] = key[perm[i]];
        start[groups++] = (int32_t)i;
    }
    start[groups] = (int32_t)n;
    return groups;
}
