/* Deltas, overlap, and suppression over a matrix of bits. */
#include "model/detector/boxes_private.h"

#include <math.h>
#include <string.h>

struct un_box_rule un_box_rule_of(enum un_detector_profile profile, double threshold) {
    bool inclusive = profile == UN_DETECTOR_CAFFE;
    float t = (float)threshold;
    if (inclusive && (double)t < threshold) t = nextafterf(t, INFINITY);
    if (!inclusive && (double)t > threshold) t = nextafterf(t, -INFINITY);
    return (struct un_box_rule){inclusive ? 1.0f : 0.0f, t, inclusive};
}

float un_box_clamp(enum un_detector_profile profile) {
    return profile == UN_DETECTOR_CAFFE ? INFINITY : (float)log(1000.0 / 16);
}

enum un_status un_box_apply(struct un_box *out, struct un_box anchor, const float delta[4], float xy,
                            float wh, float most) {
    float w = anchor.x2 - anchor.x1, h = anchor.y2 - anchor.y1;
    float cx = anchor.x1 + 0.5f * w, cy = anchor.y1 + 0.5f * h;
    float dw = delta[2] / wh, dh = delta[3] / wh;
    float px = delta[0] / xy * w + cx, py = delta[1] / xy * h + cy;
    float pw = expf(dw > most ? most : dw) * w, ph = expf(dh > most ? most : dh) * h;
    *out = (struct un_box){px - 0.5f * pw, py - 0.5f * ph, px + 0.5f * pw, py + 0.5f * ph};
    bool sound = !isnan(out->x1) && !isnan(out->y1) && !isnan(out->x2) && !isnan(out->y2);
    return sound ? UN_OK : UN_DATA;
}

void un_box_bits_fill(struct un_box_bits *bits, const struct un_box *box, const float *area, int64_t n,
                      const struct un_box_rule *rule) {
    bits->words = (n + 63) / 64;
    memset(bits->row, 0, (size_t)(n * bits->words) * sizeof *bits->row);
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) {
            float iou = un_box_iou(box[i], area[i], box[j], area[j], rule->one);
            uint64_t bit = un_box_drops(iou, rule);
            bits->row[i * bits->words + j / 64] |= bit << j % 64;
        }
}

int64_t un_box_suppress(int32_t *kept, const int32_t *order, int64_t n, const struct un_box_bits *bits,
                        uint64_t *gone) {
    int64_t count = 0;
    memset(gone, 0, (size_t)bits->words * sizeof *gone);
    for (int64_t k = 0; k < n; ++k) {
        int64_t i = order[k];
        if (gone[i / 64] >> i % 64 & 1) continue;
        kept[count++] = (int32_t)i;
        const uint64_t *row = bits->row + i * bits->words;
        for (int64_t w = 0; w < bits->words; ++w) gone[w] |= row[w];
    }
    return count;
}
