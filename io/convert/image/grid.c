/* Patch grids as a source (source.h). A reader keeps the file open it is at, so that any number of files can
 * be joined, and reads one image at a time. */
#include "io/convert/image/grid.h"
#include "io/disk/files.h"
#include "runtime/bfloat.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

struct un_image_reader {
    const struct un_source_grid *source;
    int64_t file; /* that is open; -1: none */
    int fd;
    void *rows; /* of an image, as stored */
    float *wide;
};

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    return un_grid_survey((struct un_source_grid *)source, list);
}

static void where_is(const struct un_image_source *source, const struct un_image_list *list, int64_t index,
                     char *text, size_t size) {
    const struct un_image_entry *entry = list->list + index;
    snprintf(text, size, "%s: %s", ((const struct un_source_grid *)source)->files[entry->bytes].path,
             entry->id);
}

static enum un_status reader_open(struct un_image_source *source, struct un_image_reader **reader) {
    struct un_image_reader *r = *reader = un_alloc(1, sizeof *r, "a reader");
    if (!r) return UN_MEMORY;
    r->source = (struct un_source_grid *)source;
    r->file = r->fd = -1;
    return UN_OK;
}

static void reader_close(struct un_image_reader *r) {
    if (r->fd >= 0) close(r->fd);
    un_free(r->rows);
    un_free(r->wide);
    un_free(r);
}

static enum un_status go_to_file(struct un_image_reader *r, int64_t number) {
    const struct un_grid_file *file = r->source->files + number;
    uint64_t stamp = 0;
    if (r->file == number) return UN_OK;
    if (r->fd >= 0) close(r->fd);
    r->file = -1;
    r->fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", file->path, strerror(errno));
    UN_TRY(un_image_stamp(&stamp, file->path));
    if (stamp != file->stamp) return un_fail(UN_DATA, "%s: has changed since the survey", file->path);
    r->file = number;
    return UN_OK;
}

/* values: of one image, all regions. Room for the widest number, once. */
static enum un_status make_room(struct un_image_reader *r, int64_t values, bool wide) {
    if (!r->rows) r->rows = un_alloc((size_t)values, sizeof(float), "an image");
    if (!r->wide && wide) r->wide = un_alloc((size_t)values, sizeof *r->wide, "an image");
    return r->rows && (r->wide || !wide) ? UN_OK : UN_MEMORY;
}

static enum un_status read_image(struct un_image_reader *r, const struct un_image_list *list, int64_t index,
                                 struct un_image_record *record) {
    const struct un_source_grid *s = r->source;
    const struct un_image_entry *entry = list->list + index;
    const struct un_grid_file *file = s->files + entry->bytes;
    int64_t width = list->shape.img_dim, values = s->regions * width;
    int64_t first = (entry->at * s->tokens + s->skip) * width;
    int64_t bytes = un_array_number_bytes(file->array.number);
    bool wide = file->array.number == UN_ARRAY_BF16;
    UN_TRY(go_to_file(r, entry->bytes));
    UN_TRY(make_room(r, values, wide));
    UN_TRY(un_files_read_at(r->fd, file->path, r->rows, (size_t)(values * bytes),
                            file->array.at + first * bytes));
    const uint16_t *narrow = r->rows;
    for (int64_t i = 0; wide && i < values; ++i) r->wide[i] = un_bfloat_to(narrow[i]);
    *record =
        (struct un_image_record){.regions = s->regions, .feature = wide ? r->wide : r->rows, .box = s->box};
    return UN_OK;
}

static void close_source(struct un_image_source *source) {
    struct un_source_grid *s = (struct un_source_grid *)source;
    for (int i = 0; s->files && i < s->n; ++i) {
        un_free(s->files[i].path);
        un_free(s->files[i].ids);
    }
    un_free(s->files);
    un_free(s->ids);
    un_free(s->tensor);
    un_free(s->box);
    un_free(s);
}

/* FILE.npy -> FILE.ids */
static enum un_status open_ids_beside(struct un_source_grid *s, struct un_grid_file *file) {
    const char *name = strrchr(file->path, '/'), *dot = strrchr(name ? name : file->path, '.');
    size_t length = dot ? (size_t)(dot - file->path) : strlen(file->path);
    file->ids = un_format("%.*s.ids", (int)length, file->path);
    if (!file->ids) return UN_MEMORY;
    if (access(file->ids, F_OK) != 0)
        return un_fail(UN_USAGE, "%s: no ids of its images: give them, one a line, as ids=FILE or in %s",
                       file->path, file->ids);
    return un_image_stamp(&s->source.stamp, file->ids);
}

static enum un_status open_file(struct un_source_grid *s, struct un_grid_file *file, const char *path) {
    if (!(file->path = un_strdup(path))) return UN_MEMORY;
    UN_TRY(un_image_stamp(&file->stamp, path));
    UN_TRY(un_image_stamp(&s->source.stamp, path));
    return s->ids ? UN_OK : open_ids_beside(s, file);
}

/* Boxes and values depend on the keys too: an import under others must not go on with what these began. */
static void stamp_keys(uint64_t *stamp, const struct un_image_grid *grid) {
    const int64_t numbers[] = {(int64_t)*stamp, grid->rows, grid->cols, grid->keep_class};
    *stamp = XXH3_64bits_withSeed(grid->tensor, strlen(grid->tensor), XXH3_64bits(numbers, sizeof numbers));
}

static enum un_status open_source(struct un_source_grid *s, const char *const *paths, int n,
                                  const struct un_image_grid *grid) {
    if ((grid->rows == 0) != (grid->cols == 0))
        return un_fail(UN_USAGE, "rows=%lld cols=%lld: give both, or neither for a square",
                       (long long)grid->rows, (long long)grid->cols);
    s->rows = grid->rows;
    s->cols = grid->cols;
    s->keep_class = grid->keep_class;
    s->files = un_alloc((size_t)n, sizeof *s->files, "files of grids");
    if (!s->files || !(s->tensor = un_strdup(grid->tensor))) return UN_MEMORY;
    s->n = n;
    if (grid->ids[0]) {
        if (!(s->ids = un_strdup(grid->ids))) return UN_MEMORY;
        UN_TRY(un_image_stamp(&s->source.stamp, s->ids));
    }
    for (int i = 0; i < n; ++i) UN_TRY(open_file(s, s->files + i, paths[i]));
    stamp_keys(&s->source.stamp, grid);
    un_image_source_name(&s->source, "grid", paths, n);
    return UN_OK;
}

enum un_status un_image_source_grid(struct un_image_source **source, const char *const *paths, int n,
                                    const struct un_image_grid *grid) {
    static const struct un_image_source_ops ops = {survey, reader_open, read_image, reader_close,
                                                   close_source};
    struct un_source_grid *s = un_alloc(1, sizeof *s, "a source of grids");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.where = where_is;
    return un_image_source_opened(&s->source, open_source(s, paths, n, grid), source);
}
