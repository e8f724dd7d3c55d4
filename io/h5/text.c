/* Datasets of texts, of fixed or variable length, as one block of equal NUL-terminated cells. */
#include "io/h5/private.h"
#include "runtime/memory.h"
#include <string.h>
#include <unistd.h>

/* Fixed length: HDF5 copies into cells one byte wider, which it ends with NUL whatever the padding in the
 * file. */
static enum un_status read_fixed(struct un_h5_data *d, int64_t n, int64_t *stride, char **cells) {
    *stride = d->shape.element_bytes + 1;
    *cells = un_alloc((size_t)(n ? n : 1), (size_t)*stride, d->name);
    if (!*cells) return UN_MEMORY;
    if (n == 0) return UN_OK;
    hid_t type = H5Tcopy(d->type); /* keeps the character set, which HDF5 does not convert */
    bool ok = type >= 0 && H5Tset_size(type, (size_t)*stride) >= 0 &&
              H5Tset_strpad(type, H5T_STR_NULLTERM) >= 0 &&
              H5Dread(d->id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *cells) >= 0;
    if (type >= 0) H5Tclose(type);
    return ok ? UN_OK : un_h5_error(d->file, d->name, "cannot read");
}

/* HDF5 asks for memory of each text; a text longer than the cap is refused instead of trusted. */
static void *text_alloc(size_t bytes, void *context) {
    (void)context;
    return bytes <= UN_H5_TEXT_MAX + 1 ? un_alloc(bytes, 1, "an HDF5 text") : NULL;
}
static void text_free(void *ptr, void *context) {
    (void)context;
    un_free(ptr);
}

static enum un_status copy_variable(char *const *texts, int64_t n, const struct un_h5_data *d,
                                    int64_t *stride, char **cells) {
    size_t longest = 0, length;
    for (int64_t i = 0; i < n; ++i) {
        length = texts[i] ? strlen(texts[i]) : 0;
        longest = length > longest ? length : longest;
    }
    *stride = (int64_t)longest + 1;
    *cells = un_alloc((size_t)(n ? n : 1), longest + 1, d->name);
    if (!*cells) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i)
        if (texts[i]) memcpy(*cells + i * *stride, texts[i], strlen(texts[i]));
    return UN_OK;
}

static enum un_status check_references(struct un_h5_data *d, struct un_h5_heap *heap,
                                       const unsigned char *references, int64_t first, int64_t n) {
    int64_t bad = un_h5_heap_find_bad(heap, references, n);
    return bad < 0
               ? UN_OK
               : un_h5_error(d->file, d->name, "row %lld: its text is not there", (long long)(first + bad));
}

static enum un_status check_contiguous(struct un_h5_data *d, struct un_h5_heap *heap, int64_t n) {
    enum { BLOCK = 1024 };
    unsigned char references[BLOCK * UN_H5_REFERENCE];
    haddr_t offset = H5Dget_offset(d->id);
    if (offset == HADDR_UNDEF) return un_h5_error(d->file, d->name, "has no texts in it");
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t rows = n - at < BLOCK ? n - at : BLOCK;
        ssize_t bytes = (ssize_t)(rows * UN_H5_REFERENCE);
        if (pread(d->file->fd, references, (size_t)bytes, (off_t)(offset + (haddr_t)at * UN_H5_REFERENCE)) !=
            bytes)
            return un_h5_error(d->file, d->name, "lies outside the file");
        UN_TRY(check_references(d, heap, references, at, rows));
    }
    return UN_OK;
}

static enum un_status check_chunks(struct un_h5_data *d, struct un_h5_heap *heap, int64_t n, hid_t plist) {
    hsize_t rows = 0, stored;
    if (H5Pget_chunk(plist, 1, &rows) != 1 || rows < 1 || H5Pget_nfilters(plist) != 0)
        return un_h5_error(d->file, d->name, "texts of variable length in compressed pieces are not read");
    hsize_t bytes = rows * UN_H5_REFERENCE;
    if (rows > (hsize_t)d->file->bytes || bytes > (hsize_t)d->file->bytes)
        return un_h5_error(d->file, d->name, "its pieces are larger than the file");
    unsigned char *references = un_alloc(bytes, 1, d->name);
    enum un_status status = references ? UN_OK : UN_MEMORY;
    for (hsize_t at = 0; at < (hsize_t)n && status == UN_OK; at += rows) {
        uint32_t filters = 0;
        if (H5Dget_chunk_storage_size(d->id, &at, &stored) < 0 || stored != bytes ||
            H5Dread_chunk(d->id, H5P_DEFAULT, &at, &filters, references) < 0 || filters)
            status = un_h5_error(d->file, d->name, "row %lld: the piece is not there", (long long)at);
        hsize_t left = (hsize_t)n - at;
        if (status == UN_OK)
            status = check_references(d, heap, references, (int64_t)at, (int64_t)(left < rows ? left : rows));
    }
    un_free(references);
    return status;
}

/* HDF5 follows references blindly, so they are read as they stand and checked first. */
static enum un_status check_variable(struct un_h5_data *d, int64_t n) {
    struct un_h5_heap *heap;
    if (n == 0) return UN_OK;
    hid_t base = H5Tget_super(d->type), plist = H5Dget_create_plist(d->id);
    bool bytes = base >= 0 && H5Tget_size(base) == 1;
    if (base >= 0) H5Tclose(base);
    if (plist < 0) return un_h5_error(d->file, d->name, "cannot find how it is stored");
    H5D_layout_t layout = H5Pget_layout(plist);
    enum un_status status = un_h5_heap_open(&heap, d->file);
    if (status == UN_OK && !bytes) status = un_h5_error(d->file, d->name, "its texts are not made of bytes");
    if (status == UN_OK && layout == H5D_CONTIGUOUS)
        status = check_contiguous(d, heap, n);
    else if (status == UN_OK && layout == H5D_CHUNKED)
        status = check_chunks(d, heap, n, plist);
    else if (status == UN_OK)
        status = un_h5_error(d->file, d->name, "texts of variable length are stored in an unknown way");
    un_h5_heap_close(heap);
    H5Pclose(plist);
    return status;
}

static enum un_status read_variable(struct un_h5_data *d, int64_t n, int64_t *stride, char **cells) {
    UN_TRY(check_variable(d, n));
    char **texts = un_alloc((size_t)n + 1, sizeof *texts, d->name);
    if (!texts) return UN_MEMORY;
    hid_t plist = H5Pcreate(H5P_DATASET_XFER), space = H5Dget_space(d->id);
    d->file->texts = true;
    bool ok = plist >= 0 && space >= 0 &&
              H5Pset_vlen_mem_manager(plist, text_alloc, NULL, text_free, NULL) >= 0 &&
              H5Dread(d->id, d->type, H5S_ALL, H5S_ALL, plist, texts) >= 0;
    d->file->texts = false;
    enum un_status status =
        ok ? copy_variable(texts, n, d, stride, cells)
           : un_h5_error(d->file, d->name, "cannot read its texts (each at most %d bytes)", UN_H5_TEXT_MAX);
    for (int64_t i = 0; i < n; ++i) un_free(texts[i]);
    if (space >= 0) H5Sclose(space);
    if (plist >= 0) H5Pclose(plist);
    un_free(texts);
    return status;
}

enum un_status un_h5_read_texts(struct un_h5 *f, const char *name, int64_t *n, int64_t *stride,
                                char **cells) {
    UN_H5_LOCKED;
    struct un_h5_data *d;
    struct un_h5_shape shape;
    enum un_status status;
    *cells = NULL;
    *n = 0;
    UN_TRY(un_h5_data_open(f, name, &d, &shape));
    if (shape.class_ != UN_H5_TEXT || shape.rank > 1)
        UN_TRY_GOTO(un_h5_error(f, name, "not a list of texts"), out);
    *n = shape.dims[0];
    status = shape.element_bytes ? read_fixed(d, *n, stride, cells) : read_variable(d, *n, stride, cells);
out:
    un_h5_data_close(d);
    if (status != UN_OK) {
        un_free(*cells);
        *cells = NULL;
    }
    return status;
}
