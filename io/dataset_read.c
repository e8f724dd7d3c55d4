/* Rows of a data set, read on demand from many threads; every row is checked before it is handed out. */
#include "io/dataset_private.h"
#include "runtime/memory.h"
#include <math.h>
#include <string.h>

enum un_status un_dataset_read_text(struct un_dataset *d, int64_t text, int32_t *token) {
    const struct un_text_ref *t = d->text + text;
    const struct un_text_file *f = d->text_files + t->file;
    UN_TRY(un_column_read(&f->token, t->first_word, t->length, token));
    for (int64_t i = 0; i < t->length; ++i)
        if (token[i] < 0 || token[i] >= d->info.vocab.vocab_size)
            return un_fail(UN_DATA, "%s: token: text %s, row %lld: word %d is outside [0, vocab_size %lld)",
                           f->path, un_dataset_text_id(d, text), (long long)(t->first_word + i), token[i],
                           (long long)d->info.vocab.vocab_size);
    return UN_OK;
}

static enum un_status read_features(struct un_dataset *d, int64_t image, void *feature) {
    const struct un_image_ref *ref = d->image + image;
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
    const struct un_image_ref *ref = d->image + image;
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
    if (feature) UN_TRY(read_features(d, image, feature));
    return box ? read_boxes(d, image, box) : UN_OK;
}

enum un_status un_dataset_read_soft_label(struct un_dataset *d, int64_t image, int64_t region, void *soft) {
    const struct un_image_ref *ref = d->image + image;
    const struct un_image_file *f = d->image_files + ref->file;
    int64_t row = ref->first_region + region;
    if (!f->soft.present) return un_fail(UN_DATA, "%s: soft_label is missing", f->path);
    UN_TRY(un_column_read(&f->soft, row, 1, soft));
    int64_t at = un_find_not_probability(soft, f->classes);
    if (at < 0) return UN_OK;
    return un_fail(UN_DATA, "%s: soft_label: image %s, row %lld, column %lld: not inside [0, 1]", f->path,
                   un_dataset_image_id(d, image), (long long)row, (long long)at);
}

enum { PAIRS = 64 };

enum un_status un_dataset_read_alignment(struct un_dataset *d, int64_t text, int64_t capacity, int32_t *token,
                                         int32_t *region, int64_t *n) {
    const struct un_text_ref *t = d->text + text;
    const struct un_text_file *f = d->text_files + t->file;
    int32_t tokens[PAIRS], regions[PAIRS];
    *n = 0;
    if (!d->align) return UN_OK;
    for (int64_t at = d->align[text].first, end = at + d->align[text].count; at < end; at += PAIRS) {
        int64_t count = end - at < PAIRS ? end - at : PAIRS;
        UN_TRY(un_column_read(&f->align_token, at, count, tokens));
        UN_TRY(un_column_read(&f->align_region, at, count, regions));
        for (int64_t i = 0; i < count; ++i) {
            if (tokens[i] < 0 || tokens[i] >= t->length || regions[i] < 0)
                return un_fail(UN_DATA,
                               "%s: align_token, align_region: text %s, row %lld: word %d of %d, region %d",
                               f->path, un_dataset_text_id(d, text), (long long)(at + i), tokens[i],
                               t->length, regions[i]);
            if (regions[i] >= d->image[t->image].regions || *n >= capacity) continue;
            token[*n] = tokens[i];
            region[(*n)++] = regions[i];
        }
    }
    return UN_OK;
}

enum un_status un_dataset_read_sentence(struct un_dataset *d, int64_t text, char *sentence, size_t size) {
    const struct un_text_ref *t = d->text + text;
    return un_text_file_sentence(d->text_files + t->file, t->row, sentence, size);
}
