/* What newer versions of the library have: memory of its own, being told of it, an all-to-all (comm_nccl_private.h).
 * Law: a function is called where the library at run time has it and says that it is of the version that brought it;
 * else everything goes as with versions that have none of these. Older headers do not know them.
 *
 * Buffers are told by each rank alone. Windows are told by all ranks of a communicator together, in a thread of the
 * library's, and end with a meeting: a rank that fails in it aborts its communicator, which ends the others' wait. Work
 * recorded for CUDA graphs writes into such memory as into any other; collectives are never recorded, so what the
 * library registers by itself for graphs does not come into it. Where a setting of the library's forbids it, its
 * handles are NULL and nothing is told. */
#include "comm/comm_nccl_private.h"

#include <stdio.h>

enum { WITH_BUFFERS = 21900, WITH_WINDOWS = 22700, WITH_ALL_TO_ALL = 22800 };

#if NCCL_VERSION_CODE < 21900
ncclResult_t ncclMemAlloc(void **data, size_t bytes);
ncclResult_t ncclMemFree(void *data);
ncclResult_t ncclCommRegister(const ncclComm_t comm, void *data, size_t bytes, void **handle);
ncclResult_t ncclCommDeregister(const ncclComm_t comm, void *handle);
#endif
#if NCCL_VERSION_CODE < 22700
ncclResult_t ncclCommWindowRegister(ncclComm_t comm, void *data, size_t bytes, ncclWindow_t *window,
                                    int flags);
ncclResult_t ncclCommWindowDeregister(ncclComm_t comm, ncclWindow_t window);
#endif
#if NCCL_VERSION_CODE < 22800
ncclResult_t ncclAlltoAll(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                          cudaStream_t stream);
#endif
/* NULL where the library lacks it. */
#pragma weak ncclMemAlloc
#pragma weak ncclMemFree
#pragma weak ncclCommRegister
#pragma weak ncclCommDeregister
#pragma weak ncclCommWindowRegister
#pragma weak ncclCommWindowDeregister
#pragma weak ncclAlltoAll

static int version(void) {
    int code = 0;
    return ncclGetVersion(&code) == ncclSuccess ? code : 0;
}

static bool has_buffers(void) {
    return version() >= WITH_BUFFERS && ncclMemAlloc && ncclMemFree && ncclCommRegister && ncclCommDeregister;
}

static bool has_windows(void) {
    return has_buffers() && version() >= WITH_WINDOWS && ncclCommWindowRegister && ncclCommWindowDeregister;
}

/* ---- memory ---- */

static enum un_comm_reach reach(char *name, size_t bytes) {
    const int code = version();
    snprintf(name, bytes, "NCCL %d.%d.%d", code / 10000, code / 100 % 100, code % 100);
    return has_windows() ? UN_REACH_WINDOWS : has_buffers() ? UN_REACH_BUFFERS : UN_REACH_NONE;
}

/* Of whole pages of 2 MiB where the driver can map such, which windows need; else the library takes it as any other. */
static void *take(struct un_device *device, struct un_queue *queue, size_t bytes, const char *what) {
    void *data = NULL;
    (void)device->mem->stream(queue); /* its card becomes this thread's */
    ncclResult_t result = ncclMemAlloc(&data, bytes ? bytes : 1);
    if (result != ncclSuccess) {
        (void)cudaGetLastError(); /* of the library's attempt */
        un_fail(UN_MEMORY, "%s: %zu bytes of memory for collectives between cards: %s", what, bytes,
                ncclGetErrorString(result));
        return NULL;
    }
    cudaError_t error = cudaMemset(data, 0, bytes);
    if (error == cudaSuccess) error = cudaDeviceSynchronize();
    if (error == cudaSuccess) return data;
    un_fail(UN_MEMORY, "%s: %zu bytes of memory for collectives between cards: %s", what, bytes,
            cudaGetErrorString(error));
    (void)ncclMemFree(data);
    return NULL;
}

/* Unlike cudaFree the library does not wait for work that may still use it. */
static void give(struct un_device *device, struct un_queue *queue, void *data) {
    (void)device->mem->stream(queue);
    (void)cudaDeviceSynchronize();
    (void)ncclMemFree(data);
}

const struct un_comm_library un_nccl_library = {.reach = reach, .alloc = take, .free = give};

/* ---- telling the library of it ---- */

/* The lock is held while the library is called, so that nobody aborts what is being called. */
static ncclResult_t tell_one(struct un_nccl_state *s, const struct un_comm_block *block, bool windows) {
    struct un_nccl_told *told = &s->told[s->n_told];
    *told = (struct un_nccl_told){0};
    if (!windows) return ncclCommRegister(s->comm, block->data, block->bytes, &told->buffer);
    return ncclCommWindowRegister(s->comm, block->data, block->bytes, &told->window, NCCL_WIN_COLL_SYMMETRIC);
}

enum un_status un_nccl_tell(struct un_nccl_state *s, const struct un_comm_memory *memory, bool windows) {
    static const char what[] = "registration of memory";
    enum un_status status = UN_OK;
    un_pulse_begin(s->pulse, what);
    for (int i = 0; i < memory->n && status == UN_OK; ++i) {
        pthread_mutex_lock(&s->lock);
        ncclResult_t result = ncclSuccess;
        status = un_nccl_adopt(s);
        if (status == UN_OK) result = tell_one(s, &memory->blocks[i], windows);
        pthread_mutex_unlock(&s->lock);
        if (status != UN_OK) break;
        if (!windows && result != ncclSuccess) { /* nobody waits for this rank: no reason to abort */
            status = un_nccl_fail(s, result, what);
            break;
        }
        /* NCCL 2.28 says success of a window that its thread is still at: its state is to be asked for. */
        status = un_nccl_settle(s, result == ncclSuccess ? ncclInProgress : result, what);
        if (status == UN_OK) ++s->n_told;
    }
    un_pulse_end(s->pulse);
    return status;
}

void un_nccl_untell(struct un_nccl_state *s) {
    while (s->n_told > 0) {
        struct un_nccl_told *told = &s->told[--s->n_told];
        if (told->buffer) (void)ncclCommDeregister(s->comm, told->buffer);
        if (told->window) (void)ncclCommWindowDeregister(s->comm, told->window);
    }
}

/* ---- all-to-all ---- */

bool un_nccl_has_all_to_all(void) {
    return version() >= WITH_ALL_TO_ALL && ncclAlltoAll;
}

ncclResult_t un_nccl_all_to_all(struct un_nccl_state *s, float *recv, const float *send, size_t each) {
    return ncclAlltoAll(send, recv, each, ncclFloat, s->comm, s->stream);
}
