/* MessagePack read in place: a value at a time out of borrowed memory, nothing taken, no recursion.
 *
 * Not msgpack-c: its unpacker makes arrays as long as a header says before any element is there. */
#ifndef UN_IO_CONVERT_FORMAT_MSGPACK_H
#define UN_IO_CONVERT_FORMAT_MSGPACK_H

#include "runtime/status.h"

enum un_msgpack_kind {
    UN_MSGPACK_NIL,
    UN_MSGPACK_BOOL,
    UN_MSGPACK_INT,   /* within int64 */
    UN_MSGPACK_FLOAT, /* of four or eight bytes */
    UN_MSGPACK_BYTES, /* str and bin: Python 2's and 3's writers differ in which they take */
    UN_MSGPACK_ARRAY,
    UN_MSGPACK_MAP,
    UN_MSGPACK_EXT
};
struct un_msgpack_item {
    enum un_msgpack_kind kind;
    int64_t number; /* BOOL, INT */
    double real;    /* FLOAT */
    int64_t count;  /* ARRAY: elements, MAP: pairs, which follow */
    const unsigned char *data;
    size_t bytes; /* BYTES, EXT, FLOAT */
};
struct un_msgpack {
    const unsigned char *at, *end;
};

/* The next value, without what a container holds. false: cut short, or no such format byte; a count that
 * cannot fit into what is left, too. */
bool un_msgpack_next(struct un_msgpack *in, struct un_msgpack_item *item);
/* Over a value with all it holds. */
bool un_msgpack_skip(struct un_msgpack *in);
static inline size_t un_msgpack_left(const struct un_msgpack *in) {
    return (size_t)(in->end - in->at);
}

#endif
