/* A detector with random weights on a device, and a photo and boxes for it. */
#ifndef UN_TESTS_UNIT_MODEL_DETECTOR_RIG_H
#define UN_TESTS_UNIT_MODEL_DETECTOR_RIG_H

#include "model/detector/network.h"
#include "tests/support/detector_case.h"

struct rig {
    struct detector_case weights;
    struct un_detector_sizes sizes;
    struct un_device *device;
    struct un_detector *detector;
    int64_t height, width, regions;
    enum un_type factor;
    float *input; /* [height,width,3] */
    float *box;   /* [regions,4] */
};

struct rig_how {
    struct un_detector_sizes sizes;
    int64_t height, width, regions;
    struct un_detector_limits limits; /* 0: those of the photo */
    int threads;
    enum un_type factor; /* of products */
};

/* Small sizes: odd channels, one block a stage, a small pool; and a network whose res2 needs no shortcut. */
struct un_detector_sizes rig_odd(void);
struct un_detector_sizes rig_plain(void);

void rig_open(struct rig *rig, const struct rig_how *how);
void rig_close(struct rig *rig);

#endif
