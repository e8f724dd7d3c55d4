/* One dataset of a data file as a column of rows, checked at opening, read from many threads: by pread where
 * it lies in one piece in the type wanted, through HDF5 (one reader at a time) otherwise. */
#ifndef UN_IO_H5_COLUMN_H
#define UN_IO_H5_COLUMN_H

#include "io/h5/h5.h"

enum { UN_ANY = -1, UN_AS_STORED = -1 };

/* An open data file, for its columns. */
struct un_column_source {
    struct un_h5 *h5;
    const char *path;
    int fd;
};

/* What a column must be; rank 1 columns have width 1. UN_ANY: whatever it is. */
struct un_field {
    const char *name; /* a literal: columns keep it */
    enum un_h5_class class_;
    int rank;
    int64_t rows, width;
};

struct un_column {
    const char *path, *name; /* borrowed */
    bool present;
    enum un_type type;         /* in memory */
    int64_t rows, width;       /* elements of a row */
    int fd;                    /* borrowed */
    struct un_version version; /* of the file, which every read must find */
    int tries;                 /* of a read that fails; 3 when opened */
    int64_t at;                /* byte offset of row 0, -1: through HDF5 */
    struct un_h5_data *data;   /* NULL when `at` serves */
};

/* type: enum un_type, or UN_AS_STORED for a 16- or 32-bit float as it is. Before anything relies on it, pread
 * is compared with HDF5 on the first and the last row. */
enum un_status un_column_open(struct un_column *column, const struct un_column_source *source,
                              const struct un_field *field, int type);
void un_column_close(struct un_column *column);
/* Rows [first, first + count). Thread-safe. UN_IO with file and row when the system fails or the file ends,
 * after column->tries attempts; UN_IO when somebody has written to the file since it was opened. */
enum un_status un_column_read(const struct un_column *column, int64_t first, int64_t count, void *out);

/* Tells the system that these rows will soon be read; never fails. */
void un_column_expect(const struct un_column *column, int64_t first, int64_t count);

/* A whole dataset as it must be; un_free, also after an error (NULL or not). */
enum un_status un_column_whole(const struct un_column_source *source, const struct un_field *field,
                               enum un_type type, void **values);
/* A whole dataset of offsets [n + 1] that starts at 0, never falls and ends at `total`, the rows of `of`;
 * un_free. */
enum un_status un_column_offsets(const struct un_column_source *source, const char *name, int64_t n,
                                 const char *of, int64_t total, int64_t **offset);
/* A whole dataset of ids, none empty: n cells of `stride` bytes; un_free. */
enum un_status un_column_ids(const struct un_column_source *source, const char *name, int64_t *n,
                             int64_t *stride, char **ids);

#endif
