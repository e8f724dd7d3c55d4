/* What dataset.c (answers), dataset_open.c (checks, joins, orders) and dataset_read.c (rows) share. */
#ifndef UN_DATASET_PRIVATE_H
#define UN_DATASET_PRIVATE_H

#include "io/data_file.h"
#include "io/paths.h"

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
    struct un_image_ref *image; /* [images] */
    struct un_text_ref *text;   /* [texts] by image */
    struct un_align_ref *align; /* [texts]; NULL without alignment */
    int64_t *image_text;        /* [images + 1] */
    char *image_ids, *text_ids; /* cells */
    int64_t image_stride, text_stride;
};

/* Regions each image of the file gives: those above conf_th, at least min_bb, at most max_bb, never more than
 * stored; exactly num_bb (or what is stored) under conf_th -1. Confidences must fall inside an image. regions
 * [file->images]. */
enum un_status un_regions_count(const struct un_image_file *file, const struct un_data_keys *data,
                                int32_t *regions);

#endif
