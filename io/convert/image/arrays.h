/* One image as named arrays, the form that npz files, LMDB values and lines of a TSV have in common.
 *
 *   features      features image_features feature feats feat x       [n,F], or [F,n] where the boxes say so
 *   boxes, unit   norm_bb norm_boxes normalized_boxes spatial_features   [n,4 to 7] x1 y1 x2 y2 (w h (area))
 *   boxes         boxes bbox bboxes box image_bb                     [n,4 to 7] in pixels
 *   image's size  image_w image_h | img_w img_h | width height | image_width image_height       numbers
 *   confidence    conf confidence confidences scores objects_conf obj_conf object_conf    [n] or [n,1]
 *   soft labels   soft_labels soft_label cls_prob                    [n,C]
 *   ids of classes  objects_id obj_id object_ids objects class_ids    [n], only where labels are made of them
 *   regions       num_bbox num_boxes                                 a number: rows after it are left out
 *
 * Of two names for one thing the one further left is taken. `boxes` with no coordinate over 1.5 are unit
 * boxes; others need the image's size. Halves stay halves, 64-bit floats and integers become floats. */
#ifndef UN_IO_CONVERT_IMAGE_ARRAYS_H
#define UN_IO_CONVERT_IMAGE_ARRAYS_H

#include "io/convert/format/npy.h"
#include "io/convert/image/source.h"

enum un_array_role {
    UN_ARRAY_FEATURE,
    UN_ARRAY_UNIT_BOX,
    UN_ARRAY_BOX,
    UN_ARRAY_CONFIDENCE,
    UN_ARRAY_SOFT,
    UN_ARRAY_CLASS,
    UN_ARRAY_WIDTH,
    UN_ARRAY_HEIGHT,
    UN_ARRAY_COUNT,
    UN_ARRAY_ROLES
};

/* data: borrowed, any alignment; of a survey only that of WIDTH, HEIGHT and COUNT is needed. */
struct un_image_array {
    bool there;
    int place;
    const char *name; /* a constant */
    struct un_npy npy;
    const void *data;
};
struct un_image_arrays {
    struct un_image_array role[UN_ARRAY_ROLES];
    int64_t onehot;   /* set before anything is added: source.h */
    bool pixels;      /* boxes are in pixels for certain */
    char others[200]; /* names that stand for nothing, for messages: "a, b, ..." */
};
/* What a name stands for, and its place in the list above (0 first); UN_ARRAY_ROLES: nothing. */
enum un_array_role un_array_role(const struct un_image_arrays *arrays, const char *name, size_t bytes,
                                 int *place);
/* Notes a name that stands for nothing. */
void un_image_arrays_other(struct un_image_arrays *arrays, const char *name, size_t bytes);
/* Says which those are; for the first image of a source. */
void un_image_arrays_say(const struct un_image_arrays *arrays, const char *where);
/* ", NAME" or "NAME" behind a text, as long as there is room; once it is full, ", ...". */
void un_image_names_add(char *text, size_t size, const char *name, size_t bytes);
/* Keeps the array if its name stands for something and none further left is there. Returns where it was put,
 * or NULL. */
struct un_image_array *un_image_arrays_add(struct un_image_arrays *arrays, const char *name, size_t bytes,
                                           const struct un_npy *npy, const void *data);

/* What the arrays' extents say. */
struct un_image_extent {
    int64_t regions, rows; /* rows of the arrays, >= regions */
    bool turned;           /* features are [F,n] */
    struct un_image_shape shape;
};
enum un_status un_image_arrays_extent(const struct un_image_arrays *arrays, const char *where,
                                      struct un_image_extent *extent);
/* The shape of one more image: sets the list's if it has no image yet, must be the same otherwise. */
enum un_status un_image_arrays_agree(struct un_image_list *list, const char *where,
                                     const struct un_image_shape *shape);

/* Memory of a reader. */
struct un_image_room {
    void *at[UN_ARRAY_ROLES];
    size_t bytes[UN_ARRAY_ROLES];
    float *box;
    size_t box_bytes;
};
void un_image_room_free(struct un_image_room *room);
/* At least `want` bytes at room->at[role]; what was there is lost. */
enum un_status un_image_room_take(struct un_image_room *room, enum un_array_role role, size_t want);
/* A region's row of soft labels [classes], halves: zeros and a 1 in column id + 1, for column 0 is the background. UN_DATA: id
 * is not a whole number 0 to classes - 2, which is told as what `name` is in `region` at `where`. */
enum un_status un_image_onehot(uint16_t *row, int64_t classes, const char *where, const char *name,
                               int64_t region, double id);
/* All values into a record. Arrays whose data stand in the room already are used there. UN_DATA when it is
 * not what the list says of image `index`. */
enum un_status un_image_arrays_record(const struct un_image_arrays *arrays, const char *where,
                                      const struct un_image_list *list, int64_t index,
                                      struct un_image_room *room, struct un_image_record *record);

#endif
