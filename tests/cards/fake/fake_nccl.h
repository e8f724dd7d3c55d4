/* Inside of the NCCL that is not there (fake_nccl.c): communicators, and what fake_nccl_memory.c adds to them: memory
 * of the library's, registration and the versions that brought them. */
#ifndef UN_TESTS_CARDS_FAKE_FAKE_NCCL_H
#define UN_TESTS_CARDS_FAKE_FAKE_NCCL_H

#include "comm/comm_nccl_private.h"
#include "tests/cards/fake/fake_card.h"

#include <mpi.h>
#include <stdatomic.h>

#if NCCL_VERSION_CODE < 22800 && !defined UN_FAKE_OLD
#define UN_FAKE_OLD
#endif

enum { UN_FAKE_LOOKS = 3, UN_FAKE_TOLD = 16 };

/* Memory that was told of. */
struct un_fake_told {
    struct un_fake_block *block; /* NULL: free */
    bool window;
};

/* A window on its way: the ranks compare what they bring. */
struct un_fake_meeting {
    bool under_way;
    MPI_Request request;
    int64_t brought[6];
    int looks;
    struct un_fake_told *told;
    void **out;
};

struct ncclComm {
    MPI_Comm world;
    int rank, size;
    _Atomic int pending; /* questions about its state until a group is taken over */
    _Atomic bool failed, aborted;
    long groups, all_to_alls;
    _Atomic long posted, run; /* groups that were taken over, that have ended */
    struct group *group;      /* open, or not yet taken over */
    struct un_fake_told told[UN_FAKE_TOLD];
    long registrations, windows;
    struct un_fake_meeting meeting;
};

/* Where one pointer of a call points to: kind 0: memory of the user's, 1: of the library's and registered. */
struct un_fake_place {
    int64_t kind, offset;
};
/* false: half in a block of the library's and half out, or in one that this communicator was not told of. */
bool un_fake_place(const struct ncclComm *c, const void *data, size_t bytes, struct un_fake_place *place);
/* Ends the program: a law of the library's is broken that it would not tell of. */
_Noreturn void un_fake_broken(const char *what);
/* Does the variable hold "RANK:NUMBER" with these? */
bool un_fake_planned(const char *variable, int rank, long number);
/* The state of the window that is under way; ncclSuccess: none is. */
ncclResult_t un_fake_meet(struct ncclComm *c);
/* At the end of the communicator; torn: by an abort, which lets go of all memory. */
void un_fake_let_go(struct ncclComm *c, bool torn);

#endif
