/* The choice of regions against its definition. */
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

static void case_init(struct case_ *c, enum un_detector_profile profile, int64_t n, int64_t classes,
                      int64_t attributes) {
    c->n = n;
    c->classes = classes;
    c->attributes = attributes;
    un_detector_profile(&c->how, profile);
    c->scale = (struct un_detector_scale){600, 800, 600.0 / 427, 427, 569};
}

/* levels: of the logits, few make many ties; crowd: the smaller, the more boxes overlap. */
static void case_draw(struct case_ *c, uint32_t seed, float levels, float crowd) {
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

static struct un_detector_room *room_of(const struct case_ *c) {
    struct un_detector_room *room;
    struct un_detector_sizes sizes = {.anchors = 1, .classes = c->classes, .attributes = c->attributes};
    expect_ok(un_detector_room_open(&room, &sizes, &c->how));
    return room;
}

static enum un_status choose(const struct case_ *c, struct un_detector_room *room,
                             struct un_detector_regions *got) {
    const struct un_detector_proposals proposals = {c->n, c->box, NULL};
    bool port = c->how.profile == UN_DETECTOR_PORT;
    return un_detector_choose(room, got, &proposals, c->class_logits, port ? c->deltas : NULL,
                              c->attribute_logits, &c->scale);
}

/* ---- the definition ---- */

/* The exponent in float, the rest in double: within one rounding of what is handed out. */
static void plain_softmax(float *p, const float *x, int64_t n) {
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

static void plain_caffe(struct plain *w, const struct case_ *c) {
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

static void plain_port(struct plain *w, const struct case_ *c) {
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
static void check_row(const struct case_ *c, const struct plain *w, const struct un_detector_regions *got,
                      int64_t k) {
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
static int64_t check_case(const struct case_ *c) {
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

/* ---- tests ---- */

static void by_definition(void **state) {
    (void)state;
    static const struct {
        int64_t n, classes, attributes, min, max;
        double th;
        float levels, crowd;
    } cases[] = {{140, 50, 9, 10, 100, 0.2, 1000, 80}, {64, 17, 3, 8, 55, 0.45, 1000, 60},
                 {65, 16, 1, 1, 60, 0.01, 1000, 100},  {128, 33, 5, 100, 100, 0.2, 1, 70},
                 {1, 1, 1, 100, 100, 0.2, 1000, 60},   {5, 3, 2, 36, 36, 0.2, 2, 5},
                 {129, 2, 4, 3, 7, 0.9, 3, 30},        {90, 15, 4, 10, 5, 0, 1000, 200},
                 {63, 40, 2, 0, 63, 2, 1000, 20}};
    struct case_ *c = un_alloc(1, sizeof *c, "a case");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
            case_init(c, (enum un_detector_profile)p, cases[i].n, cases[i].classes, cases[i].attributes);
            c->how.min_bb = cases[i].min;
            c->how.max_bb = cases[i].max;
            c->how.conf_th = cases[i].th;
            case_draw(c, 31 + 40u * (uint32_t)i, cases[i].levels, cases[i].crowd);
            (void)check_case(c);
        }
    un_free(c);
}

/* Each of the thresholds is the one that ends the search for some min_bb, and the last counts when none does. */
static void rising_thresholds(void **state) {
    (void)state;
    struct case_ *c = un_alloc(1, sizeof *c, "a case");
    case_init(c, UN_DETECTOR_PORT, 140, 10, 2);
    case_draw(c, 77, 1000, 60);
    int64_t last = 0, steps = 0;
    c->how.max_bb = MOST;
    for (int64_t t = 1; t <= 5; ++t) {
        c->how.n_final_nms = t;
        c->how.min_bb = MOST + 1; /* never */
        int64_t n = check_case(c);
        assert_true(n >= last);
        steps += n > last;
        c->how.n_final_nms = 5;
        c->how.min_bb = n; /* reached at t, not before */
        if (n > last) assert_int_equal(check_case(c), n);
        last = n;
    }
    assert_true(steps >= 4);
    un_free(c);
}

/* The authors' files hold 100; a photo with fewer proposals has all of them, those of confidence 0 at the end. */
static void few(void **state) {
    (void)state;
    struct case_ *c = un_alloc(1, sizeof *c, "a case");
    case_init(c, UN_DETECTOR_CAFFE, 3, 2, 1);
    const float box[12] = {10, 10, 110, 110, 300, 300, 400, 400, 11, 10, 110, 110};
    const float logits[9] = {2, 1, 0, 3, 1, 0, 1, 0, 2}; /* the third scores less than the first in both */
    memcpy(c->box, box, sizeof box);
    memcpy(c->class_logits, logits, sizeof logits);
    assert_int_equal(check_case(c), 3);
    struct un_detector_room *room = room_of(c);
    struct un_detector_regions got;
    expect_ok(choose(c, room, &got));
    assert_true(got.row[0] == 1 && got.row[1] == 0 && got.row[2] == 2);
    assert_true(got.confidence[2] == 0);
    un_detector_room_close(room);
    un_free(c);
}

/* All scores equal: the first drops what overlaps it, confidence is equal, rows stay in order. */
static void equal_scores(void **state) {
    (void)state;
    struct case_ *c = un_alloc(1, sizeof *c, "a case");
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        case_init(c, (enum un_detector_profile)p, 100, 9, 3);
        case_draw(c, 3, 1000, 300);
        memset(c->class_logits, 0, sizeof c->class_logits);
        memset(c->attribute_logits, 0, sizeof c->attribute_logits);
        c->how.conf_th = 0.05; /* half of what each class has */
        c->how.min_bb = 1;
        c->how.max_bb = 100;
        int64_t n = check_case(c);
        assert_true(n > 1);
        struct un_detector_room *room = room_of(c);
        struct un_detector_regions got;
        expect_ok(choose(c, room, &got));
        for (int64_t k = 0; k < n; ++k) assert_true(got.class_number[k] == 1 && got.attribute[k] == 1);
        for (int64_t k = 1; k < n; ++k) assert_true(got.row[k] > got.row[k - 1]);
        un_detector_room_close(room);
    }
    un_free(c);
}

/* Two boxes beside one edge of lengths 10 and `part`, border pixels counted in caffe: how many are not dropped. */
static int64_t left_of_two(enum un_detector_profile profile, float part, double threshold) {
    const float one = profile == UN_DETECTOR_CAFFE ? 1 : 0;
    const float box[8] = {0, 0, 10 - one, 8 - one, 0, 0, part - one, 8 - one};
    struct case_ *c = un_alloc(1, sizeof *c, "a case");
    case_init(c, profile, 2, 1, 1);
    c->scale = (struct un_detector_scale){600, 800, 1, 600, 800};
    c->class_logits[0] = 1;
    c->how.final_nms[0] = threshold;
    c->how.n_final_nms = 1;
    c->how.min_bb = 1;
    c->how.conf_th = 0.1;
    memcpy(c->box, box, sizeof box);
    struct un_detector_room *room = room_of(c);
    struct un_detector_regions got;
    expect_ok(choose(c, room, &got));
    int64_t n = got.n;
    un_detector_room_close(room);
    un_free(c);
    return n;
}

static void at_the_threshold(void **state) {
    (void)state;
    assert_int_equal(left_of_two(UN_DETECTOR_CAFFE, 3, 0.3), 1); /* 0.30000001 */
    assert_int_equal(left_of_two(UN_DETECTOR_CAFFE, 7, 0.7), 2); /* 0.69999999 */
    assert_int_equal(left_of_two(UN_DETECTOR_CAFFE, 5, 0.5), 1); /* equal */
    assert_int_equal(left_of_two(UN_DETECTOR_PORT, 3, 0.3), 1);
    assert_int_equal(left_of_two(UN_DETECTOR_PORT, 7, 0.7), 2);
    assert_int_equal(left_of_two(UN_DETECTOR_PORT, 5, 0.5), 2);
}

/* The confidence is compared as a double: the float nearest to 0.2 is above it, that nearest to 0.7 below. */
static void confidence_threshold(void **state) {
    (void)state;
    struct case_ *c = un_alloc(1, sizeof *c, "a case");
    case_init(c, UN_DETECTOR_CAFFE, 4, 1, 1);
    for (int i = 0; i < 4; ++i) {
        const float box[4] = {(float)(200 * i), 0, (float)(200 * i + 50), 50};
        memcpy(c->box + 4 * i, box, sizeof box);
    }
    c->how.min_bb = 1;
    c->how.conf_th = 0.5;
    memcpy(c->class_logits, (const float[8]){0, 0, 1e-6f, 0, -1e-6f, 0, -3, 3}, 8 * sizeof(float));
    assert_int_equal(check_case(c), 2); /* equal is enough */
    c->how.conf_th = nextafter(0.5, 1);
    assert_int_equal(check_case(c), 1);
    c->how.max_bb = 0;
    assert_int_equal(check_case(c), 0);
    un_free(c);
}

static void given(void **state) {
    (void)state;
    struct case_ *c = un_alloc(1, sizeof *c, "a case");
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        case_init(c, (enum un_detector_profile)p, 120, 20, 4);
        case_draw(c, 12, 1000, 50);
        c->how.post_nms = 7; /* more are given than it would propose: the room grows */
        struct un_detector_room *room = room_of(c);
        struct un_detector_regions got;
        const struct un_detector_proposals proposals = {c->n, c->box, NULL};
        expect_ok(
            un_detector_choose_all(room, &got, &proposals, c->class_logits, c->attribute_logits, &c->scale));
        assert_int_equal(got.n, c->n);
        for (int64_t k = 0; k < c->n; ++k) {
            float p_row[CLASSES_MOST + 1];
            assert_true(got.row[k] == k && got.confidence[k] == 1);
            plain_softmax(p_row, c->class_logits + k * 21, 21);
            assert_true(got.soft_label[k * 21] == p_row[20]);
            assert_memory_equal(got.soft_label + k * 21 + 1, p_row, 20 * sizeof(float));
            for (int i = 0; i < 4; ++i) {
                double scale = p == UN_DETECTOR_CAFFE ? 1 / c->scale.factor
                               : i % 2                ? 427 / 600.0
                                                      : 569 / 800.0;
                assert_near(got.box[4 * k + i], c->box[4 * k + i] * scale, 1e-3);
            }
        }
        un_detector_room_close(room);
    }
    un_free(c);
}

static void not_numbers(void **state) {
    (void)state;
    struct case_ *c = un_alloc(1, sizeof *c, "a case");
    struct un_detector_regions got;
    case_init(c, UN_DETECTOR_PORT, 20, 10, 3);
    case_draw(c, 9, 1000, 100);
    struct un_detector_room *room = room_of(c);
    const struct un_detector_proposals proposals = {c->n, c->box, NULL};
    const float bad[3] = {NAN, INFINITY, -INFINITY};
    for (int b = 0; b < 3; ++b) {
        float was = c->class_logits[7 * 11 + 4];
        c->class_logits[7 * 11 + 4] = bad[b];
        expect_error(choose(c, room, &got), UN_DATA, "proposal 7", "class 5", "not finite");
        expect_error(
            un_detector_choose_all(room, &got, &proposals, c->class_logits, c->attribute_logits, &c->scale),
            UN_DATA, "proposal 7", "class 5", "not finite");
        c->class_logits[7 * 11 + 4] = was;
        was = c->attribute_logits[3 * 4 + 3];
        c->attribute_logits[3 * 4 + 3] = bad[b];
        expect_error(choose(c, room, &got), UN_DATA, "proposal 3", "attribute 4", "not finite");
        c->attribute_logits[3 * 4 + 3] = was;
    }
    c->class_logits[5 * 11 + 2] = 100; /* the best class of proposal 5: its deltas are applied, no others */
    c->deltas[4 * (5 * 10 + 3) + 1] = NAN;
    expect_ok(choose(c, room, &got));
    c->deltas[4 * (5 * 10 + 2) + 1] = NAN;
    expect_error(choose(c, room, &got), UN_DATA, "proposal 5", "class 3", "not a number");
    c->deltas[4 * (5 * 10 + 2) + 1] = INFINITY; /* cut */
    expect_ok(choose(c, room, &got));
    un_detector_room_close(room);
    un_free(c);
}

/* Nothing is allocated for a photo; results do not depend on what the room was used for before. */
static void memory(void **state) {
    (void)state;
    struct case_ *c = un_alloc(1, sizeof *c, "a case");
    uint64_t before = live_blocks();
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        float confidence[MOST];
        struct un_detector_regions got;
        case_init(c, (enum un_detector_profile)p, 140, 50, 9);
        case_draw(c, 21, 1000, 80);
        c->how.post_nms = 140;
        struct un_detector_room *room = room_of(c);
        un_memory_freeze(true);
        uint64_t frozen = un_memory_counts().frozen_allocs;
        expect_ok(choose(c, room, &got));
        int64_t n = got.n;
        memcpy(confidence, got.confidence, (size_t)n * sizeof *confidence);
        case_draw(c, 22, 1, 20);
        c->n = 70;
        expect_ok(choose(c, room, &got));
        c->n = 140;
        case_draw(c, 21, 1000, 80);
        expect_ok(choose(c, room, &got));
        assert_int_equal(un_memory_counts().frozen_allocs, frozen);
        un_memory_freeze(false);
        assert_int_equal(got.n, n);
        assert_memory_equal(got.confidence, confidence, (size_t)n * sizeof *confidence);
        un_detector_room_close(room);
    }
    assert_int_equal(live_blocks(), before);
    un_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_definition),
                                       cmocka_unit_test(rising_thresholds),
                                       cmocka_unit_test(few),
                                       cmocka_unit_test(equal_scores),
                                       cmocka_unit_test(at_the_threshold),
                                       cmocka_unit_test(confidence_threshold),
                                       cmocka_unit_test(given),
                                       cmocka_unit_test(not_numbers),
                                       cmocka_unit_test(memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
