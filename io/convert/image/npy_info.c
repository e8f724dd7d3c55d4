#include "io/convert/image/npy_info.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <string.h>

enum { INFO_LIMIT = 1 << 27 };
static const double tolerance = 5e-3; /* of a sum, as everywhere */

static enum un_status open_pickle(struct un_npy_info *info, const char *path) {
    char *bytes;
    size_t n, head = 0;
    struct un_npy npy;
    UN_TRY(un_files_read(path, INFO_LIMIT, &bytes, &n));
    enum un_status status = un_npy_header(&npy, path, bytes, n, &head);
    if (status == UN_OK && (npy.type != UN_NPY_OBJECT || npy.items != 1))
        status = un_fail(UN_DATA, "%s: not one pickled dict, as mmf writes it, but an array of %lld", path,
                         (long long)npy.items);
    if (status == UN_OK) status = un_pickle_parse_arrays(&info->pickle, path, bytes + head, n - head);
    un_free(bytes);
    return status;
}

static const struct un_pickle_value *dict_of(const struct un_pickle_value *top) {
    if (top->kind != UN_PICKLE_ARRAY || !top->is.array->objects || top->is.array->objects->n != 1)
        return NULL;
    const struct un_pickle_value *dict = top->is.array->objects->is.item[0];
    return dict->kind == UN_PICKLE_DICT ? dict : NULL;
}

static const char *given_name(const struct un_pickle_value *key, const struct un_pickle_value *value) {
    bool vector = value->kind == UN_PICKLE_ARRAY &&
                  (value->is.array->npy.rank == 1 ||
                   (value->is.array->npy.rank == 2 && value->is.array->npy.dims[1] == 1));
    return vector && strcmp(key->is.text, "cls_prob") == 0 ? "conf" : key->is.text;
}

static void add(struct un_npy_info *info, struct un_image_arrays *arrays, const struct un_pickle_value *key,
                const struct un_pickle_value *value) {
    static const struct un_npy whole = {UN_NPY_I64, 0, false, {0}, 1, 8},
                               real = {UN_NPY_F64, 0, false, {0}, 1, 8};
    const char *name = given_name(key, value);
    size_t bytes = strlen(name);
    int place;
    enum un_array_role role = un_array_role(arrays, name, bytes, &place);
    if (role == UN_ARRAY_ROLES) {
        un_image_arrays_other(arrays, name, bytes);
    } else if (value->kind == UN_PICKLE_ARRAY) {
        un_image_arrays_add(arrays, name, bytes, &value->is.array->npy, value->is.array->data);
    } else if (value->kind == UN_PICKLE_INT) {
        if (un_image_arrays_add(arrays, name, bytes, &whole, &info->number[role]))
            info->number[role].whole = value->is.number;
    } else if (value->kind == UN_PICKLE_FLOAT) {
        if (un_image_arrays_add(arrays, name, bytes, &real, &info->number[role]))
            info->number[role].real = value->is.real;
    }
}

static void limit_count(struct un_npy_info *info, struct un_image_arrays *arrays) {
    const struct un_image_array *box = arrays->role + UN_ARRAY_BOX;
    struct un_image_array *count = arrays->role + UN_ARRAY_COUNT;
    if (!box->there || box->npy.rank != 2 || !count->there || count->data != &info->number[UN_ARRAY_COUNT] ||
        count->npy.type != UN_NPY_I64)
        return;
    if (info->number[UN_ARRAY_COUNT].whole > box->npy.dims[0])
        info->number[UN_ARRAY_COUNT].whole = box->npy.dims[0];
}

enum un_status un_npy_info_open(struct un_npy_info *info, const char *path, struct un_image_arrays *arrays) {
    UN_TRY(open_pickle(info, path));
    const struct un_pickle_value *dict = dict_of(un_pickle_top(info->pickle));
    if (!dict) return un_fail(UN_DATA, "%s: its object is no dict", path);
    for (uint32_t i = 0; i < dict->n; ++i) {
        const struct un_pickle_value *key = dict->is.item[2 * i];
        if (key->kind == UN_PICKLE_TEXT && strlen(key->is.text) == key->n)
            add(info, arrays, key, dict->is.item[2 * i + 1]);
    }
    limit_count(info, arrays);
    return UN_OK;
}

void un_npy_info_close(struct un_npy_info *info) {
    un_pickle_close(info->pickle);
    un_free(info->soft);
    *info = (struct un_npy_info){0};
}

static const struct un_image_array *soft_of(const struct un_image_arrays *arrays) {
    const struct un_image_array *s = arrays->role + UN_ARRAY_SOFT;
    return s->there && s->npy.rank == 2 && s->npy.type <= UN_NPY_BOOL && s->data ? s : NULL;
}

static double value_at(const struct un_image_array *s, int64_t row, int64_t column) {
    const int64_t at = s->npy.fortran ? column * s->npy.dims[0] + row : row * s->npy.dims[1] + column;
    return un_npy_number(&s->npy, s->data, at);
}

static double sum_of(const struct un_image_array *s, int64_t row) {
    double sum = 0;
    for (int64_t c = 0; c < s->npy.dims[1]; ++c) sum += value_at(s, row, c);
    return sum;
}

bool un_npy_info_short(const struct un_image_arrays *arrays, int64_t regions) {
    const struct un_image_array *s = soft_of(arrays);
    for (int64_t i = 0; s && i < regions && i < s->npy.dims[0]; ++i)
        if (sum_of(s, i) < 1 - tolerance) return true;
    return false;
}

enum un_status un_npy_info_widen(struct un_npy_info *info, struct un_image_arrays *arrays) {
    const struct un_image_array *s = soft_of(arrays);
    if (!s) return UN_OK;
    const int64_t n = s->npy.dims[0], classes = s->npy.dims[1];
    info->soft = un_alloc((size_t)(n * (classes + 1)) + 1, sizeof *info->soft, "soft labels");
    if (!info->soft) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) {
        float *row = info->soft + i * (classes + 1);
        double rest = 1 - sum_of(s, i);
        row[0] = (float)(rest < 0 && rest > -tolerance ? 0 : rest);
        for (int64_t c = 0; c < classes; ++c) row[1 + c] = (float)value_at(s, i, c);
    }
    struct un_image_array *wide = arrays->role + UN_ARRAY_SOFT;
    wide->npy = (struct un_npy){UN_NPY_F32, 2, false, {n, classes + 1}, n * (classes + 1), 4};
    wide->data = info->soft;
    return UN_OK;
}
