/* The choice of regions against its definition. */
#include "tests/unit/model/detector/choose_case.h"

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
