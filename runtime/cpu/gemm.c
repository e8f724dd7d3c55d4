/* Matrix products of f32: each is cut into tiles by its shape alone, every tile is one serial call of the BLAS, and
 * the tiles are dealt to the threads; so the sums do not know how many threads there were. What follows a
 * product (bias, GELU, tanh, ReLU) is applied to a tile while it is still in the cache. Products of other types are
 * this program's own (product.h). */
#include "runtime/cpu/convert.h"
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/epilogue.h"
#include "runtime/cpu/product.h"

#include <cblas.h>

/* Every tile packs its factors anew, so tiles are large: 512 rows cost 2 to 4 % of the rate of the whole
 * product on one thread, 256 rows 5 to 8 %, columns cut at 1,536 another 1 to 3 %. An even number of about
 * equal tiles leaves neither of two threads waiting. Measured with tests/bench/bench_ops. The price: [2048,
 * 768] has four tiles only, and more threads than that find nothing to do in it. */
enum { TILE_ROWS = 512, TILE_COLS = 1536, TILE_ALIGN = 16, SUM_ROWS = 64, SUM_COLS = 256 };

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

static void finish_row(const struct product *p, int64_t row, int64_t col, int64_t cols) {
    const struct un_epilogue *e = p->epilogue;
    const float *bias = e->bias;
    float *c = un_cpu_row(p->c, row), *pre = e->pre.data ? un_cpu_row(e->pre, row) : NULL;
    for (int64_t end = col + cols; col < end; col += UN_CPU_STRIP)
        un_cpu_finish_strip(c + col, pre ? pre + col : NULL, bias ? bias + col : NULL, e->activation,
                            end - col < UN_CPU_STRIP ? end - col : UN_CPU_STRIP);
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

static bool all_f32(struct un_mat c, struct un_mat a, struct un_mat b, const struct un_epilogue *e) {
    if (e && ((e->bias && e->bias_type != UN_F32) || (e->pre.data && e->pre.type != UN_F32))) return false;
    return c.type == UN_F32 && a.type == UN_F32 && b.type == UN_F32;
}

void un_cpu_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a, struct un_mat b,
                 bool transpose_b, float beta, const struct un_epilogue *epilogue) {
    int64_t inner = transpose_a ? a.rows : a.cols;
    UN_ASSERT(c.rows == (transpose_a ? a.cols : a.rows) && c.cols == (transpose_b ? b.rows : b.cols));
    UN_ASSERT(inner == (transpose_b ? b.cols : b.rows));
    if (!all_f32(c, a, b, epilogue)) {
        un_product_run(q, c, a, transpose_a, b, transpose_b, beta, epilogue);
        if (epilogue) un_cpu_codes(q, epilogue->codes, c);
        return;
    }
    struct product p = {c, a, b, transpose_a, transpose_b, inner, beta, epilogue};
    struct tiles t = cut(c.rows, c.cols);
#pragma omp parallel for schedule(dynamic)                                                                   \
    num_threads(q->threads) if (t.count > 1 && c.rows * c.cols * inner > 64 * UN_CPU_PARALLEL_MIN)
    for (int64_t i = 0; i < t.count; ++i) {
        int64_t row = i / t.col_count * t.rows, col = i % t.col_count * t.cols;
        run_tile(&p, row, c.rows - row < t.rows ? c.rows - row : t.rows, col,
                 c.cols - col < t.cols ? c.cols - col : t.cols);
    }
    if (epilogue) un_cpu_codes(q, epilogue->codes, c);
}

/* One block of rows added up, `cols` of them wide. */
static void sum_block(float block[SUM_COLS], struct un_mat dy, int64_t first, int64_t end, int64_t col,
                      int64_t cols) {
    for (int64_t i = first; i < end; ++i) {
        if (dy.type == UN_BF16) {
            const uint16_t *x = (const uint16_t *)dy.data + i * dy.stride + col;
            for (int64_t j = 0; j < cols; ++j) block[j] += un_half_from_bf16(x[j]);
            continue;
        }
        const float *x = un_cpu_row(dy, i) + col;
        if (cols == SUM_COLS)
            for (int j = 0; j < SUM_COLS; ++j) block[j] += x[j];
        else
            for (int64_t j = 0; j < cols; ++j) block[j] += x[j];
    }
}

/* One stripe of columns: blocks of rows are summed, then added in order. */
static void sum_stripe(float *dbias, struct un_mat dy, int64_t col, int64_t cols) {
    float total[SUM_COLS] = {0};
    for (int64_t first = 0; first < dy.rows; first += SUM_ROWS) {
        float block[SUM_COLS] = {0};
        sum_block(block, dy, first, first + SUM_ROWS < dy.rows ? first + SUM_ROWS : dy.rows, col, cols);
        for (int j = 0; j < SUM_COLS; ++j) total[j] += block[j];
    }
    for (int64_t j = 0; j < cols; ++j) dbias[col + j] += total[j];
}

void un_cpu_col_sum(struct un_queue *q, float *dbias, struct un_mat dy) {
    int64_t stripes = ceil_div(dy.cols, SUM_COLS);
    if (dy.type != UN_F32 && dy.type != UN_BF16) {
        un_cpu_fail(q, UN_INTERNAL, "col_sum: type %d, want f32 or bf16", (int)dy.type);
        return;
    }
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
