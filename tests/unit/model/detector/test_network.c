/* The detector's network against nested loops in double (plain.h): every map, every output. On the CPU, on the emulated card,
 * on a real one. */
#include "tests/support/check.h"
#include "tests/support/expect.h"
#include "tests/unit/model/detector/plain.h"
#include "tests/unit/model/detector/rig.h"

#include "runtime/memory.h"

#include <stdio.h>
#include <stdlib.h>

/* Of the largest magnitude, over some dozens of layers of float32, and with factors of 8 bits (0.009 at most). */
static double tolerance_of(enum un_type factor) {
    return factor == UN_BF16 ? 2e-2 : 1e-5;
}

/* got [rows,channels] against want [channels,rows], or [rows,channels] where `turned` is false. */
static void compare(const char *what, const float *got, const double *want, int64_t rows, int64_t channels,
                    bool turned, double tolerance) {
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < rows * channels; ++i) largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t c = 0; c < channels; ++c) {
            double off = fabs(got[i * channels + c] - want[turned ? c * rows + i : i * channels + c]);
            if (!(off <= worst)) worst = off;
        }
    assert_true(largest > 0);
    print_message("%-12s %6lld x %-4lld off by %.1e of the largest\n", what, (long long)rows,
                  (long long)channels, worst / largest);
    assert_near(worst / largest, 0, tolerance);
}

struct watch {
    struct rig *rig;
    const struct plain_sight *want;
    int seen;
};

static enum un_status compare_map(void *context, enum un_detector_map map, struct un_queue *queue,
                                  struct un_mat values, int64_t height, int64_t width) {
    static const char *const names[UN_DETECTOR_MAPS] = {"stem", "res2", "res3", "res4"};
    struct watch *w = context;
    const struct plain_map *want = map == UN_DETECTOR_STEM ? &w->want->stem : &w->want->res[map - 1];
    const struct un_device_ops *mem = w->rig->device->mem;
    float *host = un_alloc((size_t)(values.rows * values.cols), sizeof *host, "map");
    assert_non_null(host);
    assert_int_equal(map, w->seen++);
    assert_int_equal(height, want->height);
    assert_int_equal(width, want->width);
    assert_int_equal(values.rows, height * width);
    assert_int_equal(values.cols, want->channels);
    mem->copy_out(queue, host, values.data, (size_t)(values.rows * values.cols) * sizeof *host);
    expect_ok(mem->queue_wait(queue));
    compare(names[map], host, want->value, values.rows, values.cols, true, tolerance_of(w->rig->factor));
    un_free(host);
    return UN_OK;
}

static void compare_judgement(const struct rig *rig, const struct un_detector_judgement *got,
                              const struct plain_judgement *want) {
    const struct un_detector_sizes *s = &rig->sizes;
    const double tolerance = tolerance_of(rig->factor);
    const bool told = want->least_lead > 2 * tolerance; /* else the embedding could be another one's */
    assert_true(told || rig->factor != UN_F32);
    compare("feature", got->feature, want->feature, rig->regions, un_detector_features(s), false, tolerance);
    compare("classes", got->class_logits, want->classes, rig->regions, s->classes + 1, false, tolerance);
    compare("boxes", got->box_deltas, want->boxes, rig->regions, 4 * s->classes, false, tolerance);
    if (told)
        compare("attributes", got->attribute_logits, want->attributes, rig->regions, s->attributes + 1, false,
                tolerance);
}

/* Pooled regions are compared with those of the map as it is in float: they are copies. */
static void compare_pooled(const struct rig *rig, const struct plain_judgement *want) {
    int64_t cells = rig->sizes.pool * rig->sizes.pool, channels = 4 * rig->sizes.width;
    float *got = un_alloc((size_t)(rig->regions * cells * channels), sizeof *got, "pooled regions");
    assert_non_null(got);
    expect_ok(un_detector_pool(rig->detector, rig->box, rig->regions, got));
    for (int64_t r = 0; r < rig->regions && r < 3; ++r)
        compare("pooled", got + r * cells * channels, want->pooled + r * cells * channels, cells, channels,
                true, tolerance_of(rig->factor));
    un_free(got);
}

static void run(const struct rig_how *how) {
    struct rig rig;
    struct plain_sight want;
    struct plain_judgement regions;
    struct un_detector_sight sight;
    struct un_detector_judgement judgement;
    rig_open(&rig, how);
    plain_see(&want, &rig.weights.file, &rig.sizes, rig.input, rig.height, rig.width);
    plain_judge(&regions, &rig.weights.file, &rig.sizes, &want.res[2], rig.box, rig.regions);
    struct watch watch = {&rig, &want, 0};
    un_detector_set_touch(rig.detector, compare_map, &watch);
    expect_ok(un_detector_see(rig.detector, rig.input, rig.height, rig.width, &sight));
    assert_int_equal(watch.seen, UN_DETECTOR_MAPS);
    assert_true(sight.h == want.logits.height && sight.w == want.logits.width);
    compare("logits", sight.logits, want.logits.value, sight.h * sight.w, rig.sizes.anchors, true,
            tolerance_of(rig.factor));
    compare("deltas", sight.deltas, want.deltas.value, sight.h * sight.w, 4 * rig.sizes.anchors, true,
            tolerance_of(rig.factor));
    compare_pooled(&rig, &regions);
    expect_ok(un_detector_judge(rig.detector, rig.box, rig.regions, &judgement));
    compare_judgement(&rig, &judgement, &regions);
    plain_judgement_free(&regions);
    plain_sight_free(&want);
    rig_close(&rig);
}

static void odd_sizes(void **state) {
    (void)state;
    run(&(struct rig_how){.sizes = rig_odd(), .height = 83, .width = 131, .regions = 6, .threads = 2});
}

static void more_blocks(void **state) {
    (void)state;
    run(&(struct rig_how){.sizes = rig_plain(), .height = 96, .width = 64, .regions = 4, .threads = 1});
}

/* More regions than pass the last stage at once: two runs of unequal length. */
static void many_regions(void **state) {
    (void)state;
    run(&(struct rig_how){.sizes = rig_odd(), .height = 70, .width = 60, .regions = 35, .threads = 1});
}

/* Maps of more rows than a product takes at once, on the CPU and on a card. */
static void several_pieces(void **state) {
    (void)state;
    run(&(struct rig_how){.sizes = rig_plain(), .height = 200, .width = 170, .regions = 12, .threads = 2});
}

/* A strip of the least height: maps of one row. */
static void thin(void **state) {
    (void)state;
    run(&(struct rig_how){.sizes = rig_odd(), .height = 3, .width = 200, .regions = 3, .threads = 1});
}

/* Factors in bf16: odd sizes, a chain of blocks, more rows than a product takes at once. */
static void low_factors(void **state) {
    (void)state;
    struct rig_how how = {
        .sizes = rig_odd(), .height = 83, .width = 131, .regions = 6, .threads = 2, .factor = UN_BF16};
    run(&how);
    how.sizes = rig_plain();
    how.height = 200, how.width = 170, how.regions = 35;
    run(&how);
}

#ifdef UN_ON_CARD
static int skips(void) {
    return un_device_count(UN_DEVICE_CUDA) < 1;
}
#else
static int skips(void) {
    return 0;
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(odd_sizes),    cmocka_unit_test(more_blocks),
                                       cmocka_unit_test(many_regions), cmocka_unit_test(several_pieces),
                                       cmocka_unit_test(thin),         cmocka_unit_test(low_factors)};
    return skips() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
