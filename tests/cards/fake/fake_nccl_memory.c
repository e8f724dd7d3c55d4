/* Memory of the library's and its registration, of fake_nccl.c: what newer versions have. With UN_FAKE_OLD the library has
 * none of it. Blocks are pages of their own, so that who looks at one after it was given back is killed.
 *
 * Held to, beyond what the library says: memory is given back after every communicator has let go of it; a communicator lets
 * go when all its groups have run, and before its end; windows are the same ones on all ranks.
 *
 * Environment: UN_FAKE_NCCL=CODE, the version that it says it is of, and calls of later ones end the program;
 * UN_FAKE_MEMORY=RANK:NUMBER, there is no memory for the block of this number (from 1) on this rank;
 * UN_FAKE_REGISTER=RANK:NUMBER, that registration of each communicator fails there; UN_FAKE_TELL=1 (fake_nccl.c). */
#include "tests/cards/fake/fake_nccl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Noreturn void un_fake_broken(const char *what) {
    fprintf(stderr, "fake library: %s\n", what);
    fflush(stderr);
    abort();
}

bool un_fake_planned(const char *variable, int rank, long number) {
    const char *plan = getenv(variable);
    int at;
    long which;
    return plan && sscanf(plan, "%d:%ld", &at, &which) == 2 && at == rank && which == number;
}

#ifdef UN_FAKE_OLD
enum { VERSION = 21805 };
#else
enum { VERSION = NCCL_VERSION_CODE };
#endif

ncclResult_t ncclGetVersion(int *version) {
    const char *code = getenv("UN_FAKE_NCCL");
    *version = code ? atoi(code) : VERSION;
    return ncclSuccess;
}

#ifdef UN_FAKE_OLD

bool un_fake_place(const struct ncclComm *c, const void *data, size_t bytes, struct un_fake_place *place) {
    (void)c, (void)data, (void)bytes;
    *place = (struct un_fake_place){0};
    return true;
}

ncclResult_t un_fake_meet(struct ncclComm *c) {
    (void)c;
    return ncclSuccess;
}

void un_fake_let_go(struct ncclComm *c, bool torn) {
    (void)c, (void)torn;
}

#else

struct un_fake_block {
    char *data;
    size_t bytes; /* that were asked for */
    int told;     /* communicators that know of it */
};

static struct {
    struct un_fake_block blocks[UN_FAKE_TOLD]; /* data NULL: free */
    int live, taken;
    bool torn; /* after an abort messages may still be under way: pages stay */
} memory;

static void since(int version, const char *what) {
    int mine;
    ncclGetVersion(&mine);
    if (mine < version) un_fake_broken(what);
}

/* ---- memory ---- */

static size_t pages(size_t bytes) {
    return (bytes + UN_COMM_GRAIN - 1) / UN_COMM_GRAIN * UN_COMM_GRAIN;
}

ncclResult_t ncclMemAlloc(void **data, size_t bytes) {
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    since(21900, "ncclMemAlloc before 2.19");
    ++memory.taken;
    if (un_fake_planned("UN_FAKE_MEMORY", rank ? atoi(rank) : 0, memory.taken)) return ncclUnhandledCudaError;
    struct un_fake_block *b = memory.blocks;
    while (b < memory.blocks + UN_FAKE_TOLD && b->data) ++b;
    if (b == memory.blocks + UN_FAKE_TOLD || bytes == 0) return ncclInvalidArgument;
    b->data = mmap(NULL, pages(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->data == MAP_FAILED) {
        b->data = NULL;
        return ncclSystemError;
    }
    memset(b->data, 0xff, pages(bytes)); /* the library does not clear it */
    b->bytes = bytes;
    b->told = 0;
    ++memory.live;
    *data = b->data;
    return ncclSuccess;
}

ncclResult_t ncclMemFree(void *data) {
    struct un_fake_block *b = memory.blocks;
    since(21900, "ncclMemFree before 2.19");
    while (b < memory.blocks + UN_FAKE_TOLD && b->data != data) ++b;
    if (!data || b == memory.blocks + UN_FAKE_TOLD)
        un_fake_broken("ncclMemFree of what is not the library's");
    if (b->told > 0) un_fake_broken("memory is given back that a communicator still knows of");
    if (!memory.torn) munmap(b->data, pages(b->bytes));
    *b = (struct un_fake_block){0};
    if (--memory.live == 0 && getenv("UN_FAKE_TELL"))
        fprintf(stderr, "fake library: %d blocks taken, all given back\n", memory.taken);
    return ncclSuccess;
}

/* The live block that overlaps; NULL: none. */
static struct un_fake_block *block_at(const void *data, size_t bytes) {
    const uintptr_t from = (uintptr_t)data;
    for (struct un_fake_block *b = memory.blocks; b < memory.blocks + UN_FAKE_TOLD; ++b) {
        const uintptr_t at = (uintptr_t)b->data;
        if (b->data && from < at + b->bytes && at < from + (bytes ? bytes : 1)) return b;
    }
    return NULL;
}

static bool inside(const struct un_fake_block *b, const void *data, size_t bytes) {
    const uintptr_t from = (uintptr_t)data, at = (uintptr_t)b->data;
    return at <= from && from + bytes <= at + b->bytes;
}

/* ---- registration ---- */

static struct un_fake_told *told_of(struct ncclComm *c, const struct un_fake_block *block) {
    for (struct un_fake_told *t = c->told; t < c->told + UN_FAKE_TOLD; ++t)
        if (t->block == block) return t;
    return NULL;
}

bool un_fake_place(const struct ncclComm *c, const void *data, size_t bytes, struct un_fake_place *place) {
    *place = (struct un_fake_place){0};
    struct un_fake_block *b = data ? block_at(data, bytes) : NULL;
    if (!b) return true;
    if (!inside(b, data, bytes)) return false;
    struct un_fake_told *t = told_of((struct ncclComm *)(uintptr_t)c, b);
    if (!t) return c->registrations == 0; /* all or nothing */
    *place = (struct un_fake_place){1, t->window ? (const char *)data - b->data : 0};
    return true;
}

/* The next place for a whole block that is not told of yet; NULL: it may not be. */
static struct un_fake_told *new_told(struct ncclComm *c, void *data, size_t bytes) {
    struct un_fake_block *b = block_at(data, bytes);
    ++c->registrations;
    if (!b || b->data != data || b->bytes != bytes || told_of(c, b)) return NULL;
    if (c->aborted || c->group || c->meeting.under_way || c->posted > 0) return NULL;
    struct un_fake_told *t = told_of(c, NULL);
    if (!t || un_fake_planned("UN_FAKE_REGISTER", c->rank, c->registrations)) return NULL;
    t->block = b;
    t->window = false;
    ++b->told;
    return t;
}

ncclResult_t ncclCommRegister(const ncclComm_t c, void *data, size_t bytes, void **handle) {
    since(21900, "ncclCommRegister before 2.19");
    struct un_fake_told *t = new_told(c, data, bytes);
    *handle = t;
    return t ? ncclSuccess : ncclInvalidUsage;
}

/* The answer comes when its state is asked for; until then 2.28 says that all is well. */
ncclResult_t ncclCommWindowRegister(ncclComm_t c, void *data, size_t bytes, ncclWindow_t *window, int flags) {
    since(22700, "ncclCommWindowRegister before 2.27");
    if (c->meeting.under_way || flags != NCCL_WIN_COLL_SYMMETRIC) return ncclInvalidArgument;
    if ((uintptr_t)data % NCCL_WIN_REQUIRED_ALIGNMENT) return ncclInvalidArgument;
    struct un_fake_meeting *m = &c->meeting;
    m->told = new_told(c, data, bytes);
    m->out = (void **)window;
    m->looks = UN_FAKE_LOOKS;
    const int64_t mine[] = {c->registrations, -c->registrations, (int64_t)bytes,
                            -(int64_t)bytes,  !m->told,          0};
    memcpy(m->brought, mine, sizeof mine);
    m->under_way = true;
    MPI_Iallreduce(MPI_IN_PLACE, m->brought, 6, MPI_INT64_T, MPI_MAX, c->world, &m->request);
    return ncclSuccess;
}

ncclResult_t un_fake_meet(struct ncclComm *c) {
    struct un_fake_meeting *m = &c->meeting;
    int met = 0;
    if (!m->under_way) return ncclSuccess;
    MPI_Test(&m->request, &met, MPI_STATUS_IGNORE);
    if (!met || --m->looks > 0) return ncclInProgress;
    m->under_way = false;
    const int64_t *b = m->brought;
    if (b[4] || b[0] != -b[1] || b[2] != -b[3]) return m->told ? ncclRemoteError : ncclInvalidUsage;
    m->told->window = true;
    ++c->windows;
    *m->out = m->told;
    return ncclSuccess;
}

static ncclResult_t forget(struct ncclComm *c, void *handle, bool window) {
    struct un_fake_told *t = handle;
    if (c->aborted || t < c->told || t >= c->told + UN_FAKE_TOLD || !t->block || t->window != window)
        un_fake_broken("a registration is taken back that is not there");
    if (c->posted != c->run) un_fake_broken("a registration is taken back while collectives are under way");
    --t->block->told;
    *t = (struct un_fake_told){0};
    return ncclSuccess;
}

ncclResult_t ncclCommDeregister(const ncclComm_t c, void *handle) {
    since(21900, "ncclCommDeregister before 2.19");
    return forget(c, handle, false);
}

ncclResult_t ncclCommWindowDeregister(ncclComm_t c, ncclWindow_t window) {
    since(22700, "ncclCommWindowDeregister before 2.27");
    return forget(c, window, true);
}

void un_fake_let_go(struct ncclComm *c, bool torn) {
    memory.torn = memory.torn || torn;
    if (c->rank == 0 && !torn && getenv("UN_FAKE_TELL"))
        fprintf(stderr, "fake library: among %d: %ld registrations, %ld of them windows, %ld all-to-alls\n",
                c->size, c->registrations, c->windows, c->all_to_alls);
    for (struct un_fake_told *t = c->told; t < c->told + UN_FAKE_TOLD; ++t) {
        if (!t->block) continue;
        if (!torn) un_fake_broken("a communicator ends that knows of memory");
        --t->block->told;
        *t = (struct un_fake_told){0};
    }
}

#endif
