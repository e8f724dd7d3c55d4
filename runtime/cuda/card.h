/* Which card a device is, and what the runtime says of it: beneath device.c and queue.c. */
#ifndef UN_RUNTIME_CUDA_CARD_H
#define UN_RUNTIME_CUDA_CARD_H

#include "runtime/cuda/cuda.h"

/* What `state` of a device of this backend points to. */
struct un_cuda_card {
    int ordinal;
    size_t
        shared_most; /* bytes a block may have: 163 KiB on sm_80, 227 KiB on sm_90, 99 KiB on sm_86, sm_89, sm_120 */
};

int un_cuda_ordinal(const struct un_device *d);
size_t un_cuda_shared_most(const struct un_device *d);
/* UN_INTERNAL, recorded: "cuda 0: what: the runtime's words". */
enum un_status un_cuda_failed(int ordinal, cudaError_t error, const char *what);

#endif
