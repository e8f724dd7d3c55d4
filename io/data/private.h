/* What dataset.c (answers), dataset_open.c (checks), dataset_join.c (joins, orders), dataset_keep.c (a rank's part),
 * dataset_read.c (rows), dataset_share.c (one index for a host), dataset_cache.c and dataset_targets.c share. */
#ifndef UN_IO_DATA_PRIVATE_H
#define UN_IO_DATA_PRIVATE_H

#include "io/data/dataset.h"
#include "io/data/file.h"
#include "io/disk/paths.h"
#include "runtime/memory.h"
#include "runtime/shared.h"

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
/* vcr: the parts of a text stand one after the other. */
struct un_part_ref {
    int64_t first;
    int32_t length[UN_TEXT_PARTS];
};

/* What texts are asked; [kept_texts] each, NULL where the task has it not. */
struct un_target_index {
    struct un_align_ref *answers; /* vqa, ve */
    int8_t *kind;
    int32_t *label, *rationale;
    int64_t *second; /* number of the image, -1: none */
    struct un_part_ref *parts;
    float (*box)[4], (*size)[2];
    const struct un_text_file *named; /* whose answer names hold; NULL: no names */
    /* [info.images] after un_dataset_keep: images that kept texts have; NULL: all. Second images lie
     * anywhere, so the index of all images stays. */
    bool *own;
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
    struct un_target_index targets;
    struct un_shared shared; /* where the arrays of the index lie that this rank has not of its own */
    int64_t sharers;         /* ranks that have it */
};

/* An array of the index that is needed no more, of its own or not. */
static inline void un_dataset_drop(struct un_dataset *d, void *array) {
    if (!un_shared_holds(&d->shared, array)) un_free(array);
}

/* Numbers that were kept only: anything else is an own bug. */
static inline const struct un_image_ref *un_dataset_image(const struct un_dataset *d, int64_t image) {
    UN_ASSERT(image >= d->first_image && image - d->first_image < d->kept_images);
    return d->image + (image - d->first_image);
}
static inline const struct un_text_ref *un_dataset_text(const struct un_dataset *d, int64_t text) {
    UN_ASSERT(text >= d->first_text && text - d->first_text < d->kept_texts);
    return d->text + (text - d->first_text);
}

/* io/data/dataset_join.c. All but the files. */
enum un_status un_dataset_join(struct un_dataset *d, const struct un_data_keys *data);

/* io/data/dataset_share.c. After the first rank of a host has read the index or failed (status): moves it where the others find it.
 * d NULL: with a status. Collective over the host, as the next. */
enum un_status un_dataset_offer(struct un_dataset *d, struct un_dataset_host *host, enum un_status status);
/* Another rank, which has opened the rows of its files or failed: takes what the first has joined. Not taken with UN_OK: it has to
 * read for itself, alone. */
enum un_status un_dataset_take(struct un_dataset *d, struct un_dataset_host *host, enum un_status status,
                               bool *taken);

/* io/data/dataset_targets.c. Of all text files: what info says of tasks, whose names hold. */
void un_dataset_sum_up_tasks(struct un_dataset *d);
/* All of the index but `second`, from the indices of the files. */
enum un_status un_dataset_index_targets(struct un_dataset *d);
void un_dataset_close_targets(struct un_dataset *d);

/* io/data/dataset.c. All files, so that others can be opened. */
void un_dataset_close_files(struct un_dataset *d);

/* Whose rows a cache holds. */
static inline bool un_dataset_owns(const struct un_dataset *d, int64_t image) {
    return !d->targets.own || d->targets.own[image];
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
/* Soft answers (labels, then scores) or parts of a text, as the file has them. */
const int32_t *un_dataset_cached_targets(const struct un_dataset *d, int64_t text);
int32_t *un_dataset_begin_targets(const struct un_dataset *d, int64_t text);
void un_dataset_done_targets(const struct un_dataset *d, int64_t text, bool good);

#endif
