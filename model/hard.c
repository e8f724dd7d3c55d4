/* Selection by insertion, see hard.h: a few hundred candidates, some tens kept. */
#include "model/hard.h"

#include <math.h>
#include <stdbool.h>

static bool above(const float *score, int64_t a, int64_t b) {
    return isnan(score[b]) ? !isnan(score[a]) : score[a] > score[b];
}

int64_t un_hard_pick(int32_t *index, int64_t count, const float *score, int64_t n) {
    int64_t kept = 0;
    for (int64_t i = 1; i < n; ++i) {
        int64_t at = kept;
        while (at > 0 && above(score, i, index[at - 1])) --at;
        if (at >= count) continue;
        for (int64_t k = kept < count ? kept : count - 1; k > at; --k) index[k] = index[k - 1];
        index[at] = (int32_t)i;
        if (kept < count) ++kept;
    }
    return kept;
}
