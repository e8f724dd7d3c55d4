/* Scratch of an op: apart from queue.c, which asks every file of ops how much it needs. */
#include "runtime/cuda/cuda.h"

bool un_cuda_scratch(struct un_queue *q, struct un_arena *arena, size_t bytes, const char *op) {
    if (bytes > q->scratch_bytes) {
        un_cuda_fail(q, UN_INTERNAL, "%s needs %zu bytes of scratch, its queue was opened with %zu", op,
                     bytes, q->scratch_bytes);
        return false;
    }
    *arena = (struct un_arena){.name = op, .base = q->scratch, .size = q->scratch_bytes};
    return true;
}
