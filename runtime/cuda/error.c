/* Errors of a queue: the first one sticks (cuda.h). */
#include "runtime/cuda/cuda.h"

void un_cuda_stick(struct un_queue *q) {
    if (q->error.status == UN_OK) q->error = *un_error_get();
}

void un_cuda_check(struct un_queue *q, cudaError_t error, const char *what) {
    if (error != cudaSuccess && q->error.status == UN_OK)
        un_cuda_fail(q, UN_INTERNAL, "cuda %d: %s: %s (%s); queued before it: %s", q->ordinal, what,
                     cudaGetErrorString(error), cudaGetErrorName(error), q->last);
    q->last = what;
}
