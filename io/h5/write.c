/* Datasets for writing: contiguous, little endian, no fill value. Disk space is reserved before HDF5 sees the
 * dataset, because HDF5 1.10 cannot close a file whose metadata no longer fit on the disk. */
#include "io/h5/private.h"
#include "runtime/memory.h"

/* Without times of change, so that the same rows make the same bytes. */
static hid_t create_contiguous(hid_t file, const char *name, hid_t type, int rank, const hsize_t *dims) {
    hid_t id = -1, space = H5Screate_simple(rank, dims, NULL), links = H5Pcreate(H5P_LINK_CREATE);
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    if (space >= 0 && links >= 0 && how >= 0 && H5Pset_create_intermediate_group(links, 1) >= 0 &&
        H5Pset_layout(how, H5D_CONTIGUOUS) >= 0 && H5Pset_fill_time(how, H5D_FILL_TIME_NEVER) >= 0 &&
        H5Pset_alloc_time(how, H5D_ALLOC_TIME_EARLY) >= 0 && H5Pset_obj_track_times(how, false) >= 0)
        id = H5Dcreate2(file, name, type, space, links, how, H5P_DEFAULT);
    if (how >= 0) H5Pclose(how);
    if (links >= 0) H5Pclose(links);
    if (space >= 0) H5Sclose(space);
    return id;
}

enum un_status un_h5_data_create(struct un_h5 *f, const char *name, enum un_type type, int64_t rows,
                                 int64_t cols, struct un_h5_data **data) {
    UN_H5_LOCKED;
    enum un_status status = UN_OK;
    hsize_t dims[2] = {(hsize_t)rows, (hsize_t)cols};
    *data = NULL;
    UN_ASSERT(f->partial && f->id >= 0 && rows >= 0 && cols >= 0);
    struct un_h5_data *d = un_alloc(1, sizeof *d, "an HDF5 dataset");
    if (!d) return UN_MEMORY;
    enum un_h5_class class_ = type == UN_F16 || type == UN_F32 ? UN_H5_FLOAT : UN_H5_INT;
    *d = (struct un_h5_data){.file = f, .id = -1, .type = un_h5_memory_type(type), .offset = -1};
    d->shape = (struct un_h5_shape){cols ? 2 : 1, {rows, cols ? cols : 1}, class_, un_type_bytes(type)};
    if (d->type < 0)
        UN_TRY_GOTO(un_fail(UN_INTERNAL, "%s: %s: no HDF5 type for type %d", f->path, name, (int)type), out);
    if (!(d->name = un_strdup(name))) UN_TRY_GOTO(UN_MEMORY, out);
    if ((d->id = create_contiguous(f->id, name, d->type, d->shape.rank, dims)) < 0 || f->io_errno)
        UN_TRY_GOTO(un_h5_error(f, name, "cannot create a dataset of %lld rows", (long long)rows), out);
    haddr_t offset = H5Dget_offset(d->id);
    if (offset <= INT64_MAX) d->offset = (int64_t)offset; /* undefined is larger */
    *data = d;
out:
    if (status != UN_OK) un_h5_data_close(d);
    return status;
}

static enum un_status write_as(struct un_h5_data *d, int64_t first, int64_t count, hid_t type,
                               const void *in) {
    bool misfit;
    hid_t to, from, plist = un_h5_strict_transfer(&misfit);
    enum un_status status = un_h5_select(d, first, count, &to, &from);
    if (status == UN_OK &&
        (type < 0 || plist < 0 || H5Dwrite(d->id, type, from, to, plist, in) < 0 || d->file->io_errno))
        status = un_h5_transfer_error(d, "write", first, count, d->type, misfit);
    if (to >= 0) H5Sclose(to);
    if (from >= 0) H5Sclose(from);
    if (plist >= 0) H5Pclose(plist);
    return status;
}

static enum un_status write_floats_as_halves(struct un_h5_data *d, int64_t first, int64_t count,
                                             const float *in) {
    int64_t cols = d->shape.dims[1], block = UN_H5_HALF_BLOCK / cols > 0 ? UN_H5_HALF_BLOCK / cols : 1;
    uint16_t *halves = un_alloc((size_t)(block * cols), sizeof *halves, d->name);
    if (!halves) return UN_MEMORY;
    enum un_status status = UN_OK;
    for (int64_t done = 0; done < count && status == UN_OK; done += block) {
        int64_t rows = count - done < block ? count - done : block;
        status = un_h5_narrow(d, first + done, in + done * cols, halves, rows * cols);
        if (status == UN_OK) status = write_as(d, first + done, rows, d->type, halves);
    }
    un_free(halves);
    return status;
}

enum un_status un_h5_write_rows(struct un_h5_data *d, int64_t first, int64_t count, enum un_type type,
                                const void *in) {
    UN_H5_LOCKED;
    enum un_h5_class class_ = type == UN_F16 || type == UN_F32 ? UN_H5_FLOAT : UN_H5_INT;
    if (class_ != d->shape.class_)
        return un_fail(UN_INTERNAL, "%s: %s: type %d cannot be written to it", d->file->path, d->name,
                       (int)type);
    UN_TRY(un_h5_check_rows(d, first, count));
    if (count == 0) return UN_OK;
    if (type == UN_F32 && un_h5_stored_type(d->type) == UN_F16)
        return write_floats_as_halves(d, first, count, in);
    hid_t memory = un_h5_memory_type(type);
    enum un_status status = write_as(d, first, count, memory, in);
    if (memory >= 0) H5Tclose(memory);
    return status;
}

enum un_status un_h5_write_all(struct un_h5 *f, const char *name, enum un_type type, int64_t rows,
                               int64_t cols, const void *in) {
    UN_H5_LOCKED;
    struct un_h5_data *d;
    UN_TRY(un_h5_data_create(f, name, type, rows, cols, &d));
    enum un_status status = un_h5_write_rows(d, 0, rows, type, in);
    un_h5_data_close(d);
    return status;
}

static hid_t text_type(int64_t stride) {
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && (H5Tset_size(type, (size_t)stride) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0)) {
        H5Tclose(type);
        return -1;
    }
    return type;
}

enum un_status un_h5_texts_create(struct un_h5 *f, const char *name, int64_t n, int64_t stride,
                                  struct un_h5_data **data) {
    UN_H5_LOCKED;
    enum un_status status = UN_OK;
    hsize_t dims[1] = {(hsize_t)n};
    *data = NULL;
    UN_ASSERT(f->partial && f->id >= 0 && n >= 0 && stride >= 1);
    struct un_h5_data *d = un_alloc(1, sizeof *d, "an HDF5 dataset");
    if (!d) return UN_MEMORY;
    *d = (struct un_h5_data){.file = f, .id = -1, .type = text_type(stride), .offset = -1};
    d->shape = (struct un_h5_shape){1, {n, 1}, UN_H5_TEXT, stride};
    if (!(d->name = un_strdup(name))) UN_TRY_GOTO(UN_MEMORY, out);
    if (d->type < 0 || (d->id = create_contiguous(f->id, name, d->type, 1, dims)) < 0 || f->io_errno)
        UN_TRY_GOTO(un_h5_error(f, name, "cannot create a dataset of %lld texts", (long long)n), out);
    *data = d;
out:
    if (status != UN_OK) un_h5_data_close(d);
    return status;
}

enum un_status un_h5_texts_write(struct un_h5_data *d, int64_t first, int64_t count, const char *cells) {
    UN_H5_LOCKED;
    UN_ASSERT(d->shape.class_ == UN_H5_TEXT);
    UN_TRY(un_h5_check_rows(d, first, count));
    return count == 0 ? UN_OK : write_as(d, first, count, d->type, cells);
}

enum un_status un_h5_write_texts(struct un_h5 *f, const char *name, int64_t n, int64_t stride,
                                 const char *cells) {
    UN_H5_LOCKED;
    struct un_h5_data *d;
    UN_TRY(un_h5_texts_create(f, name, n, stride, &d));
    enum un_status status = un_h5_texts_write(d, 0, n, cells);
    un_h5_data_close(d);
    return status;
}
