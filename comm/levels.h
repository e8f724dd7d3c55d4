/* A sum over ranks in two levels, inside the nodes and then between them: pure arithmetic.
 *
 * Nodes hold `places` consecutive ranks each. The tree over all ranks (comm/parts.h) adds neighbours first, so
 * with a power of two of places its lower branches are the nodes: the tree over the places of every node, then
 * the tree over the nodes, make the very additions of the flat tree, for any number of nodes. */
#ifndef UN_COMM_LEVELS_H
#define UN_COMM_LEVELS_H

#include <stdint.h>

struct un_levels {
    int nodes, places; /* nodes * places ranks; flat: one node */
};

/* node [size]: the node of every rank. Two levels where more than one node holds the same power of two of
 * consecutive ranks, two at least; else flat. */
struct un_levels un_levels_of(const int *node, int size);
/* In place: block 0 becomes the sum of the `size` blocks of `count` elements: neighbours first, then neighbouring
 * pairs; a block without a partner goes up unchanged. The other blocks are spent. */
void un_levels_sum(float *blocks, int size, int64_t count);

#endif
