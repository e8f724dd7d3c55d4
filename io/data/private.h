/* What dataset.c (answers), dataset_open.c (checks, joins, orders) and dataset_read.c (rows) share. */
#ifndef UN_IO_DATA_PRIVATE_H
#define UN_IO_DATA_PRIVATE_H

#include "io/data/dataset.h"
#include "io/data/file.h"
#include "io/disk/paths.h"

/* A used image or text: where its rows lie. */
struct un_image_ref {
    int64_t row, first_region; /* in the file */
    int32_t file, regions;     /* regions after the confidence rule */
};
struct un_text_ref {
    int64_t row, first_word; /* in the file */
    int64_t image;
    int32_t file, length;
};
struct un_align_ref {
    int64_t first, count;
};

struct un_dataset {
    char name[256];
    struct un_image_file *image_files;
    struct un_text_file *text_files;
    int64_t n_image_files, n_text_files;
    struct un_dataset_info info;
    int64_t lanes;
    /* The index of images [first_image, first_image + kept_images) and their texts: all of them until
     * un_dataset_keep. */
    int64_t first_image, kept_images, first_text, kept_texts;
    struct un_image_ref *image; /* [kept_images] */
    struct un_text_ref *text;   /* [kept_texts] by image; .image counts from 0 */
    struct un_align_ref *align; /* [kept_texts]; NULL without alignment */
    int64_t *image_text;        /* [kept_images + 1] counts from 0 */
    char *image_ids, *text_ids; /* cells */
    struct un_cache *cache;     /* NULL: none */
    unsigned cached;            /* UN_CACHE_... */
    int64_t image_stride, text_stride;
};

/* Numbers that were kept only: anything else is an own bug. */
static inline const struct un_image_ref *un_dataset_image(const struct un_dataset *d, int64_t image) {
    UN_ASSERT(image >= d->first_image && image - d->first_image < d->kept_images);
    return d->image + (image - d->first_image);
}
static inline const struct un_text_ref *un_dataset_text(const struct un_dataset *d, int64_t text) {
    UN_ASSERT(text >= d->first_text && text - d->first_text < d->kept_texts);
    return d->text + (text - d->first_text);
}

/* io/data/dataset_cache.c. Found: copied out. Fill: rows that were just read and checked go in, if they have a
 * place. */
bool un_dataset_cached_image(const struct un_dataset *d, int64_t image, void *feature, float *box);
void un_dataset_fill_image(const struct un_dataset *d, int64_t image, const void *feature, const float *box);
bool un_dataset_cached_text(const struct un_dataset *d, int64_t text, int32_t *token);
void un_dataset_fill_text(const struct un_dataset *d, int64_t text, const int32_t *token);
/* Soft labels of all regions of an image: found, or where to read them to; then done. */
const uint16_t *un_dataset_cached_soft(const struct un_dataset *d, int64_t image);
uint16_t *un_dataset_begin_soft(const struct un_dataset *d, int64_t image);
void un_dataset_done_soft(const struct un_dataset *d, int64_t image, bool good);
/* Alignment of a text: all its words, then all its regions, as the file has them. */
const int32_t *un_dataset_cached_pairs(const struct un_dataset *d, int64_t text);
int32_t *un_dataset_begin_pairs(const struct un_dataset *d, int64_t text);
void un_dataset_done_pairs(const struct un_dataset *d, int64_t text, bool good);

#endif
