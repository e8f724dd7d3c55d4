/* A photo through the stages of the detector (engine.h). */
#include "launch/extract/engine.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <string.h>

enum un_status un_extract_engine_open(struct un_extract_engine *e, const struct un_detector_file *file,
                                      const struct un_extract_engine_setup *setup) {
    *e = (struct un_extract_engine){.how = setup->how};
    UN_TRY(un_detector_sizes_of(&e->sizes, file));
    const struct un_detector_limits limits = {un_extract_pixels(&e->how), setup->regions, setup->factor};
    e->how.post_nms = setup->regions;
    UN_TRY(un_device_open(setup->device, setup->threads, setup->ordinal, &e->device));
    UN_TRY(un_device_take_libraries(e->device));
    e->device->tf32 = setup->tf32;
    UN_TRY(un_detector_open(&e->detector, e->device, file, &e->sizes, &limits));
    UN_TRY(un_detector_room_open(&e->room, &e->sizes, &e->how));
    e->box = un_alloc((size_t)setup->regions * 4, sizeof *e->box, "given boxes");
    e->feature = un_alloc((size_t)(setup->regions * un_detector_features(&e->sizes)), sizeof *e->feature,
                          "features of a photo");
    return e->box && e->feature ? UN_OK : UN_MEMORY;
}

void un_extract_engine_close(struct un_extract_engine *e) {
    un_free(e->box);
    un_free(e->feature);
    if (e->room) un_detector_room_close(e->room);
    if (e->detector) un_detector_close(e->detector);
    if (e->device) un_device_close(e->device);
    *e = (struct un_extract_engine){0};
}

static void lap(struct un_extract_engine *e, enum un_extract_stage stage, double *start) {
    double now = un_clock();
    e->seconds[stage] += now - *start;
    *start = now;
}

/* Pixels of the photo to pixels of the input, as the choice turns them back. */
static enum un_status take_given(struct un_extract_engine *e, struct un_detector_proposals *p,
                                 const struct un_extract_given *given, const char *id,
                                 const struct un_detector_scale *s) {
    bool caffe = e->how.profile == UN_DETECTOR_CAFFE;
    float x = caffe ? (float)s->factor : (float)((double)s->width / (double)s->photo_width);
    float y = caffe ? (float)s->factor : (float)((double)s->height / (double)s->photo_height);
    UN_TRY(un_extract_given_boxes(given, id, s->photo_width, s->photo_height, e->box, &p->n));
    for (int64_t i = 0; i < 4 * p->n; ++i) e->box[i] *= i % 2 ? y : x;
    p->box = e->box;
    p->logit = NULL;
    return UN_OK;
}

static void fill(struct un_extract_engine *e, struct un_extract_result *r,
                 const struct un_detector_regions *g, const float *feature,
                 const struct un_detector_scale *s) {
    int64_t width = un_detector_features(&e->sizes);
    for (int64_t i = 0; i < g->n; ++i)
        memcpy(e->feature + i * width, feature + g->row[i] * width, (size_t)width * sizeof *feature);
    *r = (struct un_extract_result){.width = s->photo_width,
                                    .height = s->photo_height,
                                    .regions = g->n,
                                    .features = width,
                                    .classes = e->sizes.classes + 1,
                                    .feature = e->feature,
                                    .box6 = g->box6,
                                    .confidence = g->confidence,
                                    .soft = g->soft_label,
                                    .box = g->box,
                                    .class_number = g->class_number,
                                    .attribute = g->attribute,
                                    .attribute_probability = g->attribute_probability};
}

enum un_status un_extract_engine_run(struct un_extract_engine *e, const struct un_extract_ready *ready,
                                     const struct un_extract_given *given, const char *id,
                                     struct un_extract_result *result) {
    const struct un_detector_scale *s = &ready->scale;
    struct un_detector_proposals proposals = {0};
    struct un_detector_regions regions = {0};
    struct un_detector_judgement j;
    struct un_detector_sight sight;
    double start = un_clock();
    if (given) UN_TRY(take_given(e, &proposals, given, id, s)); /* before the work of the network */
    UN_TRY(un_detector_see(e->detector, ready->input, s->height, s->width, &sight));
    lap(e, UN_EXTRACT_BACKBONE, &start);
    if (!given)
        UN_TRY(un_detector_propose(e->room, &proposals, sight.logits, sight.deltas,
                                   un_detector_anchors(e->detector), sight.h, sight.w, s));
    lap(e, UN_EXTRACT_PROPOSALS, &start);
    UN_TRY(un_detector_judge(e->detector, proposals.box, proposals.n, &j));
    lap(e, UN_EXTRACT_REGIONS, &start);
    UN_TRY(given
               ? un_detector_choose_all(e->room, &regions, &proposals, j.class_logits, j.attribute_logits, s)
               : un_detector_choose(e->room, &regions, &proposals, j.class_logits, j.box_deltas,
                                    j.attribute_logits, s));
    fill(e, result, &regions, j.feature, s);
    lap(e, UN_EXTRACT_CHOICE, &start);
    return UN_OK;
}
