/* Linked when the build has no CUDA: says so when asked. */
#include "runtime/backends.h"

int un_cuda_count(void) {
    return -1;
}

enum un_status un_cuda_open(int ordinal, struct un_device **device) {
    (void)ordinal;
    *device = NULL;
    return un_fail(UN_USAGE,
                   "device: cuda was asked for, but this build has no CUDA in it; use device: cpu or auto");
}
