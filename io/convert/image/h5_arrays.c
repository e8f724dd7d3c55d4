/* The array forms of h5.c: all regions in one dataset, flat with first and last rows, or a fixed
 * number for every image. The index is read whole (about 40 bytes an image), the regions are not. */
#include "io/convert/image/h5.h"
#include "io/data/values.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

enum { IDS_LIMIT = 1 << 30 };

/* The ids of one file's images: of a dataset, or lines of the file that the user gave. */
struct ids {
    char *cells;     /* [n] of stride bytes */
    int64_t *number; /* [n] */
    int64_t n, stride;
};

static const char *first_link(const struct un_h5_file *file, const char *const *names) {
    for (; *names; ++names)
        if (un_h5_has_link(file->h5, *names)) return *names;
    return NULL;
}

static enum un_status read_ids(const struct un_h5_file *file, struct ids *ids) {
    static const char *const names[] = {"image_id", "image_ids", "ids", "img_id", "img_ids", NULL};
    const char *name = first_link(file, names);
    struct un_h5_data *data;
    struct un_h5_shape shape;
    void *numbers;
    if (!name)
        return un_fail(UN_DATA, "%s: no dataset image_id; give the ids, one a line, as ids=FILE", file->path);
    UN_TRY(un_h5_data_open(file->h5, name, &data, &shape));
    un_h5_data_close(data);
    if (shape.rank != 1 && !(shape.rank == 2 && shape.dims[1] == 1))
        return un_fail(UN_DATA, "%s: %s has rank %d, not 1", file->path, name, shape.rank);
    if (shape.class_ == UN_H5_FLOAT)
        return un_fail(
            UN_DATA,
            "%s: %s holds floating-point numbers (42.0), not texts or whole numbers; or give ids=FILE",
            file->path, name);
    if (shape.class_ == UN_H5_TEXT)
        return un_h5_read_texts(file->h5, name, &ids->n, &ids->stride, &ids->cells);
    UN_TRY(un_h5_read_all(file->h5, name, UN_I64, &shape, &numbers));
    ids->number = numbers;
    ids->n = shape.dims[0];
    return UN_OK;
}

/* Lines of ids=FILE: those that belong to this file follow those of the files before. */
static enum un_status read_lines(const struct un_source_h5 *source, const struct un_h5_file *file,
                                 struct ids *ids) {
    char *text;
    size_t bytes;
    int64_t line = 0, longest = 0;
    UN_TRY(un_files_read(source->ids, IDS_LIMIT, &text, &bytes));
    for (char *at = text, *end; at < text + bytes; at = end + 1) {
        end = memchr(at, '\n', (size_t)(text + bytes - at));
        if (!end) end = text + bytes;
        int64_t length = end - at;
        if (line >= file->first && length > longest) longest = length;
        ++line;
    }
    ids->n = line - file->first;
    ids->stride = (longest > UN_IMAGE_ID_MAX + 1 ? UN_IMAGE_ID_MAX + 1 : longest) + 1;
    ids->cells = un_alloc((size_t)(ids->n > 0 ? ids->n : 1), (size_t)ids->stride, "image ids");
    enum un_status status = ids->cells ? UN_OK : UN_MEMORY;
    line = 0;
    for (char *at = text, *end; status == UN_OK && at < text + bytes; at = end + 1, ++line) {
        end = memchr(at, '\n', (size_t)(text + bytes - at));
        if (!end) end = text + bytes;
        int64_t length = end - at;
        if (length > 0 && at[length - 1] == '\r') --length;
        if (length > ids->stride - 1) length = ids->stride - 1; /* too long for an id: the list says so */
        if (line >= file->first) memcpy(ids->cells + (line - file->first) * ids->stride, at, (size_t)length);
    }
    un_free(text);
    return status;
}

/* Widths or heights of all images, NULL when there is no such dataset. */
static enum un_status read_sizes(const struct un_h5_file *file, const char *const *names, double **sizes) {
    const char *name = first_link(file, names);
    struct un_h5_shape shape;
    struct un_h5_data *data;
    void *values;
    *sizes = NULL;
    if (!name) return UN_OK;
    UN_TRY(un_h5_data_open(file->h5, name, &data, &shape));
    un_h5_data_close(data);
    if (shape.rank < 1 || shape.dims[0] != file->images || shape.dims[1] != 1 || shape.class_ == UN_H5_TEXT)
        return un_fail(UN_DATA, "%s: %s does not hold a number for each of %lld images", file->path, name,
                       (long long)file->images);
    bool whole = shape.class_ == UN_H5_INT;
    UN_TRY(un_h5_read_all(file->h5, name, whole ? UN_I64 : UN_F32, &shape, &values));
    *sizes = un_alloc((size_t)file->images, sizeof **sizes, "image sizes");
    for (int64_t i = 0; *sizes && i < file->images; ++i)
        (*sizes)[i] = whole ? (double)((int64_t *)values)[i] : (double)((float *)values)[i];
    un_free(values);
    return *sizes ? UN_OK : UN_MEMORY;
}

static enum un_status open_columns(struct un_h5_file *file) {
    struct un_h5_column *c = file->column;
    UN_TRY(un_h5_column_open(c + UN_H5_FEATURE, file, "", UN_H5_FEATURE, -1));
    int64_t per = c[UN_H5_FEATURE].per;
    for (int role = UN_H5_UNIT_BOX; role < UN_H5_ROLES; ++role) {
        if (role == UN_H5_BOX && c[UN_H5_UNIT_BOX].data) continue;
        UN_TRY(un_h5_column_open(c + role, file, "", (enum un_h5_role)role, per));
        if (c[role].data && c[role].regions != c->regions)
            return un_fail(UN_DATA, "%s: %s is of %lld regions, %s of %lld", file->path, c[role].name,
                           (long long)c[role].regions, c->name, (long long)c->regions);
    }
    if (c[UN_H5_UNIT_BOX].data || c[UN_H5_BOX].data) return UN_OK;
    char text[400];
    UN_TRY(un_h5_others(file, "", "", true, text, sizeof text));
    return un_fail(UN_DATA, "%s: no boxes (spatial_features, image_bb, boxes, ...) beside %s; there are: %s",
                   file->path, c->name, text);
}

/* first and count of every image's regions; [2n] from pos_boxes, or n counts within a fixed number. */
struct extents {
    int64_t *pos, *count;
    int64_t n;
};

/* How many of the image's regions count: without those at its end whose box and features are all zeros. `row`: room for
 * its boxes, then for its features. */
static enum un_status count_one(const struct un_h5_file *file, const struct un_h5_column *box, int64_t i,
                                char *room, int64_t *count) {
    const struct un_h5_column *f = file->column + UN_H5_FEATURE;
    const int64_t box_bytes = box->width * (int64_t)sizeof(float), row = f->width * un_type_bytes(f->type);
    UN_TRY(un_h5_column_read(box, file, i * f->per, f->per, room));
    *count = f->per;
    while (*count > 0 && un_all_zero(room + (*count - 1) * box_bytes, (size_t)box_bytes)) --*count;
    if (*count == f->per) return UN_OK;
    UN_TRY(un_h5_column_read(f, file, i * f->per, f->per, room));
    int64_t full = f->per;
    while (full > *count && un_all_zero(room + (full - 1) * row, (size_t)row)) --full;
    *count = full;
    if (full > 0) return UN_OK;
    return un_fail(UN_DATA, "%s: image %lld: all its %lld regions are zeros", file->path, (long long)i,
                   (long long)f->per);
}

/* A fixed number of regions without counts: what fills them up is left out, and said. */
static enum un_status count_regions(const struct un_h5_file *file, struct extents *e) {
    const struct un_h5_column *f = file->column + UN_H5_FEATURE,
                              *box = file->column +
                                     (file->column[UN_H5_UNIT_BOX].data ? UN_H5_UNIT_BOX : UN_H5_BOX);
    const int64_t widest = f->width > box->width ? f->width : box->width;
    int64_t padded = 0, left = 0;
    char *room = un_alloc((size_t)(f->per * widest), sizeof(float), "an image");
    e->count = un_alloc((size_t)(e->n > 0 ? e->n : 1), sizeof *e->count, "numbers of regions");
    enum un_status status = room && e->count ? UN_OK : UN_MEMORY;
    for (int64_t i = 0; i < e->n && status == UN_OK; ++i) {
        status = count_one(file, box, i, room, e->count + i);
        padded += e->count[i] < f->per;
        left += f->per - e->count[i];
    }
    un_free(room);
    if (status == UN_OK && left > 0)
        un_log(UN_LOG_INFO,
               "%s: no num_boxes; %lld regions of zeros at the ends of %lld of %lld images are padding and "
               "left out",
               file->path, (long long)left, (long long)padded, (long long)e->n);
    return status;
}

static enum un_status read_extents(const struct un_h5_file *file, struct extents *e) {
    static const char *const counts[] = {"num_boxes", "num_bbox", "nbb", NULL};
    struct un_h5_shape shape;
    const char *name = file->form == UN_H5_FLAT ? "pos_boxes" : first_link(file, counts);
    const struct un_h5_column *f = file->column + UN_H5_FEATURE;
    void *values;
    e->n = f->regions / f->per;
    if (!name) return count_regions(file, e);
    UN_TRY(un_h5_read_all(file->h5, name, UN_I64, &shape, &values));
    if (file->form == UN_H5_FLAT)
        e->pos = values;
    else
        e->count = values;
    if (file->form == UN_H5_FLAT ? shape.rank != 2 || shape.dims[1] != 2
                                 : shape.dims[0] != e->n || shape.dims[1] != 1)
        return un_fail(UN_DATA, "%s: %s is %lld x %lld, not %s", file->path, name, (long long)shape.dims[0],
                       (long long)shape.dims[1],
                       file->form == UN_H5_FLAT ? "n x 2 (first row, row after the last)"
                                                : "a number an image");
    if (file->form == UN_H5_FLAT) e->n = shape.dims[0];
    return UN_OK;
}

static enum un_status extent_of(const struct un_h5_file *file, const struct extents *e, int64_t i,
                                int64_t *first, int64_t *n) {
    const struct un_h5_column *f = file->column + UN_H5_FEATURE;
    *first = e->pos ? e->pos[2 * i] : i * f->per;
    int64_t after = e->pos ? e->pos[2 * i + 1] : *first + (e->count ? e->count[i] : f->per);
    if (*first < 0 || after <= *first || after > f->regions || (!e->pos && after > *first + f->per))
        return un_fail(UN_DATA, "%s: image %lld: its regions are rows %lld to %lld of %lld", file->path,
                       (long long)i, (long long)*first, (long long)after, (long long)f->regions);
    *n = after - *first;
    return UN_OK;
}

static enum un_status list_images(const struct un_h5_file *file, struct un_image_list *list,
                                  const struct ids *ids, const struct extents *e, int64_t number) {
    char text[32], where[600];
    int64_t first, n = 0, regions = 0;
    if (ids->n != e->n && (ids->number || ids->n < e->n)) /* lines may go on for the next file */
        return un_fail(UN_DATA, "%s: %lld image ids for %lld images", file->path, (long long)ids->n,
                       (long long)e->n);
    for (int64_t i = 0; i < e->n; ++i) {
        UN_TRY(extent_of(file, e, i, &first, &n));
        if (ids->number) snprintf(text, sizeof text, "%lld", (long long)ids->number[i]);
        snprintf(where, sizeof where, "%s: row %lld", file->path, (long long)i);
        UN_TRY(un_image_list_add(list, where, ids->number ? text : ids->cells + i * ids->stride, n, first,
                                 number));
        if ((regions += n) > file->column[UN_H5_FEATURE].regions)
            return un_fail(UN_DATA, "%s: row %lld: images share regions", file->path, (long long)i);
    }
    return UN_OK;
}

static enum un_status check_others(const struct un_h5_file *file, bool say) {
    char text[400];
    UN_TRY(un_h5_others(file, "", "", false, text, sizeof text));
    UN_TRY(un_h5_classes_check(file, "", file->column, text));
    if (text[0] && say) un_log(UN_LOG_INFO, "%s: not taken: %s", file->path, text);
    return UN_OK;
}

static enum un_status survey(struct un_source_h5 *source, struct un_h5_file *file, struct un_image_list *list,
                             int64_t number, struct ids *ids, struct extents *e) {
    static const char *const widths[] = {"image_w", "img_w", "width", "image_width", NULL};
    static const char *const heights[] = {"image_h", "img_h", "height", "image_height", NULL};
    UN_TRY(open_columns(file));
    file->form = file->column[UN_H5_FEATURE].deep ? UN_H5_FIXED : UN_H5_FLAT;
    bool has_pos = un_h5_has_link(file->h5, "pos_boxes");
    if (file->form == UN_H5_FLAT && !has_pos)
        return un_fail(UN_DATA, "%s: %s is flat, so pos_boxes must say which rows are whose", file->path,
                       file->column->name);
    UN_TRY(read_extents(file, e));
    file->images = e->n;
    UN_TRY(source->ids ? read_lines(source, file, ids) : read_ids(file, ids));
    UN_TRY(list_images(file, list, ids, e, number));
    UN_TRY(read_sizes(file, widths, &file->width));
    UN_TRY(read_sizes(file, heights, &file->height));
    UN_TRY(check_others(file, !source->shape_set));
    UN_TRY(un_h5_shape_agree(source, list, file, file->column));
    const struct un_h5_column *box = file->column + UN_H5_BOX;
    return box->data ? un_h5_scale_look(source, file, box, 0, box->regions) : UN_OK;
}

enum un_status un_h5_arrays_survey(struct un_source_h5 *source, struct un_h5_file *file,
                                   struct un_image_list *list, int64_t number) {
    struct ids ids = {0};
    struct extents e = {0};
    enum un_status status = survey(source, file, list, number, &ids, &e);
    un_free(ids.cells);
    un_free(ids.number);
    un_free(e.pos);
    un_free(e.count);
    return status;
}
