/* Our own feature files as a source: one file after the other, through a filter, every value as it is stored.
 *
 * An entry's `at` is its first region in its file, `bytes` is the number of the file. */
#include "io/convert/select/select.h"
#include "io/data/file.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

struct file {
    struct un_image_file images;
    struct un_column confidence, soft; /* as stored; those of `images` are converted */
};
struct source_uniter {
    struct un_image_source source; /* first */
    struct un_select *select;
    struct file *files;
    int n;
};
struct un_image_reader {
    const struct source_uniter *source;
    void *rows[4]; /* feature, box, confidence, soft label */
    int64_t regions;
};

static struct un_image_shape shape_of(const struct file *f) {
    return (struct un_image_shape){.img_dim = f->images.img_dim,
                                   .classes = f->images.classes,
                                   .feature_type = f->images.feature_type,
                                   .confidence_type = f->confidence.type,
                                   .soft_type = f->soft.present ? f->soft.type : UN_F16,
                                   .has_confidence = true};
}

static enum un_status agree(const struct file *f, const struct file *first) {
    static const char *const types[] = {[UN_F16] = "f16", [UN_F32] = "f32"};
    const struct un_image_shape a = shape_of(f), b = shape_of(first);
    const char *path = f->images.path, *other = first->images.path;
    if (a.img_dim != b.img_dim)
        return un_fail(UN_DATA, "%s: features are %lld wide, in %s %lld", path, (long long)a.img_dim, other,
                       (long long)b.img_dim);
    if (a.classes != b.classes)
        return un_fail(UN_DATA, "%s: soft labels of %lld classes, in %s %lld (0: none)", path,
                       (long long)a.classes, other, (long long)b.classes);
    const struct {
        const char *name;
        enum un_type a, b;
    } pairs[] = {{"feature", a.feature_type, b.feature_type},
                 {"confidence", a.confidence_type, b.confidence_type},
                 {"soft_label", a.soft_type, b.soft_type}};
    for (int i = 0; i < 3; ++i)
        if (pairs[i].a != pairs[i].b)
            return un_fail(UN_DATA, "%s: %s is stored as %s, in %s as %s; nothing is converted", path,
                           pairs[i].name, types[pairs[i].a], other, types[pairs[i].b]);
    return UN_OK;
}

static int64_t row_of(const struct file *f, int64_t region) {
    int64_t low = 0, high = f->images.images;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (f->images.region_offset[middle] <= region)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static enum un_status check_twice(const struct source_uniter *s, const struct un_image_list *list) {
    struct un_idmap map = {0};
    int64_t first, second;
    const char **ids = un_alloc((size_t)list->n + 1, sizeof *ids, "image ids");
    if (!ids) return UN_MEMORY;
    for (int64_t i = 0; i < list->n; ++i) ids[i] = list->list[i].id;
    enum un_status status = un_idmap_open(&map, ids, list->n, &first, &second);
    if (status == UN_OK && first >= 0) {
        const struct un_image_entry *a = list->list + first, *b = list->list + second;
        const struct file *fa = s->files + a->bytes, *fb = s->files + b->bytes;
        status = un_fail(UN_DATA, "image id %s stands twice: %s, row %lld, and %s, row %lld", a->id,
                         fa->images.path, (long long)row_of(fa, a->at), fb->images.path,
                         (long long)row_of(fb, b->at));
    }
    un_idmap_close(&map);
    un_free(ids);
    return status;
}

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    struct source_uniter *s = (struct source_uniter *)source;
    int64_t all = 0;
    list->shape = shape_of(s->files);
    for (int i = 0; i < s->n; ++i) {
        const struct un_image_file *f = &s->files[i].images;
        all += f->images;
        for (int64_t row = 0; row < f->images; ++row) {
            const char *id = f->ids + row * f->id_stride;
            int64_t at = f->region_offset[row];
            if (un_select_has(s->select, id))
                UN_TRY(un_image_list_add(list, f->path, id, f->region_offset[row + 1] - at, at, i));
        }
    }
    if (list->n == 0)
        return un_fail(UN_DATA, "%s: none of %lld images is selected", s->source.name, (long long)all);
    return check_twice(s, list);
}

static enum un_status reader_open(struct un_image_source *source, struct un_image_reader **reader) {
    *reader = un_alloc(1, sizeof **reader, "a reader");
    if (!*reader) return UN_MEMORY;
    (*reader)->source = (struct source_uniter *)source;
    return UN_OK;
}

static void reader_close(struct un_image_reader *r) {
    for (int c = 0; c < 4; ++c) un_free(r->rows[c]);
    un_free(r);
}

static enum un_status make_room(struct un_image_reader *r, const struct un_column *const columns[4],
                                int64_t regions) {
    if (regions <= r->regions) return UN_OK;
    r->regions = 0;
    for (int c = 0; c < 4; ++c) {
        un_free(r->rows[c]);
        r->rows[c] = un_alloc((size_t)regions,
                              (size_t)(columns[c]->width * un_type_bytes(columns[c]->type)) + 1, "an image");
        if (!r->rows[c]) return UN_MEMORY;
    }
    r->regions = regions;
    return UN_OK;
}

static enum un_status read_one(struct un_image_reader *r, const struct un_image_list *list, int64_t index,
                               struct un_image_record *record) {
    const struct un_image_entry *e = list->list + index;
    const struct file *f = r->source->files + e->bytes;
    const struct un_column *const columns[4] = {&f->images.feature, &f->images.box, &f->confidence, &f->soft};
    UN_TRY(make_room(r, columns, e->regions));
    for (int c = 0; c < 4; ++c)
        if (columns[c]->present) UN_TRY(un_column_read(columns[c], e->at, e->regions, r->rows[c]));
    *record = (struct un_image_record){.regions = e->regions,
                                       .feature = r->rows[0],
                                       .box = r->rows[1],
                                       .confidence = r->rows[2],
                                       .soft = f->soft.present ? r->rows[3] : NULL};
    return UN_OK;
}

static void close_source(struct un_image_source *source) {
    struct source_uniter *s = (struct source_uniter *)source;
    for (int i = 0; s->files && i < s->n; ++i) {
        un_column_close(&s->files[i].confidence);
        un_column_close(&s->files[i].soft);
        if (s->files[i].images.path) un_image_file_close(&s->files[i].images);
    }
    un_free(s->files);
    un_free(s);
}

static enum un_status open_file(struct file *f, const char *path) {
    UN_TRY(un_image_file_open(&f->images, path));
    const struct un_column_source source = {f->images.h5, f->images.path, f->images.fd};
    const struct un_field confidence = {"confidence", UN_H5_FLOAT, 1, f->images.regions, 1};
    const struct un_field soft = {"soft_label", UN_H5_FLOAT, 2, f->images.regions, UN_ANY};
    UN_TRY(un_column_open(&f->confidence, &source, &confidence, UN_AS_STORED));
    return f->images.soft.present ? un_column_open(&f->soft, &source, &soft, UN_AS_STORED) : UN_OK;
}

static enum un_status open_all(struct source_uniter *s, const char *const *paths, const char *what) {
    s->files = un_alloc((size_t)s->n, sizeof *s->files, "feature files");
    if (!s->files) return UN_MEMORY;
    for (int i = 0; i < s->n; ++i) {
        UN_TRY(open_file(s->files + i, paths[i]));
        UN_TRY(un_image_stamp(&s->source.stamp, paths[i]));
        UN_TRY(agree(s->files + i, s->files));
    }
    snprintf(s->source.name, sizeof s->source.name, "%s", what);
    return UN_OK;
}

enum un_status un_image_source_uniter(struct un_image_source **source, const char *const *paths, int n,
                                      struct un_select *select, const char *what) {
    static const struct un_image_source_ops ops = {survey, reader_open, read_one, reader_close, close_source};
    struct source_uniter *s = un_alloc(1, sizeof *s, "a source");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->select = select;
    s->n = n;
    enum un_status status = open_all(s, paths, what);
    if (status != UN_OK) {
        close_source(&s->source);
        return status;
    }
    *source = &s->source;
    return UN_OK;
}
