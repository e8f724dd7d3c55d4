/* Boxes by their definitions, slow and in the plainest words, for the tests of proposals and choice. */
#ifndef UN_TESTS_UNIT_MODEL_DETECTOR_PLAIN_BOXES_H
#define UN_TESTS_UNIT_MODEL_DETECTOR_PLAIN_BOXES_H

#include "model/detector/boxes.h"
#include "runtime/rng.h"
#include "tests/support/check.h"

#include <string.h>

/* In [0,1), number `i` of series `what`. */
static inline float plain_random(uint32_t what, int64_t i) {
    return (float)(un_philox((uint32_t)i, what, 0, 0, 11, 7).v[0] >> 8) / (float)(1 << 24);
}

/* About normal, of deviation 1. */
static inline float plain_normal(uint32_t what, int64_t i) {
    float sum = 0;
    for (int k = 0; k < 12; ++k) sum += plain_random(what + 1000u * (uint32_t)k, i);
    return sum - 6;
}

static inline double plain_max(double a, double b) {
    return a > b ? a : b;
}
static inline double plain_min(double a, double b) {
    return a < b ? a : b;
}

/* Each operation in float. one: 1 when border pixels count. */
static inline float plain_iou(const float *a, const float *b, float one) {
    float side[2];
    for (int k = 0; k < 2; ++k) {
        float hi = (float)plain_min(a[k + 2], b[k + 2]), lo = (float)plain_max(a[k], b[k]);
        float length = hi - lo;
        length = length + one;
        side[k] = length < 0 ? 0 : length;
    }
    float both = side[0] * side[1];
    float aw = a[2] - a[0] + one, ah = a[3] - a[1] + one, bw = b[2] - b[0] + one, bh = b[3] - b[1] + one;
    float areas = aw * ah + bw * bh;
    float all = areas - both;
    return both / all;
}

static inline bool plain_drops(enum un_detector_profile profile, const float *a, const float *b,
                               double threshold) {
    if (profile == UN_DETECTOR_CAFFE) return (double)plain_iou(a, b, 1) >= threshold;
    return (double)plain_iou(a, b, 0) > threshold;
}

/* order [n]: place k belongs to the one before which k others stand. */
static inline void plain_order(int32_t *order, const float *score, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        int64_t before = 0;
        for (int64_t j = 0; j < n; ++j) before += score[j] > score[i] || (score[j] == score[i] && j < i);
        order[before] = (int32_t)i;
    }
}

/* Of order [n] those that no kept one before them drops; how many. */
static inline int64_t plain_suppress(int32_t *kept, const int32_t *order, int64_t n, const float *box,
                                     enum un_detector_profile profile, double threshold) {
    int64_t count = 0;
    for (int64_t k = 0; k < n; ++k) {
        bool gone = false;
        for (int64_t m = 0; m < count; ++m)
            gone |= plain_drops(profile, box + 4 * kept[m], box + 4 * order[k], threshold);
        if (!gone) kept[count++] = order[k];
    }
    return count;
}

/* A box moved by deltas already divided; clamp: of dw and dh, HUGE_VALF for none. */
static inline void plain_move(float *out, const float *box, const float *delta, float clamp) {
    for (int k = 0; k < 2; ++k) {
        float length = box[k + 2] - box[k], half = 0.5f * length, centre = box[k] + half;
        float away = delta[k] * length, to = away + centre;
        float grown = expf(delta[k + 2] > clamp ? clamp : delta[k + 2]) * length, reach = 0.5f * grown;
        out[k] = to - reach;
        out[k + 2] = to + reach;
    }
}

static inline void plain_clip(float *box, float width, float height) {
    for (int k = 0; k < 4; ++k) box[k] = (float)plain_min(plain_max(box[k], 0), k % 2 ? height : width);
}

#endif
