/* The histories of fp8 in manifest.json: written where there are some, read where they stand. */
#include "io/checkpoint/manifest.h"
#include "io/checkpoint/manifest_private.h"
#include "runtime/memory.h"
#include <inttypes.h>

enum { TENSORS_MOST = 1 << 16, LENGTH_MOST = 1 << 16 };
static const uint32_t largest = 0x7F7FFFFFu; /* of finite numbers, as bits of f32 */

static enum un_status broken(const char *path, const char *what) {
    return un_fail(UN_DATA, "%s: amax: %s", path, what);
}

json_t *un_manifest_amax_row(const struct un_manifest *m, int64_t tensor) {
    const struct un_fp8_history *h = &m->fp8;
    json_t *list = json_array();
    int failed = list ? 0 : -1;
    for (int64_t i = 0; i < h->length && !failed; ++i)
        failed = json_array_append_new(list, json_integer(h->amax[tensor * h->length + i]));
    if (!failed) return list;
    json_decref(list);
    return NULL;
}

static enum un_status parse_row(const char *path, const json_t *row, struct un_fp8_history *h,
                                int64_t tensor) {
    if (!json_is_array(row) || json_array_size(row) != (size_t)h->length)
        return broken(path, "its rows are not of one length");
    for (int64_t i = 0; i < h->length; ++i) {
        const json_t *v = json_array_get(row, (size_t)i);
        const json_int_t value = json_integer_value(v);
        if (!json_is_integer(v) || value < 0 || value > (json_int_t)largest)
            return broken(path, "a value that is not the bits of a finite number");
        h->amax[tensor * h->length + i] = (uint32_t)value;
    }
    return UN_OK;
}

enum un_status un_manifest_amax_parse(const json_t *root, const char *path, struct un_manifest *m) {
    const json_t *rows = json_object_get(root, "amax"), *filled = json_object_get(root, "amax_updates");
    struct un_fp8_history *h = &m->fp8;
    if (!rows && !filled) return UN_OK;
    if (!json_is_array(rows) || json_array_size(rows) < 1 || json_array_size(rows) > TENSORS_MOST)
        return broken(path, "not an array of rows");
    if (!json_is_integer(filled) || json_integer_value(filled) < 0 || json_integer_value(filled) > m->step)
        return broken(path, "amax_updates is not a number of updates up to step");
    const size_t length = json_array_size(json_array_get(rows, 0)); /* 0 of what is no array */
    if (length < 1 || length > LENGTH_MOST) return broken(path, "its rows are empty or too long");
    *h = (struct un_fp8_history){(int64_t)json_array_size(rows), (int64_t)length,
                                 (int64_t)json_integer_value(filled), NULL};
    h->amax = un_alloc((size_t)(h->tensors * h->length), sizeof *h->amax, "histories of fp8");
    if (!h->amax) return UN_MEMORY;
    for (int64_t t = 0; t < h->tensors; ++t) UN_TRY(parse_row(path, json_array_get(rows, (size_t)t), h, t));
    return UN_OK;
}
