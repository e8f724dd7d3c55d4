/* Products of bf16 by every kernel of this processor beside the same products of fp32, at the shapes of a UNITER-base
 * micro-batch, packing and rounding included. All of a shape run in turn, ROUNDS times; medians. With AMX also the share
 * of what its instruction does from 256 KiB a thread (bench_product_amx.c). Run: bench_product [threads [part of a name]]
 * With one thread its processor time is taken, which a busy machine disturbs least. */
#include "tests/bench/bench_product.h"

#include "runtime/backends.h"
#include "runtime/bfloat.h"
#include "runtime/cpu/product.h"
#include "runtime/memory.h"
#include "runtime/restart.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { H = 768, WIDE = 3072, V = 28996, ROUNDS = 7, MOST = 8 };

static const struct {
    const char *name;
    int64_t m, n, k; /* -1: tokens */
    bool ta, tb;
} shapes[] = {
    {"[T,768] x [2304,768]'", -1, 3 * H, H, false, true},
    {"[T,768] x [768,768]'", -1, H, H, false, true},
    {"[T,768] x [3072,768]'", -1, WIDE, H, false, true},
    {"[T,3072] x [768,3072]'", -1, H, WIDE, false, true},
    {"dx [T,768] x [768,3072]", -1, WIDE, H, false, false},
    {"dx [T,3072] x [3072,768]", -1, H, WIDE, false, false},
    {"dw [3072,T] x [T,768]", WIDE, H, -1, true, false},
    {"dw [768,T] x [T,768]", H, H, -1, true, false},
    {"words [80,768] x [28996,768]'", 80, V, H, false, true},
    {"words dx [80,28996] x [28996,768]", 80, H, V, false, false},
    {"words dw [28996,80] x [80,768]", V, H, 80, true, false},
};

static struct un_device *device;
static struct un_queue *queue;

static const struct un_limits limits = {
    .max_tokens = 2048, .max_samples = 512, .max_width = V, .max_heads = 12, .max_params = 1 << 20};

/* A queue keeps the kernel that its device had when it was opened. */
static bool use(const char *kernel) {
    if (un_device_use_kernel(device, kernel) != UN_OK) {
        un_error_clear();
        return false;
    }
    if (queue) device->mem->queue_close(queue);
    if (device->mem->queue_open(device, &limits, &queue) != UN_OK) exit(71);
    return true;
}

static double now(void) {
    struct timespec t;
    clock_gettime(device->threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct un_mat fresh(enum un_type type, int64_t rows, int64_t cols) {
    struct un_mat m =
        un_mat(un_alloc((size_t)(rows * cols), (size_t)un_type_bytes(type), "operand"), type, rows, cols);
    if (!m.data) exit(71);
    for (int64_t i = 0; i < rows * cols; ++i) {
        const float x = un_rng_unit(un_rng(1, UN_RNG_BENCH, 0, 0, 0, (uint32_t)(i & 0xFFFF)).v[0]) - 0.5f;
        if (type == UN_F32)
            ((float *)m.data)[i] = x;
        else
            ((uint16_t *)m.data)[i] = un_bfloat_from(x);
    }
    return m;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct operands {
    struct un_mat a, b, c;
};

static struct operands make(int shape, int64_t tokens, enum un_type type) {
    const int64_t m = shapes[shape].m < 0 ? tokens : shapes[shape].m, n = shapes[shape].n,
                  k = shapes[shape].k < 0 ? tokens : shapes[shape].k;
    const bool ta = shapes[shape].ta, tb = shapes[shape].tb;
    return (struct operands){fresh(type, ta ? k : m, ta ? m : k), fresh(type, tb ? n : k, tb ? k : n),
                             fresh(ta ? UN_F32 : type, m, n)};
}

static void release(struct operands *x) {
    un_free(x->a.data);
    un_free(x->b.data);
    un_free(x->c.data);
}

static double rate(int shape, const struct operands *x) {
    const double flop =
        2.0 * (double)x->c.rows * (double)x->c.cols * (double)(shapes[shape].ta ? x->a.rows : x->a.cols);
    const double start = now();
    device->ops->gemm(queue, x->c, x->a, shapes[shape].ta, x->b, shapes[shape].tb,
                      shapes[shape].ta ? 1.0f : 0.0f, NULL);
    return flop / (now() - start) * 1e-9;
}

static void bench(int shape, int64_t tokens, double peak) {
    struct operands wide = make(shape, tokens, UN_F32), low = make(shape, tokens, UN_BF16);
    double rates[MOST][ROUNDS + 1];
    for (int r = 0; r <= ROUNDS; ++r) { /* the first to warm up */
        const int at = r > 0 ? r - 1 : ROUNDS;
        rates[0][at] = rate(shape, &wide);
        for (int i = 0; i < un_product_kernel_count; ++i)
            if (un_product_kernels[i] == &un_product_plain && r > 1)
                rates[i + 1][at] = rates[i + 1][0]; /* too slow for all */
            else if (use(un_product_kernels[i]->name))
                rates[i + 1][at] = rate(shape, &low);
    }
    qsort(rates[0], ROUNDS, sizeof(double), compare);
    printf("%-34s fp32 %6.1f", shapes[shape].name, rates[0][ROUNDS / 2]);
    for (int i = 0; i < un_product_kernel_count; ++i) {
        if (!un_product_kernels[i]->able()) continue;
        qsort(rates[i + 1], ROUNDS, sizeof(double), compare);
        const double got = rates[i + 1][ROUNDS / 2];
        printf(" | %s %6.1f, %.2f", un_product_kernels[i]->name, got, got / rates[0][ROUNDS / 2]);
        if (peak > 0 && strcmp(un_product_kernels[i]->name, "amx") == 0)
            printf(", %.0f%% of AMX", 100 * got / peak);
    }
    printf("\n");
    fflush(stdout);
    release(&wide);
    release(&low);
}

int main(int argc, char **argv) {
    static const int64_t tokens[] = {2048, 1900, 480};
    un_restart_prepare(argv);
    if (un_cpu_open(argc > 1 ? atoi(argv[1]) : 0, &device) != UN_OK) return 71;
    if (!use("auto")) return 71;
    const double peak = bench_product_peak(device->threads);
    printf("%s\nGFLOP/s, share of fp32\n", device->name);
    if (peak > 0) printf("AMX from 256 KiB a thread: %.1f GFLOP/s\n", peak);
    for (int t = 0; t < 3; ++t) {
        printf("-- T = %lld\n", (long long)tokens[t]);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
            if (t == 0 || shapes[i].m == -1 || shapes[i].k == -1)
                if (argc < 3 || strstr(shapes[i].name, argv[2])) bench((int)i, tokens[t], peak);
    }
    device->mem->queue_close(queue);
    un_device_close(device);
}
