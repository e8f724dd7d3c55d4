/* A line of a TSV of features; its number of columns says which form it has.
 *
 *    6  image_id w h num_boxes boxes features                             bottom-up-attention
 *    7  image_id w h num_boxes boxes features cls_prob                    the same with soft labels (ViLBERT)
 *   10  img_id img_h img_w objects_id objects_conf attrs_id attrs_conf num_boxes boxes features      LXMERT
 *
 * Arrays are base64 of little-endian float32, ids of int64; boxes [n,4] in pixels. */
#ifndef UN_IO_CONVERT_IMAGE_TSV_LINE_H
#define UN_IO_CONVERT_IMAGE_TSV_LINE_H

#include "io/convert/format/base64.h"
#include "io/convert/image/arrays.h"

enum { UN_TSV_COLUMNS = 10 };
struct un_tsv_line {
    char id[UN_IMAGE_ID_MAX + 1];
    int64_t width, height, regions, img_dim, classes; /* classes 0: no soft labels */
    const char *field[UN_ARRAY_ROLES];                /* base64, NULL: there is none */
    size_t bytes[UN_ARRAY_ROLES];
};
/* Into a borrowed line without its line end; the arrays are not decoded. `where`: file and line. */
enum un_status un_tsv_parse(struct un_tsv_line *line, const char *where, const char *text, size_t bytes);
/* Is it a line of column names? */
bool un_tsv_is_head(const char *text, size_t bytes);
void un_tsv_shape(const struct un_tsv_line *line, struct un_image_shape *shape);
/* Decodes the arrays into the room and lists them; numbers point into the line. */
enum un_status un_tsv_arrays(const struct un_tsv_line *line, const char *where,
                             const struct un_base64 *base64, struct un_image_room *room,
                             struct un_image_arrays *arrays);

#endif
