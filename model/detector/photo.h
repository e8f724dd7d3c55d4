/* A photo's pixels into the network's input, SPEC section 3. Host code, no device. */
#ifndef UN_MODEL_DETECTOR_PHOTO_H
#define UN_MODEL_DETECTOR_PHOTO_H

#include "model/detector/keys.h"

/* Pixels upright: height x width x 3 bytes, blue green red, row by row. Borrowed. */
struct un_photo {
    const uint8_t *bgr;
    int64_t height, width;
};
/* Size of the network's input for a photo; factor: input pixels a photo pixel (`caffe`; what `port` divides by is w/W, h/H). */
struct un_detector_scale {
    int64_t height, width; /* H, W */
    double factor;
    int64_t photo_height, photo_width;
};
/* UN_DATA: a side of 0, or an input of more than 2^26 pixels. */
enum un_status un_detector_scale(struct un_detector_scale *scale, int64_t height, int64_t width,
                                 const struct un_detector_how *how);
/* input [H,W,3] channels last, blue green red, mean taken off. */
void un_detector_input(float *input, const struct un_photo *photo, const struct un_detector_scale *scale,
                       enum un_detector_profile profile);

#endif
