/* Proposals, and the choice of regions: SPEC sections 5 and 8. Host code on what the network has put out; all arithmetic in
 * float32, as the specification counts. Deterministic: equal scores keep their order. */
#ifndef UN_MODEL_DETECTOR_BOXES_H
#define UN_MODEL_DETECTOR_BOXES_H

#include "model/detector/photo.h"
#include "model/detector/sizes.h"

/* Memory for the largest input that the keys allow and for post_nms regions, taken once; it grows only when a map has more cells
 * or more boxes are given (room.c). */
struct un_detector_room;
enum un_status un_detector_room_open(struct un_detector_room **room, const struct un_detector_sizes *sizes,
                                     const struct un_detector_how *how);
void un_detector_room_close(struct un_detector_room *room);

/* Proposals in pixels of the network's input, falling by logit. */
struct un_detector_proposals {
    int64_t n;          /* 1 .. post_nms */
    const float *box;   /* [n,4] x1 y1 x2 y2; the room's, until the next call */
    const float *logit; /* [n]; NULL for given boxes */
};
/* logits [h*w,A], deltas [h*w,4A] (column 4a + k is delta k of anchor a), cell_anchors [A,4].
 * UN_DATA: no proposal is left, or a delta is not a number. */
enum un_status un_detector_propose(struct un_detector_room *room, struct un_detector_proposals *proposals,
                                   const float *logits, const float *deltas, const float *cell_anchors,
                                   int64_t h, int64_t w, const struct un_detector_scale *scale);

/* Rows that are kept, in the order in which a feature file has them. */
struct un_detector_regions {
    int64_t n;
    const int32_t *row;                 /* [n] of the proposals */
    const float *confidence;            /* [n] never rising */
    const float *box;                   /* [n,4] photo pixels */
    const float *box6;                  /* [n,6] x1 y1 x2 y2 w h over the photo's width and height */
    const float *soft_label;            /* [n,K+1] background first */
    const int32_t *class_number;        /* [n] best class, from 1 */
    const int32_t *attribute;           /* [n] best attribute, from 1 */
    const float *attribute_probability; /* [n] softmax without "none" */
};
/* class_logits [P,K+1] (background last), box_deltas [P,4K] (port; caffe does not read it), attribute_logits [P,B+1] ("none"
 * last). Results are the room's, until the next call. UN_DATA: a logit is not finite. */
enum un_status un_detector_choose(struct un_detector_room *room, struct un_detector_regions *regions,
                                  const struct un_detector_proposals *proposals, const float *class_logits,
                                  const float *box_deltas, const float *attribute_logits,
                                  const struct un_detector_scale *scale);
/* All of them, in the order given, as for annotated boxes: confidence is 1, so nothing is cut or sorted by it later. */
enum un_status un_detector_choose_all(struct un_detector_room *room, struct un_detector_regions *regions,
                                      const struct un_detector_proposals *proposals,
                                      const float *class_logits, const float *attribute_logits,
                                      const struct un_detector_scale *scale);

#endif
