/* Datasets for reading: types, layout and extents are checked at opening, so that a read can only fail in the
 * system.
 *
 * 16-bit floats are converted here (runtime/half.h), everything else by HDF5; equal types are copied. */
#include "io/h5/private.h"
#include "runtime/half.h"
#include "runtime/memory.h"
#include <string.h>

enum { CACHE_LEAST = 1 << 20, CACHE_MOST = 1 << 27, CACHE_SLOTS = 12421 }; /* bytes, bytes, a prime */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "raw reads take the file's byte order for the machine's");

/* most: the highest rank that is taken. Rank 3 is folded to two extents. */
static enum un_status read_shape(struct un_h5_data *d, int most) {
    hsize_t dims[3] = {1, 1, 1};
    hid_t space = H5Dget_space(d->id);
    int rank =
        space < 0 || H5Sget_simple_extent_type(space) == H5S_NULL ? -1 : H5Sget_simple_extent_ndims(space);
    if (rank >= 0 && rank <= most && H5Sget_simple_extent_dims(space, dims, NULL) < 0) rank = -1;
    if (space >= 0) H5Sclose(space);
    if (rank < 0 || rank > most)
        return un_h5_error(d->file, d->name, "rank %d, not 0, 1%s 2%s", rank, most == 3 ? "," : " or",
                           most == 3 ? " or 3" : "");
    for (int i = 0; i < 3; ++i)
        if (dims[i] > INT64_MAX)
            return un_h5_error(d->file, d->name, "extent %llu", (unsigned long long)dims[i]);
    d->shape.rank = rank;
    d->shape.dims[0] = (int64_t)dims[0];
    d->inner = rank == 3 ? (int64_t)dims[2] : 0;
    if (__builtin_mul_overflow((int64_t)dims[1], (int64_t)dims[2], &d->shape.dims[1]))
        return un_h5_error(d->file, d->name, "extents %llu x %llu overflow", (unsigned long long)dims[1],
                           (unsigned long long)dims[2]);
    return UN_OK;
}

/* Bytes the elements take as stored (a variable-length text: its 16-byte reference). */
static enum un_status logical_bytes(const struct un_h5_data *d, int64_t *bytes) {
    int64_t element = d->shape.element_bytes ? d->shape.element_bytes : 16, rows = d->shape.dims[0], count;
    if (__builtin_mul_overflow(rows, d->shape.dims[1], &count) ||
        __builtin_mul_overflow(count, element, bytes))
        return un_h5_error(d->file, d->name, "extents %lld x %lld overflow", (long long)rows,
                           (long long)d->shape.dims[1]);
    return UN_OK;
}

static enum un_status check_contiguous(struct un_h5_data *d, int64_t bytes) {
    int64_t end, stored = (int64_t)H5Dget_storage_size(d->id);
    haddr_t offset = H5Dget_offset(d->id);
    if (bytes == 0) return UN_OK;
    if (offset == HADDR_UNDEF || stored != bytes)
        return un_h5_error(d->file, d->name, "%lld bytes stored, its extents need %lld",
                           offset == HADDR_UNDEF ? 0 : (long long)stored, (long long)bytes);
    d->offset = (int64_t)offset;
    if (d->offset < 0 || __builtin_add_overflow(d->offset, bytes, &end) ||
        (!d->file->partial && end > d->file->bytes))
        return un_h5_error(d->file, d->name, "bytes [%llu, +%lld) lie outside the file of %lld bytes",
                           (unsigned long long)offset, (long long)bytes, (long long)d->file->bytes);
    return UN_OK;
}

static enum un_status check_filters(const struct un_h5_data *d, hid_t plist, bool *deflated) {
    int n = H5Pget_nfilters(plist);
    *deflated = false;
    if (n < 0 || n > 8) return un_h5_error(d->file, d->name, "%d filters", n);
    for (int i = 0; i < n; ++i) {
        unsigned flags, values[8];
        size_t values_count = 8;
        char name[64] = "";
        H5Z_filter_t id =
            H5Pget_filter2(plist, (unsigned)i, &flags, &values_count, values, sizeof name, name, NULL);
        if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_FLETCHER32)
            return un_h5_error(d->file, d->name,
                               "filter %d %.60s is refused: only deflate, shuffle and fletcher32 are read",
                               (int)id, name);
        *deflated |= id == H5Z_FILTER_DEFLATE;
    }
    return UN_OK;
}

/* A chunk is unpacked as a whole, so its size is bounded like the dataset's. */
static enum un_status check_chunked(const struct un_h5_data *d, hid_t plist, int64_t bytes) {
    hsize_t chunk[3] = {1, 1, 1};
    bool deflated;
    UN_TRY(check_filters(d, plist, &deflated));
    int64_t stored = (int64_t)H5Dget_storage_size(d->id), factor = deflated ? UN_H5_INFLATE_MAX : 1;
    int64_t length = d->file->bytes, chunk_bytes;
    if (H5Pget_chunk(plist, 3, chunk) != d->shape.rank || chunk[0] > INT64_MAX || chunk[1] > INT64_MAX ||
        chunk[2] > INT64_MAX || __builtin_mul_overflow(chunk[1], chunk[2], &chunk[1]))
        return un_h5_error(d->file, d->name, "chunks that do not fit its rank");
    int64_t element = d->shape.element_bytes ? d->shape.element_bytes : 16;
    if (__builtin_mul_overflow((int64_t)chunk[0], (int64_t)chunk[1], &chunk_bytes) ||
        __builtin_mul_overflow(chunk_bytes, element, &chunk_bytes) ||
        chunk_bytes / UN_H5_INFLATE_MAX > length)
        return un_h5_error(d->file, d->name, "chunks of %llu x %llu in a file of %lld bytes",
                           (unsigned long long)chunk[0], (unsigned long long)chunk[1], (long long)length);
    if (stored < 0 || stored > length || bytes / factor > stored)
        return un_h5_error(d->file, d->name,
                           "%lld bytes stored in a file of %lld bytes, its extents need %lld",
                           (long long)stored, (long long)length, (long long)bytes);
    return UN_OK;
}

static enum un_status check_storage(struct un_h5_data *d) {
    int64_t bytes = 0;
    UN_TRY(logical_bytes(d, &bytes));
    hid_t plist = H5Dget_create_plist(d->id);
    if (plist < 0) return un_h5_error(d->file, d->name, "cannot read how it is stored");
    enum un_status status;
    switch (H5Pget_layout(plist)) {
    case H5D_CONTIGUOUS:
        status = H5Pget_external_count(plist) == 0
                     ? check_contiguous(d, bytes)
                     : un_h5_error(d->file, d->name, "stored in another file, which is refused");
        break;
    case H5D_CHUNKED: status = check_chunked(d, plist, bytes); break;
    case H5D_COMPACT:
        status = (int64_t)H5Dget_storage_size(d->id) == bytes && bytes < 65536
                     ? UN_OK
                     : un_h5_error(d->file, d->name, "compact storage that does not fit its extents");
        break;
    default: status = un_h5_error(d->file, d->name, "virtual storage, which is refused"); break;
    }
    H5Pclose(plist);
    return status;
}

static enum un_status check_data(struct un_h5_data *d, int most) {
    if (H5Iget_type(d->id) != H5I_DATASET) return un_h5_error(d->file, d->name, "not a dataset");
    if ((d->type = H5Dget_type(d->id)) < 0) return un_h5_error(d->file, d->name, "cannot read its type");
    UN_TRY(un_h5_type_class(d->file, d->name, d->type, &d->shape.class_, &d->shape.element_bytes));
    UN_TRY(read_shape(d, most));
    return check_storage(d);
}

/* Bytes of the chunks that one row touches, all of which are unpacked to read it; 0: not chunked. */
static int64_t bytes_of_chunk_row(const struct un_h5_data *d) {
    hsize_t chunk[3] = {1, 1, 1};
    hid_t plist = H5Dget_create_plist(d->id);
    int64_t bytes = 0, across = 0;
    if (plist >= 0 && H5Pget_layout(plist) == H5D_CHUNKED && H5Pget_chunk(plist, 3, chunk) > 0) {
        /* checked before: nothing of this overflows but the rounding up, which counts as none */
        int64_t width = (int64_t)(chunk[1] * chunk[2]), cols = d->shape.dims[1];
        int64_t element = d->shape.element_bytes ? d->shape.element_bytes : 16;
        across = width ? (cols + (width - cols % width) % width) * element : 0;
        if (__builtin_mul_overflow((int64_t)chunk[0], across, &bytes) || bytes < 0) bytes = 0;
    }
    if (plist >= 0) H5Pclose(plist);
    return bytes;
}

/* Rows read one after another unpack each chunk once when the cache holds two rows of chunks. Opened anew,
 * because that is a property of the opening. */
static enum un_status widen_cache(struct un_h5_data *d) {
    int64_t bytes = bytes_of_chunk_row(d);
    if (bytes <= CACHE_LEAST / 2 || bytes > CACHE_MOST / 2) return UN_OK;
    hid_t plist = H5Pcreate(H5P_DATASET_ACCESS), id = -1;
    if (plist >= 0 && H5Pset_chunk_cache(plist, CACHE_SLOTS, (size_t)(2 * bytes), 1.0) >= 0) {
        H5Oclose(d->id);
        d->id = id = H5Dopen2(d->file->id, d->name, plist);
    }
    if (plist >= 0) H5Pclose(plist);
    return id < 0 ? un_h5_error(d->file, d->name, "cannot open with a larger cache") : UN_OK;
}

static enum un_status open_data(struct un_h5 *f, const char *name, int most, struct un_h5_data **data) {
    enum un_status status;
    *data = NULL;
    struct un_h5_data *d = un_alloc(1, sizeof *d, "an HDF5 dataset");
    if (!d) return UN_MEMORY;
    *d = (struct un_h5_data){.file = f, .id = -1, .type = -1, .offset = -1};
    if (!(d->name = un_strdup(name))) UN_TRY_GOTO(UN_MEMORY, out);
    UN_TRY_GOTO(un_h5_object(f, name, &d->id), out);
    UN_TRY_GOTO(check_data(d, most), out);
    if (!f->partial) UN_TRY_GOTO(widen_cache(d), out);
    *data = d;
out:
    if (status != UN_OK) un_h5_data_close(d);
    return status;
}

enum un_status un_h5_data_open(struct un_h5 *f, const char *name, struct un_h5_data **data,
                               struct un_h5_shape *shape) {
    UN_H5_LOCKED;
    UN_TRY(open_data(f, name, 2, data));
    if (shape) *shape = (*data)->shape;
    return UN_OK;
}

enum un_status un_h5_data_open_folded(struct un_h5 *f, const char *name, struct un_h5_data **data,
                                      struct un_h5_shape *shape, int64_t *inner) {
    UN_H5_LOCKED;
    UN_TRY(open_data(f, name, 3, data));
    *shape = (*data)->shape;
    *inner = (*data)->inner;
    return UN_OK;
}

void un_h5_data_close(struct un_h5_data *d) {
    UN_H5_LOCKED;
    if (!d) return;
    if (d->type >= 0) H5Tclose(d->type);
    if (d->id >= 0) H5Oclose(d->id);
    un_free(d->name);
    un_free(d);
}

enum un_status un_h5_check_rows(const struct un_h5_data *d, int64_t first, int64_t count) {
    if (first >= 0 && count >= 0 && count <= d->shape.dims[0] && first <= d->shape.dims[0] - count)
        return UN_OK;
    return un_h5_error(d->file, d->name, "rows [%lld, +%lld) of %lld", (long long)first, (long long)count,
                       (long long)d->shape.dims[0]);
}

enum un_status un_h5_select(const struct un_h5_data *d, int64_t first, int64_t count, hid_t *file_space,
                            hid_t *memory_space) {
    hsize_t start[3] = {(hsize_t)first, 0, 0};
    hsize_t extent[2] = {(hsize_t)count, (hsize_t)d->shape.dims[1]}, deep[3] = {extent[0], 0, 0};
    deep[2] = (hsize_t)d->inner;
    if (d->inner) deep[1] = extent[1] / deep[2];
    *file_space = *memory_space = -1;
    UN_TRY(un_h5_check_rows(d, first, count));
    *file_space = H5Dget_space(d->id);
    if (*file_space < 0) return un_h5_error(d->file, d->name, "cannot read its extents");
    if (d->shape.rank > 0 && H5Sselect_hyperslab(*file_space, H5S_SELECT_SET, start, NULL,
                                                 d->shape.rank == 3 ? deep : extent, NULL) < 0)
        return un_h5_error(d->file, d->name, "cannot select rows");
    *memory_space = H5Screate_simple(2, extent, NULL);
    return *memory_space < 0 ? un_h5_error(d->file, d->name, "cannot select rows") : UN_OK;
}

static enum un_status read_as(const struct un_h5_data *d, int64_t first, int64_t count, hid_t type,
                              void *out) {
    /* what HDF5 could not read it takes for read */
    if (d->file->changed) return un_h5_error(d->file, d->name, "cannot read");
    bool misfit;
    hid_t from, to, plist = un_h5_strict_transfer(&misfit);
    un_h5_refill(d->file);
    enum un_status status = un_h5_select(d, first, count, &from, &to);
    if (status == UN_OK && (type < 0 || plist < 0 || H5Dread(d->id, type, to, from, plist, out) < 0))
        status = un_h5_transfer_error(d, "read", first, count, type, misfit);
    if (from >= 0) H5Sclose(from);
    if (to >= 0) H5Sclose(to);
    if (plist >= 0) H5Pclose(plist);
    return status;
}

/* The halves are read into the second half of out and widened from the front: each is read before it is
 * overwritten. */
static enum un_status read_halves_as_floats(const struct un_h5_data *d, int64_t first, int64_t count,
                                            void *out) {
    int64_t n = count * d->shape.dims[1];
    unsigned char *halves = (unsigned char *)out + 2 * n;
    UN_TRY(read_as(d, first, count, d->type, halves));
    for (int64_t i = 0; i < n; ++i) {
        uint16_t half;
        memcpy(&half, halves + 2 * i, 2);
        float value = un_half_to(half);
        memcpy((unsigned char *)out + 4 * i, &value, 4);
    }
    return UN_OK;
}

/* HDF5 1.10 rounds some floats to a wrong exponent (a 0.99996 among others became 0.5). So wider floats come as floats, and
 * are narrowed here. */
static enum un_status read_floats_as_halves(const struct un_h5_data *d, int64_t first, int64_t count,
                                            uint16_t *out) {
    int64_t cols = d->shape.dims[1], block = UN_H5_HALF_BLOCK / (cols > 0 ? cols : 1);
    if (block < 1) block = 1;
    float *floats = un_alloc((size_t)(block * cols), sizeof *floats, d->name);
    if (!floats) return UN_MEMORY;
    enum un_status status = UN_OK;
    hid_t memory = un_h5_memory_type(UN_F32);
    for (int64_t done = 0; done < count && status == UN_OK; done += block) {
        int64_t rows = count - done < block ? count - done : block;
        status = read_as(d, first + done, rows, memory, floats);
        if (status == UN_OK) status = un_h5_narrow(d, first + done, floats, out + done * cols, rows * cols);
    }
    if (memory >= 0) H5Tclose(memory);
    un_free(floats);
    return status;
}

enum un_status un_h5_read_rows(struct un_h5_data *d, int64_t first, int64_t count, enum un_type type,
                               void *out) {
    UN_H5_LOCKED;
    enum un_h5_class want = type == UN_F16 || type == UN_F32 ? UN_H5_FLOAT : UN_H5_INT;
    if (d->shape.class_ != want)
        return un_h5_error(d->file, d->name, "not %s",
                           want == UN_H5_INT ? "integers" : "floating-point numbers");
    UN_TRY(un_h5_check_rows(d, first, count));
    if (count == 0) return UN_OK;
    if (type == UN_F32 && un_h5_stored_type(d->type) == UN_F16)
        return read_halves_as_floats(d, first, count, out);
    if (type == UN_F16 && un_h5_stored_type(d->type) != UN_F16)
        return read_floats_as_halves(d, first, count, out);
    hid_t memory = un_h5_memory_type(type);
    enum un_status status = read_as(d, first, count, memory, out);
    if (memory >= 0) H5Tclose(memory);
    return status;
}

enum un_status un_h5_read_all(struct un_h5 *f, const char *name, enum un_type type, struct un_h5_shape *shape,
                              void **out) {
    UN_H5_LOCKED;
    struct un_h5_data *d;
    enum un_status status;
    *out = NULL;
    UN_TRY(un_h5_data_open(f, name, &d, shape));
    size_t n = (size_t)(d->shape.dims[0] * d->shape.dims[1]);
    *out = un_alloc(n ? n : 1, (size_t)un_type_bytes(type), name);
    if (!*out) UN_TRY_GOTO(UN_MEMORY, out);
    UN_TRY_GOTO(un_h5_read_rows(d, 0, d->shape.dims[0], type, *out), out);
out:
    un_h5_data_close(d);
    if (status != UN_OK) {
        un_free(*out);
        *out = NULL;
    }
    return status;
}

int64_t un_h5_raw_offset(struct un_h5_data *d, enum un_type type) {
    UN_H5_LOCKED;
    return d->offset >= 0 && un_h5_stored_type(d->type) == (int)type ? d->offset : -1;
}
