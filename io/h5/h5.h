/* Checked HDF5: the only user of libhdf5. Files are hostile: everything is checked before it is read (class,
 * rank, size against the file's length, links, filters, storage). Messages name the file and the object.
 * Calls may come from several threads; one lock of ours lets one at a time into the library, thread-safe
 * build or not. */
#ifndef UN_IO_H5_H5_H
#define UN_IO_H5_H5_H

#include "io/disk/version.h"
#include "runtime/status.h"
#include "runtime/tensor.h"

struct un_h5;      /* an open file */
struct un_h5_data; /* an open dataset */

/* Read-only. Refuses: no regular file, not HDF5, file shorter than its superblock says, root attribute
 * `complete` absent or not 1 when need_complete. */
enum un_status un_h5_open(struct un_h5 **file, const char *path, bool need_complete);
/* How often a read that fails is tried (io/disk/patience.h); 3 when opened. NULL is nothing. */
void un_h5_set_tries(struct un_h5 *file, int tries);
/* A new file; writes go to PATH.partial and un_h5_commit renames (fsync file and folder). */
enum un_status un_h5_create(struct un_h5 **file, const char *path);
/* Writes attribute complete=1, flushes, fsyncs, renames PATH.partial to PATH. */
enum un_status un_h5_commit(struct un_h5 *file);
/* A new file that others write to, by un_h5_raw_offset, and that is finished later, perhaps by another
 * process: closes it and leaves PATH.partial, durable. A file that cannot be written is removed. */
enum un_status un_h5_set_aside(struct un_h5 *file);
/* Opens PATH.partial again, to be committed or removed. Checked like a file for reading. */
enum un_status un_h5_take_up(struct un_h5 **file, const char *path);
/* Closes; an uncommitted new file is removed. */
void un_h5_close(struct un_h5 *file);
const char *un_h5_path(const struct un_h5 *file);
/* The file as it was opened for reading. What is read of another version is UN_IO, here and in io/h5/column.h. */
const struct un_version *un_h5_version(const struct un_h5 *file);

/* Attributes of the root (object "" or "/") or of a group or dataset. */
enum un_status un_h5_attr_i64(struct un_h5 *f, const char *object, const char *name, int64_t *value);
enum un_status un_h5_attr_f64(struct un_h5 *f, const char *object, const char *name, double *value);
enum un_status un_h5_attr_text(struct un_h5 *f, const char *object, const char *name, char *text,
                               size_t size);
enum un_status un_h5_has_attr(struct un_h5 *f, const char *object, const char *name, bool *has);
enum un_status un_h5_put_attr_i64(struct un_h5 *f, const char *object, const char *name, int64_t value);
enum un_status un_h5_put_attr_f64(struct un_h5 *f, const char *object, const char *name, double value);
enum un_status un_h5_put_attr_text(struct un_h5 *f, const char *object, const char *name, const char *text);

/* Does the object exist as a hard link inside this file? External and soft links count as absent, with an
 * error from un_h5_data_open. */
bool un_h5_exists(struct un_h5 *f, const char *name);
/* Does a link of any kind stand there? For optional datasets: opening tells whether it is a good one. */
bool un_h5_has_link(struct un_h5 *f, const char *name);
/* Names of the direct children of a group, sorted; freed by un_h5_names_free. */
enum un_status un_h5_names(struct un_h5 *f, const char *group, char ***names, int64_t *n);
void un_h5_names_free(char **names, int64_t n);

enum un_h5_class { UN_H5_FLOAT, UN_H5_INT, UN_H5_TEXT };
struct un_h5_shape {
    int rank; /* 0, 1 or 2; 3 when folded */
    int64_t dims[2];
    enum un_h5_class class_;
    int64_t element_bytes; /* text: the fixed length; 0 for variable-length text */
};
/* Opens a dataset; refuses external links and storage, unknown filters (only none, deflate, shuffle,
 * fletcher32), rank > 2, contiguous data that lies outside the file. */
enum un_status un_h5_data_open(struct un_h5 *f, const char *name, struct un_h5_data **data,
                               struct un_h5_shape *shape);
/* The same, and rank 3 too: [n,k,f] counts as n rows of k * f elements; *inner: f, 0 for lower ranks. */
enum un_status un_h5_data_open_folded(struct un_h5 *f, const char *name, struct un_h5_data **data,
                                      struct un_h5_shape *shape, int64_t *inner);
void un_h5_data_close(struct un_h5_data *data);
/* Rows [first, first+count) converted to `type` in memory (F16 <-> F32 too; int class to I32/I64/U8). rank
 * 0/1: row = element. */
enum un_status un_h5_read_rows(struct un_h5_data *d, int64_t first, int64_t count, enum un_type type,
                               void *out);
/* Whole dataset at once, freshly allocated (un_free). */
enum un_status un_h5_read_all(struct un_h5 *f, const char *name, enum un_type type, struct un_h5_shape *shape,
                              void **out);
/* Fixed- or variable-length text: n strings, each copied NUL-terminated into a stride-wide cell of *cells
 * (un_free). */
enum un_status un_h5_read_texts(struct un_h5 *f, const char *name, int64_t *n, int64_t *stride, char **cells);
/* Byte offset in the file if the dataset is contiguous, unfiltered and its stored type is `type`, little
 * endian, so that pread (pwrite in a new file) may move rows; else -1. */
int64_t un_h5_raw_offset(struct un_h5_data *d, enum un_type type);

/* Creates a contiguous dataset [rows] (cols 0) or [rows, cols] of `type`. Parent groups are made as needed. */
enum un_status un_h5_data_create(struct un_h5 *f, const char *name, enum un_type type, int64_t rows,
                                 int64_t cols, struct un_h5_data **data);
/* Fixed-length text [n] from n cells of `stride` bytes (NUL-padded). */
enum un_status un_h5_write_texts(struct un_h5 *f, const char *name, int64_t n, int64_t stride,
                                 const char *cells);
/* The same piece by piece: a dataset of n texts of `stride` bytes, and the cells of rows [first,
 * first+count). */
enum un_status un_h5_texts_create(struct un_h5 *f, const char *name, int64_t n, int64_t stride,
                                  struct un_h5_data **data);
enum un_status un_h5_texts_write(struct un_h5_data *d, int64_t first, int64_t count, const char *cells);
enum un_status un_h5_write_rows(struct un_h5_data *d, int64_t first, int64_t count, enum un_type type,
                                const void *in);
enum un_status un_h5_write_all(struct un_h5 *f, const char *name, enum un_type type, int64_t rows,
                               int64_t cols, const void *in);

#endif
