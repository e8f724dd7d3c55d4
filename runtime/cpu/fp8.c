/* Ops that write codes of fp8 beside their result, which take them of rows that are in memory and mostly still in the cache; and
 * products of fp8: they widen their factors to bf16, piece by piece, and are then products of bf16 (product.h). */
#include "runtime/fp8.h"
#include "runtime/cpu/product.h"
#include "runtime/cpu/rows.h"

void un_cpu_gelu_bwd_fp8(struct un_queue *q, struct un_mat dz, const struct un_codes *codes, float *dbias,
                         struct un_mat dy, struct un_mat z) {
    un_cpu_gelu_bwd(q, dz, dbias, dy, z);
    un_cpu_codes(q, codes, dz);
}

void un_cpu_norm_fwd_fp8(struct un_queue *q, struct un_mat y, const struct un_codes *codes, struct un_mat r,
                         float *mean, float *rstd, struct un_mat x, struct un_mat residual,
                         const float *gamma, const float *beta, const struct un_dropout *drop) {
    un_cpu_norm_fwd(q, y, r, mean, rstd, x, residual, gamma, beta, drop);
    un_cpu_codes(q, codes, y);
}

void un_cpu_norm_bwd_fp8(struct un_queue *q, struct un_mat dr, struct un_mat dx, const struct un_codes *codes,
                         float *dgamma, float *dbeta, float *dbias, struct un_mat dy, struct un_mat r,
                         const float *mean, const float *rstd, const float *gamma,
                         const struct un_dropout *drop) {
    un_cpu_norm_bwd(q, dr, dx, dgamma, dbeta, dbias, dy, r, mean, rstd, gamma, drop);
    un_cpu_codes(q, codes, dx.data ? dx : dr);
}

void un_cpu_attention_fwd_fp8(struct un_queue *q, struct un_mat out, const struct un_codes *codes, float *lse,
                              struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                              const struct un_dropout *drop) {
    un_cpu_attention_fwd(q, out, lse, qkv, layout, heads, drop);
    un_cpu_codes(q, codes, out);
}

void un_cpu_attention_bwd_fp8(struct un_queue *q, struct un_mat dqkv, const struct un_codes *codes,
                              float *dbias, struct un_mat dout, struct un_mat out, const float *lse,
                              struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                              const struct un_dropout *drop) {
    un_cpu_attention_bwd(q, dqkv, dbias, dout, out, lse, qkv, layout, heads, drop);
    un_cpu_codes(q, codes, dqkv);
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
