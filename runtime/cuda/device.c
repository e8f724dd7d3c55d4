/* The CUDA backend: its device, memory, queues, events, copies and graphs, on the CUDA runtime.
 *
 * Laws: memory is taken when something opens, never by an op. Streams are non-blocking: nothing waits for the
 * legacy stream, so what is filled here is complete before it is handed out. Every function that another
 * thread may call (the exchange of gradients has a queue of its own) first makes the card the thread's.
 */
#include "runtime/cuda/cuda.h"
#include "runtime/plugin.h"

#include <nvtx3/nvToolsExt.h>
#include <stdio.h>

struct card {
    int ordinal;
};

struct un_event {
    cudaEvent_t event;
    int ordinal;
};

struct un_graph {
    cudaGraphExec_t exec;
};

static int ordinal_of(const struct un_device *d) {
    return ((const struct card *)d->state)->ordinal;
}

void un_cuda_use(int ordinal) {
    cudaSetDevice(ordinal); /* what is wrong with the card is said by the call that follows */
}

static double mib(size_t bytes) {
    return (double)bytes / 1048576.0;
}

static enum un_status failed(int ordinal, cudaError_t error, const char *what) {
    return un_fail(UN_INTERNAL, "cuda %d: %s: %s (%s)", ordinal, what, cudaGetErrorString(error),
                   cudaGetErrorName(error));
}

/* ---- memory ---- */

static enum un_status memory_info(struct un_device *d, size_t *free_bytes, size_t *total_bytes) {
    un_cuda_use(ordinal_of(d));
    cudaError_t error = cudaMemGetInfo(free_bytes, total_bytes);
    if (error == cudaSuccess) return UN_OK;
    *free_bytes = *total_bytes = 0;
    return failed(ordinal_of(d), error, "memory of the card");
}

static void no_memory(struct un_device *d, size_t bytes, const char *what) {
    size_t free_bytes = 0, total_bytes = 0;
    (void)cudaGetLastError(); /* the failed call's, which would be taken for that of the next launch */
    (void)cudaMemGetInfo(&free_bytes, &total_bytes);
    un_fail(UN_MEMORY,
            "%s: no memory for %zu bytes (%.1f MiB) on cuda %d; %.1f of its %.1f MiB are free; lower "
            "train.tokens_per_lane (and raise train.lanes), take data.cache: host, or free the card",
            what, bytes, mib(bytes), ordinal_of(d), mib(free_bytes), mib(total_bytes));
}

static void *card_alloc(struct un_device *d, size_t bytes, const char *what) {
    void *ptr = NULL;
    un_cuda_use(ordinal_of(d));
    cudaError_t error = cudaMalloc(&ptr, bytes ? bytes : 1);
    if (error == cudaErrorMemoryAllocation) {
        no_memory(d, bytes, what);
        return NULL;
    }
    if (error == cudaSuccess) error = cudaMemsetAsync(ptr, 0, bytes ? bytes : 1, cudaStreamLegacy);
    if (error == cudaSuccess) error = cudaStreamSynchronize(cudaStreamLegacy);
    if (error == cudaSuccess) return ptr;
    un_fail(UN_MEMORY, "%s: %zu bytes on cuda %d: %s", what, bytes, ordinal_of(d), cudaGetErrorString(error));
    if (ptr) cudaFree(ptr);
    return NULL;
}

static void card_free(struct un_device *d, void *ptr) {
    if (!ptr) return;
    un_cuda_use(ordinal_of(d));
    cudaFree(ptr);
}

static void *host_alloc(struct un_device *d, size_t bytes, const char *what) {
    void *ptr = NULL;
    un_cuda_use(ordinal_of(d));
    cudaError_t error = cudaHostAlloc(&ptr, bytes ? bytes : 1, cudaHostAllocPortable);
    if (error == cudaSuccess) {
        for (size_t i = 0; i < bytes; ++i) ((unsigned char *)ptr)[i] = 0;
        return ptr;
    }
    (void)cudaGetLastError();
    un_fail(UN_MEMORY, "%s: %zu bytes (%.1f MiB) of host memory cannot be locked for copies to cuda %d: %s",
            what, bytes, mib(bytes), ordinal_of(d), cudaGetErrorString(error));
    return NULL;
}

static void host_free(struct un_device *d, void *ptr) {
    if (!ptr) return;
    un_cuda_use(ordinal_of(d));
    cudaFreeHost(ptr);
}

/* ---- queues ---- */

static bool for_copies_alone(const struct un_limits *limits) {
    return limits->max_tokens == 0 && limits->max_params == 0;
}

static size_t scratch_of_ops(const struct un_limits *limits) {
    static const un_cuda_scratch_need needs[] = {
        un_cuda_gemm_scratch, un_cuda_pointwise_scratch, un_cuda_layernorm_scratch, un_cuda_attention_scratch,
        un_cuda_loss_scratch, un_cuda_transport_scratch, un_cuda_reduce_scratch,    un_cuda_blas_scratch,
    };
    size_t most = 0;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; ++i) {
        size_t bytes = needs[i](limits);
        if (bytes > most) most = bytes;
    }
    return most;
}

static size_t scratch_bytes(struct un_device *d, const struct un_limits *limits) {
    (void)d;
    return for_copies_alone(limits) ? 0 : scratch_of_ops(limits) + un_cuda_blas_workspace();
}

static void queue_close(struct un_queue *q) {
    if (!q) return;
    un_cuda_use(q->ordinal);
    if (q->stream) {
        cudaStreamSynchronize(q->stream); /* what still runs uses the memory below */
        cudaStreamDestroy(q->stream);
    }
    if (q->blas) un_cuda_blas_close(q, q->blas);
    card_free(q->device, q->scratch);
    un_free(q);
}

static enum un_status open_scratch(struct un_queue *q, const struct un_limits *limits) {
    q->scratch_bytes = scratch_of_ops(limits);
    q->scratch = card_alloc(q->device, q->scratch_bytes, "scratch of the CUDA backend");
    return q->scratch ? un_cuda_blas_open(q, &q->blas) : UN_MEMORY;
}

static enum un_status queue_open(struct un_device *d, const struct un_limits *limits,
                                 struct un_queue **queue) {
    *queue = NULL;
    struct un_queue *q = un_alloc(1, sizeof *q, "queue");
    if (!q) return UN_MEMORY;
    q->device = d;
    q->ordinal = ordinal_of(d);
    q->last = "nothing yet";
    un_cuda_use(q->ordinal);
    enum un_status status = UN_OK;
    cudaError_t error = cudaStreamCreateWithFlags(&q->stream, cudaStreamNonBlocking);
    if (error != cudaSuccess) {
        q->stream = NULL;
        status = failed(q->ordinal, error, "a stream");
    }
    if (status == UN_OK && !for_copies_alone(limits)) status = open_scratch(q, limits);
    if (status != UN_OK)
        queue_close(q);
    else
        *queue = q;
    return status;
}

static enum un_status queue_wait(struct un_queue *q) {
    un_cuda_use(q->ordinal);
    cudaError_t error = cudaStreamSynchronize(q->stream);
    if (error != cudaSuccess && q->error.status == UN_OK)
        un_cuda_fail(q, UN_INTERNAL, "cuda %d: %s (%s) in what was queued up to %s", q->ordinal,
                     cudaGetErrorString(error), cudaGetErrorName(error), q->last);
    return q->error.status == UN_OK ? UN_OK : un_error_adopt(&q->error);
}

/* ---- events and copies ---- */

static enum un_status open_event(struct un_device *d, unsigned flags, struct un_event **event) {
    struct un_event *e = *event = un_alloc(1, sizeof *e, "event");
    if (!e) return UN_MEMORY;
    e->ordinal = ordinal_of(d);
    un_cuda_use(e->ordinal);
    cudaError_t error = cudaEventCreateWithFlags(&e->event, flags);
    if (error == cudaSuccess) return UN_OK;
    un_free(e);
    *event = NULL;
    return failed(ordinal_of(d), error, "an event");
}

static enum un_status event_open(struct un_device *d, struct un_event **event) {
    return open_event(d, cudaEventDisableTiming, event);
}

static enum un_status event_open_timed(struct un_device *d, struct un_event **event) {
    return open_event(d, cudaEventDefault, event);
}

static void event_close(struct un_event *e) {
    if (!e) return;
    un_cuda_use(e->ordinal);
    cudaEventDestroy(e->event);
    un_free(e);
}

/* In a graph, events belong to its launches and are seen by other queues and the host ("external"). */
static void event_record(struct un_event *e, struct un_queue *q) {
    un_cuda_use(q->ordinal);
    un_cuda_check(q,
                  cudaEventRecordWithFlags(e->event, q->stream,
                                           q->capturing ? cudaEventRecordExternal : cudaEventRecordDefault),
                  "event");
}

static void queue_wait_event(struct un_queue *q, struct un_event *e) {
    un_cuda_use(q->ordinal);
    un_cuda_check(
        q,
        cudaStreamWaitEvent(q->stream, e->event, q->capturing ? cudaEventWaitExternal : cudaEventWaitDefault),
        "wait for an event");
}

static enum un_status event_wait(struct un_event *e) {
    un_cuda_use(e->ordinal);
    cudaError_t error = cudaEventSynchronize(e->event);
    return error == cudaSuccess ? UN_OK : failed(e->ordinal, error, "in what was queued before an event");
}

static double event_seconds(struct un_event *from, struct un_event *to) {
    float milliseconds = 0;
    un_cuda_use(to->ordinal);
    if (cudaEventSynchronize(to->event) != cudaSuccess ||
        cudaEventElapsedTime(&milliseconds, from->event, to->event) != cudaSuccess) {
        (void)cudaGetLastError();
        return -1;
    }
    return 1e-3 * (double)milliseconds;
}

static void copy(struct un_queue *q, void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind) {
    if (bytes == 0) return;
    un_cuda_use(q->ordinal);
    un_cuda_check(q, cudaMemcpyAsync(dst, src, bytes, kind, q->stream), "copy");
}

static void copy_in(struct un_queue *q, void *device_dst, const void *host_src, size_t bytes) {
    copy(q, device_dst, host_src, bytes, cudaMemcpyHostToDevice);
}

static void copy_out(struct un_queue *q, void *host_dst, const void *device_src, size_t bytes) {
    copy(q, host_dst, device_src, bytes, cudaMemcpyDeviceToHost);
}

/* ---- graphs and ranges ---- */

static void graph_begin(struct un_queue *q) {
    un_cuda_use(q->ordinal);
    cudaError_t error = cudaStreamBeginCapture(q->stream, cudaStreamCaptureModeThreadLocal);
    un_cuda_check(q, error, "begin of a graph");
    q->capturing = error == cudaSuccess;
}

static enum un_status graph_end(struct un_queue *q, struct un_graph **graph) {
    *graph = NULL;
    if (!q->capturing) return UN_INTERNAL; /* the error is the queue's */
    q->capturing = false;
    un_cuda_use(q->ordinal);
    struct un_graph *made = un_alloc(1, sizeof *made, "graph");
    cudaGraph_t recorded = NULL;
    cudaError_t error = cudaStreamEndCapture(q->stream, &recorded);
    if (error == cudaSuccess && made) error = cudaGraphInstantiate(&made->exec, recorded, 0);
    if (recorded) cudaGraphDestroy(recorded);
    if (error == cudaSuccess && made) {
        *graph = made;
        return UN_OK;
    }
    un_free(made);
    (void)cudaGetLastError();
    return error == cudaSuccess ? UN_MEMORY : failed(q->ordinal, error, "a step as a graph");
}

static void graph_launch(struct un_queue *q, struct un_graph *graph) {
    un_cuda_use(q->ordinal);
    un_cuda_check(q, cudaGraphLaunch(graph->exec, q->stream), "graph");
}

static void graph_close(struct un_graph *graph) {
    if (!graph) return;
    cudaGraphExecDestroy(graph->exec);
    un_free(graph);
}

static void range_push(const char *name) {
    nvtxRangePushA(name);
}

static void range_pop(void) {
    nvtxRangePop();
}

/* ---- what ops call ---- */

bool un_cuda_scratch(struct un_queue *q, struct un_arena *arena, size_t bytes, const char *op) {
    if (bytes > q->scratch_bytes) {
        un_cuda_fail(q, UN_INTERNAL, "%s needs %zu bytes of scratch, its queue was opened with %zu", op,
                     bytes, q->scratch_bytes);
        return false;
    }
    *arena = (struct un_arena){.name = op, .base = q->scratch, .size = q->scratch_bytes};
    return true;
}

void un_cuda_stick(struct un_queue *q) {
    if (q->error.status == UN_OK) q->error = *un_error_get();
}

void un_cuda_check(struct un_queue *q, cudaError_t error, const char *what) {
    if (error != cudaSuccess && q->error.status == UN_OK)
        un_cuda_fail(q, UN_INTERNAL, "cuda %d: %s: %s (%s); queued before it: %s", q->ordinal, what,
                     cudaGetErrorString(error), cudaGetErrorName(error), q->last);
    q->last = what;
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
    .queue_open = queue_open,
    .queue_close = queue_close,
    .queue_wait = queue_wait,
    .event_open = event_open,
    .event_close = event_close,
    .event_record = event_record,
    .queue_wait_event = queue_wait_event,
    .event_wait = event_wait,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .scratch_bytes = scratch_bytes,
    .memory_info = memory_info,
    .event_open_timed = event_open_timed,
    .event_seconds = event_seconds,
    .range_push = range_push,
    .range_pop = range_pop,
    .graph_begin = graph_begin,
    .graph_end = graph_end,
    .graph_launch = graph_launch,
    .graph_close = graph_close,
    .close = card_close,
};

/* "cuda 0: NVIDIA H200, 141 GB, driver 13.0, sm_90" */
static enum un_status describe(int ordinal, char *name, size_t bytes) {
    struct cudaDeviceProp card;
    int driver = 0;
    cudaError_t error = cudaGetDeviceProperties(&card, ordinal);
    if (error == cudaSuccess) error = cudaDriverGetVersion(&driver);
    if (error != cudaSuccess) return failed(ordinal, error, "properties of the card");
    snprintf(name, bytes, "cuda %d: %.60s, %.0f GB, driver %d.%d, sm_%d%d", ordinal, card.name,
             1e-9 * (double)card.totalGlobalMem, driver / 1000, driver % 1000 / 10, card.major, card.minor);
    if (card.major >= 8) return UN_OK;
    return un_fail(UN_USAGE,
                   "%s: this build needs compute capability 8.0 or more; use device: cpu or another card",
                   name);
}

static enum un_status open_card(int ordinal, struct un_device **device) {
    *device = NULL;
    cudaError_t error = cudaSetDevice(ordinal);
    if (error == cudaSuccess) error = cudaFree(NULL); /* makes the context: what is wrong shows here */
    if (error != cudaSuccess) return failed(ordinal, error, "the card cannot be used");
    struct un_device *d = un_alloc(1, sizeof *d, "device");
    struct card *card = un_alloc(1, sizeof *card, "card");
    enum un_status status = d && card ? UN_OK : UN_MEMORY;
    if (status == UN_OK) status = describe(ordinal, d->name, sizeof d->name);
    if (status != UN_OK) {
        un_free(card);
        un_free(d);
        return status;
    }
    card->ordinal = ordinal;
    d->state = card;
    d->mem = &card_ops;
    d->ops = &un_cuda_ops;
    d->kind = UN_DEVICE_CUDA;
    d->host_readable = false;
    d->threads = un_device_cores();
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
