/* How many regions of each image are used. */
#ifndef UN_IO_DATA_REGIONS_H
#define UN_IO_DATA_REGIONS_H

#include "io/data/dataset.h"
#include "io/data/file.h"

/* Regions each image of the file gives: those above conf_th, at least min_bb, at most max_bb, never more than
 * stored; exactly num_bb (or what is stored) under conf_th -1. Confidences must fall inside an image. regions
 * [file->images]. */
enum un_status un_regions_count(const struct un_image_file *file, const struct un_data_keys *data,
                                int32_t *regions);

#endif
