#include "runtime/cuda/card.h"

int un_cuda_ordinal(const struct un_device *d) {
    return ((const struct un_cuda_card *)d->state)->ordinal;
}

size_t un_cuda_shared_most(const struct un_device *d) {
    return ((const struct un_cuda_card *)d->state)->shared_most;
}

void un_cuda_use(int ordinal) {
    cudaSetDevice(ordinal); /* what is wrong with the card is said by the call that follows */
}

enum un_status un_cuda_failed(int ordinal, cudaError_t error, const char *what) {
    return un_fail(UN_INTERNAL, "cuda %d: %s: %s (%s)", ordinal, what, cudaGetErrorString(error),
                   cudaGetErrorName(error));
}
