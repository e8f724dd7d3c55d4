/* Boxes of a file by image (given.h). */
#include "launch/extract/given.h"
#include "io/convert/format/lines.h"
#include "io/convert/image/source.h"
#include "runtime/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- TSV ---- */

/* Lines as they stand, before they are sorted by image. */
struct rows {
    float *box;     /* [capacity,4] */
    int64_t *image; /* [capacity] */
    int64_t n, capacity, images;
};

static enum un_status grow_rows(struct rows *r) {
    int64_t more = 2 * r->capacity + 256;
    void *box = r->box, *image = r->image;
    UN_TRY(un_grow(&box, (size_t)r->capacity * 4, (size_t)more * 4, sizeof *r->box, "given boxes"));
    r->box = box;
    UN_TRY(un_grow(&image, (size_t)r->capacity, (size_t)more, sizeof *r->image, "given boxes"));
    r->image = image;
    r->capacity = more;
    return UN_OK;
}

/* The image's number, a new one where it is not known yet. */
static enum un_status image_of(struct un_extract_given *g, struct rows *r, const char *id, int64_t *image) {
    if (g->n == r->images) {
        int64_t more = 2 * r->images + 64;
        void *ids = g->ids;
        UN_TRY(un_grow(&ids, (size_t)r->images, (size_t)more, sizeof *g->ids, "image ids"));
        g->ids = ids;
        r->images = more;
    }
    if (g->n > 0 && (*image = un_idmap_find(&g->map, id)) >= 0) return UN_OK;
    if (!(g->ids[g->n] = un_strdup(id))) return UN_MEMORY;
    *image = g->n++;
    return un_idmap_add(&g->map, g->ids, *image, &(int64_t){0});
}

/* image_id and four numbers, nothing else. */
static bool parse(char *text, float box[4]) {
    char *at = strchr(text, '\t'), *end;
    if (!at || at == text) return false;
    *at = '\0';
    for (int c = 0; c < 4; ++c, at = end) {
        box[c] = strtof(at + 1, &end);
        if (end == at + 1 || !isfinite(box[c]) || *end != (c < 3 ? '\t' : '\0')) return false;
    }
    return true;
}

static enum un_status take_line(struct un_extract_given *g, struct rows *r, char *text, int64_t number) {
    if (number == 1 && strcmp(text, "image_id\tx1\ty1\tx2\ty2") == 0) return UN_OK;
    if (r->n == r->capacity) UN_TRY(grow_rows(r));
    if (!parse(text, r->box + 4 * r->n))
        return un_fail(UN_DATA, "%s:%lld: not an image id and x1 y1 x2 y2, separated by TABs", g->path,
                       (long long)number);
    UN_TRY(image_of(g, r, text, &r->image[r->n]));
    ++r->n;
    return UN_OK;
}

static enum un_status read_lines(struct un_extract_given *g, struct rows *r) {
    struct un_caption_lines lines = {0};
    char *text;
    size_t bytes;
    bool more = true;
    enum un_status status = un_caption_lines_open(&lines, g->path);
    while (status == UN_OK) {
        status = un_caption_lines_next(&lines, &text, &bytes, &more);
        if (status != UN_OK || !more) break;
        const char *fault = un_caption_text_fault(text, bytes);
        if (fault)
            status = un_fail(UN_DATA, "%s:%lld: %s", g->path, (long long)lines.number, fault);
        else if (bytes > 0)
            status = take_line(g, r, text, lines.number);
    }
    un_caption_lines_close(&lines);
    return status;
}

/* By image, those of one in their order. */
static enum un_status sort_rows(struct un_extract_given *g, const struct rows *r) {
    int64_t *next = un_alloc((size_t)g->n + 1, sizeof *next, "given boxes");
    g->first = un_alloc((size_t)g->n + 1, sizeof *g->first, "given boxes");
    g->box = un_alloc((size_t)r->n * 4, sizeof *g->box, "given boxes");
    if (!next || !g->first || !g->box) {
        un_free(next);
        return UN_MEMORY;
    }
    for (int64_t i = 0; i < r->n; ++i) ++g->first[r->image[i] + 1];
    for (int64_t i = 0; i < g->n; ++i) {
        if (g->first[i + 1] > g->most) g->most = g->first[i + 1];
        next[i] = g->first[i];
        g->first[i + 1] += g->first[i];
    }
    for (int64_t i = 0; i < r->n; ++i)
        memcpy(g->box + 4 * next[r->image[i]]++, r->box + 4 * i, 4 * sizeof *g->box);
    un_free(next);
    return UN_OK;
}

static enum un_status open_tsv(struct un_extract_given *g) {
    struct rows rows = {0};
    enum un_status status = read_lines(g, &rows);
    if (status == UN_OK && rows.n == 0) status = un_fail(UN_DATA, "%s: no boxes in it", g->path);
    if (status == UN_OK) status = sort_rows(g, &rows);
    un_free(rows.box);
    un_free(rows.image);
    return status;
}

/* ---- feature files ---- */

static enum un_status open_file(struct un_extract_given *g) {
    int64_t first, second;
    UN_TRY(un_image_file_open(&g->file, g->path));
    g->ids = un_alloc((size_t)g->file.images, sizeof *g->ids, "image ids");
    if (!g->ids) return UN_MEMORY;
    for (int64_t i = 0; i < g->file.images; ++i) {
        int64_t count = g->file.region_offset[i + 1] - g->file.region_offset[i];
        g->ids[i] = g->file.ids + i * g->file.id_stride;
        if (count > g->most) g->most = count;
    }
    g->n = g->file.images;
    UN_TRY(un_idmap_open(&g->map, g->ids, g->n, &first, &second));
    if (first < 0) return UN_OK;
    return un_fail(UN_DATA, "%s: image id %s stands twice", g->path, g->ids[first]);
}

/* [count,6] over the photo's size becomes [count,4] in pixels. */
static enum un_status read_file(const struct un_extract_given *g, int64_t image, int64_t width,
                                int64_t height, float *box, int64_t count) {
    float *six = un_alloc((size_t)count * 6, sizeof *six, "given boxes");
    if (!six) return UN_MEMORY;
    enum un_status status = un_column_read(&g->file.box, g->file.region_offset[image], count, six);
    for (int64_t i = 0; i < count * 4 && status == UN_OK; ++i)
        box[i] = (float)((double)six[i / 4 * 6 + i % 4] * (double)(i % 2 ? height : width));
    un_free(six);
    return status;
}

/* ---- both ---- */

enum un_status un_extract_given_open(struct un_extract_given *g, const char *path) {
    const char *dot = strrchr(path, '.');
    bool h5 = dot && strcmp(dot, ".h5") == 0;
    *g = (struct un_extract_given){.path = un_strdup(path), .file.fd = -1};
    if (!g->path) return UN_MEMORY;
    UN_TRY(h5 ? open_file(g) : open_tsv(g));
    if (g->most > UN_IMAGE_REGIONS_MAX)
        return un_fail(UN_DATA, "%s: %lld boxes of one image are more than %d", path, (long long)g->most,
                       UN_IMAGE_REGIONS_MAX);
    return UN_OK;
}

void un_extract_given_close(struct un_extract_given *g) {
    bool h5 = g->file.path != NULL;
    for (int64_t i = 0; i < g->n && !h5; ++i) un_free((char *)(uintptr_t)g->ids[i]);
    if (h5) un_image_file_close(&g->file);
    un_idmap_close(&g->map);
    un_free(g->ids);
    un_free(g->first);
    un_free(g->box);
    un_free(g->path);
    *g = (struct un_extract_given){.file.fd = -1};
}

int64_t un_extract_given_count(const struct un_extract_given *g, const char *id) {
    const int64_t *first = g->first ? g->first : g->file.region_offset;
    int64_t image = un_idmap_find(&g->map, id);
    return image < 0 ? 0 : first[image + 1] - first[image];
}

/* Cuts one box to the photo. */
static bool cut(float *box, float width, float height) {
    if (!(box[2] >= box[0] && box[3] >= box[1])) return false;
    if (box[0] > width || box[1] > height || box[2] < 0 || box[3] < 0) return false;
    for (int c = 0; c < 4; ++c) box[c] = fminf(fmaxf(box[c], 0), c % 2 ? height : width);
    return true;
}

enum un_status un_extract_given_boxes(const struct un_extract_given *g, const char *id, int64_t width,
                                      int64_t height, float *box, int64_t *count) {
    int64_t image = un_idmap_find(&g->map, id);
    *count = un_extract_given_count(g, id);
    if (*count == 0) return un_fail(UN_DATA, "no boxes are given for it");
    if (g->first)
        memcpy(box, g->box + 4 * g->first[image], (size_t)*count * 4 * sizeof *box);
    else
        UN_TRY(read_file(g, image, width, height, box, *count));
    for (int64_t i = 0; i < *count; ++i)
        if (!cut(box + 4 * i, (float)width, (float)height))
            return un_fail(
                UN_DATA, "given box %lld, %g %g %g %g, is reversed or not in the photo of %lld x %lld",
                (long long)i + 1, (double)box[4 * i], (double)box[4 * i + 1], (double)box[4 * i + 2],
                (double)box[4 * i + 3], (long long)width, (long long)height);
    return UN_OK;
}
