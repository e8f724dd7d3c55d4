/* Proposals out of the coarse map, SPEC section 5. A candidate is held against those that are kept so far, which are few: that
 * is the greedy suppression, and it ends when enough are kept. */
#include "model/detector/boxes_private.h"

#include <math.h>

enum { CHUNK = 32 };

static enum un_status not_a_number(const char *what, int64_t i, int64_t w, int64_t anchors) {
    return un_fail(
        UN_DATA, "%s of a proposal is not a number: row %lld, column %lld of the coarse map, anchor %lld",
        what, (long long)(i / anchors / w), (long long)(i / anchors % w), (long long)(i % anchors));
}

/* All anchors moved and cut to the photo, in their order: anchor fastest, then column, then row. */
static enum un_status decode(struct un_detector_room *room, const float *logits, const float *deltas,
                             const float *cell_anchors, int64_t h, int64_t w,
                             const struct un_detector_scale *scale) {
    float one = room->how.profile == UN_DETECTOR_CAFFE ? 1 : 0, most = un_box_clamp(room->how.profile);
    int64_t i = 0, anchors = room->sizes.anchors;
    for (int64_t y = 0; y < h; ++y)
        for (int64_t x = 0; x < w; ++x)
            for (int64_t a = 0; a < anchors; ++a, ++i) {
                const float *c = cell_anchors + 4 * a;
                float right = (float)(x * UN_DETECTOR_STRIDE), down = (float)(y * UN_DETECTOR_STRIDE);
                struct un_box anchor = {right + c[0], down + c[1], right + c[2], down + c[3]}, moved;
                if (isnan(logits[i])) return not_a_number("the logit", i, w, anchors);
                if (un_box_apply(&moved, anchor, deltas + 4 * i, 1, 1, most) != UN_OK)
                    return not_a_number("a delta or a side", i, w, anchors);
                room->anchor_box[i] =
                    un_box_clip(moved, (float)scale->width - one, (float)scale->height - one);
                room->anchor_score[i] = logits[i];
            }
    return UN_OK;
}

/* Of the original the least side counts border pixels, and is in pixels of the photo. */
static bool large_enough(const struct un_detector_room *room, struct un_box b,
                         const struct un_detector_scale *scale) {
    float least = (float)room->how.min_side;
    if (room->how.profile == UN_DETECTOR_PORT) return b.x2 - b.x1 > least && b.y2 - b.y1 > least;
    least *= (float)scale->factor;
    return b.x2 - b.x1 + 1 >= least && b.y2 - b.y1 + 1 >= least;
}

/* Those that are large enough, moved together; how many. */
static int64_t leave_small_out(struct un_detector_room *room, int64_t n,
                               const struct un_detector_scale *scale) {
    int64_t left = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (!large_enough(room, room->anchor_box[i], scale)) continue;
        room->anchor_box[left] = room->anchor_box[i];
        room->anchor_score[left++] = room->anchor_score[i];
    }
    return left;
}

static bool dropped(float *const side[UN_BOX_SIDES], int64_t n, struct un_box box, float area,
                    const struct un_box_rule *rule) {
    struct un_box_rule r = *rule;
    for (int64_t first = 0; first < n; first += CHUNK) {
        int64_t end = first + CHUNK < n ? first + CHUNK : n;
        int hits = 0;
        for (int64_t j = first; j < end; ++j) {
            struct un_box kept = {side[0][j], side[1][j], side[2][j], side[3][j]};
            hits += un_box_drops(un_box_iou(kept, side[4][j], box, area, r.one), &r);
        }
        if (hits) return true;
    }
    return false;
}

static void keep(struct un_detector_room *room, int64_t n, struct un_box box, float area, float logit) {
    const float values[UN_BOX_SIDES] = {box.x1, box.y1, box.x2, box.y2, area};
    for (int k = 0; k < UN_BOX_SIDES; ++k) room->side[k][n] = values[k];
    room->proposal[n] = box;
    room->proposal_logit[n] = logit;
}

/* Walks through the first pre_nms of `order`; how many are kept. */
static int64_t suppress(struct un_detector_room *room, int64_t n, const struct un_detector_scale *scale) {
    struct un_box_rule rule = un_box_rule_of(room->how.profile, room->how.rpn_nms);
    bool port = room->how.profile == UN_DETECTOR_PORT;
    int64_t kept = 0;
    if (n > room->how.pre_nms) n = room->how.pre_nms;
    for (int64_t k = 0; k < n && kept < room->how.post_nms; ++k) {
        int64_t i = room->anchor_order[k];
        struct un_box box = room->anchor_box[i];
        float area = un_box_area(box, rule.one);
        if (port && !large_enough(room, box, scale)) continue;
        if (!dropped(room->side, kept, box, area, &rule))
            keep(room, kept++, box, area, room->anchor_score[i]);
    }
    return kept;
}

enum un_status un_detector_propose(struct un_detector_room *room, struct un_detector_proposals *proposals,
                                   const float *logits, const float *deltas, const float *cell_anchors,
                                   int64_t h, int64_t w, const struct un_detector_scale *scale) {
    int64_t n = h * w * room->sizes.anchors;
    UN_TRY(un_detector_room_anchors(room, n));
    UN_TRY(decode(room, logits, deltas, cell_anchors, h, w, scale));
    if (room->how.profile == UN_DETECTOR_CAFFE) n = leave_small_out(room, n, scale);
    un_order_falling(room->anchor_order, room->anchor_score, n, &room->anchor_memory);
    n = suppress(room, n, scale);
    if (n == 0)
        return un_fail(
            UN_DATA,
            "no proposal is left: none of %lld is large enough (min_side %g; photo of %lld x %lld pixels)",
            (long long)(h * w * room->sizes.anchors), room->how.min_side, (long long)scale->photo_width,
            (long long)scale->photo_height);
    *proposals = (struct un_detector_proposals){n, (const float *)room->proposal, room->proposal_logit};
    return UN_OK;
}
