/* lz4 frame and msgpack of a txt_db (txt_value.h).
 *
 * msgpack is read in place: no memory is taken by a length in the file, and what nobody wants is passed over
 * by counting, not by recursion, so depth does not matter.
 */
#include "io/convert/txt_value.h"
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

enum kind { NIL, INTEGER, NUMBER, TEXT, ARRAY, MAP, OTHER };
struct head {
    enum kind kind;
    int64_t value; /* of INTEGER; one too large for it is OTHER */
    uint64_t n;    /* bytes that follow (TEXT, NUMBER, OTHER), elements, pairs */
};
struct cursor {
    const unsigned char *at, *end;
    const char *where;
};

static enum un_status cut(const struct cursor *c) {
    return un_fail(UN_DATA, "%s: the msgpack is cut short", c->where);
}

/* A big-endian number of `bytes` bytes. */
static enum un_status read_size(struct cursor *c, int bytes, uint64_t *n) {
    if (c->end - c->at < bytes) return cut(c);
    *n = 0;
    for (int i = 0; i < bytes; ++i) *n = *n << 8 | *c->at++;
    return UN_OK;
}

static enum un_status read_integer(struct cursor *c, int bytes, bool sign, struct head *h) {
    uint64_t n = 0;
    UN_TRY(read_size(c, bytes, &n));
    if (sign && bytes < 8 && n >> (8 * bytes - 1)) n |= ~0ull << 8 * bytes;
    *h = (struct head){.kind = !sign && n > INT64_MAX ? OTHER : INTEGER, .value = (int64_t)n};
    return UN_OK;
}

static enum un_status read_sized(struct cursor *c, enum kind kind, int bytes, uint64_t extra,
                                 struct head *h) {
    *h = (struct head){.kind = kind};
    UN_TRY(read_size(c, bytes, &h->n));
    h->n += extra;
    return UN_OK;
}

static enum un_status read_head(struct cursor *c, struct head *h) {
    if (c->at == c->end) return cut(c);
    unsigned char b = *c->at++;
    *h = (struct head){.kind = OTHER};
    if (b < 0x80)
        *h = (struct head){.kind = INTEGER, .value = b};
    else if (b < 0x90)
        *h = (struct head){.kind = MAP, .n = b & 15};
    else if (b < 0xa0)
        *h = (struct head){.kind = ARRAY, .n = b & 15};
    else if (b < 0xc0)
        *h = (struct head){.kind = TEXT, .n = b & 31};
    else if (b >= 0xe0)
        *h = (struct head){.kind = INTEGER, .value = (int64_t)b - 256};
    else if (b == 0xc0)
        h->kind = NIL;
    else if (b == 0xc1)
        return un_fail(UN_DATA, "%s: byte 0xc1 is no msgpack", c->where);
    else if (b >= 0xc4 && b <= 0xc6)
        return read_sized(c, TEXT, 1 << (b - 0xc4), 0, h); /* bin */
    else if (b >= 0xc7 && b <= 0xc9)
        return read_sized(c, OTHER, 1 << (b - 0xc7), 1, h); /* ext and its type */
    else if (b == 0xca || b == 0xcb)
        *h = (struct head){.kind = NUMBER, .n = b == 0xca ? 4 : 8};
    else if (b >= 0xcc && b <= 0xcf)
        return read_integer(c, 1 << (b - 0xcc), false, h);
    else if (b >= 0xd0 && b <= 0xd3)
        return read_integer(c, 1 << (b - 0xd0), true, h);
    else if (b >= 0xd4 && b <= 0xd8)
        h->n = (1u << (b - 0xd4)) + 1;
    else if (b >= 0xd9 && b <= 0xdb)
        return read_sized(c, TEXT, 1 << (b - 0xd9), 0, h);
    else if (b == 0xdc || b == 0xdd)
        return read_sized(c, ARRAY, b == 0xdc ? 2 : 4, 0, h);
    else if (b == 0xde || b == 0xdf)
        return read_sized(c, MAP, b == 0xde ? 2 : 4, 0, h);
    return UN_OK;
}

static enum un_status read_bytes(struct cursor *c, const struct head *h, const char **text, size_t *bytes) {
    if ((uint64_t)(c->end - c->at) < h->n) return cut(c);
    *text = (const char *)c->at;
    *bytes = (size_t)h->n;
    c->at += h->n;
    return UN_OK;
}

/* Passes over what a head announces. Every element takes a byte at least, so more than are left are refused.
 */
static enum un_status skip(struct cursor *c, struct head h) {
    uint64_t left = 0;
    for (;;) {
        const char *text;
        size_t bytes;
        if (h.kind == ARRAY || h.kind == MAP)
            left += h.kind == MAP ? 2 * h.n : h.n;
        else
            UN_TRY(read_bytes(c, &h, &text, &bytes));
        if (left == 0) return UN_OK;
        if (left > (uint64_t)(c->end - c->at)) return cut(c);
        --left;
        UN_TRY(read_head(c, &h));
    }
}

static enum un_status read_tokens(struct un_txt_reader *r, struct cursor *c, const struct head *list,
                                  struct un_txt_value *value) {
    if (list->kind != ARRAY) return un_fail(UN_DATA, "%s: input_ids is no list", c->where);
    if (list->n > (uint64_t)(c->end - c->at)) return cut(c);
    int64_t n = (int64_t)list->n;
    if (n > r->token_room) {
        UN_TRY(un_grow((void **)&r->token, (size_t)r->token_room, (size_t)n, sizeof *r->token, "tokens"));
        r->token_room = n;
    }
    for (int64_t i = 0; i < n; ++i) {
        struct head h;
        UN_TRY(read_head(c, &h));
        if (h.kind != INTEGER || h.value < 0 || h.value > INT32_MAX)
            return un_fail(UN_DATA, "%s: input_ids: element %lld is no token id", c->where, (long long)i);
        r->token[i] = (int32_t)h.value;
    }
    value->token = r->token;
    value->tokens = n;
    return UN_OK;
}

/* A text under one of these keys; nil counts as not there. */
static enum un_status read_text(struct cursor *c, const struct head *h, const char *key, const char **text,
                                size_t *bytes) {
    if (h->kind == NIL) return UN_OK;
    if (h->kind != TEXT) return un_fail(UN_DATA, "%s: %s is no text", c->where, key);
    return read_bytes(c, h, text, bytes);
}

static enum un_status read_member(struct un_txt_reader *r, struct cursor *c, struct un_txt_value *value) {
    static const char *const sentences[] = {"sentence", "caption", "raw"};
    struct head h;
    const char *key = "";
    size_t n = 0;
    UN_TRY(read_head(c, &h));
    if (h.kind == TEXT)
        UN_TRY(read_bytes(c, &h, &key, &n));
    else
        UN_TRY(skip(c, h));
    UN_TRY(read_head(c, &h));
    if (n == 9 && memcmp(key, "input_ids", n) == 0) return read_tokens(r, c, &h, value);
    if (n == 9 && memcmp(key, "img_fname", n) == 0)
        return read_text(c, &h, "img_fname", &value->image, &value->image_bytes);
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences && !value->sentence; ++i)
        if (n == strlen(sentences[i]) && memcmp(key, sentences[i], n) == 0 && h.kind == TEXT)
            return read_text(c, &h, sentences[i], &value->sentence, &value->sentence_bytes);
    return skip(c, h);
}

enum un_status un_txt_value_read(struct un_txt_reader *r, const char *where, const unsigned char *bytes,
                                 size_t n, struct un_txt_value *value) {
    struct head map;
    *value = (struct un_txt_value){.tokens = -1};
    UN_TRY(unpack(r, where, bytes, n));
    struct cursor c = {r->plain, r->plain + r->bytes, where};
    UN_TRY(read_head(&c, &map));
    if (map.kind != MAP) return un_fail(UN_DATA, "%s: the value is no msgpack map", where);
    if (map.n > (uint64_t)(c.end - c.at)) return cut(&c);
    for (uint64_t i = 0; i < map.n; ++i) UN_TRY(read_member(r, &c, value));
    if (c.at != c.end) return un_fail(UN_DATA, "%s: something follows the msgpack map", where);
    return value->tokens >= 0 ? UN_OK : un_fail(UN_DATA, "%s: no input_ids", where);
}
