/* --bench (bench.h). */
#include "launch/train/bench.h"

#include "launch/job/sizes.h"
#include "launch/train/mine.h"
#include "launch/train/rate.h"
#include "launch/train/step.h"
#include "runtime/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Where products are tried: steps without a new one before the first that counts, and when not to wait longer. */
enum { BENCH_WARMUP = 1, BENCH_QUIET = 3, BENCH_WARMUP_MOST = 60, BENCH_REPEAT = 8 };

/* Operands of the measured product, on the device: c [m,n] = a [m,k] b [k,n], in the type of the training's
 * products. A card needs larger ones, and many at once, to show what it can. */
struct yardstick {
    const char *name;
    int64_t m, n, k, at_once;
    enum un_type type;
    struct un_rate_product product;
};

static struct yardstick yardstick_for(const struct un_job *job) {
    const bool low = un_job_model_setup(job).act == UN_BF16;
    if (job->device->kind == UN_DEVICE_CPU)
        return (struct yardstick){.name = low ? "bf16 gemm" : "sgemm",
                                  .m = 1024,
                                  .n = 3072,
                                  .k = 768,
                                  .at_once = 1,
                                  .type = low ? UN_BF16 : UN_F32};
    /* as many at once as take some ten milliseconds: 1.1 TFLOP each, at about 790, 400 and 50 TFLOP/s */
    struct yardstick y = {.name = "sgemm", .m = 8192, .n = 8192, .k = 8192, .at_once = 1, .type = UN_F32};
    if (low)
        y.name = "bf16 gemm", y.type = UN_BF16, y.at_once = 10;
    else if (job->config.train.precision == UN_PRECISION_TF32)
        y.name = "tf32 gemm", y.at_once = 5;
    return y;
}

/* Random numbers: zeros are multiplied faster on some chips. */
static enum un_status fill(struct un_job *job, float *host, uint32_t which, struct un_mat out) {
    struct un_device *d = job->device;
    int64_t count = out.rows * out.cols;
    for (int64_t i = 0; i < count; ++i)
        host[i] = un_rng_unit(un_rng(1, UN_RNG_BENCH, 0, 0, which, (uint32_t)i).v[0]) - 0.5f;
    if (out.type == UN_F32) {
        d->mem->copy_in(job->queue, out.data, host, (size_t)count * sizeof(float));
        return d->mem->queue_wait(job->queue);
    }
    void *wide = d->mem->alloc(d, (size_t)count * sizeof(float), "operands of the benchmark");
    if (!wide) return un_error_get()->status;
    d->mem->copy_in(job->queue, wide, host, (size_t)count * sizeof(float));
    d->ops->cast(job->queue, out.data, out.type, wide, UN_F32, count);
    enum un_status status = d->mem->queue_wait(job->queue);
    d->mem->free(d, wide);
    return status;
}

static enum un_status random_matrix(struct un_job *job, int64_t rows, int64_t cols, enum un_type type,
                                    uint32_t which, struct un_mat *out) {
    size_t bytes = (size_t)(rows * cols * un_type_bytes(type));
    float *host = un_alloc((size_t)(rows * cols), sizeof(float), "operands of the benchmark");
    if (!host) return un_error_get()->status;
    *out = un_mat(job->device->mem->alloc(job->device, bytes, "operands of the benchmark"), type, rows, cols);
    enum un_status status = out->data ? fill(job, host, which, *out) : un_error_get()->status;
    un_free(host);
    return status;
}

static enum un_status yardstick_open(struct un_job *job, struct yardstick *y) {
    struct un_rate_product *p = &y->product;
    p->at_once = y->at_once;
    UN_TRY(random_matrix(job, y->m, y->k, y->type, 0, &p->a));
    UN_TRY(random_matrix(job, y->k, y->n, y->type, 1, &p->b));
    return random_matrix(job, y->m, y->n, y->type, 2, &p->c);
}

static void yardstick_close(struct un_job *job, struct yardstick *y) {
    job->device->mem->free(job->device, y->product.a.data);
    job->device->mem->free(job->device, y->product.b.data);
    job->device->mem->free(job->device, y->product.c.data);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v, int64_t n) {
    qsort(v, (size_t)n, sizeof *v, compare);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Over all timed steps; the arrays have one element a step. */
struct sums {
    double seconds[UN_PHASE_COUNT], comm, total, flop, tokens;
    double *yardstick, *model, *ratio, *tokens_rate; /* FLOP/s, FLOP/s, their ratio, tokens/s */
    double *median;                                  /* room */
};

static struct un_trials trials_of(const struct un_job *job) {
    struct un_trials trials = {0};
    job->device->mem->trials(job->queue, &trials);
    un_model_trials(job->model, &trials);
    return trials;
}

/* One step to its end: it does not run into the next as in a training, between them is something else to measure. */
static enum un_status whole_step(struct un_job *job, struct un_step_result *result) {
    struct un_step_outcome outcome;
    UN_TRY(un_step_run(job, UN_OK, result));
    return un_step_settle(job, &outcome, &result->seconds[UN_PHASE_UPDATE]);
}

/* Steps until nothing is new: on all ranks, so that all make the same number. */
static enum un_status warm_up(struct un_job *job, FILE *out) {
    job->fp8.scaling.after = 1; /* what is timed is in fp8 where the training will be */
    const int64_t quiet_wanted = job->device->any_shape ? 0 : BENCH_QUIET;
    int64_t steps = 0, quiet = 0, known = 0;
    while (steps < BENCH_WARMUP || (quiet < quiet_wanted && steps < BENCH_WARMUP_MOST)) {
        struct un_step_result result;
        UN_TRY(whole_step(job, &result));
        int64_t count = trials_of(job).count;
        UN_TRY(job->comm->ops->sum_i64(job->comm, &count, 1));
        quiet = count == known ? quiet + 1 : 0;
        known = count;
        ++steps;
    }
    const struct un_trials trials = trials_of(job);
    if (job->comm->rank == 0 && trials.count > 0)
        fprintf(out, "warm-up: %lld steps; %lld products, whose algorithms were tried in %.2f s\n",
                (long long)steps, (long long)trials.count, trials.seconds);
    return UN_OK;
}

static void say_step(const struct yardstick *y, const struct sums *s, int64_t i, double seconds,
                     int64_t tokens, int64_t tried, FILE *out) {
    fprintf(out, "step %lld: %.0f ms, %lld tokens, %.1f GFLOP/s, %s %.1f GFLOP/s, ratio %.3f",
            (long long)(i + 1), seconds * 1e3, (long long)tokens, s->model[i] * 1e-9, y->name,
            s->yardstick[i] * 1e-9, s->ratio[i]);
    if (tried > 0) fprintf(out, ", %lld new products tried", (long long)tried);
    fputc('\n', out);
    fflush(out); /* a step of a large network takes minutes on some machines */
}

static enum un_status timed_step(struct un_job *job, int64_t i, const struct yardstick *y, struct sums *s,
                                 FILE *out) {
    struct un_step_result result;
    UN_TRY(un_rate_product(job, &y->product, BENCH_REPEAT, INFINITY, &s->yardstick[i]));
    UN_TRY(job->comm->ops->barrier(job->comm));
    const int64_t tried = trials_of(job).count;
    const double start = un_clock();
    UN_TRY(whole_step(job, &result));
    const double seconds = un_clock() - start, flop = un_dims_flop(&job->dims, &result.work);
    for (int p = 0; p < UN_PHASE_COUNT; ++p) s->seconds[p] += result.seconds[p];
    s->comm += result.comm;
    s->total += seconds;
    s->flop += flop;
    s->tokens += (double)result.tokens;
    s->model[i] = flop / seconds;
    s->ratio[i] = s->model[i] / s->yardstick[i];
    s->tokens_rate[i] = (double)result.tokens / seconds;
    if (job->comm->rank == 0) say_step(y, s, i, seconds, result.tokens, trials_of(job).count - tried, out);
    return UN_OK;
}

/* The median of a rate over the steps; its least and most behind it, as text. */
static double spread(const struct sums *s, const double *rate, int64_t n, double unit, char text[64]) {
    memcpy(s->median, rate, (size_t)n * sizeof *rate);
    const double middle = median(s->median, n);
    snprintf(text, 64, "%.4g to %.4g", s->median[0] * unit, s->median[n - 1] * unit);
    return middle;
}

static void report(const struct un_job *job, int64_t steps, const struct yardstick *y, const struct sums *s,
                   FILE *out) {
    const double n = (double)steps, ranks = (double)job->comm->size;
    char text[64];
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    fprintf(out, "device      %s; %d rank%s\n", job->device->name, job->comm->size,
            job->comm->size > 1 ? "s" : "");
    double rate = spread(s, s->tokens_rate, steps, 1, text);
    fprintf(out, "tokens/s    %.1f (median of %lld steps; %s)\n", rate, (long long)steps, text);
    rate = spread(s, s->model, steps, 1e-12, text);
    fprintf(out, "model       %.4f TFLOP/s a rank (%s; %.1f MFLOP a token)\n", rate * 1e-12, text,
            s->flop * ranks / s->tokens * 1e-6);
    rate = spread(s, s->yardstick, steps, 1e-12, text);
    fprintf(out, "%-11s %.4f TFLOP/s (%lld x %lld x %lld, same device; %s)\n", y->name, rate * 1e-12,
            (long long)y->m, (long long)y->n, (long long)y->k, text);
    rate = spread(s, s->ratio, steps, 1, text);
    fprintf(out, "ratio       %.3f (%s)\n", rate, text);
    for (int p = 0; p < UN_PHASE_COUNT; ++p)
        fprintf(out, "%-11s %.1f ms a step, %.2f %%\n", un_phase_names[p], s->seconds[p] / n * 1e3,
                s->seconds[p] / s->total * 100);
    if (s->comm > 0 && un_exchange_times(&job->exchange).waited >= 0)
        fprintf(out, "comm        %.1f ms a step, %.0f %% of it exposed (reduce)\n", s->comm / n * 1e3,
                fmin(1, s->seconds[UN_PHASE_REDUCE] / s->comm) * 100);
    else if (s->comm > 0)
        fprintf(out, "comm        %.1f ms a step, %s\n", s->comm / n * 1e3, un_exchange_way(&job->exchange));
    fprintf(out, "memory      %.0f MiB at the peak\n", (double)usage.ru_maxrss / 1024);
}

enum un_status un_bench_run(struct un_job *job, int64_t steps, FILE *out) {
    struct yardstick y = yardstick_for(job);
    enum un_status status;
    double *room = un_alloc((size_t)(5 * steps), sizeof *room, "rates of the benchmark");
    if (!room) return un_error_get()->status;
    struct sums sums = {.yardstick = room,
                        .model = room + steps,
                        .ratio = room + 2 * steps,
                        .tokens_rate = room + 3 * steps,
                        .median = room + 4 * steps};
    UN_TRY_GOTO(yardstick_open(job, &y), out);
    un_job_lower(job);
    UN_TRY_GOTO(un_mine_open(&job->mine, job), out);
    UN_TRY_GOTO(un_job_start_loader(job), out);
    UN_TRY_GOTO(warm_up(job, out), out);
    for (int64_t i = 0; i < steps; ++i) UN_TRY_GOTO(timed_step(job, i, &y, &sums, out), out);
    if (job->comm->rank == 0) report(job, steps, &y, &sums, out);
out:
    un_mine_close(&job->mine);
    yardstick_close(job, &y);
    un_free(room);
    return status;
}
