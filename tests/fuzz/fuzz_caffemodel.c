/* A whole .caffemodel: its layers with all their values, in blocks of odd lengths, then the region detector's tensors, with
 * scales of anchors of its own, and the table of statistics over the same file as a view. */
#include "io/weights/tools.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"

#include <stdio.h>
#include <unistd.h>

enum { BLOCK = 37 };

static void use_blobs(const struct un_caffe_file *file) {
    float values[BLOCK];
    for (int64_t i = 0; i < file->n_blobs; ++i) {
        const struct un_caffe_blob *blob = &file->blobs[i];
        for (int64_t at = 0; at < blob->count; at += BLOCK) {
            int64_t n = blob->count - at < BLOCK ? blob->count - at : BLOCK;
            if (un_caffe_read(file, i, at, n, values) != UN_OK) un_error_clear();
        }
    }
    for (int64_t i = 0; i < file->n; ++i)
        if (un_caffe_find(file, file->layers[i].name) != i) __builtin_trap();
}

static void use_detector(struct un_caffe_detector *d) {
    static const double scales[UN_CAFFE_SCALES_MAX] = {1.5, 2, 3};
    float values[BLOCK];
    un_caffe_detector_scale(d, scales, d->n_scales < 3 ? d->n_scales : 3);
    un_error_clear();
    for (int64_t i = 0; i < d->n; ++i)
        for (int64_t at = 0; at < d->list[i].count; at += BLOCK) {
            int64_t n = d->list[i].count - at < BLOCK ? d->list[i].count - at : BLOCK;
            if (un_caffe_detector_read(d, i, at, n, values) != UN_OK) un_error_clear();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    const struct un_caffe_file *file;
    struct un_caffe_detector detector;
    struct un_weights_view view;
    FILE *sink = no_output();
    int fd = memory_file(data, size, path);
    if (fd < 0) return 0;
    if (un_caffe_open(&file, path) == UN_OK) {
        use_blobs(file);
        un_caffe_close(file);
        if (un_caffe_detector_open(&detector, path) == UN_OK) {
            use_detector(&detector);
            if (un_weights_view_open(&view, path) == UN_OK && sink) un_weights_show(&view, sink);
            un_weights_view_close(&view);
        }
        un_caffe_detector_close(&detector);
    }
    un_error_clear();
    close(fd);
    return 0;
}
