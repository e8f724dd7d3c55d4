/* The two profiles of the detector (keys.h). */
#include "model/detector/keys.h"

static const struct un_detector_how profiles[UN_DETECTOR_PROFILES] = {
    [UN_DETECTOR_CAFFE] = {.profile = UN_DETECTOR_CAFFE,
                           .shorter = 600,
                           .longest = 1000,
                           .pre_nms = 6000,
                           .post_nms = 300,
                           .rpn_nms = 0.7,
                           .min_side = 16,
                           .final_nms = {0.3},
                           .n_final_nms = 1,
                           .conf_th = 0.2,
                           .min_bb = 100,
                           .max_bb = 100},
    [UN_DETECTOR_PORT] = {.profile = UN_DETECTOR_PORT,
                          .shorter = 800,
                          .longest = 1333,
                          .pre_nms = 6000,
                          .post_nms = 300,
                          .rpn_nms = 0.7,
                          .min_side = 0,
                          .final_nms = {0.5, 0.6, 0.7, 0.8, 0.9},
                          .n_final_nms = 5,
                          .conf_th = 0.2,
                          .min_bb = 36,
                          .max_bb = 36},
};

void un_detector_profile(struct un_detector_how *how, enum un_detector_profile profile) {
    *how = profiles[profile];
}
