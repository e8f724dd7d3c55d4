/* Named arrays to a record (arrays.h). */
#include "io/convert/image/arrays.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MOST = 8 };
static const int64_t width_most = 1 << 20;
static const char *const names[UN_ARRAY_ROLES][NAMES_MOST] = {
    [UN_ARRAY_FEATURE] = {"features", "image_features", "feature", "feats", "feat", "x"},
    [UN_ARRAY_UNIT_BOX] = {"norm_bb", "norm_boxes", "normalized_boxes", "spatial_features"},
    [UN_ARRAY_BOX] = {"boxes", "bbox", "bboxes", "box", "image_bb"},
    [UN_ARRAY_CONFIDENCE] = {"conf", "confidence", "confidences", "scores", "objects_conf", "obj_conf",
                             "object_conf"},
    [UN_ARRAY_SOFT] = {"soft_labels", "soft_label", "cls_prob"},
    [UN_ARRAY_CLASS] = {"objects_id", "obj_id", "object_ids", "objects", "class_ids"},
    [UN_ARRAY_WIDTH] = {"image_w", "img_w", "width", "image_width"},
    [UN_ARRAY_HEIGHT] = {"image_h", "img_h", "height", "image_height"},
    [UN_ARRAY_COUNT] = {"num_bbox", "num_boxes"},
};

enum un_array_role un_array_role(const struct un_image_arrays *arrays, const char *name, size_t bytes,
                                 int *place) {
    for (int role = 0; role < UN_ARRAY_ROLES; ++role)
        for (int i = 0; i < NAMES_MOST && names[role][i] && (role != UN_ARRAY_CLASS || arrays->onehot); ++i)
            if (strlen(names[role][i]) == bytes && memcmp(names[role][i], name, bytes) == 0) {
                *place = i;
                return (enum un_array_role)role;
            }
    return UN_ARRAY_ROLES;
}

void un_image_names_add(char *text, size_t size, const char *name, size_t bytes) {
    size_t at = strlen(text), most = bytes < 40 ? bytes : 40;
    const char *full = ", ...";
    if (at >= strlen(full) && strcmp(text + at - strlen(full), full) == 0) return;
    if (at + 2 + most + strlen(full) + 1 > size)
        snprintf(text + at, size - at, "%s", full);
    else
        snprintf(text + at, size - at, "%s%.*s", at ? ", " : "", (int)most, name);
}

void un_image_arrays_other(struct un_image_arrays *arrays, const char *name, size_t bytes) {
    un_image_names_add(arrays->others, sizeof arrays->others, name, bytes);
}

void un_image_arrays_say(const struct un_image_arrays *arrays, const char *where) {
    if (arrays->others[0])
        un_log(UN_LOG_INFO, "%s: not taken, here and in all images: %s", where, arrays->others);
}

struct un_image_array *un_image_arrays_add(struct un_image_arrays *arrays, const char *name, size_t bytes,
                                           const struct un_npy *npy, const void *data) {
    int place = 0;
    enum un_array_role role = un_array_role(arrays, name, bytes, &place);
    if (role == UN_ARRAY_ROLES) return NULL;
    struct un_image_array *a = arrays->role + role;
    if (a->there && a->place <= place) return NULL;
    *a = (struct un_image_array){true, place, names[role][place], *npy, data};
    return a;
}

static bool is_number(enum un_npy_type type) {
    return type <= UN_NPY_BOOL;
}

static enum un_type type_of(const struct un_image_array *a) {
    return a->npy.type == UN_NPY_F16 ? UN_F16 : UN_F32;
}

static enum un_status bad_extent(const char *where, const struct un_image_array *a, const char *want) {
    const struct un_npy *n = &a->npy;
    return un_fail(UN_DATA, "%s: %s has rank %d (%lld, %lld), not %s", where, a->name, n->rank,
                   (long long)(n->rank > 0 ? n->dims[0] : 0), (long long)(n->rank > 1 ? n->dims[1] : 0),
                   want);
}

/* A number; 0: it is not there. */
static enum un_status get_number(const struct un_image_arrays *arrays, const char *where,
                                 enum un_array_role role, double *value) {
    const struct un_image_array *a = arrays->role + role;
    *value = 0;
    if (!a->there) return UN_OK;
    if (a->npy.items != 1 || !is_number(a->npy.type) || !a->data) return bad_extent(where, a, "one number");
    *value = un_npy_number(&a->npy, a->data, 0);
    if (*value >= 1 && *value <= 1e9) return UN_OK;
    return un_fail(UN_DATA, "%s: %s is %g", where, a->name, *value);
}

static const struct un_image_array *box_of(const struct un_image_arrays *arrays) {
    const struct un_image_array *unit = arrays->role + UN_ARRAY_UNIT_BOX;
    return unit->there ? unit : arrays->role + UN_ARRAY_BOX;
}

static enum un_status check_there(const struct un_image_arrays *arrays, const char *where) {
    const struct un_image_array *f = arrays->role + UN_ARRAY_FEATURE, *b = box_of(arrays);
    if (!f->there || !b->there)
        return un_fail(UN_DATA, "%s: no %s in it%s%s", where,
                       f->there ? "boxes (norm_bb, boxes, bbox, ...)" : "features (features, x, ...)",
                       arrays->others[0] ? "; names there that are not known: " : "", arrays->others);
    for (int role = 0; role < UN_ARRAY_ROLES; ++role) {
        const struct un_image_array *a = arrays->role + role;
        if (a->there && !is_number(a->npy.type))
            return un_fail(UN_DATA, "%s: %s holds no numbers%s", where, a->name,
                           a->npy.type == UN_NPY_OBJECT ? " but pickled objects, which are never read" : "");
    }
    if (f->npy.rank != 2) return bad_extent(where, f, "2");
    if (b->npy.rank != 2 || b->npy.dims[1] < 4 || b->npy.dims[1] > 7)
        return bad_extent(where, b, "2, 4 to 7 wide");
    return UN_OK;
}

static enum un_status check_classes(const struct un_image_arrays *arrays, const char *where, int64_t n) {
    const struct un_image_array *c = arrays->role + UN_ARRAY_CLASS, *s = arrays->role + UN_ARRAY_SOFT;
    if (arrays->onehot == 0) return UN_OK;
    if (s->there)
        return un_fail(UN_DATA, "%s: it has soft labels (%s); labels=onehot is for images without", where,
                       s->name);
    if (!c->there)
        return un_fail(UN_DATA, "%s: no ids of classes (objects_id, ...) in it for labels=onehot%s%s", where,
                       arrays->others[0] ? "; names there that are not known: " : "", arrays->others);
    return c->npy.items == n ? UN_OK : bad_extent(where, c, "one number a region");
}

enum un_status un_image_arrays_extent(const struct un_image_arrays *arrays, const char *where,
                                      struct un_image_extent *e) {
    const struct un_image_array *f = arrays->role + UN_ARRAY_FEATURE, *b = box_of(arrays);
    const struct un_image_array *c = arrays->role + UN_ARRAY_CONFIDENCE, *s = arrays->role + UN_ARRAY_SOFT;
    double count;
    UN_TRY(check_there(arrays, where));
    UN_TRY(get_number(arrays, where, UN_ARRAY_COUNT, &count));
    int64_t n = b->npy.dims[0];
    e->turned = f->npy.dims[0] != n && f->npy.dims[1] == n;
    e->rows = n;
    e->regions = arrays->role[UN_ARRAY_COUNT].there ? (int64_t)count : n;
    if (n < 1 || n > UN_IMAGE_REGIONS_MAX || e->regions > n)
        return un_fail(UN_DATA, "%s: %lld regions, %lld boxes; there must be 1 to %d", where,
                       (long long)e->regions, (long long)n, UN_IMAGE_REGIONS_MAX);
    if (f->npy.dims[0] != n && !e->turned)
        return un_fail(UN_DATA, "%s: %s is [%lld,%lld], but there are %lld boxes", where, f->name,
                       (long long)f->npy.dims[0], (long long)f->npy.dims[1], (long long)n);
    if (c->there && c->npy.items != n) return bad_extent(where, c, "one number a region");
    if (s->there && (s->npy.rank != 2 || s->npy.dims[0] != n))
        return bad_extent(where, s, "2, a row a region");
    UN_TRY(check_classes(arrays, where, n));
    e->shape = (struct un_image_shape){.img_dim = f->npy.dims[e->turned ? 0 : 1],
                                       .classes = s->there ? s->npy.dims[1] : arrays->onehot,
                                       .feature_type = type_of(f),
                                       .confidence_type = c->there ? type_of(c) : UN_F32,
                                       .soft_type = s->there ? type_of(s) : UN_F16,
                                       .has_confidence = c->there};
    if (e->shape.img_dim < 1 || e->shape.img_dim > width_most || e->shape.classes > width_most ||
        (s->there && e->shape.classes < 1))
        return un_fail(UN_DATA, "%s: features %lld wide, %lld classes", where, (long long)e->shape.img_dim,
                       (long long)e->shape.classes);
    return UN_OK;
}

enum un_status un_image_arrays_agree(struct un_image_list *list, const char *where,
                                     const struct un_image_shape *here) {
    struct un_image_shape *all = &list->shape;
    if (list->n == 0) *all = *here;
    if (here->img_dim != all->img_dim || here->feature_type != all->feature_type)
        return un_fail(UN_DATA, "%s: features %lld wide in %d bytes a number, %lld in %d before", where,
                       (long long)here->img_dim, (int)un_type_bytes(here->feature_type),
                       (long long)all->img_dim, (int)un_type_bytes(all->feature_type));
    if (here->has_confidence != all->has_confidence || here->confidence_type != all->confidence_type)
        return un_fail(UN_DATA, "%s: its confidences are of another kind than those before, or missing",
                       where);
    if (here->classes != all->classes || here->soft_type != all->soft_type)
        return un_fail(UN_DATA, "%s: soft labels of %lld classes in %d bytes, %lld in %d before", where,
                       (long long)here->classes, (int)un_type_bytes(here->soft_type), (long long)all->classes,
                       (int)un_type_bytes(all->soft_type));
    return UN_OK;
}

static enum un_status take(void **buffer, size_t *bytes, size_t want) {
    if (want <= *bytes) return UN_OK;
    un_free(*buffer);
    *bytes = 0;
    *buffer = un_alloc(want, 1, "an image");
    if (!*buffer) return UN_MEMORY;
    *bytes = want;
    return UN_OK;
}

enum un_status un_image_room_take(struct un_image_room *room, enum un_array_role role, size_t want) {
    return take(room->at + role, room->bytes + role, want);
}

void un_image_room_free(struct un_image_room *room) {
    for (int role = 0; role < UN_ARRAY_ROLES; ++role) un_free(room->at[role]);
    un_free(room->box);
    *room = (struct un_image_room){0};
}

/* Row r, column k of an array of `rows` rows, as an index of its items. turned: [columns, rows] in C order. */
static int64_t item(const struct un_npy *n, bool turned, int64_t rows, int64_t columns, int64_t r,
                    int64_t k) {
    bool by_column = turned != n->fortran;
    return by_column ? k * rows + r : r * columns + k;
}

/* The first `n` of `rows` rows as halves or floats at room->at[role]; values already there as they must be
 * are left. */
static enum un_status get_values(const struct un_image_array *a, struct un_image_room *room,
                                 enum un_array_role role, int64_t n, int64_t rows, int64_t columns,
                                 bool turned) {
    int64_t bytes = un_type_bytes(type_of(a));
    bool as_is = (a->npy.type == UN_NPY_F16 || a->npy.type == UN_NPY_F32) && !a->npy.fortran && !turned;
    if (as_is && a->data == room->at[role]) return UN_OK;
    const unsigned char *from = a->data;
    void *made = NULL; /* values in the room cannot be turned in place */
    if (a->data == room->at[role]) {
        made = room->at[role];
        room->at[role] = NULL;
        room->bytes[role] = 0;
    }
    enum un_status status = un_image_room_take(room, role, (size_t)(n * columns * bytes));
    unsigned char *out = room->at[role];
    if (status == UN_OK && as_is) memcpy(out, from, (size_t)(n * columns * bytes));
    for (int64_t r = 0; status == UN_OK && !as_is && r < n; ++r)
        for (int64_t k = 0; k < columns; ++k, out += bytes) {
            int64_t at = item(&a->npy, turned, rows, columns, r, k);
            if (a->npy.type == UN_NPY_F16 || a->npy.type == UN_NPY_F32) {
                memcpy(out, from + at * bytes, (size_t)bytes);
            } else {
                float value = (float)un_npy_number(&a->npy, from, at);
                memcpy(out, &value, sizeof value);
            }
        }
    un_free(made);
    return status;
}

/* Boxes beyond the image that are within it when it is turned: the usual cause is told, not the first bad number. */
static enum un_status check_turned(const struct un_image_arrays *arrays, const char *where, const float *box,
                                   int64_t n, double width, double height) {
    const double slack = 1 + 1e-3;
    double x = 0, y = 0;
    for (int64_t i = 0; i < n; ++i) {
        x = (double)box[6 * i + 2] > x ? (double)box[6 * i + 2] : x;
        y = (double)box[6 * i + 3] > y ? (double)box[6 * i + 3] : y;
    }
    if ((x <= width * slack && y <= height * slack) || x > height * slack || y > width * slack) return UN_OK;
    return un_fail(
        UN_DATA,
        "%s: its boxes reach x = %g, y = %g, beyond an image of width %g, height %g, but fit one of "
        "width %g, height %g: are the two swapped?%s",
        where, x, y, width, height, height, width,
        arrays->pixels ? " (a first line that names the columns says which is which)" : "");
}

/* Corners and, of unit boxes, w h as they stand. */
static enum un_status get_boxes(const struct un_image_arrays *arrays, const char *where,
                                const struct un_image_extent *e, struct un_image_room *room) {
    const struct un_image_array *b = box_of(arrays);
    int64_t columns = b->npy.dims[1];
    double width, height;
    bool pixels = arrays->pixels;
    void *box = room->box;
    enum un_status status = take(&box, &room->box_bytes, (size_t)e->regions * 6 * sizeof(float));
    room->box = box;
    UN_TRY(status);
    for (int64_t i = 0; i < e->regions; ++i) {
        float *out = room->box + 6 * i;
        for (int64_t k = 0; k < (columns < 6 ? 4 : 6); ++k) {
            out[k] = (float)un_npy_number(&b->npy, b->data, item(&b->npy, false, e->rows, columns, i, k));
            pixels = pixels || (b == arrays->role + UN_ARRAY_BOX && k < 4 && out[k] > 1.5f);
        }
        if (columns < 6) out[4] = out[2] - out[0], out[5] = out[3] - out[1];
    }
    if (!pixels) return UN_OK;
    UN_TRY(get_number(arrays, where, UN_ARRAY_WIDTH, &width));
    UN_TRY(get_number(arrays, where, UN_ARRAY_HEIGHT, &height));
    if (width == 0 || height == 0)
        return un_fail(UN_DATA,
                       "%s: its boxes are in pixels, but the image's size (image_w, image_h) is not known",
                       where);
    UN_TRY(check_turned(arrays, where, room->box, e->regions, width, height));
    for (int64_t i = 0; i < e->regions; ++i) {
        float corners[4];
        memcpy(corners, room->box + 6 * i, sizeof corners);
        un_box_from_pixels(room->box + 6 * i, corners, 1, width, height);
    }
    return UN_OK;
}

enum un_status un_image_onehot(uint16_t *row, int64_t classes, const char *where, const char *name,
                               int64_t region, double id) {
    static const uint16_t half_one = 0x3C00;
    if (!(id >= 0 && id < (double)(classes - 1)) || id != (double)(int64_t)id)
        return un_fail(UN_DATA, "%s, region %lld: %s is %g, not 0 to %lld (classes=N says how many)", where,
                       (long long)region, name, id, (long long)classes - 2);
    memset(row, 0, (size_t)classes * sizeof *row);
    row[1 + (int64_t)id] = half_one;
    return UN_OK;
}

static enum un_status make_onehot(const struct un_image_arrays *arrays, const char *where,
                                  const struct un_image_extent *e, struct un_image_room *room) {
    const struct un_image_array *a = arrays->role + UN_ARRAY_CLASS;
    UN_TRY(un_image_room_take(room, UN_ARRAY_SOFT, (size_t)(e->regions * arrays->onehot) * sizeof(uint16_t)));
    uint16_t *soft = room->at[UN_ARRAY_SOFT];
    for (int64_t i = 0; i < e->regions; ++i)
        UN_TRY(un_image_onehot(soft + i * arrays->onehot, arrays->onehot, where, a->name, i,
                               un_npy_number(&a->npy, a->data, i)));
    return UN_OK;
}

static bool same_shape(const struct un_image_shape *a, const struct un_image_shape *b) {
    return a->img_dim == b->img_dim && a->classes == b->classes && a->feature_type == b->feature_type &&
           a->confidence_type == b->confidence_type && a->soft_type == b->soft_type &&
           a->has_confidence == b->has_confidence;
}

enum un_status un_image_arrays_record(const struct un_image_arrays *arrays, const char *where,
                                      const struct un_image_list *list, int64_t index,
                                      struct un_image_room *room, struct un_image_record *record) {
    struct un_image_extent e;
    const struct un_image_array *f = arrays->role + UN_ARRAY_FEATURE, *c = arrays->role + UN_ARRAY_CONFIDENCE,
                                *s = arrays->role + UN_ARRAY_SOFT;
    UN_TRY(un_image_arrays_extent(arrays, where, &e));
    if (e.regions != list->list[index].regions || !same_shape(&e.shape, &list->shape))
        return un_fail(UN_DATA, "%s: has changed since the survey", where);
    UN_TRY(get_boxes(arrays, where, &e, room));
    UN_TRY(get_values(f, room, UN_ARRAY_FEATURE, e.regions, e.rows, e.shape.img_dim, e.turned));
    if (c->there) UN_TRY(get_values(c, room, UN_ARRAY_CONFIDENCE, e.regions, e.rows, 1, false));
    if (s->there) UN_TRY(get_values(s, room, UN_ARRAY_SOFT, e.regions, e.rows, e.shape.classes, false));
    if (arrays->onehot) UN_TRY(make_onehot(arrays, where, &e, room));
    *record = (struct un_image_record){e.regions, room->at[UN_ARRAY_FEATURE], room->box,
                                       c->there ? room->at[UN_ARRAY_CONFIDENCE] : NULL,
                                       e.shape.classes ? room->at[UN_ARRAY_SOFT] : NULL};
    return UN_OK;
}
