/* NAME_info.npy, what mmf says of an image: a dict, pickled in an array of one object. */
#ifndef UN_IO_CONVERT_IMAGE_NPY_INFO_H
#define UN_IO_CONVERT_IMAGE_NPY_INFO_H

#include "io/convert/format/pickle.h"
#include "io/convert/image/arrays.h"

struct un_npy_info {
    struct un_pickle *pickle;
    union {
        int64_t whole;
        double real;
    } number[UN_ARRAY_ROLES]; /* of the dict's plain numbers */
    float *soft;              /* soft labels with a background before them */
};
/* The dict's arrays and numbers among `arrays`, which point into *info until it is closed. A cls_prob of one number a region
 * is a confidence; num_boxes over the number of boxes is that number (mmf's frcnn says what was asked for). UN_IO, UN_DATA. */
enum un_status un_npy_info_open(struct un_npy_info *info, const char *path, struct un_image_arrays *arrays);
void un_npy_info_close(struct un_npy_info *info); /* may be called on one that is zero */

/* Does a row of the soft labels (the first `regions`) sum to less than one? False without soft labels. */
bool un_npy_info_short(const struct un_image_arrays *arrays, int64_t regions);
/* Puts 1 - the sum of its row before every row of the soft labels, as float32. */
enum un_status un_npy_info_widen(struct un_npy_info *info, struct un_image_arrays *arrays);

#endif
