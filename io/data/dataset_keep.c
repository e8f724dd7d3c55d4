/* The part of the index that a rank keeps: its lanes' images and their texts, with all that these are asked. */
#include "io/data/dataset.h"
#include "io/data/private.h"
#include "runtime/memory.h"
#include <string.h>

/* Cells [first, first + count) of `bytes` each, moved to memory of their own. NULL stays. */
static enum un_status cut(struct un_dataset *d, void **cells, int64_t first, int64_t count, size_t bytes) {
    if (!*cells) return UN_OK;
    char *part = un_alloc((size_t)count, bytes, "a rank's part of the index");
    if (!part) return UN_MEMORY;
    memcpy(part, (const char *)*cells + (size_t)first * bytes, (size_t)count * bytes);
    un_dataset_drop(d, *cells);
    *cells = part;
    return UN_OK;
}

#define UN_CUT(d, pointer, first, count)                                                                     \
    do {                                                                                                     \
        void *cells = (pointer);                                                                             \
        enum un_status cut_status = cut(d, &cells, first, count, sizeof *(pointer));                         \
        (pointer) = cells;                                                                                   \
        UN_TRY(cut_status);                                                                                  \
    } while (0)

static enum un_status cut_ids(struct un_dataset *d, char **ids, int64_t first, int64_t count,
                              int64_t stride) {
    void *cells = *ids;
    enum un_status status = cut(d, &cells, first, count, (size_t)stride);
    *ids = cells;
    return status;
}

/* A rank's texts have second images anywhere: the index of all images stays, with a note of its own ones. */
static enum un_status note_own(struct un_dataset *d, int64_t begin, int64_t end) {
    bool *own = d->targets.own = un_alloc((size_t)d->info.images, sizeof *own, "a rank's part of the index");
    if (!own) return UN_MEMORY;
    for (int64_t i = begin; i < end; ++i) own[i] = true;
    for (int64_t t = d->image_text[begin]; t < d->image_text[end]; ++t)
        if (d->targets.second[t] >= 0) own[d->targets.second[t]] = true;
    return UN_OK;
}

static enum un_status keep_images(struct un_dataset *d, int64_t begin, int64_t end) {
    if (d->targets.second) return note_own(d, begin, end);
    UN_CUT(d, d->image, begin, end - begin);
    UN_TRY(cut_ids(d, &d->image_ids, begin, end - begin, d->image_stride));
    UN_CUT(d, d->image_text, begin, end - begin + 1);
    d->first_image = begin;
    d->kept_images = end - begin;
    return UN_OK;
}

static enum un_status keep_targets(struct un_dataset *d, int64_t first, int64_t texts) {
    struct un_target_index *x = &d->targets;
    UN_CUT(d, x->answers, first, texts);
    UN_CUT(d, x->kind, first, texts);
    UN_CUT(d, x->label, first, texts);
    UN_CUT(d, x->rationale, first, texts);
    UN_CUT(d, x->second, first, texts);
    UN_CUT(d, x->parts, first, texts);
    UN_CUT(d, x->box, first, texts);
    UN_CUT(d, x->size, first, texts);
    return UN_OK;
}

enum un_status un_dataset_keep(struct un_dataset *d, int64_t begin, int64_t end) {
    UN_ASSERT(d->first_image == 0 && d->kept_images == d->info.images && !d->cache);
    if (begin < 0 || end < begin || end > d->info.images)
        return un_fail(UN_INTERNAL, "data set %s: images [%lld, %lld) of %lld", d->name, (long long)begin,
                       (long long)end, (long long)d->info.images);
    int64_t first = d->image_text[begin], texts = d->image_text[end] - first;
    UN_TRY(keep_images(d, begin, end));
    UN_CUT(d, d->text, first, texts);
    UN_TRY(cut_ids(d, &d->text_ids, first, texts, d->text_stride));
    UN_CUT(d, d->align, first, texts);
    UN_TRY(keep_targets(d, first, texts));
    if (!d->targets.second) un_shared_close(&d->shared); /* nothing lies there any more */
    d->first_text = first;
    d->kept_texts = texts;
    return UN_OK;
}
