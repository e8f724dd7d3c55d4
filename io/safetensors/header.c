/* The header of a safetensors file. The text is scanned for its number of values and its depth before the
 * JSON library sees it, so that neither memory nor recursion depend on what a hostile file says. */
#include "io/disk/json.h"
#include "io/safetensors/private.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 3, VALUES_MAX = 16 * UN_ST_TENSORS_MAX };

static const struct dtype {
    const char *name;
    enum un_st_type type;
    int bytes;
} dtypes[] = {
    {"F32", UN_ST_F32, 4},       {"F16", UN_ST_F16, 2},       {"BF16", UN_ST_BF16, 2},
    {"F64", UN_ST_F64, 8},       {"I64", UN_ST_OTHER, 8},     {"I32", UN_ST_OTHER, 4},
    {"I16", UN_ST_OTHER, 2},     {"I8", UN_ST_OTHER, 1},      {"U64", UN_ST_OTHER, 8},
    {"U32", UN_ST_OTHER, 4},     {"U16", UN_ST_OTHER, 2},     {"U8", UN_ST_OTHER, 1},
    {"BOOL", UN_ST_OTHER, 1},    {"F8_E4M3", UN_ST_OTHER, 1}, {"F8_E5M2", UN_ST_OTHER, 1},
    {"F8_E8M0", UN_ST_OTHER, 1}, {"C64", UN_ST_OTHER, 8},
};

/* Values (one after each comma, colon or opening) and depth, outside of strings. */
static enum un_status scan(const char *path, const char *text, size_t bytes) {
    int64_t values = 0, depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < bytes; ++i) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') ++i;
            in_string = c != '"';
            continue;
        }
        in_string = c == '"';
        values += c == ',' || c == '[' || c == '{';
        depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        if (depth > DEPTH_MAX)
            return un_fail(UN_DATA, "%s: header, byte %zu: nested deeper than a header can be", path, i);
        if (values > VALUES_MAX) return un_fail(UN_DATA, "%s: header: more than %d values", path, VALUES_MAX);
    }
    return UN_OK;
}

static bool plain_name(const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < length; ++i)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F) return false;
    return length > 0 && length <= UN_ST_NAME_MAX;
}

static enum un_status bad(const struct un_st_opened *f, const struct un_st_tensor *t, const char *what) {
    return un_fail(UN_DATA, "%s: tensor %s: %s", f->path, t->name, what);
}

static enum un_status take_type(const struct un_st_opened *f, struct un_st_tensor *t, const json_t *object,
                                int *bytes) {
    const json_t *v = json_object_get(object, "dtype");
    if (!json_is_string(v)) return bad(f, t, "dtype: not a string");
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; ++i) {
        if (strcmp(dtypes[i].name, json_string_value(v)) != 0) continue;
        t->type = dtypes[i].type;
        t->type_name = dtypes[i].name;
        *bytes = dtypes[i].bytes;
        return UN_OK;
    }
    return un_fail(UN_DATA, "%s: tensor %s: dtype: \"%.40s\" is not known", f->path, t->name,
                   plain_name(json_string_value(v)) ? json_string_value(v) : "?");
}

static enum un_status take_shape(const struct un_st_opened *f, struct un_st_tensor *t, const json_t *object,
                                 int element_bytes) {
    const json_t *shape = json_object_get(object, "shape");
    if (!json_is_array(shape)) return bad(f, t, "shape: not an array");
    if (json_array_size(shape) > UN_ST_RANK_MAX)
        return un_fail(UN_DATA, "%s: tensor %s: shape: %zu axes, at most %d are read", f->path, t->name,
                       json_array_size(shape), UN_ST_RANK_MAX);
    t->rank = (int)json_array_size(shape);
    t->count = 1;
    for (int d = 0; d < t->rank; ++d) {
        const json_t *v = json_array_get(shape, (size_t)d);
        t->shape[d] = json_integer_value(v);
        if (!json_is_integer(v) || t->shape[d] < 0) return bad(f, t, "shape: a size is not a whole number");
        if (__builtin_mul_overflow(t->count, t->shape[d], &t->count))
            return bad(f, t, "shape: the product of the sizes overflows");
    }
    if (__builtin_mul_overflow(t->count, element_bytes, &t->bytes))
        return bad(f, t, "shape: the product of the sizes overflows");
    return UN_OK;
}

static enum un_status take_offsets(const struct un_st_opened *f, struct un_st_tensor *t, const json_t *object,
                                   int64_t data_bytes) {
    const json_t *pair = json_object_get(object, "data_offsets");
    const json_t *v0 = json_array_get(pair, 0), *v1 = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_integer(v0) || !json_is_integer(v1))
        return bad(f, t, "data_offsets: not two whole numbers");
    int64_t begin = json_integer_value(v0), end = json_integer_value(v1);
    if (begin < 0 || end < begin)
        return un_fail(UN_DATA, "%s: tensor %s: data_offsets: [%" PRId64 ", %" PRId64 "] run backwards",
                       f->path, t->name, begin, end);
    if (end > data_bytes)
        return un_fail(UN_DATA,
                       "%s: tensor %s: data_offsets: [%" PRId64 ", %" PRId64 "] end beyond the %" PRId64
                       " bytes of data in the file",
                       f->path, t->name, begin, end, data_bytes);
    if (end - begin != t->bytes)
        return un_fail(UN_DATA,
                       "%s: tensor %s: data_offsets: %" PRId64 " bytes, but shape and dtype need %" PRId64,
                       f->path, t->name, end - begin, t->bytes);
    t->at = begin;
    return UN_OK;
}

static enum un_status take_tensor(struct un_st_opened *f, const char *name, const json_t *object,
                                  int64_t data_bytes) {
    struct un_st_tensor *t = &f->list[f->file.n];
    int element_bytes = 0;
    *t = (struct un_st_tensor){.name = name};
    if (!plain_name(name))
        return un_fail(UN_DATA,
                       "%s: header: tensor %" PRId64
                       ": its name is empty, longer than %d bytes, or not printable",
                       f->path, f->file.n, UN_ST_NAME_MAX);
    if (!json_is_object(object)) return bad(f, t, "not an object of dtype, shape and data_offsets");
    UN_TRY(take_type(f, t, object, &element_bytes));
    UN_TRY(take_shape(f, t, object, element_bytes));
    UN_TRY(take_offsets(f, t, object, data_bytes));
    ++f->file.n;
    return UN_OK;
}

static enum un_status take_metadata(struct un_st_opened *f, json_t *object) {
    if (!json_is_object(object)) return un_fail(UN_DATA, "%s: __metadata__: not an object", f->path);
    f->pairs = un_alloc(json_object_size(object) + 1, sizeof *f->pairs, "metadata of a safetensors file");
    if (!f->pairs) return UN_MEMORY;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        const json_t *value = json_object_iter_value(i);
        if (!json_is_string(value))
            return un_fail(UN_DATA, "%s: __metadata__: a value is not a string", f->path);
        f->pairs[f->file.n_metadata++] =
            (struct un_st_pair){json_object_iter_key(i), json_string_value(value)};
    }
    return UN_OK;
}

static int by_place(const void *a, const void *b) {
    const struct un_st_tensor *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}
static int by_name(const void *a, const void *b) {
    return strcmp(((const struct un_st_tensor *)a)->name, ((const struct un_st_tensor *)b)->name);
}
static int by_key(const void *a, const void *b) {
    return strcmp(((const struct un_st_pair *)a)->key, ((const struct un_st_pair *)b)->key);
}

/* The tensors must cover the data from its first byte to its last, each byte once. Sorts the list by place. */
static enum un_status check_tiling(struct un_st_opened *f, int64_t data_bytes) {
    int64_t end = 0;
    if (f->file.n) qsort(f->list, (size_t)f->file.n, sizeof *f->list, by_place);
    for (int64_t i = 0; i < f->file.n; ++i) {
        const struct un_st_tensor *t = &f->list[i];
        if (t->at != end)
            return un_fail(UN_DATA, "%s: tensor %s: begins at byte %" PRId64 " of the data, %s %" PRId64,
                           f->path, t->name, t->at,
                           t->at < end ? "inside another that ends at" : "after a hole that begins at", end);
        end += t->bytes;
    }
    if (end == data_bytes) return UN_OK;
    return un_fail(UN_DATA, "%s: the tensors end at byte %" PRId64 " of the data, the file at %" PRId64,
                   f->path, end, data_bytes);
}

enum un_status un_safetensors_header(struct un_st_opened *f, const char *text, size_t bytes,
                                     int64_t data_begin, int64_t data_bytes) {
    json_error_t error;
    UN_TRY(scan(f->path, text, bytes));
    f->header = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!f->header)
        return un_fail(UN_DATA, "%s: header, byte %d: %s (jansson: %s)", f->path, error.position,
                       un_json_fault(&error), error.text);
    if (!json_is_object(f->header)) return un_fail(UN_DATA, "%s: header: not a JSON object", f->path);
    size_t n = json_object_size(f->header);
    if (n > UN_ST_TENSORS_MAX)
        return un_fail(UN_DATA, "%s: header: %zu tensors, at most %d are read", f->path, n,
                       UN_ST_TENSORS_MAX);
    f->list = un_alloc(n + 1, sizeof *f->list, "tensors of a safetensors file");
    if (!f->list) return UN_MEMORY;
    for (void *i = json_object_iter(f->header); i; i = json_object_iter_next(f->header, i)) {
        const char *name = json_object_iter_key(i);
        if (strcmp(name, "__metadata__") == 0)
            UN_TRY(take_metadata(f, json_object_iter_value(i)));
        else
            UN_TRY(take_tensor(f, name, json_object_iter_value(i), data_bytes));
    }
    UN_TRY(check_tiling(f, data_bytes));
    for (int64_t i = 0; i < f->file.n; ++i) f->list[i].at += data_begin;
    if (f->file.n) qsort(f->list, (size_t)f->file.n, sizeof *f->list, by_name);
    if (f->file.n_metadata) qsort(f->pairs, (size_t)f->file.n_metadata, sizeof *f->pairs, by_key);
    return UN_OK;
}
