/* A detector under test (rig.h). */
#include "tests/unit/model/detector/rig.h"

#include "runtime/memory.h"
#include "runtime/rng.h"
#include "tests/support/expect.h"
#include "tests/support/net.h"

#include <stdlib.h>

#ifdef UN_ON_CARD
static const char device_name[] = "cuda";
#else
static const char device_name[] = "cpu";
#endif

struct un_detector_sizes rig_odd(void) {
    return (struct un_detector_sizes){.stem = 5,
                                      .bottleneck = 3,
                                      .width = 7,
                                      .blocks = {1, 1, 1, 1},
                                      .rpn = 6,
                                      .anchors = 3,
                                      .classes = 9,
                                      .attributes = 4,
                                      .embedding = 3,
                                      .attribute_hidden = 5,
                                      .pool = 7};
}

struct un_detector_sizes rig_plain(void) {
    return (struct un_detector_sizes){.stem = 8,
                                      .bottleneck = 4,
                                      .width = 8,
                                      .blocks = {2, 1, 3, 2},
                                      .rpn = 16,
                                      .anchors = 12,
                                      .classes = 20,
                                      .attributes = 7,
                                      .embedding = 8,
                                      .attribute_hidden = 16,
                                      .pool = UN_DETECTOR_POOL};
}

/* Corners anywhere, on both sides of the border too; region 0 is the whole photo, region 1 one pixel. */
static void draw_boxes(struct rig *rig) {
    for (int64_t r = 0; r < rig->regions; ++r) {
        struct un_rng4 word = un_rng(5, UN_RNG_TEST, 0, 0, 0, (uint32_t)r);
        float *box = rig->box + 4 * r, w = (float)rig->width, h = (float)rig->height;
        box[0] = (1.2f * un_rng_unit(word.v[0]) - 0.2f) * w;
        box[1] = (1.2f * un_rng_unit(word.v[1]) - 0.2f) * h;
        box[2] = box[0] + un_rng_unit(word.v[2]) * w;
        box[3] = box[1] + un_rng_unit(word.v[3]) * h;
        if (r == 0) box[0] = box[1] = 0, box[2] = w - 1, box[3] = h - 1;
        if (r == 1) box[2] = box[0] = w / 2, box[3] = box[1] = h / 2;
    }
}

void rig_open(struct rig *rig, const struct rig_how *how) {
    struct un_detector_limits limits = how->limits;
    *rig = (struct rig){.height = how->height, .width = how->width, .regions = how->regions};
    rig->factor = how->factor;
    if (limits.pixels == 0) limits.pixels = how->height * how->width;
    if (limits.regions == 0) limits.regions = how->regions;
    limits.factor = how->factor;
    rig->input = un_alloc((size_t)(how->height * how->width * 3), sizeof(float), "input");
    rig->box = un_alloc((size_t)(how->regions * 4), sizeof(float), "boxes");
    if (!rig->input || !rig->box) abort();
    for (int64_t i = 0; i < how->height * how->width * 3; ++i) rig->input[i] = detector_case_pixel(3, i);
    draw_boxes(rig);
    expect_ok(detector_case_open(&rig->weights, &how->sizes, 11));
    expect_ok(un_detector_sizes_of(&rig->sizes, &rig->weights.file));
    rig->sizes.pool = how->sizes.pool;
    expect_ok(net_device_open(device_name, how->threads, &rig->device));
    expect_ok(un_detector_open(&rig->detector, rig->device, &rig->weights.file, &rig->sizes, &limits));
}

void rig_close(struct rig *rig) {
    un_detector_close(rig->detector);
    un_device_close(rig->device);
    detector_case_close(&rig->weights);
    un_free(rig->box);
    un_free(rig->input);
}
