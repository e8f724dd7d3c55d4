/* What the detector's specification leaves open, and the two profiles that fix it: how the UNITER authors ran it (`caffe`), and
 * how the PyTorch copies for LXMERT do (`port`). */
#ifndef UN_MODEL_DETECTOR_KEYS_H
#define UN_MODEL_DETECTOR_KEYS_H

#include "runtime/status.h"

enum un_detector_profile { UN_DETECTOR_CAFFE, UN_DETECTOR_PORT, UN_DETECTOR_PROFILES };
enum { UN_DETECTOR_NMS_MAX = 16 };

struct un_detector_how {
    enum un_detector_profile profile;
    int64_t shorter, longest;  /* pixels of the network's input: 600, 1000 | 800, 1333 */
    int64_t pre_nms, post_nms; /* proposals before and after suppression: 6000, 300 */
    double rpn_nms;            /* 0.7 */
    double min_side; /* least side of a proposal: 16 pixels of the photo | more than 0 of the input */
    double final_nms
        [UN_DETECTOR_NMS_MAX]; /* caffe: one, 0.3, in each class; port: rising, 0.5 0.6 0.7 0.8 0.9 */
    int64_t n_final_nms;
    double conf_th;         /* 0.2 */
    int64_t min_bb, max_bb; /* 100, 100 | 36, 36 */
};
/* All members as the profile has them (SPEC section 1). */
void un_detector_profile(struct un_detector_how *how, enum un_detector_profile profile);

#endif
