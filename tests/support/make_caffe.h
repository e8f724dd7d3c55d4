/* Files in the wire format of protocol buffers, and a small region detector as a .caffemodel. */
#ifndef UN_TESTS_SUPPORT_MAKE_CAFFE_H
#define UN_TESTS_SUPPORT_MAKE_CAFFE_H

#include "runtime/status.h"

/* Bytes that grow; freed by wire_free. */
struct wire_bytes {
    unsigned char *bytes;
    size_t n, room;
};
void wire_free(struct wire_bytes *w);
void wire_put(struct wire_bytes *w, const void *bytes, size_t n);
void wire_number(struct wire_bytes *w, uint64_t value);
void wire_tag(struct wire_bytes *w, uint32_t field, int type);
/* A field of bytes; `inner` is freed. */
void wire_field(struct wire_bytes *w, uint32_t field, struct wire_bytes *inner);
/* Fields of numbers that nobody knows, of every type, groups within groups among them. */
void wire_noise(struct wire_bytes *w);
/* As FOLDER/name of the scratch folder; w is freed. */
const char *wire_save(struct wire_bytes *w, const char *name);

/* How blobs are written; 0: shapes and values packed. */
enum {
    CAFFE_OLD_SHAPE = 1,    /* num, channels, height, width */
    CAFFE_LOOSE_SHAPE = 2,  /* a tag before each size */
    CAFFE_LOOSE_VALUES = 4, /* a tag before each value */
    CAFFE_PIECES = 8,       /* values in pieces: packed, single, packed */
    CAFFE_NOISE = 16,
    CAFFE_NAME_LAST = 32
};
struct caffe_made {
    int rank;
    int64_t shape[8];
};
/* Element i of a blob: other numbers for every layer and blob; of norms' variances and counts above 0. */
float caffe_value(const char *layer, int blob, int64_t i);
/* A layer of n blobs with those values. */
void caffe_layer(struct wire_bytes *net, const char *name, const struct caffe_made *blobs, int n,
                 unsigned forms);

/* A detector of 1 channel and 1 block a stage, 3 anchors, 2 classes, 3 attributes; the stage `two` (2 .. 5, or 0) has a second
 * block. `left_out`, or NULL: a layer that is not written. */
void caffe_detector(struct wire_bytes *net, unsigned forms, int two, const char *left_out);

#endif
