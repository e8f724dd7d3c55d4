/* The stack, the memory and what follows an opcode (pickle_private.h).
 *
 * Memory: a value a push, in blocks that are given back at once; an opcode is a byte at least, so that is
 * bounded by the file. Circles cannot be made: a container that was fetched from the memo or put into
 * another one is closed, and a closed one is not changed. */
#include "io/convert/format/pickle_private.h"
#include "runtime/memory.h"

#include <string.h>

enum { BLOCK = 1 << 18 };

struct un_pickle_block {
    struct un_pickle_block *before;
    size_t used, room;
    _Alignas(16) unsigned char bytes[];
};

enum un_status un_pickle_wrong(const struct un_pickle *p, const char *what) {
    return un_fail(UN_DATA, "%s: byte %zu: %s", p->name, p->op, what);
}

void *un_pickle_take(struct un_pickle *p, size_t bytes) {
    size_t want = (bytes + 15) & ~(size_t)15;
    struct un_pickle_block *b = p->block;
    if (!b || b->room - b->used < want) {
        size_t room = want > BLOCK ? want : BLOCK;
        b = un_alloc(1, sizeof *b + room, "values of a pickle");
        if (!b) return NULL;
        *b = (struct un_pickle_block){.before = p->block, .room = room};
        p->block = b;
    }
    b->used += want;
    return b->bytes + (b->used - want);
}

void un_pickle_block_free(struct un_pickle_block *block) {
    while (block) {
        struct un_pickle_block *before = block->before;
        un_free(block);
        block = before;
    }
}

enum un_status un_pickle_push(struct un_pickle *p, struct un_pickle_value *value) {
    if (p->depth == p->stack_room) {
        size_t room = p->stack_room ? 2 * p->stack_room : 256;
        UN_TRY(un_grow((void **)&p->stack, p->stack_room, room, sizeof *p->stack, "the stack of a pickle"));
        p->stack_room = room;
    }
    p->stack[p->depth++] = value;
    return UN_OK;
}

enum un_status un_pickle_new(struct un_pickle *p, enum un_pickle_kind kind, struct un_pickle_value **value) {
    if (++p->values > UN_PICKLE_VALUES_MAX) return un_pickle_wrong(p, "more than 16 million values");
    if (!(*value = un_pickle_take(p, sizeof **value))) return UN_MEMORY;
    **value = (struct un_pickle_value){.kind = (uint8_t)kind};
    return UN_OK;
}

enum un_status un_pickle_make(struct un_pickle *p, enum un_pickle_kind kind, struct un_pickle_value **value) {
    struct un_pickle_value *v = NULL;
    UN_TRY(un_pickle_new(p, kind, &v));
    if (value) *value = v;
    return un_pickle_push(p, v);
}

/* ---- what follows an opcode ---- */

enum un_status un_pickle_bytes(struct un_pickle *p, uint64_t n, const unsigned char **bytes) {
    if (n > p->n - p->at) return un_pickle_wrong(p, "the file is cut short in what follows this opcode");
    *bytes = p->bytes + p->at;
    p->at += (size_t)n;
    return UN_OK;
}

enum un_status un_pickle_little(struct un_pickle *p, int bytes, uint64_t *value) {
    const unsigned char *at = NULL;
    UN_TRY(un_pickle_bytes(p, (uint64_t)bytes, &at));
    *value = 0;
    for (int i = bytes - 1; i >= 0; --i) *value = *value << 8 | at[i];
    return UN_OK;
}

enum un_status un_pickle_line(struct un_pickle *p, const char **text, size_t *n) {
    const unsigned char *first = p->bytes + p->at, *end = memchr(first, '\n', p->n - p->at);
    if (!end) return un_pickle_wrong(p, "the file is cut short in what follows this opcode");
    *text = (const char *)first;
    *n = (size_t)(end - first);
    p->at += *n + 1;
    return UN_OK;
}
