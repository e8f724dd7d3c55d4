/* The kernel of AVX-512: 6 rows of 32 columns in 24 of 32 registers. */
#include "runtime/cpu/product.h"

#include <immintrin.h>

enum { WIDTH = 16, ROWS = 6 };

typedef __m512 vec;
#define LOAD(x)      _mm512_loadu_ps(x)
#define STORE(x, v)  _mm512_storeu_ps(x, v)
#define ADD(x, y)    _mm512_add_ps(x, y)
#define FMA(x, y, z) _mm512_fmadd_ps(x, y, z)
#define ONE(x)       _mm512_set1_ps(x)
#define KEEP(v)      __asm__("" : "+v"(v))

#include "runtime/cpu/product_vector.h"

static bool able(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx2") &&
           __builtin_cpu_supports("fma");
}

const struct un_product_kernel un_product_avx512 = {.name = "avx512",
                                                    .rows = ROWS,
                                                    .cols = COLS,
                                                    .element = sizeof(float),
                                                    .able = able,
                                                    .pack_left = pack_left,
                                                    .pack_right = pack_right,
                                                    .enter = enter,
                                                    .multiply = multiply,
                                                    .leave = leave};
