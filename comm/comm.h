/* The collectives the program needs, behind one small table: one process, or MPI (comm_mpi.c).
 *
 * Every call is collective over all ranks and returns the same status on all of them where it can. A rank
 * that fails on its own calls un_comm_agree with its status at the next agreed point, or ops->abort, which
 * brings the others down in bounded time. A communicator is used by one thread at a time; another thread gets
 * a duplicate of its own (comm/queue.h). */
#ifndef UN_COMM_COMM_H
#define UN_COMM_COMM_H

#include "comm/levels.h"
#include "comm/pulse.h"
#include "runtime/status.h"

struct un_comm;

enum { UN_COMM_PIECE = 1 << 30 }; /* bytes handed to the library at once: its counts are ints */

struct un_comm_ops {
    enum un_status (*barrier)(struct un_comm *c);
    /* recv [size * bytes]: the blocks of all ranks in rank order. */
    enum un_status (*all_gather)(struct un_comm *c, void *recv, const void *send, size_t bytes);
    /* send, recv [size * bytes]: block r of send goes to rank r. */
    enum un_status (*all_to_all)(struct un_comm *c, void *recv, const void *send, size_t bytes);
    enum un_status (*broadcast)(struct un_comm *c, void *data, size_t bytes, int root);
    /* In place; integers, so exact in any order. */
    enum un_status (*sum_i64)(struct un_comm *c, int64_t *data, int64_t count);
    enum un_status (*max_i64)(struct un_comm *c, int64_t *data, int64_t count);
    /* The three below move parts of one array of floats: part r has counts[r] elements and begins at at[r];
     * the parts stand one after the other in rank order, all of them below 2^31 elements. recv [size *
     * counts[rank]]: this rank's part of every rank's `send`, in rank order. */
    enum un_status (*all_to_all_parts)(struct un_comm *c, float *recv, const float *send, const int *counts,
                                       const int *at);
    /* In place: every rank brings its own part and gets the others. */
    enum un_status (*all_gather_parts)(struct un_comm *c, float *data, const int *counts, const int *at);
    /* recv [counts[rank]]: the sum of this rank's part over all ranks, in an order of the library's. */
    enum un_status (*reduce_scatter)(struct un_comm *c, float *recv, const float *send, const int *counts);
    /* A communicator of the same ranks for another thread; NULL and UN_OK, on all ranks alike, where the
     * library does not allow that. Its collectives wait asleep and look often enough that data really moves
     * while the cores compute. Closed by un_comm_close, before this one. */
    enum un_status (*duplicate)(struct un_comm *c, struct un_comm **copy);
    /* The ranks that name the same colour >= 0, in the order of their ranks: a communicator for one thread,
     * closed by un_comm_close, before this one. Its rank and size are its own, all else is as here. */
    enum un_status (*split)(struct un_comm *c, int colour, struct un_comm **part);
    /* Ends all ranks with exit code `code`; does not return under MPI. One process: returns. */
    void (*abort)(struct un_comm *c, int code);
    void (*close)(struct un_comm *c);
};

struct un_comm {
    const struct un_comm_ops *ops;
    const char *name; /* "self" | "mpi" */
    int rank, size;
    int local_rank, local_size; /* among the ranks of this host */
    int node, nodes;            /* this host, numbered by its lowest rank; hosts */
    struct un_levels levels;    /* of all ranks on their hosts */
    int twin, twins;            /* among the ranks of this host that may use the very same cores */
    bool agreed;                /* of un_comm_agreed */
    bool broken;                /* a collective has failed: nothing is alike on all ranks any more */
    void *state;
    size_t piece_bytes;              /* UN_COMM_PIECE; tests make it small to see calls cut into pieces */
    struct un_pulse *pulses;         /* [UN_PULSE_COUNT] of un_pulse_watch; NULL: nobody watches */
    const struct un_comm_ops *inner; /* the table that `watched` wraps */
    struct un_comm_ops watched;
};

enum un_status un_comm_open_self(struct un_comm **comm);
/* Starts MPI (MPI_THREAD_MULTIPLE where it has it, MPI_THREAD_FUNNELED at least) when a launcher started this
 * process and others, else the one-process table. UN_USAGE when the launcher tells of more processes than
 * this build or its MPI can see. Once per process. */
enum un_status un_comm_open(int *argc, char ***argv, struct un_comm **comm);
/* The same for what writes nothing: where the numbers of processes differ it warns and goes on with those it sees. */
enum un_status un_comm_open_any(int *argc, char ***argv, struct un_comm **comm);
void un_comm_close(struct un_comm *comm);

/* All ranks get the largest of their statuses; ranks that had none record "rank R: <its message>". */
enum un_status un_comm_agree(struct un_comm *comm, enum un_status mine);
/* Takes note of a status that all ranks come to alike without asking each other, and returns it. */
enum un_status un_comm_alike(struct un_comm *comm, enum un_status status);
/* Was the last status agreed on or taken note of an error, so that all ranks end with it here? Who ends
 * the program on an error that is not agreed calls ops->abort. */
bool un_comm_agreed(const struct un_comm *comm);

/* Lanes of rank r of n: [first, last). */
static inline int64_t un_lane_begin(int64_t lanes, int rank, int size) {
    return rank * lanes / size;
}

#endif
