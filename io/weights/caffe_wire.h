/* Protocol buffers' wire format without a schema: fields one after the other, every length held against what is left of the
 * message that the field is in. Source of the encoding: protobuf.dev/programming-guides/encoding. */
#ifndef UN_IO_WEIGHTS_CAFFE_WIRE_H
#define UN_IO_WEIGHTS_CAFFE_WIRE_H

#include "runtime/status.h"

enum un_wire_type {
    UN_WIRE_VARINT,
    UN_WIRE_FIXED64,
    UN_WIRE_BYTES,
    UN_WIRE_GROUP,
    UN_WIRE_GROUP_END,
    UN_WIRE_FIXED32
};
enum { UN_WIRE_WINDOW = 4096, UN_WIRE_GROUPS_MAX = 16 };

/* A place in an open file, with the bytes around it. */
struct un_wire {
    int fd;
    const char *path;
    int64_t size; /* of the file */
    int64_t at;
    int64_t window_at, window_bytes;
    unsigned char window[UN_WIRE_WINDOW];
};
struct un_wire_field {
    uint32_t number;
    enum un_wire_type type;
    uint64_t value;    /* of a varint */
    int64_t at, bytes; /* what the field holds, in the file: of all types but varints and groups */
};

/* The field at w->at, in a message that ends at `end`, which is not reached yet; w->at goes behind the field. A group is passed
 * over with all in it. UN_DATA names the byte. */
enum un_status un_wire_next(struct un_wire *w, int64_t end, struct un_wire_field *field);
/* A varint before `end`. */
enum un_status un_wire_varint(struct un_wire *w, int64_t end, uint64_t *value);

#endif
