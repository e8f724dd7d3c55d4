/* Rows of a data set, read on demand from many threads; every row is checked before it is handed out. */
#include "io/data/private.h"
#include "io/data/values.h"
#include "runtime/memory.h"
#include <math.h>
#include <string.h>

enum un_status un_dataset_read_text(struct un_dataset *d, int64_t text, int32_t *token) {
    const struct un_text_ref *t = un_dataset_text(d, text);
    const struct un_text_file *f = d->text_files + t->file;
    if (un_dataset_cached_text(d, text, token)) return UN_OK;
    UN_TRY(un_column_read(&f->token, t->first_word, t->length, token));
    for (int64_t i = 0; i < t->length; ++i)
        if (token[i] < 0 || token[i] >= d->info.vocab.vocab_size)
            return un_fail(UN_DATA, "%s: token: text %s, row %lld: word %d is outside [0, vocab_size %lld)",
                           f->path, un_dataset_text_id(d, text), (long long)(t->first_word + i), token[i],
                           (long long)d->info.vocab.vocab_size);
    un_dataset_fill_text(d, text, token);
    return UN_OK;
}

static enum un_status read_features(struct un_dataset *d, int64_t image, void *feature) {
    const struct un_image_ref *ref = un_dataset_image(d, image);
    const struct un_image_file *f = d->image_files + ref->file;
    UN_TRY(un_column_read(&f->feature, ref->first_region, ref->regions, feature));
    int64_t at = un_find_not_finite(feature, f->feature_type, ref->regions * f->img_dim);
    if (at < 0) return UN_OK;
    return un_fail(UN_DATA, "%s: feature: image %s, row %lld, column %lld: not a finite number", f->path,
                   un_dataset_image_id(d, image), (long long)(ref->first_region + at / f->img_dim),
                   (long long)(at % f->img_dim));
}

/* The six stored columns are read into the end of box [regions, 7] and spread from its front, where no row
 * that is still needed is overwritten. */
static enum un_status read_boxes(struct un_dataset *d, int64_t image, float *box) {
    const struct un_image_ref *ref = un_dataset_image(d, image);
    const struct un_image_file *f = d->image_files + ref->file;
    float *stored = box + ref->regions, row[6];
    UN_TRY(un_column_read(&f->box, ref->first_region, ref->regions, stored));
    int64_t bad = un_find_bad_box(stored, ref->regions);
    if (bad >= 0) {
        const float *b = stored + 6 * bad;
        return un_fail(UN_DATA, "%s: box: image %s, row %lld: %g %g %g %g %g %g is no box inside [0, 1]",
                       f->path, un_dataset_image_id(d, image), (long long)(ref->first_region + bad),
                       (double)b[0], (double)b[1], (double)b[2], (double)b[3], (double)b[4], (double)b[5]);
    }
    for (int64_t i = 0; i < ref->regions; ++i) {
        memcpy(row, stored + 6 * i, sizeof row);
        memcpy(box + UN_BOX_WIDTH * i, row, sizeof row);
        box[UN_BOX_WIDTH * i + 6] = row[4] * row[5];
    }
    return UN_OK;
}

enum un_status un_dataset_read_image(struct un_dataset *d, int64_t image, void *feature, float *box) {
    if (un_dataset_cached_image(d, image, feature, box)) return UN_OK;
    if (feature) UN_TRY(read_features(d, image, feature));
    if (box) UN_TRY(read_boxes(d, image, box));
    un_dataset_fill_image(d, image, feature, box);
    return UN_OK;
}

/* Soft labels of `count` regions of an image, from `region` on. */
static enum un_status read_soft(const struct un_dataset *d, int64_t image, int64_t region, int64_t count,
                                uint16_t *soft) {
    const struct un_image_ref *ref = un_dataset_image(d, image);
    const struct un_image_file *f = d->image_files + ref->file;
    int64_t row = ref->first_region + region;
    if (!f->soft.present) return un_fail(UN_DATA, "%s: soft_label is missing", f->path);
    UN_TRY(un_column_read(&f->soft, row, count, soft));
    int64_t at = un_find_not_probability(soft, count * f->classes);
    if (at < 0) return UN_OK;
    return un_fail(UN_DATA, "%s: soft_label: image %s, row %lld, column %lld: not inside [0, 1]", f->path,
                   un_dataset_image_id(d, image), (long long)(row + at / f->classes),
                   (long long)(at % f->classes));
}

/* Where there is a cache, the first region asked for brings in those of the whole image. */
enum un_status un_dataset_read_soft_label(struct un_dataset *d, int64_t image, int64_t region, void *soft) {
    size_t classes = (size_t)d->info.img_label_dim;
    const uint16_t *all = un_dataset_cached_soft(d, image);
    uint16_t *place = all || classes == 0 ? NULL : un_dataset_begin_soft(d, image);
    if (place) {
        enum un_status status = read_soft(d, image, 0, un_dataset_image_regions(d, image), place);
        un_dataset_done_soft(d, image, status == UN_OK);
        UN_TRY(status);
        all = place;
    }
    if (!all) return read_soft(d, image, region, 1, soft);
    memcpy(soft, all + (size_t)region * classes, classes * sizeof *all);
    return UN_OK;
}

enum { PAIRS = 64 };

static enum un_status fill_pairs(const struct un_dataset *d, int64_t text, int32_t *place) {
    const struct un_align_ref *all = d->align + (text - d->first_text);
    const struct un_text_file *f = d->text_files + un_dataset_text(d, text)->file;
    UN_TRY(un_column_read(&f->align_token, all->first, all->count, place));
    return un_column_read(&f->align_region, all->first, all->count, place + all->count);
}

/* Rows [at, at + count) of the alignment of a text, from the cache if there is one. */
static enum un_status read_pairs(const struct un_dataset *d, int64_t text, int64_t at, int64_t count,
                                 int32_t *tokens, int32_t *regions) {
    const struct un_align_ref *all = d->align + (text - d->first_text);
    const struct un_text_file *f = d->text_files + un_dataset_text(d, text)->file;
    const int32_t *found = un_dataset_cached_pairs(d, text);
    int32_t *place = found ? NULL : un_dataset_begin_pairs(d, text);
    if (place) {
        enum un_status status = fill_pairs(d, text, place);
        un_dataset_done_pairs(d, text, status == UN_OK);
        UN_TRY(status);
        found = place;
    }
    if (found) {
        memcpy(tokens, found + (at - all->first), (size_t)count * sizeof *tokens);
        memcpy(regions, found + all->count + (at - all->first), (size_t)count * sizeof *regions);
        return UN_OK;
    }
    UN_TRY(un_column_read(&f->align_token, at, count, tokens));
    return un_column_read(&f->align_region, at, count, regions);
}

enum un_status un_dataset_read_alignment(struct un_dataset *d, int64_t text, int64_t capacity, int32_t *token,
                                         int32_t *region, int64_t *n) {
    const struct un_text_ref *t = un_dataset_text(d, text);
    const struct un_text_file *f = d->text_files + t->file;
    int32_t tokens[PAIRS], regions[PAIRS];
    *n = 0;
    if (!d->align) return UN_OK;
    const struct un_align_ref *align = d->align + (text - d->first_text);
    for (int64_t at = align->first, end = at + align->count; at < end; at += PAIRS) {
        int64_t count = end - at < PAIRS ? end - at : PAIRS;
        UN_TRY(read_pairs(d, text, at, count, tokens, regions));
        for (int64_t i = 0; i < count; ++i) {
            if (tokens[i] < 0 || tokens[i] >= t->length || regions[i] < 0)
                return un_fail(UN_DATA,
                               "%s: align_token, align_region: text %s, row %lld: word %d of %d, region %d",
                               f->path, un_dataset_text_id(d, text), (long long)(at + i), tokens[i],
                               t->length, regions[i]);
            if (regions[i] >= un_dataset_image(d, t->image)->regions || *n >= capacity) continue;
            token[*n] = tokens[i];
            region[(*n)++] = regions[i];
        }
    }
    return UN_OK;
}

enum un_status un_dataset_read_sentence(struct un_dataset *d, int64_t text, char *sentence, size_t size) {
    const struct un_text_ref *t = un_dataset_text(d, text);
    return un_text_file_sentence(d->text_files + t->file, t->row, sentence, size);
}

/* ---- what texts are asked ---- */

enum un_status un_dataset_read_answers(struct un_dataset *d, int64_t text, int64_t capacity, int32_t *id,
                                       float *score, int64_t *n) {
    const struct un_text_ref *t = un_dataset_text(d, text);
    int64_t count = *n = un_dataset_text_answers(d, text);
    if (count == 0) return UN_OK;
    if (count > capacity)
        return un_fail(UN_INTERNAL, "data set %s: text %s: %lld answers, room for %lld", d->name,
                       un_dataset_text_id(d, text), (long long)count, (long long)capacity);
    size_t bytes = (size_t)count * sizeof *id;
    const int32_t *found = un_dataset_cached_targets(d, text);
    if (found) {
        memcpy(id, found, bytes);
        memcpy(score, found + count, bytes);
        return UN_OK;
    }
    UN_TRY(un_target_columns_answers(d->text_files + t->file, un_dataset_text_id(d, text), t->row,
                                     d->targets.answers[t - d->text].first, count, id, score));
    int32_t *place = un_dataset_begin_targets(d, text);
    if (!place) return UN_OK;
    memcpy(place, id, bytes);
    memcpy(place + count, score, bytes);
    un_dataset_done_targets(d, text, true);
    return UN_OK;
}

/* Where there is a cache, the first part asked for brings in all of them. */
enum un_status un_dataset_read_part(struct un_dataset *d, int64_t text, int part, int32_t *token) {
    const struct un_text_ref *t = un_dataset_text(d, text);
    const struct un_text_file *f = d->text_files + t->file;
    int64_t length = un_dataset_text_part_length(d, text, part), before = 0, whole = 0;
    if (length == 0) return UN_OK;
    const struct un_part_ref *parts = d->targets.parts + (t - d->text);
    for (int k = 0; k < UN_TEXT_PARTS; ++k) {
        if (k == part) before = whole;
        whole += parts->length[k];
    }
    const char *id = un_dataset_text_id(d, text);
    const int32_t *all = un_dataset_cached_targets(d, text);
    int32_t *place = all ? NULL : un_dataset_begin_targets(d, text);
    if (place) {
        enum un_status status = un_target_columns_part(f, id, parts->first, whole, place);
        un_dataset_done_targets(d, text, status == UN_OK);
        UN_TRY(status);
        all = place;
    }
    if (!all) return un_target_columns_part(f, id, parts->first + before, length, token);
    memcpy(token, all + before, (size_t)length * sizeof *token);
    return UN_OK;
}
