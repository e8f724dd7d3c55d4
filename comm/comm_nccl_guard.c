/* Errors between cards, and the thread that looks for them (comm_nccl_private.h). */
#include "comm/comm_nccl_private.h"

#include <string.h>

enum { GUARD_NS = 2000000 };

enum un_status un_nccl_fail(const struct un_nccl_state *s, ncclResult_t result, const char *what) {
    const char *more = s->comm ? ncclGetLastError(s->comm) : "";
    return un_fail(UN_IO, "between cards: %s: %s%s%s", what, ncclGetErrorString(result), more[0] ? ": " : "",
                   more);
}

enum un_status un_nccl_fail_cuda(cudaError_t error, const char *what) {
    return un_fail(UN_IO, "between cards: %s: %s", what, cudaGetErrorString(error));
}

void un_nccl_give_up(struct un_nccl_state *s) {
    if (s->error.status == UN_OK) s->error = *un_error_get();
    if (s->comm) ncclCommAbort(s->comm);
    s->comm = NULL;
}

enum un_status un_nccl_adopt(struct un_nccl_state *s) {
    return s->error.status == UN_OK ? UN_OK : un_error_adopt(&s->error);
}

enum un_status un_nccl_settle(struct un_nccl_state *s, ncclResult_t result, const char *what) {
    enum { EAGER = 2000 }; /* looks without a rest */
    for (int64_t looks = 0;; ++looks) {
        pthread_mutex_lock(&s->lock);
        if (result == ncclInProgress && s->comm) (void)ncclCommGetAsyncError(s->comm, &result);
        bool failed = result != ncclSuccess && result != ncclInProgress;
        if (failed && s->error.status == UN_OK) {
            (void)un_nccl_fail(s, result, what);
            un_nccl_give_up(s);
        }
        enum un_status status = un_nccl_adopt(s);
        pthread_mutex_unlock(&s->lock);
        if (status != UN_OK || result == ncclSuccess) return status;
        if (looks >= EAGER) un_nccl_rest(LOOK_NS);
    }
}

void un_nccl_collect(struct un_nccl_state *s) {
    while (s->done < s->posted) {
        struct posted *p = &s->ring[s->done % RING];
        cudaError_t error = cudaEventQuery(p->end);
        if (error == cudaErrorNotReady) return;
        float ms = 0;
        if (error == cudaSuccess) error = cudaEventElapsedTime(&ms, p->begin, p->end);
        if (error != cudaSuccess && s->error.status == UN_OK) {
            (void)un_nccl_fail_cuda(error, "a collective");
            un_nccl_give_up(s);
        }
        s->busy += (double)ms * 1e-3;
        ++s->done;
        un_pulse_end(s->pulse);
    }
}

static void look(struct un_nccl_state *s) {
    ncclResult_t result = ncclSuccess;
    un_nccl_collect(s);
    if (!s->comm || s->error.status != UN_OK) return;
    if (ncclCommGetAsyncError(s->comm, &result) != ncclSuccess) return;
    if (result == ncclSuccess || result == ncclInProgress) return;
    (void)un_nccl_fail(s, result, "a peer or a link");
    un_nccl_give_up(s);
}

static void *run_guard(void *context) {
    struct un_nccl_state *s = context;
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

enum un_status un_nccl_start_guard(struct un_nccl_state *s) {
    int code = pthread_create(&s->guard, NULL, run_guard, s);
    s->guarded = code == 0;
    return s->guarded ? UN_OK : un_fail(UN_MEMORY, "guard of the cards' communicator: %s", strerror(code));
}

void un_nccl_stop_guard(struct un_nccl_state *s) {
    if (!s->guarded) return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->guard, NULL);
    s->guarded = false;
}
