/* The kernel of AVX-512: 6 rows of 32 columns in 24 of 32 registers. */
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
                                                    .enter = un_pairs_enter,
                                                    .multiply = multiply,
                                                    .leave = un_pairs_leave};
