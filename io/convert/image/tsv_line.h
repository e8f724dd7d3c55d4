/* A line of a TSV of features. A head names its columns, in any order; without one their number says what they are:
 *
 *    6  image_id w h num_boxes boxes features                             bottom-up-attention
 *    7  image_id w h num_boxes boxes features cls_prob                    the same with soft labels (ViLBERT)
 *   10  img_id img_h img_w objects_id objects_conf attrs_id attrs_conf num_boxes boxes features      LXMERT
 *    2  image_id {"num_boxes": n, "features": "..."}                 Oscar, VinVL: the features' last six of a region are
 *    3  image_id num_boxes features                                  its box x1 y1 x2 y2 w h over the image's size
 *
 * Arrays are base64, little-endian: features and cls_prob of float32, or of float16 when that is said; boxes [n,4] in
 * pixels and confidences [n] of either, which their size tells; ids of int64. */
#ifndef UN_IO_CONVERT_IMAGE_TSV_LINE_H
#define UN_IO_CONVERT_IMAGE_TSV_LINE_H

#include "io/convert/format/base64.h"
#include "io/convert/image/arrays.h"

/* Columns; those up to FEATURES are in every file. */
enum un_tsv_role {
    UN_TSV_ID,
    UN_TSV_WIDTH,
    UN_TSV_HEIGHT,
    UN_TSV_COUNT,
    UN_TSV_BOXES,
    UN_TSV_FEATURES,
    UN_TSV_SOFT,
    UN_TSV_CONFIDENCE,
    UN_TSV_OBJECTS_ID, /* this and the following are checked and not taken, but for one-hot labels */
    UN_TSV_ATTRS_ID,
    UN_TSV_ATTRS_CONF,
    UN_TSV_ROLES
};
enum { UN_TSV_COLUMNS = UN_TSV_ROLES };
struct un_tsv_form {
    int columns;          /* 0: none */
    int at[UN_TSV_ROLES]; /* -1: there is none */
};
struct un_tsv_field {
    const char *text;
    size_t bytes;
};
/* The form of lines without a head; NULL: there is none of so many columns. A constant. */
const struct un_tsv_form *un_tsv_form_of(int columns);
/* Takes a file's first line as a head; form->columns 0: it is none. UN_DATA: a column that is not known, stands twice or
 * is missing. */
enum un_status un_tsv_head(struct un_tsv_form *form, const char *where, const char *text, size_t bytes);
/* How many columns; UN_TSV_COLUMNS + 1: more than there may be. */
int un_tsv_split(struct un_tsv_field fields[UN_TSV_COLUMNS + 1], const char *text, size_t bytes);
/* Says which columns of a form are not taken. */
void un_tsv_say(const struct un_tsv_form *form, bool onehot, const char *where);

/* What a file does not say. */
struct un_tsv_how {
    enum un_type type; /* of features and soft labels: UN_F32 | UN_F16 */
    int64_t onehot;    /* source.h; a seventh column of int64 is ids then */
};
struct un_tsv_line {
    const struct un_tsv_form *form;
    struct un_tsv_how how;
    char id[UN_IMAGE_ID_MAX + 1];
    int64_t width, height, regions, img_dim, classes; /* classes 0: no soft labels */
    const char *field[UN_ARRAY_ROLES];                /* base64, NULL: there is none */
    size_t bytes[UN_ARRAY_ROLES];
    enum un_type item[UN_ARRAY_ROLES]; /* UN_F32 | UN_F16 */
    bool joined; /* FEATURE holds [n, img_dim + 6]: a region's features, then its unit box */
};
/* Into a borrowed line without its line end; the arrays are not decoded. form: of the head; NULL or no columns: told by
 * the number of columns. `where`: file and line. */
enum un_status un_tsv_parse(struct un_tsv_line *line, const struct un_tsv_form *form,
                            const struct un_tsv_how *how, const char *where, const char *text, size_t bytes);
void un_tsv_shape(const struct un_tsv_line *line, struct un_image_shape *shape);
/* Decodes the arrays into the room and lists them; numbers point into the line. */
enum un_status un_tsv_arrays(const struct un_tsv_line *line, const char *where,
                             const struct un_base64 *base64, struct un_image_room *room,
                             struct un_image_arrays *arrays);

/* For the forms. A number: 1 to 10^9, digits only. */
enum un_status un_tsv_number(const char *where, const char *what, struct un_tsv_field f, int64_t *value);
/* num_boxes into line->regions. */
enum un_status un_tsv_count(struct un_tsv_line *line, const char *where, struct un_tsv_field count);
/* Base64 of `width` numbers of `size` bytes for each of n regions; *width 0: any number, which is returned there. */
enum un_status un_tsv_check(const char *where, const char *what, struct un_tsv_field f, int64_t n,
                            int64_t size, int64_t *width);
/* The same of an array that is taken: halves where `half` or its size says so. */
enum un_status un_tsv_take(struct un_tsv_line *line, const char *where, const char *what,
                           enum un_array_role role, struct un_tsv_field f, bool half, int64_t *width);
/* Oscar's and VinVL's two and three columns. NULL: the line is of another form. */
const struct un_tsv_form *un_tsv_vinvl_form(const struct un_tsv_field *fields, int n);
enum un_status un_tsv_vinvl_parse(struct un_tsv_line *line, const char *where,
                                  const struct un_tsv_field *fields);
enum un_status un_tsv_vinvl_arrays(const struct un_tsv_line *line, const char *where,
                                   const struct un_base64 *base64, struct un_image_room *room,
                                   struct un_image_arrays *arrays);

#endif
