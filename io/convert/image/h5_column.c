/* Columns of foreign HDF5 files: found by the names people give them, read by pread where they lie in one
 * piece, through HDF5 (one reader at a time) otherwise.
 *
 *   features     image_features features feature feats feat x
 *   boxes, unit  spatial_features norm_bb norm_boxes normalized_boxes
 *   boxes        image_bb boxes bbox bboxes box           (pixels, or unit when no value exceeds 1.5)
 *   confidence   conf confidence confidences scores objects_conf obj_conf object_conf
 *   soft labels  soft_labels soft_label cls_prob
 *   ids of classes  objects_id obj_id object_ids objects class_ids    (labels=onehot) */
#include "io/convert/image/arrays.h"
#include "io/convert/image/h5.h"
#include "runtime/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_MOST = 8, WIDTH_MOST = 1 << 20, SCALE_BLOCK = 512 };
static const char *const names[UN_H5_ROLES][NAMES_MOST] = {
    [UN_H5_FEATURE] = {"image_features", "features", "feature", "feats", "feat", "x"},
    [UN_H5_UNIT_BOX] = {"spatial_features", "norm_bb", "norm_boxes", "normalized_boxes"},
    [UN_H5_BOX] = {"image_bb", "boxes", "bbox", "bboxes", "box"},
    [UN_H5_CONFIDENCE] = {"conf", "confidence", "confidences", "scores", "objects_conf", "obj_conf",
                          "object_conf"},
    [UN_H5_SOFT] = {"soft_labels", "soft_label", "cls_prob"},
    [UN_H5_CLASS] = {"objects_id", "obj_id", "object_ids", "objects", "class_ids"},
};

static bool find_name(const struct un_h5_file *file, const char *prefix, enum un_h5_role role, char *name,
                      size_t size) {
    for (int i = 0; i < NAMES_MOST && names[role][i]; ++i)
        if (snprintf(name, size, "%s%s", prefix, names[role][i]) < (int)size &&
            un_h5_has_link(file->h5, name))
            return true;
    return false;
}

bool un_h5_column_has(const struct un_h5_file *file, const char *prefix, enum un_h5_role role) {
    char name[512];
    return find_name(file, prefix, role, name, sizeof name);
}

/* [R], [R,w], [N,K] and [N,K,w] as regions. Values of one number a region have no extent of their own. */
static enum un_status fold(struct un_h5_column *c, const struct un_h5_file *file, enum un_h5_role role,
                           const struct un_h5_shape *s, int64_t inner, int64_t per) {
    bool single = role == UN_H5_CONFIDENCE || role == UN_H5_CLASS;
    int64_t values;
    c->deep = s->rank == 3 || (single && s->rank == 2 && per != 0);
    c->per = 1;
    c->width = s->dims[1];
    if (c->deep) {
        c->width = s->rank == 3 ? inner : 1;
        c->per = c->width > 0 ? s->dims[1] / c->width : 0;
    }
    if (s->rank < (single ? 1 : 2) || (s->rank == 3 && per == 0))
        return un_fail(UN_DATA, "%s: %s has rank %d, not %s", file->path, c->name, s->rank,
                       single     ? "1 or 2"
                       : per == 0 ? "2"
                                  : "2 or 3");
    if (c->width < 1 || c->width > WIDTH_MOST || (single && c->width != 1))
        return un_fail(UN_DATA, "%s: %s is %lld wide", file->path, c->name, (long long)c->width);
    if (c->per < 1 || c->per > UN_IMAGE_REGIONS_MAX || (per > 0 && c->per != per))
        return un_fail(UN_DATA, "%s: %s has %lld regions an image, not %lld", file->path, c->name,
                       (long long)c->per, (long long)per);
    if (__builtin_mul_overflow(s->dims[0], c->per, &c->regions) ||
        __builtin_mul_overflow(c->regions, c->width, &values))
        return un_fail(UN_DATA, "%s: %s has %lld rows", file->path, c->name, (long long)s->dims[0]);
    return UN_OK;
}

static enum un_status take(struct un_h5_column *c, const struct un_h5_file *file, enum un_h5_role role,
                           const struct un_h5_shape *s, int64_t inner, int64_t per) {
    const bool box = role == UN_H5_BOX || role == UN_H5_UNIT_BOX, class_ = role == UN_H5_CLASS;
    UN_TRY(fold(c, file, role, s, inner, per));
    c->class_ = s->class_;
    c->type = s->class_ == UN_H5_FLOAT && s->element_bytes == 2 && !box && !class_ ? UN_F16 : UN_F32;
    if (s->class_ != UN_H5_FLOAT && !((box || class_) && s->class_ == UN_H5_INT))
        return un_fail(UN_DATA, "%s: %s holds no %snumbers", file->path, c->name,
                       class_ ? "" : "floating-point ");
    if (box && (c->width < 4 || c->width > 7))
        return un_fail(UN_DATA, "%s: %s is %lld wide, not 4 (x1 y1 x2 y2) to 7 (and w h area)", file->path,
                       c->name, (long long)c->width);
    c->raw = c->class_ == UN_H5_FLOAT ? un_h5_raw_offset(c->data, c->type) : -1;
    return UN_OK;
}

enum un_status un_h5_column_open(struct un_h5_column *c, const struct un_h5_file *file, const char *prefix,
                                 enum un_h5_role role, int64_t per) {
    struct un_h5_shape shape;
    int64_t inner;
    *c = (struct un_h5_column){.raw = -1};
    if (role == UN_H5_CLASS && file->onehot == 0) return UN_OK;
    if (!find_name(file, prefix, role, c->name, sizeof c->name)) return UN_OK;
    UN_TRY(un_h5_data_open_folded(file->h5, c->name, &c->data, &shape, &inner));
    enum un_status status = take(c, file, role, &shape, inner, per);
    if (status != UN_OK) un_h5_column_close(c);
    return status;
}

static bool is_known(const struct un_h5_file *file, const char *name) {
    static const char *const beside[] = {"image_id", "image_ids", "ids",          "img_id",      "img_ids",
                                         "image_w",  "img_w",     "width",        "image_width", "image_h",
                                         "img_h",    "height",    "image_height", "num_boxes",   "num_bbox",
                                         "nbb",      "pos_boxes"};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; ++i)
        if (strcmp(name, beside[i]) == 0) return true;
    for (int role = 0; role < UN_H5_ROLES; ++role)
        for (int i = 0; i < NAMES_MOST && names[role][i] && (role != UN_H5_CLASS || file->onehot); ++i)
            if (strcmp(name, names[role][i]) == 0) return true;
    return false;
}

enum un_status un_h5_others(const struct un_h5_file *file, const char *group, const char *front, bool all,
                            char *text, size_t size) {
    char **list;
    int64_t n;
    text[0] = '\0';
    UN_TRY(un_h5_names(file->h5, group, &list, &n));
    for (int64_t i = 0; i < n; ++i) {
        const char *name = list[i] + strlen(front);
        if (strncmp(list[i], front, strlen(front)) == 0 && (all || !is_known(file, name)))
            un_image_names_add(text, size, name, strlen(name));
    }
    un_h5_names_free(list, n);
    return UN_OK;
}

void un_h5_column_close(struct un_h5_column *c) {
    un_h5_data_close(c->data);
    c->data = NULL;
}

static enum un_status read_raw(const struct un_h5_column *c, const struct un_h5_file *file, int64_t first,
                               int64_t n, char *out) {
    int64_t row = c->width * un_type_bytes(c->type), bytes = n * row, at = c->raw + first * row;
    while (bytes > 0) {
        ssize_t got = pread(file->fd, out, (size_t)bytes, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return un_fail(UN_IO, "%s: %s: region %lld: cannot read: %s", file->path, c->name,
                           (long long)first, got < 0 ? strerror(errno) : "the file ends there");
        out += got;
        at += got;
        bytes -= got;
    }
    return UN_OK;
}

/* 32-bit integers become floats in their place. */
static enum un_status read_integers(const struct un_h5_column *c, int64_t row, int64_t rows, float *out) {
    UN_TRY(un_h5_read_rows(c->data, row, rows, UN_I32, out));
    for (int64_t i = 0; i < rows * c->per * c->width; ++i) {
        int32_t value;
        memcpy(&value, out + i, sizeof value);
        out[i] = (float)value;
    }
    return UN_OK;
}

enum un_status un_h5_column_read(const struct un_h5_column *c, const struct un_h5_file *file, int64_t first,
                                 int64_t n, void *out) {
    if (first < 0 || n < 1 || n > c->regions || first > c->regions - n)
        return un_fail(UN_DATA, "%s: %s: regions [%lld, +%lld) of %lld", file->path, c->name,
                       (long long)first, (long long)n, (long long)c->regions);
    if (c->raw >= 0) return read_raw(c, file, first, n, out);
    int64_t row = first / c->per, rows = c->deep ? 1 : n; /* [N,K]: images begin a row and are within it */
    return c->class_ == UN_H5_INT ? read_integers(c, row, rows, out)
                                  : un_h5_read_rows(c->data, row, rows, c->type, out);
}

enum un_status un_h5_classes_check(const struct un_h5_file *file, const char *prefix,
                                   const struct un_h5_column *column, const char *others) {
    const char *gap = prefix[0] ? ": " : "";
    if (file->onehot == 0) return UN_OK;
    if (column[UN_H5_SOFT].data)
        return un_fail(UN_DATA, "%s%s%s: it has soft labels (%s); labels=onehot is for images without",
                       file->path, gap, prefix, column[UN_H5_SOFT].name);
    if (column[UN_H5_CLASS].data) return UN_OK;
    return un_fail(UN_DATA, "%s%s%s: no ids of classes (objects_id, ...) in it for labels=onehot%s%s",
                   file->path, gap, prefix, others[0] ? "; names there that are not known: " : "", others);
}

int64_t un_h5_classes(const struct un_h5_file *file, const struct un_h5_column *column) {
    return column[UN_H5_SOFT].data ? column[UN_H5_SOFT].width : file->onehot;
}

enum un_status un_h5_shape_agree(struct un_source_h5 *source, struct un_image_list *list,
                                 const struct un_h5_file *file, const struct un_h5_column *column) {
    const struct un_h5_column *f = column + UN_H5_FEATURE, *c = column + UN_H5_CONFIDENCE,
                              *s = column + UN_H5_SOFT;
    const struct un_image_shape here = {.img_dim = f->width,
                                        .classes = un_h5_classes(file, column),
                                        .feature_type = f->type,
                                        .confidence_type = c->data ? c->type : f->type,
                                        .soft_type = s->data ? s->type : UN_F16,
                                        .has_confidence = c->data != NULL};
    struct un_image_shape *all = &list->shape;
    if (!source->shape_set) *all = here;
    source->shape_set = true;
    if (here.img_dim != all->img_dim || here.feature_type != all->feature_type)
        return un_fail(UN_DATA, "%s: %s: %lld wide in %d bytes a number, %lld in %d before", file->path,
                       f->name, (long long)here.img_dim, (int)un_type_bytes(here.feature_type),
                       (long long)all->img_dim, (int)un_type_bytes(all->feature_type));
    if (here.has_confidence != all->has_confidence || here.confidence_type != all->confidence_type)
        return un_fail(UN_DATA, "%s: %s: its confidences are of another kind than those before, or missing",
                       file->path, f->name);
    if (here.classes != all->classes || here.soft_type != all->soft_type)
        return un_fail(UN_DATA, "%s: %s: soft labels of %lld classes in %d bytes, %lld in %d before",
                       file->path, f->name, (long long)here.classes, (int)un_type_bytes(here.soft_type),
                       (long long)all->classes, (int)un_type_bytes(all->soft_type));
    return UN_OK;
}

enum un_status un_h5_scale_look(struct un_source_h5 *source, const struct un_h5_file *file,
                                const struct un_h5_column *c, int64_t first, int64_t n) {
    int64_t block = c->per > 1 ? c->per : SCALE_BLOCK;
    if (source->pixels) return UN_OK;
    float *box = un_alloc((size_t)(block * c->width), sizeof *box, "boxes");
    if (!box) return UN_MEMORY;
    enum un_status status = UN_OK;
    for (int64_t at = first; at < first + n && status == UN_OK && !source->pixels; at += block) {
        int64_t count = first + n - at < block ? first + n - at : block;
        status = un_h5_column_read(c, file, at, count, box);
        for (int64_t i = 0; status == UN_OK && i < count * c->width; ++i)
            if (i % c->width < 4 && box[i] > 1.5f) source->pixels = true;
    }
    un_free(box);
    return status;
}
