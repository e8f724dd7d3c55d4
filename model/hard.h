/* Hard negatives: which candidates of a true pair a group is taught with. */
#ifndef UN_MODEL_HARD_H
#define UN_MODEL_HARD_H

#include <stdint.h>

/* index [count] = numbers of the `count` highest of score[1 .. n-1], highest first, of equals the lower number;
 * score[0] is the true pair's. A score that is not a number counts as lowest. Returns how many there are,
 * min(count, n - 1). Source: SPEC section 7, Retrieval.hard. */
int64_t un_hard_pick(int32_t *index, int64_t count, const float *score, int64_t n);

#endif
