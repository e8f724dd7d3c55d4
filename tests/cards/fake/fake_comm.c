/* Collectives between fake cards: the table of comm/device_comm.h on MPI, run by the thread of the queue that
 * they are posted to. Built as the module that the program opens for comm.backend nccl.
 *
 * Environment: UN_FAKE_BREAK=RANK:CALL, that rank's collective of this number fails; UN_FAKE_HANG likewise:
 * it is never queued, as when the rank sleeps; UN_FAKE_REFUSE=RANK: the module does not open there. */
#include "comm/device_comm.h"
#include "runtime/memory.h"
#include "tests/cards/fake/fake_card.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RANKS_MAX = 32 };

struct fake_comm {
    struct un_comm *comm; /* of the queue's thread */
    float *arrived;       /* [capacity] blocks in rank order, on their way to their slots */
    int64_t capacity, calls;
    pthread_mutex_t lock;
    struct un_error error; /* the first */
};

/* One collective, as the queue's thread sees it later. */
struct call {
    struct un_device_comm *c;
    int64_t number;
    void *recv;
    const void *send;
    size_t bytes;
    int slot[RANKS_MAX], counts[RANKS_MAX], at[RANKS_MAX]; /* as MPI's face wants parts */
};
_Static_assert(sizeof(struct call) <= UN_FAKE_CONTEXT, "a call fits into a piece of work");

static struct fake_comm *of(struct un_device_comm *c) {
    return c->state;
}

/* Does the variable name this rank and this call? */
static bool planned(const char *variable, const struct call *k) {
    const char *plan = getenv(variable);
    int rank;
    long number;
    return plan && sscanf(plan, "%d:%ld", &rank, &number) == 2 && rank == k->c->rank && number == k->number;
}

static enum un_status keep(struct call *k, enum un_status status) {
    struct fake_comm *f = of(k->c);
    if (planned("UN_FAKE_BREAK", k))
        status = un_fail(UN_IO, "the fake link of rank %d broke in call %ld", k->c->rank, (long)k->number);
    un_pulse_end(k->c->pulse);
    if (status == UN_OK) return UN_OK;
    pthread_mutex_lock(&f->lock);
    if (f->error.status == UN_OK) f->error = *un_error_get();
    pthread_mutex_unlock(&f->lock);
    return status;
}

static enum un_status run_exchange(void *context) {
    struct call *k = context;
    struct fake_comm *f = of(k->c);
    int64_t mine = k->counts[k->c->rank];
    float *recv = k->recv;
    if (mine * k->c->size > f->capacity) return keep(k, un_fail(UN_INTERNAL, "a part larger than ever"));
    enum un_status status = f->comm->ops->all_to_all_parts(f->comm, f->arrived, k->send, k->counts, k->at);
    for (int r = 0; r < k->c->size; ++r)
        memcpy(recv + k->slot[r] * mine, f->arrived + r * mine, (size_t)mine * sizeof *recv);
    return keep(k, status);
}

static enum un_status run_reduce(void *context) {
    struct call *k = context;
    struct fake_comm *f = of(k->c);
    float *data = k->recv;
    int mine = k->counts[k->c->rank];
    enum un_status status = f->comm->ops->reduce_scatter(f->comm, f->arrived, data, k->counts);
    for (int r = 0; r < k->c->size; ++r) /* spent */
        memset(data + k->at[r], 0xff, (size_t)k->counts[r] * sizeof *data);
    memcpy(data + k->at[k->c->rank], f->arrived, (size_t)mine * sizeof *data);
    return keep(k, status);
}

static enum un_status run_gather(void *context) {
    struct call *k = context;
    struct fake_comm *f = of(k->c);
    return keep(k, f->comm->ops->all_gather_parts(f->comm, k->recv, k->counts, k->at));
}

static enum un_status run_all_gather(void *context) {
    struct call *k = context;
    struct fake_comm *f = of(k->c);
    return keep(k, f->comm->ops->all_gather(f->comm, k->recv, k->send, k->bytes));
}

static enum un_status check(struct un_device_comm *c) {
    struct fake_comm *f = of(c);
    pthread_mutex_lock(&f->lock);
    enum un_status status = f->error.status == UN_OK ? UN_OK : un_error_adopt(&f->error);
    pthread_mutex_unlock(&f->lock);
    return status;
}

static enum un_status post(struct un_device_comm *c, const char *what, un_fake_work work, struct call *k,
                           int64_t each) {
    enum un_status status = check(c);
    if (status != UN_OK) return status;
    k->c = c;
    k->number = ++of(c)->calls;
    while (planned("UN_FAKE_HANG", k)) sleep(1);
    for (int r = 0; r < c->size; ++r) k->counts[r] = (int)each, k->at[r] = (int)(r * each);
    un_pulse_begin(c->pulse, what);
    un_fake_post(c->queue, work, k, sizeof *k);
    return UN_OK;
}

static enum un_status exchange_parts(struct un_device_comm *c, float *recv, const int *slot,
                                     const float *send, int64_t each) {
    struct call k = {.recv = recv, .send = send};
    for (int r = 0; r < c->size; ++r) k.slot[r] = slot[r];
    return post(c, "exchange of parts", run_exchange, &k, each);
}

static enum un_status reduce_parts(struct un_device_comm *c, float *data, int64_t each) {
    return post(c, "reduction of parts", run_reduce, &(struct call){.recv = data}, each);
}

static enum un_status gather_parts(struct un_device_comm *c, float *data, int64_t each) {
    return post(c, "gathering of parts", run_gather, &(struct call){.recv = data}, each);
}

static enum un_status all_gather(struct un_device_comm *c, void *recv, const void *send, size_t bytes) {
    struct call k = {.recv = recv, .send = send, .bytes = bytes};
    return post(c, "all-gather", run_all_gather, &k, 0);
}

static enum un_status copy(struct un_device_comm *c, void *dst, const void *src, size_t bytes) {
    c->device->mem->copy_in(c->queue, dst, src, bytes);
    return UN_OK;
}

static double busy(struct un_device_comm *c) {
    return 1e-3 * (double)of(c)->calls; /* it only has to move on */
}

static void leave(struct un_device_comm *c) {
    struct fake_comm *f = of(c);
    (void)c->device->mem->queue_wait(c->queue);
    un_comm_close(f->comm);
    pthread_mutex_destroy(&f->lock);
    un_free(f->arrived);
    un_free(f);
    c->ops = NULL;
}

static const struct un_device_comm_ops fake_ops = {
    .exchange_parts = exchange_parts,
    .reduce_parts = reduce_parts,
    .gather_parts = gather_parts,
    .all_gather = all_gather,
    .copy = copy,
    .check = check,
    .busy = busy,
    .close = leave,
};

static enum un_status open(struct un_device_comm *out, struct un_comm *comm) {
    enum { CAPACITY = 1 << 24 };
    struct fake_comm *f = un_alloc(1, sizeof *f, "fake communicator");
    if (!f) return UN_MEMORY;
    if (comm->size > RANKS_MAX) return un_fail(UN_USAGE, "at most %d fake cards", RANKS_MAX);
    enum un_status status = comm->ops->duplicate(comm, &f->comm);
    if (status != UN_OK || !f->comm) return un_fail(UN_USAGE, "this MPI has one thread only");
    f->capacity = CAPACITY;
    f->arrived = un_alloc(CAPACITY, sizeof *f->arrived, "fake communicator");
    if (!f->arrived) return UN_MEMORY;
    pthread_mutex_init(&f->lock, NULL);
    out->rank = comm->rank;
    out->size = comm->size;
    out->state = f;
    out->ops = &fake_ops;
    return UN_OK;
}

const void *un_nccl_module(uint64_t abi);
const void *un_nccl_module(uint64_t abi) {
    static const struct un_device_comm_module module = {UN_DEVICE_COMM_ABI, open, NULL};
    const char *refuse = getenv("UN_FAKE_REFUSE"), *rank = getenv("OMPI_COMM_WORLD_RANK");
    bool refused = refuse && rank && strcmp(refuse, rank) == 0;
    return abi == UN_PLUGIN_ABI && !refused ? &module : NULL;
}
