/* Oscar's and VinVL's lines (tsv_line.h): id and JSON, or id, number of regions and array. The array's rows are a region's
 * features and, behind them, its box.
 *
 * A line is a megabyte of base64 within a small JSON object, so the object is gone through by hand: what is taken is
 * checked, what is not is passed over by strings and brackets. */
#include "io/convert/image/tsv_line.h"

#include <string.h>

enum { BOX = 6, DEPTH_MOST = 64 };

static const struct un_tsv_form forms[] = {
    {2, {0, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}},
    {3, {0, -1, -1, 1, -1, 2, -1, -1, -1, -1, -1}},
};

static bool is_number(struct un_tsv_field f) {
    for (size_t i = 0; i < f.bytes; ++i)
        if (f.text[i] < '0' || f.text[i] > '9') return false;
    return f.bytes > 0;
}

/* Lines of other forms that are cut short are none of these: their third column is a number, too. */
const struct un_tsv_form *un_tsv_vinvl_form(const struct un_tsv_field *f, int n) {
    if (n == 2) return f[1].bytes > 0 && (f[1].text[0] == '{' || f[1].text[0] == '[') ? forms : NULL;
    return n == 3 && is_number(f[1]) && !is_number(f[2]) && f[2].bytes > 0 ? forms + 1 : NULL;
}

/* What is left of an object. */
struct text {
    const char *at, *end;
};

static bool take(struct text *t, char c) {
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\r')) ++t->at;
    if (t->at == t->end || *t->at != c) return false;
    ++t->at;
    return true;
}

/* A string as it is written, without its quotes. */
static bool take_string(struct text *t, struct un_tsv_field *f, bool *escapes) {
    *escapes = false;
    if (!take(t, '"')) return false;
    f->text = t->at;
    for (;;) {
        const char *quote = memchr(t->at, '"', (size_t)(t->end - t->at));
        if (!quote) return false;
        const char *back = memchr(t->at, '\\', (size_t)(quote - t->at));
        if (!back) {
            f->bytes = (size_t)(quote - f->text);
            t->at = quote + 1;
            return true;
        }
        *escapes = true;
        if (back + 2 > t->end) return false;
        t->at = back + 2;
    }
}

/* A number, true, false or null. */
static bool take_plain(struct text *t, struct un_tsv_field *f) {
    while (t->at < t->end && *t->at == ' ') ++t->at;
    f->text = t->at;
    while (t->at < t->end && !strchr(" ,:]}[{\"", *t->at)) ++t->at;
    f->bytes = (size_t)(t->at - f->text);
    return f->bytes > 0;
}

static bool pass_value(struct text *t) {
    struct un_tsv_field f;
    bool escapes;
    int depth = 0;
    do {
        if (take(t, '[') || take(t, '{'))
            ++depth;
        else if (depth > 0 && (take(t, ']') || take(t, '}')))
            --depth;
        else if (depth > 0 && (take(t, ',') || take(t, ':')))
            continue;
        else if (!take_string(t, &f, &escapes) && !take_plain(t, &f))
            return false;
    } while (depth > 0 && depth < DEPTH_MOST);
    return depth == 0;
}

static bool is(struct un_tsv_field f, const char *word) {
    return f.bytes == strlen(word) && memcmp(f.text, word, f.bytes) == 0;
}

/* One pair; `count` and `features` are filled in, once each. */
static bool take_pair(struct text *t, struct un_tsv_field *count, struct un_tsv_field *features) {
    struct un_tsv_field key;
    bool escapes;
    if (!take_string(t, &key, &escapes) || !take(t, ':')) return false;
    if (is(key, "num_boxes")) return !count->text && take_plain(t, count);
    if (is(key, "features")) return !features->text && take_string(t, features, &escapes) && !escapes;
    return pass_value(t);
}

static enum un_status take_object(const char *where, struct un_tsv_field object, struct un_tsv_field *count,
                                  struct un_tsv_field *features) {
    struct text t = {object.text, object.text + object.bytes};
    if (take(&t, '['))
        return un_fail(UN_DATA,
                       "%s: a list, as files of labels hold it; of features: {\"num_boxes\": n, "
                       "\"features\": \"base64\"}",
                       where);
    bool good = take(&t, '{'), more = good && !take(&t, '}');
    while (good && more) {
        good = take_pair(&t, count, features);
        more = good && take(&t, ',');
        if (good && !more) good = take(&t, '}');
    }
    while (t.at < t.end && *t.at == ' ') ++t.at;
    if (!good || t.at != t.end)
        return un_fail(UN_DATA, "%s: no whole JSON object at byte %zd of its second column%s", where,
                       t.at - object.text, t.at == t.end ? "; cut short?" : "");
    if (!count->text || !features->text)
        return un_fail(UN_DATA, "%s: no \"%s\" in its JSON object", where,
                       count->text ? "features" : "num_boxes");
    return UN_OK;
}

enum un_status un_tsv_vinvl_parse(struct un_tsv_line *line, const char *where, const struct un_tsv_field *f) {
    struct un_tsv_field count = {0}, features = {0};
    int64_t width = 0;
    if (line->form->columns == 2) {
        UN_TRY(take_object(where, f[1], &count, &features));
    } else {
        count = f[1];
        features = f[2];
    }
    UN_TRY(un_tsv_count(line, where, count));
    UN_TRY(
        un_tsv_take(line, where, "features", UN_ARRAY_FEATURE, features, line->how.type == UN_F16, &width));
    if (width <= BOX)
        return un_fail(UN_DATA,
                       "%s: features: %lld numbers a region; the last six are its box, and before them "
                       "there must be others",
                       where, (long long)width);
    line->img_dim = width - BOX;
    return UN_OK;
}

/* Columns [first, first + width) of all rows, in one piece at room->at[role]. */
static enum un_status part(const struct un_tsv_line *line, struct un_image_room *room,
                           struct un_image_arrays *arrays, const char *rows, enum un_array_role role,
                           const char *name, int64_t first, int64_t width) {
    const enum un_type type = line->item[UN_ARRAY_FEATURE];
    const int64_t n = line->regions, item = un_type_bytes(type), row = (line->img_dim + BOX) * item;
    const struct un_npy npy = {
        type == UN_F16 ? UN_NPY_F16 : UN_NPY_F32, 2, false, {n, width}, n * width, item};
    UN_TRY(un_image_room_take(room, role, (size_t)(n * width * item)));
    char *out = room->at[role];
    for (int64_t i = 0; i < n; ++i)
        memcpy(out + i * width * item, rows + i * row + first * item, (size_t)(width * item));
    un_image_arrays_add(arrays, name, strlen(name), &npy, out);
    return UN_OK;
}

enum un_status un_tsv_vinvl_arrays(const struct un_tsv_line *line, const char *where,
                                   const struct un_base64 *base64, struct un_image_room *room,
                                   struct un_image_arrays *arrays) {
    const int64_t item = un_type_bytes(line->item[UN_ARRAY_FEATURE]);
    UN_TRY(un_image_room_take(room, UN_ARRAY_BOX, (size_t)(line->regions * (line->img_dim + BOX) * item)));
    int64_t wrong = un_base64_read(base64, line->field[UN_ARRAY_FEATURE], line->bytes[UN_ARRAY_FEATURE],
                                   room->at[UN_ARRAY_BOX]);
    if (wrong >= 0)
        return un_fail(UN_DATA, "%s: features: no base64 at its character %lld", where, (long long)wrong);
    const char *rows = room->at[UN_ARRAY_BOX];
    UN_TRY(part(line, room, arrays, rows, UN_ARRAY_FEATURE, "features", 0, line->img_dim));
    return part(line, room, arrays, rows, UN_ARRAY_UNIT_BOX, "norm_bb", line->img_dim, BOX);
}
