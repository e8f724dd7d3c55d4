/* A pickle of plain data, read strictly: dicts, lists, tuples, texts, bytes, numbers, booleans, None, in
 * protocols 0 to 4. Whatever would name a class, call something or set state is refused by its opcode's name
 * and offset, so nothing in a file is ever run. Source: CPython's pickletools.py (opcode table).
 *
 * Where arrays are expected, six names stand for what is made here of plain data, and no other: numpy's ndarray and dtype,
 * and _reconstruct and scalar of numpy.core.multiarray (of NumPy 2: numpy._core.multiarray). */
#ifndef UN_IO_CONVERT_FORMAT_PICKLE_H
#define UN_IO_CONVERT_FORMAT_PICKLE_H

#include "io/convert/format/npy.h"

/* bytes of a file; values in it; containers within containers */
enum { UN_PICKLE_BYTES_MAX = 1 << 27, UN_PICKLE_VALUES_MAX = 1 << 24, UN_PICKLE_DEPTH_MAX = 32 };

enum un_pickle_kind {
    UN_PICKLE_NONE,
    UN_PICKLE_BOOL,
    UN_PICKLE_INT, /* within int64 */
    UN_PICKLE_FLOAT,
    UN_PICKLE_TEXT, /* str, and Python 2's str and bytes; NUL-terminated too */
    UN_PICKLE_LIST,
    UN_PICKLE_TUPLE,
    UN_PICKLE_DICT,
    UN_PICKLE_ARRAY, /* of NumPy; a scalar has rank 0 */
    UN_PICKLE_NAME,  /* one of the six names, and a dtype: of no use to a reader */
    UN_PICKLE_TYPE
};
/* data: [npy.items] of npy.item_bytes; NULL: OBJECT and OTHER. objects: a list of npy.items; NULL unless OBJECT. */
struct un_pickle_array {
    struct un_npy npy;
    const void *data;
    const struct un_pickle_value *objects;
};
/* A value may stand at several places; there are no circles. */
struct un_pickle_value {
    uint8_t kind; /* enum un_pickle_kind */
    uint8_t depth;
    bool closed; /* used by others: changes no more */
    uint32_t n;  /* bytes, elements, pairs */
    union {
        int64_t number; /* BOOL, INT */
        double real;
        const char *text;
        const struct un_pickle_value **item; /* [n]; of a dict [2n]: key, value, key, ... */
        struct un_pickle_array *array;       /* ARRAY; of TYPE its npy's type and item_bytes */
    } is;
};

struct un_pickle;
/* UN_IO; UN_DATA with file and offset. The values live as long as the pickle. */
enum un_status un_pickle_open(struct un_pickle **pickle, const char *path);
/* The same from memory; `name` stands for the file. */
enum un_status un_pickle_parse(struct un_pickle **pickle, const char *name, const void *bytes, size_t n);
/* The same with NumPy's arrays among the data. */
enum un_status un_pickle_parse_arrays(struct un_pickle **pickle, const char *name, const void *bytes,
                                      size_t n);
void un_pickle_close(struct un_pickle *pickle);
const struct un_pickle_value *un_pickle_top(const struct un_pickle *pickle);

/* The value of a text key, NULL when there is none or `dict` is no dict; *twice: it stands there more than
 * once (the last one is returned). */
const struct un_pickle_value *un_pickle_member(const struct un_pickle_value *dict, const char *key,
                                               bool *twice);

#endif
