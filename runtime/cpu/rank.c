/* Margins between the scores of a row's members. A row has a few dozen of them; one thread goes through them in
 * order.
 *
 * Law: terms add up in double, members ascending. NaN in a row comes out as NaN. */
#include "runtime/cpu/cpu.h"

#include <math.h>
#include <string.h>

enum { ALL_OTHERS = -1, HIGHEST_OTHER = -2 };

struct row {
    float *d;       /* gradient, may be x; NULL: not wanted */
    const float *x; /* [n] */
    int64_t n, target, wrong;
    float margin, scale;
};

static float sigmoid(float x) {
    const float e = expf(-fabsf(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* g (1 - g), which loses nothing where g rounds to 1. */
static float sigmoid_slope(float x) {
    const float e = expf(-fabsf(x));
    return e / ((1.0f + e) * (1.0f + e));
}

/* First of the highest members but `without`, -1 when there is none. NaN is higher than all. */
static int64_t highest(const struct row *r, int64_t without) {
    int64_t at = -1;
    for (int64_t j = 0; j < r->n; ++j)
        if (j != without && (at < 0 || (r->x[at] == r->x[at] && !(r->x[j] <= r->x[at])))) at = j;
    return at;
}

static void rank_row(float *loss, float *hit, const struct row *r) {
    const int64_t only = r->wrong == HIGHEST_OTHER ? highest(r, r->target) : r->wrong;
    const float right = sigmoid(r->x[r->target]);
    double total = 0.0;
    float pulls = 0.0f; /* members that are too close */
    *hit = highest(r, -1) == r->target ? 1.0f : 0.0f;
    for (int64_t j = 0; j < r->n; ++j) {
        float slope = 0.0f;
        if (j != r->target && (r->wrong == ALL_OTHERS || j == only)) {
            const float wrong = sigmoid(r->x[j]);
            const double distance = (double)r->margin + (double)wrong - (double)right;
            if (!(distance <= 0.0)) {
                total += distance;
                pulls += 1.0f;
                slope = sigmoid_slope(r->x[j]) * r->scale;
            }
        }
        if (r->d && j != r->target) r->d[j] = slope;
    }
    if (r->d) r->d[r->target] = -(pulls * sigmoid_slope(r->x[r->target]) * r->scale);
    *loss = (float)total;
}

void un_cpu_margin_rank(struct un_queue *q, float *row_loss, float *hit, float *dscores, const float *scores,
                        const int32_t *start, const int32_t *target, const int32_t *wrong, int64_t n,
                        int64_t members, float margin, const float *scale) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (n > 1 && members >= UN_CPU_PARALLEL_MIN)
    for (int64_t i = 0; i < n; ++i) {
        const int64_t first = start[i], count = start[i + 1] - first;
        float *d = dscores ? dscores + first : NULL;
        row_loss[i] = hit[i] = 0.0f;
        if (target[i] < 0) {
            if (d) memset(d, 0, (size_t)count * sizeof *d);
            continue;
        }
        UN_ASSERT(target[i] < count);
        const struct row r = {.d = d,
                              .x = scores + first,
                              .n = count,
                              .target = target[i],
                              .wrong = wrong ? wrong[i] : ALL_OTHERS,
                              .margin = margin,
                              .scale = d ? *scale : 0.0f};
        rank_row(row_loss + i, hit + i, &r);
    }
    if (dscores && start[n] < members)
        memset(dscores + start[n], 0, (size_t)(members - start[n]) * sizeof *dscores);
}
