/* Elementwise ops. Each element is computed by itself, so neither threads nor order matter; the loops are
 * left to the compiler's vectoriser. `ivdep` says what in-place use would hide from it: element i depends on
 * element i only. */
#include "runtime/cpu/rows.h"

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

/* n elements: d from a and b. d may be a. */
typedef void (*two_to_one)(float *d, const float *a, const float *b, int64_t n);

static void by_strips(struct un_queue *q, struct un_mat d, struct un_mat a, struct un_mat b, two_to_one of) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(d))
    for (int64_t i = 0; i < d.rows; ++i)
        for (int64_t col = 0; col < d.cols; col += UN_ROWS_STRIP) {
            float strip[3][UN_ROWS_STRIP];
            const int64_t n = un_rows_strip(d.cols, col);
            const float *x = un_rows_in(a, i, col, n, strip[0]), *y = un_rows_in(b, i, col, n, strip[1]);
            of(un_rows_out(d, i, col, strip[2]), x, y, n);
            un_rows_put(d, i, col, n, strip[2]);
        }
}

static void gelu_slopes(float *d, const float *g, const float *z, int64_t n) {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) d[j] = g[j] * un_lanes_gelu_slope(z[j]);
}

static void tanh_slopes(float *d, const float *g, const float *y, int64_t n) {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) d[j] = g[j] * (1.0f - y[j] * y[j]);
}

static void relu_slopes(float *d, const float *g, const float *y, int64_t n) {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) d[j] = y[j] > 0.0f ? g[j] : 0.0f;
}

void un_cpu_gelu_bwd(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat z) {
    if (!un_rows_are_float(q, (struct un_mat[]){dz, dy, z}, 3, "gelu_bwd")) return;
    by_strips(q, dz, dy, z, gelu_slopes);
    if (dbias) un_cpu_col_sum(q, dbias, dz);
}

void un_cpu_tanh_bwd(struct un_queue *q, struct un_mat dz, struct un_mat dy, struct un_mat y) {
    if (!un_rows_are_float(q, (struct un_mat[]){dz, dy, y}, 3, "tanh_bwd")) return;
    by_strips(q, dz, dy, y, tanh_slopes);
}

void un_cpu_relu_bwd(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat y) {
    if (!un_rows_are_float(q, (struct un_mat[]){dz, dy, y}, 3, "relu_bwd")) return;
    by_strips(q, dz, dy, y, relu_slopes);
    if (dbias) un_cpu_col_sum(q, dbias, dz);
}

void un_cpu_dropout(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_dropout *d) {
    if (!un_rows_are_float(q, (struct un_mat[]){y, x}, 2, "dropout")) return;
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(y))
    for (int64_t i = 0; i < y.rows; ++i)
        for (int64_t col = 0; col < y.cols; col += UN_ROWS_STRIP) {
            float strip[2][UN_ROWS_STRIP];
            const int64_t n = un_rows_strip(y.cols, col);
            const float *from = un_rows_in(x, i, col, n, strip[0]);
            un_lanes_dropout(un_rows_out(y, i, col, strip[1]), from, n, d,
                             un_lanes_row_group(i, y.cols) + (uint32_t)(col / 8));
            un_rows_put(y, i, col, n, strip[1]);
        }
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
    if (!un_rows_are_float(q, (struct un_mat[]){r, a, b}, 3, "add_row")) return;
    if (table.type != UN_F32) {
        un_cpu_fail(q, UN_INTERNAL, "add_row: a table of type %d, want f32", (int)table.type);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(r))
    for (int64_t i = 0; i < r.rows; ++i) {
        const int64_t of = index ? index[i] : 0;
        for (int64_t col = 0; col < r.cols; col += UN_ROWS_STRIP) {
            float strip[3][UN_ROWS_STRIP], *s = un_rows_out(r, i, col, strip[2]);
            const int64_t n = un_rows_strip(r.cols, col);
            const float *x = un_rows_in(a, i, col, n, strip[0]), *y = un_rows_in(b, i, col, n, strip[1]);
            if (of < 0)
                add_two(s, x, y, n);
            else
                add_three(s, x, y, un_cpu_row(table, of) + col, n);
            un_rows_put(r, i, col, n, strip[2]);
        }
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
            un_rows_widen(piece, src_type, (const unsigned char *)src + i * un_type_bytes(src_type), n);
            un_rows_narrow((unsigned char *)dst + i * un_type_bytes(dst_type), dst_type, piece, n);
        }
    }
}
