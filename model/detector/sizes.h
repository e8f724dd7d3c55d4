/* The region detector of bottom-up attention (Anderson et al., CVPR 2018): Faster R-CNN on ResNet-101, one photo at a time,
 * forward only. Sizes of its network, read off the shapes of its weight file.
 *
 *   N rows of whatever is named, P proposals of a photo, K classes, B attributes, h x w cells of the coarse map,
 *   H x W pixels of the network's input. Maps are channels last: cell (y, x) is row y * w + x, a row holds all channels. */
#ifndef UN_MODEL_DETECTOR_SIZES_H
#define UN_MODEL_DETECTOR_SIZES_H

#include "runtime/status.h"

enum { UN_DETECTOR_STAGES = 4, UN_DETECTOR_BLOCKS_MAX = 64, UN_DETECTOR_STRIDE = 16, UN_DETECTOR_POOL = 14 };

struct un_detector_sizes {
    int64_t stem;                       /* channels after the first convolution; 64 */
    int64_t bottleneck;                 /* inside res2; 2, 4, 8 times that inside res3, res4, res5; 64 */
    int64_t width;                      /* out of res2; 2, 4, 8 times that out of res3, res4, res5; 256 */
    int64_t blocks[UN_DETECTOR_STAGES]; /* of res2 .. res5; 3 4 23 3 */
    int64_t rpn;                        /* channels of the proposals' convolution; 512 */
    int64_t anchors;                    /* a cell; 12 */
    int64_t classes, attributes;        /* without background and "none"; 1600, 400 */
    int64_t embedding;                  /* of a class, before the attributes; 256 */
    int64_t attribute_hidden;           /* 512 */
    int64_t pool; /* bins a side of a region; UN_DETECTOR_POOL unless a test says otherwise */
};
/* Those of the public weights. */
extern const struct un_detector_sizes un_detector_public_sizes;
/* Width of a region's feature: 8 * width. */
static inline int64_t un_detector_features(const struct un_detector_sizes *s) {
    return 8 * s->width;
}

/* A weight file as the detector sees it: named tensors of float32, in C order. Borrowed. */
struct un_detector_tensor {
    const char *name;
    int rank;
    const int64_t *shape; /* [rank] */
};
struct un_detector_file {
    const char *path; /* for messages */
    int64_t n;
    struct un_detector_tensor (*tensor)(void *context, int64_t i);
    /* Elements [first, first + count) of tensor i as float. */
    enum un_status (*read)(void *context, int64_t i, int64_t first, int64_t count, float *out);
    void *context;
};
/* Index by name, or -1. */
int64_t un_detector_file_find(const struct un_detector_file *file, const char *name);

/* All sizes but pool, which is set to UN_DETECTOR_POOL. Checks that every tensor of SPEC section 9 is there with the shape
 * that the others imply; counters and tensors of other names are passed over. UN_DATA names file, tensor, both shapes. */
enum un_status un_detector_sizes_of(struct un_detector_sizes *sizes, const struct un_detector_file *file);

/* Every tensor of a detector of these sizes, in the order of section 9; the first status but UN_OK ends it and comes back. */
enum un_status un_detector_tensors(const struct un_detector_sizes *sizes,
                                   enum un_status (*each)(void *context,
                                                          const struct un_detector_tensor *tensor),
                                   void *context);

#endif
