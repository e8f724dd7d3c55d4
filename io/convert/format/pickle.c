/* The loop over a pickle's opcodes (pickle.h): each family has a function; what none of them knows is
 * refused. */
#include "io/convert/format/pickle_private.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <string.h>

enum { STOP = '.', PROTO = 0x80, FRAME = 0x95, PROTOCOL_MAX = 5 };

/* Opcodes that make more than plain data, or that writers of plain data have no use for. */
static const char *refused(unsigned char op) {
    static const struct {
        unsigned char op;
        const char *name;
    } names[] = {
        {'c', "GLOBAL"},      {'R', "REDUCE"},
        {'b', "BUILD"},       {'i', "INST"},
        {'o', "OBJ"},         {0x81, "NEWOBJ"},
        {0x92, "NEWOBJ_EX"},  {0x93, "STACK_GLOBAL"},
        {0x82, "EXT1"},       {0x83, "EXT2"},
        {0x84, "EXT4"},       {'P', "PERSID"},
        {'Q', "BINPERSID"},   {0x8F, "EMPTY_SET"},
        {0x90, "ADDITEMS"},   {0x91, "FROZENSET"},
        {0x96, "BYTEARRAY8"}, {0x97, "NEXT_BUFFER"},
        {'0', "POP"},         {'1', "POP_MARK"},
        {'2', "DUP"},         {0x98, "READONLY_BUFFER"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (names[i].op == op) return names[i].name;
    return NULL;
}

static enum un_status no_data(const struct un_pickle *p, unsigned char op) {
    const char *name = refused(op);
    if (name)
        return un_fail(UN_DATA, "%s: byte %zu: opcode %s (0x%02x) is refused: only plain data is read",
                       p->name, p->op, name, op);
    return un_fail(UN_DATA, "%s: byte %zu: 0x%02x is no opcode of a pickle", p->name, p->op, op);
}

static enum un_status head(struct un_pickle *p, unsigned char op, bool *mine) {
    uint64_t value = 0;
    *mine = op == PROTO || op == FRAME;
    if (!*mine) return UN_OK;
    UN_TRY(un_pickle_little(p, op == PROTO ? 1 : 8, &value));
    if (op == PROTO && value > PROTOCOL_MAX) return un_pickle_wrong(p, "a protocol later than 5");
    if (op == FRAME && value > p->n - p->at)
        return un_pickle_wrong(p, "the file is cut short in what follows this opcode");
    return UN_OK;
}

static enum un_status one(struct un_pickle *p, unsigned char op) {
    static enum un_status (*const family[])(struct un_pickle *, unsigned char, bool *) = {
        un_pickle_memo, un_pickle_text, un_pickle_container, un_pickle_number, un_pickle_numpy, head};
    bool mine = false;
    for (size_t i = 0; i < sizeof family / sizeof *family && !mine; ++i) UN_TRY(family[i](p, op, &mine));
    return mine ? UN_OK : no_data(p, op);
}

static enum un_status read_all(struct un_pickle *p) {
    for (;;) {
        p->op = p->at;
        if (p->at == p->n) return un_pickle_wrong(p, "the file is cut short here: no STOP");
        unsigned char op = p->bytes[p->at++];
        if (op == STOP) break;
        UN_TRY(one(p, op));
    }
    if (p->depth != 1 || !p->stack[0]) return un_pickle_wrong(p, "not one value is left at STOP");
    if (p->at != p->n) return un_pickle_wrong(p, "something follows STOP");
    p->top = p->stack[0];
    return UN_OK;
}

static enum un_status parse(struct un_pickle **pickle, const char *name, const void *bytes, size_t n,
                            bool numpy) {
    struct un_pickle *p = *pickle = un_alloc(1, sizeof *p, "a pickle");
    if (!p) return UN_MEMORY;
    p->bytes = bytes;
    p->n = n;
    p->numpy = numpy;
    enum un_status status = (p->name = un_strdup(name)) ? UN_OK : UN_MEMORY;
    if (status == UN_OK && n == 0) status = un_fail(UN_DATA, "%s: is empty", name);
    if (status == UN_OK) status = read_all(p);
    p->bytes = NULL;
    if (status == UN_OK) return UN_OK;
    un_pickle_close(p);
    *pickle = NULL;
    return status;
}

enum un_status un_pickle_parse(struct un_pickle **pickle, const char *name, const void *bytes, size_t n) {
    return parse(pickle, name, bytes, n, false);
}

enum un_status un_pickle_parse_arrays(struct un_pickle **pickle, const char *name, const void *bytes,
                                      size_t n) {
    return parse(pickle, name, bytes, n, true);
}

enum un_status un_pickle_open(struct un_pickle **pickle, const char *path) {
    char *bytes;
    size_t n = 0;
    *pickle = NULL;
    UN_TRY(un_files_read(path, UN_PICKLE_BYTES_MAX, &bytes, &n));
    enum un_status status = un_pickle_parse(pickle, path, bytes, n);
    un_free(bytes);
    return status;
}

void un_pickle_close(struct un_pickle *p) {
    if (!p) return;
    un_pickle_block_free(p->block);
    un_free(p->name);
    un_free(p->stack);
    un_free(p->memo);
    un_free(p);
}

const struct un_pickle_value *un_pickle_top(const struct un_pickle *p) {
    return p->top;
}

const struct un_pickle_value *un_pickle_member(const struct un_pickle_value *dict, const char *key,
                                               bool *twice) {
    const struct un_pickle_value *found = NULL;
    size_t n = strlen(key);
    *twice = false;
    if (!dict || dict->kind != UN_PICKLE_DICT) return NULL;
    for (uint32_t i = 0; i < dict->n; ++i) {
        const struct un_pickle_value *k = dict->is.item[2 * i];
        if (k->kind != UN_PICKLE_TEXT || k->n != n || memcmp(k->is.text, key, n) != 0) continue;
        *twice = found != NULL;
        found = dict->is.item[2 * i + 1];
        if (*twice) break;
    }
    return found;
}
