/* Queues of the card: streams, their scratch, events, copies and graphs. The first error of a queue sticks to
 * it. Functions that another thread may call first make the card the thread's. */
#include "runtime/cuda/queue.h"

#include "runtime/cuda/card.h"

struct un_event {
    cudaEvent_t event;
    int ordinal;
};

struct un_graph {
    cudaGraphExec_t exec;
};

/* ---- queues ---- */

static bool for_copies_alone(const struct un_limits *limits) {
    return limits->max_tokens == 0 && limits->max_params == 0;
}

/* Without tokens there are no matrices: a queue for ops on parameters. */
static bool for_products(const struct un_limits *limits) {
    return limits->max_tokens > 0;
}

static size_t scratch_of_ops(const struct un_limits *limits) {
    static const un_cuda_scratch_need needs[] = {
        un_cuda_gemm_scratch,      un_cuda_pointwise_scratch, un_cuda_layernorm_scratch,
        un_cuda_attention_scratch, un_cuda_loss_scratch,      un_cuda_transport_scratch,
        un_cuda_reduce_scratch,    un_cuda_blas_scratch,      un_cuda_fp8_scratch,
    };
    size_t most = 0;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; ++i) {
        size_t bytes = needs[i](limits);
        if (bytes > most) most = bytes;
    }
    return most;
}

size_t un_cuda_scratch_bytes(struct un_device *d, const struct un_limits *limits) {
    (void)d;
    if (for_copies_alone(limits)) return 0;
    return scratch_of_ops(limits) + (for_products(limits) ? un_cuda_blas_workspace() : 0);
}

void un_cuda_queue_close(struct un_queue *q) {
    if (!q) return;
    un_cuda_use(q->ordinal);
    if (q->stream) {
        cudaStreamSynchronize(q->stream); /* what still runs uses the memory below */
        cudaStreamDestroy(q->stream);
    }
    if (q->blas) un_cuda_blas_close(q, q->blas);
    q->device->mem->free(q->device, q->scratch);
    un_free(q);
}

static enum un_status open_scratch(struct un_queue *q, const struct un_limits *limits) {
    q->scratch_bytes = scratch_of_ops(limits);
    q->scratch = q->device->mem->alloc(q->device, q->scratch_bytes, "scratch of the CUDA backend");
    if (!q->scratch) return UN_MEMORY;
    return for_products(limits) ? un_cuda_blas_open(q, &q->blas) : UN_OK;
}

/* The highest priority that the card knows for an urgent queue, else the one that streams have by themselves. */
static cudaError_t open_stream(cudaStream_t *stream, const struct un_limits *limits) {
    int least, greatest;
    cudaError_t error = cudaDeviceGetStreamPriorityRange(&least, &greatest);
    if (error == cudaSuccess)
        error = cudaStreamCreateWithPriority(stream, cudaStreamNonBlocking, limits->urgent ? greatest : 0);
    return error;
}

enum un_status un_cuda_queue_open(struct un_device *d, const struct un_limits *limits,
                                  struct un_queue **queue) {
    *queue = NULL;
    struct un_queue *q = un_alloc(1, sizeof *q, "queue");
    if (!q) return UN_MEMORY;
    q->device = d;
    q->ordinal = un_cuda_ordinal(d);
    q->shared_most = un_cuda_shared_most(d);
    q->last = "nothing yet";
    un_cuda_use(q->ordinal);
    enum un_status status = UN_OK;
    cudaError_t error = open_stream(&q->stream, limits);
    if (error != cudaSuccess) {
        q->stream = NULL;
        status = un_cuda_failed(q->ordinal, error, "a stream");
    }
    if (status == UN_OK && !for_copies_alone(limits)) status = open_scratch(q, limits);
    if (status != UN_OK)
        un_cuda_queue_close(q);
    else
        *queue = q;
    return status;
}

enum un_status un_cuda_queue_wait(struct un_queue *q) {
    un_cuda_use(q->ordinal);
    cudaError_t error = cudaStreamSynchronize(q->stream);
    if (error != cudaSuccess && q->error.status == UN_OK)
        un_cuda_fail(q, UN_INTERNAL, "cuda %d: %s (%s) in what was queued up to %s", q->ordinal,
                     cudaGetErrorString(error), cudaGetErrorName(error), q->last);
    return un_cuda_queue_status(q);
}

enum un_status un_cuda_queue_status(struct un_queue *q) {
    return q->error.status == UN_OK ? UN_OK : un_error_adopt(&q->error);
}

/* ---- events and copies ---- */

static enum un_status open_event(struct un_device *d, unsigned flags, struct un_event **event) {
    struct un_event *e = *event = un_alloc(1, sizeof *e, "event");
    if (!e) return UN_MEMORY;
    e->ordinal = un_cuda_ordinal(d);
    un_cuda_use(e->ordinal);
    cudaError_t error = cudaEventCreateWithFlags(&e->event, flags);
    if (error == cudaSuccess) return UN_OK;
    un_free(e);
    *event = NULL;
    return un_cuda_failed(un_cuda_ordinal(d), error, "an event");
}

enum un_status un_cuda_event_open(struct un_device *d, struct un_event **event) {
    return open_event(d, cudaEventDisableTiming, event);
}

enum un_status un_cuda_event_open_timed(struct un_device *d, struct un_event **event) {
    return open_event(d, cudaEventDefault, event);
}

void un_cuda_event_close(struct un_event *e) {
    if (!e) return;
    un_cuda_use(e->ordinal);
    cudaEventDestroy(e->event);
    un_free(e);
}

/* In a graph, events belong to its launches and are seen by other queues and the host ("external"). */
void un_cuda_event_record(struct un_event *e, struct un_queue *q) {
    un_cuda_use(q->ordinal);
    un_cuda_check(q,
                  cudaEventRecordWithFlags(e->event, q->stream,
                                           q->capturing ? cudaEventRecordExternal : cudaEventRecordDefault),
                  "event");
}

void un_cuda_queue_wait_event(struct un_queue *q, struct un_event *e) {
    un_cuda_use(q->ordinal);
    un_cuda_check(
        q,
        cudaStreamWaitEvent(q->stream, e->event, q->capturing ? cudaEventWaitExternal : cudaEventWaitDefault),
        "wait for an event");
}

enum un_status un_cuda_event_wait(struct un_event *e) {
    un_cuda_use(e->ordinal);
    cudaError_t error = cudaEventSynchronize(e->event);
    return error == cudaSuccess ? UN_OK
                                : un_cuda_failed(e->ordinal, error, "in what was queued before an event");
}

/* Never external: in a graph the event is an edge, which draws the other stream into the capture. */
static void order(struct un_queue *later, struct un_queue *first, struct un_event *e, const char *what) {
    un_cuda_use(first->ordinal);
    un_cuda_check(first, cudaEventRecord(e->event, first->stream), what);
    un_cuda_check(later, cudaStreamWaitEvent(later->stream, e->event, cudaEventWaitDefault), what);
}

void un_cuda_fork(struct un_queue *side, struct un_queue *q, struct un_event *e) {
    order(side, q, e, "fork");
    side->capturing = q->capturing;
}

void un_cuda_join(struct un_queue *q, struct un_queue *side, struct un_event *e) {
    order(q, side, e, "join");
    side->capturing = false;
}

double un_cuda_event_seconds(struct un_event *from, struct un_event *to) {
    float milliseconds = 0;
    un_cuda_use(to->ordinal);
    if (cudaEventSynchronize(to->event) != cudaSuccess ||
        cudaEventElapsedTime(&milliseconds, from->event, to->event) != cudaSuccess) {
        (void)cudaGetLastError();
        return -1;
    }
    return 1e-3 * (double)milliseconds;
}

void *un_cuda_stream(struct un_queue *q) {
    un_cuda_use(q->ordinal);
    return q->stream;
}

static void copy(struct un_queue *q, void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind) {
    if (bytes == 0) return;
    un_cuda_use(q->ordinal);
    un_cuda_check(q, cudaMemcpyAsync(dst, src, bytes, kind, q->stream), "copy");
}

void un_cuda_copy_in(struct un_queue *q, void *device_dst, const void *host_src, size_t bytes) {
    copy(q, device_dst, host_src, bytes, cudaMemcpyHostToDevice);
}

void un_cuda_copy_out(struct un_queue *q, void *host_dst, const void *device_src, size_t bytes) {
    copy(q, host_dst, device_src, bytes, cudaMemcpyDeviceToHost);
}

void un_cuda_copy(struct un_queue *q, void *device_dst, const void *device_src, size_t bytes) {
    copy(q, device_dst, device_src, bytes, cudaMemcpyDeviceToDevice);
}

/* ---- graphs and ranges ---- */

void un_cuda_graph_begin(struct un_queue *q) {
    un_cuda_use(q->ordinal);
    cudaError_t error = cudaStreamBeginCapture(q->stream, cudaStreamCaptureModeThreadLocal);
    un_cuda_check(q, error, "begin of a graph");
    q->capturing = error == cudaSuccess;
}

enum un_status un_cuda_graph_end(struct un_queue *q, struct un_graph **graph) {
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
    return error == cudaSuccess ? UN_MEMORY : un_cuda_failed(q->ordinal, error, "a step as a graph");
}

void un_cuda_graph_launch(struct un_queue *q, struct un_graph *graph) {
    un_cuda_use(q->ordinal);
    un_cuda_check(q, cudaGraphLaunch(graph->exec, q->stream), "graph");
}

void un_cuda_graph_close(struct un_graph *graph) {
    if (!graph) return;
    cudaGraphExecDestroy(graph->exec);
    un_free(graph);
}
