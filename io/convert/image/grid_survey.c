/* What the headers of grids say, whose images they are, and where cells lie in a picture. */
#include "io/convert/format/lines.h"
#include "io/convert/image/grid.h"
#include "runtime/memory.h"

#include <stdio.h>

enum { WIDTH_MOST = 1 << 20, TOKENS_MOST = UN_IMAGE_REGIONS_MAX + 1 };

/* rows * rows == n, or 0. */
static int64_t root_of(int64_t n) {
    int64_t rows = 1;
    while (rows * rows < n) ++rows;
    return rows * rows == n ? rows : 0;
}

/* From the tokens an image: rows and columns, what is left out, what is kept. */
static enum un_status settle_grid(struct un_source_grid *s, const char *path, int64_t tokens) {
    if (s->rows == 0) {
        s->rows = s->cols = root_of(tokens) ? root_of(tokens) : root_of(tokens - 1);
        if (s->rows == 0)
            return un_fail(
                UN_DATA,
                "%s: %lld rows an image are no square, nor a square and a class token: say rows= and "
                "cols=; other tokens must be left out beforehand",
                path, (long long)tokens);
    }
    int64_t cells = s->rows * s->cols;
    if (tokens != cells && tokens != cells + 1)
        return un_fail(
            UN_DATA,
            "%s: %lld rows an image, but %lld x %lld cells are %lld, or %lld with a class token; other "
            "tokens must be left out beforehand",
            path, (long long)tokens, (long long)s->rows, (long long)s->cols, (long long)cells,
            (long long)cells + 1);
    if (s->keep_class && tokens == cells)
        return un_fail(UN_USAGE,
                       "class_token=keep: %s has none, its %lld rows an image are %lld x %lld cells", path,
                       (long long)tokens, (long long)s->rows, (long long)s->cols);
    s->tokens = tokens;
    s->regions = s->keep_class ? tokens : cells;
    s->skip = tokens - s->regions;
    return UN_OK;
}

static enum un_status make_boxes(struct un_source_grid *s) {
    s->box = un_alloc((size_t)s->regions, 6 * sizeof *s->box, "boxes of cells");
    if (!s->box) return UN_MEMORY;
    float *box = s->box;
    if (s->keep_class) {
        const float whole[] = {0, 0, 1, 1};
        un_box_from_pixels(box, whole, 1, 1, 1);
        box += 6;
    }
    for (int64_t r = 0; r < s->rows; ++r)
        for (int64_t c = 0; c < s->cols; ++c, box += 6) {
            const float corners[] = {(float)c, (float)r, (float)(c + 1), (float)(r + 1)};
            un_box_from_pixels(box, corners, 1, (double)s->cols, (double)s->rows);
        }
    return UN_OK;
}

/* The first file says what an image is, the others must agree. */
static enum un_status take_shape(struct un_source_grid *s, struct un_image_list *list,
                                 const struct un_grid_file *f) {
    const struct un_array_file *a = &f->array, *first = &s->files->array;
    if (a->rank != 3)
        return un_fail(UN_DATA, "%s: an array of rank %d, not [images, rows * cols, width] of rank 3",
                       f->path, a->rank);
    if (a->dims[1] < 1 || a->dims[1] > TOKENS_MOST || a->dims[2] < 1 || a->dims[2] > WIDTH_MOST)
        return un_fail(UN_DATA, "%s: %lld rows an image of width %lld; 1 to %d and 1 to %d are read", f->path,
                       (long long)a->dims[1], (long long)a->dims[2], TOKENS_MOST, WIDTH_MOST);
    if (f == s->files) {
        enum un_type type = a->number == UN_ARRAY_F16 ? UN_F16 : UN_F32;
        list->shape = (struct un_image_shape){a->dims[2], 0, type, UN_F32, UN_F16, false};
        UN_TRY(settle_grid(s, f->path, a->dims[1]));
        return make_boxes(s);
    }
    if (a->dims[1] != s->tokens || a->dims[2] != list->shape.img_dim)
        return un_fail(UN_DATA, "%s: %lld rows an image of width %lld, in %s %lld of width %lld", f->path,
                       (long long)a->dims[1], (long long)a->dims[2], s->files->path, (long long)s->tokens,
                       (long long)list->shape.img_dim);
    if ((a->number == UN_ARRAY_F16) != (first->number == UN_ARRAY_F16))
        return un_fail(UN_DATA, "%s: %s, in %s %s; nothing is converted", f->path,
                       un_array_number_name(a->number), s->files->path, un_array_number_name(first->number));
    return UN_OK;
}

/* The ids of one file's images are the next lines. */
static enum un_status list_images(const struct un_source_grid *s, struct un_image_list *list, int64_t number,
                                  struct un_caption_lines *ids) {
    const struct un_grid_file *file = s->files + number;
    int64_t n = file->array.dims[0];
    char *id, where[640];
    size_t bytes;
    bool more;
    for (int64_t i = 0; i < n; ++i) {
        UN_TRY(un_caption_lines_next(ids, &id, &bytes, &more));
        if (!more)
            return un_fail(UN_DATA, "%s: ends after %lld ids, but %s holds %lld images: %lld are without one",
                           ids->path, (long long)ids->number, file->path, (long long)n, (long long)(n - i));
        snprintf(where, sizeof where, "%.600s: line %lld", ids->path, (long long)ids->number);
        const char *fault = un_caption_text_fault(id, bytes);
        if (fault) return un_fail(UN_DATA, "%s: %s", where, fault);
        UN_TRY(un_image_list_add(list, where, id, s->regions, i, number));
    }
    return UN_OK;
}

static enum un_status end_ids(struct un_caption_lines *ids, int64_t images) {
    char *id;
    size_t bytes;
    bool more;
    UN_TRY(un_caption_lines_next(ids, &id, &bytes, &more));
    return more ? un_fail(UN_DATA, "%s: line %lld: an id more than there are images (%lld)", ids->path,
                          (long long)ids->number, (long long)images)
                : UN_OK;
}

static enum un_status survey_file(struct un_source_grid *s, struct un_image_list *list, int64_t number,
                                  struct un_caption_lines *shared) {
    struct un_grid_file *file = s->files + number;
    struct un_caption_lines own;
    UN_TRY(un_array_file_look(&file->array, file->path, s->tensor));
    UN_TRY(take_shape(s, list, file));
    if (shared) return list_images(s, list, number, shared);
    UN_TRY(un_caption_lines_open(&own, file->ids));
    enum un_status status = list_images(s, list, number, &own);
    if (status == UN_OK) status = end_ids(&own, file->array.dims[0]);
    un_caption_lines_close(&own);
    return status;
}

enum un_status un_grid_survey(struct un_source_grid *s, struct un_image_list *list) {
    struct un_caption_lines ids;
    enum un_status status = UN_OK;
    if (s->ids) UN_TRY(un_caption_lines_open(&ids, s->ids));
    for (int64_t i = 0; i < s->n && status == UN_OK; ++i)
        status = survey_file(s, list, i, s->ids ? &ids : NULL);
    if (s->ids && status == UN_OK) status = end_ids(&ids, list->n);
    if (s->ids) un_caption_lines_close(&ids);
    UN_TRY(status);
    un_log(UN_LOG_INFO,
           "%s: %lld x %lld cells%s: %lld regions an image, which data.max_bb must allow or the last are cut "
           "off",
           s->source.name, (long long)s->rows, (long long)s->cols,
           s->tokens == s->rows * s->cols ? ""
           : s->keep_class                ? " after the class token"
                                          : " without the class token",
           (long long)s->regions);
    return UN_OK;
}
