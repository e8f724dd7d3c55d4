/* The table on MPI. Only comm/comm_mpi*.c know it.
 *
 * Law: each thread has its own copy of the world communicator. Errors return as UN_IO with the name and
 * running number of the collective. Collectives block and spin only in the thread that opened MPI, and only
 * where the ranks of a host leave it cores. Elsewhere they are patient: started, and tested between short
 * sleeps until they are done, so that a waiting rank leaves its core to the others and to its own loader. A
 * thread beside the computation must test, because Open MPI moves data only while it is called. */
#include "comm/comm.h"
#include "comm/comm_mpi_hosts_private.h"
#include "comm/launcher.h"
#include "runtime/memory.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct mpi_state {
    MPI_Comm world;
    bool threads;              /* MPI_THREAD_MULTIPLE */
    bool patient;              /* of a thread beside the computation, or on a crowded host */
    bool is_copy;              /* MPI outlives it */
    int *recv_count, *recv_at; /* [size], of all_to_all_parts */
    int64_t calls; /* collectives so far; the same on all ranks, so their messages can be matched */
};

static const struct un_comm_ops mpi_ops;

static struct mpi_state *state_of(struct un_comm *c) {
    return c->state;
}

static enum un_status mpi_check(int code, const char *what, int64_t call) {
    if (code == MPI_SUCCESS) return UN_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    return un_fail(UN_IO, "MPI: %s (collective %lld of this run): %s", what, (long long)call, text);
}

/* Of a collective of this run: where one has failed, the ranks are anywhere. */
static enum un_status check_call(struct un_comm *c, int code, const char *what) {
    c->broken = c->broken || code != MPI_SUCCESS;
    return mpi_check(code, what, state_of(c)->calls);
}

/* Tests until it is done, sleeping longer and longer between tests. The longest sleep stays far below a step,
 * and below the time in which a fast network drains what one test has handed to it. */
static int wait_asleep(MPI_Request *request) {
    enum { FIRST_NS = 10000, LONGEST_NS = 200000, EAGER = 16 };
    long sleep_ns = FIRST_NS;
    for (int look = 0;; ++look) {
        int done = 0, code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS || done) return code;
        if (look < EAGER) {
            sched_yield();
            continue;
        }
        nanosleep(&(struct timespec){.tv_nsec = sleep_ns}, NULL);
        if (sleep_ns < LONGEST_NS) sleep_ns *= 2;
    }
}

/* What a call that starts a collective gave, and then the collective. */
static int rest(int code, MPI_Request *request) {
    return code == MPI_SUCCESS ? wait_asleep(request) : code;
}

/* Counts the collective. */
static struct mpi_state *begin(struct un_comm *c) {
    struct mpi_state *s = state_of(c);
    ++s->calls;
    return s;
}

static enum un_status mpi_barrier(struct un_comm *c) {
    struct mpi_state *s = begin(c);
    MPI_Request r;
    int code = s->patient ? rest(MPI_Ibarrier(s->world, &r), &r) : MPI_Barrier(s->world);
    return check_call(c, code, "barrier");
}

/* `count` bytes as one element whose neighbour lies `stride` bytes further: how a piece of every rank's block
 * is named. */
static int piece_type(MPI_Datatype *type, int count, size_t stride) {
    MPI_Datatype bytes;
    int code = MPI_Type_contiguous(count, MPI_BYTE, &bytes);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Type_create_resized(bytes, 0, (MPI_Aint)stride, type);
    if (code == MPI_SUCCESS) code = MPI_Type_commit(type);
    MPI_Type_free(&bytes);
    return code;
}

/* `count` elements of `type` from each rank to each. */
static int exchange_now(const struct mpi_state *s, void *recv, const void *send, int count, MPI_Datatype type,
                        bool to_all) {
    MPI_Request r;
    if (s->patient)
        return to_all ? rest(MPI_Ialltoall(send, count, type, recv, count, type, s->world, &r), &r)
                      : rest(MPI_Iallgather(send, count, type, recv, count, type, s->world, &r), &r);
    return to_all ? MPI_Alltoall(send, count, type, recv, count, type, s->world)
                  : MPI_Allgather(send, count, type, recv, count, type, s->world);
}

/* One piece of an all-gather (or all-to-all) of blocks that are too long for an int. */
static int exchange_piece(const struct mpi_state *s, void *recv, const void *send, int count, size_t stride,
                          bool to_all) {
    MPI_Datatype type;
    int code = piece_type(&type, count, stride);
    if (code != MPI_SUCCESS) return code;
    code = exchange_now(s, recv, send, 1, type, to_all);
    MPI_Type_free(&type);
    return code;
}

static enum un_status exchange(struct un_comm *c, void *recv, const void *send, size_t bytes, bool to_all) {
    struct mpi_state *s = begin(c);
    const char *what = to_all ? "all-to-all" : "all-gather";
    if (bytes <= c->piece_bytes)
        return check_call(c, exchange_now(s, recv, send, (int)bytes, MPI_BYTE, to_all), what);
    for (size_t at = 0; at < bytes; at += c->piece_bytes) {
        int n = (int)(bytes - at < c->piece_bytes ? bytes - at : c->piece_bytes);
        int code = exchange_piece(s, (char *)recv + at, (const char *)send + at, n, bytes, to_all);
        UN_TRY(check_call(c, code, what));
    }
    return UN_OK;
}

static enum un_status mpi_all_gather(struct un_comm *c, void *recv, const void *send, size_t bytes) {
    return exchange(c, recv, send, bytes, false);
}

static enum un_status mpi_all_to_all(struct un_comm *c, void *recv, const void *send, size_t bytes) {
    return exchange(c, recv, send, bytes, true);
}

static enum un_status mpi_broadcast(struct un_comm *c, void *data, size_t bytes, int root) {
    struct mpi_state *s = begin(c);
    for (size_t at = 0; at < bytes; at += c->piece_bytes) {
        int n = (int)(bytes - at < c->piece_bytes ? bytes - at : c->piece_bytes);
        MPI_Request r;
        int code = s->patient ? rest(MPI_Ibcast((char *)data + at, n, MPI_BYTE, root, s->world, &r), &r)
                              : MPI_Bcast((char *)data + at, n, MPI_BYTE, root, s->world);
        UN_TRY(check_call(c, code, "broadcast"));
    }
    return UN_OK;
}

static enum un_status reduce_i64(struct un_comm *c, int64_t *data, int64_t count, MPI_Op op,
                                 const char *what) {
    struct mpi_state *s = begin(c);
    int64_t most = (int64_t)(c->piece_bytes / sizeof *data);
    for (int64_t at = 0; at < count; at += most) {
        int n = (int)(count - at < most ? count - at : most);
        MPI_Request r;
        int code = s->patient
                       ? rest(MPI_Iallreduce(MPI_IN_PLACE, data + at, n, MPI_INT64_T, op, s->world, &r), &r)
                       : MPI_Allreduce(MPI_IN_PLACE, data + at, n, MPI_INT64_T, op, s->world);
        UN_TRY(check_call(c, code, what));
    }
    return UN_OK;
}

static enum un_status mpi_sum_i64(struct un_comm *c, int64_t *data, int64_t count) {
    return reduce_i64(c, data, count, MPI_SUM, "sum of integers");
}

static enum un_status mpi_max_i64(struct un_comm *c, int64_t *data, int64_t count) {
    return reduce_i64(c, data, count, MPI_MAX, "maximum of integers");
}

static enum un_status mpi_all_to_all_parts(struct un_comm *c, float *recv, const float *send,
                                           const int *counts, const int *at) {
    struct mpi_state *s = begin(c);
    for (int r = 0; r < c->size; ++r) {
        s->recv_count[r] = counts[c->rank];
        s->recv_at[r] = r * counts[c->rank];
    }
    MPI_Request request;
    int code = MPI_Ialltoallv(send, counts, at, MPI_FLOAT, recv, s->recv_count, s->recv_at, MPI_FLOAT,
                              s->world, &request);
    return check_call(c, rest(code, &request), "all-to-all of parts");
}

static enum un_status mpi_all_gather_parts(struct un_comm *c, float *data, const int *counts, const int *at) {
    struct mpi_state *s = begin(c);
    MPI_Request request;
    int code = MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, data, counts, at, MPI_FLOAT, s->world, &request);
    return check_call(c, rest(code, &request), "all-gather of parts");
}

static enum un_status mpi_reduce_scatter(struct un_comm *c, float *recv, const float *send,
                                         const int *counts) {
    struct mpi_state *s = begin(c);
    MPI_Request request;
    int code = MPI_Ireduce_scatter(send, recv, counts, MPI_FLOAT, MPI_SUM, s->world, &request);
    return check_call(c, rest(code, &request), "reduce-scatter");
}

static void mpi_abort(struct un_comm *c, int code) {
    fflush(NULL); /* the message first: the launcher kills within moments */
    MPI_Abort(state_of(c)->world, code);
}

static void state_free(struct mpi_state *s) {
    if (!s) return;
    un_free(s->recv_count);
    un_free(s->recv_at);
    un_free(s);
}

static enum un_status lists_open(struct mpi_state *s, int size) {
    s->recv_count = un_alloc((size_t)size, sizeof *s->recv_count, "communicator");
    s->recv_at = un_alloc((size_t)size, sizeof *s->recv_at, "communicator");
    return s->recv_count && s->recv_at ? UN_OK : UN_MEMORY;
}

static void mpi_close(struct un_comm *c) {
    struct mpi_state *s = state_of(c);
    bool last = !s->is_copy;
    MPI_Comm_free(&s->world);
    state_free(s);
    if (last) MPI_Finalize();
}

static enum un_status mpi_split(struct un_comm *c, int colour, struct un_comm **out) {
    const struct mpi_state *s = state_of(c);
    *out = NULL;
    struct un_comm *part = un_alloc(1, sizeof *part, "communicator of a thread");
    struct mpi_state *own = un_alloc(1, sizeof *own, "communicator of a thread");
    enum un_status status = part && own ? lists_open(own, c->size) : UN_MEMORY;
    UN_TRY_GOTO(un_comm_agree(c, status), fail);
    own->patient = own->is_copy = true;
    own->threads = s->threads;
    UN_TRY_GOTO(check_call(c, MPI_Comm_split(s->world, colour, c->rank, &own->world), "split"), fail);
    *part = (struct un_comm){.ops = &mpi_ops,
                             .name = c->name,
                             .local_rank = c->local_rank,
                             .local_size = c->local_size,
                             .node = c->node,
                             .nodes = c->nodes,
                             .levels = c->levels,
                             .twin = c->twin,
                             .twins = c->twins,
                             .state = own,
                             .piece_bytes = c->piece_bytes};
    MPI_Comm_rank(own->world, &part->rank);
    MPI_Comm_size(own->world, &part->size);
    *out = part;
    return UN_OK;
fail:
    state_free(own);
    un_free(part);
    return status;
}

static enum un_status mpi_duplicate(struct un_comm *c, struct un_comm **out) {
    *out = NULL;
    return state_of(c)->threads ? mpi_split(c, 0, out) : UN_OK;
}

static const struct un_comm_ops mpi_ops = {
    .barrier = mpi_barrier,
    .all_gather = mpi_all_gather,
    .all_to_all = mpi_all_to_all,
    .broadcast = mpi_broadcast,
    .sum_i64 = mpi_sum_i64,
    .max_i64 = mpi_max_i64,
    .all_to_all_parts = mpi_all_to_all_parts,
    .all_gather_parts = mpi_all_gather_parts,
    .reduce_scatter = mpi_reduce_scatter,
    .duplicate = mpi_duplicate,
    .split = mpi_split,
    .abort = mpi_abort,
    .close = mpi_close,
};

/* Only who may refuse does. */
static enum un_status check_size(const struct un_launcher *launcher, int size, bool refuse) {
    if (refuse) return un_launcher_check(launcher, size);
    un_launcher_warn(launcher, size);
    return UN_OK;
}

static enum un_status enter(struct un_comm *c, struct mpi_state *s, const struct un_launcher *launcher,
                            bool refuse) {
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    UN_TRY(mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &s->world), "start", 0)); /* inherits the error handler */
    MPI_Comm_rank(s->world, &c->rank);
    MPI_Comm_size(s->world, &c->size);
    UN_TRY(lists_open(s, c->size));
    enum un_status status = check_size(launcher, c->size, refuse);
    int refused = status != UN_OK; /* not all ranks need to know what Slurm was asked for, but all end */
    UN_TRY(mpi_check(MPI_Allreduce(MPI_IN_PLACE, &refused, 1, MPI_INT, MPI_MAX, s->world), "start", 0));
    if (refused && status == UN_OK)
        return un_fail(UN_USAGE, "another rank was not started as Slurm was asked to");
    UN_TRY(status);
    return mpi_check(un_comm_mpi_hosts(c, s->world, &s->patient), "start", 0);
}

static enum un_status start(int *argc, char ***argv, const struct un_launcher *launcher, bool *threads) {
    int running = 0, provided = 0;
    MPI_Initialized(&running);
    if (running) return un_fail(UN_INTERNAL, "MPI is started a second time");
    /* Read by Open MPI's start; a user's own choice stays. */
    if (launcher->local_size > un_launcher_cores()) setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    int code = MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &provided);
    if (code != MPI_SUCCESS) return un_fail(UN_IO, "MPI does not start (code %d)", code);
    *threads = provided >= MPI_THREAD_MULTIPLE;
    if (provided >= MPI_THREAD_FUNNELED) return UN_OK;
    MPI_Finalize();
    return un_fail(UN_USAGE, "this MPI cannot live beside the loader's threads (thread level %d of %d)",
                   provided, MPI_THREAD_FUNNELED);
}

static enum un_status open_world(int *argc, char ***argv, bool refuse, struct un_comm **comm) {
    struct un_launcher launcher = un_launcher_find();
    /* Alone under a launcher, as in an interactive Slurm step, MPI may even refuse to start. */
    if (launcher.size == 1) UN_TRY(check_size(&launcher, 1, refuse));
    if (!launcher.name || launcher.size == 1) return un_comm_open_self(comm);
    enum un_status status = UN_MEMORY;
    struct un_comm *c = un_alloc(1, sizeof *c, "communicator");
    struct mpi_state *s = un_alloc(1, sizeof *s, "communicator");
    if (!c || !s) goto fail;
    UN_TRY_GOTO(start(argc, argv, &launcher, &s->threads), fail);
    *c = (struct un_comm){.ops = &mpi_ops, .name = "mpi", .state = s, .piece_bytes = UN_COMM_PIECE};
    status = enter(c, s, &launcher, refuse);
    if (status == UN_OK) {
        *comm = c;
        return UN_OK;
    }
    MPI_Finalize();
fail:
    state_free(s);
    un_free(c);
    return status;
}

enum un_status un_comm_open(int *argc, char ***argv, struct un_comm **comm) {
    return open_world(argc, argv, true, comm);
}

enum un_status un_comm_open_any(int *argc, char ***argv, struct un_comm **comm) {
    return open_world(argc, argv, false, comm);
}
