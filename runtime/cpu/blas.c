/* What is to be known about the BLAS: its name, its kernel, and whether that kernel is the right one.
 * OpenBLAS looks for AMX-tile or AVX-512 features as a set; on virtual machines that hide part of the set it
 * falls back to its oldest kernel ("Prescott"), five times slower than the processor. The remedy is a
 * variable it reads at load time. */
#include "runtime/backends.h"
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/product.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

static bool among(const char *name, const char *const *list) {
    for (; *list; ++list)
        if (strcasecmp(name, *list) == 0) return true;
    return false;
}

/* The kernels a program may be started with, fastest first. SapphireRapids' sgemm uses no tiles, but OpenBLAS takes it
 * only where they are. */
static const char *candidate(const struct un_cpu_sets *sets, int i) {
    const struct {
        bool able;
        const char *name;
    } all[] = {
        {sets->avx512 && sets->amx, "SAPPHIRERAPIDS"}, {sets->avx512, "SKYLAKEX"}, {sets->avx2, "HASWELL"}};
    const int count = sizeof all / sizeof *all;
    for (int k = 0; k < count; ++k)
        if (all[k].able && i-- == 0) return all[k].name;
    return NULL;
}

const char *un_cpu_blas_choose(const char *corename, bool right, const struct un_cpu_sets *sets,
                               const char *tried) {
    static const char *const with_avx512[] = {"SkylakeX", "Cooperlake", "SapphireRapids", NULL};
    static const char *const with_avx2[] = {"Haswell", "Zen", "Excavator", NULL};
    if (!corename) return NULL;
    const bool fast = among(corename, with_avx512) || (!sets->avx512 && among(corename, with_avx2));
    if (fast && right) return NULL;
    int next = 0;
    if (tried)
        for (const char *name; (name = candidate(sets, next++)) && strcmp(name, tried) != 0;) continue;
    return candidate(sets, next);
}

#ifdef __x86_64__
static struct un_cpu_sets sets_of_processor(void) {
    /* avx512: the subset OpenBLAS's SkylakeX kernels are compiled for */
    return (struct un_cpu_sets){
        .avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"),
        .avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd"),
        .amx = un_product_amx.able(),
    };
}
#else
static struct un_cpu_sets sets_of_processor(void) {
    return (struct un_cpu_sets){0};
}
#endif

/* Small whole numbers, so that the sums of every order are the same. */
static float small(int i) {
    return (float)(i * 7 % 15 - 7);
}

bool un_cpu_blas_right(un_cpu_sgemm *sgemm) {
    enum { M = 67, N = 49, K = 83 };
    float a[M * K], b[K * N], c[M * N];
    for (int i = 0; i < M * K; ++i) a[i] = small(i);
    for (int i = 0; i < K * N; ++i) b[i] = small(i + 3);
    for (int way = 0; way < 4; ++way) {
        const bool ta = way & 1, tb = way & 2;
        for (int i = 0; i < M * N; ++i) c[i] = 1;
        sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, M, N, K, 1, a,
              ta ? M : K, b, tb ? K : N, 1, c, N);
        for (int i = 0; i < M * N; ++i) {
            float sum = 1;
            for (int k = 0; k < K; ++k)
                sum += a[ta ? k * M + i / N : i / N * K + k] * b[tb ? i % N * K + k : k * N + i % N];
            if (!(c[i] == sum)) return false;
        }
    }
    return true;
}

/* Where addresses are limited, OpenBLAS's first product spins if it does not get its 32 MiB a thread; nothing is tried
 * there before the program has taken them (reserve.c). */
static bool addresses_are_limited(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

const char *un_cpu_blas_remedy(const char *tried) {
    if (!tried && getenv("OPENBLAS_CORETYPE")) return NULL;
    if (!strstr(openblas_get_config(), "DYNAMIC_ARCH"))
        return NULL; /* one kernel only: nothing to choose from */
    /* a kernel that OpenBLAS chose by itself is taken at its word; one that it was told to take is tried */
    const bool right = !tried || addresses_are_limited() || un_cpu_blas_right(cblas_sgemm);
    const struct un_cpu_sets sets = sets_of_processor();
    return un_cpu_blas_choose(openblas_get_corename(), right, &sets, tried);
}

void un_cpu_blas_name(char *name, size_t bytes) {
    char version[40] = "?";
    sscanf(openblas_get_config(), "OpenBLAS %39s", version);
    snprintf(name, bytes, "OpenBLAS %s %s", version, openblas_get_corename());
}

void un_cpu_blas_single(void) {
    openblas_set_num_threads(1);
}
