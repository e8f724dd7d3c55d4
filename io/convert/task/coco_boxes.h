/* COCO's instances.json and the order of an image's annotations among its regions, in memory. */
#ifndef UN_IO_CONVERT_TASK_COCO_BOXES_H
#define UN_IO_CONVERT_TASK_COCO_BOXES_H

#include "runtime/status.h"

#include <jansson.h>

struct un_coco_image {
    int64_t id, row;
    float size[2]; /* width, height */
};
struct un_coco_box {
    int64_t id, row, image;
    float box[4]; /* x y w h in pixels */
};
struct un_coco_boxes {
    const char *instances, *order; /* paths, borrowed; order NULL: none */
    struct un_coco_image *image;   /* [images], sorted by id */
    struct un_coco_box *box;       /* [boxes], sorted by id */
    int64_t images, boxes, image_room, box_room;
    json_t *root, *ann_ids; /* {"IMAGE": [annotation, ...]} and the object around it */
};
/* UN_IO; UN_DATA: an id twice, sizes or boxes that are none. `order` NULL or "": no order. */
enum un_status un_coco_boxes_open(struct un_coco_boxes *boxes, const char *instances, const char *order);
void un_coco_boxes_close(struct un_coco_boxes *boxes);
/* NULL: not there. */
const struct un_coco_image *un_coco_boxes_image(const struct un_coco_boxes *boxes, int64_t id);
const struct un_coco_box *un_coco_boxes_box(const struct un_coco_boxes *boxes, int64_t id);
/* The place of an annotation among its image's regions. UN_DATA: image or annotation are not in the order, or it
 * stands there twice. */
enum un_status un_coco_boxes_place(const struct un_coco_boxes *boxes, const struct un_coco_box *box,
                                   int32_t *place);

#endif
