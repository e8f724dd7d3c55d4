/* The kernel of AVX2: 3 rows of 16 columns in 12 of 16 registers. */
#include "runtime/cpu/product.h"

#include <immintrin.h>

enum { WIDTH = 8, ROWS = 3 };

typedef __m256 vec;
#define LOAD(x)      _mm256_loadu_ps(x)
#define STORE(x, v)  _mm256_storeu_ps(x, v)
#define ADD(x, y)    _mm256_add_ps(x, y)
#define FMA(x, y, z) _mm256_fmadd_ps(x, y, z)
#define ONE(x)       _mm256_set1_ps(x)
#define KEEP(v)      __asm__("" : "+x"(v))

#include "runtime/cpu/product_vector.h"

static bool able(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const struct un_product_kernel un_product_avx2 = {.name = "avx2",
                                                  .rows = ROWS,
                                                  .cols = COLS,
                                                  .element = sizeof(float),
                                                  .able = able,
                                                  .pack_left = pack_left,
                                                  .pack_right = pack_right,
                                                  .enter = enter,
                                                  .multiply = multiply,
                                                  .leave = leave};
