/* Times one pass, forward and backward, of UNITER-base over a micro-batch of about 2,048 tokens with all
 * objectives in it and dropout on, and one update: milliseconds by op, tokens/s, TFLOP/s by un_dims_flop, and
 * the ratio to the sgemm rate (M = 1024, N = 3072, K = 768) of the same ops and threads in the same run. Run
 * by hand: bench_model [threads [passes]] With one thread its processor time is taken, which a busy machine
 * disturbs least. */
#include "model/optim.h"
#include "runtime/cores.h"
#include "runtime/device.h"
#include "runtime/restart.h"
#include "tests/support/draw.h"
#include "tests/support/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LANES = 4, SGEMM_M = 1024, SGEMM_N = 3072, SGEMM_K = 768 };

static void check(enum un_status status) {
    if (status == UN_OK) return;
    fprintf(stderr, "%s\n", un_error_get()->text);
    exit(status);
}

static int threads;

static double now(void) {
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the table of ops with a clock around every member ---- */

/* name, parameters, arguments */
#define OPS(X)                                                                                               \
    X(gemm,                                                                                                  \
      (struct un_queue * q, struct un_mat c, struct un_mat a, bool ta, struct un_mat b, bool tb, float beta, \
       const struct un_epilogue *e),                                                                         \
      (q, c, a, ta, b, tb, beta, e))                                                                         \
    X(col_sum, (struct un_queue * q, float *db, struct un_mat dy), (q, db, dy))                              \
    X(linear_grad, (struct un_queue * q, struct un_mat dw, float *db, struct un_mat dy, struct un_mat x),    \
      (q, dw, db, dy, x))                                                                                    \
    X(gelu_bwd, (struct un_queue * q, struct un_mat dz, float *db, struct un_mat dy, struct un_mat z),       \
      (q, dz, db, dy, z))                                                                                    \
    X(tanh_bwd, (struct un_queue * q, struct un_mat dz, struct un_mat dy, struct un_mat z), (q, dz, dy, z))  \
    X(relu_bwd, (struct un_queue * q, struct un_mat dz, float *db, struct un_mat dy, struct un_mat y),       \
      (q, dz, db, dy, y))                                                                                    \
    X(dropout, (struct un_queue * q, struct un_mat y, struct un_mat x, const struct un_dropout *d),          \
      (q, y, x, d))                                                                                          \
    X(add_row,                                                                                               \
      (struct un_queue * q, struct un_mat r, struct un_mat a, struct un_mat b, struct un_mat table,          \
       const int32_t *index),                                                                                \
      (q, r, a, b, table, index))                                                                            \
    X(zero, (struct un_queue * q, void *p, size_t n), (q, p, n))                                             \
    X(norm_fwd,                                                                                              \
      (struct un_queue * q, struct un_mat y, struct un_mat r, float *m, float *s, struct un_mat x,           \
       struct un_mat res, const float *g, const float *b, const struct un_dropout *d),                       \
      (q, y, r, m, s, x, res, g, b, d))                                                                      \
    X(norm_bwd,                                                                                              \
      (struct un_queue * q, struct un_mat dr, struct un_mat dx, float *dg, float *db, float *dc,             \
       struct un_mat dy, struct un_mat r, const float *m, const float *s, const float *g,                    \
       const struct un_dropout *d),                                                                          \
      (q, dr, dx, dg, db, dc, dy, r, m, s, g, d))                                                            \
    X(gather_rows, (struct un_queue * q, struct un_mat dst, struct un_mat src, const int32_t *i),            \
      (q, dst, src, i))                                                                                      \
    X(scatter_rows, (struct un_queue * q, struct un_mat dst, struct un_mat src, const int32_t *i),           \
      (q, dst, src, i))                                                                                      \
    X(scatter_add_rows, (struct un_queue * q, struct un_mat dst, struct un_mat src, const int32_t *i),       \
      (q, dst, src, i))                                                                                      \
    X(segment_add_rows,                                                                                      \
      (struct un_queue * q, struct un_mat dst, struct un_mat src, const struct un_segments *s),              \
      (q, dst, src, s))                                                                                      \
    X(embed_words,                                                                                           \
      (struct un_queue * q, struct un_mat r, const int32_t *i, const int32_t *p, struct un_mat w,            \
       struct un_mat pos, struct un_mat t, const int32_t *k),                                                \
      (q, r, i, p, w, pos, t, k))                                                                            \
    X(mask_features,                                                                                         \
      (struct un_queue * q, struct un_mat x, struct un_mat f, const int32_t *i, const uint8_t *m,            \
       const float *row),                                                                                    \
      (q, x, f, i, m, row))                                                                                  \
    X(attention_fwd,                                                                                         \
      (struct un_queue * q, struct un_mat out, float *lse, struct un_mat qkv, const struct un_layout *l,     \
       int64_t h, const struct un_dropout *d),                                                               \
      (q, out, lse, qkv, l, h, d))                                                                           \
    X(attention_bwd,                                                                                         \
      (struct un_queue * q, struct un_mat dqkv, float *dbias, struct un_mat dout, struct un_mat out,         \
       const float *lse, struct un_mat qkv, const struct un_layout *l, int64_t h,                            \
       const struct un_dropout *d),                                                                          \
      (q, dqkv, dbias, dout, out, lse, qkv, l, h, d))                                                        \
    X(cross_attention_fwd,                                                                                   \
      (struct un_queue * q, struct un_mat out, float *lse, struct un_mat x, struct un_mat kv,                \
       const struct un_layout *l, const struct un_layout *k, int64_t h, const struct un_dropout *d),         \
      (q, out, lse, x, kv, l, k, h, d))                                                                      \
    X(cross_attention_bwd,                                                                                   \
      (struct un_queue * q, struct un_mat dx, struct un_mat dkv, struct un_mat dout, struct un_mat out,      \
       const float *lse, struct un_mat x, struct un_mat kv, const struct un_layout *l,                       \
       const struct un_layout *k, int64_t h, const struct un_dropout *d),                                    \
      (q, dx, dkv, dout, out, lse, x, kv, l, k, h, d))                                                       \
    X(attention_pool_fwd,                                                                                    \
      (struct un_queue * q, struct un_mat out, float *w, struct un_mat x, const float *s,                    \
       const struct un_layout *l, const struct un_dropout *d),                                               \
      (q, out, w, x, s, l, d))                                                                               \
    X(attention_pool_bwd,                                                                                    \
      (struct un_queue * q, struct un_mat dx, float *ds, struct un_mat dout, struct un_mat x,                \
       const float *w, const struct un_layout *l, const struct un_dropout *d),                               \
      (q, dx, ds, dout, x, w, l, d))                                                                         \
    X(cross_entropy,                                                                                         \
      (struct un_queue * q, float *l, float *h, struct un_mat dx, struct un_mat x, const int32_t *t,         \
       const float *s),                                                                                      \
      (q, l, h, dx, x, t, s))                                                                                \
    X(sigmoid_cross_entropy,                                                                                 \
      (struct un_queue * q, float *l, float *h, struct un_mat dx, struct un_mat x, struct un_mat t,          \
       const int32_t *r, const float *s),                                                                    \
      (q, l, h, dx, x, t, r, s))                                                                             \
    X(segment_cross_entropy,                                                                                 \
      (struct un_queue * q, float *l, float *h, float *dx, const float *x, const int32_t *first,             \
       const int32_t *t, int64_t n, int64_t members, const float *s),                                        \
      (q, l, h, dx, x, first, t, n, members, s))                                                             \
    X(margin_rank,                                                                                           \
      (struct un_queue * q, float *l, float *h, float *dx, const float *x, const int32_t *first,             \
       const int32_t *t, const int32_t *w, int64_t n, int64_t members, float margin, const float *s),        \
      (q, l, h, dx, x, first, t, w, n, members, margin, s))                                                  \
    X(kl_divergence,                                                                                         \
      (struct un_queue * q, float *l, float *h, float *u, struct un_mat dx, struct un_mat x,                 \
       struct un_mat t, const float *s),                                                                     \
      (q, l, h, u, dx, x, t, s))                                                                             \
    X(squared_error,                                                                                         \
      (struct un_queue * q, float *l, float *u, struct un_mat dx, struct un_mat x, struct un_mat f,          \
       const int32_t *r, const float *s),                                                                    \
      (q, l, u, dx, x, f, r, s))                                                                             \
    X(transport_fwd,                                                                                         \
      (struct un_queue * q, float *d, float *p, float *c, struct un_mat x, const struct un_pairs *pairs,     \
       const struct un_transport *how),                                                                      \
      (q, d, p, c, x, pairs, how))                                                                           \
    X(transport_bwd,                                                                                         \
      (struct un_queue * q, struct un_mat dx, const float *coef, const float *p, const float *c,             \
       struct un_mat x, const struct un_pairs *pairs),                                                       \
      (q, dx, coef, p, c, x, pairs))                                                                         \
    X(square_sums, (struct un_queue * q, double *p, const float *g, int64_t n), (q, p, g, n))                \
    X(clip_factor, (struct un_queue * q, float *out, const double *p, int64_t n, float m),                   \
      (q, out, p, n, m))                                                                                     \
    X(adamw,                                                                                                 \
      (struct un_queue * q, float *p, void *low, float *m, float *v, const float *g, const uint8_t *d,       \
       int64_t n, const struct un_adamw *how, const float *clip, const float *finite),                       \
      (q, p, low, m, v, g, d, n, how, clip, finite))

enum op {
#define OP_ENUM(name, params, args) OP_##name,
    OPS(OP_ENUM)
#undef OP_ENUM
        OP_COUNT
};
static const char *const op_names[OP_COUNT] = {
#define OP_NAME(name, params, args) #name,
    OPS(OP_NAME)
#undef OP_NAME
};

static const struct un_ops *plain; /* the backend's own table */
static double op_seconds[OP_COUNT];

#define OP_TIMED(name, params, args)                                                                         \
    static void timed_##name params {                                                                        \
        double start = now();                                                                                \
        plain->name args;                                                                                    \
        op_seconds[OP_##name] += now() - start;                                                              \
    }
OPS(OP_TIMED)
#undef OP_TIMED

static struct un_ops timed_table(const struct un_ops *ops) {
    struct un_ops table = *ops;
#define OP_SET(name, params, args) table.name = timed_##name;
    OPS(OP_SET)
#undef OP_SET
    return table;
}

/* ---- the micro-batch ---- */

enum { SAMPLES = 36 };

/* 36 samples of 17 words and 39 regions; objectives as in the authors' mix for COCO (6 itm, 8 mlm, 4 mrfr, 4
 * mrckl), 15 % masked. */
static void wish_all(struct wish *wishes) {
    static const enum un_objective mix[] = {UN_MLM, UN_ITM, UN_MLM,  UN_MRFR, UN_MRCKL, UN_MLM,
                                            UN_ITM, UN_MLM, UN_MRFR, UN_ITM,  UN_MRCKL};
    for (int s = 0; s < SAMPLES; ++s) {
        enum un_objective t = mix[s % 11];
        wishes[s] = (struct wish){t, 17, 39, t == UN_MLM ? 2 : 6};
    }
}

static struct un_work work_of(const struct un_batch *b) {
    struct un_work w = {.tokens = b->tokens,
                        .words = b->words,
                        .regions = b->regions,
                        .mlm = b->rows[UN_MLM].n,
                        .mrfr = b->rows[UN_MRFR].n,
                        .mrc = b->rows[UN_MRC].n + b->rows[UN_MRCKL].n,
                        .pairs = b->rows[UN_ITM].n};
    for (int64_t s = 0; s < b->samples; ++s) {
        int64_t n = b->start[s + 1] - b->start[s];
        w.sum_sq += n * n;
    }
    return w;
}

struct bench {
    struct net net;
    struct drawn drawn;
    struct packed batch;
    struct un_optim optim;
    struct un_ops ops;
};

static void open_bench(struct bench *b) {
    struct un_model_setup setup = {.train = true,
                                   .wra = {.solver = UN_SOLVER_IPOT, .iterations = 50, .beta = 0.5f}};
    struct factors factors = {{0.36, 0.18, 0, 0.18, 0.27}, 0.1};
    struct wish wishes[SAMPLES];
    setup.dims =
        (struct un_dims){.vocab_size = 28996, .img_dim = 2048, .img_label_dim = 1601, .dropout = 0.1};
    check(un_dims_resolve(&setup.dims, 1));
    wish_all(wishes);
    draw_samples(&b->drawn, &setup.dims, wishes, SAMPLES, 1);
    samples_caps(&setup.caps, b->drawn.list, SAMPLES, 28996, 2048, 1601);
    check(net_open(&b->net, "cpu", threads, &setup));
    check(samples_pack(&b->batch, b->net.device, b->net.q, &setup.caps, b->drawn.list, SAMPLES, &factors));
    check(un_optim_open(&b->optim, b->net.device, b->net.q, b->net.table, b->net.table->total, 1));
    un_params_init(b->net.table, b->net.params, 1, 0.02f);
    plain = b->net.device->ops;
    b->ops = timed_table(plain);
    b->net.device->ops = &b->ops;
}

static void close_bench(struct bench *b) {
    un_optim_close(&b->optim, b->net.device);
    packed_close(&b->batch);
    drawn_free(&b->drawn);
    net_close(&b->net);
}

/* FLOP/s of the best of some products through the table. */
static double sgemm_rate(struct bench *b) {
    int64_t sizes = SGEMM_M * SGEMM_K + SGEMM_N * SGEMM_K + SGEMM_M * SGEMM_N;
    float *data = un_alloc((size_t)sizes, sizeof *data, "sgemm");
    double best = 1e9;
    if (!data) exit(UN_MEMORY);
    for (int64_t i = 0; i < sizes; ++i) data[i] = (float)(i % 17) - 8;
    struct un_mat x = un_mat32(data, SGEMM_M, SGEMM_K),
                  w = un_mat32(data + SGEMM_M * SGEMM_K, SGEMM_N, SGEMM_K);
    struct un_mat y = un_mat32(data + SGEMM_M * SGEMM_K + SGEMM_N * SGEMM_K, SGEMM_M, SGEMM_N);
    for (int i = 0; i < 30; ++i) {
        double start = now();
        plain->gemm(b->net.q, y, x, false, w, true, 0, NULL);
        double took = now() - start;
        if (took < best) best = took;
    }
    un_free(data);
    return 2.0 * SGEMM_M * SGEMM_N * SGEMM_K / best;
}

static void report(const struct bench *b, double pass, double update, int passes, double rate) {
    struct un_work work = work_of(&b->batch.host);
    double flop = un_dims_flop(&b->net.setup.dims, &work), tokens = (double)work.tokens;
    double step = LANES * pass + update;
    for (int i = 0; i < OP_COUNT; ++i)
        if (op_seconds[i] > 0)
            printf("%-18s %9.2f ms a pass %6.2f %%\n", op_names[i], 1e3 * op_seconds[i] / passes,
                   100 * op_seconds[i] / (pass * passes));
    printf("%s, %d threads; %.0f tokens, %.1f MFLOP a token\n", b->net.device->name, threads, tokens,
           flop / tokens * 1e-6);
    printf("sgemm %.1f GFLOP/s\n", rate * 1e-9);
    printf("pass  %.1f ms, %.0f tokens/s, %.1f GFLOP/s, %.3f of sgemm\n", pass * 1e3, tokens / pass,
           flop / pass * 1e-9, flop / pass / rate);
    printf("step of %d passes and an update of %.1f ms: %.0f tokens/s, %.3f of sgemm\n", LANES, update * 1e3,
           LANES * tokens / step, LANES * flop / step / rate);
}

int main(int argc, char **argv) {
    struct bench b = {0};
    double pass = 0, update = 0;
    un_restart_prepare(argv);
    threads = argc > 1 ? atoi(argv[1]) : un_cores_count();
    int passes = argc > 2 ? atoi(argv[2]) : 3;
    struct un_optim_keys keys = {.lr = 5e-5,
                                 .betas = {0.9, 0.98},
                                 .eps = 1e-6,
                                 .weight_decay = 0.01,
                                 .grad_norm = 5,
                                 .warmup_steps = 10};
    open_bench(&b);
    check(net_run(&b.net, &b.batch, true, true));
    double rate = sgemm_rate(&b);
    for (int i = 0; i < OP_COUNT; ++i) op_seconds[i] = 0;
    for (int i = 0; i < passes; ++i) {
        double start = now();
        check(un_model_pass(b.net.model, b.net.q, &b.batch.device, b.net.params, NULL, b.net.grads, true,
                            &b.net.out, NULL));
        check(b.net.device->mem->queue_wait(b.net.q));
        double middle = now();
        pass += (middle - start) / passes;
        un_optim_update(&b.optim, b.net.device, b.net.q, b.net.params, b.net.grads, &keys, i + 1, 100);
        check(b.net.device->mem->queue_wait(b.net.q));
        update += (now() - middle) / passes;
    }
    double after = sgemm_rate(&b);
    report(&b, pass, update, passes, after > rate ? after : rate);
    close_bench(&b);
    return 0;
}
