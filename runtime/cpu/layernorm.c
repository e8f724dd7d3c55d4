/* LayerNorm with residual and dropout. Sums along a row go in lanes (lanes.h), so a row's result does not
 * depend on the others; the sums over rows for dgamma and dbeta are taken in blocks of rows whose size the
 * shape fixes, each block by one thread in row order, and the blocks are added in order.
 *
 * Rows that are not f32 are worked on in lines of the thread's own: statistics and y come from r before it is
 * rounded, dx from dr before it is rounded; dbias sums what was stored. */
#include "runtime/cpu/lanes.h"
#include "runtime/cpu/rows.h"

#include <omp.h>

enum { BLOCK_ROWS = 32, MOST_BLOCKS = 64 };

static const float norm_eps = 1e-12f;

static int64_t block_rows(int64_t rows) {
    int64_t least = (rows + MOST_BLOCKS - 1) / MOST_BLOCKS;
    return least > BLOCK_ROWS ? least : BLOCK_ROWS;
}

/* dgamma and dbeta of every block. */
static size_t partial_bytes(int64_t blocks, int64_t cols) {
    return (size_t)(blocks * 2 * cols) * sizeof(float);
}

/* Lines of f32, each of a whole row, that a thread works in. */
enum { FWD_LINES = 1, BWD_LINES = 2 };
static size_t line_bytes(int64_t cols) {
    return ((size_t)cols * sizeof(float) + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN;
}

size_t un_cpu_layernorm_scratch(const struct un_limits *limits, int threads) {
    /* the blocks are fixed by the shape */
    return partial_bytes(MOST_BLOCKS, limits->max_width) +
           (size_t)threads * BWD_LINES * line_bytes(limits->max_width) + UN_ALIGN;
}

/* The lines of all threads. */
struct lines {
    unsigned char *base;
    size_t bytes; /* of one */
    int each;
};

static struct lines take_lines(struct un_arena *arena, int64_t cols, int threads, int each) {
    const size_t bytes = line_bytes(cols);
    return (struct lines){un_arena_take(arena, (size_t)(threads * each), bytes), bytes, each};
}
static float *line_of_thread(const struct lines *l, int which) {
    const size_t at = (size_t)(omp_get_thread_num() * l->each + which);
    return (float *)(void *)(l->base + at * l->bytes);
}

struct norm {
    struct un_mat y, r, x, residual;
    float *mean, *rstd;
    const float *gamma, *beta;
    const struct un_dropout *drop; /* of x or, with an index, of y */
    struct lines lines;
    const int32_t *index; /* the rows of y, see norm_scatter_fwd; NULL: row i of y is row i */
};

static void add_residual(float *r, const float *residual, int64_t n) {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) r[j] = residual[j] + r[j];
}

/* residual + dropout(x) of a row, in r itself or, where that is rounded, in a line. */
static float *sum_row(const struct norm *p, int64_t i) {
    const int64_t n = p->r.cols;
    float *line = line_of_thread(&p->lines, 0), *r = un_rows_out(p->r, i, 0, line);
    un_lanes_dropout(r, un_rows_in(p->x, i, 0, n, line), n, p->drop, un_lanes_row_group(i, n));
    for (int64_t col = 0; p->residual.data && col < n; col += UN_ROWS_STRIP) {
        float strip[UN_ROWS_STRIP];
        const int64_t m = un_rows_strip(n, col);
        add_residual(r + col, un_rows_in(p->residual, i, col, m, strip), m);
    }
    return r;
}

/* Dropout of row i from `col` on, over what stands in its row of y. */
static void drop_strip(const struct norm *p, int64_t i, int64_t col, float strip[UN_ROWS_STRIP]) {
    if (!p->drop || p->drop->threshold == 0) return;
    const int64_t m = un_rows_strip(p->r.cols, col), to = p->index[i];
    float *y = un_rows_out(p->y, to, col, strip);
    un_lanes_dropout(y, un_rows_in(p->y, to, col, m, strip), m, p->drop,
                     un_lanes_row_group(i, p->r.cols) + (uint32_t)(col / 8));
    un_rows_put(p->y, to, col, m, strip);
}

static void norm_row(const struct norm *p, int64_t i) {
    const int64_t n = p->r.cols, to = p->index ? p->index[i] : i;
    const float *r = p->index ? un_rows_in(p->r, i, 0, n, line_of_thread(&p->lines, 0)) : sum_row(p, i);
    float mean = un_lanes_sum(r, n) / (float)n;
    float rstd = 1.0f / sqrtf(un_lanes_square_sum(r, n, mean) / (float)n + norm_eps);
    for (int64_t col = 0; to >= 0 && col < n; col += UN_ROWS_STRIP) {
        float strip[UN_ROWS_STRIP], *restrict y = un_rows_out(p->y, to, col, strip);
        const float *restrict gamma = p->gamma + col, *restrict beta = p->beta + col;
        const int64_t m = un_rows_strip(n, col);
        for (int64_t j = 0; j < m; ++j) y[j] = (r[col + j] - mean) * rstd * gamma[j] + beta[j];
        un_rows_put(p->y, to, col, m, strip);
        if (p->index) drop_strip(p, i, col, strip);
    }
    if (!p->index) un_rows_put(p->r, i, 0, n, r);
    p->mean[i] = mean;
    p->rstd[i] = rstd;
}

static void norm_rows(struct un_queue *q, struct norm *p, const char *op) {
    const struct un_mat r = p->r;
    struct un_arena arena;
    if (!un_rows_are_float(q, (struct un_mat[]){r, p->y, p->x, p->residual}, 4, op)) return;
    if (!un_cpu_scratch(q, &arena, (size_t)(q->threads * FWD_LINES) * line_bytes(r.cols), op)) return;
    p->lines = take_lines(&arena, r.cols, q->threads, FWD_LINES);
#pragma omp parallel for schedule(static) num_threads(q->threads) if (r.rows * r.cols > UN_CPU_PARALLEL_MIN)
    for (int64_t i = 0; i < r.rows; ++i) norm_row(p, i);
}

void un_cpu_norm_fwd(struct un_queue *q, struct un_mat y, struct un_mat r, float *mean, float *rstd,
                     struct un_mat x, struct un_mat residual, const float *gamma, const float *beta,
                     const struct un_dropout *drop) {
    struct norm p = {y, r, x, residual, mean, rstd, gamma, beta, drop, {0}, NULL};
    norm_rows(q, &p, "norm_fwd");
}

void un_cpu_norm_scatter_fwd(struct un_queue *q, struct un_mat y, const int32_t *index, struct un_mat r,
                             float *mean, float *rstd, const float *gamma, const float *beta,
                             const struct un_dropout *drop) {
    struct norm p = {y, r, r, {0}, mean, rstd, gamma, beta, drop, {0}, index};
    norm_rows(q, &p, "norm_scatter_fwd");
}

struct norm_grad {
    struct un_mat dr, dx, dy, r;
    const float *mean, *rstd, *gamma;
    const struct un_dropout *drop; /* of dx or, with an index, of dy */
    struct lines lines;
    const int32_t *index; /* the rows of dy, see norm_gather_bwd; NULL: row i of dy is row i */
};

/* Row i of dy. With an index dropout goes over it in row i of dr, rounded there. */
static const float *grad_row(const struct norm_grad *p, int64_t i, float *line) {
    const int64_t n = p->r.cols;
    if (!p->index) return un_rows_in(p->dy, i, 0, n, line);
    float *dr = un_rows_out(p->dr, i, 0, line);
    if (p->index[i] < 0) return memset(dr, 0, (size_t)n * sizeof *dr);
    const float *dy = un_rows_in(p->dy, p->index[i], 0, n, line);
    if (!p->drop || p->drop->threshold == 0) return dy;
    un_lanes_dropout(dr, dy, n, p->drop, un_lanes_row_group(i, n));
    un_rows_put(p->dr, i, 0, n, dr);
    return un_rows_in(p->dr, i, 0, n, line);
}

/* With g = dy * gamma: dr = rstd (g - mean(g) - xhat mean(g xhat)). sum_gamma, sum_beta [cols] += this row's
 * part. */
static void norm_grad_row(const struct norm_grad *p, int64_t i, float *restrict sum_gamma,
                          float *restrict sum_beta) {
    int64_t n = p->r.cols;
    float *line = line_of_thread(&p->lines, 0), *dr = un_rows_out(p->dr, i, 0, line);
    const float *dy = grad_row(p, i, line), *restrict gamma = p->gamma;
    const float *restrict r = un_rows_in(p->r, i, 0, n, line_of_thread(&p->lines, 1));
    const float mean = p->mean[i], rstd = p->rstd[i];
    float s0[UN_LANES_SUMS] = {0}, s1[UN_LANES_SUMS] = {0};
    for (int64_t j = 0; j < n; j += UN_LANES_SUMS) {
        const int lanes = n - j < UN_LANES_SUMS ? (int)(n - j) : UN_LANES_SUMS;
        for (int k = 0; k < lanes; ++k) {
            float d = dy[j + k], g = d * gamma[j + k], xhat = (r[j + k] - mean) * rstd;
            sum_gamma[j + k] += d * xhat;
            sum_beta[j + k] += d;
            s0[k] += g;
            s1[k] += g * xhat;
        }
    }
    float m0 = un_lanes_fold(s0) / (float)n, m1 = un_lanes_fold(s1) / (float)n;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) dr[j] = rstd * (dy[j] * gamma[j] - m0 - (r[j] - mean) * rstd * m1);
    un_rows_put(p->dr, i, 0, n, dr);
    if (!p->dx.data) return;
    float *dx = un_rows_out(p->dx, i, 0, line);
    un_lanes_dropout(dx, dr, n, p->drop, un_lanes_row_group(i, n));
    un_rows_put(p->dx, i, 0, n, dx);
}

static void norm_grad_block(const struct norm_grad *p, int64_t first, int64_t end, float *restrict partial) {
    int64_t n = p->r.cols;
    memset(partial, 0, partial_bytes(1, n));
    for (int64_t i = first; i < end; ++i) norm_grad_row(p, i, partial, partial + n);
}

/* sum[j] += (((partial of block 0 + block 1) + block 2) + ...) */
static void add_blocks(float *restrict sum, float *restrict partial, int64_t blocks, int64_t cols) {
    for (int64_t b = 1; b < blocks; ++b) {
        const float *restrict next = partial + 2 * cols * b;
        for (int64_t j = 0; j < cols; ++j) partial[j] += next[j];
    }
    for (int64_t j = 0; j < cols; ++j) sum[j] += partial[j];
}

static void norm_grad_rows(struct un_queue *q, struct norm_grad *p, float *dgamma, float *dbeta, float *dbias,
                           const char *op) {
    struct un_arena arena;
    int64_t rows = p->r.rows, cols = p->r.cols, height = block_rows(rows),
            blocks = (rows + height - 1) / height;
    if (rows == 0 || !un_rows_are_float(q, (struct un_mat[]){p->r, p->dr, p->dx, p->dy}, 4, op)) return;
    const size_t lines = (size_t)(q->threads * BWD_LINES) * line_bytes(cols);
    if (!un_cpu_scratch(q, &arena, partial_bytes(blocks, cols) + lines + UN_ALIGN, op)) return;
    float *partial = un_arena_take(&arena, (size_t)(blocks * 2 * cols), sizeof *partial);
    p->lines = take_lines(&arena, cols, q->threads, BWD_LINES);
#pragma omp parallel for schedule(dynamic) num_threads(q->threads) if (rows * cols > UN_CPU_PARALLEL_MIN)
    for (int64_t b = 0; b < blocks; ++b)
        norm_grad_block(p, b * height, (b + 1) * height < rows ? (b + 1) * height : rows,
                        partial + b * 2 * cols);
    add_blocks(dgamma, partial, blocks, cols);
    add_blocks(dbeta, partial + cols, blocks, cols);
    if (dbias) un_cpu_col_sum(q, dbias, p->dx.data ? p->dx : p->dr);
}

void un_cpu_norm_bwd(struct un_queue *q, struct un_mat dr, struct un_mat dx, float *dgamma, float *dbeta,
                     float *dbias, struct un_mat dy, struct un_mat r, const float *mean, const float *rstd,
                     const float *gamma, const struct un_dropout *drop) {
    struct norm_grad p = {dr, dx, dy, r, mean, rstd, gamma, drop, {0}, NULL};
    norm_grad_rows(q, &p, dgamma, dbeta, dbias, "norm_bwd");
}

void un_cpu_norm_gather_bwd(struct un_queue *q, struct un_mat dr, float *dgamma, float *dbeta, float *dbias,
                            struct un_mat dy, const int32_t *index, struct un_mat r, const float *mean,
                            const float *rstd, const float *gamma, const struct un_dropout *drop) {
    struct norm_grad p = {dr, {0}, dy, r, mean, rstd, gamma, drop, {0}, index};
    UN_ASSERT(dr.type == dy.type);
    norm_grad_rows(q, &p, dgamma, dbeta, dbias, "norm_gather_bwd");
}
