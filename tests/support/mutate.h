/* Changes made to a good file behind the back of io/h5, with HDF5 itself or byte by byte. Failing fails the
 * test. */
#ifndef UN_TESTS_SUPPORT_MUTATE_H
#define UN_TESTS_SUPPORT_MUTATE_H

#include <hdf5.h>
#include <stdint.h>

/* For changing; closed by H5Fclose. */
hid_t mutate_open(const char *path);
hid_t mutate_half_type(void);
/* The dataset's values again, as `type`, chunked by `rows` (0: contiguous) and with deflate, shuffle and
 * fletcher32 if packed. */
void mutate_restore(const char *path, const char *name, hid_t type, hsize_t rows, int packed);
/* The same fixed-length texts as variable-length ones. */
void mutate_variable_texts(const char *path, const char *name);
void mutate_delete(const char *path, const char *name);
void mutate_delete_attr(const char *path, const char *name);
void mutate_set_attr(const char *path, const char *name, int64_t value);
/* One element of a 1-d integer dataset, or element (row, column) of a 2-d floating-point one. */
void mutate_set_int(const char *path, const char *name, int64_t row, int64_t value);
void mutate_set_float(const char *path, const char *name, int64_t row, int64_t column, double value);

void mutate_copy(const char *to, const char *from);
void mutate_truncate(const char *path, int64_t bytes);
int64_t mutate_bytes(const char *path);
void mutate_flip(const char *path, int64_t bit);

#endif
