/* Which regions are kept, SPEC section 8: in each class (`caffe`), or once over the best classes (`port`). */
#include "model/detector/boxes_private.h"

#include <string.h>

struct un_box un_box_to_photo(struct un_box box, enum un_detector_profile profile,
                              const struct un_detector_scale *scale) {
    float factor = (float)scale->factor;
    float across = (float)((double)scale->photo_width / (double)scale->width);
    float down = (float)((double)scale->photo_height / (double)scale->height);
    if (profile == UN_DETECTOR_CAFFE)
        return (struct un_box){box.x1 / factor, box.y1 / factor, box.x2 / factor, box.y2 / factor};
    return (struct un_box){box.x1 * across, box.y1 * down, box.x2 * across, box.y2 * down};
}

static void measure(struct un_detector_room *room, int64_t n, float one) {
    for (int64_t i = 0; i < n; ++i) room->area[i] = un_box_area(room->box[i], one);
}

/* ---- caffe ---- */

/* Scores of `count` classes from `first` on, a class a row: read as the logits stand they would be far apart. */
static void gather_classes(struct un_detector_room *room, int64_t n, int64_t first, int64_t count) {
    const int64_t labels = room->sizes.classes + 1;
    for (int64_t i = 0; i < n; ++i)
        for (int64_t c = 0; c < count; ++c)
            room->class_score[c * n + i] = room->probability[i * labels + first + c];
}

/* Raises the confidence of the regions that survive in a class. Only scores above the own confidence can raise one, and only
 * what scores more can drop it: the rest of the class is left aside. */
static void raise_by_class(struct un_detector_room *room, int64_t n, const float *score) {
    int64_t candidates = 0, kept;
    float least = 2;
    for (int64_t i = 0; i < n; ++i)
        if (score[i] > room->confidence[i] && score[i] < least) least = score[i];
    for (int64_t i = 0; i < n; ++i)
        if (score[i] >= least) {
            room->candidate_score[candidates] = score[i];
            room->candidate[candidates++] = (int32_t)i;
        }
    if (candidates == 0) return;
    un_order_falling(room->region_order, room->candidate_score, candidates, &room->region_memory);
    for (int64_t k = 0; k < candidates; ++k) room->region_order[k] = room->candidate[room->region_order[k]];
    kept = un_box_suppress(room->kept, room->region_order, candidates, &room->bits, room->gone);
    for (int64_t k = 0; k < kept; ++k) {
        int64_t i = room->kept[k];
        if (score[i] > room->confidence[i]) room->confidence[i] = score[i];
    }
}

/* How many of falling confidence: those above the threshold, but no fewer than min_bb and no more than max_bb. */
static int64_t number_kept(const struct un_detector_room *room, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) count += (double)room->confidence[i] >= room->how.conf_th;
    if (count < room->how.min_bb) count = room->how.min_bb;
    if (count > room->how.max_bb) count = room->how.max_bb;
    return count < n ? count : n;
}

int64_t un_choose_caffe(struct un_detector_room *room, const struct un_detector_proposals *proposals,
                        const struct un_detector_scale *scale) {
    const struct un_box_rule rule = un_box_rule_of(UN_DETECTOR_CAFFE, room->how.final_nms[0]);
    const int64_t n = proposals->n, classes = room->sizes.classes;
    for (int64_t i = 0; i < n; ++i)
        room->box[i] = un_box_to_photo(un_box_at(proposals->box, i), UN_DETECTOR_CAFFE, scale);
    measure(room, n, rule.one);
    un_box_bits_fill(&room->bits, room->box, room->area, n, &rule);
    memset(room->confidence, 0, (size_t)n * sizeof *room->confidence);
    for (int64_t first = 0; first < classes; first += UN_CLASSES_AT_ONCE) {
        int64_t count = classes - first < UN_CLASSES_AT_ONCE ? classes - first : UN_CLASSES_AT_ONCE;
        gather_classes(room, n, first, count);
        for (int64_t c = 0; c < count; ++c) raise_by_class(room, n, room->class_score + c * n);
    }
    un_order_falling(room->out.row, room->confidence, n, &room->region_memory);
    int64_t kept = number_kept(room, n);
    for (int64_t k = 0; k < kept; ++k) {
        int64_t i = room->out.row[k];
        room->out.confidence[k] = room->confidence[i];
        room->out.box[k] = room->box[i];
    }
    return kept;
}

/* ---- port ---- */

/* Proposals moved by the deltas of their best class, in pixels of the input; their scores. */
static enum un_status move_all(struct un_detector_room *room, const struct un_detector_proposals *proposals,
                               const float *box_deltas, const struct un_detector_scale *scale) {
    const int64_t classes = room->sizes.classes;
    for (int64_t i = 0; i < proposals->n; ++i) {
        struct un_box box = un_box_at(proposals->box, i);
        if (un_box_apply(&box, box, box_deltas + 4 * (i * classes + room->best[i]), 10, 5,
                         un_box_clamp(UN_DETECTOR_PORT)) != UN_OK)
            return un_fail(UN_DATA, "proposal %lld: a delta of class %d is not a number", (long long)i,
                           room->best[i] + 1);
        room->box[i] = un_box_clip(box, (float)scale->width, (float)scale->height);
        room->confidence[i] = room->probability[i * (classes + 1) + room->best[i]];
    }
    return UN_OK;
}

enum un_status un_choose_port(struct un_detector_room *room, int64_t *kept,
                              const struct un_detector_proposals *proposals, const float *box_deltas,
                              const struct un_detector_scale *scale) {
    const int64_t n = proposals->n;
    UN_TRY(move_all(room, proposals, box_deltas, scale));
    measure(room, n, 0);
    un_order_falling(room->region_order, room->confidence, n, &room->region_memory);
    *kept = 0;
    for (int64_t t = 0; t < room->how.n_final_nms; ++t) {
        struct un_box_rule rule = un_box_rule_of(UN_DETECTOR_PORT, room->how.final_nms[t]);
        un_box_bits_fill(&room->bits, room->box, room->area, n, &rule);
        *kept = un_box_suppress(room->out.row, room->region_order, n, &room->bits, room->gone);
        if (*kept > room->how.max_bb) *kept = room->how.max_bb;
        if (*kept >= room->how.min_bb) break;
    }
    for (int64_t k = 0; k < *kept; ++k) {
        int64_t i = room->out.row[k];
        room->out.confidence[k] = room->confidence[i];
        room->out.box[k] = un_box_to_photo(room->box[i], UN_DETECTOR_PORT, scale);
    }
    return UN_OK;
}
