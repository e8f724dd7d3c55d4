/* The collectives the program needs, behind one small table: one process, or MPI (comm_mpi.c).
 *
 * Every call is collective over all ranks and returns the same status on all of them where it can. A rank
 * that fails on its own calls un_comm_agree with its status at the next agreed point, or ops->abort, which
 * brings the others down in bounded time.
 */
#ifndef UN_COMM_H
#define UN_COMM_H

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
    int twin, twins;            /* among the ranks of this host that may use the very same cores */
    void *state;
    void *scratch; /* of un_comm_sum_tree, taken once by un_comm_reserve */
    int64_t scratch_count;
    size_t piece_bytes;              /* UN_COMM_PIECE; tests make it small to see calls cut into pieces */
    struct un_pulse *pulses;         /* [UN_PULSE_COUNT] of un_pulse_watch; NULL: nobody watches */
    const struct un_comm_ops *inner; /* the table that `watched` wraps */
    struct un_comm_ops watched;
};

enum un_status un_comm_open_self(struct un_comm **comm);
/* Starts MPI (MPI_THREAD_FUNNELED or better) when a launcher started this process and others, else the
 * one-process table. UN_USAGE when the launcher tells of more processes than this build or its MPI can see.
 * Once per process. */
enum un_status un_comm_open(int *argc, char ***argv, struct un_comm **comm);
void un_comm_close(struct un_comm *comm);

/* Takes the scratch of un_comm_sum_tree: bucket_bytes on each rank (more only where ranks would get fewer
 * than 256 elements); sums are cut into pieces of that size. Call once before training. One process: takes
 * nothing. */
enum un_status un_comm_reserve(struct un_comm *comm, size_t bucket_bytes);
/* data[i] = sum over ranks of data[i], identical on all ranks, added as a balanced binary tree over the ranks
 * in rank order: (r0+r1)+(r2+r3)... With a power-of-two number of ranks this completes the tree over lanes
 * that each rank began, so the bits do not depend on the number of ranks. Moves 2 (n-1)/n * count floats per
 * rank each way, as a ring does: an all-to-all of parts, a local tree, an all-gather, piece by piece. */
enum un_status un_comm_sum_tree(struct un_comm *comm, float *data, int64_t count);
/* All ranks get the largest of their statuses; ranks that had none record "rank R: <its message>". */
enum un_status un_comm_agree(struct un_comm *comm, enum un_status mine);

/* Lanes of rank r of n: [first, last). */
static inline int64_t un_lane_begin(int64_t lanes, int rank, int size) {
    return rank * lanes / size;
}

#endif
