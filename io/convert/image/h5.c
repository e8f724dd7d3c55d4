/* Features in HDF5 as people have them (source.h). Taken are exactly these forms; the names of the
 * members stand in h5_column.c:
 *
 *   flat    image_features [R,F], spatial_features [R,6] or image_bb [R,4], pos_boxes [N,2] = first row and
 *           the row after the last of every image (the bottom-up-attention files for VQA)
 *   fixed   the same with a number K of regions: [N,K,F], [N,K,4 to 7]; num_boxes [N] says how many count
 *   groups  a group an image, its name the id: features [n,F], boxes [n,4 to 7], conf [n], soft labels [n,C];
 *           groups may stand in one folder (/images/ID)
 *   names   ID_features [n,F], ID_boxes [n,4], ID_cls_prob [n,C] (the files of Meshed-Memory Transformer)
 *
 * Flat and fixed take their ids from image_id [N] (numbers or texts), or from a file of lines. Boxes are x1
 * y1 x2 y2, then perhaps w h and the area (5 columns: the area only). They are divided by image_w and image_h
 * (a dataset [N], or a dataset or an attribute of the group) if any is larger than 1.5 in the whole source,
 * and kept as they are otherwise. 64-bit floats are rounded to 32; everything else keeps its bits. */
#include "io/convert/image/h5.h"
#include "io/convert/image/arrays.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct un_image_reader {
    const struct un_source_h5 *source;
    void *buffer[UN_H5_ROLES]; /* as stored */
    size_t bytes[UN_H5_ROLES];
    float *box; /* [n,6] */
    size_t box_bytes;
};

/* The content is not kept. */
static enum un_status make_room(void **buffer, size_t *bytes, size_t want) {
    if (want <= *bytes) return UN_OK;
    un_free(*buffer);
    *bytes = 0;
    *buffer = un_alloc(want, 1, "an image");
    if (!*buffer) return UN_MEMORY;
    *bytes = want;
    return UN_OK;
}

/* First child of a group; "" when there is none. */
static enum un_status first_child(const struct un_h5_file *file, const char *group, char *name, size_t size) {
    char **names;
    int64_t n;
    name[0] = '\0';
    UN_TRY(un_h5_names(file->h5, group, &names, &n));
    if (n > 0) snprintf(name, size, "%s", names[0]);
    for (int64_t i = 0; i < n; ++i) { /* of the form `names`: any of them tells */
        size_t length = strlen(names[i]);
        if (length > 9 && strcmp(names[i] + length - 9, "_features") == 0)
            snprintf(name, size, "%s", names[i]);
    }
    un_h5_names_free(names, n);
    return UN_OK;
}

/* Looks at the root, then into folders as long as the first child is neither images nor a dataset. */
static enum un_status find_form(struct un_h5_file *file) {
    char child[256], prefix[600];
    if (un_h5_column_has(file, "", UN_H5_FEATURE)) {
        file->form = UN_H5_FLAT; /* or fixed, which its extents tell */
        return UN_OK;
    }
    for (int depth = 0; depth < 4; ++depth) {
        enum un_status status = first_child(file, file->base, child, sizeof child);
        if (status != UN_OK && (depth == 0 || status == UN_MEMORY)) return status;
        un_error_clear(); /* deeper, a child may well be no group */
        if (status != UN_OK) break;
        size_t length = strlen(child), tail = strlen("_features");
        file->form = UN_H5_NAMES;
        if (length > tail && strcmp(child + length - tail, "_features") == 0) return UN_OK;
        file->form = UN_H5_GROUPS;
        if (!child[0] || snprintf(prefix, sizeof prefix, "%s%s/", file->base, child) >= (int)sizeof prefix)
            break;
        if (un_h5_column_has(file, prefix, UN_H5_FEATURE)) return UN_OK;
        if (snprintf(file->base, sizeof file->base, "%s", prefix) >= (int)sizeof file->base) break;
    }
    char text[400];
    UN_TRY(un_h5_others(file, "", "", true, text, sizeof text));
    return un_fail(UN_DATA,
                   "%s: none of the forms that are read: image_features with pos_boxes, [N,K,F] arrays, a "
                   "group an image with features and boxes, ID_features with ID_boxes; there are: %s",
                   file->path, text[0] ? text : "none");
}

static enum un_status open_file(struct un_h5_file *file, const char *path) {
    file->fd = -1;
    if (!(file->path = un_strdup(path))) return UN_MEMORY;
    UN_TRY(un_h5_open(&file->h5, path, false));
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno));
    return find_form(file);
}

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    struct un_source_h5 *s = (struct un_source_h5 *)source;
    for (int i = 0; i < s->n; ++i) {
        struct un_h5_file *file = s->files + i;
        file->first = list->n;
        file->onehot = source->onehot;
        UN_TRY(file->form == UN_H5_FLAT ? un_h5_arrays_survey(s, file, list, i)
                                        : un_h5_groups_survey(s, file, list, i));
    }
    return UN_OK;
}

static void where_is(const struct un_image_source *source, const struct un_image_list *list, int64_t index,
                     char *text, size_t size) {
    const struct un_image_entry *entry = list->list + index;
    snprintf(text, size, "%s: %s", ((const struct un_source_h5 *)source)->files[entry->bytes].path,
             entry->id);
}

static enum un_status reader_open(struct un_image_source *source, struct un_image_reader **reader) {
    struct un_image_reader *r = *reader = un_alloc(1, sizeof *r, "a reader");
    if (!r) return UN_MEMORY;
    r->source = (struct un_source_h5 *)source;
    return UN_OK;
}

static void reader_close(struct un_image_reader *r) {
    for (int role = 0; role < UN_H5_ROLES; ++role) un_free(r->buffer[role]);
    un_free(r->box);
    un_free(r);
}

/* From the box column as read, `in` [n, width], to six numbers. size: the image's, for boxes in pixels. */
static enum un_status make_boxes(struct un_image_reader *r, const char *where, const char *id,
                                 const float *in, int64_t width, int64_t n, const double *size) {
    void *box = r->box;
    enum un_status status = make_room(&box, &r->box_bytes, (size_t)n * 6 * sizeof(float));
    r->box = box;
    if (status != UN_OK) return status;
    if (size && !(size[0] > 0 && size[1] > 0))
        return un_fail(UN_DATA,
                       "%s: image %s: its boxes are in pixels, but its size (image_w, image_h) is %s", where,
                       id, size[0] == 0 && size[1] == 0 ? "not known" : "not positive");
    for (int64_t i = 0; i < n; ++i, in += width) {
        float *out = r->box + 6 * i;
        if (size) {
            un_box_from_pixels(out, in, 1, size[0], size[1]);
            continue;
        }
        memcpy(out, in, (size_t)(width >= 6 ? 6 : 4) * sizeof *out);
        if (width < 6) out[4] = in[2] - in[0], out[5] = in[3] - in[1];
    }
    return UN_OK;
}

static enum un_status read_columns(struct un_image_reader *r, const struct un_h5_file *file,
                                   const struct un_h5_column *columns, int64_t first, int64_t n) {
    for (int role = 0; role < UN_H5_ROLES; ++role) {
        const struct un_h5_column *c = columns + role;
        if (!c->data) continue;
        int64_t rows = n > c->per ? n : c->per;
        UN_TRY(
            make_room(&r->buffer[role], &r->bytes[role], (size_t)(rows * c->width * un_type_bytes(c->type))));
        UN_TRY(un_h5_column_read(c, file, first, n, r->buffer[role]));
    }
    return UN_OK;
}

/* Soft labels of the ids of classes as read. */
static enum un_status make_labels(struct un_image_reader *r, const struct un_h5_file *file,
                                  const struct un_h5_column *class_, const struct un_image_entry *entry) {
    char where[UN_PATH_MAX + UN_IMAGE_ID_MAX + 8];
    const int64_t classes = file->onehot, n = entry->regions;
    const float *id = r->buffer[UN_H5_CLASS];
    if (!class_->data) return UN_OK;
    UN_TRY(
        make_room(&r->buffer[UN_H5_SOFT], &r->bytes[UN_H5_SOFT], (size_t)(n * classes) * sizeof(uint16_t)));
    snprintf(where, sizeof where, "%s: %s", file->path, entry->id);
    uint16_t *soft = r->buffer[UN_H5_SOFT];
    for (int64_t i = 0; i < n; ++i)
        UN_TRY(un_image_onehot(soft + i * classes, classes, where, class_->name, i, (double)id[i]));
    return UN_OK;
}

static enum un_status fill(struct un_image_reader *r, const struct un_h5_file *file,
                           const struct un_h5_column *columns, const struct un_image_entry *entry,
                           const double size[2], struct un_image_record *record) {
    enum un_h5_role box = columns[UN_H5_UNIT_BOX].data ? UN_H5_UNIT_BOX : UN_H5_BOX;
    bool pixels = box == UN_H5_BOX && r->source->pixels;
    UN_TRY(read_columns(r, file, columns, entry->at, entry->regions));
    UN_TRY(make_boxes(r, file->path, entry->id, r->buffer[box], columns[box].width, entry->regions,
                      pixels ? size : NULL));
    UN_TRY(make_labels(r, file, columns + UN_H5_CLASS, entry));
    *record = (struct un_image_record){entry->regions, r->buffer[UN_H5_FEATURE], r->box,
                                       columns[UN_H5_CONFIDENCE].data ? r->buffer[UN_H5_CONFIDENCE] : NULL,
                                       un_h5_classes(file, columns) ? r->buffer[UN_H5_SOFT] : NULL};
    return UN_OK;
}

/* The columns of an image that has its own. They must still be what the survey saw. */
static enum un_status open_own(const struct un_h5_file *file, const struct un_image_list *list,
                               const struct un_image_entry *entry, struct un_h5_column *c, double size[2],
                               bool pixels) {
    char prefix[512];
    const struct un_image_shape *s = &list->shape;
    UN_TRY(un_h5_groups_prefix(file, entry->id, prefix, sizeof prefix));
    for (int role = 0; role < UN_H5_ROLES; ++role) {
        if (role == UN_H5_BOX && c[UN_H5_UNIT_BOX].data) continue;
        UN_TRY(un_h5_column_open(c + role, file, prefix, (enum un_h5_role)role, 0));
        if (c[role].data && c[role].regions != entry->regions)
            return un_fail(UN_DATA, "%s: %s has changed since the survey", file->path, c[role].name);
    }
    const struct un_h5_column *f = c + UN_H5_FEATURE, *k = c + UN_H5_CONFIDENCE, *l = c + UN_H5_SOFT;
    if (!f->data || f->width != s->img_dim || f->type != s->feature_type ||
        (!c[UN_H5_UNIT_BOX].data && !c[UN_H5_BOX].data) || (k->data != NULL) != s->has_confidence ||
        (k->data && k->type != s->confidence_type) || un_h5_classes(file, c) != s->classes ||
        (l->data && l->type != s->soft_type) || (file->onehot && !c[UN_H5_CLASS].data))
        return un_fail(UN_DATA, "%s: %s has changed since the survey", file->path, prefix);
    return pixels && !c[UN_H5_UNIT_BOX].data ? un_h5_groups_size(file, prefix, size, size + 1) : UN_OK;
}

static enum un_status read_image(struct un_image_reader *r, const struct un_image_list *list, int64_t index,
                                 struct un_image_record *record) {
    const struct un_image_entry *entry = list->list + index;
    const struct un_h5_file *file = r->source->files + entry->bytes;
    int64_t i = index - file->first;
    if (file->form == UN_H5_FLAT || file->form == UN_H5_FIXED) {
        const double size[2] = {file->width ? file->width[i] : 0, file->height ? file->height[i] : 0};
        return fill(r, file, file->column, entry, size, record);
    }
    struct un_h5_column own[UN_H5_ROLES] = {{0}};
    double size[2] = {0, 0};
    enum un_status status = open_own(file, list, entry, own, size, r->source->pixels);
    if (status == UN_OK) status = fill(r, file, own, entry, size, record);
    for (int role = 0; role < UN_H5_ROLES; ++role) un_h5_column_close(own + role);
    return status;
}

static void close_source(struct un_image_source *source) {
    struct un_source_h5 *s = (struct un_source_h5 *)source;
    for (int i = 0; s->files && i < s->n; ++i) {
        struct un_h5_file *file = s->files + i;
        for (int role = 0; role < UN_H5_ROLES; ++role) un_h5_column_close(file->column + role);
        un_free(file->width);
        un_free(file->height);
        un_h5_close(file->h5);
        if (file->path && file->fd >= 0) close(file->fd);
        un_free(file->path);
    }
    un_free(s->files);
    un_free(s->ids);
    un_free(s);
}

static enum un_status open_source(struct un_source_h5 *s, const char *const *paths, int n, const char *ids) {
    s->files = un_alloc((size_t)n, sizeof *s->files, "HDF5 files");
    if (!s->files) return UN_MEMORY;
    s->n = n;
    for (int i = 0; i < n; ++i) {
        UN_TRY(open_file(s->files + i, paths[i]));
        UN_TRY(un_image_stamp(&s->source.stamp, paths[i]));
    }
    if (ids && ids[0]) {
        if (!(s->ids = un_strdup(ids))) return UN_MEMORY;
        UN_TRY(un_image_stamp(&s->source.stamp, ids));
    }
    un_image_source_name(&s->source, "h5", paths, n);
    return UN_OK;
}

enum un_status un_image_source_h5(struct un_image_source **source, const char *const *paths, int n,
                                  const char *ids) {
    static const struct un_image_source_ops ops = {survey, reader_open, read_image, reader_close,
                                                   close_source};
    struct un_source_h5 *s = un_alloc(1, sizeof *s, "an HDF5 source");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.where = where_is;
    return un_image_source_opened(&s->source, open_source(s, paths, n, ids), source);
}
