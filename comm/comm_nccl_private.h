/* Inside of the communicator between cards; outside runtime/cuda only comm/comm_nccl*.c know CUDA.
 *
 * Law: the training thread posts; a guard thread looks every few milliseconds at what has ended and at errors
 * that come by themselves (a peer that died, a link that broke), and then aborts, which lets the kernels that
 * wait for the peer end. `lock` guards the communicator's handle, the ring and the error; nobody waits for a
 * card or a peer while holding it. The communicator does not block: a call that has to wait for peers, as the
 * first to each of them has, is looked after by un_nccl_settle, where an abort can end it, and is told to the
 * pulse. */
#ifndef UN_COMM_COMM_NCCL_PRIVATE_H
#define UN_COMM_COMM_NCCL_PRIVATE_H

#include "comm/device_comm.h"

#include <cuda_runtime_api.h>
#include <nccl.h>
#include <pthread.h>
#include <time.h>

#if NCCL_VERSION_CODE < 22700 /* as later headers have it */
typedef struct ncclWindow *ncclWindow_t;
#define NCCL_WIN_COLL_SYMMETRIC 0x01
#endif

enum { RING = 1024, LOOK_NS = 20000 };

/* A collective between two events of its own, so that its time is known when both have passed. */
struct posted {
    cudaEvent_t begin, end;
};

/* What the library was told of: one of them, or NULL where it would not hear of it. */
struct un_nccl_told {
    void *buffer;
    ncclWindow_t window;
};

struct un_nccl_state {
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
    bool one_host, all_to_all;
    struct un_nccl_told told[UN_COMM_BLOCKS]; /* gone with the communicator where that is aborted */
    int n_told;
};

static inline void un_nccl_rest(long ns) {
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* An error of the library or of the card, as ours. */
enum un_status un_nccl_fail(const struct un_nccl_state *s, ncclResult_t result, const char *what);
enum un_status un_nccl_fail_cuda(cudaError_t error, const char *what);
/* The first error, here and on the card: what waits for a peer ends. Lock held. */
void un_nccl_give_up(struct un_nccl_state *s);
/* The error of the state, if it has one, becomes this thread's. Lock held. */
enum un_status un_nccl_adopt(struct un_nccl_state *s);
/* Until the library has taken what it was given, which it does in a thread of its own, in some ten
 * microseconds; the first time peers have to come for it. */
enum un_status un_nccl_settle(struct un_nccl_state *s, ncclResult_t result, const char *what);
/* Counts the collectives that have ended. Lock held. */
void un_nccl_collect(struct un_nccl_state *s);
enum un_status un_nccl_start_guard(struct un_nccl_state *s);
void un_nccl_stop_guard(struct un_nccl_state *s);

/* comm_nccl_newer.c */
extern const struct un_comm_library un_nccl_library;
/* The library of the blocks of `memory`, before anything is posted; windows: by all ranks together. What was told
 * before a failure stays so until untell. */
enum un_status un_nccl_tell(struct un_nccl_state *s, const struct un_comm_memory *memory, bool windows);
/* All that was posted has ended, and the communicator is not aborted. */
void un_nccl_untell(struct un_nccl_state *s);
bool un_nccl_has_all_to_all(void);
/* Block r of send [ranks * each] to rank r; that of rank r arrives as block r of recv. */
ncclResult_t un_nccl_all_to_all(struct un_nccl_state *s, float *recv, const float *send, size_t each);

#endif
