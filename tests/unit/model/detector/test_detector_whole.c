/* From pixels to regions with a small random network, on photos of odd sizes: a side of one pixel, too small for a proposal,
 * fewer regions than are asked for. */
#include "model/detector/boxes.h"
#include "model/detector/network.h"
#include "runtime/device.h"
#include "runtime/memory.h"
#include "tests/support/detector_case.h"
#include "tests/support/expect.h"
#include "tests/support/net.h"
#include "tests/unit/model/detector/plain_boxes.h"

static const struct un_detector_sizes small = {6, 4, 8, {1, 1, 1, 1}, 8, 9, 12, 5, 4, 6, UN_DETECTOR_POOL};

struct whole {
    struct un_detector_how how;
    struct detector_case weights;
    struct un_detector_sizes sizes;
    struct un_device *device;
    struct un_detector *net;
    struct un_detector_room *room;
};

static void whole_open(struct whole *w, enum un_detector_profile profile) {
    *w = (struct whole){0};
    un_detector_profile(&w->how, profile);
    w->how.shorter = 96;
    w->how.longest = 160;
    w->how.post_nms = 40;
    w->how.min_bb = w->how.max_bb = 30;
    const struct un_detector_limits limits = {.pixels = 96 * 160, .regions = w->how.post_nms};
    expect_ok(detector_case_open(&w->weights, &small, 4));
    expect_ok(un_detector_sizes_of(&w->sizes, &w->weights.file));
    expect_ok(net_device_open("cpu", 1, &w->device));
    expect_ok(un_detector_open(&w->net, w->device, &w->weights.file, &w->sizes, &limits));
    expect_ok(un_detector_room_open(&w->room, &w->sizes, &w->how));
}

static void whole_close(struct whole *w) {
    un_detector_room_close(w->room);
    un_detector_close(w->net);
    un_device_close(w->device);
    detector_case_close(&w->weights);
}

static enum un_status extract(struct whole *w, int64_t height, int64_t width,
                              struct un_detector_regions *regions) {
    struct un_detector_scale scale;
    struct un_detector_sight sight;
    struct un_detector_proposals proposals;
    struct un_detector_judgement said;
    uint8_t *bgr = un_alloc((size_t)(height * width * 3), 1, "a photo");
    const struct un_photo photo = {bgr, height, width};
    for (int64_t i = 0; i < height * width * 3; ++i) bgr[i] = (uint8_t)(256 * plain_random(9, i));
    expect_ok(un_detector_scale(&scale, height, width, &w->how));
    float *input = un_alloc((size_t)(scale.height * scale.width * 3), sizeof *input, "an input");
    un_detector_input(input, &photo, &scale, w->how.profile);
    enum un_status status = un_detector_see(w->net, input, scale.height, scale.width, &sight);
    un_free(input);
    un_free(bgr);
    UN_TRY(status);
    UN_TRY(un_detector_propose(w->room, &proposals, sight.logits, sight.deltas, un_detector_anchors(w->net),
                               sight.h, sight.w, &scale));
    UN_TRY(un_detector_judge(w->net, proposals.box, proposals.n, &said));
    return un_detector_choose(w->room, regions, &proposals, said.class_logits, said.box_deltas,
                              said.attribute_logits, &scale);
}

/* What must hold of any photo's regions. */
static void check_regions(const struct whole *w, const struct un_detector_regions *r, int64_t height,
                          int64_t width) {
    const int64_t labels = w->sizes.classes + 1;
    assert_true(r->n >= 1 && r->n <= w->how.max_bb);
    for (int64_t k = 0; k < r->n; ++k) {
        const float *b = r->box + 4 * k, *six = r->box6 + 6 * k;
        double sum = 0;
        assert_true(b[0] >= 0 && b[1] >= 0 && b[2] <= (float)width * 1.0001f &&
                    b[3] <= (float)height * 1.0001f);
        assert_true(b[0] <= b[2] && b[1] <= b[3]);
        for (int i = 0; i < 6; ++i) assert_true(six[i] >= 0 && six[i] <= 1.0001f);
        assert_true(k == 0 || r->confidence[k] <= r->confidence[k - 1]);
        for (int64_t i = 0; i < labels; ++i) sum += r->soft_label[k * labels + i];
        assert_near(sum, 1, 1e-5);
        assert_true(r->confidence[k] <= r->soft_label[k * labels + r->class_number[k]]);
        assert_in_range(r->class_number[k], 1, w->sizes.classes);
        assert_in_range(r->attribute[k], 1, w->sizes.attributes);
    }
}

/* caffe drops what is narrower than 16 pixels of the photo, all of it in a photo as narrow; port takes it. */
static void sizes(void **state) {
    (void)state;
    static const int64_t size[][2] = {{1, 1},   {1, 30},  {30, 1},  {15, 40},  {40, 15},
                                      {16, 16}, {17, 60}, {60, 80}, {333, 200}};
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        struct whole w;
        whole_open(&w, (enum un_detector_profile)p);
        for (size_t i = 0; i < sizeof size / sizeof *size; ++i) {
            struct un_detector_regions regions;
            bool narrow = plain_min((double)size[i][0], (double)size[i][1]) < 16;
            if (p == UN_DETECTOR_CAFFE && narrow) {
                expect_error(extract(&w, size[i][0], size[i][1], &regions), UN_DATA, "no proposal is left",
                             "min_side 16");
            } else {
                expect_ok(extract(&w, size[i][0], size[i][1], &regions));
                check_regions(&w, &regions, size[i][0], size[i][1]);
            }
        }
        whole_close(&w);
    }
}

/* A photo's regions do not depend on those before it. */
static void in_any_order(void **state) {
    (void)state;
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        struct whole w;
        struct un_detector_regions regions;
        float first[30 * 6];
        whole_open(&w, (enum un_detector_profile)p);
        expect_ok(extract(&w, 60, 80, &regions));
        int64_t n = regions.n;
        memcpy(first, regions.box6, (size_t)(n * 6) * sizeof *first);
        expect_ok(extract(&w, 150, 41, &regions));
        expect_ok(extract(&w, 60, 80, &regions));
        assert_int_equal(regions.n, n);
        assert_memory_equal(first, regions.box6, (size_t)(n * 6) * sizeof *first);
        whole_close(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(in_any_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
