/* Two levels of a sum (levels.h). */
#include "comm/levels.h"

enum { TREE_COUNT = 2048 }; /* elements added at a time, so that partial sums stay in the cache */

struct un_levels un_levels_of(const int *node, int size) {
    const struct un_levels flat = {.nodes = 1, .places = size};
    int places = 1;
    while (places < size && node[places] == node[0]) ++places;
    if (places < 2 || places == size || size % places != 0 || (places & (places - 1)) != 0) return flat;
    for (int r = places; r < size; ++r) {
        int first = r - r % places;
        if (node[r] != node[first]) return flat;
        for (int before = 0; r == first && before < first; before += places)
            if (node[before] == node[r]) return flat; /* a node that comes twice holds more ranks */
    }
    return (struct un_levels){.nodes = size / places, .places = places};
}

/* to += from, element by element. */
static void add(float *restrict to, const float *restrict from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

void un_levels_sum(float *blocks, int size, int64_t count) {
    for (int64_t at = 0; at < count; at += TREE_COUNT) {
        int64_t some = count - at < TREE_COUNT ? count - at : TREE_COUNT;
        for (int64_t width = 1; width < size; width *= 2)
            for (int64_t i = 0; i + width < size; i += 2 * width)
                add(blocks + i * count + at, blocks + (i + width) * count + at, some);
    }
}
