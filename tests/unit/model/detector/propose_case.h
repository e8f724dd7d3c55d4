/* A coarse map for the tests of proposals. */
#ifndef UN_TESTS_UNIT_MODEL_DETECTOR_PROPOSE_CASE_H
#define UN_TESTS_UNIT_MODEL_DETECTOR_PROPOSE_CASE_H

#include "tests/support/expect.h"
#include "tests/unit/model/detector/plain_boxes.h"

enum { MAP_MOST = 20 * 30, ANCHORS_MOST = 12, MOST = MAP_MOST * ANCHORS_MOST };

struct map {
    int64_t h, w, anchors;
    float cell[ANCHORS_MOST * 4], logits[MOST], deltas[MOST * 4];
    struct un_detector_how how;
    struct un_detector_scale scale;
};

static inline void map_init(struct map *m, enum un_detector_profile profile, int64_t h, int64_t w,
                            int64_t anchors) {
    m->h = h;
    m->w = w;
    m->anchors = anchors;
    un_detector_profile(&m->how, profile);
    m->scale = (struct un_detector_scale){h * 16 - 5, w * 16 - 3, 1.25, 0, 0};
    m->scale.photo_height = (int64_t)((double)m->scale.height / 1.25);
    m->scale.photo_width = (int64_t)((double)m->scale.width / 1.25);
}

/* levels: of the logits; few make many ties. */
static inline void map_draw(struct map *m, uint32_t seed, int levels) {
    for (int64_t a = 0; a < m->anchors; ++a) {
        float w = 8 * powf(2, 4 * plain_random(seed, a)), h = 8 * powf(2, 4 * plain_random(seed + 1, a));
        const float cell[4] = {8 - w, 8 - h, 8 + w, 8 + h};
        memcpy(m->cell + 4 * a, cell, sizeof cell);
    }
    for (int64_t i = 0; i < m->h * m->w * m->anchors; ++i) {
        m->logits[i] = (float)(int)(plain_normal(seed + 2, i) * (float)levels) / (float)levels;
        for (int k = 0; k < 4; ++k) m->deltas[4 * i + k] = 0.3f * plain_normal(seed + 3 + (uint32_t)k, i);
    }
}

static inline struct un_detector_room *room_of(const struct map *m) {
    struct un_detector_room *room;
    struct un_detector_sizes sizes = {.anchors = m->anchors, .classes = 3, .attributes = 2};
    expect_ok(un_detector_room_open(&room, &sizes, &m->how));
    return room;
}

static inline enum un_status propose(struct map *m, struct un_detector_room *room,
                                     struct un_detector_proposals *got) {
    return un_detector_propose(room, got, m->logits, m->deltas, m->cell, m->h, m->w, &m->scale);
}

#endif
