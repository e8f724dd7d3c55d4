/* As much of NCCL as comm/comm_nccl*.c calls, on MPI and the queues of fake cards: so those files run where there is
 * neither (fake_cuda.c: of CUDA's runtime). A communicator that does not block: a group is taken over, and so
 * queued, only after its state was asked for a few times.
 *
 * The ranks of a communicator must bring one configuration, and their collectives must be queued as urgent. Memory of the
 * library's: fake_nccl_memory.c; what is registered must be so on all ranks, and equally far into windows.
 *
 * Environment: UN_FAKE_TELL=1, rank 0 of each communicator that is held to a number of thread blocks says so on stderr;
 * UN_FAKE_BREAK=RANK:GROUP, on that rank the group of this number is not run and the
 * communicator tells of a peer that failed; UN_FAKE_HANG=RANK:GROUP, it is never taken over. */
#include "tests/cards/fake/fake_nccl.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CALLS_MAX = 128 };

enum kind { SEND, RECV, REDUCE_SCATTER, ALL_GATHER, ALL_TO_ALL };

struct call {
    enum kind kind;
    const void *send;
    void *recv;
    size_t bytes;
    int peer;
    struct un_fake_place from, to;
};

struct group {
    struct ncclComm *comm;
    struct un_queue *stream;
    int n;
    struct call calls[CALLS_MAX];
};

/* The group that this thread has open: as in NCCL, not a communicator's. */
static _Thread_local struct group *open_group;

/* ---- groups ---- */

static bool planned(const char *variable, const struct ncclComm *c) {
    return un_fake_planned(variable, c->rank, c->groups);
}

/* Until it is done, or the communicator is aborted as a kernel would be. */
static void finish(struct ncclComm *c, int n, MPI_Request *requests) {
    for (int done = 0; !done && !c->aborted;) {
        MPI_Testall(n, requests, &done, MPI_STATUSES_IGNORE);
        if (!done) usleep(50);
    }
}

/* What has to be alike on all ranks, as one number: what is registered, and how far into a window is what peers look
 * at: those of a sum at what is sent, those of a gathering at what is received. */
static int64_t alike(const struct group *g) {
    uint64_t sum = (uint64_t)g->n;
    for (int i = 0; i < g->n; ++i) {
        const struct call *k = &g->calls[i];
        const bool send = k->kind == REDUCE_SCATTER || k->kind == ALL_TO_ALL;
        const bool recv = k->kind == ALL_GATHER || k->kind == ALL_TO_ALL;
        const int64_t part[] = {k->kind, k->from.kind, k->to.kind, send ? k->from.offset : 0,
                                recv ? k->to.offset : 0};
        for (size_t p = 0; p < sizeof part / sizeof *part; ++p)
            sum = (sum ^ (uint64_t)part[p]) * UINT64_C(0x100000001b3);
    }
    return (int64_t)(sum >> 1);
}

static void compare(const struct group *g) {
    const int64_t mine = alike(g);
    int64_t most[2] = {mine, -mine};
    MPI_Request r;
    MPI_Iallreduce(MPI_IN_PLACE, most, 2, MPI_INT64_T, MPI_MAX, g->comm->world, &r);
    finish(g->comm, 1, &r);
    if (!g->comm->aborted && (most[0] != mine || most[1] != -mine))
        un_fake_broken("ranks bring memory of which some is registered, or in other places");
}

static void run_collective(struct ncclComm *c, const struct call *k) {
    MPI_Request r;
    float *sum = un_alloc(k->bytes + 1, 1, "fake collective");
    if (k->kind == REDUCE_SCATTER)
        MPI_Ireduce_scatter_block(k->send, sum, (int)(k->bytes / sizeof *sum), MPI_FLOAT, MPI_SUM, c->world,
                                  &r);
    else if (k->kind == ALL_TO_ALL)
        MPI_Ialltoall(k->send, (int)k->bytes, MPI_BYTE, k->recv, (int)k->bytes, MPI_BYTE, c->world, &r);
    else if (k->send == (char *)k->recv + (size_t)c->rank * k->bytes)
        MPI_Iallgather(MPI_IN_PLACE, 0, MPI_BYTE, k->recv, (int)k->bytes, MPI_BYTE, c->world, &r);
    else
        MPI_Iallgather(k->send, (int)k->bytes, MPI_BYTE, k->recv, (int)k->bytes, MPI_BYTE, c->world, &r);
    finish(c, 1, &r);
    if (k->kind == REDUCE_SCATTER) memcpy(k->recv, sum, k->bytes);
    un_free(sum);
}

static enum un_status run_group(void *context) {
    struct group *g = *(struct group **)context;
    MPI_Request requests[CALLS_MAX];
    int n = 0;
    compare(g);
    for (int i = 0; i < g->n && !g->comm->aborted; ++i) {
        const struct call *k = &g->calls[i];
        if (k->kind == SEND)
            MPI_Isend(k->send, (int)k->bytes, MPI_BYTE, k->peer, 0, g->comm->world, &requests[n++]);
        else if (k->kind == RECV)
            MPI_Irecv(k->recv, (int)k->bytes, MPI_BYTE, k->peer, 0, g->comm->world, &requests[n++]);
        else
            run_collective(g->comm, k);
    }
    finish(g->comm, n, requests);
    ++g->comm->run;
    un_free(g);
    return UN_OK;
}

/* The library declares them without a list of parameters. */
ncclResult_t ncclGroupStart(void);
ncclResult_t ncclGroupEnd(void);

ncclResult_t ncclGroupStart(void) {
    open_group = un_alloc(1, sizeof *open_group, "fake group");
    return open_group ? ncclSuccess : ncclSystemError;
}

ncclResult_t ncclGroupEnd(void) {
    struct group *g = open_group;
    open_group = NULL;
    if (!g || g->n == 0) {
        un_free(g);
        return ncclSuccess;
    }
    struct ncclComm *c = g->comm;
    if (c->group) return ncclInvalidUsage; /* the one before was not waited for */
    ++c->groups;
    if (planned("UN_FAKE_BREAK", c)) {
        un_free(g);
        c->failed = true;
        return ncclSuccess; /* it is noticed later */
    }
    c->group = g;
    c->pending = planned("UN_FAKE_HANG", c) ? INT32_MAX : UN_FAKE_LOOKS;
    return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *state) {
    *state = c->failed ? ncclRemoteError : un_fake_meet(c);
    if (*state == ncclRemoteError || *state == ncclInvalidUsage) c->failed = true; /* it stays so */
    if (!c->group) return ncclSuccess;
    if (c->pending > 0) {
        --c->pending;
        *state = ncclInProgress;
        return ncclSuccess;
    }
    struct group *g = c->group;
    c->group = NULL;
    ++c->posted;
    un_fake_post(g->stream, run_group, &g, sizeof g);
    return ncclSuccess;
}

static ncclResult_t add(ncclComm_t c, cudaStream_t stream, struct call k) {
    struct group *g = open_group;
    if (!g || !c || g->n == CALLS_MAX || k.peer < 0 || k.peer >= c->size) return ncclInvalidArgument;
    if (!un_fake_urgent((struct un_queue *)stream)) return ncclInvalidUsage; /* ours: not the library's law */
    const size_t all = k.bytes * (size_t)c->size, one = k.bytes;
    const bool sends_all = k.kind == REDUCE_SCATTER || k.kind == ALL_TO_ALL;
    const bool takes_all = k.kind == ALL_GATHER || k.kind == ALL_TO_ALL;
    if (c->meeting.under_way || !un_fake_place(c, k.send, sends_all ? all : one, &k.from) ||
        !un_fake_place(c, k.recv, takes_all ? all : one, &k.to))
        return ncclInvalidUsage;
    g->comm = c;
    g->stream = (struct un_queue *)stream;
    g->calls[g->n++] = k;
    return ncclInProgress;
}

static size_t bytes_of(size_t count, ncclDataType_t type) {
    return count * (type == ncclFloat ? 4 : 1);
}

ncclResult_t ncclSend(const void *send, size_t count, ncclDataType_t type, int peer, ncclComm_t c,
                      cudaStream_t stream) {
    return add(c, stream, (struct call){SEND, send, NULL, bytes_of(count, type), peer, {0}, {0}});
}

ncclResult_t ncclRecv(void *recv, size_t count, ncclDataType_t type, int peer, ncclComm_t c,
                      cudaStream_t stream) {
    return add(c, stream, (struct call){RECV, NULL, recv, bytes_of(count, type), peer, {0}, {0}});
}

ncclResult_t ncclReduceScatter(const void *send, void *recv, size_t count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t c, cudaStream_t stream) {
    if (op != ncclSum) return ncclInvalidArgument;
    return add(c, stream, (struct call){REDUCE_SCATTER, send, recv, bytes_of(count, type), 0, {0}, {0}});
}

ncclResult_t ncclAllGather(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t c,
                           cudaStream_t stream) {
    return add(c, stream, (struct call){ALL_GATHER, send, recv, bytes_of(count, type), 0, {0}, {0}});
}

#ifndef UN_FAKE_OLD
ncclResult_t ncclAlltoAll(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t c,
                          cudaStream_t stream) {
    int version;
    ncclGetVersion(&version);
    if (version < 22800) un_fake_broken("ncclAlltoAll before 2.28");
    ++c->all_to_alls;
    return add(c, stream, (struct call){ALL_TO_ALL, send, recv, bytes_of(count, type), 0, {0}, {0}});
}
#endif

/* ---- communicators ---- */

static void end_mpi(void) {
    MPI_Finalize();
}

/* A program of one process has not started it. */
static void start_mpi(void) {
    int running, provided;
    MPI_Initialized(&running);
    if (running) return;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
    atexit(end_mpi);
}

/* Filled but for its beginning, where the rank that drew it stands: whoever has it from one rank forms one
 * communicator. */
ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
    int rank;
    start_mpi();
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    memset(id, 0x37, sizeof *id);
    memcpy(id->internal, &rank, sizeof rank);
    return ncclSuccess;
}

/* Blocks within the library's bounds where any are named, and as many on all ranks. Collective. */
static bool configured(const struct ncclComm *c, const ncclConfig_t *config) {
    const int least = config->minCTAs, most = config->maxCTAs;
    const bool named = most != NCCL_CONFIG_UNDEF_INT;
    int bounds[4] = {least, most, ~least, ~most}; /* ~ turns the order round */
    MPI_Allreduce(MPI_IN_PLACE, bounds, 4, MPI_INT, MPI_MAX, c->world);
    return bounds[0] == ~bounds[2] && bounds[1] == ~bounds[3] && named == (least != NCCL_CONFIG_UNDEF_INT) &&
           (!named || (1 <= least && least <= most && most <= 64));
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *out, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t *config) {
    int drawer, there_rank, there_size;
    memcpy(&drawer, id.internal, sizeof drawer);
    for (size_t i = sizeof drawer; i < sizeof id; ++i)
        if (id.internal[i] != 0x37) return ncclInvalidArgument;
    struct ncclComm *c = un_alloc(1, sizeof *c, "fake communicator");
    if (!c || config->blocking != 0) return ncclSystemError;
    MPI_Comm_split(MPI_COMM_WORLD, drawer, rank, &c->world); /* so all ranks open one at the same time */
    MPI_Comm_rank(c->world, &there_rank);
    MPI_Comm_size(c->world, &there_size);
    if (there_rank != rank || there_size != size || !configured(c, config)) return ncclInvalidArgument;
    if (rank == 0 && getenv("UN_FAKE_TELL") && config->maxCTAs != NCCL_CONFIG_UNDEF_INT)
        fprintf(stderr, "fake communicator of %d: at most %d blocks\n", size, config->maxCTAs);
    c->rank = rank;
    c->size = size;
    *out = c;
    return ncclInProgress;
}

ncclResult_t ncclCommFinalize(ncclComm_t c) {
    return c->group || c->meeting.under_way ? ncclInvalidUsage : ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t c) {
    un_fake_let_go(c, false);
    MPI_Comm_free(&c->world);
    un_free(c);
    return ncclSuccess;
}

/* Its memory stays, because work that is queued still looks at it. */
ncclResult_t ncclCommAbort(ncclComm_t c) {
    c->aborted = true;
    un_fake_let_go(c, true);
    return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result) {
    return result == ncclRemoteError ? "remote process exited or there was a network error" : "another error";
}

const char *ncclGetLastError(ncclComm_t c) {
    return c->failed ? "the fake link broke" : "";
}
