/* Asynchronous copies: a list of each thread's, done in order when it waits for them. */
#include "tests/cards/emu/copies.h"
#include "tests/cards/emu/state.h"

#include <stdlib.h>

namespace {

enum { COPY = 16 }; /* bytes */

struct copy {
    unsigned char *to;
    const unsigned char *from;
    int bytes; /* read; the rest is zero */
    int group;
};

struct copies {
    struct copy *list; /* kept for the next thread of this rank */
    int first, count, room;
    int group; /* the one that is open */
};
struct copies all[UN_EMU_THREADS];

void carry_out(const struct copy *c) {
    un_fiber_writes(c->to, COPY);
    un_fiber_reads(c->from, (size_t)c->bytes);
    memset(c->to + c->bytes, 0, (size_t)(COPY - c->bytes));
    if (c->bytes > 0) memcpy(c->to, c->from, (size_t)c->bytes);
}

} // namespace

void un_emu_copies_end(int rank) {
    all[rank].first = all[rank].count = all[rank].group = 0;
}

void un_emu_copy_async(void *shared, const void *global, int bytes, struct un_emu_site site) {
    struct copies *mine = &all[un_emu_self->rank];
    if (bytes < 0 || bytes > COPY)
        un_emu_die("%s:%d: an asynchronous copy of %d bytes", site.file, site.line, bytes);
    if ((uintptr_t)shared % COPY != 0 || !un_emu_is_shared(shared, COPY))
        un_emu_die("%s:%d: the target of an asynchronous copy is not 16 aligned bytes of shared memory",
                   site.file, site.line);
    if ((uintptr_t)global % COPY != 0 || un_emu_is_shared(global, 1))
        un_emu_die("%s:%d: the source of an asynchronous copy is not 16-byte aligned in global memory",
                   site.file, site.line);
    if (mine->count == mine->room) {
        mine->room = mine->room ? 2 * mine->room : 64;
        mine->list = (struct copy *)realloc(mine->list, (size_t)mine->room * sizeof *mine->list);
        if (!mine->list) abort();
    }
    mine->list[mine->count++] = {(unsigned char *)shared, (const unsigned char *)global, bytes, mine->group};
    un_fiber_writes(shared, COPY);
    memset(shared, 0xFF, COPY);
}

void un_emu_copy_commit() {
    ++all[un_emu_self->rank].group;
}

void un_emu_copy_wait(int left) {
    struct copies *mine = &all[un_emu_self->rank];
    while (mine->first < mine->count && mine->list[mine->first].group < mine->group - left)
        carry_out(&mine->list[mine->first++]);
    if (mine->first == mine->count) mine->first = mine->count = 0;
}
