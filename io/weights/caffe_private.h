/* Between the walk through a .caffemodel and the reading of its values. */
#ifndef UN_IO_WEIGHTS_CAFFE_PRIVATE_H
#define UN_IO_WEIGHTS_CAFFE_PRIVATE_H

#include "io/weights/caffe.h"

/* Floats in the file, `stride` bytes from one to the next: 4 packed, 5 with a tag before each. */
struct un_caffe_run {
    int64_t at, count;
    int stride;
};
struct un_caffe_opened {
    struct un_caffe_file file; /* first: what callers hold */
    char *path;
    int fd;
    struct un_caffe_layer *layers;
    struct un_caffe_blob *blobs;
    struct un_caffe_run *runs;
    int64_t n_runs;
    int64_t layers_room, blobs_room, runs_room;
};

/* Walks through the file's `size` bytes and fills layers, in the order of the file, blobs and runs. */
enum un_status un_caffe_walk(struct un_caffe_opened *f, int64_t size);

#endif
