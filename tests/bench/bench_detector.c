/* Times a photo of 600 x 1000 with 300 regions through the detector of full size, weights drawn at random: GFLOP/s by part and by
 * op, and the share of the sgemm rate (M = 1024, N = 3072, K = 768) that the same ops and threads reach before, between and
 * after. Run by hand: bench_detector [threads [photos [height width regions]]]. With one thread its processor time is taken,
 * which a busy machine disturbs least. */
#include "model/detector/count.h"
#include "model/detector/network.h"
#include "runtime/cores.h"
#include "runtime/memory.h"
#include "runtime/ops.h"
#include "runtime/restart.h"
#include "tests/support/detector_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SGEMM_M = 1024, SGEMM_N = 3072, SGEMM_K = 768, SGEMM_RUNS = 8 };

static int threads;

static void check(enum un_status status) {
    if (status == UN_OK) return;
    fprintf(stderr, "%s\n", un_error_get()->text);
    exit(status);
}

static double now(void) {
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the table of ops with a clock around what the detector calls ---- */

enum op { OP_GEMM, OP_PATCHES, OP_MAX_POOL, OP_REGION_POOL, OP_ADD_RELU, OP_MEAN_ROWS, OPS };
static const char *const op_names[OPS] = {"gemm",        "patches",  "max_pool",
                                          "region_pool", "add_relu", "mean_rows"};
static const char *const part_names[UN_DETECTOR_PARTS] = {"stem", "res2", "res3",       "res4",
                                                          "rpn",  "res5", "classifiers"};

static const struct un_ops *plain; /* the backend's own table */
static enum un_detector_part part; /* what runs now */
static double op_seconds[OPS][UN_DETECTOR_PARTS];

#define TIMED(op, call)                                                                                      \
    do {                                                                                                     \
        double start = now();                                                                                \
        plain->call;                                                                                         \
        op_seconds[op][part] += now() - start;                                                               \
    } while (0)

static void timed_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool ta, struct un_mat b,
                       bool tb, float beta, const struct un_epilogue *e) {
    TIMED(OP_GEMM, gemm(q, c, a, ta, b, tb, beta, e));
}
static void timed_patches(struct un_queue *q, struct un_mat dst, struct un_mat src,
                          const struct un_maps *maps, const struct un_window *window, int64_t first) {
    TIMED(OP_PATCHES, patches(q, dst, src, maps, window, first));
}
static void timed_max_pool(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_maps *maps,
                           const struct un_window *window) {
    TIMED(OP_MAX_POOL, max_pool(q, y, x, maps, window));
}
static void timed_region_pool(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t height,
                              int64_t width, const float *box, int64_t regions, int64_t pool, float scale) {
    part = UN_DETECTOR_PART_RES5;
    TIMED(OP_REGION_POOL, region_pool(q, y, x, height, width, box, regions, pool, scale));
}
static void timed_add_relu(struct un_queue *q, struct un_mat y, struct un_mat a, struct un_mat b) {
    TIMED(OP_ADD_RELU, add_relu(q, y, a, b));
}
static void timed_mean_rows(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t count) {
    TIMED(OP_MEAN_ROWS, mean_rows(q, y, x, count));
    part = UN_DETECTOR_PART_CLASSIFIERS;
}

static struct un_ops timed_table(const struct un_ops *ops) {
    struct un_ops table = *ops;
    plain = ops;
    table.gemm = timed_gemm;
    table.patches = timed_patches;
    table.max_pool = timed_max_pool;
    table.region_pool = timed_region_pool;
    table.add_relu = timed_add_relu;
    table.mean_rows = timed_mean_rows;
    return table;
}

/* ---- the yardstick ---- */

struct yardstick {
    struct un_device *device;
    struct un_queue *queue;
    struct un_mat x, w, y;
};

static void yardstick_open(struct yardstick *k, struct un_device *device) {
    const int64_t sizes[] = {SGEMM_M * SGEMM_K, SGEMM_N * SGEMM_K, SGEMM_M * SGEMM_N};
    const struct un_limits none = {.max_tokens = 1, .max_width = 1};
    float *data[3];
    k->device = device;
    check(device->mem->queue_open(device, &none, &k->queue));
    for (int i = 0; i < 3; ++i) {
        float *host = un_alloc((size_t)sizes[i], sizeof *host, "sgemm");
        data[i] = device->mem->alloc(device, (size_t)sizes[i] * sizeof(float), "sgemm");
        if (!host || !data[i]) check(UN_MEMORY);
        for (int64_t j = 0; j < sizes[i]; ++j) host[j] = detector_case_pixel(1, j) / 256;
        device->mem->copy_in(k->queue, data[i], host, (size_t)sizes[i] * sizeof(float));
        check(device->mem->queue_wait(k->queue));
        un_free(host);
    }
    k->x = un_mat32(data[0], SGEMM_M, SGEMM_K);
    k->w = un_mat32(data[1], SGEMM_N, SGEMM_K);
    k->y = un_mat32(data[2], SGEMM_M, SGEMM_N);
}

static void yardstick_close(struct yardstick *k) {
    k->device->mem->free(k->device, k->x.data);
    k->device->mem->free(k->device, k->w.data);
    k->device->mem->free(k->device, k->y.data);
    k->device->mem->queue_close(k->queue);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, compare);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* FLOP/s; the median of some products. */
static double rate_of(const struct yardstick *k) {
    double rate[SGEMM_RUNS];
    for (int i = -1; i < SGEMM_RUNS; ++i) {
        double start = now();
        plain->gemm(k->queue, k->y, k->x, false, k->w, true, 0, NULL);
        check(k->device->mem->queue_wait(k->queue));
        if (i >= 0) rate[i] = 2.0 * SGEMM_M * SGEMM_N * SGEMM_K / (now() - start);
    }
    return median(rate, SGEMM_RUNS);
}

/* ---- photos ---- */

struct bench {
    struct detector_case weights;
    struct un_detector_sizes sizes;
    struct un_ops ops;
    struct un_device *device;
    struct un_detector *detector;
    struct yardstick yardstick;
    int64_t height, width, regions;
    float *input, *box;
    double seconds[UN_DETECTOR_PARTS], last; /* of parts, all photos; when the part that runs began */
};

static void next_part(struct bench *b, enum un_detector_part done) {
    double t = now();
    b->seconds[done] += t - b->last;
    b->last = t;
    part = done + 1;
}

static enum un_status mark(void *context, enum un_detector_map map, struct un_queue *queue,
                           struct un_mat values, int64_t height, int64_t width) {
    (void)queue, (void)values, (void)height, (void)width;
    next_part(context, (enum un_detector_part)map);
    return UN_OK;
}

static void open_bench(struct bench *b) {
    b->sizes = un_detector_public_sizes;
    b->input = un_alloc((size_t)(b->height * b->width * 3), sizeof(float), "input");
    b->box = un_alloc((size_t)(b->regions * 4), sizeof(float), "boxes");
    if (!b->input || !b->box) check(UN_MEMORY);
    for (int64_t i = 0; i < b->height * b->width * 3; ++i) b->input[i] = detector_case_pixel(3, i);
    for (int64_t r = 0; r < b->regions; ++r) {
        float *box = b->box + 4 * r, x = (detector_case_pixel(4, 4 * r) + 120) / 260 * (float)b->width,
              y = (detector_case_pixel(4, 4 * r + 1) + 120) / 260 * (float)b->height;
        box[0] = x / 2;
        box[1] = y / 2;
        box[2] = x / 2 + (detector_case_pixel(4, 4 * r + 2) + 136) / 520 * (float)b->width;
        box[3] = y / 2 + (detector_case_pixel(4, 4 * r + 3) + 136) / 520 * (float)b->height;
    }
    check(un_device_open("auto", threads, 0, &b->device));
    check(detector_case_open(&b->weights, &b->sizes, 1));
    b->ops = timed_table(b->device->ops);
    b->device->ops = &b->ops;
    const struct un_detector_limits limits = {b->height * b->width, b->regions, UN_F32};
    printf("%s; memory %.0f MiB\n", b->device->name,
           (double)un_detector_bytes(&b->sizes, &limits, b->device) / (1 << 20));
    check(un_detector_open(&b->detector, b->device, &b->weights.file, &b->sizes, &limits));
    un_detector_set_touch(b->detector, mark, b);
    yardstick_open(&b->yardstick, b->device);
}

static void close_bench(struct bench *b) {
    yardstick_close(&b->yardstick);
    un_detector_close(b->detector);
    b->device->ops = plain;
    un_device_close(b->device);
    detector_case_close(&b->weights);
    un_free(b->box);
    un_free(b->input);
}

/* Of res5 and the classifiers: split by the ops' own clocks. */
static double photo(struct bench *b) {
    struct un_detector_sight sight;
    struct un_detector_judgement judgement;
    double start = b->last = now(), before = 0, after = 0;
    part = UN_DETECTOR_PART_STEM;
    check(un_detector_see(b->detector, b->input, b->height, b->width, &sight));
    next_part(b, UN_DETECTOR_PART_RPN);
    for (int i = 0; i < OPS; ++i) before += op_seconds[i][UN_DETECTOR_PART_CLASSIFIERS];
    check(un_detector_judge(b->detector, b->box, b->regions, &judgement));
    for (int i = 0; i < OPS; ++i) after += op_seconds[i][UN_DETECTOR_PART_CLASSIFIERS];
    b->seconds[UN_DETECTOR_PART_CLASSIFIERS] += after - before;
    b->seconds[UN_DETECTOR_PART_RES5] += now() - b->last - (after - before);
    return now() - start;
}

static void report(const struct bench *b, const double *ratio, int photos, double rate, double seconds) {
    double flops[UN_DETECTOR_PARTS], all = un_detector_flops(&b->sizes, b->height, b->width, b->regions);
    un_detector_part_flops(flops, &b->sizes, b->height, b->width, b->regions);
    printf("%-12s %8s %9s %9s %7s  ", "part", "GFLOP", "ms", "GFLOP/s", "sgemm");
    for (int i = 0; i < OPS; ++i) printf(" %11s", op_names[i]);
    printf("\n");
    for (int p = 0; p < UN_DETECTOR_PARTS; ++p) {
        double each = b->seconds[p] / photos;
        printf("%-12s %8.1f %9.1f %9.1f %7.3f  ", part_names[p], flops[p] * 1e-9, each * 1e3,
               flops[p] / each * 1e-9, flops[p] / each / rate);
        for (int i = 0; i < OPS; ++i) printf(" %8.1f ms", op_seconds[i][p] / photos * 1e3);
        printf("\n");
    }
    double sorted[64];
    for (int i = 0; i < photos; ++i) sorted[i] = ratio[i];
    printf("photo of %lld x %lld, %lld regions: %.2f s, %.1f GFLOP, %.1f GFLOP/s; sgemm %.1f GFLOP/s; median "
           "ratio "
           "%.3f\n",
           (long long)b->height, (long long)b->width, (long long)b->regions, seconds / photos, all * 1e-9,
           all * photos / seconds * 1e-9, rate * 1e-9, median(sorted, photos));
}

int main(int argc, char **argv) {
    struct bench b = {.height = 600, .width = 1000, .regions = 300};
    double ratio[64], seconds = 0, rates = 0;
    un_restart_prepare(argv);
    threads = argc > 1 ? atoi(argv[1]) : un_cores_count();
    int photos = argc > 2 ? atoi(argv[2]) : 1;
    if (photos < 1 || photos > 64) photos = 1;
    if (argc > 5) b.height = atoi(argv[3]), b.width = atoi(argv[4]), b.regions = atoi(argv[5]);
    open_bench(&b);
    double before = rate_of(&b.yardstick), flops = un_detector_flops(&b.sizes, b.height, b.width, b.regions);
    for (int i = 0; i < photos; ++i) {
        double took = photo(&b), after = rate_of(&b.yardstick), rate = (before + after) / 2;
        ratio[i] = flops / took / rate;
        printf("photo %d: %.2f s; sgemm before %.1f, after %.1f GFLOP/s; ratio %.3f\n", i + 1, took,
               before * 1e-9, after * 1e-9, ratio[i]);
        fflush(stdout);
        seconds += took;
        rates += rate;
        before = after;
    }
    report(&b, ratio, photos, rates / photos, seconds);
    close_bench(&b);
    return 0;
}
