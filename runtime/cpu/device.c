/* The CPU backend: its two tables, memory, queues and copies. Work runs at once in the calling thread and its
 * OpenMP team, so events have nothing to wait for. An op's error sticks to its queue until queue_wait returns
 * it. */
#include "runtime/backends.h"
#include "runtime/clock.h"
#include "runtime/cores.h"
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/product.h"

#include <stdio.h>
#include <string.h>

struct un_event {
    struct un_device *device; /* what was recorded has already run */
    double seconds;           /* when */
};

static void *cpu_alloc(struct un_device *d, size_t bytes, const char *what) {
    (void)d;
    return un_alloc(bytes ? bytes : 1, 1, what);
}

static void cpu_free(struct un_device *d, void *ptr) {
    (void)d;
    un_free(ptr);
}

static size_t cpu_scratch_bytes(struct un_device *d, const struct un_limits *limits) {
    static const un_cpu_scratch_need needs[] = {
        un_cpu_layernorm_scratch, un_cpu_attention_scratch, un_cpu_loss_scratch,
        un_cpu_product_scratch,   un_cpu_transport_scratch, un_cpu_fp8_scratch,
    };
    size_t most = 0;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; ++i) {
        size_t bytes = needs[i](limits, d->threads);
        if (bytes > most) most = bytes;
    }
    return most;
}

static enum un_status cpu_queue_open(struct un_device *d, const struct un_limits *limits,
                                     struct un_queue **queue) {
    enum un_status status = UN_OK;
    *queue = NULL;
    struct un_queue *q = un_alloc(1, sizeof *q, "queue");
    if (!q) return UN_MEMORY;
    q->device = d;
    q->threads = d->threads;
    q->kernel = d->state;
    q->scratch_bytes = cpu_scratch_bytes(d, limits);
    q->scratch = un_alloc(q->scratch_bytes + UN_ALIGN, 1, "scratch of the CPU backend");
    if (!q->scratch) {
        status = UN_MEMORY;
        un_free(q);
        return status;
    }
    *queue = q;
    return status;
}

static void cpu_queue_close(struct un_queue *q) {
    if (!q) return;
    un_free(q->scratch);
    un_free(q);
}

static enum un_status cpu_queue_wait(struct un_queue *q) {
    return q->error.status == UN_OK ? UN_OK : un_error_adopt(&q->error);
}

static enum un_status cpu_event_open(struct un_device *d, struct un_event **event) {
    *event = un_alloc(1, sizeof **event, "event");
    if (!*event) return UN_MEMORY;
    (*event)->device = d;
    return UN_OK;
}

static void cpu_event_close(struct un_event *e) {
    un_free(e);
}

static void cpu_event_record(struct un_event *e, struct un_queue *q) {
    (void)q;
    e->seconds = un_clock();
}

static void cpu_queue_wait_event(struct un_queue *q, struct un_event *e) {
    (void)q;
    (void)e;
}

/* One after the other as they are queued. */
static void cpu_fork_join(struct un_queue *to, struct un_queue *from, struct un_event *e) {
    (void)to;
    (void)from;
    (void)e;
}

static enum un_status cpu_event_wait(struct un_event *e) {
    (void)e;
    return UN_OK;
}

static void *cpu_stream(struct un_queue *q) {
    (void)q;
    return NULL;
}

static void cpu_copy(struct un_queue *q, void *dst, const void *src, size_t bytes) {
    (void)q;
    if (bytes > 0 && dst != src) memcpy(dst, src, bytes);
}

static enum un_status cpu_memory_info(struct un_device *d, size_t *free_bytes, size_t *total_bytes) {
    (void)d;
    *free_bytes = *total_bytes = 0;
    return UN_OK;
}

static void cpu_trials(struct un_queue *q, struct un_trials *trials) {
    (void)q;
    *trials = (struct un_trials){0};
}

static double cpu_event_seconds(struct un_event *from, struct un_event *to) {
    return to->seconds - from->seconds;
}

static void cpu_range_push(const char *name) {
    (void)name;
}

static void cpu_range_pop(void) {}

static void name_device(struct un_device *d) {
    char blas[80];
    const struct un_product_kernel *kernel = d->state;
    un_cpu_blas_name(blas, sizeof blas);
    snprintf(d->name, sizeof d->name, "cpu, %d thread%s, %s; bf16: %s", d->threads,
             d->threads == 1 ? "" : "s", blas, kernel->name);
}

static enum un_status cpu_use_kernel(struct un_device *d, const char *name) {
    const struct un_product_kernel *kernel = un_product_best();
    if (strcmp(name, "auto") != 0) UN_TRY(un_product_find(name, &kernel));
    d->state = (void *)(uintptr_t)kernel;
    name_device(d);
    return UN_OK;
}

static void cpu_close(struct un_device *d) {
    un_free(d);
}

static const struct un_device_ops cpu_device_ops = {
    .alloc = cpu_alloc,
    .free = cpu_free,
    .host_alloc = cpu_alloc,
    .host_free = cpu_free,
    .queue_open = cpu_queue_open,
    .queue_close = cpu_queue_close,
    .queue_wait = cpu_queue_wait,
    .queue_status = cpu_queue_wait,
    .event_open = cpu_event_open,
    .event_close = cpu_event_close,
    .event_record = cpu_event_record,
    .queue_wait_event = cpu_queue_wait_event,
    .event_wait = cpu_event_wait,
    .fork = cpu_fork_join,
    .join = cpu_fork_join,
    .stream = cpu_stream,
    .copy_in = cpu_copy,
    .copy_out = cpu_copy,
    .copy = cpu_copy,
    .scratch_bytes = cpu_scratch_bytes,
    .memory_info = cpu_memory_info,
    .trials = cpu_trials,
    .event_open_timed = cpu_event_open,
    .event_seconds = cpu_event_seconds,
    .range_push = cpu_range_push,
    .range_pop = cpu_range_pop,
    .place_threads = un_cpu_place_threads,
    .library_bytes = un_cpu_library_bytes,
    .take_libraries = un_cpu_take_libraries,
    .use_kernel = cpu_use_kernel,
    .close = cpu_close,
};

static const struct un_ops cpu_ops = {
    .gemm = un_cpu_gemm,
    .col_sum = un_cpu_col_sum,
    .linear_grad = un_cpu_linear_grad,
    .quantize = un_cpu_quantize,
    .gemm_fp8 = un_cpu_gemm_fp8,
    .gelu_bwd_fp8 = un_cpu_gelu_bwd_fp8,
    .norm_fwd_fp8 = un_cpu_norm_fwd_fp8,
    .norm_bwd_fp8 = un_cpu_norm_bwd_fp8,
    .attention_fwd_fp8 = un_cpu_attention_fwd_fp8,
    .attention_bwd_fp8 = un_cpu_attention_bwd_fp8,
    .gelu_bwd = un_cpu_gelu_bwd,
    .tanh_bwd = un_cpu_tanh_bwd,
    .relu_bwd = un_cpu_relu_bwd,
    .dropout = un_cpu_dropout,
    .add_row = un_cpu_add_row,
    .add = un_cpu_add,
    .zero = un_cpu_zero,
    .cast = un_cpu_cast,
    .norm_fwd = un_cpu_norm_fwd,
    .norm_bwd = un_cpu_norm_bwd,
    .norm_scatter_fwd = un_cpu_norm_scatter_fwd,
    .norm_gather_bwd = un_cpu_norm_gather_bwd,
    .gather_rows = un_cpu_gather_rows,
    .scatter_rows = un_cpu_scatter_rows,
    .scatter_add_rows = un_cpu_scatter_add_rows,
    .segment_add_rows = un_cpu_segment_add_rows,
    .embed_words = un_cpu_embed_words,
    .mask_features = un_cpu_mask_features,
    .patches = un_cpu_patches,
    .max_pool = un_cpu_max_pool,
    .region_pool = un_cpu_region_pool,
    .add_relu = un_cpu_add_relu,
    .mean_rows = un_cpu_mean_rows,
    .attention_fwd = un_cpu_attention_fwd,
    .attention_bwd = un_cpu_attention_bwd,
    .cross_attention_fwd = un_cpu_cross_attention_fwd,
    .cross_attention_bwd = un_cpu_cross_attention_bwd,
    .attention_pool_fwd = un_cpu_attention_pool_fwd,
    .attention_pool_bwd = un_cpu_attention_pool_bwd,
    .cross_entropy = un_cpu_cross_entropy,
    .sigmoid_cross_entropy = un_cpu_sigmoid_cross_entropy,
    .segment_cross_entropy = un_cpu_segment_cross_entropy,
    .margin_rank = un_cpu_margin_rank,
    .kl_divergence = un_cpu_kl_divergence,
    .squared_error = un_cpu_squared_error,
    .transport_fwd = un_cpu_transport_fwd,
    .transport_bwd = un_cpu_transport_bwd,
    .square_sums = un_cpu_square_sums,
    .check_finite = un_cpu_check_finite,
    .clip_factor = un_cpu_clip_factor,
    .adamw = un_cpu_adamw,
};

enum un_status un_cpu_open(int threads, struct un_device **device) {
    *device = NULL;
    struct un_device *d = un_alloc(1, sizeof *d, "device");
    if (!d) return UN_MEMORY;
    un_cpu_blas_single();
    d->mem = &cpu_device_ops;
    d->ops = &cpu_ops;
    d->kind = UN_DEVICE_CPU;
    d->host_readable = d->any_shape = true;
    d->threads = threads > 0 ? threads : un_cores_count();
    d->state = (void *)(uintptr_t)un_product_best();
    d->quick_bf16 = un_product_best()->element < (int)sizeof(float);
    name_device(d);
    *device = d;
    return UN_OK;
}
