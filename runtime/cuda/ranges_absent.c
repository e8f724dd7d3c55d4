/* In place of ranges.c where the headers of NVTX are missing: a profiler sees no ranges. */
#include "runtime/cuda/queue.h"

void un_cuda_range_push(const char *name) {
    (void)name;
}

void un_cuda_range_pop(void) {}
