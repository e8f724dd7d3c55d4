/* The detector's network: same bits whatever the threads and limits, memory as planned, inputs and weights that are refused, the count
 * of its work. */
#include "tests/support/check.h"
#include "tests/support/expect.h"
#include "tests/unit/model/detector/rig.h"

#include "model/detector/count.h"
#include "runtime/memory.h"
#include "runtime/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bits ---- */

/* All outputs of a photo, one after the other. */
struct outputs {
    float *value; /* owned */
    int64_t count, capacity;
};

static void keep(struct outputs *o, const float *x, int64_t count) {
    if (o->count + count > o->capacity) {
        int64_t more = 2 * (o->count + count);
        expect_ok(
            un_grow((void **)&o->value, (size_t)o->capacity, (size_t)more, sizeof *o->value, "outputs"));
        o->capacity = more;
    }
    memcpy(o->value + o->count, x, (size_t)count * sizeof *x);
    o->count += count;
}

/* The products of the photo that runs. Some libraries round a product's rows by how many there are, so the same products in
 * the same order are asked for, not the same bits of this machine alone. */
static const struct un_ops *plain;
static struct outputs products; /* an op has no context; one test at a time */

static void note_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool ta, struct un_mat b, bool tb,
                      float beta, const struct un_epilogue *e) {
    keep(&products, (float[]){(float)c.rows, (float)c.cols, (float)a.cols}, 3);
    plain->gemm(q, c, a, ta, b, tb, beta, e);
}

/* Outputs, then the shapes of the products. */
static struct outputs run(const struct rig_how *how, int times) {
    struct rig rig;
    struct outputs all = {0};
    struct un_detector_sight sight;
    struct un_detector_judgement j;
    rig_open(&rig, how);
    const struct un_detector_sizes *s = &rig.sizes;
    plain = rig.device->ops;
    struct un_ops noted = *plain;
    noted.gemm = note_gemm;
    rig.device->ops = &noted;
    for (int i = 0; i < times; ++i) {
        all.count = products.count = 0;
        expect_ok(un_detector_see(rig.detector, rig.input, rig.height, rig.width, &sight));
        keep(&all, sight.logits, sight.h * sight.w * s->anchors);
        keep(&all, sight.deltas, sight.h * sight.w * 4 * s->anchors);
        expect_ok(un_detector_judge(rig.detector, rig.box, rig.regions, &j));
        keep(&all, j.feature, rig.regions * un_detector_features(s));
        keep(&all, j.class_logits, rig.regions * (s->classes + 1));
        keep(&all, j.box_deltas, rig.regions * 4 * s->classes);
        keep(&all, j.attribute_logits, rig.regions * (s->attributes + 1));
    }
    keep(&all, products.value, products.count);
    un_free(products.value);
    products = (struct outputs){0};
    rig_close(&rig);
    return all;
}

static void same(const struct outputs *a, struct outputs b) {
    assert_int_equal(a->count, b.count);
    assert_memory_equal(a->value, b.value, (size_t)b.count * sizeof *b.value);
    un_free(b.value);
}

/* Maps of several pieces and products of several tiles: only then could threads and limits show. */
static void check_bits(enum un_type factor) {
    struct rig_how how = {
        .sizes = rig_plain(), .height = 260, .width = 200, .regions = 45, .threads = 1, .factor = factor};
    struct outputs one = run(&how, 1);
    for (how.threads = 2; how.threads <= 3; ++how.threads) same(&one, run(&how, 1));
    how.limits = (struct un_detector_limits){.pixels = 300 * 400, .regions = 130};
    same(&one, run(&how, 1));
    how.threads = 1;
    same(&one, run(&how, 2)); /* what the photo before left behind is read by nobody */
    un_free(one.value);
}

static void same_bits(void **state) {
    (void)state;
    check_bits(UN_F32);
    check_bits(UN_BF16);
}

/* A photo's numbers do not depend on the photo before, which was larger and had more regions. */
static void one_after_another(void **state) {
    (void)state;
    struct rig_how how = {.sizes = rig_odd(), .height = 60, .width = 70, .regions = 4, .threads = 1};
    struct outputs alone = run(&how, 1);
    struct rig rig;
    struct un_detector_sight sight;
    struct un_detector_judgement j;
    how.height = 90, how.regions = 40;
    rig_open(&rig, &how);
    expect_ok(un_detector_see(rig.detector, rig.input, 90, 70, &sight));
    expect_ok(un_detector_judge(rig.detector, rig.box, 40, &j));
    expect_ok(un_detector_see(rig.detector, rig.input, 60, 70, &sight));
    int64_t logits = sight.h * sight.w * rig.sizes.anchors;
    assert_memory_equal(sight.logits, alone.value, (size_t)logits * sizeof(float));
    rig_close(&rig);
    un_free(alone.value);
}

/* ---- what is refused ---- */

static void inputs(void **state) {
    (void)state;
    struct rig rig;
    struct un_detector_sight sight;
    struct un_detector_judgement j;
    rig_open(&rig,
             &(struct rig_how){.sizes = rig_odd(), .height = 30, .width = 40, .regions = 3, .threads = 1});
    expect_error(un_detector_judge(rig.detector, rig.box, 1, &j), UN_INTERNAL, "not seen");
    expect_error(un_detector_see(rig.detector, rig.input, 2, 40, &sight), UN_DATA, "40 x 2", "too small",
                 "3");
    expect_error(un_detector_see(rig.detector, rig.input, 40, 2, &sight), UN_DATA, "2 x 40", "too small");
    expect_error(un_detector_see(rig.detector, rig.input, 31, 40, &sight), UN_DATA, "40 x 31", "1200");
    expect_error(un_detector_see(rig.detector, rig.input, INT64_MAX / 2, 40, &sight), UN_DATA, "larger");
    expect_ok(un_detector_see(rig.detector, rig.input, 40, 30, &sight)); /* as many pixels, turned */
    expect_error(un_detector_judge(rig.detector, rig.box, 0, &j), UN_DATA, "0 regions");
    expect_error(un_detector_judge(rig.detector, rig.box, 4, &j), UN_DATA, "4 regions", "1 to 3");
    expect_error(un_detector_set_map(rig.detector, rig.input, 100, 100), UN_DATA, "100 x 100");
    expect_ok(un_detector_judge(rig.detector, rig.box, 3, &j));
    rig_close(&rig);
}

/* Boxes that are no numbers, or far away: some finite answer, no access outside. */
static void boxes(void **state) {
    (void)state;
    struct rig rig;
    struct un_detector_sight sight;
    struct un_detector_judgement j;
    rig_open(&rig,
             &(struct rig_how){.sizes = rig_odd(), .height = 50, .width = 50, .regions = 3, .threads = 1});
    const float bad[] = {NAN, NAN, NAN, NAN, -INFINITY, 1e30f, INFINITY, -1e30f, 1e9f, 1e9f, 2e9f, 2e9f};
    expect_ok(un_detector_see(rig.detector, rig.input, 50, 50, &sight));
    expect_ok(un_detector_judge(rig.detector, bad, 3, &j));
    for (int64_t k = 0; k < 3 * un_detector_features(&rig.sizes); ++k) assert_true(isfinite(j.feature[k]));
    rig_close(&rig);
}

static void weights(void **state) {
    (void)state;
    static const struct {
        const char *tensor;
        int64_t element;
        float value;
        const char *word;
    } bad[] = {
        {"backbone.stem.conv1.weight", 700, NAN, "nan"},
        {"backbone.res4.0.conv2.norm.running_mean", 3, INFINITY, "inf"},
        {"roi_heads.res5.0.shortcut.weight", 1567, -INFINITY, "inf"},
        {"backbone.res3.0.conv1.norm.running_var", 2, -1e-3f, "below zero"},
        {"proposal_generator.rpn_head.anchor_deltas.bias", 11, NAN, "nan"},
        {"proposal_generator.anchor_generator.cell_anchors.0", 5, NAN, "nan"},
        {"roi_heads.box_predictor.cls_embedding.weight", 29, NAN, "nan"},
        {"roi_heads.box_predictor.attr_score.bias", 4, NAN, "nan"},
    };
    struct un_detector_sizes sizes = rig_odd();
    struct un_detector_limits limits = {.pixels = 900, .regions = 2};
    struct detector_case c;
    struct un_device *device;
    struct un_detector *d;
    expect_ok(detector_case_open(&c, &sizes, 1));
    expect_ok(un_device_open("cpu", 1, 0, &device));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        char element[40];
        snprintf(element, sizeof element, "element %lld", (long long)bad[i].element);
        assert_true(detector_case_spoil(&c, bad[i].tensor, bad[i].element, bad[i].value));
        expect_error(un_detector_open(&d, device, &c.file, &sizes, &limits), UN_DATA, "random.safetensors",
                     bad[i].tensor, element, bad[i].word);
        assert_null(d);
    }
    /* finite as it stands, not any more with its norm */
    int overflows = 0;
    for (int64_t k = 0; k < 7; ++k) {
        assert_true(detector_case_spoil(&c, "backbone.res2.0.shortcut.norm.weight", k, 3.4e38f));
        if (un_detector_open(&d, device, &c.file, &sizes, &limits) == UN_OK) {
            un_detector_close(d);
            continue;
        }
        expect_error(UN_DATA, UN_DATA, "backbone.res2.0.shortcut.weight", "norm", "not finite");
        ++overflows;
    }
    assert_true(overflows > 0 && overflows < 7);
    un_device_close(device);
    detector_case_close(&c);
}

/* ---- memory ---- */

struct counted {
    struct un_device_ops mem;
    const struct un_device_ops *plain;
    size_t bytes;
};
static struct counted counted; /* a table has no context; one test at a time */

static void *count_alloc(struct un_device *d, size_t bytes, const char *what) {
    counted.bytes += bytes;
    return counted.plain->alloc(d, bytes, what);
}
static enum un_status count_queue(struct un_device *d, const struct un_limits *limits, struct un_queue **q) {
    counted.bytes += counted.plain->scratch_bytes(d, limits);
    return counted.plain->queue_open(d, limits, q);
}

static void memory_as_planned(void **state) {
    (void)state;
    static const struct un_detector_limits limits[] = {
        {1, 1, UN_F32}, {600 * 77, 3, UN_F32}, {250 * 333, 70, UN_F32}, {250 * 333, 70, UN_BF16}};
    struct un_detector_sizes sizes[] = {rig_odd(), rig_plain()};
    struct un_device *device;
    expect_ok(un_device_open("cpu", 1, 0, &device));
    counted = (struct counted){*device->mem, device->mem, 0};
    counted.mem.alloc = count_alloc;
    counted.mem.queue_open = count_queue;
    device->mem = &counted.mem;
    for (int i = 0; i < 8; ++i) {
        struct detector_case c;
        struct un_detector *d;
        expect_ok(detector_case_open(&c, &sizes[i % 2], 1));
        counted.bytes = 0;
        expect_ok(un_detector_open(&d, device, &c.file, &sizes[i % 2], &limits[i / 2]));
        assert_int_equal(counted.bytes, un_detector_bytes(&sizes[i % 2], &limits[i / 2], device));
        un_detector_close(d);
        detector_case_close(&c);
    }
    const struct un_detector_limits photo = {600 * 1000, 300, UN_F32};
    struct un_detector_sizes full = un_detector_public_sizes;
    double gib = (double)un_detector_bytes(&full, &photo, device) / (1 << 30);
    print_message("full size, 600 x 1000, 300 regions: %.3f GiB\n", gib);
    assert_true(gib < 0.6);
    device->mem = counted.plain;
    un_device_close(device);
}

/* Each allocation fails once: an error, and nothing is left behind. */
static void out_of_memory(void **state) {
    (void)state;
    struct un_detector_sizes sizes = rig_odd();
    struct un_detector_limits limits = {.pixels = 900, .regions = 2};
    struct detector_case c;
    struct un_device *device;
    struct un_detector *d = NULL;
    int failures = 0;
    expect_ok(detector_case_open(&c, &sizes, 1));
    expect_ok(un_device_open("cpu", 1, 0, &device));
    uint64_t before = live_blocks();
    for (; !d; ++failures) {
        assert_true(failures < 30);
        un_memory_fail_at((uint64_t)failures + 1);
        enum un_status status = un_detector_open(&d, device, &c.file, &sizes, &limits);
        un_memory_fail_at(0);
        if (status == UN_OK) break;
        expect_error(status, UN_MEMORY, "");
        assert_null(d);
        assert_int_equal(live_blocks(), before);
    }
    assert_true(failures >= 8);
    un_detector_close(d);
    assert_int_equal(live_blocks(), before);
    un_device_close(device);
    detector_case_close(&c);
}

/* Whatever the shape of an input within the limit, its maps fit. */
static void cells_of_any_shape(void **state) {
    (void)state;
    for (int64_t pixels = 1; pixels < 3000; pixels += pixels < 400 ? 1 : 37) {
        int64_t most[UN_DETECTOR_STEPS], reached[UN_DETECTOR_STEPS] = {0};
        un_detector_cells_most(most, pixels);
        for (int64_t h = 1; h <= pixels; ++h)
            for (int64_t w = 1; w <= pixels / h; ++w) {
                struct un_detector_cells c = un_detector_cells(h, w);
                for (int s = UN_DETECTOR_AT_STEM; s < UN_DETECTOR_STEPS; ++s) {
                    int64_t n = un_detector_cells_at(&c, s);
                    assert_true(n <= most[s]);
                    if (n > reached[s]) reached[s] = n;
                }
            }
        for (int s = UN_DETECTOR_AT_STEM; s < UN_DETECTOR_STEPS; ++s) assert_int_equal(reached[s], most[s]);
    }
}

/* ---- the count of operations ---- */

static void work_of_a_photo(void **state) {
    (void)state;
    /* GFLOP of a photo of 600 x 1000 with 300 regions, to the digits that were published with the specification */
    static const double want[UN_DETECTOR_PARTS] = {2.8, 16.0, 22.7, 124.6, 22.7, 1757, 10.7};
    struct un_detector_sizes full = un_detector_public_sizes;
    double flops[UN_DETECTOR_PARTS];
    un_detector_part_flops(flops, &full, 600, 1000, 300);
    for (int p = 0; p < UN_DETECTOR_PARTS; ++p) assert_near(flops[p] * 1e-9, want[p], 0.01 * want[p]);
    assert_near(un_detector_flops(&full, 600, 1000, 300) * 1e-9, 1957, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits),
        cmocka_unit_test(one_after_another),
        cmocka_unit_test(inputs),
        cmocka_unit_test(boxes),
        cmocka_unit_test(weights),

        cmocka_unit_test(memory_as_planned),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(cells_of_any_shape),
        cmocka_unit_test(work_of_a_photo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
