/* NumPy's .npy (versions 1 to 3) and .npz (a zip of them), read strictly. Nothing is ever unpickled: an
 * array of objects is known by its type and its values are left alone. */
#ifndef UN_IO_CONVERT_FORMAT_NPY_H
#define UN_IO_CONVERT_FORMAT_NPY_H

#include "runtime/status.h"

enum un_npy_type {
    UN_NPY_F16,
    UN_NPY_F32,
    UN_NPY_F64,
    UN_NPY_I32,
    UN_NPY_I64,
    UN_NPY_U8,
    UN_NPY_BOOL,
    UN_NPY_TEXT,   /* <U, |S */
    UN_NPY_OBJECT, /* pickled */
    UN_NPY_OTHER   /* a plain type that no data here has; its values are not read */
};
enum { UN_NPY_RANK = 4 };

/* Little-endian values, C order unless `fortran`. */
struct un_npy {
    enum un_npy_type type;
    int rank;
    bool fortran; /* rank 2 or more, and it matters */
    int64_t dims[UN_NPY_RANK], items;
    int64_t item_bytes; /* 0: OBJECT, OTHER */
};

/* '<f2' '|b1' ... as NumPy writes types; false: no such type (big-endian ones too). */
bool un_npy_type(struct un_npy *npy, const char *text, size_t bytes);
/* dims -> items; false: negative, or more than 2^40 items. */
bool un_npy_count(struct un_npy *npy);
double un_npy_number(const struct un_npy *npy, const void *data, int64_t i);

enum { UN_NPY_HEADER_MAX = 4096 };
/* The header that `data` starts with; *header: its length with the magic, UN_DATA when there is none or it is
 * longer than UN_NPY_HEADER_MAX. */
enum un_status un_npy_header(struct un_npy *npy, const char *where, const void *data, size_t bytes,
                             size_t *header);

struct un_npz;
struct un_npz_member {
    char name[64]; /* without .npy */
    struct un_npy npy;
    int64_t index;       /* in the zip */
    int64_t bytes, head; /* of the whole member, of its header */
};
/* From a file, or from memory that outlives it (`where` for messages). UN_IO, UN_DATA. */
enum un_status un_npz_open(struct un_npz **npz, const char *path);
enum un_status un_npz_open_memory(struct un_npz **npz, const char *where, const void *data, size_t bytes);
void un_npz_close(struct un_npz *npz); /* NULL allowed */
int64_t un_npz_members(const struct un_npz *npz);
/* The name of member i (without .npy), or NULL when it is not an .npy. */
const char *un_npz_name(struct un_npz *npz, int64_t i, char name[64]);
/* Reads the header of member i. UN_DATA also when its size is not what header and compression allow. */
enum un_status un_npz_member(struct un_npz *npz, int64_t i, struct un_npz_member *member);
/* The values: member->bytes - member->head bytes. */
enum un_status un_npz_read(struct un_npz *npz, const struct un_npz_member *member, void *out);

#endif
