/* Which column holds what (tsv_line.h): by the names of a head, or by the number of columns. */
#include "io/convert/image/tsv_line.h"

#include <string.h>

enum { NAMES_MOST = 6 };
static const char *const names[UN_TSV_ROLES][NAMES_MOST] = {
    [UN_TSV_ID] = {"image_id", "img_id"},
    [UN_TSV_WIDTH] = {"image_w", "img_w", "width", "image_width"},
    [UN_TSV_HEIGHT] = {"image_h", "img_h", "height", "image_height"},
    [UN_TSV_COUNT] = {"num_boxes", "num_bbox"},
    [UN_TSV_BOXES] = {"boxes", "bbox", "bboxes"},
    [UN_TSV_FEATURES] = {"features", "feature"},
    [UN_TSV_SOFT] = {"cls_prob", "soft_labels"},
    [UN_TSV_CONFIDENCE] = {"objects_conf", "obj_conf", "conf", "confidence", "scores"},
    [UN_TSV_OBJECTS_ID] = {"objects_id", "obj_id"},
    [UN_TSV_ATTRS_ID] = {"attrs_id", "attr_id"},
    [UN_TSV_ATTRS_CONF] = {"attrs_conf", "attr_conf"},
};
static const struct un_tsv_form forms[] = {
    {6, {0, 1, 2, 3, 4, 5, -1, -1, -1, -1, -1}},
    {7, {0, 1, 2, 3, 4, 5, 6, -1, -1, -1, -1}},
    {10, {0, 2, 1, 7, 8, 9, -1, 4, 3, 5, 6}},
};

const struct un_tsv_form *un_tsv_form_of(int columns) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; ++i)
        if (forms[i].columns == columns) return forms + i;
    return NULL;
}

int un_tsv_split(struct un_tsv_field fields[UN_TSV_COLUMNS + 1], const char *text, size_t bytes) {
    int n = 0;
    for (const char *end = text + bytes; n <= UN_TSV_COLUMNS;) {
        const char *tab = memchr(text, '\t', (size_t)(end - text));
        fields[n++] = (struct un_tsv_field){text, (size_t)((tab ? tab : end) - text)};
        if (!tab) break;
        text = tab + 1;
    }
    return n;
}

static enum un_tsv_role role_of(struct un_tsv_field f) {
    for (int role = 0; role < UN_TSV_ROLES; ++role)
        for (int i = 0; i < NAMES_MOST && names[role][i]; ++i)
            if (strlen(names[role][i]) == f.bytes && memcmp(names[role][i], f.text, f.bytes) == 0)
                return (enum un_tsv_role)role;
    return UN_TSV_ROLES;
}

static bool is_head(const struct un_tsv_field *fields, int n) {
    for (int i = 0; i < n; ++i) {
        enum un_tsv_role role = role_of(fields[i]);
        if (role == UN_TSV_ID || role == UN_TSV_FEATURES) return true;
    }
    return false;
}

static enum un_status take_names(struct un_tsv_form *form, const char *where,
                                 const struct un_tsv_field *fields) {
    for (int i = 0; i < form->columns; ++i) {
        enum un_tsv_role role = role_of(fields[i]);
        int bytes = (int)(fields[i].bytes < 40 ? fields[i].bytes : 40);
        if (role == UN_TSV_ROLES)
            return un_fail(
                UN_DATA,
                "%s: column \"%.*s\" is not known; known are image_id, image_w, image_h, num_boxes, "
                "boxes, features, cls_prob, objects_id, objects_conf, attrs_id, attrs_conf",
                where, bytes, fields[i].text);
        if (form->at[role] >= 0)
            return un_fail(UN_DATA, "%s: columns %d and %d are both %s", where, form->at[role] + 1, i + 1,
                           names[role][0]);
        form->at[role] = i;
    }
    for (int role = UN_TSV_ID; role <= UN_TSV_FEATURES; ++role)
        if (form->at[role] < 0) return un_fail(UN_DATA, "%s: no column %s", where, names[role][0]);
    return UN_OK;
}

enum un_status un_tsv_head(struct un_tsv_form *form, const char *where, const char *text, size_t bytes) {
    static const char mark[] = "\xEF\xBB\xBF";
    struct un_tsv_field fields[UN_TSV_COLUMNS + 1];
    bool marked = bytes >= 3 && memcmp(text, mark, 3) == 0; /* as editors put it before a text */
    int n = un_tsv_split(fields, text + (marked ? 3 : 0), bytes - (marked ? 3 : 0));
    form->columns = 0;
    if (!is_head(fields, n)) return UN_OK;
    for (int role = 0; role < UN_TSV_ROLES; ++role) form->at[role] = -1;
    if (n > UN_TSV_COLUMNS)
        return un_fail(UN_DATA, "%s: a head of more than %d columns", where, UN_TSV_COLUMNS);
    form->columns = n;
    return take_names(form, where, fields);
}

void un_tsv_say(const struct un_tsv_form *form, bool onehot, const char *where) {
    char text[100] = "";
    for (int role = UN_TSV_OBJECTS_ID; role < UN_TSV_ROLES; ++role)
        if (form->at[role] >= 0 && !(onehot && role == UN_TSV_OBJECTS_ID))
            un_image_names_add(text, sizeof text, names[role][0], strlen(names[role][0]));
    if (text[0]) un_log(UN_LOG_INFO, "%s: not taken, here and in all images: %s", where, text);
}
