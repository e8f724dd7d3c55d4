/* The walk of a product over its panels (product.h).
 *
 * Columns go in chunks. Of a chunk the right factor is packed once, by all threads, for all rows; then tiles of
 * UN_PRODUCT_ROWS rows and up to GROUP_COLS columns are dealt to the threads. A tile packs its rows and adds up in f32
 * in scratch of its thread, over all of k, and is finished there. Where k is so long that every chunk of its few columns
 * would pack the rows anew, k is cut outside (run_deep). Chunks, tiles and pieces are cut by shape alone. */
#include "runtime/cpu/product.h"

#include "runtime/cpu/epilogue.h"
#include "runtime/cpu/lanes.h"
#include "runtime/cpu/rows.h"

#include <omp.h>

/* PIECE: k of a piece of packed rows, 384 KiB with UN_PRODUCT_ROWS in f32. RIGHT: bytes of a chunk of packed columns,
 * unless one panel has more. SUM_STRIDE: room for a panel that hangs over; rows of sums share no sets of the cache. */
enum { PIECE = 1024, GROUP_COLS = 768, SUM_STRIDE = GROUP_COLS + UN_PRODUCT_COLS + 16, RIGHT = 4 << 20 };

struct call {
    const struct un_product_kernel *kernel;
    struct un_mat c;
    struct un_product_factor a, b;
    float beta;
    struct un_epilogue epilogue;
    int64_t blocks;           /* of k */
    unsigned char *right;     /* packed columns of the chunk */
    int64_t chunk, group;     /* columns of a chunk, of a tile; whole panels */
    int64_t col, cols, tiles; /* the chunk at work */
};

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
static int64_t round_up(int64_t a, int64_t to) {
    return ceil_div(a, to) * to;
}
static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static size_t aligned(size_t bytes) {
    return (bytes + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN;
}

static size_t left_bytes(void) {
    return aligned((size_t)PIECE * UN_PRODUCT_ROWS * sizeof(float));
}
static size_t sum_bytes(void) {
    return aligned((size_t)UN_PRODUCT_ROWS * SUM_STRIDE * sizeof(float));
}
static size_t right_bytes(int64_t depth) {
    const size_t panel =
        (size_t)ceil_div(depth, UN_PRODUCT_BLOCK) * UN_PRODUCT_BLOCK * UN_PRODUCT_COLS * sizeof(float);
    return aligned(panel > RIGHT ? panel : RIGHT);
}

size_t un_cpu_product_scratch(const struct un_limits *limits, int threads) {
    const int64_t depth = limits->max_width > limits->max_tokens ? limits->max_width : limits->max_tokens;
    if (depth == 0) return 0;
    return right_bytes(depth) + (size_t)threads * (left_bytes() + sum_bytes());
}

/* ---- what follows the sums ---- */

static float number(float x) {
    return x == x ? x : un_lanes_float(0x7FC00000);
}

/* Without an epilogue, into f32: gradients of weights, in one pass. */
static void finish_plain(float *restrict c, const float *restrict sum, float beta, int64_t n) {
    if (beta == 0.0f)
        for (int64_t j = 0; j < n; ++j) c[j] = number(sum[j]);
    else
        for (int64_t j = 0; j < n; ++j) c[j] = fmaf(beta, c[j], number(sum[j]));
}

static void finish(const struct call *p, const float *sum, int64_t row, int64_t col, int64_t cols) {
    const struct un_epilogue *e = &p->epilogue;
    if (p->c.type == UN_F32 && !e->bias && e->activation == UN_ACT_NONE) {
        finish_plain(un_cpu_row(p->c, row) + col, sum, p->beta, cols);
        return;
    }
    for (int64_t end = col + cols; col < end; col += UN_CPU_STRIP, sum += UN_CPU_STRIP) {
        float z[UN_CPU_STRIP], pre[UN_CPU_STRIP], room[UN_CPU_STRIP];
        const int64_t n = least(end - col, UN_CPU_STRIP);
        const bool keeps = e->pre.data && (e->activation == UN_ACT_GELU || e->activation == UN_ACT_RELU);
        for (int64_t j = 0; j < n; ++j) z[j] = number(sum[j]);
        const float *old = p->beta != 0.0f ? un_rows_in(p->c, row, col, n, room) : NULL;
        for (int64_t j = 0; old && j < n; ++j) z[j] = fmaf(p->beta, old[j], z[j]);
        const float *bias =
            e->bias
                ? un_rows_in(un_mat((void *)(uintptr_t)e->bias, e->bias_type, 1, p->c.cols), 0, col, n, room)
                : NULL;
        if (bias || e->activation != UN_ACT_NONE)
            un_cpu_finish_strip(z, keeps ? pre : NULL, bias, e->activation, n);
        if (keeps) un_rows_narrow(un_rows_at(e->pre, row, col), e->pre.type, pre, n);
        un_rows_narrow(un_rows_at(p->c, row, col), p->c.type, z, n);
    }
}

/* ---- the walk ---- */

static void pack_column(const struct call *p, int64_t panel) {
    const struct un_product_kernel *kernel = p->kernel;
    const struct un_product_piece piece = {
        .first = p->col + panel * kernel->cols, .high = kernel->cols, .blocks = p->blocks};
    kernel->pack_right(p->right + (size_t)panel * un_product_panel(kernel, kernel->cols, p->blocks), &p->b,
                       &piece);
}

/* Elements of k in these blocks. */
static int64_t depth_of(const struct call *p, int64_t block, int64_t blocks) {
    return least(blocks * UN_PRODUCT_BLOCK, p->a.depth - block * UN_PRODUCT_BLOCK);
}

/* Sums of one tile over one piece of k, panel of columns by panel. */
static void add_piece(const struct call *p, float *sum, const void *left, int64_t rows, int64_t first,
                      int64_t cols, int64_t block, int64_t blocks) {
    const struct un_product_kernel *kernel = p->kernel;
    const size_t panel = un_product_panel(kernel, kernel->cols, p->blocks),
                 before = un_product_panel(kernel, kernel->cols, block);
    const unsigned mode = kernel->enter ? kernel->enter() : 0;
    for (int64_t j = 0; j < cols; j += kernel->cols)
        kernel->multiply(sum + j, SUM_STRIDE, left, ceil_div(rows, kernel->rows),
                         p->right + (size_t)((first + j) / kernel->cols) * panel + before,
                         depth_of(p, block, blocks));
    if (kernel->leave) kernel->leave(mode);
}

static void run_tile(const struct call *p, int64_t tile, unsigned char *left, float *sum) {
    const struct un_product_kernel *kernel = p->kernel;
    const int64_t across = ceil_div(p->cols, p->group), first = tile % across * p->group,
                  cols = least(p->group, p->cols - first), row = tile / across * UN_PRODUCT_ROWS,
                  rows = least(UN_PRODUCT_ROWS, p->c.rows - row);
    const int64_t sums = ceil_div(cols, kernel->cols) * kernel->cols,
                  high = ceil_div(rows, kernel->rows) * kernel->rows;
    for (int64_t i = 0; i < high; ++i) memset(sum + i * SUM_STRIDE, 0, (size_t)sums * sizeof *sum);
    for (int64_t block = 0; block < p->blocks; block += PIECE / UN_PRODUCT_BLOCK) {
        const int64_t blocks = least(PIECE / UN_PRODUCT_BLOCK, p->blocks - block);
        const struct un_product_piece piece = {row, high, block * UN_PRODUCT_BLOCK, blocks};
        kernel->pack_left(left, &p->a, &piece);
        add_piece(p, sum, left, rows, first, cols, block, blocks);
    }
    for (int64_t i = 0; i < rows; ++i) finish(p, sum + i * SUM_STRIDE, row + i, p->col + first, cols);
}

static bool factors_known(struct un_mat c, struct un_mat a, struct un_mat b, const struct un_epilogue *e) {
    const enum un_type of[] = {c.type, a.type, b.type, e && e->bias ? e->bias_type : UN_F32,
                               e && e->pre.data ? e->pre.type : UN_F32};
    for (size_t i = 0; i < sizeof of / sizeof *of; ++i)
        if (of[i] != UN_F32 && of[i] != UN_BF16) return false;
    return true;
}

static struct un_product_factor factor(struct un_mat x, bool inner_is_row) {
    return (struct un_product_factor){.data = x.data,
                                      .type = x.type,
                                      .outer = inner_is_row ? 1 : x.stride,
                                      .inner = inner_is_row ? x.stride : 1,
                                      .count = inner_is_row ? x.cols : x.rows,
                                      .depth = inner_is_row ? x.rows : x.cols};
}

/* Panels of bf16 do not hold f32. */
static const struct un_product_kernel *kernel_for(struct un_queue *q, struct un_mat a, struct un_mat b) {
    if (q->kernel->element == sizeof(float) || (a.type == UN_BF16 && b.type == UN_BF16)) return q->kernel;
    return un_product_wide(q->kernel);
}

/* Columns of a chunk and of a tile. */
static void cut(struct call *p) {
    const int64_t wide = p->kernel->cols, panels = ceil_div(p->c.cols, wide);
    const size_t panel = un_product_panel(p->kernel, p->kernel->cols, p->blocks);
    const int64_t fit = panel > 0 ? RIGHT / (int64_t)panel : panels;
    p->chunk = (fit < 1 ? 1 : least(fit, panels)) * wide;
    p->group = ceil_div(ceil_div(p->chunk, ceil_div(p->chunk, GROUP_COLS)), wide) * wide;
}

static void run_chunks(struct call *p, struct un_arena *arena, int threads, bool parallel) {
    unsigned char *left = un_arena_take(arena, left_bytes() * (size_t)threads, 1);
    unsigned char *sums = un_arena_take(arena, sum_bytes() * (size_t)threads, 1);
    for (p->col = 0; p->col < p->c.cols; p->col += p->chunk) {
        p->cols = least(p->chunk, p->c.cols - p->col);
        p->tiles = ceil_div(p->c.rows, UN_PRODUCT_ROWS) * ceil_div(p->cols, p->group);
#pragma omp parallel num_threads(threads) if (parallel)
        {
            const size_t me = (size_t)omp_get_thread_num();
#pragma omp for schedule(dynamic)
            for (int64_t i = 0; i < ceil_div(p->cols, p->kernel->cols); ++i) pack_column(p, i);
#pragma omp for schedule(dynamic)
            for (int64_t i = 0; i < p->tiles; ++i)
                run_tile(p, i, left + me * left_bytes(), (float *)(void *)(sums + me * sum_bytes()));
        }
    }
}

/* ---- a long k and few rows, as the gradient of hidden rows from a vocabulary has ---- */

/* The sums of the whole product stay in scratch while k passes piece by piece: of a piece all rows are packed once, and
 * each panel of columns is packed by the thread that multiplies by it, and still in its cache. */
struct deep {
    const struct call *p;
    unsigned char *left;
    float *sum;
    int64_t stride;        /* floats between rows of sums */
    int64_t block, blocks; /* the piece at work */
};

static size_t deep_left(const struct call *p) {
    return aligned((size_t)(round_up(p->c.rows, p->kernel->rows) * PIECE) * sizeof(float));
}
static int64_t deep_stride(const struct call *p) {
    return round_up(p->c.cols, p->kernel->cols) + 16;
}
static size_t deep_sums(const struct call *p) {
    return (size_t)(round_up(p->c.rows, p->kernel->rows) * deep_stride(p)) * sizeof(float);
}
static bool is_deep(const struct call *p) {
    return p->chunk < p->c.cols && p->a.depth > PIECE &&
           deep_left(p) + deep_sums(p) <= right_bytes(p->a.depth);
}

/* Packed rows of the piece from `row` on, a multiple of UN_PRODUCT_ROWS. */
static unsigned char *deep_rows(const struct deep *d, int64_t row) {
    const struct un_product_kernel *kernel = d->p->kernel;
    return d->left + (size_t)(row / kernel->rows) * un_product_panel(kernel, kernel->rows, d->blocks);
}

static void deep_pack(const struct deep *d, int64_t row) {
    const struct call *p = d->p;
    const struct un_product_piece piece = {row,
                                           round_up(least(UN_PRODUCT_ROWS, p->c.rows - row), p->kernel->rows),
                                           d->block * UN_PRODUCT_BLOCK, d->blocks};
    p->kernel->pack_left(deep_rows(d, row), &p->a, &piece);
}

static void deep_panel(const struct deep *d, int64_t col, unsigned char *right) {
    const struct call *p = d->p;
    const struct un_product_kernel *kernel = p->kernel;
    const int64_t high = round_up(p->c.rows, kernel->rows);
    const struct un_product_piece piece = {col, kernel->cols, d->block * UN_PRODUCT_BLOCK, d->blocks};
    kernel->pack_right(right, &p->b, &piece);
    for (int64_t i = 0; d->block == 0 && i < high; ++i)
        memset(d->sum + i * d->stride + col, 0, (size_t)kernel->cols * sizeof *d->sum);
    const unsigned mode = kernel->enter ? kernel->enter() : 0;
    for (int64_t row = 0; row < high; row += UN_PRODUCT_ROWS)
        kernel->multiply(d->sum + row * d->stride + col, d->stride, deep_rows(d, row),
                         least(UN_PRODUCT_ROWS, high - row) / kernel->rows, right,
                         depth_of(p, d->block, d->blocks));
    if (kernel->leave) kernel->leave(mode);
}

static void run_deep(struct call *p, struct un_arena *arena, int threads) {
    struct deep d = {.p = p,
                     .left = p->right,
                     .sum = (float *)(void *)(p->right + deep_left(p)),
                     .stride = deep_stride(p)};
    unsigned char *right = un_arena_take(arena, left_bytes() * (size_t)threads, 1);
    for (; d.block < p->blocks; d.block += d.blocks) {
        d.blocks = least(PIECE / UN_PRODUCT_BLOCK, p->blocks - d.block);
#pragma omp parallel num_threads(threads)
        {
            unsigned char *mine = right + (size_t)omp_get_thread_num() * left_bytes();
#pragma omp for schedule(dynamic)
            for (int64_t row = 0; row < p->c.rows; row += UN_PRODUCT_ROWS) deep_pack(&d, row);
#pragma omp for schedule(dynamic)
            for (int64_t col = 0; col < p->c.cols; col += p->kernel->cols) deep_panel(&d, col, mine);
        }
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t i = 0; i < p->c.rows; ++i) finish(p, d.sum + i * d.stride, i, 0, p->c.cols);
}

_Static_assert((int)UN_PRODUCT_COLS <= (int)UN_PRODUCT_ROWS, "a panel of columns fits where packed rows do");

void un_product_run(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a, struct un_mat b,
                    bool transpose_b, float beta, const struct un_epilogue *epilogue) {
    if (!factors_known(c, a, b, epilogue)) {
        un_cpu_fail(q, UN_INTERNAL, "gemm: types %d = %d x %d", (int)c.type, (int)a.type, (int)b.type);
        return;
    }
    if (c.rows == 0 || c.cols == 0) return;
    struct call p = {.kernel = kernel_for(q, a, b), .c = c, .beta = beta};
    p.a = factor(a, transpose_a), p.b = factor(b, !transpose_b);
    if (epilogue) p.epilogue = *epilogue;
    p.blocks = ceil_div(p.a.depth, UN_PRODUCT_BLOCK);
    cut(&p);
    struct un_arena arena;
    const size_t right = right_bytes(p.a.depth);
    if (!un_cpu_scratch(q, &arena, right + (size_t)q->threads * (left_bytes() + sum_bytes()), "gemm")) return;
    p.right = un_arena_take(&arena, right, 1);
    if (is_deep(&p))
        run_deep(&p, &arena, q->threads);
    else
        run_chunks(&p, &arena, q->threads, c.rows * c.cols * p.a.depth > UN_CPU_PARALLEL_MIN);
}
