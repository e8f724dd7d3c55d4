/* What a .caffemodel's blobs become, between the plan of a detector's tensors and their reading. */
#ifndef UN_IO_WEIGHTS_CAFFE_RULES_H
#define UN_IO_WEIGHTS_CAFFE_RULES_H

#include "io/weights/caffe_detector.h"

enum un_caffe_way {
    UN_CAFFE_AS_IS,
    UN_CAFFE_MEAN,     /* over the count */
    UN_CAFFE_VARIANCE, /* over the count, not below 0 */
    UN_CAFFE_OBJECT,   /* rows A .. 2A - 1 minus rows 0 .. A - 1 */
    UN_CAFFE_TO_END,   /* the first row becomes the last */
    UN_CAFFE_DELTAS,   /* the first four rows dropped, others times 10 10 5 5 */
    UN_CAFFE_ANCHORS   /* of no blob */
};
struct un_caffe_rule {
    enum un_caffe_way way;
    char name[UN_ST_NAME_MAX + 1];
    int64_t blob; /* of the file */
    int rank;     /* of the tensor */
    int64_t shape[4], count;
    int64_t row;  /* values of a row of it */
    float factor; /* 1 / count of a norm */
};

/* Appends the rules of all tensors, and marks the layers that they use. */
enum un_status un_caffe_plan(struct un_caffe_detector *detector);

#endif
