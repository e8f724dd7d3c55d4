/* Lists, tuples, dicts and the memo of a pickle (pickle.h). */
#include "io/convert/format/pickle_private.h"
#include "runtime/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MARK = '(', MEMO_MAX = 1 << 28 };

/* The place behind the highest mark; every value above it will be taken. */
static enum un_status find_mark(const struct un_pickle *p, size_t *first) {
    size_t at = p->depth;
    while (at > 0 && p->stack[at - 1]) --at;
    if (at == 0) return un_pickle_wrong(p, "no mark on the stack for this opcode");
    *first = at;
    return UN_OK;
}

/* Are there `n` values at the top, none of them a mark? */
static enum un_status need(const struct un_pickle *p, size_t n) {
    bool there = p->depth >= n;
    for (size_t i = 0; i < n && there; ++i) there = p->stack[p->depth - 1 - i] != NULL;
    return there ? UN_OK : un_pickle_wrong(p, "too few values on the stack for this opcode");
}

static uint32_t room_of(uint32_t slots) {
    uint32_t room = 4;
    while (room < slots) room *= 2;
    return slots ? room : 0;
}

/* Appends values [n] to a container's slots, which are as many as a power of two above those in use. */
static enum un_status append(struct un_pickle *p, struct un_pickle_value *c, struct un_pickle_value **value,
                             size_t n) {
    uint32_t pair = c->kind == UN_PICKLE_DICT ? 2 : 1, used = c->n * pair;
    size_t after = used + n;
    if (after > UINT32_MAX / 4) return un_pickle_wrong(p, "too many elements");
    if (room_of((uint32_t)after) > room_of(used)) {
        const struct un_pickle_value **more =
            un_pickle_take(p, room_of((uint32_t)after) * sizeof(struct un_pickle_value *));
        if (!more) return UN_MEMORY;
        if (used) memcpy(more, c->is.item, used * sizeof *more);
        c->is.item = more;
    }
    for (size_t i = 0; i < n; ++i) {
        struct un_pickle_value *v = value[i];
        v->closed = true;
        if (v->depth + 1 > UN_PICKLE_DEPTH_MAX) return un_pickle_wrong(p, "containers deeper than 32");
        if (v->depth + 1 > c->depth) c->depth = (uint8_t)(v->depth + 1);
        c->is.item[used + i] = v;
    }
    c->n += (uint32_t)(n / pair);
    return UN_OK;
}

/* The values above `first` into the container below them at `place`. */
static enum un_status fill(struct un_pickle *p, size_t place, size_t first, enum un_pickle_kind kind) {
    struct un_pickle_value *c = p->stack[place];
    size_t n = p->depth - first;
    if (!c || c->kind != kind)
        return un_pickle_wrong(p, kind == UN_PICKLE_DICT ? "no dict on the stack for this opcode"
                                                         : "no list on the stack for this opcode");
    if (c->closed) return un_pickle_wrong(p, "a container is changed after it was used");
    if (kind == UN_PICKLE_DICT && n % 2) return un_pickle_wrong(p, "a key without its value");
    UN_TRY(append(p, c, p->stack + first, n));
    p->depth = place + 1;
    return UN_OK;
}

/* APPENDS, SETITEMS: everything above the mark. */
static enum un_status fill_marked(struct un_pickle *p, enum un_pickle_kind kind) {
    size_t first = 0;
    UN_TRY(find_mark(p, &first));
    if (first < 2) return un_pickle_wrong(p, "too few values on the stack for this opcode");
    return fill(p, first - 2, first, kind);
}

/* APPEND, SETITEM: the top one or two. */
static enum un_status fill_few(struct un_pickle *p, size_t n, enum un_pickle_kind kind) {
    UN_TRY(need(p, n + 1));
    return fill(p, p->depth - n - 1, p->depth - n, kind);
}

/* A new container of the values from `first` on; `place`: where it will stand. */
static enum un_status gather(struct un_pickle *p, size_t place, size_t first, enum un_pickle_kind kind) {
    struct un_pickle_value *c = NULL;
    size_t n = p->depth - first;
    UN_TRY(un_pickle_new(p, kind, &c));
    c->depth = 1;
    if (kind == UN_PICKLE_DICT && n % 2) return un_pickle_wrong(p, "a key without its value");
    if (n > 0) UN_TRY(append(p, c, p->stack + first, n)); /* else there may be no stack yet */
    p->depth = place;
    return un_pickle_push(p, c);
}

static enum un_status gather_marked(struct un_pickle *p, enum un_pickle_kind kind) {
    size_t first = 0;
    UN_TRY(find_mark(p, &first));
    return gather(p, first - 1, first, kind);
}

static enum un_status gather_few(struct un_pickle *p, size_t n) {
    UN_TRY(need(p, n));
    return gather(p, p->depth - n, p->depth - n, UN_PICKLE_TUPLE);
}

enum un_status un_pickle_container(struct un_pickle *p, unsigned char op, bool *mine) {
    *mine = true;
    switch (op) {
    case MARK: return un_pickle_push(p, NULL);
    case ']': return gather(p, p->depth, p->depth, UN_PICKLE_LIST);
    case '}': return gather(p, p->depth, p->depth, UN_PICKLE_DICT);
    case ')': return gather(p, p->depth, p->depth, UN_PICKLE_TUPLE);
    case 'l': return gather_marked(p, UN_PICKLE_LIST);
    case 'd': return gather_marked(p, UN_PICKLE_DICT);
    case 't': return gather_marked(p, UN_PICKLE_TUPLE);
    case 0x85:
    case 0x86:
    case 0x87: return gather_few(p, op - 0x84u);
    case 'a': return fill_few(p, 1, UN_PICKLE_LIST);
    case 's': return fill_few(p, 2, UN_PICKLE_DICT);
    case 'e': return fill_marked(p, UN_PICKLE_LIST);
    case 'u': return fill_marked(p, UN_PICKLE_DICT);
    default: *mine = false; return UN_OK;
    }
}

/* ---- the memo ---- */

/* The number behind GET, PUT and their kin. */
static enum un_status memo_index(struct un_pickle *p, unsigned char op, uint64_t *index) {
    const char *line = NULL;
    size_t n = 0;
    if (op != 'g' && op != 'p') return un_pickle_little(p, op == 'h' || op == 'q' ? 1 : 4, index);
    UN_TRY(un_pickle_line(p, &line, &n));
    if (n > 0 && line[n - 1] == '\r') --n;
    *index = 0;
    for (size_t i = 0; i < n && i < 10; ++i) {
        if (line[i] < '0' || line[i] > '9') return un_pickle_wrong(p, "no memo's number follows this opcode");
        *index = 10 * *index + (uint64_t)(line[i] - '0');
    }
    return n >= 1 && n <= 10 ? UN_OK : un_pickle_wrong(p, "no memo's number follows this opcode");
}

/* Numbers are given one after another by every writer; a gap would let a small file ask for much memory. */
static enum un_status put(struct un_pickle *p, uint64_t index) {
    UN_TRY(need(p, 1));
    if (index > p->n || index >= MEMO_MAX)
        return un_pickle_wrong(p, "a memo's number beyond the file's size");
    if (index >= p->memo_room) {
        size_t room = p->memo_room ? p->memo_room : 256;
        while (room <= index) room *= 2;
        UN_TRY(un_grow((void **)&p->memo, p->memo_room, room, sizeof *p->memo, "the memo of a pickle"));
        p->memo_room = room;
    }
    if (!p->memo[index]) ++p->memos;
    p->memo[index] = p->stack[p->depth - 1];
    return UN_OK;
}

static enum un_status get(struct un_pickle *p, uint64_t index) {
    if (index >= p->memo_room || !p->memo[index]) return un_pickle_wrong(p, "nothing has that memo's number");
    p->memo[index]->closed = true;
    return un_pickle_push(p, p->memo[index]);
}

enum un_status un_pickle_memo(struct un_pickle *p, unsigned char op, bool *mine) {
    uint64_t index = 0;
    *mine = true;
    switch (op) {
    case 'g':
    case 'h':
    case 'j': UN_TRY(memo_index(p, op, &index)); return get(p, index);
    case 'p':
    case 'q':
    case 'r': UN_TRY(memo_index(p, op, &index)); return put(p, index);
    case 0x94: return put(p, p->memos);
    default: *mine = false; return UN_OK;
    }
}
