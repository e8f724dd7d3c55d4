/* What room.c, order.c, suppress.c, proposals.c, kept.c and choose.c share: the room's memory, order, overlap. */
#ifndef UN_MODEL_DETECTOR_BOXES_PRIVATE_H
#define UN_MODEL_DETECTOR_BOXES_PRIVATE_H

#include "model/detector/boxes.h"

struct un_box {
    float x1, y1, x2, y2;
};
static inline struct un_box un_box_at(const float *box, int64_t i) {
    return (struct un_box){box[4 * i], box[4 * i + 1], box[4 * i + 2], box[4 * i + 3]};
}

/* When two boxes overlap too much. `least` is the threshold as the first float that counts: IoU is compared as a double with a
 * double, and which floats are above a double does not depend on the float. */
struct un_box_rule {
    float one;       /* 1: both border pixels count; 0: plain lengths */
    float threshold; /* drop at >= (inclusive) or > this */
    bool inclusive;
};
struct un_box_rule un_box_rule_of(enum un_detector_profile profile, double threshold);

static inline float un_box_area(struct un_box b, float one) {
    return (b.x2 - b.x1 + one) * (b.y2 - b.y1 + one);
}
/* IoU of boxes with their areas; not a number where both are empty. Written without branches: it is vectorised. */
static inline float un_box_iou(struct un_box a, float area_a, struct un_box b, float area_b, float one) {
    float left = a.x1 > b.x1 ? a.x1 : b.x1, right = a.x2 < b.x2 ? a.x2 : b.x2;
    float top = a.y1 > b.y1 ? a.y1 : b.y1, bottom = a.y2 < b.y2 ? a.y2 : b.y2;
    float w = right - left + one, h = bottom - top + one;
    w = w > 0 ? w : 0;
    h = h > 0 ? h : 0;
    float both = w * h;
    return both / (area_a + area_b - both);
}
static inline bool un_box_drops(float iou, const struct un_box_rule *rule) {
    return rule->inclusive ? iou >= rule->threshold : iou > rule->threshold;
}

/* Weights 10 10 5 5 of the deltas of a class, or 1; most: dw and dh are not above it (INFINITY: no bound). UN_DATA: not a
 * number. */
enum un_status un_box_apply(struct un_box *out, struct un_box anchor, const float delta[4], float xy,
                            float wh, float most);
float un_box_clamp(enum un_detector_profile profile);
/* Into [0,width] x [0,height]. */
static inline struct un_box un_box_clip(struct un_box b, float width, float height) {
    b.x1 = b.x1 < 0 ? 0 : b.x1 > width ? width : b.x1;
    b.x2 = b.x2 < 0 ? 0 : b.x2 > width ? width : b.x2;
    b.y1 = b.y1 < 0 ? 0 : b.y1 > height ? height : b.y1;
    b.y2 = b.y2 < 0 ? 0 : b.y2 > height ? height : b.y2;
    return b;
}

/* Memory of un_order_falling. */
struct un_order {
    uint32_t *key, *other_key; /* [n] */
    int32_t *other;            /* [n] */
};
/* order [n]: 0 .. n-1 by falling score, of equals the lower number. No score is NaN. */
void un_order_falling(int32_t *order, const float *score, int64_t n, struct un_order *memory);

/* Which regions drop which: row i has bit j when i and j overlap too much. */
struct un_box_bits {
    uint64_t *row; /* [n,words] */
    int64_t words;
};
void un_box_bits_fill(struct un_box_bits *bits, const struct un_box *box, const float *area, int64_t n,
                      const struct un_box_rule *rule);
/* Walks through order [n], keeps what nothing kept has dropped: kept [return value], in that order. gone [words]. */
int64_t un_box_suppress(int32_t *kept, const int32_t *order, int64_t n, const struct un_box_bits *bits,
                        uint64_t *gone);

enum { UN_BOX_SIDES = 5, UN_CLASSES_AT_ONCE = 16 };
/* A block of memory for n anchors, proposals or regions. */
struct un_room_block {
    void *memory;
    int64_t n;
};
struct un_detector_room {
    struct un_detector_sizes sizes;
    struct un_detector_how how;
    struct un_room_block of_anchors, of_proposals, of_regions;
    /* Of all anchors. */
    struct un_box *anchor_box;
    float *anchor_score;
    int32_t *anchor_order;
    struct un_order anchor_memory;
    /* Of the proposals that are kept so far; an array a side (x1 y1 x2 y2 area), for they are walked through for each
     * candidate. */
    float *side[UN_BOX_SIDES];
    struct un_box *proposal;
    float *proposal_logit, *attribute_row /* [B] */;
    /* Of the regions. */
    struct un_box *box; /* as suppression sees them */
    float *area, *confidence, *candidate_score;
    float *probability; /* [regions,K+1] background last */
    float *class_score; /* [UN_CLASSES_AT_ONCE,regions] */
    int32_t *candidate, *region_order, *kept, *best;
    struct un_order region_memory;
    struct un_box_bits bits;
    uint64_t *gone;
    /* What un_detector_choose hands out. */
    struct {
        int32_t *row, *class_number, *attribute;
        struct un_box *box;
        float *confidence, *box6, *soft_label, *attribute_probability;
    } out;
};

/* Room for so many; what stood in a block that grows is lost. */
enum un_status un_detector_room_anchors(struct un_detector_room *room, int64_t n);
enum un_status un_detector_room_regions(struct un_detector_room *room, int64_t n);

/* Softmax of x [n] into p [n]; the sum in double, ascending. All x finite. */
void un_softmax_row(float *p, const float *x, int64_t n);

/* The two ways to choose: rows in order, their confidence and their boxes in photo pixels into room->out; how many. From
 * room->probability and room->best. */
int64_t un_choose_caffe(struct un_detector_room *room, const struct un_detector_proposals *proposals,
                        const struct un_detector_scale *scale);
enum un_status un_choose_port(struct un_detector_room *room, int64_t *kept,
                              const struct un_detector_proposals *proposals, const float *box_deltas,
                              const struct un_detector_scale *scale);
/* A box of the input in photo pixels. */
struct un_box un_box_to_photo(struct un_box box, enum un_detector_profile profile,
                              const struct un_detector_scale *scale);

#endif
