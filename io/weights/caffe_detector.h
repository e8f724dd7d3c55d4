/* The region detector's weights in its original .caffemodel, as tensors under the public names: norms divided by the count of
 * their moving average, the object's logit minus the background's, the first row (background, none) moved to the end, deltas
 * of boxes times 10 10 5 5 without those of the background. Any number of blocks, channels, anchors, classes.
 *
 * Blocks of a stage N are Na, Nb, Nc, ... or Na, Nb1, Nb2, ... .
 *
 * Anchors are not in the file. They are the original's: three ratios, whole sizes (23,12), (16,16), (11,22), each times a
 * scale, around 8. Scales: 4 8 16 32 where there are 12 anchors; 1 2 4 ... else, which is a guess: a warning says so when
 * the anchors are read. */
#ifndef UN_IO_WEIGHTS_CAFFE_DETECTOR_H
#define UN_IO_WEIGHTS_CAFFE_DETECTOR_H

#include "io/safetensors/safetensors.h"
#include "io/weights/caffe.h"

enum {
    UN_CAFFE_RATIOS = 3,
    UN_CAFFE_SCALES_MAX = 16,
    UN_CAFFE_SCALE_MAX = 1 << 16,
    UN_CAFFE_BLOCKS_MAX = 64
};

struct un_caffe_rule;
struct un_caffe_detector {
    const struct un_caffe_file *file;
    struct un_st_tensor *list; /* [n] by name; `at` is the number of the tensor's rule */
    int64_t n;
    struct un_caffe_rule *rules; /* [n] */
    int64_t room;
    double scales[UN_CAFFE_SCALES_MAX];
    int64_t n_scales;
    bool guessed; /* the scales */
    bool *used;   /* [file->n] layers that became tensors */
};

/* UN_DATA: a layer that is missing, there twice, of no block, or of other sizes than the layers before it make; names layer
 * and blob. Reads no values but the counts of the norms. Closed by the call below, also on failure. */
enum un_status un_caffe_detector_open(struct un_caffe_detector *detector, const char *path);
void un_caffe_detector_close(struct un_caffe_detector *detector);
/* scales [n]: a third of the anchors. UN_USAGE: another number, or one that is not above 0. */
enum un_status un_caffe_detector_scale(struct un_caffe_detector *detector, const double *scales, int64_t n);
/* Elements [first, first + count) of tensor i. UN_DATA: a value is not finite, or a variance below 0. */
enum un_status un_caffe_detector_read(const struct un_caffe_detector *detector, int64_t i, int64_t first,
                                      int64_t count, float *out);

#endif
