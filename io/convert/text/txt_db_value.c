/* The lz4 frame of a record of a txt_db (txt_db_value.h). */
#include "io/convert/text/txt_db_private.h"
#include "runtime/memory.h"

#include <lz4frame.h>

struct un_txt_reader {
    LZ4F_dctx *lz4;
    unsigned char *plain; /* [room] */
    size_t bytes, room;
    struct un_txt_numbers numbers;
};

enum un_status un_txt_reader_open(struct un_txt_reader **reader) {
    struct un_txt_reader *r = *reader = un_alloc(1, sizeof *r, "a reader of texts");
    if (!r) return UN_MEMORY;
    if (!LZ4F_isError(LZ4F_createDecompressionContext(&r->lz4, LZ4F_VERSION))) return UN_OK;
    r->lz4 = NULL;
    un_txt_reader_close(r);
    *reader = NULL;
    return un_fail(UN_MEMORY, "lz4: no context");
}

void un_txt_reader_close(struct un_txt_reader *r) {
    if (!r) return;
    LZ4F_freeDecompressionContext(r->lz4);
    un_free(r->plain);
    un_free(r->numbers.whole);
    un_free(r->numbers.real);
    un_free(r);
}

static enum un_status more_room(struct un_txt_reader *r, const char *where) {
    size_t room = r->room ? 2 * r->room : 1 << 14;
    if (r->room == UN_TXT_VALUE_MAX)
        return un_fail(UN_DATA, "%s: more than %d bytes in one lz4 frame", where, UN_TXT_VALUE_MAX);
    UN_TRY(un_grow((void **)&r->plain, r->room, room, 1, "an lz4 frame"));
    r->room = room;
    return UN_OK;
}

static enum un_status unpack(struct un_txt_reader *r, const char *where, const unsigned char *bytes,
                             size_t n) {
    size_t left = 1, at = 0;
    r->bytes = 0;
    LZ4F_resetDecompressionContext(r->lz4);
    while (left != 0) {
        if (r->bytes == r->room) UN_TRY(more_room(r, where));
        size_t out = r->room - r->bytes, in = n - at;
        left = LZ4F_decompress(r->lz4, r->plain + r->bytes, &out, bytes + at, &in, NULL);
        if (LZ4F_isError(left)) return un_fail(UN_DATA, "%s: lz4: %s", where, LZ4F_getErrorName(left));
        r->bytes += out;
        at += in;
        if (in == 0 && out == 0 && left != 0 && r->bytes < r->room)
            return un_fail(UN_DATA, "%s: the lz4 frame is cut short", where);
    }
    return at == n ? UN_OK : un_fail(UN_DATA, "%s: %zu bytes follow the lz4 frame", where, n - at);
}

enum un_status un_txt_value_read(struct un_txt_reader *r, const char *where, const unsigned char *bytes,
                                 size_t n, struct un_txt_value *value) {
    UN_TRY(unpack(r, where, bytes, n));
    struct un_msgpack in = {r->plain, r->plain + r->bytes};
    return un_txt_fields_read(&r->numbers, &in, where, value);
}
