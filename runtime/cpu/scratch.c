/* What ops ask of their queue: scratch, and a place for the first error. */
#include "runtime/cpu/cpu.h"

bool un_cpu_scratch(struct un_queue *q, struct un_arena *arena, size_t bytes, const char *op) {
    if (bytes > q->scratch_bytes) {
        un_cpu_fail(q, UN_INTERNAL, "%s needs %zu bytes of scratch, its queue was opened with %zu", op, bytes,
                    q->scratch_bytes);
        return false;
    }
    *arena = (struct un_arena){.name = op, .base = q->scratch, .size = q->scratch_bytes};
    return true;
}

void un_cpu_stick(struct un_queue *q) {
    if (q->error.status == UN_OK) q->error = *un_error_get();
}
