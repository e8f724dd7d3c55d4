/* Elementwise ops. Each element is computed by itself, so neither threads nor order matter; the loops are
 * left to the compiler's vectoriser. `ivdep` says what in-place use would hide from it: element i depends on
 * element i only. */
#include "runtime/cpu/convert.h"
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/lanes.h"

enum { SPAN = 16384 }; /* elements of a flat array that a thread takes at a time */

static bool parallel(struct un_mat m) {
    return m.rows * m.cols > UN_CPU_PARALLEL_MIN;
}
static int64_t spans(int64_t count) {
    return (count + SPAN - 1) / SPAN;
}
static int64_t span_end(int64_t s, int64_t count) {
    return (s + 1) * SPAN < count ? (s + 1) * SPAN : count;
}

void un_cpu_gelu_bwd(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat z) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(dz))
    for (int64_t i = 0; i < dz.rows; ++i) {
        float *d = un_cpu_row(dz, i);
        const float *g = un_cpu_row(dy, i), *x = un_cpu_row(z, i);
#pragma GCC ivdep
        for (int64_t j = 0; j < dz.cols; ++j) d[j] = g[j] * un_lanes_gelu_slope(x[j]);
    }
    if (dbias) un_cpu_col_sum(q, dbias, dz);
}

void un_cpu_tanh_bwd(struct un_queue *q, struct un_mat dz, struct un_mat dy, struct un_mat y) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(dz))
    for (int64_t i = 0; i < dz.rows; ++i) {
        float *d = un_cpu_row(dz, i);
        const float *g = un_cpu_row(dy, i), *t = un_cpu_row(y, i);
#pragma GCC ivdep
        for (int64_t j = 0; j < dz.cols; ++j) d[j] = g[j] * (1.0f - t[j] * t[j]);
    }
}

void un_cpu_relu_bwd(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat y) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(dz))
    for (int64_t i = 0; i < dz.rows; ++i) {
        float *d = un_cpu_row(dz, i);
        const float *g = un_cpu_row(dy, i), *r = un_cpu_row(y, i);
#pragma GCC ivdep
        for (int64_t j = 0; j < dz.cols; ++j) d[j] = r[j] > 0.0f ? g[j] : 0.0f;
    }
    if (dbias) un_cpu_col_sum(q, dbias, dz);
}

void un_cpu_dropout(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_dropout *d) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(y))
    for (int64_t i = 0; i < y.rows; ++i)
        un_lanes_dropout(un_cpu_row(y, i), un_cpu_row(x, i), y.cols, d, un_lanes_row_group(i, y.cols));
}

static void add_two(float *s, const float *x, const float *y, int64_t n) {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) s[j] = x[j] + y[j];
}

static void add_three(float *s, const float *x, const float *y, const float *z, int64_t n) {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) s[j] = x[j] + y[j] + z[j];
}

void un_cpu_add_row(struct un_queue *q, struct un_mat r, struct un_mat a, struct un_mat b,
                    struct un_mat table, const int32_t *index) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(r))
    for (int64_t i = 0; i < r.rows; ++i) {
        const int64_t of = index ? index[i] : 0;
        if (of < 0)
            add_two(un_cpu_row(r, i), un_cpu_row(a, i), un_cpu_row(b, i), r.cols);
        else
            add_three(un_cpu_row(r, i), un_cpu_row(a, i), un_cpu_row(b, i), un_cpu_row(table, of), r.cols);
    }
}

void un_cpu_add(struct un_queue *q, float *restrict dst, const float *restrict src, int64_t count) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (count > UN_CPU_PARALLEL_MIN)
    for (int64_t s = 0; s < spans(count); ++s)
        for (int64_t i = s * SPAN; i < span_end(s, count); ++i) dst[i] += src[i];
}

void un_cpu_zero(struct un_queue *q, void *ptr, size_t bytes) {
    unsigned char *p = ptr;
    int64_t count = (int64_t)bytes;
#pragma omp parallel for schedule(static) num_threads(q->threads) if (count > 4 * UN_CPU_PARALLEL_MIN)
    for (int64_t s = 0; s < spans(count); ++s)
        memset(p + s * SPAN, 0, (size_t)(span_end(s, count) - s * SPAN));
}

static void widen(float *restrict dst, const void *src, enum un_type type, int64_t at, int64_t n) {
    const uint16_t *restrict h = (const uint16_t *)src + at;
    if (type == UN_BF16)
        for (int64_t i = 0; i < n; ++i) dst[i] = un_half_from_bf16(h[i]);
    else if (type == UN_F16)
        for (int64_t i = 0; i < n; ++i) dst[i] = un_half_from_f16(h[i]);
    else
        memcpy(dst, (const float *)src + at, (size_t)n * sizeof *dst);
}

static void narrow(void *dst, enum un_type type, const float *restrict src, int64_t at, int64_t n) {
    uint16_t *restrict h = (uint16_t *)dst + at;
    if (type == UN_BF16)
        for (int64_t i = 0; i < n; ++i) h[i] = un_half_to_bf16(src[i]);
    else if (type == UN_F16)
        for (int64_t i = 0; i < n; ++i) h[i] = un_half_to_f16(src[i]);
    else
        memcpy((float *)dst + at, src, (size_t)n * sizeof *src);
}

static bool is_float(enum un_type t) {
    return t == UN_F32 || t == UN_BF16 || t == UN_F16;
}

/* Through float, a piece at a time; all three 16-to-16 conversions are exact on the way up and rounded once. */
void un_cpu_cast(struct un_queue *q, void *dst, enum un_type dst_type, const void *src, enum un_type src_type,
                 int64_t count) {
    enum { PIECE = 1024 };
    if (!is_float(dst_type) || !is_float(src_type)) {
        un_cpu_fail(q, UN_INTERNAL, "cast: no conversion from type %d to type %d", (int)src_type,
                    (int)dst_type);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(q->threads) if (count > UN_CPU_PARALLEL_MIN)
    for (int64_t s = 0; s < spans(count); ++s) {
        float piece[PIECE];
        int64_t end = span_end(s, count);
        for (int64_t i = s * SPAN; i < end; i += PIECE) {
            int64_t n = end - i < PIECE ? end - i : PIECE;
            widen(piece, src, src_type, i, n);
            narrow(dst, dst_type, piece, i, n);
        }
    }
}
