/* Doubles of MPI's calls, preloaded: on one rank a call never returns, fails, or is interrupted by a signal.
 *
 * UN_DOUBLE=POINT=HOW:RANK:N,...  at the N-th call of that point on that rank. POINT: init, collective (all of them, counted together),
 * test (from that call on nothing is ever done), duplicate, abort, finalize, left (finalize is over), restart (the program has started anew, main
 * is not there yet). HOW: sleep or spin, for ever; fail; raise<signal>. */
#include <dlfcn.h>
#include <mpi.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum point { INIT, COLLECTIVE, TEST, DUPLICATE, ABORT, FINALIZE, LEFT, RESTART, POINTS };
static const char *const names[POINTS] = {"init",  "collective", "test", "duplicate",
                                          "abort", "finalize",   "left", "restart"};
static atomic_long calls[POINTS];

static void hang(int spins) {
    for (;;)
        if (!spins) pause();
}

/* Does the word "POINT=HOW:RANK:N" name this call? */
static int named(const char *word, enum point point, long n, char how[16]) {
    char name[16];
    int rank;
    long number;
    const char *mine = getenv("OMPI_COMM_WORLD_RANK");
    return mine && sscanf(word, "%15[a-z]=%15[a-z0-9]:%d:%ld", name, how, &rank, &number) == 4 &&
           strcmp(name, names[point]) == 0 && rank == atoi(mine) && number == n;
}

/* Counts the call and does what is planned for it; nonzero: it is to fail. */
static int meet(enum point point) {
    long n = atomic_fetch_add(&calls[point], 1) + 1;
    char how[16];
    for (const char *word = getenv("UN_DOUBLE"); word;
         word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL) {
        if (!named(word, point, n, how)) continue;
        fprintf(stderr, "double: %s %s at call %ld\n", names[point], how, n);
        if (strncmp(how, "raise", 5) == 0) raise(atoi(how + 5));
        if (strcmp(how, "sleep") == 0 || strcmp(how, "spin") == 0) hang(how[1] == 'p');
        if (strcmp(how, "fail") == 0) return 1;
    }
    return 0;
}

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

#define DOUBLE(point, name, declared, given)                                                                 \
    int name declared {                                                                                      \
        int(*next) declared;                                                                                 \
        *(void **)&next = real(#name);                                                                       \
        return meet(point) ? MPI_ERR_OTHER : next given;                                                     \
    }

DOUBLE(INIT, MPI_Init_thread, (int *argc, char ***argv, int required, int *provided),
       (argc, argv, required, provided))
DOUBLE(DUPLICATE, MPI_Comm_dup, (MPI_Comm c, MPI_Comm *copy), (c, copy))
DOUBLE(ABORT, MPI_Abort, (MPI_Comm c, int code), (c, code))
DOUBLE(TEST, MPI_Test, (MPI_Request * r, int *done, MPI_Status *s), (r, done, s))
DOUBLE(COLLECTIVE, MPI_Barrier, (MPI_Comm c), (c))
DOUBLE(COLLECTIVE, MPI_Ibarrier, (MPI_Comm c, MPI_Request *r), (c, r))
DOUBLE(COLLECTIVE, MPI_Bcast, (void *data, int n, MPI_Datatype t, int root, MPI_Comm c),
       (data, n, t, root, c))
DOUBLE(COLLECTIVE, MPI_Ibcast, (void *data, int n, MPI_Datatype t, int root, MPI_Comm c, MPI_Request *r),
       (data, n, t, root, c, r))
DOUBLE(COLLECTIVE, MPI_Allreduce, (const void *from, void *to, int n, MPI_Datatype t, MPI_Op op, MPI_Comm c),
       (from, to, n, t, op, c))
DOUBLE(COLLECTIVE, MPI_Iallreduce,
       (const void *from, void *to, int n, MPI_Datatype t, MPI_Op op, MPI_Comm c, MPI_Request *r),
       (from, to, n, t, op, c, r))
DOUBLE(COLLECTIVE, MPI_Allgather,
       (const void *from, int n, MPI_Datatype t, void *to, int m, MPI_Datatype u, MPI_Comm c),
       (from, n, t, to, m, u, c))
DOUBLE(COLLECTIVE, MPI_Iallgather,
       (const void *from, int n, MPI_Datatype t, void *to, int m, MPI_Datatype u, MPI_Comm c, MPI_Request *r),
       (from, n, t, to, m, u, c, r))
DOUBLE(COLLECTIVE, MPI_Iallgatherv,
       (const void *from, int n, MPI_Datatype t, void *to, const int m[], const int at[], MPI_Datatype u,
        MPI_Comm c, MPI_Request *r),
       (from, n, t, to, m, at, u, c, r))
DOUBLE(COLLECTIVE, MPI_Ialltoallv,
       (const void *from, const int n[], const int from_at[], MPI_Datatype t, void *to, const int m[],
        const int at[], MPI_Datatype u, MPI_Comm c, MPI_Request *r),
       (from, n, from_at, t, to, m, at, u, c, r))
DOUBLE(COLLECTIVE, MPI_Ireduce_scatter,
       (const void *from, void *to, const int n[], MPI_Datatype t, MPI_Op op, MPI_Comm c, MPI_Request *r),
       (from, to, n, t, op, c, r))

__attribute__((constructor)) static void restarted(void) {
    if (getenv("UN_RESTARTED")) meet(RESTART);
}

int MPI_Finalize(void) {
    int (*next)(void);
    *(void **)&next = real("MPI_Finalize");
    if (meet(FINALIZE)) return MPI_ERR_OTHER;
    int code = next();
    return meet(LEFT) ? MPI_ERR_OTHER : code;
}
