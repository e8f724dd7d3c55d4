/* uniter weights import, of the region detector: the tensors it has, and no others, whatever the file is. */
#include "io/run/progress.h"
#include "launch/extract/file.h"
#include "launch/tools/weights.h"
#include "runtime/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_TOLD = 5 };

/* The tensors of a detector, found in a view. */
struct found {
    const struct un_weights_view *view;
    struct un_st_content content;
    bool *taken; /* [view->n] */
    int64_t elements;
    struct un_progress progress;
};

static enum un_status add(void *context, const struct un_detector_tensor *tensor) {
    struct found *f = context;
    int64_t i = un_weights_view_find(f->view, tensor->name);
    if (i < 0 || f->content.n == f->view->n)
        return un_fail(UN_INTERNAL, "%s: tensor %s was there", f->view->path, tensor->name);
    struct un_st_new *new = &f->content.list[f->content.n++];
    *new = (struct un_st_new){.name = f->view->list[i].name, .rank = tensor->rank, .source = i};
    memcpy(new->shape, tensor->shape, (size_t)tensor->rank * sizeof *new->shape);
    f->elements += f->view->list[i].count;
    f->taken[i] = true;
    return UN_OK;
}

static enum un_status fill(void *context, int64_t source, int64_t first, int64_t count, float *out) {
    struct found *f = context;
    un_progress_add(&f->progress, count);
    UN_TRY(un_weights_view_read(f->view, source, first, count, out));
    for (int64_t k = 0; k < count; ++k)
        if (!isfinite(out[k]))
            return un_fail(UN_DATA, "%s: tensor %s: element %" PRId64 " is %g", f->view->path,
                           f->view->list[source].name, first + k, (double)out[k]);
    return UN_OK;
}

/* What of a .caffemodel or of a safetensors file is no tensor of the detector. */
static void tell_left(const struct found *f) {
    const struct un_caffe_detector *c = &f->view->caffe;
    int64_t n = c->file ? c->file->n : f->view->n, counters = 0, left = 0;
    for (int64_t i = 0; i < n; ++i) {
        const char *name = c->file ? c->file->layers[i].name : f->view->list[i].name;
        if (c->file ? c->used[i] : f->taken[i]) continue;
        counters += un_weights_is_counter(name);
        if (un_weights_is_counter(name) || left++ >= NAMES_TOLD) continue;
        printf("  unexpected: %s\n", name);
    }
    if (left > NAMES_TOLD) printf("  unexpected: and %" PRId64 " more\n", left - NAMES_TOLD);
    if (counters) printf("  ignored: %" PRId64 " counts of batches (num_batches_tracked)\n", counters);
}

static void tell(const struct found *f, const struct un_detector_sizes *s) {
    const int64_t *b = s->blocks;
    printf("%s: a region detector, %s; %" PRId64 " tensors: blocks %" PRId64 " %" PRId64 " %" PRId64
           " %" PRId64 ", %" PRId64 " anchors, %" PRId64 " classes, %" PRId64
           " attributes, features of %" PRId64 "\n",
           f->view->path, f->view->caffe.file ? "layers of Caffe" : "public names", f->content.n, b[0], b[1],
           b[2], b[3], s->anchors, s->classes, s->attributes, un_detector_features(s));
    tell_left(f);
}

/* "4,8,16,32" */
static enum un_status take_scales(struct un_weights_view *view, const char *text) {
    double scales[UN_CAFFE_SCALES_MAX];
    int64_t n = 0;
    if (!text[0]) return UN_OK;
    if (!view->caffe.file)
        return un_fail(UN_USAGE, "anchor_scales: %s is no .caffemodel: its anchors are in it", view->path);
    for (const char *at = text; n < UN_CAFFE_SCALES_MAX; ++at) {
        char *end;
        scales[n++] = strtod(at, &end);
        if (end == at || (*end && *end != ','))
            return un_fail(UN_USAGE, "anchor_scales: \"%s\": numbers with commas between them are wanted",
                           text);
        at = end;
        if (!*end) return un_caffe_detector_scale(&view->caffe, scales, n);
    }
    return un_fail(UN_USAGE, "anchor_scales: \"%s\": more than %d", text, UN_CAFFE_SCALES_MAX);
}

static enum un_status write_found(struct found *f, const struct un_detector_sizes *sizes, const char *path,
                                  int dtype) {
    struct un_tool_notes notes = {0};
    un_tool_note(&notes, "format", "pt");
    un_tool_note(&notes, "producer", "uniter_dist");
    un_tool_note(&notes, "network", "region detector");
    un_tool_note_size(&notes, "anchors", sizes->anchors);
    un_tool_note_size(&notes, "classes", sizes->classes);
    un_tool_note_size(&notes, "attributes", sizes->attributes);
    f->content.metadata = notes.pairs;
    f->content.n_metadata = notes.n;
    f->content.type = (enum un_st_type)dtype;
    f->content.fill = fill;
    f->content.context = f;
    un_progress_open_work(&f->progress, f->elements, 1000000, "M", true);
    enum un_status status = un_safetensors_write(path, &f->content);
    un_progress_clear(&f->progress);
    return status;
}

enum un_status un_tool_import_detector(struct un_weights_view *view, const char *path,
                                       const struct un_tool_import_keys *keys) {
    struct un_detector_sizes sizes;
    struct un_detector_file file = un_extract_file(view);
    struct found f = {.view = view};
    enum un_status status;
    if (!keys->weights.tied)
        return un_fail(UN_USAGE, "tied: %s is a region detector, which has no tied tensors", view->path);
    UN_TRY(take_scales(view, keys->anchor_scales));
    UN_TRY(un_detector_sizes_of(&sizes, &file));
    f.content.list = un_alloc((size_t)view->n, sizeof *f.content.list, "tensors of a region detector");
    f.taken = un_alloc((size_t)view->n, sizeof *f.taken, "tensors of a region detector");
    UN_TRY_GOTO(f.content.list && f.taken ? UN_OK : UN_MEMORY, out);
    UN_TRY_GOTO(un_detector_tensors(&sizes, add, &f), out);
    tell(&f, &sizes);
    status = write_found(&f, &sizes, path, keys->weights.dtype);
out:
    un_free(f.content.list);
    un_free(f.taken);
    return status;
}
