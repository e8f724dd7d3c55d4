/* Times attention, the word-region alignment and the losses at UNITER-base shapes, beside the matrix products
 * measured in the same run. Not a test: nothing here passes or fails.
 *
 *     bench_attention [THREADS]        0 or nothing: all cores this process may use */
#include "runtime/memory.h"
#include "runtime/ops.h"
#include "runtime/restart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    TOKENS = 2048,
    HIDDEN = 768,
    HEADS = 12,
    LAYERS = 12,
    PAIRS = 256,
    WORDS = 24,
    REGIONS = 50,
    VOCAB = 28996,
    CLASSES = 1601,
    REPEATS = 9
};

struct bench {
    struct un_device *device;
    struct un_queue *q;
    const struct un_ops *ops;
    double sgemm; /* GFLOP/s */
};

typedef void (*work)(struct bench *b, void *context);

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of the fastest of REPEATS runs: the others were disturbed. */
static double seconds(struct bench *b, work run, void *context) {
    double best = INFINITY;
    for (int i = 0; i < REPEATS; ++i) {
        const double start = now();
        run(b, context);
        b->device->mem->queue_wait(b->q);
        best = fmin(best, now() - start);
    }
    return best;
}

static float *numbers(struct bench *b, int64_t count, float low, float high) {
    float *x = b->device->mem->alloc(b->device, (size_t)count * sizeof *x, "bench");
    if (!x) exit(71);
    for (int64_t i = 0; i < count; ++i) {
        struct un_rng4 r = un_rng(1, UN_RNG_BENCH, 0, 0, 0, (uint32_t)(i / 4));
        x[i] = low + (high - low) * un_rng_unit(r.v[i % 4]);
    }
    return x;
}

/* ---- matrix products ---- */

struct product {
    struct un_mat c, a, w;
};

static void run_product(struct bench *b, void *context) {
    struct product *p = context;
    b->ops->gemm(b->q, p->c, p->a, false, p->w, true, 0.0f, NULL);
}

static void bench_product(struct bench *b) {
    enum { M = 1024, N = 3072, K = 768 };
    struct product p = {un_mat32(numbers(b, (int64_t)M * N, 0, 0), M, N),
                        un_mat32(numbers(b, (int64_t)M * K, -1, 1), M, K),
                        un_mat32(numbers(b, (int64_t)N * K, -1, 1), N, K)};
    b->sgemm = 2e-9 * M * N * K / seconds(b, run_product, &p);
    printf("sgemm %d x %d x %d: %.1f GFLOP/s\n", M, N, K, b->sgemm);
    b->device->mem->free(b->device, p.c.data);
    b->device->mem->free(b->device, p.a.data);
    b->device->mem->free(b->device, p.w.data);
}

/* ---- attention ---- */

struct attention {
    struct un_mat qkv, dqkv, out, dout;
    float *lse;
    struct un_layout layout;
    struct un_dropout drop;
};

static void run_forward(struct bench *b, void *context) {
    struct attention *a = context;
    b->ops->attention_fwd(b->q, a->out, a->lse, a->qkv, &a->layout, HEADS, &a->drop);
}

static void run_backward(struct bench *b, void *context) {
    struct attention *a = context;
    b->ops->attention_bwd(b->q, a->dqkv, NULL, a->dout, a->out, a->lse, a->qkv, &a->layout, HEADS, &a->drop);
}

/* Samples of `mean` - mean/3 ... mean + mean/3 tokens until TOKENS are full. */
static struct un_layout cut(int32_t *start, int32_t mean) {
    struct un_layout l = {.start = start, .tokens = TOKENS};
    start[0] = 0;
    while (start[l.samples] < TOKENS) {
        const struct un_rng4 r = un_rng(2, UN_RNG_BENCH, 0, 0, (uint32_t)l.samples, 0);
        int32_t n = mean - mean / 3 + (int32_t)un_rng_below(r.v[0], (uint32_t)(2 * (mean / 3) + 1));
        if (n > TOKENS - start[l.samples]) n = TOKENS - start[l.samples];
        start[l.samples + 1] = start[l.samples] + n;
        if (n > l.longest) l.longest = n;
        ++l.samples;
    }
    return l;
}

static const uint32_t step_and_lane[2] = {1, 0};

static void bench_attention(struct bench *b, int32_t mean) {
    static int32_t start[TOKENS + 1];
    struct attention a = {
        .qkv = un_mat32(numbers(b, TOKENS * 3 * HIDDEN, -1, 1), TOKENS, 3 * HIDDEN),
        .dqkv = un_mat32(numbers(b, TOKENS * 3 * HIDDEN, 0, 0), TOKENS, 3 * HIDDEN),
        .out = un_mat32(numbers(b, TOKENS * HIDDEN, 0, 0), TOKENS, HIDDEN),
        .dout = un_mat32(numbers(b, TOKENS * HIDDEN, -1, 1), TOKENS, HIDDEN),
        .lse = numbers(b, TOKENS * HEADS, 0, 0),
        .layout = cut(start, mean),
        .drop = {.seed = 1, .at = step_and_lane, .threshold = 6554, .scale = 65536.0f / (65536 - 6554)}};
    const double forward = seconds(b, run_forward, &a), backward = seconds(b, run_backward, &a);
    double squares = 0.0;
    for (int64_t s = 0; s < a.layout.samples; ++s) squares += pow(start[s + 1] - start[s], 2);
    const double flop = 2.0 * squares * HIDDEN; /* one product of all heads; 2 forward, 5 backward */
    /* the other products of a layer: 4 H^2 and 2 H 4H weights, forward and twice that backward */
    const double rest = 6.0 * 12.0 * HIDDEN * HIDDEN * TOKENS / (1e9 * b->sgemm);
    printf("attention, %d tokens in %d samples (longest %d), dropout 0.1: forward %.2f ms (%.0f GFLOP/s), "
           "backward %.2f ms (%.0f GFLOP/s); %d layers %.0f ms = %.1f %% of the layers' other products\n",
           TOKENS, (int)a.layout.samples, (int)a.layout.longest, 1e3 * forward, 2e-9 * flop / forward,
           1e3 * backward, 5e-9 * flop / backward, LAYERS, 1e3 * LAYERS * (forward + backward),
           100.0 * (forward + backward) / rest);
    a.drop.threshold = 0;
    printf("    without dropout: forward %.2f ms, backward %.2f ms\n", 1e3 * seconds(b, run_forward, &a),
           1e3 * seconds(b, run_backward, &a));
    b->device->mem->free(b->device, a.qkv.data);
    b->device->mem->free(b->device, a.dqkv.data);
    b->device->mem->free(b->device, a.out.data);
    b->device->mem->free(b->device, a.dout.data);
    b->device->mem->free(b->device, a.lse);
}

/* ---- word-region alignment ---- */

struct alignment {
    struct un_mat x, dx;
    float *distance, *plan, *cost, *coef;
    struct un_pairs pairs;
    struct un_transport how;
};

static void run_transport(struct bench *b, void *context) {
    struct alignment *a = context;
    b->ops->transport_fwd(b->q, a->distance, a->plan, a->cost, a->x, &a->pairs, &a->how);
}

static void run_transport_back(struct bench *b, void *context) {
    struct alignment *a = context;
    b->ops->transport_bwd(b->q, a->dx, a->coef, a->plan, a->cost, a->x, &a->pairs);
}

static void bench_transport(struct bench *b) {
    static int32_t first[PAIRS], words[PAIRS], regions[PAIRS], plan_start[PAIRS + 1];
    const int64_t tokens = PAIRS * (WORDS + REGIONS), plan = PAIRS * WORDS * REGIONS;
    for (int32_t i = 0; i < PAIRS; ++i) {
        first[i] = i * (WORDS + REGIONS);
        words[i] = WORDS;
        regions[i] = REGIONS;
        plan_start[i + 1] = (i + 1) * WORDS * REGIONS;
    }
    struct alignment a = {.x = un_mat32(numbers(b, tokens * HIDDEN, -1, 1), tokens, HIDDEN),
                          .dx = un_mat32(numbers(b, tokens * HIDDEN, 0, 0), tokens, HIDDEN),
                          .distance = numbers(b, PAIRS, 0, 0),
                          .plan = numbers(b, plan, 0, 0),
                          .cost = numbers(b, plan, 0, 0),
                          .coef = numbers(b, PAIRS, 1, 1),
                          .pairs = {first, words, regions, plan_start, PAIRS, WORDS, REGIONS},
                          .how = {.iterations = 50, .beta = 0.5f, .epsilon = 0.1f}};
    const double ipot = seconds(b, run_transport, &a), back = seconds(b, run_transport_back, &a);
    a.how.iterations = 0;
    const double cost = seconds(b, run_transport, &a);
    a.how =
        (struct un_transport){.solver = UN_SOLVER_SINKHORN, .iterations = 100, .beta = 0.5f, .epsilon = 0.1f};
    const double sinkhorn = seconds(b, run_transport, &a);
    const double product = 2e-9 * PAIRS * WORDS * REGIONS * HIDDEN;
    printf("transport, %d pairs %d x %d, H %d: costs %.2f ms (%.0f GFLOP/s, %.2f of sgemm), ipot %.2f ms, "
           "sinkhorn (100) "
           "%.2f ms, backward %.2f ms (%.0f GFLOP/s)\n",
           PAIRS, WORDS, REGIONS, HIDDEN, 1e3 * cost, product / cost, product / cost / b->sgemm,
           1e3 * (ipot - cost), 1e3 * (sinkhorn - cost), 1e3 * back, 2 * product / back);
    /* a base step costs about 523 MFLOP a token */
    printf("    ipot with costs and backward: %.2f %% of a step of these %d tokens at sgemm rate\n",
           100.0 * (ipot + back) * b->sgemm / (0.523 * (double)tokens), (int)tokens);
    void *all[] = {a.x.data, a.dx.data, a.distance, a.plan, a.cost, a.coef};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) b->device->mem->free(b->device, all[i]);
}

/* ---- losses ---- */

struct loss {
    struct un_mat logits, soft;
    float *row_loss, *hit, *scale;
    int32_t *target;
};

static void run_cross_entropy(struct bench *b, void *context) {
    struct loss *l = context;
    b->ops->cross_entropy(b->q, l->row_loss, l->hit, l->logits, l->logits, l->target, l->scale);
}

static void run_kl(struct bench *b, void *context) {
    struct loss *l = context;
    b->ops->kl_divergence(b->q, l->row_loss, l->hit, NULL, l->logits, l->logits, l->soft, l->scale);
}

static void bench_losses(struct bench *b) {
    enum { ROWS = 128 };
    int32_t target[ROWS];
    for (int i = 0; i < ROWS; ++i) target[i] = i;
    struct loss l = {.logits = un_mat32(numbers(b, (int64_t)ROWS * VOCAB, -3, 3), ROWS, VOCAB),
                     .soft = un_mat32(numbers(b, (int64_t)ROWS * CLASSES, 0, 1.0f / CLASSES), ROWS, CLASSES),
                     .row_loss = numbers(b, ROWS, 0, 0),
                     .hit = numbers(b, ROWS, 0, 0),
                     .scale = numbers(b, 1, 1, 1),
                     .target = target};
    const double cross = seconds(b, run_cross_entropy, &l);
    l.logits.cols = l.logits.stride = CLASSES;
    printf("cross-entropy %d x %d with gradient: %.2f ms; kl %d x %d: %.2f ms\n", ROWS, VOCAB, 1e3 * cross,
           ROWS, CLASSES, 1e3 * seconds(b, run_kl, &l));
    void *all[] = {l.logits.data, l.soft.data, l.row_loss, l.hit, l.scale};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) b->device->mem->free(b->device, all[i]);
}

int main(int argc, char **argv) {
    un_restart_prepare(argv);
    const struct un_limits limits = {.max_tokens = PAIRS * (WORDS + REGIONS),
                                     .max_samples = TOKENS,
                                     .max_width = VOCAB,
                                     .max_heads = HEADS,
                                     .max_params = 1};
    struct bench b = {0};
    if (un_device_open("cpu", argc > 1 ? atoi(argv[1]) : 0, 0, &b.device) != UN_OK ||
        b.device->mem->queue_open(b.device, &limits, &b.q) != UN_OK) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        return 70;
    }
    b.ops = b.device->ops;
    printf("%s\n", b.device->name);
    bench_product(&b);
    bench_attention(&b, 56);
    bench_attention(&b, 130);
    bench_transport(&b);
    bench_losses(&b);
    b.device->mem->queue_close(b.q);
    un_device_close(b.device);
    return 0;
}
