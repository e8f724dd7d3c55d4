/* The kernel of AVX2: 3 rows of 16 columns in 12 of 16 registers. */
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
                                                  .enter = un_pairs_enter,
                                                  .multiply = multiply,
                                                  .leave = un_pairs_leave};
