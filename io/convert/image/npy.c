/* Folders of NAME.npy and NAME_info.npy, as mmf's extractors leave them (source.h, npy_info.h). The id is NAME. */
#include "io/convert/format/array_file.h"
#include "io/convert/image/npy_info.h"
#include "io/convert/image/source_files.h"
#include "io/disk/files.h"
#include "io/disk/text.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct source_npy {
    struct un_image_source source; /* first */
    struct un_source_files files;
    bool widen; /* soft labels lack the background */
};
struct un_image_reader {
    const struct source_npy *source;
    struct un_image_room room;
};
struct image {
    struct un_image_arrays arrays;
    struct un_npy_info info;
    int64_t at; /* of the features in their file */
};

static enum un_status info_path(const char *path, char info[UN_PATH_MAX]) {
    size_t stem = strlen(path) - (un_ends(path, ".npy") ? 4 : 0);
    if (stem + sizeof "_info.npy" > UN_PATH_MAX) return un_fail(UN_DATA, "%s: too long a name", path);
    snprintf(info, UN_PATH_MAX, "%.*s_info.npy", (int)stem, path);
    return UN_OK;
}

/* Everything but the features' values. */
static enum un_status look(const struct source_npy *s, const char *path, struct image *m) {
    struct un_array_file file;
    char info[UN_PATH_MAX];
    *m = (struct image){.arrays.onehot = s->source.onehot};
    UN_TRY(un_array_file_look(&file, path, ""));
    if (file.rank != 2 || file.number == UN_ARRAY_BF16)
        return un_fail(UN_DATA, "%s: %d extents, not [regions, width]%s", path, file.rank,
                       file.rank > 2 ? " (grids: data import grid)" : "");
    struct un_npy npy = {file.number == UN_ARRAY_F16 ? UN_NPY_F16 : UN_NPY_F32,
                         2,
                         false,
                         {file.dims[0], file.dims[1]},
                         file.dims[0] * file.dims[1],
                         un_array_number_bytes(file.number)};
    if (!un_npy_count(&npy)) return un_fail(UN_DATA, "%s: too many numbers", path);
    un_image_arrays_add(&m->arrays, "features", 8, &npy, NULL);
    m->at = file.at;
    UN_TRY(info_path(path, info));
    return un_npy_info_open(&m->info, info, &m->arrays);
}

static enum un_status survey_one(struct source_npy *s, int64_t i, struct un_image_list *list,
                                 int64_t *narrow) {
    const char *path = s->files.path[i];
    char id[UN_IMAGE_ID_MAX + 2];
    struct un_image_extent e;
    struct image m;
    enum un_status status = look(s, path, &m);
    if (status == UN_OK) status = un_image_arrays_extent(&m.arrays, path, &e);
    if (status == UN_OK && list->n == 0) un_image_arrays_say(&m.arrays, path);
    if (status == UN_OK) status = un_image_arrays_agree(list, path, &e.shape);
    un_source_files_id(path, ".npy", id);
    if (status == UN_OK) status = un_image_list_add(list, path, id, e.regions, i, 0);
    if (status == UN_OK) *narrow += un_npy_info_short(&m.arrays, e.regions);
    un_npy_info_close(&m.info);
    return status;
}

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    struct source_npy *s = (struct source_npy *)source;
    int64_t narrow = 0;
    un_image_source_ahead(source, s->files.n, 1, "file");
    for (int64_t i = 0; i < s->files.n; ++i) {
        UN_TRY(un_image_source_listed(source, s->files.path[i], survey_one(s, i, list, &narrow)));
        UN_TRY(un_image_source_seen(source, 1));
    }
    s->widen = list->shape.classes > 0 && 2 * narrow > list->n;
    if (!s->widen) return UN_OK;
    ++list->shape.classes;
    list->shape.soft_type = UN_F32;
    un_log(UN_LOG_INFO,
           "%s: the rows of cls_prob sum to less than 1: they lack the background; what is missing is put "
           "before them, as class 0 of %lld",
           source->name, (long long)list->shape.classes);
    return UN_OK;
}

static void where_is(const struct un_image_source *source, const struct un_image_list *list, int64_t index,
                     char *text, size_t size) {
    snprintf(text, size, "%s", ((const struct source_npy *)source)->files.path[list->list[index].at]);
}

static enum un_status reader_open(struct un_image_source *source, struct un_image_reader **reader) {
    struct un_image_reader *r = *reader = un_alloc(1, sizeof *r, "a reader");
    if (!r) return UN_MEMORY;
    r->source = (struct source_npy *)source;
    return UN_OK;
}

static void reader_close(struct un_image_reader *r) {
    un_image_room_free(&r->room);
    un_free(r);
}

static enum un_status load_features(struct image *m, const char *path, struct un_image_room *room) {
    struct un_image_array *f = m->arrays.role + UN_ARRAY_FEATURE;
    size_t bytes = (size_t)(f->npy.items * f->npy.item_bytes);
    int fd;
    UN_TRY(un_image_room_take(room, UN_ARRAY_FEATURE, bytes));
    UN_TRY(un_files_open(path, &fd));
    enum un_status status = un_files_read_at(fd, path, room->at[UN_ARRAY_FEATURE], bytes, m->at);
    close(fd);
    f->data = room->at[UN_ARRAY_FEATURE];
    return status;
}

static enum un_status read_image(struct un_image_reader *r, const struct un_image_list *list, int64_t index,
                                 struct un_image_record *record) {
    const char *path = r->source->files.path[list->list[index].at];
    struct image m;
    enum un_status status = look(r->source, path, &m);
    if (status == UN_OK) status = load_features(&m, path, &r->room);
    if (status == UN_OK && r->source->widen) status = un_npy_info_widen(&m.info, &m.arrays);
    if (status == UN_OK) status = un_image_arrays_record(&m.arrays, path, list, index, &r->room, record);
    un_npy_info_close(&m.info);
    return status;
}

static void close_source(struct un_image_source *source) {
    struct source_npy *s = (struct source_npy *)source;
    un_source_files_free(&s->files);
    un_free(s);
}

static enum un_status open_source(struct source_npy *s, const char *const *paths, int n) {
    char info[UN_PATH_MAX];
    UN_TRY(un_source_files_add(&s->files, paths, n, ".npy", "_info.npy"));
    for (int64_t i = 0; i < s->files.n; ++i) {
        UN_TRY(un_image_stamp(&s->source.stamp, s->files.path[i]));
        UN_TRY(info_path(s->files.path[i], info));
        if (access(info, F_OK) == 0)
            UN_TRY(un_image_stamp(&s->source.stamp, info)); /* else it is told when it is read */
    }
    un_image_source_name(&s->source, "npy", paths, n);
    return UN_OK;
}

enum un_status un_image_source_npy(struct un_image_source **source, const char *const *paths, int n) {
    static const struct un_image_source_ops ops = {survey, reader_open, read_image, reader_close,
                                                   close_source};
    struct source_npy *s = un_alloc(1, sizeof *s, "a source of npy");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.where = where_is;
    return un_image_source_opened(&s->source, open_source(s, paths, n), source);
}
