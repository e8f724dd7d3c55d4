/* The region detector's tensors out of a .caffemodel: every rule, the anchors, layers that are missing. */
#include "io/weights/view.h"
#include "tests/support/expect.h"
#include "tests/support/make_caffe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Element i of the public tensor that `layer` makes, by the rule as a formula of its own. */
static double wanted(const char *way, const char *layer, int blob, int64_t i, int64_t rows, int64_t row) {
    static const double units[] = {10, 10, 5, 5};
    int64_t r = i / row;
    switch (way[0]) {
    case 'm': return caffe_value(layer, blob, i) * (1.0f / caffe_value(layer, 2, 0));
    case 'o': return caffe_value(layer, blob, i + rows * row) - caffe_value(layer, blob, i);
    case 't': return caffe_value(layer, blob, r == rows - 1 ? i - r * row : i + row);
    case 'd': return caffe_value(layer, blob, i + 4 * row) * (float)units[r % 4];
    default: return caffe_value(layer, blob, i);
    }
}

static void expect_tensor(const struct un_weights_view *v, const char *name, const char *way,
                          const char *layer, int blob) {
    float values[2000];
    int64_t i = un_weights_view_find(v, name);
    if (i < 0) fail_msg("there is no %s", name);
    const struct un_st_tensor *t = &v->list[i];
    assert_true(t->count <= 2000);
    for (int64_t at = 0; at < t->count; at += 5) {
        int64_t n = t->count - at < 5 ? t->count - at : 5;
        expect_ok(un_weights_view_read(v, i, at, n, values + at));
    }
    for (int64_t k = 0; k < t->count; ++k) {
        float want = (float)wanted(way, layer, blob, k, t->shape[0], t->count / t->shape[0]);
        if (values[k] != want)
            fail_msg("%s: element %d is %g, not %g", name, (int)k, (double)values[k], (double)want);
    }
}

static void test_detector(void **state) {
    (void)state;
    static const unsigned forms[] = {0, CAFFE_OLD_SHAPE | CAFFE_LOOSE_VALUES,
                                     CAFFE_PIECES | CAFFE_NOISE | CAFFE_NAME_LAST};
    static const struct {
        const char *name, *way, *layer;
        int blob;
    } cases[] = {{"backbone.stem.conv1.weight", "as", "conv1", 0},
                 {"backbone.stem.conv1.norm.running_mean", "mean", "bn_conv1", 0},
                 {"backbone.res2.0.shortcut.norm.running_var", "mean", "bn2a_branch1", 1},
                 {"backbone.res3.0.conv2.norm.weight", "as", "scale3a_branch2b", 0},
                 {"backbone.res3.1.conv3.norm.bias", "as", "scale3b1_branch2c", 1},
                 {"roi_heads.res5.0.conv3.weight", "as", "res5a_branch2c", 0},
                 {"proposal_generator.rpn_head.conv.bias", "as", "rpn_conv/3x3", 1},
                 {"proposal_generator.rpn_head.objectness_logits.weight", "object", "rpn_cls_score", 0},
                 {"proposal_generator.rpn_head.objectness_logits.bias", "object", "rpn_cls_score", 1},
                 {"proposal_generator.rpn_head.anchor_deltas.weight", "as", "rpn_bbox_pred", 0},
                 {"roi_heads.box_predictor.cls_score.weight", "to_end", "cls_score", 0},
                 {"roi_heads.box_predictor.cls_score.bias", "to_end", "cls_score", 1},
                 {"roi_heads.box_predictor.bbox_pred.weight", "deltas", "bbox_pred", 0},
                 {"roi_heads.box_predictor.bbox_pred.bias", "deltas", "bbox_pred", 1},
                 {"roi_heads.box_predictor.cls_embedding.weight", "to_end", "cls_embedding", 0},
                 {"roi_heads.box_predictor.fc_attr.weight", "as", "fc_attr", 0},
                 {"roi_heads.box_predictor.attr_score.weight", "to_end", "attr_score", 0}};
    uint64_t live = live_blocks();
    for (size_t f = 0; f < sizeof forms / sizeof *forms; ++f) {
        struct wire_bytes net = {0};
        struct un_weights_view v;
        wire_tag(&net, 1, 2);
        wire_number(&net, 0); /* a name of nothing */
        caffe_detector(&net, forms[f], 3, NULL);
        expect_ok(un_weights_view_open(&v, wire_save(&net, "made.caffemodel")));
        assert_false(un_weights_view_is_checkpoint(&v));
        for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
            expect_tensor(&v, cases[i].name, cases[i].way, cases[i].layer, cases[i].blob);
        assert_int_equal(v.n, 5 * (1 + 4 * 4 + 3) + 16);
        un_weights_view_close(&v);
    }
    assert_int_equal(live_blocks(), live);
}

static void test_anchors(void **state) {
    (void)state;
    static const float first[3][4] = {
        {-3.5f, 2, 19.5f, 14}, {0, 0, 16, 16}, {2.5f, -3, 13.5f, 19}}; /* of scale 1 */
    struct wire_bytes net = {0};
    struct un_caffe_detector d;
    float got[12];
    caffe_detector(&net, 0, 0, NULL);
    expect_ok(un_caffe_detector_open(&d, wire_save(&net, "anchors")));
    int64_t i = 0;
    while (strcmp(d.list[i].name, "proposal_generator.anchor_generator.cell_anchors.0") != 0) ++i;
    assert_int_equal(d.list[i].shape[0], 3);
    assert_true(d.guessed);
    un_log_set(0, UN_LOG_ERROR);
    expect_ok(un_caffe_detector_read(&d, i, 0, 12, got));
    assert_memory_equal(got, first, sizeof first);
    expect_error(un_caffe_detector_scale(&d, (double[]){1, 2}, 2), UN_USAGE, "2 scales", "1 are wanted");
    expect_error(un_caffe_detector_scale(&d, (double[]){-1}, 1), UN_USAGE, "-1", "not above 0");
    expect_ok(un_caffe_detector_scale(&d, (double[]){4}, 1));
    expect_ok(un_caffe_detector_read(&d, i, 3, 1, got));
    assert_true(got[0] == 8 + 12 * 4 / 2.0f);
    un_caffe_detector_close(&d);
}

static void test_missing(void **state) {
    (void)state;
    static const char *const layers[] = {"conv1",         "bn_conv1",     "scale2a_branch1", "res4a_branch2a",
                                         "bn4a_branch2c", "rpn_conv/3x3", "rpn_bbox_pred",   "bbox_pred",
                                         "cls_embedding", "attr_score"};
    uint64_t live = live_blocks();
    for (size_t i = 0; i < sizeof layers / sizeof *layers; ++i) {
        struct wire_bytes net = {0};
        struct un_caffe_detector d;
        char words[64];
        snprintf(words, sizeof words, "layer %s, blob 0 is missing", layers[i]);
        caffe_detector(&net, 0, 0, layers[i]);
        expect_error(un_caffe_detector_open(&d, wire_save(&net, "missing")), UN_DATA, "missing", words);
        un_caffe_detector_close(&d);
    }
    struct wire_bytes net = {0};
    struct un_caffe_detector d;
    caffe_detector(&net, 0, 4, "res4b1_branch2a"); /* its others are there: no block that ends sooner */
    expect_error(un_caffe_detector_open(&d, wire_save(&net, "missing")), UN_DATA, "4b1_branch2",
                 "of no block");
    un_caffe_detector_close(&d);
    assert_int_equal(live_blocks(), live);
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_detector),
        cmocka_unit_test(test_anchors),
        cmocka_unit_test(test_missing),
    };
    return cmocka_run_group_tests_name("caffe_detector", tests, NULL, teardown);
}
