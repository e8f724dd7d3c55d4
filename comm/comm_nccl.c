/* Collectives between cards by NCCL (device_comm.h): what the training thread posts, opening and closing.
 * A module of its own, so that the program starts where the library is missing. Law: comm_nccl_private.h. */
#include "comm/comm_nccl_private.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

static const double patience = 20; /* seconds in which a communicator says goodbye */

static struct un_nccl_state *of(struct un_device_comm *c) {
    return c->state;
}

/* ---- a collective ---- */

/* Waits while the ring is full. */
static enum un_status find_room(struct un_nccl_state *s) {
    for (;; un_nccl_rest(LOOK_NS)) {
        pthread_mutex_lock(&s->lock);
        bool room = s->posted - s->done < RING;
        enum un_status status = un_nccl_adopt(s);
        pthread_mutex_unlock(&s->lock);
        if (status != UN_OK || room) return status;
    }
}

/* Lets an error of this thread stick. */
static enum un_status stick(struct un_nccl_state *s, enum un_status status) {
    pthread_mutex_lock(&s->lock);
    if (status != UN_OK) un_nccl_give_up(s);
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* An event on the stream, once more. */
static enum un_status record(struct un_nccl_state *s, cudaEvent_t event, const char *what) {
    cudaError_t error = cudaEventRecord(event, s->stream);
    return error == cudaSuccess ? UN_OK : stick(s, un_nccl_fail_cuda(error, what));
}

/* Opens a group; from here to `end` the lock is held, so that nobody aborts what is being called. */
static enum un_status begin(struct un_nccl_state *s, const char *what) {
    UN_TRY(find_room(s));
    UN_TRY(record(s, s->ring[s->posted % RING].begin, what));
    pthread_mutex_lock(&s->lock);
    enum un_status status = un_nccl_adopt(s);
    if (status != UN_OK) {
        pthread_mutex_unlock(&s->lock);
        return status;
    }
    un_pulse_begin(s->pulse, what);
    ncclGroupStart();
    return UN_OK;
}

/* first: the first failure of the calls in the group. */
static enum un_status end(struct un_nccl_state *s, ncclResult_t first, const char *what) {
    ncclResult_t closed = ncclGroupEnd();
    pthread_mutex_unlock(&s->lock);
    bool good = first == ncclSuccess || first == ncclInProgress;
    enum un_status status = un_nccl_settle(s, good ? closed : first, what);
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

/* The library's all-to-all: parts arrive in the order of the ranks, and it is one call (device_comm.h). */
static bool in_order(const struct un_device_comm *c, const int *slot) {
    const struct un_nccl_state *s = c->state;
    if (!s->one_host || !s->all_to_all) return false;
    for (int r = 0; r < c->size; ++r)
        if (slot[r] != r) return false;
    return true;
}

static enum un_status exchange_parts(struct un_device_comm *c, float *recv, const int *slot,
                                     const float *send, int64_t each) {
    static const char what[] = "exchange of parts";
    struct un_nccl_state *s = of(c);
    ncclResult_t first = ncclSuccess;
    size_t n = (size_t)each;
    UN_TRY(begin(s, what));
    if (in_order(c, slot)) return end(s, un_nccl_all_to_all(s, recv, send, n), what);
    for (int k = 0; k < c->size; ++k) { /* every rank begins with another peer */
        int to = (c->rank + k) % c->size, from = (c->rank - k + c->size) % c->size;
        also(&first, ncclSend(send + to * each, n, ncclFloat, to, s->comm, s->stream));
        also(&first, ncclRecv(recv + slot[from] * each, n, ncclFloat, from, s->comm, s->stream));
    }
    return end(s, first, what);
}

static enum un_status reduce_parts(struct un_device_comm *c, float *data, int64_t each) {
    static const char what[] = "reduction of parts";
    struct un_nccl_state *s = of(c);
    UN_TRY(begin(s, what));
    return end(
        s,
        ncclReduceScatter(data, data + c->rank * each, (size_t)each, ncclFloat, ncclSum, s->comm, s->stream),
        what);
}

static enum un_status gather_parts(struct un_device_comm *c, float *data, int64_t each) {
    static const char what[] = "gathering of parts";
    struct un_nccl_state *s = of(c);
    UN_TRY(begin(s, what));
    return end(s, ncclAllGather(data + c->rank * each, data, (size_t)each, ncclFloat, s->comm, s->stream),
               what);
}

static enum un_status all_gather(struct un_device_comm *c, void *recv, const void *send, size_t bytes) {
    static const char what[] = "all-gather";
    struct un_nccl_state *s = of(c);
    UN_TRY(begin(s, what));
    return end(s, ncclAllGather(send, recv, bytes, ncclUint8, s->comm, s->stream), what);
}

static enum un_status copy(struct un_device_comm *c, void *dst, const void *src, size_t bytes) {
    cudaError_t error = cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, of(c)->stream);
    return error == cudaSuccess ? UN_OK : stick(of(c), un_nccl_fail_cuda(error, "copy"));
}

static enum un_status check(struct un_device_comm *c) {
    struct un_nccl_state *s = of(c);
    pthread_mutex_lock(&s->lock);
    enum un_status status = un_nccl_adopt(s);
    pthread_mutex_unlock(&s->lock);
    return status;
}

static double busy(struct un_device_comm *c) {
    struct un_nccl_state *s = of(c);
    pthread_mutex_lock(&s->lock);
    double seconds = s->busy;
    pthread_mutex_unlock(&s->lock);
    return seconds;
}

/* ---- opening and closing ---- */

/* All that was posted has ended and the communicator has said goodbye to its peers, or it is aborted after a
 * while: a peer that has failed does not answer. The guard has stopped. */
static void part(struct un_nccl_state *s) {
    ncclResult_t result = s->comm && s->error.status == UN_OK ? ncclInProgress : ncclSystemError;
    bool finishing = false;
    for (double end = un_clock() + patience; result == ncclInProgress && un_clock() < end;
         un_nccl_rest(LOOK_NS)) {
        if (finishing)
            (void)ncclCommGetAsyncError(s->comm, &result);
        else if (un_nccl_collect(s), s->error.status != UN_OK)
            break;
        else if (s->done == s->posted) {
            un_nccl_untell(s);
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

static void state_free(struct un_nccl_state *s) {
    for (int i = 0; i < RING; ++i) {
        if (s->ring[i].begin) cudaEventDestroy(s->ring[i].begin);
        if (s->ring[i].end) cudaEventDestroy(s->ring[i].end);
    }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    un_free(s);
}

static void leave(struct un_device_comm *c) {
    struct un_nccl_state *s = of(c);
    un_nccl_stop_guard(s);
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

static enum un_status state_open(struct un_nccl_state **out, const struct un_device_comm *c) {
    struct un_nccl_state *s = un_alloc(1, sizeof *s, "communicator between cards");
    if (!s) return UN_MEMORY;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    s->stream = c->device->mem->stream(c->queue);
    s->pulse = c->pulse;
    s->one_host = c->one_host;
    s->all_to_all = un_nccl_has_all_to_all();
    cudaError_t error = cudaGetDevice(&s->card); /* asking for the stream has made its card this thread's */
    for (int i = 0; i < RING && error == cudaSuccess; ++i) {
        error = cudaEventCreate(&s->ring[i].begin);
        if (error == cudaSuccess) error = cudaEventCreate(&s->ring[i].end);
    }
    *out = s;
    return error == cudaSuccess ? UN_OK : un_nccl_fail_cuda(error, "events");
}

/* One rank draws the number by which all find each other. */
static enum un_status meet(struct un_nccl_state *s, struct un_comm *comm, ncclUniqueId *id) {
    enum un_status status = UN_OK;
    if (comm->rank == 0) {
        ncclResult_t result = ncclGetUniqueId(id);
        if (result != ncclSuccess) status = un_nccl_fail(s, result, "start");
    }
    UN_TRY(un_comm_agree(comm, status));
    return comm->ops->broadcast(comm, id, sizeof *id, 0);
}

/* Fewer blocks than a library takes at least are no contradiction: at least one. */
static enum un_status join(struct un_nccl_state *s, struct un_comm *comm, int most_ctas) {
    static const char what[] = "start between cards";
    ncclUniqueId id;
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    if (most_ctas > 0) {
        config.minCTAs = 1;
        config.maxCTAs = most_ctas;
    }
    UN_TRY(meet(s, comm, &id));
    un_pulse_begin(s->pulse, what);
    ncclResult_t result = ncclCommInitRankConfig(&s->comm, comm->size, id, comm->rank, &config);
    enum un_status status = un_nccl_settle(s, result, what);
    un_pulse_end(s->pulse);
    return status;
}

/* Its own failure leaves the communicator open (device_comm.h). */
static enum un_status tell(struct un_nccl_state *s, struct un_device_comm *out) {
    const struct un_comm_memory *m = out->memory;
    if (!m || m->reach == UN_REACH_NONE) return UN_OK;
    bool windows = out->one_host && m->reach == UN_REACH_WINDOWS;
    enum un_status status = un_nccl_tell(s, m, windows);
    out->untold = status != UN_OK;
    if (status == UN_OK) out->reach = windows ? UN_REACH_WINDOWS : UN_REACH_BUFFERS;
    return status;
}

static enum un_status open(struct un_device_comm *out, struct un_comm *comm) {
    struct un_nccl_state *s = NULL;
    enum un_status status;
    UN_TRY_GOTO(un_comm_agree(comm, state_open(&s, out)), fail); /* before anybody waits for the others */
    UN_TRY_GOTO(join(s, comm, out->most_ctas), fail);
    UN_TRY_GOTO(un_nccl_start_guard(s), fail);
    out->rank = comm->rank;
    out->size = comm->size;
    out->state = s;
    out->ops = &ops;
    return tell(s, out);
fail:
    if (s) {
        part(s);
        state_free(s);
    }
    return status;
}

const void *un_nccl_module(uint64_t abi);
__attribute__((visibility("default"))) const void *un_nccl_module(uint64_t abi) {
    static const struct un_device_comm_module module = {UN_DEVICE_COMM_ABI, open, &un_nccl_library};
    return abi == UN_PLUGIN_ABI ? &module : NULL;
}
