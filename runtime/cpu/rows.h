/* Rows of f32, bf16 or f16 for ops that compute in f32: one way in and one way out for every type, so that an op is
 * written once. Of an f32 matrix an op reads and writes the memory itself; of the others it works in a strip of
 * its own, widened on the way in (exact) and rounded once, to nearest even, on the way out.
 *
 *     const float *a = un_rows_in(x, row, col, n, strip[0]);
 *     float *d = un_rows_out(y, row, col, strip[1]);
 *     for (j < n) d[j] = f(a[j]);
 *     un_rows_put(y, row, col, n, strip[1]);
 */
#ifndef UN_RUNTIME_CPU_ROWS_H
#define UN_RUNTIME_CPU_ROWS_H

#include "runtime/cpu/convert.h"
#include "runtime/cpu/cpu.h"

enum { UN_ROWS_STRIP = 512 /* elements: a few strips stay in the first cache */ };

static inline int64_t un_rows_strip(int64_t cols, int64_t col) {
    return cols - col < UN_ROWS_STRIP ? cols - col : UN_ROWS_STRIP;
}

/* Of any type. */
static inline void *un_rows_at(struct un_mat m, int64_t row, int64_t col) {
    return (unsigned char *)m.data + (row * m.stride + col) * un_type_bytes(m.type);
}
static inline struct un_mat un_rows_part(struct un_mat m, int64_t row, int64_t rows, int64_t col,
                                         int64_t cols) {
    return (struct un_mat){un_rows_at(m, row, col), m.type, rows, cols, m.stride};
}
static inline void un_rows_zero(struct un_mat m, int64_t row) {
    memset(un_rows_at(m, row, 0), 0, (size_t)(m.cols * un_type_bytes(m.type)));
}

static inline void un_rows_widen(float *restrict to, enum un_type type, const void *from, int64_t n) {
    const uint16_t *restrict h = from;
    if (type == UN_BF16)
        for (int64_t j = 0; j < n; ++j) to[j] = un_half_from_bf16(h[j]);
    else if (type == UN_F16)
        for (int64_t j = 0; j < n; ++j) to[j] = un_half_from_f16(h[j]);
    else
        memcpy(to, from, (size_t)n * sizeof *to);
}
static inline void un_rows_narrow(void *to, enum un_type type, const float *restrict from, int64_t n) {
    uint16_t *restrict h = to;
    if (type == UN_BF16)
        for (int64_t j = 0; j < n; ++j) h[j] = un_half_to_bf16(from[j]);
    else if (type == UN_F16)
        for (int64_t j = 0; j < n; ++j) h[j] = un_half_to_f16(from[j]);
    else
        memcpy(to, from, (size_t)n * sizeof *from);
}

/* Elements [col, col + n) of a row, to be read. */
static inline const float *un_rows_in(struct un_mat m, int64_t row, int64_t col, int64_t n, float *strip) {
    if (m.type == UN_F32) return un_cpu_row(m, row) + col;
    un_rows_widen(strip, m.type, un_rows_at(m, row, col), n);
    return strip;
}
/* Where they are to be written; what stands there is not theirs. */
static inline float *un_rows_out(struct un_mat m, int64_t row, int64_t col, float *strip) {
    return m.type == UN_F32 ? un_cpu_row(m, row) + col : strip;
}
static inline void un_rows_put(struct un_mat m, int64_t row, int64_t col, int64_t n, const float *strip) {
    if (m.type != UN_F32) un_rows_narrow(un_rows_at(m, row, col), m.type, strip, n);
}

/* Are all of a type that rows are read in? A matrix that is not there is. If not, an error sticks. */
static inline bool un_rows_are_float(struct un_queue *q, const struct un_mat *m, int count, const char *op) {
    for (int i = 0; i < count; ++i)
        if (m[i].data && m[i].type != UN_F32 && m[i].type != UN_BF16 && m[i].type != UN_F16) {
            un_cpu_fail(q, UN_INTERNAL, "%s: no matrix of type %d", op, (int)m[i].type);
            return false;
        }
    return true;
}
/* The same for ops that take activations alone: f32 and bf16. */
static inline bool un_rows_are_activations(struct un_queue *q, const struct un_mat *m, int count,
                                           const char *op) {
    for (int i = 0; i < count; ++i)
        if (m[i].data && m[i].type != UN_F32 && m[i].type != UN_BF16) {
            un_cpu_fail(q, UN_INTERNAL, "%s: rows of type %d, want f32 or bf16", op, (int)m[i].type);
            return false;
        }
    return true;
}

#endif
