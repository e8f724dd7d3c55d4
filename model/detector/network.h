/* The detector's network on a device: SPEC sections 4, 6 and 7, on the table of ops. Norms are frozen and folded into the
 * convolutions at load, in double. One photo at a time; the coarse map stays on the device between the calls.
 *
 * The order of every sum is given by the shapes of the network and of the photo: not by threads, timing or the block of
 * regions a pass takes at once. */
#ifndef UN_MODEL_DETECTOR_NETWORK_H
#define UN_MODEL_DETECTOR_NETWORK_H

#include "model/detector/sizes.h"
#include "runtime/device.h"

struct un_detector;

/* The largest inputs that will come: memory is taken once, for these. */
struct un_detector_limits {
    int64_t pixels;  /* H * W of an input */
    int64_t regions; /* of a photo */
    /* Of products' factors. UN_F32, or UN_BF16: weights are rounded once, maps before each product; all else is f32. */
    enum un_type factor;
};
/* Bytes of device memory that open takes. */
size_t un_detector_bytes(const struct un_detector_sizes *sizes, const struct un_detector_limits *limits,
                         struct un_device *device);
/* UN_DATA names a tensor with a value that is not finite, or a variance below zero. Owner: caller, un_detector_close. */
enum un_status un_detector_open(struct un_detector **detector, struct un_device *device,
                                const struct un_detector_file *file, const struct un_detector_sizes *sizes,
                                const struct un_detector_limits *limits);
void un_detector_close(struct un_detector *detector);
/* Host copy of cell_anchors [A,4]. */
const float *un_detector_anchors(const struct un_detector *detector);

/* Stages, for tests that look between them: what stands on the device after un_detector_see. */
enum un_detector_map {
    UN_DETECTOR_STEM,
    UN_DETECTOR_RES2,
    UN_DETECTOR_RES3,
    UN_DETECTOR_RES4,
    UN_DETECTOR_MAPS
};

/* What the backbone and the proposals' head say of a photo; host memory of the detector, until the next call. */
struct un_detector_sight {
    int64_t h, w;        /* of the coarse map (res4) */
    const float *logits; /* [h*w,A] */
    const float *deltas; /* [h*w,4A] */
};
/* input [H,W,3], host. Waits for the device. UN_DATA: larger than the limits, or too small for the network. */
enum un_status un_detector_see(struct un_detector *detector, const float *input, int64_t height,
                               int64_t width, struct un_detector_sight *sight);
/* Called between the stages of un_detector_see with each map as it is there, [cells,channels] on the device, after the queue
 * has waited; it may read and replace it. NULL: none. For tests. */
typedef enum un_status un_detector_touch(void *context, enum un_detector_map map, struct un_queue *queue,
                                         struct un_mat values, int64_t height, int64_t width);
void un_detector_set_touch(struct un_detector *detector, un_detector_touch *touch, void *context);

/* What the head says of regions of the photo that was seen last; host memory of the detector, until the next call. */
struct un_detector_judgement {
    const float *feature;          /* [P,F] */
    const float *class_logits;     /* [P,K+1] background last */
    const float *box_deltas;       /* [P,4K] before the division by 10 10 5 5 */
    const float *attribute_logits; /* [P,B+1] "none" last */
};
/* box [P,4] x1 y1 x2 y2 in pixels of the input, host; 1 <= P <= limits. Waits for the device. */
enum un_status un_detector_judge(struct un_detector *detector, const float *box, int64_t regions,
                                 struct un_detector_judgement *judgement);
/* Pooled regions alone, [P*pool*pool, 4 width] into `out` (host). For tests. */
enum un_status un_detector_pool(struct un_detector *detector, const float *box, int64_t regions, float *out);
/* Replaces the coarse map by h x w cells of `map` [h*w, 4 width], host. For tests. */
enum un_status un_detector_set_map(struct un_detector *detector, const float *map, int64_t h, int64_t w);

/* Multiplications and additions of a photo, counted from the shapes. */
double un_detector_flops(const struct un_detector_sizes *sizes, int64_t height, int64_t width,
                         int64_t regions);

#endif
