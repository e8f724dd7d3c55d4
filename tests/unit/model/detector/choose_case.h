/* Scored proposals for the tests of the choice of regions, and what is chosen by the definition. */
#ifndef UN_TESTS_UNIT_MODEL_DETECTOR_CHOOSE_CASE_H
#define UN_TESTS_UNIT_MODEL_DETECTOR_CHOOSE_CASE_H

#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/model/detector/plain_boxes.h"

enum { MOST = 140, CLASSES_MOST = 50, ATTRIBUTES_MOST = 9 };

struct case_ {
    int64_t n, classes, attributes;
    struct un_detector_how how;
    struct un_detector_scale scale;
    float box[MOST * 4], class_logits[MOST * (CLASSES_MOST + 1)], deltas[MOST * CLASSES_MOST * 4];
    float attribute_logits[MOST * (ATTRIBUTES_MOST + 1)];
};

static inline void case_init(struct case_ *c, enum un_detector_profile profile, int64_t n, int64_t classes,
                             int64_t attributes) {
    c->n = n;
    c->classes = classes;
    c->attributes = attributes;
    un_detector_profile(&c->how, profile);
    c->scale = (struct un_detector_scale){600, 800, 600.0 / 427, 427, 569};
}

/* levels: of the logits, few make many ties; crowd: the smaller, the more boxes overlap. */
static inline void case_draw(struct case_ *c, uint32_t seed, float levels, float crowd) {
    for (int64_t i = 0; i < c->n; ++i) {
        float x = 300 + crowd * plain_normal(seed, i), y = 300 + crowd * plain_normal(seed + 1, i);
        float w = 100 + 60 * plain_random(seed + 2, i), h = 100 + 60 * plain_random(seed + 3, i);
        const float box[4] = {x - w, y - h, x + w, y + h};
        memcpy(c->box + 4 * i, box, sizeof box);
        plain_clip(c->box + 4 * i, 799, 599);
    }
    for (int64_t i = 0; i < c->n * (c->classes + 1); ++i)
        c->class_logits[i] = roundf(2.6f * plain_normal(seed + 4, i) * levels) / levels;
    for (int64_t i = 0; i < c->n * (c->attributes + 1); ++i)
        c->attribute_logits[i] = roundf(2 * plain_normal(seed + 5, i) * levels) / levels;
    for (int64_t i = 0; i < c->n * c->classes * 4; ++i) c->deltas[i] = 2 * plain_normal(seed + 6, i);
}

static inline struct un_detector_room *room_of(const struct case_ *c) {
    struct un_detector_room *room;
    struct un_detector_sizes sizes = {.anchors = 1, .classes = c->classes, .attributes = c->attributes};
    expect_ok(un_detector_room_open(&room, &sizes, &c->how));
    return room;
}

static inline enum un_status choose(const struct case_ *c, struct un_detector_room *room,
                                    struct un_detector_regions *got) {
    const struct un_detector_proposals proposals = {c->n, c->box, NULL};
    bool port = c->how.profile == UN_DETECTOR_PORT;
    return un_detector_choose(room, got, &proposals, c->class_logits, port ? c->deltas : NULL,
                              c->attribute_logits, &c->scale);
}

/* ---- the definition ---- */

/* The exponent in float, the rest in double: within one rounding of what is handed out. */
static inline void plain_softmax(float *p, const float *x, int64_t n) {
    float most = x[0];
    double sum = 0;
    for (int64_t k = 0; k < n; ++k) most = fmaxf(most, x[k]);
    for (int64_t k = 0; k < n; ++k) sum += expf(x[k] - most);
    for (int64_t k = 0; k < n; ++k) p[k] = (float)(expf(x[k] - most) / sum);
}

struct plain {
    float p[MOST * (CLASSES_MOST + 1)], box[MOST * 4] /* photo pixels */, confidence[MOST];
    int32_t row[MOST];
    int64_t n;
};

static inline void plain_caffe(struct plain *w, const struct case_ *c) {
    float score[MOST];
    int32_t order[MOST], kept[MOST];
    for (int64_t i = 0; i < 4 * c->n; ++i) w->box[i] = c->box[i] / (float)c->scale.factor;
    for (int64_t k = 0; k < c->classes; ++k) {
        for (int64_t i = 0; i < c->n; ++i) score[i] = w->p[i * (c->classes + 1) + k];
        plain_order(order, score, c->n);
        int64_t n = plain_suppress(kept, order, c->n, w->box, UN_DETECTOR_CAFFE, c->how.final_nms[0]);
        for (int64_t m = 0; m < n; ++m)
            if (score[kept[m]] > w->confidence[kept[m]]) w->confidence[kept[m]] = score[kept[m]];
    }
    plain_order(w->row, w->confidence, c->n);
    for (int64_t i = 0; i < c->n; ++i) w->n += w->confidence[i] >= c->how.conf_th;
    w->n = (int64_t)plain_min(plain_max((double)w->n, (double)c->how.min_bb), (double)c->how.max_bb);
    w->n = w->n < c->n ? w->n : c->n;
}

static inline void plain_port(struct plain *w, const struct case_ *c) {
    int32_t order[MOST];
    for (int64_t i = 0; i < c->n; ++i) {
        int64_t best = 0;
        for (int64_t k = 1; k < c->classes; ++k)
            if (w->p[i * (c->classes + 1) + k] > w->p[i * (c->classes + 1) + best]) best = k;
        const float *d = c->deltas + 4 * (i * c->classes + best);
        const float divided[4] = {d[0] / 10, d[1] / 10, d[2] / 5, d[3] / 5};
        plain_move(w->box + 4 * i, c->box + 4 * i, divided, (float)log(62.5));
        plain_clip(w->box + 4 * i, 800, 600);
        w->confidence[i] = w->p[i * (c->classes + 1) + best];
    }
    plain_order(order, w->confidence, c->n);
    for (int64_t t = 0; t < c->how.n_final_nms; ++t) {
        w->n = plain_suppress(w->row, order, c->n, w->box, UN_DETECTOR_PORT, c->how.final_nms[t]);
        w->n = w->n < c->how.max_bb ? w->n : c->how.max_bb;
        if (w->n >= c->how.min_bb) break;
    }
    for (int64_t i = 0; i < 4 * c->n; ++i) w->box[i] *= i % 2 ? (float)(427 / 600.0) : (float)(569 / 800.0);
}

/* Row k of what is handed out. */
static inline void check_row(const struct case_ *c, const struct plain *w,
                             const struct un_detector_regions *got, int64_t k) {
    const int64_t labels = c->classes + 1, row = w->row[k];
    const float *p = w->p + row * labels, *box = w->box + 4 * row, *label = got->soft_label + k * labels;
    float attribute[ATTRIBUTES_MOST];
    int64_t best = 0, first = 0;
    assert_int_equal(got->row[k], row);
    assert_true(got->confidence[k] == w->confidence[row]);
    assert_memory_equal(got->box + 4 * k, box, 4 * sizeof(float));
    assert_true(label[0] == p[c->classes]);
    assert_memory_equal(label + 1, p, (size_t)c->classes * sizeof(float));
    for (int64_t i = 1; i < c->classes; ++i)
        if (p[i] > p[best]) best = i;
    assert_int_equal(got->class_number[k], best + 1);
    plain_softmax(attribute, c->attribute_logits + row * (c->attributes + 1),
                  c->attributes); /* without "none" */
    for (int64_t i = 1; i < c->attributes; ++i)
        if (attribute[i] > attribute[first]) first = i;
    assert_int_equal(got->attribute[k], first + 1);
    assert_true(got->attribute_probability[k] == attribute[first]);
    const float x = box[0] / 569, y = box[1] / 427, wide = (box[2] - box[0]) / 569,
                high = (box[3] - box[1]) / 427;
    const float six[6] = {x, y, x + wide, y + high, wide, high};
    assert_memory_equal(got->box6 + 6 * k, six, sizeof six);
}

/* Returns how many are kept. */
static inline int64_t check_case(const struct case_ *c) {
    struct plain *w = un_alloc(1, sizeof *w, "the definition");
    struct un_detector_room *room = room_of(c);
    struct un_detector_regions got;
    for (int64_t i = 0; i < c->n; ++i)
        plain_softmax(w->p + i * (c->classes + 1), c->class_logits + i * (c->classes + 1), c->classes + 1);
    c->how.profile == UN_DETECTOR_CAFFE ? plain_caffe(w, c) : plain_port(w, c);
    expect_ok(choose(c, room, &got));
    assert_int_equal(got.n, w->n);
    for (int64_t k = 0; k < got.n; ++k) check_row(c, w, &got, k);
    int64_t n = got.n;
    un_detector_room_close(room);
    un_free(w);
    return n;
}

#endif
