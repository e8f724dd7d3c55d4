/* What is to be known about the BLAS: its name, its kernel, and whether that kernel is the right one.
 * OpenBLAS looks for AMX-tile or AVX-512 features as a set; on virtual machines that hide part of the set it
 * falls back to its oldest kernel ("Prescott"), five times slower than the processor. The remedy is a
 * variable it reads at load time. */
#include "runtime/backends.h"
#include "runtime/cpu/cpu.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool among(const char *name, const char *const *list) {
    for (; *list; ++list)
        if (strcasecmp(name, *list) == 0) return true;
    return false;
}

const char *un_cpu_blas_choose(const char *corename, bool has_avx2, bool has_avx512) {
    static const char *const with_avx512[] = {"SkylakeX", "Cooperlake", "SapphireRapids", "Zen", NULL};
    static const char *const with_avx2[] = {"Haswell", "Zen", "Excavator", NULL};
    if (!corename || among(corename, with_avx512)) return NULL;
    if (has_avx512) return "SKYLAKEX";
    if (has_avx2 && !among(corename, with_avx2)) return "HASWELL";
    return NULL;
}

#ifdef __x86_64__
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
/* The subset OpenBLAS's SkylakeX kernels are compiled for. */
static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd");
}
#else
static bool has_avx2(void) {
    return false;
}
static bool has_avx512(void) {
    return false;
}
#endif

const char *un_cpu_blas_remedy(void) {
    if (getenv("OPENBLAS_CORETYPE")) return NULL;
    if (!strstr(openblas_get_config(), "DYNAMIC_ARCH"))
        return NULL; /* one kernel only: nothing to choose from */
    return un_cpu_blas_choose(openblas_get_corename(), has_avx2(), has_avx512());
}

void un_cpu_blas_name(char *name, size_t bytes) {
    char version[40] = "?";
    sscanf(openblas_get_config(), "OpenBLAS %39s", version);
    snprintf(name, bytes, "OpenBLAS %s %s", version, openblas_get_corename());
}

void un_cpu_blas_single(void) {
    openblas_set_num_threads(1);
}
