/* The emulated card: queues and copies, and what runtime/cuda/device.c would give to the ops. Work runs at
 * once, in the calling thread, or late (late.h). Scratch is poisoned for every op, and an op gets no more than it asked for. */
#include "tests/cards/emu/device.h"
#include "tests/cards/emu/late.h"
#include "tests/cards/emu/memory.h"
#include "tests/cards/emu/record.h"
#include "tests/cards/emu/sanitizer.h"

#include "runtime/cuda/cuda.h"

#include <stdio.h>
#include <string.h>

struct un_event {
    struct un_device *device;
};

enum { POISON = 0xFF };

static void *emu_alloc(struct un_device *d, size_t bytes, const char *what) {
    (void)d;
    return un_emu_memory_alloc(bytes, what);
}

static void emu_free(struct un_device *d, void *ptr) {
    (void)d;
    un_emu_late_drain_all();
    un_emu_memory_free(ptr);
}

static void *emu_host_alloc(struct un_device *d, size_t bytes, const char *what) {
    (void)d;
    return un_alloc(bytes ? bytes : 1, 1, what);
}

static void emu_host_free(struct un_device *d, void *ptr) {
    (void)d;
    un_emu_late_drain_all();
    un_free(ptr);
}

/* ---- queues ---- */

static size_t emu_scratch_bytes(struct un_device *d, const struct un_limits *limits) {
    (void)d;
    static const un_cuda_scratch_need needs[] = {
        un_cuda_gemm_scratch, un_cuda_pointwise_scratch, un_cuda_layernorm_scratch, un_cuda_attention_scratch,
        un_cuda_loss_scratch, un_cuda_transport_scratch, un_cuda_reduce_scratch,    un_cuda_fp8_scratch,
    };
    size_t most = 0;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; ++i) {
        const size_t bytes = needs[i](limits);
        if (bytes > most) most = bytes;
    }
    return most;
}

static enum un_status emu_queue_open(struct un_device *d, const struct un_limits *limits,
                                     struct un_queue **queue) {
    *queue = NULL;
    struct un_queue *q = un_alloc(1, sizeof *q, "queue");
    if (!q) return UN_MEMORY;
    q->device = d;
    q->stream = (cudaStream_t)q;
    q->scratch_bytes = emu_scratch_bytes(d, limits);
    q->shared_most = un_emu_shared_limit();
    q->scratch = emu_alloc(d, q->scratch_bytes, "scratch of the emulated card");
    if (!q->scratch) {
        un_free(q);
        return UN_MEMORY;
    }
    if (un_emu_late()) un_emu_late_open(q, limits->max_tokens > 0, limits->beside);
    *queue = q;
    return UN_OK;
}

static void emu_queue_close(struct un_queue *q) {
    if (!q) return;
    un_emu_late_forget(q);
    ASAN_UNPOISON_MEMORY_REGION(q->scratch, q->scratch_bytes);
    emu_free(q->device, q->scratch);
    un_free(q);
}

static enum un_status emu_queue_status(struct un_queue *q) {
    return q->error.status == UN_OK ? UN_OK : un_error_adopt(&q->error);
}

static enum un_status emu_queue_wait(struct un_queue *q) {
    un_emu_late_drain(q);
    return emu_queue_status(q);
}

static enum un_status emu_event_open(struct un_device *d, struct un_event **event) {
    *event = un_alloc(1, sizeof **event, "event");
    if (!*event) return UN_MEMORY;
    (*event)->device = d;
    return UN_OK;
}

static void emu_event_close(struct un_event *e) {
    un_emu_late_forget(e);
    un_free(e);
}

static void emu_event_record(struct un_event *e, struct un_queue *q) {
    if (un_emu_late()) un_emu_late_record(e, q);
}

static void emu_queue_wait_event(struct un_queue *q, struct un_event *e) {
    if (un_emu_late()) un_emu_late_wait_event(q, e);
}

static void emu_order(struct un_queue *later, struct un_queue *first, struct un_event *e) {
    if (un_emu_record_edge(later, first) || !un_emu_late()) return;
    un_emu_late_record(e, first);
    un_emu_late_wait_event(later, e);
}

static enum un_status emu_event_wait(struct un_event *e) {
    un_emu_late_reach(e);
    return UN_OK;
}

struct move {
    void *dst;
    const void *src;
    size_t bytes;
    int value;
};

static void run_copy(const void *data) {
    const struct move *m = data;
    un_emu_memory_show();
    if (m->bytes > 0) memmove(m->dst, m->src, m->bytes);
    un_emu_memory_hide();
}

static void run_set(const void *data) {
    const struct move *m = data;
    un_emu_memory_show();
    if (m->bytes > 0) memset(m->dst, m->value, m->bytes);
    un_emu_memory_hide();
}

static void emu_copy(struct un_queue *q, void *dst, const void *src, size_t bytes) {
    const struct move m = {dst, src, bytes, 0};
    un_emu_do(q, run_copy, &m, sizeof m);
}

/* What tests/cards/fake is given as a stream. */
static void *emu_stream(struct un_queue *q) {
    return q;
}

/* Nobody counts the emulated card's memory. */
static enum un_status emu_memory_info(struct un_device *d, size_t *free_bytes, size_t *total_bytes) {
    (void)d;
    *free_bytes = *total_bytes = 0;
    return UN_OK;
}

static void emu_trials(struct un_queue *q, struct un_trials *trials) {
    (void)q;
    *trials = (struct un_trials){0}; /* its products know one algorithm */
}

static double emu_event_seconds(struct un_event *from, struct un_event *to) {
    (void)from;
    (void)to;
    return -1; /* no clock */
}

static void emu_range_push(const char *name) {
    (void)name;
}

static void emu_range_pop(void) {}

static void emu_graph_begin(struct un_queue *q) {
    un_emu_record_begin(q);
}

static enum un_status emu_graph_end(struct un_queue *q, struct un_graph **graph) {
    (void)q;
    *graph = un_emu_record_end();
    return *graph ? UN_OK : un_fail(UN_INTERNAL, "emulated card: a graph ends before a queue is joined");
}

static void run_graph(const void *data) {
    un_emu_record_replay(*(struct un_graph *const *)data);
}

static void emu_graph_launch(struct un_queue *q, struct un_graph *graph) {
    un_emu_do(q, run_graph, &graph, sizeof graph);
}

static void emu_graph_close(struct un_graph *graph) {
    un_emu_late_drain_all();
    un_emu_record_free(graph);
}

static void emu_close(struct un_device *d) {
    un_free(d);
}

static const struct un_device_ops emu_device_ops = {
    .alloc = emu_alloc,
    .free = emu_free,
    .host_alloc = emu_host_alloc,
    .host_free = emu_host_free,
    .queue_open = emu_queue_open,
    .queue_close = emu_queue_close,
    .queue_wait = emu_queue_wait,
    .queue_status = emu_queue_status,
    .event_open = emu_event_open,
    .event_close = emu_event_close,
    .event_record = emu_event_record,
    .queue_wait_event = emu_queue_wait_event,
    .event_wait = emu_event_wait,
    .fork = emu_order,
    .join = emu_order,
    .copy_in = emu_copy,
    .copy_out = emu_copy,
    .copy = emu_copy,
    .stream = emu_stream,
    .memory_info = emu_memory_info,
    .trials = emu_trials,
    .event_open_timed = emu_event_open,
    .event_seconds = emu_event_seconds,
    .range_push = emu_range_push,
    .range_pop = emu_range_pop,
    .graph_begin = emu_graph_begin,
    .graph_end = emu_graph_end,
    .graph_launch = emu_graph_launch,
    .graph_close = emu_graph_close,
    .scratch_bytes = emu_scratch_bytes,
    .close = emu_close,
};

enum un_status un_emu_open(struct un_device **device) {
    *device = NULL;
    struct un_device *d = un_alloc(1, sizeof *d, "device");
    if (!d) return UN_MEMORY;
    d->mem = &emu_device_ops;
    d->ops = &un_cuda_ops;
    d->kind = UN_DEVICE_CUDA;
    d->host_readable = false;
    d->threads = 1;
    snprintf(d->name, sizeof d->name, "cuda, emulated");
    *device = d;
    return UN_OK;
}

/* ---- what ops call ---- */

struct grant {
    unsigned char *scratch; /* of the op, which may be called by one that keeps what stands before */
    size_t bytes, most;
};

/* An op finds poison in its scratch, and more of it than it asked for is out of reach; at each replay too. */
static void run_grant(const void *data) {
    const struct grant *g = data;
    ASAN_UNPOISON_MEMORY_REGION(g->scratch, g->most);
    un_emu_memory_show();
    memset(g->scratch, POISON, g->bytes);
    un_emu_memory_hide();
    ASAN_POISON_MEMORY_REGION(g->scratch + g->bytes, g->most - g->bytes);
}

bool un_cuda_scratch(struct un_queue *q, struct un_arena *arena, size_t bytes, const char *op) {
    if (bytes > q->scratch_bytes) {
        un_cuda_fail(q, UN_INTERNAL, "%s needs %zu bytes of scratch, its queue was opened with %zu", op,
                     bytes, q->scratch_bytes);
        return false;
    }
    const struct grant grant = {q->scratch, bytes, q->scratch_bytes};
    un_emu_do(q, run_grant, &grant, sizeof grant);
    *arena = (struct un_arena){.name = op, .base = q->scratch, .size = bytes};
    return true;
}

void un_cuda_stick(struct un_queue *q) {
    if (q->error.status == UN_OK) q->error = *un_error_get();
}

void un_cuda_check(struct un_queue *q, cudaError_t error, const char *what) {
    if (error != cudaSuccess) un_cuda_fail(q, UN_INTERNAL, "%s: %s", what, cudaGetErrorString(error));
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
    (void)kind;
    const struct move m = {dst, src, bytes, 0};
    un_emu_do(stream, run_copy, &m, sizeof m);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream) {
    const struct move m = {dst, NULL, bytes, value};
    un_emu_do(stream, run_set, &m, sizeof m);
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error) {
    return error == cudaSuccess ? "no error" : "invalid argument";
}
