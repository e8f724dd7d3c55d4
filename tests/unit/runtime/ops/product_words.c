/* The kernel of AVX512-BF16 on a processor of AVX-512 without it: its own code, VDPBF16PS as two multiply-adds of f32. */
#include "tests/unit/runtime/ops/product_tiles.h"

#ifdef __x86_64__
#include <immintrin.h>

static __m512 two_links(__m512 sum, __m512bh x, __m512bh y) {
    const __m512i a = (__m512i)x, b = (__m512i)y, upper = _mm512_set1_epi32((int)0xFFFF0000u);
    sum = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(a, upper)),
                          _mm512_castsi512_ps(_mm512_and_si512(b, upper)), sum);
    return _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(a, 16)),
                           _mm512_castsi512_ps(_mm512_slli_epi32(b, 16)), sum);
}

#define _mm512_dpbf16_ps two_links
#define un_product_bf16  un_product_words
#include "runtime/cpu/product_bf16.c"

static bool words_run_here(void) {
    (void)able;
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx2");
}

struct un_product_kernel un_product_words_here(void) {
    struct un_product_kernel kernel = un_product_words;
    kernel.name = "words in C";
    kernel.able = words_run_here;
    return kernel;
}
#else
struct un_product_kernel un_product_words_here(void) {
    return un_product_plain;
}
#endif
