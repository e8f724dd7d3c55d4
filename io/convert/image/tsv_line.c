/* Columns of a line, and their arrays (tsv_line.h). */
#include "io/convert/image/tsv_line.h"

#include <string.h>

struct form {
    int columns, width, height, count, boxes, features, confidence, soft, ids, attrs; /* -1: none */
};
static const struct form forms[] = {
    {6, 1, 2, 3, 4, 5, -1, -1, -1, -1},
    {7, 1, 2, 3, 4, 5, -1, 6, -1, -1},
    {10, 2, 1, 7, 8, 9, 4, -1, 3, 5},
};
struct field {
    const char *text;
    size_t bytes;
};

bool un_tsv_is_head(const char *text, size_t bytes) {
    static const char *const names[] = {"image_id\t", "img_id\t"};
    for (int i = 0; i < 2; ++i)
        if (bytes > strlen(names[i]) && memcmp(text, names[i], strlen(names[i])) == 0) return true;
    return false;
}

static int split(struct field fields[UN_TSV_COLUMNS + 1], const char *text, size_t bytes) {
    int n = 0;
    for (const char *end = text + bytes; n <= UN_TSV_COLUMNS;) {
        const char *tab = memchr(text, '\t', (size_t)(end - text));
        fields[n++] = (struct field){text, (size_t)((tab ? tab : end) - text)};
        if (!tab) break;
        text = tab + 1;
    }
    return n;
}

/* 1 to 10^9, digits only. */
static enum un_status get_number(const char *where, const char *what, struct field f, int64_t *value) {
    *value = 0;
    for (size_t i = 0; i < f.bytes; ++i) {
        if (i > 9 || f.text[i] < '0' || f.text[i] > '9') {
            *value = 0;
            break;
        }
        *value = 10 * *value + (f.text[i] - '0');
    }
    if (*value >= 1 && *value <= 1000000000) return UN_OK;
    return un_fail(UN_DATA, "%s: %s is \"%.*s\"", where, what, (int)(f.bytes < 40 ? f.bytes : 40), f.text);
}

/* `width` numbers of `size` bytes a region; 0: any number, which is returned there. */
static enum un_status check_array(const char *where, const char *what, struct field f, int64_t n,
                                  int64_t size, int64_t *width) {
    int64_t bytes = un_base64_bytes(f.text, f.bytes);
    if (bytes < 0)
        return un_fail(UN_DATA, "%s: %s: %zu characters are no base64 (not a multiple of 4); cut short?",
                       where, what, f.bytes);
    if (*width == 0 && bytes > 0 && bytes % (n * size) == 0) *width = bytes / (n * size);
    if (*width == 0 || bytes != n * size * *width)
        return un_fail(UN_DATA, "%s: %s: %lld bytes are not %lld regions%s", where, what, (long long)bytes,
                       (long long)n, *width == 0 ? " of equal width" : " of the width they must have");
    return UN_OK;
}

static void keep(struct un_tsv_line *line, enum un_array_role role, struct field f) {
    line->field[role] = f.text;
    line->bytes[role] = f.bytes;
}

static enum un_status check_arrays(struct un_tsv_line *line, const char *where, const struct form *form,
                                   const struct field *f) {
    int64_t n = line->regions, four = 4, one = 1;
    UN_TRY(check_array(where, "boxes", f[form->boxes], n, 4, &four));
    UN_TRY(check_array(where, "features", f[form->features], n, 4, &line->img_dim));
    keep(line, UN_ARRAY_BOX, f[form->boxes]);
    keep(line, UN_ARRAY_FEATURE, f[form->features]);
    if (form->soft >= 0) {
        UN_TRY(check_array(where, "cls_prob", f[form->soft], n, 4, &line->classes));
        keep(line, UN_ARRAY_SOFT, f[form->soft]);
    }
    if (form->confidence < 0) return UN_OK;
    UN_TRY(check_array(where, "objects_id", f[form->ids], n, 8, &one));
    UN_TRY(check_array(where, "objects_conf", f[form->confidence], n, 4, &one));
    UN_TRY(check_array(where, "attrs_id", f[form->attrs], n, 8, &one));
    UN_TRY(check_array(where, "attrs_conf", f[form->attrs + 1], n, 4, &one));
    keep(line, UN_ARRAY_CONFIDENCE, f[form->confidence]);
    return UN_OK;
}

enum un_status un_tsv_parse(struct un_tsv_line *line, const char *where, const char *text, size_t bytes) {
    struct field f[UN_TSV_COLUMNS + 1];
    const struct form *form = NULL;
    int n = split(f, text, bytes);
    memset(line, 0, sizeof *line);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; ++i)
        if (forms[i].columns == n) form = forms + i;
    if (!form)
        return un_fail(UN_DATA, "%s: %d columns; there must be 6, 7 (bottom-up-attention) or 10 (LXMERT)%s",
                       where, n, n < 6 ? "; cut short?" : "");
    if (f[0].bytes == 0 || f[0].bytes > UN_IMAGE_ID_MAX || memchr(f[0].text, 0, f[0].bytes))
        return un_fail(UN_DATA, "%s: an image id of %zu bytes, not 1 to %d", where, f[0].bytes,
                       UN_IMAGE_ID_MAX);
    memcpy(line->id, f[0].text, f[0].bytes);
    UN_TRY(get_number(where, "the image's width", f[form->width], &line->width));
    UN_TRY(get_number(where, "the image's height", f[form->height], &line->height));
    UN_TRY(get_number(where, "num_boxes", f[form->count], &line->regions));
    if (line->regions > UN_IMAGE_REGIONS_MAX)
        return un_fail(UN_DATA, "%s: %lld regions, not 1 to %d", where, (long long)line->regions,
                       UN_IMAGE_REGIONS_MAX);
    return check_arrays(line, where, form, f);
}

void un_tsv_shape(const struct un_tsv_line *line, struct un_image_shape *shape) {
    *shape = (struct un_image_shape){.img_dim = line->img_dim,
                                     .classes = line->classes,
                                     .feature_type = UN_F32,
                                     .confidence_type = UN_F32,
                                     .soft_type = line->classes ? UN_F32 : UN_F16,
                                     .has_confidence = line->field[UN_ARRAY_CONFIDENCE] != NULL};
}

static enum un_status decode(const struct un_tsv_line *line, const char *where,
                             const struct un_base64 *base64, struct un_image_room *room,
                             struct un_image_arrays *arrays, enum un_array_role role, const char *name,
                             int64_t width) {
    struct un_npy npy = {UN_NPY_F32, 2, false, {line->regions, width}, line->regions * width, 4};
    if (!line->field[role]) return UN_OK;
    UN_TRY(un_image_room_take(room, role, (size_t)npy.items * 4));
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
    memset(arrays, 0, sizeof *arrays);
    arrays->pixels = true;
    un_image_arrays_add(arrays, "image_w", 7, &number, &line->width);
    un_image_arrays_add(arrays, "image_h", 7, &number, &line->height);
    UN_TRY(decode(line, where, base64, room, arrays, UN_ARRAY_FEATURE, "features", line->img_dim));
    UN_TRY(decode(line, where, base64, room, arrays, UN_ARRAY_BOX, "boxes", 4));
    UN_TRY(decode(line, where, base64, room, arrays, UN_ARRAY_CONFIDENCE, "objects_conf", 1));
    return decode(line, where, base64, room, arrays, UN_ARRAY_SOFT, "cls_prob", line->classes);
}
