/* Headers of .npy: magic, version, length, then a Python dict with exactly descr, fortran_order and shape. */
#include "io/convert/format/npy.h"
#include "runtime/half.h"

#include <string.h>

enum { TEXT_MOST = 1 << 20 };
static const int64_t items_most = (int64_t)1 << 40;

bool un_npy_type(struct un_npy *npy, const char *text, size_t bytes) {
    static const struct {
        char text[4];
        enum un_npy_type type;
        int bytes;
    } types[] = {{"<f2", UN_NPY_F16, 2}, {"<f4", UN_NPY_F32, 4}, {"<f8", UN_NPY_F64, 8},
                 {"<i4", UN_NPY_I32, 4}, {"<i8", UN_NPY_I64, 8}, {"|u1", UN_NPY_U8, 1},
                 {"|b1", UN_NPY_BOOL, 1}};
    npy->item_bytes = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; ++i)
        if (bytes == 3 && memcmp(text, types[i].text, 3) == 0) {
            npy->type = types[i].type;
            npy->item_bytes = types[i].bytes;
            return true;
        }
    npy->type = UN_NPY_OBJECT;
    if (bytes == 2 && memcmp(text, "|O", 2) == 0) return true;
    npy->type = UN_NPY_OTHER;
    if (bytes < 3 || !strchr("<|=", text[0]) || !strchr("iufcbSUmMV", text[1])) return false;
    int64_t width = 0;
    for (size_t i = 2; i < bytes; ++i) {
        if (text[i] < '0' || text[i] > '9' || width > TEXT_MOST)
            return text[1] == 'm' || text[1] == 'M'; /* dates: a unit in brackets */
        width = 10 * width + (text[i] - '0');
    }
    if (text[1] != 'U' && text[1] != 'S') return true;
    npy->type = UN_NPY_TEXT;
    npy->item_bytes = text[1] == 'U' ? 4 * width : width;
    return true;
}

bool un_npy_count(struct un_npy *npy) {
    npy->items = 1;
    for (int i = 0; i < npy->rank; ++i) {
        int64_t d = npy->dims[i];
        if (d < 0 || (d > 0 && npy->items > items_most / d)) return false;
        npy->items *= d;
    }
    return npy->item_bytes == 0 || npy->items <= items_most / npy->item_bytes;
}

double un_npy_number(const struct un_npy *npy, const void *data, int64_t i) {
    const unsigned char *at = (const unsigned char *)data + i * npy->item_bytes;
    uint16_t half;
    float single;
    double value;
    int32_t small;
    int64_t large;
    switch (npy->type) {
    case UN_NPY_F16: memcpy(&half, at, 2); return (double)un_half_to(half);
    case UN_NPY_F32: memcpy(&single, at, 4); return (double)single;
    case UN_NPY_F64: memcpy(&value, at, 8); return value;
    case UN_NPY_I32: memcpy(&small, at, 4); return (double)small;
    case UN_NPY_I64: memcpy(&large, at, 8); return (double)large;
    case UN_NPY_U8:
    case UN_NPY_BOOL: return (double)*at;
    case UN_NPY_TEXT:
    case UN_NPY_OBJECT:
    case UN_NPY_OTHER: break;
    }
    return 0;
}

/* What is left of a header. */
struct text {
    const char *at, *end;
};

static bool take(struct text *t, const char *word) {
    size_t n = strlen(word);
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n')) ++t->at;
    if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0) return false;
    t->at += n;
    return true;
}

static bool take_quoted(struct text *t, const char **word, size_t *bytes) {
    if (!take(t, "'")) return false;
    const char *end = memchr(t->at, '\'', (size_t)(t->end - t->at));
    if (!end) return false;
    *word = t->at;
    *bytes = (size_t)(end - t->at);
    t->at = end + 1;
    return true;
}

static bool take_shape(struct text *t, struct un_npy *npy) {
    if (!take(t, "(")) return false;
    for (npy->rank = 0; !take(t, ")"); ++npy->rank) {
        int64_t value = 0;
        const char *first;
        if (npy->rank == UN_NPY_RANK || (take(t, ""), first = t->at, t->at == t->end)) return false;
        for (; t->at < t->end && *t->at >= '0' && *t->at <= '9' && value < items_most; ++t->at)
            value = 10 * value + (*t->at - '0');
        if (t->at == first) return false;
        npy->dims[npy->rank] = value;
        if (take(t, ",")) continue;
        if (npy->rank == 0 || !take(t, ")")) return false; /* (3) is a number, (3,) a shape */
        ++npy->rank;
        break;
    }
    return true;
}

/* A structured type, a list of fields: skipped to its closing bracket. */
static bool take_fields(struct text *t) {
    int depth = 0;
    if (!take(t, "[")) return false;
    for (depth = 1; t->at < t->end && depth > 0; ++t->at) depth += *t->at == '[' ? 1 : *t->at == ']' ? -1 : 0;
    return depth == 0;
}

static bool take_entry(struct text *t, struct un_npy *npy, unsigned *seen) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    const char *word;
    size_t bytes;
    unsigned key = 0;
    if (!take_quoted(t, &word, &bytes)) return false;
    while (key < 3 && !(strlen(keys[key]) == bytes && memcmp(keys[key], word, bytes) == 0)) ++key;
    if (key == 3 || (*seen >> key & 1) || !take(t, ":")) return false;
    *seen |= 1u << key;
    if (key == 2) return take_shape(t, npy);
    if (key == 1) {
        npy->fortran = take(t, "True");
        return npy->fortran || take(t, "False");
    }
    if (take_quoted(t, &word, &bytes)) return un_npy_type(npy, word, bytes);
    npy->type = UN_NPY_OTHER;
    npy->item_bytes = 0;
    return take_fields(t);
}

static bool take_dict(struct text *t, struct un_npy *npy) {
    unsigned seen = 0;
    if (!take(t, "{")) return false;
    while (!take(t, "}"))
        if (!take_entry(t, npy, &seen) || (!take(t, ",") && (t->at == t->end || *t->at != '}'))) return false;
    return seen == 7 && (take(t, ""), t->at == t->end);
}

enum un_status un_npy_header(struct un_npy *npy, const char *where, const void *data, size_t bytes,
                             size_t *header) {
    const unsigned char *d = data;
    *npy = (struct un_npy){0};
    if (bytes < 10 || memcmp(d, "\x93NUMPY", 6) != 0) return un_fail(UN_DATA, "%s: not an .npy array", where);
    if (d[6] < 1 || d[6] > 3 || d[7] != 0)
        return un_fail(UN_DATA, "%s: .npy version %d.%d, not 1.0 to 3.0", where, d[6], d[7]);
    size_t start = d[6] == 1 ? 10 : 12, length = d[8] | (size_t)d[9] << 8;
    if (d[6] > 1 && bytes >= 12) length |= (size_t)d[10] << 16 | (size_t)d[11] << 24;
    if (length > UN_NPY_HEADER_MAX - start)
        return un_fail(UN_DATA, "%s: an .npy header of %zu bytes", where, length);
    if (start + length > bytes) return un_fail(UN_DATA, "%s: its .npy header is cut short", where);
    *header = start + length;
    struct text t = {(const char *)d + start, (const char *)d + start + length};
    if (!take_dict(&t, npy)) {
        bool big = memmem(d + start, length, "'>", 2);
        return un_fail(UN_DATA, "%s: %s: %.*s", where,
                       big ? "big-endian numbers, .astype(\"<f4\") makes ones that are read"
                           : "bad .npy header",
                       (int)(length < 200 ? length : 200), (const char *)d + start);
    }
    if (!un_npy_count(npy)) return un_fail(UN_DATA, "%s: its .npy header says too many items", where);
    npy->fortran = npy->fortran && npy->rank > 1;
    return UN_OK;
}
