/* Reading and checking columns; see the header. */
#include "io/h5/column.h"
#include "io/disk/patience.h"
#include "runtime/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A read that fails is tried again, and the file opened anew by its name: a server comes back, a handle was
 * stale. */
static enum un_status pread_rows(const struct un_column *c, int64_t first, int64_t count, void *out) {
    int64_t row_bytes = c->width * un_type_bytes(c->type), bytes = count * row_bytes, done = 0;
    struct un_patience patience = un_patience_begin(c->tries);
    while (done < bytes) {
        ssize_t got = pread(c->fd, (char *)out + done, (size_t)(bytes - done),
                            (off_t)(c->at + first * row_bytes + done));
        if (got < 0 && errno == EINTR) continue;
        if (got > 0) {
            done += got;
            continue;
        }
        int failed = got < 0 ? errno : 0;
        long long row = (long long)(first + done / row_bytes);
        const char *why = failed ? strerror(failed) : "the file ends there";
        if (!un_patience_wait(&patience))
            return un_fail(UN_IO, "%s: %s: row %lld: cannot read: %s%s", c->path, c->name, row, why,
                           un_patience_text(&patience));
        un_log(UN_LOG_WARN, "%s: %s: row %lld: cannot read: %s; trying again", c->path, c->name, row, why);
        UN_TRY(un_patience_reopen(c->path, c->fd));
    }
    return un_version_check(&c->version, c->path, c->fd);
}

enum un_status un_column_read(const struct un_column *c, int64_t first, int64_t count, void *out) {
    if (first < 0 || count < 0 || count > c->rows || first > c->rows - count)
        return un_fail(UN_INTERNAL, "%s: %s: rows [%lld, +%lld) of %lld", c->path, c->name, (long long)first,
                       (long long)count, (long long)c->rows);
    return c->at >= 0 ? pread_rows(c, first, count, out)
                      : un_h5_read_rows(c->data, first, count, c->type, out);
}

void un_column_expect(const struct un_column *c, int64_t first, int64_t count) {
    int64_t row_bytes = c->width * un_type_bytes(c->type);
    if (c->at >= 0)
        posix_fadvise(c->fd, (off_t)(c->at + first * row_bytes), (off_t)(count * row_bytes),
                      POSIX_FADV_WILLNEED);
}

/* pread must give what HDF5 gives, on the first and the last row. */
static enum un_status verify_raw(const struct un_column *c) {
    size_t bytes = (size_t)(c->width * un_type_bytes(c->type));
    enum un_status status = UN_OK;
    unsigned char *raw = un_alloc(2, bytes, c->name);
    if (!raw) return UN_MEMORY;
    for (int64_t row = 0; row < c->rows && status == UN_OK; row += c->rows > 1 ? c->rows - 1 : 1) {
        UN_TRY_GOTO(pread_rows(c, row, 1, raw), out);
        UN_TRY_GOTO(un_h5_read_rows(c->data, row, 1, c->type, raw + bytes), out);
        if (memcmp(raw, raw + bytes, bytes) != 0)
            status = un_fail(UN_INTERNAL, "%s: %s: row %lld: HDF5 and pread disagree", c->path, c->name,
                             (long long)row);
    }
out:
    un_free(raw);
    return status;
}

static enum un_status check_field(const char *path, const struct un_field *f, const struct un_h5_shape *s) {
    static const char *const classes[] = {"floating-point numbers", "integers", "texts"};
    if (s->class_ != f->class_)
        return un_fail(UN_DATA, "%s: %s holds %s, not %s", path, f->name, classes[s->class_],
                       classes[f->class_]);
    if (s->rank != f->rank)
        return un_fail(UN_DATA, "%s: %s has rank %d, not %d", path, f->name, s->rank, f->rank);
    if (f->rows != UN_ANY && s->dims[0] != f->rows)
        return un_fail(UN_DATA, "%s: %s has %lld rows, not %lld", path, f->name, (long long)s->dims[0],
                       (long long)f->rows);
    if (f->width != UN_ANY && s->dims[1] != f->width)
        return un_fail(UN_DATA, "%s: %s is %lld wide, not %lld", path, f->name, (long long)s->dims[1],
                       (long long)f->width);
    return UN_OK;
}

void un_column_close(struct un_column *c) {
    un_h5_data_close(c->data);
    c->data = NULL;
}

enum un_status un_column_open(struct un_column *c, const struct un_column_source *source,
                              const struct un_field *field, int type) {
    struct un_h5_shape shape;
    *c =
        (struct un_column){.path = source->path, .name = field->name, .fd = source->fd, .tries = 3, .at = -1};
    c->version = *un_h5_version(source->h5);
    UN_TRY(un_h5_data_open(source->h5, field->name, &c->data, &shape));
    UN_TRY(check_field(c->path, field, &shape));
    if (type == UN_AS_STORED && shape.element_bytes != 2 && shape.element_bytes != 4)
        return un_fail(UN_DATA, "%s: %s: floats of %lld bytes, not 2 or 4", c->path, c->name,
                       (long long)shape.element_bytes);
    c->type = type != UN_AS_STORED ? (enum un_type)type : shape.element_bytes == 2 ? UN_F16 : UN_F32;
    c->present = true;
    c->rows = shape.dims[0];
    c->width = shape.dims[1];
    if (c->rows == 0 || c->width == 0 || (c->at = un_h5_raw_offset(c->data, c->type)) < 0) return UN_OK;
    UN_TRY(verify_raw(c));
    un_column_close(c);
    return UN_OK;
}

static enum un_status check_offsets(const char *path, const char *name, const int64_t *offset, int64_t n,
                                    const char *of, int64_t total) {
    if (offset[0] != 0)
        return un_fail(UN_DATA, "%s: %s: row 0: %lld, not 0", path, name, (long long)offset[0]);
    for (int64_t i = 0; i < n; ++i)
        if (offset[i + 1] < offset[i])
            return un_fail(UN_DATA, "%s: %s: row %lld: %lld after %lld: offsets run backwards", path, name,
                           (long long)(i + 1), (long long)offset[i + 1], (long long)offset[i]);
    if (offset[n] != total)
        return un_fail(UN_DATA, "%s: %s: row %lld: ends at %lld, but %s has %lld rows", path, name,
                       (long long)n, (long long)offset[n], of, (long long)total);
    return UN_OK;
}

enum un_status un_column_whole(const struct un_column_source *source, const struct un_field *field,
                               enum un_type type, void **values) {
    struct un_h5_shape shape;
    UN_TRY(un_h5_read_all(source->h5, field->name, type, &shape, values));
    return check_field(source->path, field, &shape);
}

enum un_status un_column_offsets(const struct un_column_source *source, const char *name, int64_t n,
                                 const char *of, int64_t total, int64_t **offset) {
    void *values = NULL;
    const struct un_field field = {name, UN_H5_INT, 1, n + 1, 1};
    enum un_status status = un_column_whole(source, &field, UN_I64, &values);
    *offset = values;
    return status == UN_OK ? check_offsets(source->path, name, *offset, n, of, total) : status;
}

enum un_status un_column_ids(const struct un_column_source *source, const char *name, int64_t *n,
                             int64_t *stride, char **ids) {
    UN_TRY(un_h5_read_texts(source->h5, name, n, stride, ids));
    for (int64_t i = 0; i < *n; ++i)
        if ((*ids)[i * *stride] == '\0')
            return un_fail(UN_DATA, "%s: %s: row %lld is empty", source->path, name, (long long)i);
    return UN_OK;
}
