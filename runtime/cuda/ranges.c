/* Ranges that a profiler shows. */
#include "runtime/cuda/queue.h"

#include <nvtx3/nvToolsExt.h>

void un_cuda_range_push(const char *name) {
    nvtxRangePushA(name);
}

void un_cuda_range_pop(void) {
    nvtxRangePop();
}
