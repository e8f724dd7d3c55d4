/* The network's layers: their sizes, their names in a weight file, their places. */
#include "model/detector/private.h"

#include <stdarg.h>
#include <stdio.h>

enum { NAME_MAX_BYTES = 128, STRIDE_ALIGN = 4 };
#define RPN       "proposal_generator.rpn_head."
#define PREDICTOR "roi_heads.box_predictor."

static void set(struct un_conv *c, enum un_conv_form form, int64_t out, int64_t in, struct un_window window) {
    c->form = form;
    c->window = window;
    c->in = in;
    c->out = out;
    c->inner = window.size * window.size * in;
    c->stride = (c->inner + STRIDE_ALIGN - 1) / STRIDE_ALIGN * STRIDE_ALIGN;
}

static const struct un_window one = {.size = 1, .stride = 1, .dilation = 1};

/* dilation: of the 3x3; stride: of the first block, in its first convolution and in the shortcut. */
static void set_stage(struct un_detector_stage *stage, int64_t n, int64_t in, int64_t mid, int64_t out,
                      int64_t stride, int64_t dilation) {
    stage->n = n;
    stage->mid = mid;
    stage->out = out;
    for (int64_t b = 0; b < n; ++b) {
        struct un_bottleneck *k = &stage->block[b];
        struct un_window first = {.size = 1, .stride = b ? 1 : stride, .dilation = 1};
        set(&k->conv1, UN_CONV_NORM, mid, b ? out : in, first);
        set(&k->conv2, UN_CONV_NORM, mid, mid, (struct un_window){3, 1, dilation, dilation});
        set(&k->conv3, UN_CONV_NORM, out, mid, one);
        if (b == 0 && in != out) set(&k->shortcut, UN_CONV_NORM, out, in, first);
    }
}

static void layout_all(struct un_detector_weights *w, const struct un_detector_sizes *s) {
    static const int64_t strides[UN_DETECTOR_STAGES] = {1, 2, 2, 1}, dilations[] = {1, 1, 1, 2};
    int64_t in = s->stem, features = un_detector_features(s);
    set(&w->stem, UN_CONV_NORM, s->stem, 3, (struct un_window)UN_DETECTOR_STEM_WINDOW);
    for (int k = 0; k < UN_DETECTOR_STAGES; ++k) {
        set_stage(&w->stage[k], s->blocks[k], in, s->bottleneck << k, s->width << k, strides[k],
                  dilations[k]);
        in = s->width << k;
    }
    set(&w->rpn, UN_CONV_BIAS, s->rpn, 4 * s->width, (struct un_window){3, 1, 1, 1});
    set(&w->objectness, UN_CONV_BIAS, s->anchors, s->rpn, one);
    set(&w->deltas, UN_CONV_BIAS, 4 * s->anchors, s->rpn, one);
    set(&w->classes, UN_CONV_BIAS, s->classes + 1, features, one);
    set(&w->boxes, UN_CONV_BIAS, 4 * s->classes, features, one);
    set(&w->embedding, UN_CONV_BARE, s->classes + 1, s->embedding, one);
    set(&w->attribute_hidden, UN_CONV_BIAS, s->attribute_hidden, features + s->embedding, one);
    set(&w->attributes, UN_CONV_BIAS, s->attributes + 1, s->attribute_hidden, one);
}

static enum un_status each_of_block(struct un_bottleneck *k, const char *stage, int64_t b,
                                    un_conv_visit *visit, void *context) {
    struct un_conv *const convs[] = {&k->shortcut, &k->conv1, &k->conv2, &k->conv3};
    static const char *const names[] = {"shortcut", "conv1", "conv2", "conv3"};
    for (int i = 0; i < 4; ++i) {
        char name[NAME_MAX_BYTES];
        if (convs[i]->out == 0) continue; /* no shortcut */
        snprintf(name, sizeof name, "%s.%lld.%s", stage, (long long)b, names[i]);
        UN_TRY(visit(context, convs[i], name));
    }
    return UN_OK;
}

enum un_status un_detector_each(struct un_detector_weights *w, const struct un_detector_sizes *sizes,
                                un_conv_visit *visit, void *context) {
    static const char *const stages[UN_DETECTOR_STAGES] = {"backbone.res2", "backbone.res3", "backbone.res4",
                                                           "roi_heads.res5"};
    const struct {
        struct un_conv *conv;
        const char *name;
    } rest[] = {{&w->rpn, RPN "conv"},
                {&w->objectness, RPN "objectness_logits"},
                {&w->deltas, RPN "anchor_deltas"},
                {&w->classes, PREDICTOR "cls_score"},
                {&w->boxes, PREDICTOR "bbox_pred"},
                {&w->embedding, PREDICTOR "cls_embedding"},
                {&w->attribute_hidden, PREDICTOR "fc_attr"},
                {&w->attributes, PREDICTOR "attr_score"}};
    UN_TRY(visit(context, &w->stem, "backbone.stem.conv1"));
    for (int k = 0; k < UN_DETECTOR_STAGES; ++k)
        for (int64_t b = 0; b < sizes->blocks[k]; ++b)
            UN_TRY(each_of_block(&w->stage[k].block[b], stages[k], b, visit, context));
    for (size_t i = 0; i < sizeof rest / sizeof *rest; ++i)
        UN_TRY(visit(context, rest[i].conv, rest[i].name));
    return UN_OK;
}

static enum un_status set_type(void *context, struct un_conv *c, const char *name) {
    const enum un_type *factor = context;
    (void)name;
    c->type = c->form == UN_CONV_BARE ? UN_F32 : *factor;
    return UN_OK;
}

void un_detector_layout(struct un_detector_weights *w, const struct un_detector_sizes *sizes,
                        enum un_type factor) {
    layout_all(w, sizes);
    (void)un_detector_each(w, sizes, set_type, &factor);
}

static enum un_status place(void *context, struct un_conv *c, const char *name) {
    struct un_arena *arena = context;
    (void)name;
    c->weight = un_arena_take(arena, (size_t)(c->out * c->stride), (size_t)un_type_bytes(c->type));
    c->bias = c->form == UN_CONV_BARE ? NULL : un_arena_take(arena, (size_t)c->out, sizeof *c->bias);
    return UN_OK;
}

void un_detector_weights_carve(struct un_detector_weights *w, const struct un_detector_sizes *sizes,
                               struct un_arena *arena) {
    (void)un_detector_each(w, sizes, place, arena);
}
