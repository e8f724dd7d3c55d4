/* The network against a reference file of the detector, and everything from a photo on. */
#include "io/convert/pixels/pixels.h"
#include "runtime/memory.h"
#include "tests/whole/parity/detector.h"

#include <stdio.h>
#include <string.h>

static enum un_status read_cells(struct stage *stage, struct detector_run *r, const char *name) {
    UN_TRY(stage_read(stage, r->file, r->profile, name));
    return stage_cells(stage);
}

/* values of the device, row by row: to host memory, or from it. */
static void move_rows(struct un_queue *q, struct un_device *device, struct un_mat m, float *host, bool in) {
    for (int64_t i = 0; i < m.rows; ++i) {
        float *there = (float *)m.data + i * m.stride, *here = host + i * m.cols;
        if (in)
            device->mem->copy_in(q, there, here, (size_t)m.cols * sizeof *here);
        else
            device->mem->copy_out(q, here, there, (size_t)m.cols * sizeof *here);
    }
}

/* Called between the stages of the backbone. */
static enum un_status touch(void *context, enum un_detector_map map, struct un_queue *q, struct un_mat values,
                            int64_t height, int64_t width) {
    static const char *const names[UN_DETECTOR_MAPS] = {"stem", "res2", "res3", "res4"};
    struct detector_run *r = context;
    struct stage want = {0};
    float *got = un_alloc((size_t)(values.rows * values.cols), sizeof *got, "a map");
    if (!got) return un_error_get()->status;
    move_rows(q, r->device, values, got, false);
    enum un_status status = r->device->mem->queue_wait(q);
    if (status == UN_OK) status = read_cells(&want, r, names[map]);
    if (status == UN_OK &&
        (want.shape[1] != height || want.shape[2] != width || values.rows != height * width))
        status = un_fail(UN_DATA, "%s is %lld x %lld, reference %lld x %lld", names[map], (long long)height,
                         (long long)width, (long long)want.shape[1], (long long)want.shape[2]);
    if (status == UN_OK)
        status = compare_stage(r, names[map], got, values.rows * values.cols, true, r->map_tolerance);
    if (status == UN_OK && r->replace) {
        move_rows(q, r->device, values, want.value, true);
        status = r->device->mem->queue_wait(q);
    }
    stage_free(&want);
    un_free(got);
    return status;
}

/* A pass from `input`; the maps of the proposals stay in sight. */
static enum un_status see(struct detector_run *r, const float *input, double tolerance,
                          struct un_detector_sight *sight) {
    r->map_tolerance = tolerance;
    un_detector_set_touch(r->net, touch, r);
    enum un_status status = un_detector_see(r->net, input, r->scale.height, r->scale.width, sight);
    un_detector_set_touch(r->net, NULL, NULL);
    UN_TRY(status);
    const int64_t cells = sight->h * sight->w, anchors = r->file->sizes.anchors;
    UN_TRY(compare_stage(r, "rpn_logits", sight->logits, cells * anchors, true, tolerance));
    return compare_stage(r, "rpn_deltas", sight->deltas, cells * anchors * 4, true, tolerance);
}

static enum un_status compare_pooled(struct detector_run *r, const struct un_detector_proposals *proposals,
                                     double tolerance) {
    const int64_t regions = proposals->n < 4 ? proposals->n : 4;
    const int64_t n = regions * r->file->sizes.pool * r->file->sizes.pool * 4 * r->file->sizes.width;
    float *pooled = un_alloc((size_t)n, sizeof *pooled, "pooled regions");
    if (!pooled) return un_error_get()->status;
    enum un_status status = un_detector_pool(r->net, proposals->box, regions, pooled);
    if (status == UN_OK) status = compare_stage(r, "pooled", pooled, n, true, tolerance);
    un_free(pooled);
    return status;
}

static enum un_status judge(struct detector_run *r, const struct un_detector_proposals *proposals,
                            double tolerance, struct un_detector_judgement *said) {
    const struct un_detector_sizes *s = &r->file->sizes;
    const int64_t n = proposals->n;
    UN_TRY(compare_pooled(r, proposals, tolerance));
    UN_TRY(un_detector_judge(r->net, proposals->box, n, said));
    UN_TRY(compare_stage(r, "feature", said->feature, n * un_detector_features(s), false, tolerance));
    UN_TRY(compare_stage(r, "class_logits", said->class_logits, n * (s->classes + 1), false, tolerance));
    UN_TRY(compare_stage(r, "box_deltas", said->box_deltas, n * s->classes * 4, false, tolerance));
    return compare_stage(r, "attribute_logits", said->attribute_logits, n * (s->attributes + 1), false,
                         tolerance);
}

enum un_status compare_network_alone(struct detector_run *r, double tolerance) {
    struct stage input = {0}, map = {0}, box = {0};
    struct un_detector_sight sight;
    struct un_detector_judgement said;
    enum un_status status;
    r->replace = true;
    UN_TRY_GOTO(read_cells(&input, r, "input"), done);
    UN_TRY_GOTO(see(r, input.value, tolerance, &sight), done);
    UN_TRY_GOTO(read_cells(&map, r, "res4"), done);
    UN_TRY_GOTO(stage_read(&box, r->file, r->profile, "proposals"), done);
    UN_TRY_GOTO(un_detector_set_map(r->net, map.value, map.shape[1], map.shape[2]), done);
    const struct un_detector_proposals proposals = {box.shape[0], box.value, NULL};
    UN_TRY_GOTO(judge(r, &proposals, tolerance, &said), done);
done:
    stage_free(&input);
    stage_free(&map);
    stage_free(&box);
    return status;
}

/* ---- from the photo ---- */

/* The file holds the pixels as they are stored. */
static enum un_status compare_photo(struct detector_run *r, const struct un_pixels *pixels) {
    const struct un_photo *want = &r->file->photo;
    if (pixels->height != want->height || pixels->width != want->width)
        return un_fail(UN_DATA, "%s is %lld x %lld, reference %lld x %lld", r->file->photo_path,
                       (long long)pixels->width, (long long)pixels->height, (long long)want->width,
                       (long long)want->height);
    int64_t n = want->height * want->width * 3, wrong = 0;
    for (int64_t i = 0; i < n; ++i) wrong += pixels->bgr[i] != want->bgr[i];
    card_line(r->card, "photo pixels", (double)wrong, 0, "%.80s", r->file->photo_path);
    return UN_OK;
}

static enum un_status from_pixels(struct detector_run *r, float *input, const struct un_photo *photo,
                                  double input_tolerance, double tolerance, double box) {
    struct un_detector_sight sight;
    struct un_detector_proposals proposals;
    struct un_detector_judgement said;
    struct un_detector_regions regions;
    UN_TRY(compare_input(r, input, photo, input_tolerance));
    UN_TRY(see(r, input, tolerance, &sight));
    UN_TRY(un_detector_propose(r->room, &proposals, sight.logits, sight.deltas, un_detector_anchors(r->net),
                               sight.h, sight.w, &r->scale));
    UN_TRY(compare_proposals(r, &proposals, tolerance, box));
    UN_TRY(judge(r, &proposals, tolerance, &said));
    UN_TRY(un_detector_choose(r->room, &regions, &proposals, said.class_logits, said.box_deltas,
                              said.attribute_logits, &r->scale));
    return compare_regions(r, &regions, said.feature, tolerance, box);
}

enum un_status compare_whole(struct detector_run *r, double input_tolerance, double tolerance, double box) {
    struct un_pixels pixels = {0};
    const struct un_pixels_how how = {.orient = false};
    float *input = un_alloc((size_t)(r->scale.height * r->scale.width * 3), sizeof *input, "an input");
    enum un_status status =
        input ? un_pixels_read(&pixels, r->file->photo_path, &how) : un_error_get()->status;
    r->replace = false;
    if (status == UN_OK) status = compare_photo(r, &pixels);
    if (status == UN_OK) {
        const struct un_photo photo = {pixels.bgr, pixels.height, pixels.width};
        status = from_pixels(r, input, &photo, input_tolerance, tolerance, box);
    }
    un_pixels_free(&pixels);
    un_free(input);
    return status;
}
