#ifndef UN_TESTS_UNIT_RUNTIME_OPS_PRODUCT_TILES_H
#define UN_TESTS_UNIT_RUNTIME_OPS_PRODUCT_TILES_H

#include "runtime/cpu/product.h"

/* The kernel of AMX with its instructions in C; on a processor that is no x86 the plain one. */
struct un_product_kernel un_product_tiles_here(void);
/* The kernel of AVX512-BF16 with its instruction as two of AVX-512; on a processor that is no x86 the plain one. */
struct un_product_kernel un_product_words_here(void);

#endif
