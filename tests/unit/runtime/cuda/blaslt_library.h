/* A matrix library of our own that keeps NVIDIA's interface (cuBLASLt): it computes as its book says,
 * column-major, with algorithms that sum in other orders, fail, cut the inner dimension or never give the
 * same twice, and a clock of its own. And the runtime, as far as blaslt.c needs it: everything runs at once. */
#ifndef UN_TESTS_UNIT_RUNTIME_CUDA_BLASLT_LIBRARY_H
#define UN_TESTS_UNIT_RUNTIME_CUDA_BLASLT_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

enum lt_kind { LT_FORWARD, LT_BACKWARD, LT_ROLLING, LT_FAILING, LT_SPLIT };
struct lt_algorithm {
    enum lt_kind kind;
    double seconds;
};

/* Mutable: what the library offers and what it was asked. */
extern struct lt {
    const struct lt_algorithm *offered; /* best first */
    int count, asked, multiplied;       /* count: of offered */
    bool refuses_bias;
    unsigned broken;        /* bit i: algorithm i fails from now on */
    uint32_t scheme, align; /* as wanted last */
    double now;             /* seconds */
} lt;

/* Element i of an array of CUDA_R_32F or CUDA_R_16BF. */
float lt_value(int32_t type, const void *p, int64_t i);
void lt_store(int32_t type, void *p, int64_t i, float x);

#endif
