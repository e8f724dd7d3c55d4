/* The larger of two sizes, for bounds of memory. Pure. */
#ifndef UN_RUNTIME_LARGER_H
#define UN_RUNTIME_LARGER_H

#include <stdint.h>

static inline int64_t un_larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

#endif
