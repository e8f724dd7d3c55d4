/* As much of CUDA's runtime as comm/comm_nccl*.c calls, on the queues of fake cards: events pass when the queue comes to
 * them. */
#include "runtime/memory.h"
#include "tests/cards/fake/fake_card.h"

#include <cuda_runtime_api.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

struct CUevent_st {
    _Atomic int recorded, reached;
    double at;
};

struct pass {
    struct CUevent_st *event;
    int number;
};

static enum un_status pass(void *context) {
    const struct pass *p = context;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    p->event->at = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    atomic_store(&p->event->reached, p->number);
    return UN_OK;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t stream) {
    struct pass p = {e, atomic_fetch_add(&e->recorded, 1) + 1};
    un_fake_post((struct un_queue *)stream, pass, &p, sizeof p);
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t e) {
    return atomic_load(&e->reached) == atomic_load(&e->recorded) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t begin, cudaEvent_t end) {
    *ms = (float)((end->at - begin->at) * 1e3);
    return *ms >= 0 ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaEventCreate(cudaEvent_t *e) {
    *e = un_alloc(1, sizeof **e, "fake event");
    return *e ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventDestroy(cudaEvent_t e) {
    un_free(e);
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaGetDevice(int *device) {
    *device = 0;
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error) {
    return error == cudaSuccess ? "no error" : "a fake card's error";
}

struct copy {
    void *to;
    const void *from;
    size_t bytes;
};

static enum un_status run_copy(void *context) {
    const struct copy *c = context;
    memcpy(c->to, c->from, c->bytes);
    return UN_OK;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
    struct copy c = {to, from, bytes};
    if (kind != cudaMemcpyDeviceToDevice) return cudaErrorInvalidValue;
    un_fake_post((struct un_queue *)stream, run_copy, &c, sizeof c);
    return cudaSuccess;
}

cudaError_t cudaMemset(void *data, int value, size_t bytes) {
    memset(data, value, bytes);
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) {
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void) {
    return cudaSuccess;
}
