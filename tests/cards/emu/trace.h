/* Which ops a network calls on the emulated card, the bytes of their matrices, and the kernels they launch. */
#ifndef UN_TESTS_CARDS_EMU_TRACE_H
#define UN_TESTS_CARDS_EMU_TRACE_H

#include "runtime/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A table that calls `ops` and counts, from zero, until the next call. One thread at a time. */
const struct un_ops *un_trace_begin(const struct un_ops *ops);
/* What was counted, a line each, sorted; valid until the next call:
 *   op <name> <calls> <bytes>      bytes of all its matrices (rows x columns), each operand once; of zero, add and cast those of
 *                                  their arrays. Not those of indices, vectors and scratch
 *   kernel <op> <kernel> <launches> <blocks>   as the source names it */
const char *un_trace_text(void);

#ifdef __cplusplus
}
#endif
#endif
