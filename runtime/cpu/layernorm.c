/* LayerNorm with residual and dropout. Sums along a row go in lanes (lanes.h), so a row's result does not
 * depend on the others; the sums over rows for dgamma and dbeta are taken in blocks of rows whose size the
 * shape fixes, each block by one thread in row order, and the blocks are added in order. */
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/lanes.h"

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

size_t un_cpu_layernorm_scratch(const struct un_limits *limits, int threads) {
    (void)threads; /* the blocks are fixed by the shape */
    return partial_bytes(MOST_BLOCKS, limits->max_width);
}

struct norm {
    struct un_mat y, r, x, residual;
    float *mean, *rstd;
    const float *gamma, *beta;
    const struct un_dropout *drop;
};

static void add_residual(float *r, const float *residual, int64_t n) {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) r[j] = residual[j] + r[j];
}

static void norm_row(const struct norm *p, int64_t i) {
    int64_t n = p->r.cols;
    float *r = un_cpu_row(p->r, i), *restrict y = un_cpu_row(p->y, i);
    un_lanes_dropout(r, un_cpu_row(p->x, i), n, p->drop, un_lanes_row_group(i, n));
    if (p->residual.data) add_residual(r, un_cpu_row(p->residual, i), n);
    float mean = un_lanes_sum(r, n) / (float)n;
    float rstd = 1.0f / sqrtf(un_lanes_square_sum(r, n, mean) / (float)n + norm_eps);
    const float *restrict gamma = p->gamma, *restrict beta = p->beta;
    for (int64_t j = 0; j < n; ++j) y[j] = (r[j] - mean) * rstd * gamma[j] + beta[j];
    p->mean[i] = mean;
    p->rstd[i] = rstd;
}

void un_cpu_norm_fwd(struct un_queue *q, struct un_mat y, struct un_mat r, float *mean, float *rstd,
                     struct un_mat x, struct un_mat residual, const float *gamma, const float *beta,
                     const struct un_dropout *drop) {
    struct norm p = {y, r, x, residual, mean, rstd, gamma, beta, drop};
#pragma omp parallel for schedule(static) num_threads(q->threads) if (r.rows * r.cols > UN_CPU_PARALLEL_MIN)
    for (int64_t i = 0; i < r.rows; ++i) norm_row(&p, i);
}

struct norm_grad {
    struct un_mat dr, dx, dy, r;
    const float *mean, *rstd, *gamma;
    const struct un_dropout *drop;
};

/* With g = dy * gamma: dr = rstd (g - mean(g) - xhat mean(g xhat)). sum_gamma, sum_beta [cols] += this row's
 * part. */
static void norm_grad_row(const struct norm_grad *p, int64_t i, float *restrict sum_gamma,
                          float *restrict sum_beta) {
    int64_t n = p->r.cols;
    const float *dy = un_cpu_row(p->dy, i), *restrict r = un_cpu_row(p->r, i), *restrict gamma = p->gamma;
    float *dr = un_cpu_row(p->dr, i), mean = p->mean[i], rstd = p->rstd[i];
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
    if (p->dx.data) un_lanes_dropout(un_cpu_row(p->dx, i), dr, n, p->drop, un_lanes_row_group(i, n));
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

void un_cpu_norm_bwd(struct un_queue *q, struct un_mat dr, struct un_mat dx, float *dgamma, float *dbeta,
                     float *dbias, struct un_mat dy, struct un_mat r, const float *mean, const float *rstd,
                     const float *gamma, const struct un_dropout *drop) {
    struct norm_grad p = {dr, dx, dy, r, mean, rstd, gamma, drop};
    struct un_arena arena;
    int64_t rows = r.rows, cols = r.cols, height = block_rows(rows), blocks = (rows + height - 1) / height;
    if (rows == 0 || !un_cpu_scratch(q, &arena, partial_bytes(blocks, cols), "norm_bwd")) return;
    float *partial = un_arena_take(&arena, (size_t)(blocks * 2 * cols), sizeof *partial);
#pragma omp parallel for schedule(dynamic) num_threads(q->threads) if (rows * cols > UN_CPU_PARALLEL_MIN)
    for (int64_t b = 0; b < blocks; ++b)
        norm_grad_block(&p, b * height, (b + 1) * height < rows ? (b + 1) * height : rows,
                        partial + b * 2 * cols);
    add_blocks(dgamma, partial, blocks, cols);
    add_blocks(dbeta, partial + cols, blocks, cols);
    if (dbias) un_cpu_col_sum(q, dbias, dx.data ? dx : dr);
}
