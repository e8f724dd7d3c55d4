/* lz4 frame and msgpack of a txt_db (txt_value.h). */
#include "io/convert/text/txt_db_value.h"
#include "io/convert/format/msgpack.h"
#include "runtime/memory.h"

#include <lz4frame.h>
#include <string.h>

struct un_txt_reader {
    LZ4F_dctx *lz4;
    unsigned char *plain; /* [room] */
    size_t bytes, room;
    int32_t *token;
    int64_t token_room;
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
    un_free(r->token);
    un_free(r);
}

/* ---- lz4 ---- */

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

/* ---- msgpack ---- */

static enum un_status bad(const char *where) {
    return un_fail(UN_DATA, "%s: bad msgpack, or cut short", where);
}

static bool is_key(const struct un_msgpack_item *item, const char *name) {
    return item->kind == UN_MSGPACK_BYTES && item->bytes == strlen(name) &&
           memcmp(item->data, name, item->bytes) == 0;
}

static enum un_status read_tokens(struct un_txt_reader *r, struct un_msgpack *in, const char *where,
                                  struct un_txt_value *value) {
    struct un_msgpack_item list, item;
    if (!un_msgpack_next(in, &list)) return bad(where);
    if (list.kind != UN_MSGPACK_ARRAY) return un_fail(UN_DATA, "%s: input_ids is no list", where);
    if (list.count > r->token_room) { /* an element is a byte at least: bounded by what is there */
        UN_TRY(un_grow((void **)&r->token, (size_t)r->token_room, (size_t)list.count, sizeof *r->token,
                       "tokens"));
        r->token_room = list.count;
    }
    for (int64_t i = 0; i < list.count; ++i) {
        if (!un_msgpack_next(in, &item)) return bad(where);
        if (item.kind != UN_MSGPACK_INT || item.number < 0 || item.number > INT32_MAX)
            return un_fail(UN_DATA, "%s: input_ids: element %lld is no token id", where, (long long)i);
        r->token[i] = (int32_t)item.number;
    }
    value->token = r->token;
    value->tokens = list.count;
    return UN_OK;
}

/* A text under this key; nil counts as not there. */
static enum un_status read_text(struct un_msgpack *in, const char *where, const char *key, const char **text,
                                size_t *bytes) {
    struct un_msgpack_item item;
    if (!un_msgpack_next(in, &item)) return bad(where);
    if (item.kind == UN_MSGPACK_NIL) return UN_OK;
    if (item.kind != UN_MSGPACK_BYTES) return un_fail(UN_DATA, "%s: %s is no text", where, key);
    *text = (const char *)item.data;
    *bytes = item.bytes;
    return UN_OK;
}

static enum un_status read_sentence(struct un_msgpack *in, const char *where, struct un_txt_value *value) {
    struct un_msgpack before = *in;
    struct un_msgpack_item item;
    if (!un_msgpack_next(in, &item)) return bad(where);
    if (item.kind == UN_MSGPACK_BYTES) {
        value->sentence = (const char *)item.data;
        value->sentence_bytes = item.bytes;
        return UN_OK;
    }
    *in = before;
    return un_msgpack_skip(in) ? UN_OK : bad(where);
}

static enum un_status read_member(struct un_txt_reader *r, struct un_msgpack *in, const char *where,
                                  struct un_txt_value *value) {
    static const char *const sentences[] = {"sentence", "caption", "raw"};
    struct un_msgpack_item key = {0};
    struct un_msgpack before = *in;
    if (!un_msgpack_next(in, &key)) return bad(where);
    if (key.kind == UN_MSGPACK_ARRAY || key.kind == UN_MSGPACK_MAP) {
        *in = before;
        if (!un_msgpack_skip(in)) return bad(where);
    }
    if (is_key(&key, "input_ids")) return read_tokens(r, in, where, value);
    if (is_key(&key, "img_fname"))
        return read_text(in, where, "img_fname", &value->image, &value->image_bytes);
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences && !value->sentence; ++i)
        if (is_key(&key, sentences[i])) return read_sentence(in, where, value);
    return un_msgpack_skip(in) ? UN_OK : bad(where);
}

enum un_status un_txt_value_read(struct un_txt_reader *r, const char *where, const unsigned char *bytes,
                                 size_t n, struct un_txt_value *value) {
    struct un_msgpack_item map;
    *value = (struct un_txt_value){.tokens = -1};
    UN_TRY(unpack(r, where, bytes, n));
    struct un_msgpack in = {r->plain, r->plain + r->bytes};
    if (!un_msgpack_next(&in, &map)) return bad(where);
    if (map.kind != UN_MSGPACK_MAP) return un_fail(UN_DATA, "%s: the value is no msgpack map", where);
    for (int64_t i = 0; i < map.count; ++i) UN_TRY(read_member(r, &in, where, value));
    if (un_msgpack_left(&in) > 0) return un_fail(UN_DATA, "%s: something follows the msgpack map", where);
    return value->tokens >= 0 ? UN_OK : un_fail(UN_DATA, "%s: no input_ids", where);
}
