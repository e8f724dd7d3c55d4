/* Rounding to fp8, and products of it. Rows are rounded in strips; a strip's transpose is written element by element.
 * A product widens its factors to bf16, piece by piece, and is then one of bf16 (product.h). */
#include "runtime/fp8.h"
#include "runtime/cpu/product.h"
#include "runtime/cpu/rows.h"

static void round_strip(uint8_t *restrict to, enum un_type type, const float *restrict x, float scale,
                        int64_t n) {
    if (type == UN_E4M3)
        for (int64_t j = 0; j < n; ++j) to[j] = un_fp8_to_e4m3(x[j] * scale);
    else
        for (int64_t j = 0; j < n; ++j) to[j] = un_fp8_to_e5m2(x[j] * scale);
}

static uint32_t largest(const float *x, int64_t n) {
    uint32_t most = 0;
    for (int64_t j = 0; j < n; ++j) {
        const uint32_t size = un_fp8_bits(x[j]) & 0x7FFFFFFFu;
        most = size > most ? size : most;
    }
    return most;
}

struct rounding {
    struct un_mat y, yt, x;
    float scale;
};

static uint32_t quantize_row(const struct rounding *c, int64_t i) {
    const enum un_type type = c->y.data ? c->y.type : c->yt.type;
    uint32_t most = 0;
    for (int64_t col = 0; col < c->x.cols; col += UN_ROWS_STRIP) {
        float strip[UN_ROWS_STRIP];
        uint8_t code[UN_ROWS_STRIP];
        const int64_t n = un_rows_strip(c->x.cols, col);
        const float *x = un_rows_in(c->x, i, col, n, strip);
        const uint32_t here = largest(x, n);
        most = here > most ? here : most;
        if (!c->y.data && !c->yt.data) continue;
        round_strip(code, type, x, c->scale, n);
        if (c->y.data) memcpy(un_rows_at(c->y, i, col), code, (size_t)n);
        for (int64_t j = 0; c->yt.data && j < n; ++j) *(uint8_t *)un_rows_at(c->yt, col + j, i) = code[j];
    }
    return most;
}

void un_cpu_quantize(struct un_queue *q, struct un_mat y, struct un_mat yt, uint32_t *amax, struct un_mat x,
                     const float *scale) {
    if (!un_rows_are_activations(q, &x, 1, "quantize")) return;
    if ((y.data && !un_fp8_is(y.type)) ||
        (yt.data && (!un_fp8_is(yt.type) || (y.data && y.type != yt.type)))) {
        un_cpu_fail(q, UN_INTERNAL, "quantize: into types %d, %d", (int)y.type, (int)yt.type);
        return;
    }
    UN_ASSERT((!y.data || (y.rows == x.rows && y.cols == x.cols)) &&
              (!yt.data || (yt.rows == x.cols && yt.cols == x.rows)));
    const struct rounding c = {y, yt, x, y.data || yt.data ? *scale : 1.0f};
    uint32_t all = 0;
#pragma omp parallel for schedule(static) num_threads(q->threads)                                            \
    reduction(max                                                                                            \
              : all) if (x.rows * x.cols > UN_CPU_PARALLEL_MIN)
    for (int64_t i = 0; i < x.rows; ++i) {
        const uint32_t here = quantize_row(&c, i);
        all = here > all ? here : all;
    }
    if (amax && all > *amax) *amax = all;
}

/* ---- codes beside an output: of rows that are in memory, and mostly still in the cache ---- */

void un_cpu_codes(struct un_queue *q, const struct un_codes *codes, struct un_mat m) {
    if (codes) un_cpu_quantize(q, codes->to, (struct un_mat){.data = NULL}, codes->amax, m, codes->scale);
}

void un_cpu_gelu_bwd_fp8(struct un_queue *q, struct un_mat dz, const struct un_codes *codes, float *dbias,
                         struct un_mat dy, struct un_mat z) {
    un_cpu_gelu_bwd(q, dz, dbias, dy, z);
    un_cpu_codes(q, codes, dz);
}

/* ---- products ---- */

static size_t piece_bytes(int64_t elements) {
    return ((size_t)elements * sizeof(uint16_t) + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN;
}

size_t un_cpu_fp8_scratch(const struct un_limits *limits, int threads) {
    if (!limits->fp8) return 0;
    return 2 * piece_bytes(un_fp8_piece_most(limits->max_tokens, limits->max_width)) +
           un_cpu_product_scratch(limits, threads);
}

/* Rows of a factor, each number times the unit. */
static struct un_mat widen(struct un_queue *q, uint16_t *to, struct un_mat x, float unit) {
    uint16_t number[256];
    for (int code = 0; code < 256; ++code)
        number[code] = un_half_to_bf16(un_fp8_from((uint8_t)code, x.type) * unit);
#pragma omp parallel for schedule(static) num_threads(q->threads) if (x.rows * x.cols > UN_CPU_PARALLEL_MIN)
    for (int64_t i = 0; i < x.rows; ++i) {
        const uint8_t *from = un_rows_at(x, i, 0);
        for (int64_t j = 0; j < x.cols; ++j) to[i * x.cols + j] = number[from[j]];
    }
    return un_mat(to, UN_BF16, x.rows, x.cols);
}

static const void *from_col(const struct un_epilogue *e, int64_t col) {
    return e->bias ? (const unsigned char *)e->bias + col * un_type_bytes(e->bias_type) : NULL;
}

struct factors {
    struct un_mat c, a, b;
    float a_unit, b_unit, beta;
    const struct un_epilogue *epilogue;
    uint16_t *left, *right; /* pieces in bf16 */
};

/* Columns [col, col + cols) of c, piece of rows by piece. */
static void run_columns(struct un_queue *q, const struct factors *f, int64_t col, int64_t cols) {
    const struct un_mat right = widen(q, f->right, un_rows_part(f->b, col, cols, 0, f->b.cols), f->b_unit);
    const int64_t step = un_fp8_piece_rows(f->a.rows, f->a.cols);
    for (int64_t row = 0; row < f->a.rows; row += step) {
        const int64_t rows = f->a.rows - row < step ? f->a.rows - row : step;
        const struct un_mat left = widen(q, f->left, un_rows_part(f->a, row, rows, 0, f->a.cols), f->a_unit);
        struct un_epilogue e = f->epilogue ? *f->epilogue : (struct un_epilogue){.bias = NULL};
        e.bias = from_col(&e, col);
        if (e.pre.data) e.pre = un_rows_part(e.pre, row, rows, col, cols);
        un_product_run(q, un_rows_part(f->c, row, rows, col, cols), left, false, right, true, f->beta,
                       f->epilogue ? &e : NULL);
    }
}

void un_cpu_gemm_fp8(struct un_queue *q, struct un_mat c, struct un_mat a, const float *a_unit,
                     struct un_mat b, const float *b_unit, float beta, const struct un_epilogue *epilogue) {
    UN_ASSERT(c.rows == a.rows && c.cols == b.rows && a.cols == b.cols);
    if (!un_fp8_is(a.type) || b.type != UN_E4M3) {
        un_cpu_fail(q, UN_INTERNAL, "gemm_fp8: types %d x %d", (int)a.type, (int)b.type);
        return;
    }
    const int64_t step = un_fp8_piece_rows(b.rows, b.cols);
    const size_t left = piece_bytes(un_fp8_piece_rows(a.rows, a.cols) * a.cols),
                 right = piece_bytes(step * b.cols);
    struct un_arena arena;
    if (c.rows == 0 || c.cols == 0 || !un_cpu_scratch(q, &arena, left + right, "gemm_fp8")) return;
    const struct factors f = {c,
                              a,
                              b,
                              *a_unit,
                              *b_unit,
                              beta,
                              epilogue,
                              un_arena_take(&arena, left, 1),
                              un_arena_take(&arena, right, 1)};
    struct un_queue rest = *q; /* the scratch behind the pieces */
    rest.scratch += left + right, rest.scratch_bytes -= left + right;
    for (int64_t col = 0; col < b.rows; col += step)
        run_columns(&rest, &f, col, b.rows - col < step ? b.rows - col : step);
    q->error = rest.error;
    if (epilogue) un_cpu_codes(q, epilogue->codes, c);
}
