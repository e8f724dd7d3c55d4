/* A region detector of any sizes whose weights are drawn at random: a weight file that is nowhere. Values are pure functions of
 * seed, tensor and element, made when they are read, so that one of full size takes no memory. */
#ifndef UN_TESTS_SUPPORT_DETECTOR_CASE_H
#define UN_TESTS_SUPPORT_DETECTOR_CASE_H

#include "model/detector/sizes.h"

struct detector_case {
    struct un_detector_file file; /* context: this case */
    uint64_t seed;
    int64_t n, capacity;
    struct detector_case_tensor *tensor;
    /* One element that reads as something else: of tensor `spoiled`; -1: none. */
    int64_t spoiled, spoiled_element;
    float spoiled_value;
};

/* Weights keep activations near those of the input (He); a pool other than UN_DETECTOR_POOL is the caller's to set after
 * un_detector_sizes_of. Owner: caller, detector_case_close. Does not move: the file points to it. */
enum un_status detector_case_open(struct detector_case *c, const struct un_detector_sizes *sizes,
                                  uint64_t seed);
void detector_case_close(struct detector_case *c);
/* From now on that element reads as `value`; false: there is no such tensor. */
bool detector_case_spoil(struct detector_case *c, const char *tensor, int64_t element, float value);
/* Number i of an input: like a photo with its mean taken off, in [-120, 140). */
float detector_case_pixel(uint64_t seed, int64_t i);

#endif
