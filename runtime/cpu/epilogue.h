/* What follows a matrix product (ops.h, un_epilogue), on one strip of a row while it is in the cache. */
#ifndef UN_RUNTIME_CPU_EPILOGUE_H
#define UN_RUNTIME_CPU_EPILOGUE_H

#include "runtime/ops.h"

enum { UN_CPU_STRIP = 512 };

/* c[j] = act(c[j] + bias[j]), j < n <= UN_CPU_STRIP. bias NULL: none. pre: GELU and ReLU leave c + bias there; NULL: it
 * is not kept. */
void un_cpu_finish_strip(float *c, float *pre, const float *bias, enum un_activation activation, int64_t n);

#endif
