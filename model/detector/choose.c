/* Probabilities, and what a feature file has of the regions that are kept (boxes.h). */
#include "model/detector/boxes_private.h"

#include <math.h>
#include <string.h>

void un_softmax_row(float *p, const float *x, int64_t n) {
    float most = x[0];
    double sum = 0;
    for (int64_t k = 1; k < n; ++k) most = x[k] > most ? x[k] : most;
    for (int64_t k = 0; k < n; ++k) {
        p[k] = expf(x[k] - most);
        sum += p[k];
    }
    for (int64_t k = 0; k < n; ++k) p[k] = (float)(p[k] / sum);
}

/* The first of the largest. */
static int32_t largest(const float *x, int64_t n) {
    int32_t best = 0;
    for (int64_t k = 1; k < n; ++k)
        if (x[k] > x[best]) best = (int32_t)k;
    return best;
}

static enum un_status check_finite(const char *what, const float *x, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows * cols; ++i)
        if (!isfinite(x[i]))
            return un_fail(UN_DATA, "proposal %lld: the logit of %s %lld is not finite",
                           (long long)(i / cols), what, (long long)(i % cols + 1));
    return UN_OK;
}

/* Probabilities of all classes, and the best one but for the background. */
static enum un_status judge(struct un_detector_room *room, int64_t n, const float *class_logits,
                            const float *attribute_logits) {
    const int64_t labels = room->sizes.classes + 1;
    UN_TRY(un_detector_room_regions(room, n));
    UN_TRY(check_finite("class", class_logits, n, labels));
    UN_TRY(check_finite("attribute", attribute_logits, n, room->sizes.attributes + 1));
    for (int64_t i = 0; i < n; ++i) {
        un_softmax_row(room->probability + i * labels, class_logits + i * labels, labels);
        room->best[i] = largest(room->probability + i * labels, labels - 1);
    }
    return UN_OK;
}

static void box6_of(float *out, struct un_box box, const struct un_detector_scale *scale) {
    const float width = (float)scale->photo_width, height = (float)scale->photo_height;
    float x = box.x1 / width, y = box.y1 / height;
    float w = (box.x2 - box.x1) / width, h = (box.y2 - box.y1) / height;
    const float six[6] = {x, y, x + w, y + h, w, h};
    memcpy(out, six, sizeof six);
}

/* Row k of what is handed out, from rows, confidence and boxes. */
static void describe(struct un_detector_room *room, int64_t k, const float *attribute_logits,
                     const struct un_detector_scale *scale) {
    const int64_t classes = room->sizes.classes, attributes = room->sizes.attributes, i = room->out.row[k];
    const float *probability = room->probability + i * (classes + 1);
    float *label = room->out.soft_label + k * (classes + 1);
    box6_of(room->out.box6 + 6 * k, room->out.box[k], scale);
    label[0] = probability[classes];
    memcpy(label + 1, probability, (size_t)classes * sizeof *label);
    room->out.class_number[k] = room->best[i] + 1;
    un_softmax_row(room->attribute_row, attribute_logits + i * (attributes + 1), attributes);
    int32_t best = largest(room->attribute_row, attributes);
    room->out.attribute[k] = best + 1;
    room->out.attribute_probability[k] = room->attribute_row[best];
}

static void hand_out(struct un_detector_room *room, struct un_detector_regions *regions, int64_t n,
                     const float *attribute_logits, const struct un_detector_scale *scale) {
    for (int64_t k = 0; k < n; ++k) describe(room, k, attribute_logits, scale);
    *regions = (struct un_detector_regions){.n = n,
                                            .row = room->out.row,
                                            .confidence = room->out.confidence,
                                            .box = (const float *)room->out.box,
                                            .box6 = room->out.box6,
                                            .soft_label = room->out.soft_label,
                                            .class_number = room->out.class_number,
                                            .attribute = room->out.attribute,
                                            .attribute_probability = room->out.attribute_probability};
}

enum un_status un_detector_choose(struct un_detector_room *room, struct un_detector_regions *regions,
                                  const struct un_detector_proposals *proposals, const float *class_logits,
                                  const float *box_deltas, const float *attribute_logits,
                                  const struct un_detector_scale *scale) {
    int64_t n;
    UN_TRY(judge(room, proposals->n, class_logits, attribute_logits));
    if (room->how.profile == UN_DETECTOR_CAFFE)
        n = un_choose_caffe(room, proposals, scale);
    else
        UN_TRY(un_choose_port(room, &n, proposals, box_deltas, scale));
    hand_out(room, regions, n, attribute_logits, scale);
    return UN_OK;
}

enum un_status un_detector_choose_all(struct un_detector_room *room, struct un_detector_regions *regions,
                                      const struct un_detector_proposals *proposals,
                                      const float *class_logits, const float *attribute_logits,
                                      const struct un_detector_scale *scale) {
    UN_TRY(judge(room, proposals->n, class_logits, attribute_logits));
    for (int64_t i = 0; i < proposals->n; ++i) {
        room->out.row[i] = (int32_t)i;
        room->out.confidence[i] = 1;
        room->out.box[i] = un_box_to_photo(un_box_at(proposals->box, i), room->how.profile, scale);
    }
    hand_out(room, regions, proposals->n, attribute_logits, scale);
    return UN_OK;
}
