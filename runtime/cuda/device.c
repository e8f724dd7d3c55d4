/* The CUDA backend's device: which cards there are, opening one, its memory, and the entry of the module.
 *
 * Laws: memory is taken when something opens, never by an op. Queues do not wait for the runtime's default
 * stream, so what is zeroed here is complete before it is handed out. */
#include "runtime/cores.h"
#include "runtime/cuda/card.h"
#include "runtime/cuda/queue.h"
#include "runtime/plugin.h"

#include <stdio.h>
#include <string.h>

static double mib(size_t bytes) {
    return (double)bytes / 1048576.0;
}

/* ---- memory ---- */

static enum un_status memory_info(struct un_device *d, size_t *free_bytes, size_t *total_bytes) {
    un_cuda_use(un_cuda_ordinal(d));
    cudaError_t error = cudaMemGetInfo(free_bytes, total_bytes);
    if (error == cudaSuccess) return UN_OK;
    *free_bytes = *total_bytes = 0;
    return un_cuda_failed(un_cuda_ordinal(d), error, "memory of the card");
}

static void no_memory(struct un_device *d, size_t bytes, const char *what) {
    size_t free_bytes = 0, total_bytes = 0;
    (void)cudaGetLastError(); /* the failed call's, which would be taken for that of the next launch */
    (void)cudaMemGetInfo(&free_bytes, &total_bytes);
    un_fail(UN_MEMORY,
            "%s: no memory for %zu bytes (%.1f MiB) on cuda %d; %.1f of its %.1f MiB are free; lower "
            "train.tokens_per_lane (and raise train.lanes), take data.cache: host, or free the card",
            what, bytes, mib(bytes), un_cuda_ordinal(d), mib(free_bytes), mib(total_bytes));
}

static void *card_alloc(struct un_device *d, size_t bytes, const char *what) {
    void *ptr = NULL;
    un_cuda_use(un_cuda_ordinal(d));
    cudaError_t error = cudaMalloc(&ptr, bytes ? bytes : 1);
    if (error == cudaErrorMemoryAllocation) {
        no_memory(d, bytes, what);
        return NULL;
    }
    if (error == cudaSuccess) error = cudaMemsetAsync(ptr, 0, bytes ? bytes : 1, cudaStreamLegacy);
    if (error == cudaSuccess) error = cudaStreamSynchronize(cudaStreamLegacy);
    if (error == cudaSuccess) return ptr;
    un_fail(UN_MEMORY, "%s: %zu bytes on cuda %d: %s", what, bytes, un_cuda_ordinal(d),
            cudaGetErrorString(error));
    if (ptr) cudaFree(ptr);
    return NULL;
}

static void card_free(struct un_device *d, void *ptr) {
    if (!ptr) return;
    un_cuda_use(un_cuda_ordinal(d));
    cudaFree(ptr);
}

static void *host_alloc(struct un_device *d, size_t bytes, const char *what) {
    void *ptr = NULL;
    un_cuda_use(un_cuda_ordinal(d));
    cudaError_t error = cudaHostAlloc(&ptr, bytes ? bytes : 1, cudaHostAllocPortable);
    if (error == cudaSuccess) {
        memset(ptr, 0, bytes);
        return ptr;
    }
    (void)cudaGetLastError();
    un_fail(UN_MEMORY, "%s: %zu bytes (%.1f MiB) of host memory cannot be locked for copies to cuda %d: %s",
            what, bytes, mib(bytes), un_cuda_ordinal(d), cudaGetErrorString(error));
    return NULL;
}

static void host_free(struct un_device *d, void *ptr) {
    if (!ptr) return;
    un_cuda_use(un_cuda_ordinal(d));
    cudaFreeHost(ptr);
}

/* ---- the device ---- */

static void card_close(struct un_device *d) {
    un_free(d->state);
    un_free(d);
}

static const struct un_device_ops card_ops = {
    .alloc = card_alloc,
    .free = card_free,
    .host_alloc = host_alloc,
    .host_free = host_free,
    .queue_open = un_cuda_queue_open,
    .queue_close = un_cuda_queue_close,
    .queue_wait = un_cuda_queue_wait,
    .queue_status = un_cuda_queue_status,
    .event_open = un_cuda_event_open,
    .event_close = un_cuda_event_close,
    .event_record = un_cuda_event_record,
    .queue_wait_event = un_cuda_queue_wait_event,
    .event_wait = un_cuda_event_wait,
    .fork = un_cuda_fork,
    .join = un_cuda_join,
    .stream = un_cuda_stream,
    .copy_in = un_cuda_copy_in,
    .copy_out = un_cuda_copy_out,
    .copy = un_cuda_copy,
    .scratch_bytes = un_cuda_scratch_bytes,
    .memory_info = memory_info,
    .trials = un_cuda_trials,
    .event_open_timed = un_cuda_event_open_timed,
    .event_seconds = un_cuda_event_seconds,
    .range_push = un_cuda_range_push,
    .range_pop = un_cuda_range_pop,
    .graph_begin = un_cuda_graph_begin,
    .graph_end = un_cuda_graph_end,
    .graph_launch = un_cuda_graph_launch,
    .graph_close = un_cuda_graph_close,
    .close = card_close,
};

/* Name: "cuda 0: NVIDIA H200, 141 GB, driver 13.0, sm_90"; id: the card's UUID, in hexadecimal. */
static enum un_status describe(int ordinal, struct un_device *d, struct un_cuda_card *own) {
    struct cudaDeviceProp card;
    int driver = 0;
    cudaError_t error = cudaGetDeviceProperties(&card, ordinal);
    if (error == cudaSuccess) error = cudaDriverGetVersion(&driver);
    if (error != cudaSuccess) return un_cuda_failed(ordinal, error, "properties of the card");
    snprintf(d->name, sizeof d->name, "cuda %d: %.60s, %.0f GB, driver %d.%d, sm_%d%d", ordinal, card.name,
             1e-9 * (double)card.totalGlobalMem, driver / 1000, driver % 1000 / 10, card.major, card.minor);
    for (size_t i = 0; i < sizeof card.uuid.bytes; ++i)
        snprintf(d->id + 2 * i, 3, "%02x", (unsigned)(unsigned char)card.uuid.bytes[i]);
    d->fp8_units = card.major * 10 + card.minor >= 89;
    own->ordinal = ordinal;
    own->shared_most = card.sharedMemPerBlockOptin;
    if (card.major >= 8) return UN_OK;
    return un_fail(UN_USAGE,
                   "%s: this build needs compute capability 8.0 or more; use device: cpu or another card",
                   d->name);
}

static enum un_status open_card(int ordinal, struct un_device **device) {
    *device = NULL;
    cudaError_t error = cudaSetDevice(ordinal);
    if (error == cudaSuccess) error = cudaFree(NULL); /* makes the context: what is wrong shows here */
    if (error != cudaSuccess) return un_cuda_failed(ordinal, error, "the card cannot be used");
    struct un_device *d = un_alloc(1, sizeof *d, "device");
    struct un_cuda_card *card = un_alloc(1, sizeof *card, "card");
    enum un_status status = d && card ? UN_OK : UN_MEMORY;
    if (status == UN_OK) status = describe(ordinal, d, card);
    if (status != UN_OK) {
        un_free(card);
        un_free(d);
        return status;
    }
    d->state = card;
    d->mem = &card_ops;
    d->ops = &un_cuda_ops;
    d->kind = UN_DEVICE_CUDA;
    d->host_readable = false;
    d->threads = un_cores_count();
    *device = d;
    return UN_OK;
}

static int count_cards(void) {
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess) return count;
    (void)cudaGetLastError();
    if (error != cudaErrorNoDevice)
        un_fail(UN_USAGE, "the CUDA runtime says: %s (%s)", cudaGetErrorString(error),
                cudaGetErrorName(error));
    return 0;
}

__attribute__((visibility("default"))) const void *un_cuda_module(uint64_t abi) {
    static const struct un_cuda_module module = {.count = count_cards, .open = open_card};
    return abi == UN_PLUGIN_ABI ? &module : NULL;
}
