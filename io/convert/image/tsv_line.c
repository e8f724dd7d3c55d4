/* Columns of a line, and their arrays (tsv_line.h). */
#include "io/convert/image/tsv_line.h"

#include <string.h>

/* Columns that are not taken must still be what they are: a shifted line is found so. */
static enum un_status check_others(const struct un_tsv_line *line, const char *where,
                                   const struct un_tsv_field *f) {
    const int *at = line->form->at;
    int64_t one = 1;
    if (at[UN_TSV_OBJECTS_ID] >= 0 && line->how.onehot == 0)
        UN_TRY(un_tsv_check(where, "objects_id", f[at[UN_TSV_OBJECTS_ID]], line->regions, 8, &one));
    if (at[UN_TSV_ATTRS_ID] >= 0)
        UN_TRY(un_tsv_check(where, "attrs_id", f[at[UN_TSV_ATTRS_ID]], line->regions, 8, &one));
    if (at[UN_TSV_ATTRS_CONF] < 0) return UN_OK;
    struct un_tsv_line unused = *line;
    return un_tsv_take(&unused, where, "attrs_conf", UN_ARRAY_CONFIDENCE, f[at[UN_TSV_ATTRS_CONF]], false,
                       &one);
}

/* Ids of classes, of which labels are made: a column of their own, or int64 in the place of soft labels. */
static enum un_status check_classes(struct un_tsv_line *line, const char *where,
                                    const struct un_tsv_field *f) {
    const int *at = line->form->at;
    int column = at[UN_TSV_OBJECTS_ID];
    if (at[UN_TSV_SOFT] >= 0) {
        const struct un_tsv_field s = f[at[UN_TSV_SOFT]];
        if (column >= 0 || un_base64_bytes(s.text, s.bytes) != 8 * line->regions)
            return un_fail(UN_DATA, "%s: it has soft labels (cls_prob); labels=onehot is for images without",
                           where);
        column = at[UN_TSV_SOFT];
    }
    if (column < 0)
        return un_fail(UN_DATA, "%s: no ids of classes (objects_id) in it for labels=onehot", where);
    int64_t one = 1;
    UN_TRY(un_tsv_check(where, "objects_id", f[column], line->regions, 8, &one));
    line->field[UN_ARRAY_CLASS] = f[column].text;
    line->bytes[UN_ARRAY_CLASS] = f[column].bytes;
    line->classes = line->how.onehot;
    return UN_OK;
}

static enum un_status check_arrays(struct un_tsv_line *line, const char *where,
                                   const struct un_tsv_field *f) {
    const int *at = line->form->at;
    const bool half = line->how.type == UN_F16;
    int64_t four = 4, one = 1;
    UN_TRY(un_tsv_take(line, where, "boxes", UN_ARRAY_BOX, f[at[UN_TSV_BOXES]], false, &four));
    UN_TRY(
        un_tsv_take(line, where, "features", UN_ARRAY_FEATURE, f[at[UN_TSV_FEATURES]], half, &line->img_dim));
    if (line->how.onehot)
        UN_TRY(check_classes(line, where, f));
    else if (at[UN_TSV_SOFT] >= 0)
        UN_TRY(un_tsv_take(line, where, "cls_prob", UN_ARRAY_SOFT, f[at[UN_TSV_SOFT]], half, &line->classes));
    if (at[UN_TSV_CONFIDENCE] >= 0)
        UN_TRY(un_tsv_take(line, where, "objects_conf", UN_ARRAY_CONFIDENCE, f[at[UN_TSV_CONFIDENCE]], false,
                           &one));
    return check_others(line, where, f);
}

static enum un_status find_form(struct un_tsv_line *line, const char *where, const struct un_tsv_form *head,
                                const struct un_tsv_field *f, int n) {
    const bool has = head && head->columns > 0;
    line->form = has ? head : un_tsv_vinvl_form(f, n);
    line->joined = !has && line->form;
    if (!line->form) line->form = un_tsv_form_of(n);
    if (has && head->columns != n)
        return un_fail(UN_DATA, "%s: %d columns; the head names %d%s", where, n, head->columns,
                       n < head->columns ? "; cut short?" : "");
    if (line->form) return UN_OK;
    return un_fail(UN_DATA,
                   "%s: %d columns; there must be 6, 7 (bottom-up-attention), 10 (LXMERT), 2 or 3 (VinVL)%s",
                   where, n, n < 6 ? "; cut short?" : "");
}

static enum un_status take_id(struct un_tsv_line *line, const char *where, struct un_tsv_field id) {
    if (id.bytes == 0 || id.bytes > UN_IMAGE_ID_MAX || memchr(id.text, 0, id.bytes))
        return un_fail(UN_DATA, "%s: an image id of %zu bytes, not 1 to %d", where, id.bytes,
                       UN_IMAGE_ID_MAX);
    memcpy(line->id, id.text, id.bytes);
    return UN_OK;
}

enum un_status un_tsv_parse(struct un_tsv_line *line, const struct un_tsv_form *head,
                            const struct un_tsv_how *how, const char *where, const char *text, size_t bytes) {
    struct un_tsv_field f[UN_TSV_COLUMNS + 1];
    *line = (struct un_tsv_line){.how = *how};
    UN_TRY(find_form(line, where, head, f, un_tsv_split(f, text, bytes)));
    const int *at = line->form->at;
    UN_TRY(take_id(line, where, f[at[UN_TSV_ID]]));
    if (line->joined && how->onehot)
        return un_fail(UN_DATA, "%s: no ids of classes (objects_id) in it for labels=onehot", where);
    if (line->joined) return un_tsv_vinvl_parse(line, where, f);
    UN_TRY(un_tsv_number(where, "the image's width", f[at[UN_TSV_WIDTH]], &line->width));
    UN_TRY(un_tsv_number(where, "the image's height", f[at[UN_TSV_HEIGHT]], &line->height));
    UN_TRY(un_tsv_count(line, where, f[at[UN_TSV_COUNT]]));
    return check_arrays(line, where, f);
}

void un_tsv_shape(const struct un_tsv_line *line, struct un_image_shape *shape) {
    *shape =
        (struct un_image_shape){.img_dim = line->img_dim,
                                .classes = line->classes,
                                .feature_type = line->item[UN_ARRAY_FEATURE],
                                .confidence_type = UN_F32,
                                .soft_type = line->field[UN_ARRAY_SOFT] ? line->item[UN_ARRAY_SOFT] : UN_F16,
                                .has_confidence = line->field[UN_ARRAY_CONFIDENCE] != NULL};
    if (shape->has_confidence) shape->confidence_type = line->item[UN_ARRAY_CONFIDENCE];
}

static enum un_status decode(const struct un_tsv_line *line, const char *where,
                             const struct un_base64 *base64, struct un_image_room *room,
                             struct un_image_arrays *arrays, enum un_array_role role, const char *name,
                             int64_t width) {
    const int64_t item = role == UN_ARRAY_CLASS ? 8 : un_type_bytes(line->item[role]);
    const enum un_npy_type type = role == UN_ARRAY_CLASS       ? UN_NPY_I64
                                  : line->item[role] == UN_F16 ? UN_NPY_F16
                                                               : UN_NPY_F32;
    const struct un_npy npy = {type, 2, false, {line->regions, width}, line->regions * width, item};
    if (!line->field[role]) return UN_OK;
    UN_TRY(un_image_room_take(room, role, (size_t)(npy.items * item)));
    int64_t wrong = un_base64_read(base64, line->field[role], line->bytes[role], room->at[role]);
    if (wrong >= 0)
        return un_fail(UN_DATA, "%s: %s: no base64 at its character %lld", where, name, (long long)wrong);
    un_image_arrays_add(arrays, name, strlen(name), &npy, room->at[role]);
    return UN_OK;
}

enum un_status un_tsv_arrays(const struct un_tsv_line *line, const char *where,
                             const struct un_base64 *base64, struct un_image_room *room,
                             struct un_image_arrays *arrays) {
    const struct un_npy number = {UN_NPY_I64, 0, false, {0}, 1, 8};
    *arrays = (struct un_image_arrays){.onehot = line->how.onehot};
    if (line->joined) return un_tsv_vinvl_arrays(line, where, base64, room, arrays);
    arrays->pixels = true;
    un_image_arrays_add(arrays, "image_w", 7, &number, &line->width);
    un_image_arrays_add(arrays, "image_h", 7, &number, &line->height);
    UN_TRY(decode(line, where, base64, room, arrays, UN_ARRAY_FEATURE, "features", line->img_dim));
    UN_TRY(decode(line, where, base64, room, arrays, UN_ARRAY_BOX, "boxes", 4));
    UN_TRY(decode(line, where, base64, room, arrays, UN_ARRAY_CONFIDENCE, "objects_conf", 1));
    UN_TRY(decode(line, where, base64, room, arrays, UN_ARRAY_CLASS, "objects_id", 1));
    return decode(line, where, base64, room, arrays, UN_ARRAY_SOFT, "cls_prob", line->classes);
}
