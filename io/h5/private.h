/* What the files of io/h5 share and nobody else sees: handles, the lock, HDF5's messages, object look-up. */
#ifndef UN_IO_H5_PRIVATE_H
#define UN_IO_H5_PRIVATE_H

#include "io/h5/h5.h"
#include <hdf5.h>

struct un_h5 {
    hid_t id;                  /* -1 once committed */
    int fd;                    /* the one descriptor, of the driver too */
    char *path;                /* the final name */
    char *partial;             /* written under this name until committed; NULL for reading */
    int64_t bytes;             /* the file's length */
    int64_t metadata_left;     /* bytes of metadata that the present call may still read */
    int io_errno;              /* first failure of the system, 0: none */
    bool changed;              /* somebody writes over what is read */
    struct un_version version; /* for reading */
    int tries;                 /* of a read that fails */
    bool texts;                /* variable-length texts are being read */
    bool dropped;              /* nothing more is written: the file will be removed */
};

struct un_h5_data {
    struct un_h5 *file; /* borrowed: outlives the dataset */
    char *name;
    hid_t id, type; /* type as stored */
    struct un_h5_shape shape;
    int64_t inner;  /* rank 3, folded: the last extent; else 0 */
    int64_t offset; /* in the file when contiguous, else -1 */
};

/* Deflate cannot pack more than about 1032 bytes into one, so a dataset larger than this factor times its
 * file lies. */
enum { UN_H5_INFLATE_MAX = 1100, UN_H5_TEXT_MAX = 4096, UN_H5_NAME_MAX = 512 };

/* One lock around every call into the library: only some builds of HDF5 are thread-safe, and those hold a
 * lock of their own anyway. Recursive, released at the end of the scope. */
#define UN_H5_LOCKED __attribute__((cleanup(un_h5_unlock))) int un_h5_locked_ = un_h5_lock()
int un_h5_lock(void);
void un_h5_unlock(int *locked);

/* A file that is not open yet; write: it has a partial name. *file may be set even on failure. */
enum un_status un_h5_new(struct un_h5 **file, const char *path, bool write);
/* Opens the file through the driver; the caller closes the list. */
hid_t un_h5_access_list(struct un_h5 *file);
/* Metadata reads of one call are bounded by a multiple of the file's length: a structure that leads in
 * circles ends. */
static inline void un_h5_refill(struct un_h5 *file) {
    file->metadata_left = 4 * file->bytes + (1 << 24);
}
/* UN_IO when a write has failed since the file was created; HDF5 does not know. */
enum un_status un_h5_written(const struct un_h5 *file, const char *object);

/* UN_DATA, or UN_IO when the system refused, as "PATH: OBJECT: what (innermost message of HDF5)". */
#define un_h5_error(file, object, ...) un_h5_error_at(__FILE__, __LINE__, (file), (object), __VA_ARGS__)
enum un_status un_h5_error_at(const char *source, int line, const struct un_h5 *file, const char *object,
                              const char *format, ...) __attribute__((format(printf, 5, 6)));

enum un_h5_link { UN_H5_ABSENT, UN_H5_HARD, UN_H5_FOREIGN };
/* Follows `name` link by link without opening anything behind a soft or an external link. What lies behind a
 * group with a broken header is absent. */
enum un_h5_link un_h5_link(struct un_h5 *file, const char *name);
/* Opens the object behind hard links ("" and "/": the root). Closed by H5Oclose. */
enum un_status un_h5_object(struct un_h5 *file, const char *name, hid_t *object);

/* Must stand before any look at the attributes of an object from a file. */
enum un_status un_h5_check_attributes(struct un_h5 *file, const char *name, hid_t object);

/* The sizes in the object header at `address` hold together and lie inside the file; `object` for messages. */
enum un_status un_h5_check_header(struct un_h5 *file, const char *object, uint64_t address);

/* Must stand before an object of a file behind a hard link is opened. */
enum un_status un_h5_check_filters(struct un_h5 *file, const char *object);

/* Does the collection of the global heap at `address`, whose first 16 bytes are `head`, hold together? */
bool un_h5_heap_fits(const struct un_h5 *file, uint64_t address, const unsigned char *head);
/* Does the local heap with this head (32 bytes), which holds a group's names, lie inside the file? */
bool un_h5_names_fit(const struct un_h5 *file, const unsigned char *head);
/* References to variable-length texts as they stand in the file (length, collection, index), checked against
 * the collections they name. */
enum { UN_H5_REFERENCE = 16 };
struct un_h5_heap;
enum un_status un_h5_heap_open(struct un_h5_heap **heap, const struct un_h5 *file);
void un_h5_heap_close(struct un_h5_heap *heap);
/* The first of n references that names no object of exactly its length, -1: none. */
int64_t un_h5_heap_find_bad(struct un_h5_heap *heap, const unsigned char *references, int64_t n);

/* Memory type; the caller closes it. < 0 for types HDF5 files do not hold. */
hid_t un_h5_memory_type(enum un_type type);
/* Which of un_type is stored, little endian, exactly; -1: another type. */
int un_h5_stored_type(hid_t type);
/* The type of a dataset or an attribute: known class and exact layout, not committed. text_bytes: 0 for
 * variable length. */
enum un_status un_h5_type_class(const struct un_h5 *file, const char *object, hid_t type,
                                enum un_h5_class *class_, int64_t *element_bytes);
/* [first, first+count) must lie inside the dataset. */
enum un_status un_h5_check_rows(const struct un_h5_data *d, int64_t first, int64_t count);
/* Rows of the file's dataspace [first, first+count) and the matching memory space; the caller closes both. */
enum un_status un_h5_select(const struct un_h5_data *d, int64_t first, int64_t count, hid_t *file_space,
                            hid_t *memory_space);
/* Transfer list under which a number that does not fit the type it goes to is an error, told in *misfit. */
hid_t un_h5_strict_transfer(bool *misfit);
/* What failed: "VERB rows [first, +count)", or that a number there does not fit `type`. */
enum un_status un_h5_transfer_error(const struct un_h5_data *d, const char *verb, int64_t first,
                                    int64_t count, hid_t type, bool misfit);

enum { UN_H5_HALF_BLOCK = 1 << 15 }; /* elements narrowed at a time */
/* n elements, those of rows from `row` on, to halves: round to nearest even; a finite value too large for 16 bits is an error
 * like any number that does not fit. */
enum un_status un_h5_narrow(const struct un_h5_data *d, int64_t row, const float *in, uint16_t *out,
                            int64_t n);

#endif
