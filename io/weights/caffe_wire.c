/* Fields of protocol buffers (caffe_wire.h). */
#include "io/weights/caffe_wire.h"
#include "io/disk/files.h"

#include <inttypes.h>

enum { VARINT_BITS = 64, TYPE_BITS = 3 };

static enum un_status bad(const struct un_wire *w, int64_t at, const char *what) {
    return un_fail(UN_DATA, "%s: byte %" PRId64 ": %s", w->path, at, what);
}

static enum un_status next_byte(struct un_wire *w, int64_t end, unsigned char *byte) {
    if (w->at >= end) return bad(w, w->at, "a number goes beyond the message that it is in");
    if (w->at < w->window_at || w->at >= w->window_at + w->window_bytes) {
        int64_t left = w->size - w->at;
        w->window_bytes = 0;
        UN_TRY(un_files_read_at(w->fd, w->path, w->window,
                                left < UN_WIRE_WINDOW ? (size_t)left : UN_WIRE_WINDOW, w->at));
        w->window_at = w->at;
        w->window_bytes = left < UN_WIRE_WINDOW ? left : UN_WIRE_WINDOW;
    }
    *byte = w->window[w->at++ - w->window_at];
    return UN_OK;
}

enum un_status un_wire_varint(struct un_wire *w, int64_t end, uint64_t *value) {
    int64_t begin = w->at;
    unsigned char byte = 0x80;
    *value = 0;
    for (int shift = 0; byte & 0x80; shift += 7) {
        UN_TRY(next_byte(w, end, &byte));
        uint64_t bits = byte & 0x7F;
        if (shift >= VARINT_BITS || (shift == VARINT_BITS - 1 && bits > 1))
            return bad(w, begin, "a number of more than 64 bits");
        *value |= bits << shift;
    }
    return UN_OK;
}

static enum un_status read_tag(struct un_wire *w, int64_t end, struct un_wire_field *field) {
    int64_t begin = w->at;
    uint64_t tag;
    UN_TRY(un_wire_varint(w, end, &tag));
    if (tag > UINT32_MAX || tag >> TYPE_BITS == 0) return bad(w, begin, "not the number of a field");
    if ((tag & 7) > UN_WIRE_FIXED32) return bad(w, begin, "a field of a type that does not exist");
    *field =
        (struct un_wire_field){.number = (uint32_t)(tag >> TYPE_BITS), .type = (enum un_wire_type)(tag & 7)};
    return UN_OK;
}

/* What stands behind the tag, groups aside. */
static enum un_status read_value(struct un_wire *w, int64_t end, struct un_wire_field *field) {
    uint64_t bytes = field->type == UN_WIRE_FIXED64 ? 8 : field->type == UN_WIRE_FIXED32 ? 4 : 0;
    if (field->type == UN_WIRE_VARINT) return un_wire_varint(w, end, &field->value);
    if (field->type == UN_WIRE_BYTES) UN_TRY(un_wire_varint(w, end, &bytes));
    if (bytes > (uint64_t)(end - w->at))
        return un_fail(UN_DATA,
                       "%s: byte %" PRId64 ": field %" PRIu32 " of %" PRIu64 " bytes, where %" PRId64
                       " are left",
                       w->path, w->at, field->number, bytes, end - w->at);
    field->at = w->at;
    field->bytes = (int64_t)bytes;
    w->at += field->bytes;
    return UN_OK;
}

/* Behind the end of the group that `number` has begun. */
static enum un_status skip_group(struct un_wire *w, int64_t end, uint32_t number) {
    uint32_t open[UN_WIRE_GROUPS_MAX] = {number};
    for (int depth = 1; depth > 0;) {
        struct un_wire_field field = {0};
        int64_t begin = w->at;
        UN_TRY(read_tag(w, end, &field));
        if (field.type == UN_WIRE_GROUP) {
            if (depth == UN_WIRE_GROUPS_MAX) return bad(w, begin, "groups nested too deeply");
            open[depth++] = field.number;
        } else if (field.type == UN_WIRE_GROUP_END) {
            if (field.number != open[--depth]) return bad(w, begin, "the end of another group");
        } else {
            UN_TRY(read_value(w, end, &field));
        }
    }
    return UN_OK;
}

enum un_status un_wire_next(struct un_wire *w, int64_t end, struct un_wire_field *field) {
    int64_t begin = w->at;
    UN_TRY(read_tag(w, end, field));
    if (field->type == UN_WIRE_GROUP_END) return bad(w, begin, "the end of a group that has not begun");
    return field->type == UN_WIRE_GROUP ? skip_group(w, end, field->number) : read_value(w, end, field);
}
