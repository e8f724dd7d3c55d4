/* Collectives between cards by NCCL (device_comm.h), and the only file outside runtime/cuda that knows CUDA.
 * A module of its own, so that the program starts where the library is missing.
 *
 * Law: the training thread posts; a guard thread looks every few milliseconds at what has ended and at errors
 * that come by themselves (a peer that died, a link that broke), and then aborts, which lets the kernels that
 * wait for the peer end. `lock` guards the communicator's handle, the ring and the error; nobody waits for a
 * card or a peer while holding it. The communicator does not block: a call that has to wait for peers, as the
 * first to each of them has, is looked after here, where an abort can end it, and is told to the pulse. */
#include "comm/device_comm.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <cuda_runtime_api.h>
#include <nccl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { RING = 1024, GUARD_NS = 2000000, LOOK_NS = 20000 };
static const double patience = 20; /* seconds in which a communicator says goodbye */

/* A collective between two events of its own, so that its time is known when both have passed. */
struct posted {
    cudaEvent_t begin, end;
};

struct state {
    ncclComm_t comm; /* NULL: aborted */
    cudaStream_t stream;
    int card, rank;
    struct posted ring[RING];
    int64_t posted, done; /* collectives; number k stands at k % RING */
    double busy;
    struct un_error error; /* the first */
    bool guarded, stop;
    pthread_t guard;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* stop */
    struct un_pulse *pulse;
};

static struct state *of(struct un_device_comm *c) {
    return c->state;
}

static void rest(long ns) {
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* ---- errors ---- */

static enum un_status say_nccl(const struct state *s, ncclResult_t result, const char *what) {
    const char *more = s->comm ? ncclGetLastError(s->comm) : "";
    return un_fail(UN_IO, "between cards: %s: %s%s%s", what, ncclGetErrorString(result), more[0] ? ": " : "",
                   more);
}

static enum un_status say_cuda(cudaError_t error, const char *what) {
    return un_fail(UN_IO, "between cards: %s: %s", what, cudaGetErrorString(error));
}

/* The first error, here and on the card: what waits for a peer ends. Lock held. */
static void give_up(struct state *s) {
    if (s->error.status == UN_OK) s->error = *un_error_get();
    if (s->comm) ncclCommAbort(s->comm);
    s->comm = NULL;
}

static enum un_status adopt(struct state *s) {
    return s->error.status == UN_OK ? UN_OK : un_error_adopt(&s->error);
}

/* Until the library has taken what it was given, which it does in a thread of its own, in some ten
 * microseconds; the first time peers have to come for it. */
static enum un_status settle(struct state *s, ncclResult_t result, const char *what) {
    enum { EAGER = 2000 }; /* looks without a rest */
    for (int64_t looks = 0;; ++looks) {
        pthread_mutex_lock(&s->lock);
        if (result == ncclInProgress && s->comm) (void)ncclCommGetAsyncError(s->comm, &result);
        bool failed = result != ncclSuccess && result != ncclInProgress;
        if (failed && s->error.status == UN_OK) {
            (void)say_nccl(s, result, what);
            give_up(s);
        }
        enum un_status status = adopt(s);
        pthread_mutex_unlock(&s->lock);
        if (status != UN_OK || result == ncclSuccess) return status;
        if (looks >= EAGER) rest(LOOK_NS);
    }
}

/* ---- the guard ---- */

/* Counts the collectives that have ended. Lock held. */
static void collect(struct state *s) {
    while (s->done < s->posted) {
        struct posted *p = &s->ring[s->done % RING];
        cudaError_t error = cudaEventQuery(p->end);
        if (error == cudaErrorNotReady) return;
        float ms = 0;
        if (error == cudaSuccess) error = cudaEventElapsedTime(&ms, p->begin, p->end);
        if (error != cudaSuccess && s->error.status == UN_OK) {
            (void)say_cuda(error, "a collective");
            give_up(s);
        }
        s->busy += (double)ms * 1e-3;
        ++s->done;
        un_pulse_end(s->pulse);
    }
}

static void look(struct state *s) {
    ncclResult_t result = ncclSuccess;
    collect(s);
    if (!s->comm || s->error.status != UN_OK) return;
    if (ncclCommGetAsyncError(s->comm, &result) != ncclSuccess) return;
    if (result == ncclSuccess || result == ncclInProgress) return;
    (void)say_nccl(s, result, "a peer or a link");
    give_up(s);
}

static void *run_guard(void *context) {
    struct state *s = context;
    (void)cudaSetDevice(s->card);
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        look(s);
        un_error_clear(); /* kept in the state */
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += GUARD_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- a collective ---- */

/* Waits while the ring is full. */
static enum un_status find_room(struct state *s) {
    for (;; rest(LOOK_NS)) {
        pthread_mutex_lock(&s->lock);
        bool room = s->posted - s->done < RING;
        enum un_status status = adopt(s);
        pthread_mutex_unlock(&s->lock);
        if (status != UN_OK || room) return status;
    }
}

/* Lets an error of this thread stick. */
static enum un_status stick(struct state *s, enum un_status status) {
    pthread_mutex_lock(&s->lock);
    if (status != UN_OK) give_up(s);
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* An event on the stream, once more. */
static enum un_status record(struct state *s, cudaEvent_t event, const char *what) {
    cudaError_t error = cudaEventRecord(event, s->stream);
    return error == cudaSuccess ? UN_OK : stick(s, say_cuda(error, what));
}

/* Opens a group; from here to `end` the lock is held, so that nobody aborts what is being called. */
static enum un_status begin(struct state *s, const char *what) {
    UN_TRY(find_room(s));
    UN_TRY(record(s, s->ring[s->posted % RING].begin, what));
    pthread_mutex_lock(&s->lock);
    enum un_status status = adopt(s);
    if (status != UN_OK) {
        pthread_mutex_unlock(&s->lock);
        return status;
    }
    un_pulse_begin(s->pulse, what);
    ncclGroupStart();
    return UN_OK;
}

/* first: the first failure of the calls in the group. */
static enum un_status end(struct state *s, ncclResult_t first, const char *what) {
    ncclResult_t closed = ncclGroupEnd();
    pthread_mutex_unlock(&s->lock);
    bool good = first == ncclSuccess || first == ncclInProgress;
    enum un_status status = settle(s, good ? closed : first, what);
    if (status == UN_OK) status = record(s, s->ring[s->posted % RING].end, what);
    if (status != UN_OK) {
        un_pulse_end(s->pulse);
        return status;
    }
    pthread_mutex_lock(&s->lock);
    ++s->posted;
    pthread_mutex_unlock(&s->lock);
    return UN_OK;
}

/* Keeps the first failure of the calls of a group; a communicator that does not block says "in progress". */
static void also(ncclResult_t *first, ncclResult_t result) {
    if (*first == ncclSuccess || *first == ncclInProgress) *first = result;
}

static enum un_status exchange_parts(struct un_device_comm *c, float *recv, const int *slot,
                                     const float *send, const int *counts, const int *at) {
    static const char what[] = "exchange of parts";
    struct state *s = of(c);
    ncclResult_t first = ncclSuccess;
    size_t mine = (size_t)counts[c->rank];
    UN_TRY(begin(s, what));
    for (int k = 0; k < c->size; ++k) { /* every rank begins with another peer */
        int to = (c->rank + k) % c->size, from = (c->rank - k + c->size) % c->size;
        if (counts[to] > 0)
            also(&first, ncclSend(send + at[to], (size_t)counts[to], ncclFloat, to, s->comm, s->stream));
        if (mine > 0)
            also(&first,
                 ncclRecv(recv + (size_t)slot[from] * mine, mine, ncclFloat, from, s->comm, s->stream));
    }
    return end(s, first, what);
}

/* The library's own collectives want parts of one size, one after the other from the beginning. */
static bool even(const struct un_device_comm *c, const int *counts) {
    for (int r = 1; r < c->size; ++r)
        if (counts[r] != counts[0]) return false;
    return true;
}

static enum un_status reduce_parts(struct un_device_comm *c, float *data, const int *counts, const int *at) {
    static const char what[] = "reduction of parts";
    struct state *s = of(c);
    ncclResult_t first = ncclSuccess;
    UN_TRY(begin(s, what));
    if (even(c, counts))
        also(&first, ncclReduceScatter(data, data + at[c->rank], (size_t)counts[0], ncclFloat, ncclSum,
                                       s->comm, s->stream));
    else
        for (int r = 0; r < c->size; ++r)
            if (counts[r] > 0)
                also(&first, ncclReduce(data + at[r], data + at[r], (size_t)counts[r], ncclFloat, ncclSum, r,
                                        s->comm, s->stream));
    return end(s, first, what);
}

static enum un_status gather_parts(struct un_device_comm *c, float *data, const int *counts, const int *at) {
    static const char what[] = "gathering of parts";
    struct state *s = of(c);
    ncclResult_t first = ncclSuccess;
    UN_TRY(begin(s, what));
    if (even(c, counts))
        also(&first,
             ncclAllGather(data + at[c->rank], data, (size_t)counts[0], ncclFloat, s->comm, s->stream));
    else
        for (int r = 0; r < c->size; ++r)
            if (counts[r] > 0)
                also(&first, ncclBroadcast(data + at[r], data + at[r], (size_t)counts[r], ncclFloat, r,
                                           s->comm, s->stream));
    return end(s, first, what);
}

static enum un_status all_gather(struct un_device_comm *c, void *recv, const void *send, size_t bytes) {
    static const char what[] = "all-gather";
    struct state *s = of(c);
    UN_TRY(begin(s, what));
    return end(s, ncclAllGather(send, recv, bytes, ncclUint8, s->comm, s->stream), what);
}

static enum un_status copy(struct un_device_comm *c, void *dst, const void *src, size_t bytes) {
    cudaError_t error = cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, of(c)->stream);
    return error == cudaSuccess ? UN_OK : stick(of(c), say_cuda(error, "copy"));
}

static enum un_status check(struct un_device_comm *c) {
    struct state *s = of(c);
    pthread_mutex_lock(&s->lock);
    enum un_status status = adopt(s);
    pthread_mutex_unlock(&s->lock);
    return status;
}

static double busy(struct un_device_comm *c) {
    struct state *s = of(c);
    pthread_mutex_lock(&s->lock);
    double seconds = s->busy;
    pthread_mutex_unlock(&s->lock);
    return seconds;
}

/* ---- opening and closing ---- */

static void stop_guard(struct state *s) {
    if (!s->guarded) return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->guard, NULL);
    s->guarded = false;
}

/* All that was posted has ended and the communicator has said goodbye to its peers, or it is aborted after a
 * while: a peer that has failed does not answer. The guard has stopped. */
static void part(struct state *s) {
    ncclResult_t result = s->comm && s->error.status == UN_OK ? ncclInProgress : ncclSystemError;
    bool finishing = false;
    for (double end = un_clock() + patience; result == ncclInProgress && un_clock() < end; rest(LOOK_NS)) {
        if (finishing)
            (void)ncclCommGetAsyncError(s->comm, &result);
        else if (collect(s), s->error.status != UN_OK)
            break;
        else if (s->done == s->posted) {
            result = ncclCommFinalize(s->comm);
            finishing = true;
        }
    }
    if (!s->comm) return;
    if (result == ncclSuccess)
        ncclCommDestroy(s->comm);
    else
        ncclCommAbort(s->comm);
    s->comm = NULL;
}

static void state_free(struct state *s) {
    for (int i = 0; i < RING; ++i) {
        if (s->ring[i].begin) cudaEventDestroy(s->ring[i].begin);
        if (s->ring[i].end) cudaEventDestroy(s->ring[i].end);
    }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    un_free(s);
}

static void leave(struct un_device_comm *c) {
    struct state *s = of(c);
    stop_guard(s);
    part(s);
    state_free(s);
    *c = (struct un_device_comm){0};
}

static const struct un_device_comm_ops ops = {
    .exchange_parts = exchange_parts,
    .reduce_parts = reduce_parts,
    .gather_parts = gather_parts,
    .all_gather = all_gather,
    .copy = copy,
    .check = check,
    .busy = busy,
    .close = leave,
};

static enum un_status state_open(struct state **out, const struct un_device_comm *c) {
    struct state *s = un_alloc(1, sizeof *s, "communicator between cards");
    if (!s) return UN_MEMORY;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    s->stream = c->device->mem->stream(c->queue);
    s->pulse = c->pulse;
    cudaError_t error = cudaStreamGetDevice(s->stream, &s->card);
    if (error == cudaSuccess) error = cudaSetDevice(s->card);
    for (int i = 0; i < RING && error == cudaSuccess; ++i) {
        error = cudaEventCreate(&s->ring[i].begin);
        if (error == cudaSuccess) error = cudaEventCreate(&s->ring[i].end);
    }
    *out = s;
    return error == cudaSuccess ? UN_OK : say_cuda(error, "events");
}

/* One rank draws the number by which all find each other. */
static enum un_status meet(struct state *s, struct un_comm *comm, ncclUniqueId *id) {
    enum un_status status = UN_OK;
    if (comm->rank == 0) {
        ncclResult_t result = ncclGetUniqueId(id);
        if (result != ncclSuccess) status = say_nccl(s, result, "start");
    }
    UN_TRY(un_comm_agree(comm, status));
    return comm->ops->broadcast(comm, id, sizeof *id, 0);
}

static enum un_status join(struct state *s, struct un_comm *comm) {
    static const char what[] = "start between cards";
    ncclUniqueId id;
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    UN_TRY(meet(s, comm, &id));
    un_pulse_begin(s->pulse, what);
    ncclResult_t result = ncclCommInitRankConfig(&s->comm, comm->size, id, comm->rank, &config);
    enum un_status status = settle(s, result, what);
    un_pulse_end(s->pulse);
    return status;
}

static enum un_status start_guard(struct state *s) {
    int code = pthread_create(&s->guard, NULL, run_guard, s);
    s->guarded = code == 0;
    return s->guarded ? UN_OK : un_fail(UN_MEMORY, "guard of the cards' communicator: %s", strerror(code));
}

static enum un_status open(struct un_device_comm *out, struct un_comm *comm) {
    struct state *s = NULL;
    enum un_status status;
    UN_TRY_GOTO(un_comm_agree(comm, state_open(&s, out)), fail); /* before anybody waits for the others */
    UN_TRY_GOTO(join(s, comm), fail);
    UN_TRY_GOTO(start_guard(s), fail);
    out->rank = comm->rank;
    out->size = comm->size;
    out->state = s;
    out->ops = &ops;
    return UN_OK;
fail:
    if (s) {
        part(s);
        state_free(s);
    }
    return status;
}

const void *un_nccl_module(uint64_t abi);
__attribute__((visibility("default"))) const void *un_nccl_module(uint64_t abi) {
    static const struct un_device_comm_module module = {UN_DEVICE_COMM_ABI, open};
    return abi == UN_PLUGIN_ABI ? &module : NULL;
}
