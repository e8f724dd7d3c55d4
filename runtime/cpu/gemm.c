/* Matrix products: each is cut into tiles by its shape alone, every tile is one serial call of the BLAS, and
 * the tiles are dealt to the threads; so the sums do not know how many threads there were. What follows a
 * product (bias, GELU, tanh, ReLU) is applied to a tile while it is still in the cache. */
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/lanes.h"

#include <cblas.h>

/* Every tile packs its factors anew, so tiles are large: 512 rows cost 2 to 4 % of the rate of the whole
 * product on one thread, 256 rows 5 to 8 %, columns cut at 1,536 another 1 to 3 %. An even number of about
 * equal tiles leaves neither of two threads waiting. Measured with tests/bench/bench_ops. The price: [2048,
 * 768] has four tiles only, and more threads than that find nothing to do in it. */
enum { TILE_ROWS = 512, TILE_COLS = 1536, TILE_ALIGN = 16, STRIP = 512, SUM_ROWS = 64, SUM_COLS = 256 };

struct tiles {
    int64_t rows, cols; /* of a full tile */
    int64_t row_count, col_count, count;
};

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
static int64_t round_up(int64_t a, int64_t to) {
    return ceil_div(a, to) * to;
}

/* Length of the pieces when n is cut into an even number of about equal ones of at most about `most`. */
static int64_t even_cut(int64_t n, int64_t most) {
    return round_up(ceil_div(n, 2 * ceil_div(n, 2 * most)), TILE_ALIGN);
}

static struct tiles cut(int64_t m, int64_t n) {
    struct tiles t = {.rows = m, .cols = n};
    if (m >= TILE_ROWS) t.rows = even_cut(m, TILE_ROWS);
    if (n > (m < TILE_ROWS ? TILE_ALIGN : TILE_COLS)) t.cols = even_cut(n, TILE_COLS);
    t.row_count = m > 0 ? ceil_div(m, t.rows) : 0;
    t.col_count = n > 0 ? ceil_div(n, t.cols) : 0;
    t.count = t.row_count * t.col_count;
    return t;
}

struct product {
    struct un_mat c, a, b;
    bool transpose_a, transpose_b;
    int64_t inner;
    float beta;
    const struct un_epilogue *epilogue;
};

/* A leading dimension the BLAS accepts even for a matrix without columns. */
static blasint lead(struct un_mat m) {
    return (blasint)(m.stride > 0 ? m.stride : 1);
}

/* What follows a product, on one strip of a row in one pass: the strip is in the cache, its copy `pre` is
 * not. */
static void add_bias(float *restrict c, const float *restrict bias, int64_t n) {
    for (int64_t j = 0; j < n; ++j) c[j] += bias[j];
}

static void add_bias_tanh(float *restrict c, const float *restrict bias, int64_t n) {
    for (int64_t j = 0; j < n; ++j) c[j] = un_lanes_tanh(c[j] + bias[j]);
}

static void add_bias_gelu(float *restrict c, const float *restrict bias, int64_t n) {
    for (int64_t j = 0; j < n; ++j) c[j] = un_lanes_gelu(c[j] + bias[j]);
}

static void add_bias_keep_gelu(float *restrict c, float *restrict pre, const float *restrict bias,
                               int64_t n) {
    for (int64_t j = 0; j < n; ++j) {
        float z = c[j] + bias[j];
        pre[j] = z;
        c[j] = un_lanes_gelu(z);
    }
}

/* pre NULL: the sum is not kept. */
static void add_bias_relu(float *restrict c, float *restrict pre, const float *restrict bias, int64_t n) {
    add_bias(c, bias, n);
    if (pre) memcpy(pre, c, (size_t)n * sizeof *c);
    for (int64_t j = 0; j < n; ++j) c[j] = c[j] < 0.0f ? 0.0f : c[j];
}

static void finish_strip(const struct un_epilogue *e, float *c, float *pre, int64_t col, int64_t n) {
    static const float none[STRIP];
    const float *bias = e->bias ? (const float *)e->bias + col : none;
    if (e->activation == UN_ACT_TANH)
        add_bias_tanh(c, bias, n);
    else if (e->activation == UN_ACT_NONE)
        add_bias(c, bias, n);
    else if (e->activation == UN_ACT_RELU)
        add_bias_relu(c, pre, bias, n);
    else if (pre)
        add_bias_keep_gelu(c, pre, bias, n);
    else
        add_bias_gelu(c, bias, n);
}

static void finish_row(const struct product *p, int64_t row, int64_t col, int64_t cols) {
    float *c = un_cpu_row(p->c, row), *pre = p->epilogue->pre.data ? un_cpu_row(p->epilogue->pre, row) : NULL;
    for (int64_t end = col + cols; col < end; col += STRIP)
        finish_strip(p->epilogue, c + col, pre ? pre + col : NULL, col,
                     end - col < STRIP ? end - col : STRIP);
}

static void run_tile(const struct product *p, int64_t row, int64_t rows, int64_t col, int64_t cols) {
    float *c = un_cpu_row(p->c, row) + col;
    const float *a = p->transpose_a ? (const float *)p->a.data + row : un_cpu_row(p->a, row);
    const float *b = p->transpose_b ? un_cpu_row(p->b, col) : (const float *)p->b.data + col;
    cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans,
                p->transpose_b ? CblasTrans : CblasNoTrans, (blasint)rows, (blasint)cols, (blasint)p->inner,
                1.0f, a, lead(p->a), b, lead(p->b), p->beta, c, lead(p->c));
    const struct un_epilogue *e = p->epilogue;
    if (!e || (!e->bias && e->activation == UN_ACT_NONE)) return;
    for (int64_t i = row; i < row + rows; ++i) finish_row(p, i, col, cols);
}

void un_cpu_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a, struct un_mat b,
                 bool transpose_b, float beta, const struct un_epilogue *epilogue) {
    int64_t inner = transpose_a ? a.rows : a.cols;
    UN_ASSERT(c.rows == (transpose_a ? a.cols : a.rows) && c.cols == (transpose_b ? b.rows : b.cols));
    UN_ASSERT(inner == (transpose_b ? b.cols : b.rows));
    struct product p = {c, a, b, transpose_a, transpose_b, inner, beta, epilogue};
    struct tiles t = cut(c.rows, c.cols);
#pragma omp parallel for schedule(dynamic)                                                                   \
    num_threads(q->threads) if (t.count > 1 && c.rows * c.cols * inner > 64 * UN_CPU_PARALLEL_MIN)
    for (int64_t i = 0; i < t.count; ++i) {
        int64_t row = i / t.col_count * t.rows, col = i % t.col_count * t.cols;
        run_tile(&p, row, c.rows - row < t.rows ? c.rows - row : t.rows, col,
                 c.cols - col < t.cols ? c.cols - col : t.cols);
    }
}

/* One stripe of columns: blocks of rows are summed, then added in order. */
static void sum_stripe(float *dbias, struct un_mat dy, int64_t col, int64_t cols) {
    float total[SUM_COLS] = {0};
    for (int64_t first = 0; first < dy.rows; first += SUM_ROWS) {
        int64_t end = first + SUM_ROWS < dy.rows ? first + SUM_ROWS : dy.rows;
        float block[SUM_COLS] = {0};
        for (int64_t i = first; i < end; ++i) {
            const float *x = un_cpu_row(dy, i) + col;
            if (cols == SUM_COLS)
                for (int j = 0; j < SUM_COLS; ++j) block[j] += x[j];
            else
                for (int64_t j = 0; j < cols; ++j) block[j] += x[j];
        }
        for (int j = 0; j < SUM_COLS; ++j) total[j] += block[j];
    }
    for (int64_t j = 0; j < cols; ++j) dbias[col + j] += total[j];
}

void un_cpu_col_sum(struct un_queue *q, float *dbias, struct un_mat dy) {
    int64_t stripes = ceil_div(dy.cols, SUM_COLS);
#pragma omp parallel for schedule(static) num_threads(q->threads) if (dy.rows * dy.cols > UN_CPU_PARALLEL_MIN)
    for (int64_t s = 0; s < stripes; ++s) {
        int64_t col = s * SUM_COLS;
        sum_stripe(dbias, dy, col, dy.cols - col < SUM_COLS ? dy.cols - col : SUM_COLS);
    }
}

void un_cpu_linear_grad(struct un_queue *q, struct un_mat dw, float *dbias, struct un_mat dy,
                        struct un_mat x) {
    un_cpu_gemm(q, dw, dy, true, x, false, 1.0f, NULL);
    if (dbias) un_cpu_col_sum(q, dbias, dy);
}
