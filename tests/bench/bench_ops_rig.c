/* Device, clocks and references of bench_ops (bench_ops_rig.h). */
#include "tests/bench/bench_ops_rig.h"

#include "runtime/backends.h"
#include "runtime/memory.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#undef I /* cblas.h brings <complex.h>; I is the intermediate width here */

enum { M = 1024, N = 3072, K = 768 };

struct un_device *device;
struct un_queue *queue;
const struct un_ops *ops;
static double sgemm_rate, copy_rate; /* FLOP/s, B/s */
const char *wanted = "";

static double now(void) {
    struct timespec t;
    clock_gettime(device->threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of one run: the least of those that fit into a third of a second, and at least three. */
static double seconds(void (*run)(void)) {
    double best = 1e9, end = now() + 0.33;
    run();
    for (int i = 0; i < 3 || now() < end; ++i) {
        double took = -now();
        run();
        took += now();
        if (took < best) best = took;
    }
    return best;
}

float *fresh(int64_t count) {
    float *x = device->mem->alloc(device, (size_t)count * sizeof *x, "benchmark");
    if (!x) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        exit(71);
    }
    for (int64_t i = 0; i < count; ++i)
        x[i] = un_rng_unit(un_rng(1, UN_RNG_BENCH, 0, 0, 0, (uint32_t)(i & 0xFFFF)).v[0]) - 0.5f;
    return x;
}

struct un_mat mat(int64_t rows, int64_t cols) {
    return un_mat32(fresh(rows * cols), rows, cols);
}

void release(struct un_mat m) {
    device->mem->free(device, m.data);
}

void report(const char *name, double work, double elements, void (*run)(void)) {
    if (!strstr(name, wanted)) return;
    double s = seconds(run);
    if (elements == 0)
        printf("%-44s %9.3f ms %8.1f GFLOP/s %6.2f of sgemm\n", name, s * 1e3, work / s * 1e-9,
               work / s / sgemm_rate);
    else
        printf("%-44s %9.3f ms %8.1f GB/s    %6.2f of copy   %6.3f ns/element/thread\n", name, s * 1e3,
               work / s * 1e-9, work / s / copy_rate, s * 1e9 * device->threads / elements);
    fflush(stdout);
}

float *flat_a, *flat_b, *flat_c, *flat_d;
static float *reference_a, *reference_b, *reference_c;

static void library_sgemm(void) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, reference_a, K, reference_b, K, 0,
                reference_c, N);
}

static void plain_copy(void) {
    enum { PIECE = 65536 };
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int64_t i = 0; i < FLAT / PIECE; ++i)
        memcpy(flat_a + i * PIECE, flat_b + i * PIECE, PIECE * sizeof(float));
}

void references(void) {
    reference_a = fresh(M * K);
    reference_b = fresh((int64_t)N * K);
    reference_c = fresh(M * N);
    openblas_set_num_threads(device->threads);
    double s = seconds(library_sgemm);
    openblas_set_num_threads(1);
    sgemm_rate = 2.0 * M * N * K / s;
    copy_rate = 2.0 * FLAT * sizeof(float) / seconds(plain_copy);
    printf("%s\nsgemm of the library, %d threads: %.1f GFLOP/s; plain copy: %.1f GB/s\n", device->name,
           device->threads, sgemm_rate * 1e-9, copy_rate * 1e-9);
}
