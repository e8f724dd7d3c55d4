/* The formats of MessagePack (specification of 2013), big-endian (msgpack.h). */
#include "io/convert/format/msgpack.h"

#include <string.h>

static bool take_number(struct un_msgpack *in, int bytes, uint64_t *value) {
    if (un_msgpack_left(in) < (size_t)bytes) return false;
    *value = 0;
    for (int i = 0; i < bytes; ++i) *value = *value << 8 | *in->at++;
    return true;
}

static bool take_bytes(struct un_msgpack *in, struct un_msgpack_item *item, enum un_msgpack_kind kind,
                       uint64_t bytes) {
    if (un_msgpack_left(in) < bytes) return false;
    *item = (struct un_msgpack_item){.kind = kind, .data = in->at, .bytes = (size_t)bytes};
    in->at += bytes;
    return true;
}

static bool take_count(struct un_msgpack *in, struct un_msgpack_item *item, enum un_msgpack_kind kind,
                       uint64_t count) {
    if (count > un_msgpack_left(in) / (kind == UN_MSGPACK_MAP ? 2 : 1)) return false;
    *item = (struct un_msgpack_item){.kind = kind, .count = (int64_t)count};
    return true;
}

static bool take_integer(struct un_msgpack *in, struct un_msgpack_item *item, int bytes, bool sign) {
    uint64_t value;
    if (!take_number(in, bytes, &value) || (!sign && value > INT64_MAX)) return false;
    if (sign && bytes < 8 && value >> (8 * bytes - 1)) value |= UINT64_MAX << 8 * bytes;
    *item = (struct un_msgpack_item){.kind = UN_MSGPACK_INT, .number = (int64_t)value};
    return true;
}

static bool take_float(struct un_msgpack *in, struct un_msgpack_item *item, int bytes) {
    const unsigned char *data = in->at;
    uint64_t wide;
    if (!take_number(in, bytes, &wide)) return false;
    uint32_t narrow = (uint32_t)wide;
    float single;
    *item = (struct un_msgpack_item){.kind = UN_MSGPACK_FLOAT, .data = data, .bytes = (size_t)bytes};
    memcpy(&single, &narrow, sizeof single);
    memcpy(&item->real, &wide, sizeof item->real);
    if (bytes == 4) item->real = (double)single;
    return true;
}

/* Lengths and counts of `bytes` bytes; extra: the type byte of an extension. */
static bool take_sized(struct un_msgpack *in, struct un_msgpack_item *item, enum un_msgpack_kind kind,
                       int bytes) {
    uint64_t value;
    if (!take_number(in, bytes, &value)) return false;
    if (kind == UN_MSGPACK_ARRAY || kind == UN_MSGPACK_MAP) return take_count(in, item, kind, value);
    return take_bytes(in, item, kind, value + (kind == UN_MSGPACK_EXT));
}

static bool take_long(struct un_msgpack *in, struct un_msgpack_item *item, unsigned byte) {
    *item = (struct un_msgpack_item){.kind = UN_MSGPACK_NIL};
    if (byte == 0xC0) return true;
    if (byte == 0xC1) return false;
    if (byte <= 0xC3) {
        *item = (struct un_msgpack_item){.kind = UN_MSGPACK_BOOL, .number = byte & 1};
        return true;
    }
    if (byte <= 0xC6) return take_sized(in, item, UN_MSGPACK_BYTES, 1 << (byte - 0xC4));
    if (byte <= 0xC9) return take_sized(in, item, UN_MSGPACK_EXT, 1 << (byte - 0xC7));
    if (byte <= 0xCB) return take_float(in, item, byte == 0xCA ? 4 : 8);
    if (byte <= 0xCF) return take_integer(in, item, 1 << (byte - 0xCC), false);
    if (byte <= 0xD3) return take_integer(in, item, 1 << (byte - 0xD0), true);
    if (byte <= 0xD8) return take_bytes(in, item, UN_MSGPACK_EXT, 1 + (1ull << (byte - 0xD4)));
    if (byte <= 0xDB) return take_sized(in, item, UN_MSGPACK_BYTES, 1 << (byte - 0xD9));
    return take_sized(in, item, byte <= 0xDD ? UN_MSGPACK_ARRAY : UN_MSGPACK_MAP, byte & 1 ? 4 : 2);
}

bool un_msgpack_next(struct un_msgpack *in, struct un_msgpack_item *item) {
    if (in->at == in->end) return false;
    unsigned byte = *in->at++;
    if (byte < 0x80 || byte >= 0xE0) {
        *item = (struct un_msgpack_item){.kind = UN_MSGPACK_INT,
                                         .number = byte < 0x80 ? (int)byte : (int)byte - 256};
        return true;
    }
    if (byte < 0x90) return take_count(in, item, UN_MSGPACK_MAP, byte & 15);
    if (byte < 0xA0) return take_count(in, item, UN_MSGPACK_ARRAY, byte & 15);
    if (byte < 0xC0) return take_bytes(in, item, UN_MSGPACK_BYTES, byte & 31);
    return take_long(in, item, byte);
}

bool un_msgpack_skip(struct un_msgpack *in) {
    struct un_msgpack_item item;
    for (int64_t open = 1; open > 0; --open) { /* a value is a byte at least, so `open` stays small */
        if ((uint64_t)open > un_msgpack_left(in) || !un_msgpack_next(in, &item)) return false;
        if (item.kind == UN_MSGPACK_ARRAY) open += item.count;
        if (item.kind == UN_MSGPACK_MAP) open += 2 * item.count;
    }
    return true;
}
