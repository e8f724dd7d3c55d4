/* Proposals against their definition, and what the definition leaves to rounding. */
#include "runtime/memory.h"
#include "tests/unit/model/detector/propose_case.h"

struct plain {
    float box[MOST * 4], score[MOST];
    int32_t order[MOST], kept[MOST];
    int64_t n;
};

/* Is the box as large as is asked? In float, as the numbers are given. */
static bool large(const struct map *m, const float *box) {
    float w = box[2] - box[0], h = box[3] - box[1];
    if (m->how.profile == UN_DETECTOR_PORT) return w > (float)m->how.min_side && h > (float)m->how.min_side;
    float least = (float)m->how.min_side * (float)m->scale.factor;
    return w + 1 >= least && h + 1 >= least;
}

/* boxes, and their scores; in `port` the small ones go after the cut. */
static void plain_propose(struct plain *p, const struct map *m) {
    const bool caffe = m->how.profile == UN_DETECTOR_CAFFE;
    const float clamp = caffe ? HUGE_VALF : (float)log(62.5);
    int64_t n = 0, cut;
    for (int64_t i = 0; i < m->h * m->w * m->anchors; ++i) {
        const float *cell = m->cell + 4 * (i % m->anchors);
        float x = (float)(16 * (i / m->anchors % m->w)), y = (float)(16 * (i / m->anchors / m->w));
        const float anchor[4] = {x + cell[0], y + cell[1], x + cell[2], y + cell[3]};
        plain_move(p->box + 4 * n, anchor, m->deltas + 4 * i, clamp);
        plain_clip(p->box + 4 * n, (float)(m->scale.width - caffe), (float)(m->scale.height - caffe));
        p->score[n] = m->logits[i];
        n += !caffe || large(m, p->box + 4 * n);
    }
    plain_order(p->order, p->score, n);
    cut = n < m->how.pre_nms ? n : m->how.pre_nms;
    n = 0;
    for (int64_t k = 0; k < cut; ++k)
        if (caffe || large(m, p->box + 4 * p->order[k])) p->order[n++] = p->order[k];
    p->n = plain_suppress(p->kept, p->order, n, p->box, m->how.profile, m->how.rpn_nms);
    if (p->n > m->how.post_nms) p->n = m->how.post_nms;
}

static void check_against_plain(struct map *m) {
    struct un_detector_room *room = room_of(m);
    struct plain *want = un_alloc(1, sizeof *want, "proposals");
    struct un_detector_proposals got;
    plain_propose(want, m);
    expect_ok(propose(m, room, &got));
    assert_int_equal(got.n, want->n);
    for (int64_t k = 0; k < got.n; ++k) {
        assert_memory_equal(got.box + 4 * k, want->box + 4 * want->kept[k], 4 * sizeof(float));
        assert_true(got.logit[k] == want->score[want->kept[k]]);
    }
    un_free(want);
    un_detector_room_close(room);
}

static void by_definition(void **state) {
    (void)state;
    static const struct {
        int64_t h, w, anchors, pre, post;
        double nms, side;
        int levels;
    } cases[] = {{9, 12, 12, 6000, 300, 0.7, 16, 1000}, {9, 12, 12, 400, 60, 0.7, 16, 3},
                 {1, 1, 9, 6000, 300, 0.7, 1, 1000},    {1, 17, 3, 10, 300, 0.5, 3, 1000},
                 {17, 1, 1, 6000, 4, 0.3, 2, 2},        {6, 7, 5, 1, 1, 0.7, 0, 1000},
                 {12, 16, 9, 1700, 300, 0.9, 10, 1},    {8, 8, 4, 6000, 33, 0.05, 30, 50}};
    struct map *m = un_alloc(1, sizeof *m, "a map");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
            map_init(m, (enum un_detector_profile)p, cases[i].h, cases[i].w, cases[i].anchors);
            m->how.pre_nms = cases[i].pre;
            m->how.post_nms = cases[i].post;
            m->how.rpn_nms = cases[i].nms;
            m->how.min_side = cases[i].side;
            map_draw(m, 17 + 100u * (uint32_t)i, cases[i].levels);
            check_against_plain(m);
        }
    un_free(m);
}

/* A map of one cell with these anchors, nothing moved. */
static struct map *still(enum un_detector_profile profile, int64_t anchors, const float *cell) {
    struct map *m = un_alloc(1, sizeof *m, "a map");
    map_init(m, profile, 1, 1, anchors);
    m->scale = (struct un_detector_scale){1000, 1000, 1, 1000, 1000};
    m->how.min_side = 0;
    memcpy(m->cell, cell, (size_t)anchors * 4 * sizeof *cell);
    for (int64_t a = 0; a < anchors; ++a) m->logits[a] = (float)-a;
    return m;
}

/* Two boxes beside one edge, `whole` and `part` long as the profile counts: their IoU is part / whole in float. */
static int64_t kept_of_two(enum un_detector_profile profile, float whole, float part, double threshold) {
    const float one = profile == UN_DETECTOR_CAFFE ? 1 : 0;
    const float cell[8] = {0, 0, whole - one, 8 - one, 0, 0, part - one, 8 - one};
    struct map *m = still(profile, 2, cell);
    struct un_detector_proposals got;
    m->how.rpn_nms = threshold;
    struct un_detector_room *room = room_of(m);
    expect_ok(propose(m, room, &got));
    int64_t n = got.n;
    un_detector_room_close(room);
    un_free(m);
    return n;
}

/* IoU is rounded to float, then compared with a double. 0.7 rounds down, 0.3 up, 0.5 not at all. */
static void at_the_threshold(void **state) {
    (void)state;
    assert_int_equal(kept_of_two(UN_DETECTOR_CAFFE, 10, 5, 0.5), 1); /* equal: dropped */
    assert_int_equal(kept_of_two(UN_DETECTOR_PORT, 10, 5, 0.5), 2);  /* equal: kept */
    assert_int_equal(kept_of_two(UN_DETECTOR_CAFFE, 10, 7, 0.7), 2); /* 0.69999999 */
    assert_int_equal(kept_of_two(UN_DETECTOR_PORT, 10, 7, 0.7), 2);
    assert_int_equal(kept_of_two(UN_DETECTOR_CAFFE, 10, 3, 0.3), 1); /* 0.30000001 */
    assert_int_equal(kept_of_two(UN_DETECTOR_PORT, 10, 3, 0.3), 1);
    assert_int_equal(kept_of_two(UN_DETECTOR_CAFFE, 10, 7, (double)0.7f), 1);
    assert_int_equal(kept_of_two(UN_DETECTOR_PORT, 10, 3, (double)0.3f), 2);
    assert_int_equal(kept_of_two(UN_DETECTOR_CAFFE, 64, 32, nextafter(0.5, 1)), 2);
    assert_int_equal(kept_of_two(UN_DETECTOR_PORT, 64, 32, nextafter(0.5, 0)), 1);
}

/* Equal logits keep their order: anchor fastest, then column, then row. */
static void ties(void **state) {
    (void)state;
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        struct map *m = un_alloc(1, sizeof *m, "a map");
        map_init(m, (enum un_detector_profile)p, 2, 2, 2);
        m->scale = (struct un_detector_scale){32, 32, 1, 32, 32};
        m->how.min_side = 1;
        m->how.rpn_nms = 0.999;
        memcpy(m->cell, (const float[8]){0, 0, 8, 8, 0, 0, 8, 14}, 8 * sizeof(float));
        m->logits[3] = -0.0f; /* as large as the others' 0 */
        struct un_detector_room *room = room_of(m);
        struct un_detector_proposals got;
        expect_ok(propose(m, room, &got));
        assert_int_equal(got.n, 8);
        for (int i = 0; i < 8; ++i) {
            assert_true(got.box[4 * i] == (float)(i / 2 % 2 * 16));
            assert_true(got.box[4 * i + 1] == (float)(i / 4 * 16));
            assert_true(got.box[4 * i + 3] - got.box[4 * i + 1] == (i % 2 ? 14 : 8));
        }
        un_detector_room_close(room);
        un_free(m);
    }
}

/* caffe leaves small ones out before the cut to pre_nms, port after it. */
static void cut(void **state) {
    (void)state;
    const float cell[12] = {0, 0, 2, 2, 100, 100, 102, 102, 10, 10, 50, 50};
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        struct map *m = still((enum un_detector_profile)p, 3, cell);
        m->how.min_side = 16;
        m->how.pre_nms = 2;
        struct un_detector_room *room = room_of(m);
        struct un_detector_proposals got;
        if (p == UN_DETECTOR_CAFFE) {
            expect_ok(propose(m, room, &got));
            assert_int_equal(got.n, 1);
            assert_true(got.box[0] == 10 && got.box[3] == 50 && got.logit[0] == -2);
        } else {
            expect_error(propose(m, room, &got), UN_DATA, "no proposal is left", "min_side 16",
                         "1000 x 1000");
        }
        un_detector_room_close(room);
        un_free(m);
    }
}

/* Of the original the least side is 16 pixels of the photo, border pixels counted: equal is enough. */
static void least_side(void **state) {
    (void)state;
    const float cell[8] = {0, 0, 23, 23, 100, 100, 122, 140};
    struct map *m = still(UN_DETECTOR_CAFFE, 2, cell);
    m->how.min_side = 16;
    m->scale.factor = 1.5;
    struct un_detector_room *room = room_of(m);
    struct un_detector_proposals got;
    expect_ok(propose(m, room, &got));
    assert_int_equal(got.n, 1);
    assert_true(got.box[2] == 23);
    m->scale.factor = 1.6;
    expect_error(propose(m, room, &got), UN_DATA, "no proposal is left", "none of 2");
    un_detector_room_close(room);
    un_free(m);
}

/* caffe: an infinite side is cut by the photo's; port does not let it come to that. */
static void infinite(void **state) {
    (void)state;
    const float cell[4] = {100, 100, 140, 160};
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        struct map *m = still((enum un_detector_profile)p, 1, cell);
        struct un_detector_room *room = room_of(m);
        struct un_detector_proposals got;
        m->deltas[2] = INFINITY;
        m->deltas[3] = 200;
        expect_ok(propose(m, room, &got));
        const float end = p == UN_DETECTOR_CAFFE ? 999 : 1000;
        const float want[4] = {0, 0, end, end};
        assert_memory_equal(got.box, want, sizeof want);
        m->deltas[2] = 0;
        m->deltas[3] = logf(100);
        expect_ok(propose(m, room, &got)); /* 60 high: 6000, or with dh at most ln 62.5 3750; both are cut */
        m->deltas[3] = 4.5f;               /* above ln 62.5 = 4.135 */
        m->cell[1] = 500 - 1;
        m->cell[3] = 500 + 1;
        expect_ok(propose(m, room, &got));
        float side = got.box[3] - got.box[1];
        assert_near(side, p == UN_DETECTOR_CAFFE ? 2 * exp(4.5) : 2 * 62.5, 1e-3);
        m->deltas[2] = m->deltas[3];
        m->deltas[3] = 0;
        m->cell[0] = 500 - 1;
        m->cell[2] = 500 + 1;
        expect_ok(propose(m, room, &got));
        assert_near(got.box[2] - got.box[0], p == UN_DETECTOR_CAFFE ? 2 * exp(4.5) : 2 * 62.5, 1e-3);
        m->deltas[0] = INFINITY; /* moved out: an empty box at the edge */
        if (p == UN_DETECTOR_CAFFE) {
            expect_ok(propose(m, room, &got));
            assert_true(got.box[0] == 999 && got.box[2] == 999);
        } else {
            expect_error(propose(m, room, &got), UN_DATA, "no proposal is left");
        }
        un_detector_room_close(room);
        un_free(m);
    }
}

/* Found wherever it stands, also where nothing would have come of it. */
static void not_numbers(void **state) {
    (void)state;
    struct map *m = un_alloc(1, sizeof *m, "a map");
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        map_init(m, (enum un_detector_profile)p, 4, 5, 3);
        map_draw(m, 5, 100);
        m->how.pre_nms = m->how.post_nms = 1;
        struct un_detector_room *room = room_of(m);
        struct un_detector_proposals got;
        const int64_t at = (2 * 5 + 4) * 3 + 1;
        m->logits[at] = -100;
        for (int k = 0; k < 4; ++k) {
            float was = m->deltas[4 * at + k];
            m->deltas[4 * at + k] = NAN;
            expect_error(propose(m, room, &got), UN_DATA, "not a number", "row 2", "column 4", "anchor 1");
            m->deltas[4 * at + k] = was;
        }
        m->deltas[4 * at] = m->deltas[4 * at + 2] = INFINITY; /* their difference is none in caffe */
        if (p == UN_DETECTOR_CAFFE)
            expect_error(propose(m, room, &got), UN_DATA, "not a number", "row 2", "column 4", "anchor 1");
        m->deltas[4 * at] = m->deltas[4 * at + 2] = 0;
        m->logits[at] = NAN;
        expect_error(propose(m, room, &got), UN_DATA, "logit", "not a number", "row 2", "column 4",
                     "anchor 1");
        m->logits[at] = -INFINITY;
        expect_ok(propose(m, room, &got));
        un_detector_room_close(room);
    }
    un_free(m);
}

/* What open has taken is enough for the largest input of the keys; a larger map is taken in, and then there is room. */
static void memory(void **state) {
    (void)state;
    struct map *m = un_alloc(1, sizeof *m, "a map");
    uint64_t before = live_blocks();
    map_init(m, UN_DETECTOR_CAFFE, 19, 30, 2);
    m->how.shorter = 292; /* 19 cells */
    m->how.longest = 468; /* 30 cells */
    map_draw(m, 6, 100);
    struct un_detector_room *room = room_of(m);
    struct un_detector_proposals got;
    un_memory_freeze(true);
    uint64_t frozen = un_memory_counts().frozen_allocs;
    expect_ok(propose(m, room, &got));
    assert_int_equal(un_memory_counts().frozen_allocs, frozen);
    un_memory_freeze(false);
    m->h = 20;
    map_draw(m, 6, 100);
    expect_ok(propose(m, room, &got)); /* grows */
    un_memory_freeze(true);
    expect_ok(propose(m, room, &got));
    assert_int_equal(un_memory_counts().frozen_allocs, frozen);
    un_memory_freeze(false);
    un_detector_room_close(room);
    check_against_plain(m);
    assert_int_equal(live_blocks(), before);
    un_free(m);
}

/* Every allocation of open may fail; then nothing is left. */
static void no_memory(void **state) {
    (void)state;
    struct un_detector_sizes sizes = {.anchors = 2, .classes = 3, .attributes = 2};
    struct un_detector_how how;
    struct un_detector_room *room;
    uint64_t before = live_blocks();
    un_detector_profile(&how, UN_DETECTOR_PORT);
    for (uint64_t n = 1;; ++n) {
        un_memory_fail_at(n);
        enum un_status status = un_detector_room_open(&room, &sizes, &how);
        un_memory_fail_at(0);
        if (status == UN_OK) break;
        assert_int_equal(status, UN_MEMORY);
        assert_null(room);
        un_error_clear();
        assert_int_equal(live_blocks(), before);
        assert_true(n < 20);
    }
    un_detector_room_close(room);
    un_detector_room_close(NULL);
    assert_int_equal(live_blocks(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_definition), cmocka_unit_test(at_the_threshold), cmocka_unit_test(ties),
        cmocka_unit_test(cut),           cmocka_unit_test(least_side),       cmocka_unit_test(infinite),
        cmocka_unit_test(not_numbers),   cmocka_unit_test(memory),           cmocka_unit_test(no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
