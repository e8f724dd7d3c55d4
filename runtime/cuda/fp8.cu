/* Products of fp8 where no library does them: of a card without units for fp8, of shapes that the library does not take.
 * Their factors are widened to bf16, piece by piece, and the product is then one of bf16. */
#include "runtime/cuda/kernel.cuh"
#include "runtime/fp8.h"

namespace {

enum { THREADS = 256 };

/* to [rows, cols] packed = x * *unit in bf16; a thread eight neighbouring elements of a row. */
__global__ void __launch_bounds__(THREADS)
    widen_kernel(un_bf16 *to, struct un_mat x, const float *unit, bool wide) {
    const int64_t groups = (x.cols + UN_VEC - 1) / UN_VEC, at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= x.rows * groups) return;
    const int64_t row = at / groups, col = at % groups * UN_VEC, n = x.cols - col;
    const uint8_t *from = (const uint8_t *)x.data + row * x.stride + col;
    float v[UN_VEC];
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) v[i] = i < n ? un_fp8_from(from[i], x.type) * *unit : 0.0f;
    un_store8(to + row * x.cols + col, v, n, wide);
}

struct un_mat widen(struct un_queue *q, void *to, const struct un_mat &x, const float *unit) {
    const int64_t groups = (x.cols + UN_VEC - 1) / UN_VEC;
    UN_LAUNCH(q, widen_kernel, un_blocks(x.rows * groups, THREADS), THREADS, 0, (un_bf16 *)to, x, unit,
              x.cols % UN_VEC == 0);
    return un_mat(to, UN_BF16, x.rows, x.cols);
}

size_t piece_bytes(int64_t elements) {
    return ((size_t)elements * sizeof(uint16_t) + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN;
}

struct un_mat part_of(const struct un_mat &m, int64_t row, int64_t rows, int64_t col, int64_t cols) {
    struct un_mat part = {(unsigned char *)m.data + (row * m.stride + col) * un_type_bytes(m.type), m.type,
                          rows, cols, m.stride};
    return part;
}

struct factors {
    struct un_mat c, a, b;
    const float *a_unit, *b_unit;
    float beta;
    const struct un_epilogue *epilogue;
    void *left, *right; /* pieces in bf16 */
};

/* Columns [col, col + cols) of c, piece of rows by piece. */
void run_columns(struct un_queue *q, const factors &f, int64_t col, int64_t cols) {
    const struct un_mat right = widen(q, f.right, part_of(f.b, col, cols, 0, f.b.cols), f.b_unit);
    const int64_t step = un_fp8_piece_rows(f.a.rows, f.a.cols);
    const struct un_codes none = {};
    for (int64_t row = 0; row < f.a.rows; row += step) {
        const int64_t rows = f.a.rows - row < step ? f.a.rows - row : step;
        const struct un_mat left = widen(q, f.left, part_of(f.a, row, rows, 0, f.a.cols), f.a_unit);
        struct un_epilogue e = {};
        if (f.epilogue) e = *f.epilogue;
        if (e.bias) e.bias = (const unsigned char *)e.bias + col * un_type_bytes(e.bias_type);
        if (e.pre.data) e.pre = part_of(e.pre, row, rows, col, cols);
        struct un_codes codes = e.codes ? *e.codes : none;
        if (codes.to.data) codes.to = part_of(codes.to, row, rows, col, cols);
        if (e.codes) e.codes = &codes;
        un_cuda_gemm(q, part_of(f.c, row, rows, col, cols), left, false, right, true, f.beta,
                     f.epilogue ? &e : NULL);
    }
}

/* By products of bf16, whose scratch is behind the pieces. */
void run_widened(struct un_queue *q, factors f) {
    const int64_t step = un_fp8_piece_rows(f.b.rows, f.b.cols);
    const size_t left = piece_bytes(un_fp8_piece_rows(f.a.rows, f.a.cols) * f.a.cols),
                 right = piece_bytes(step * f.b.cols);
    struct un_arena arena;
    if (!un_cuda_scratch(q, &arena, left + right, "gemm_fp8")) return;
    f.left = un_arena_take(&arena, left, 1), f.right = un_arena_take(&arena, right, 1);
    q->scratch += left + right, q->scratch_bytes -= left + right;
    for (int64_t col = 0; col < f.b.rows; col += step)
        run_columns(q, f, col, f.b.rows - col < step ? f.b.rows - col : step);
    q->scratch -= left + right, q->scratch_bytes += left + right;
}

} // namespace

extern "C" size_t un_cuda_fp8_scratch(const struct un_limits *limits) {
    if (!limits->fp8) return 0;
    return 2 * piece_bytes(un_fp8_piece_most(limits->max_tokens, limits->max_width)) +
           un_cuda_gemm_scratch(limits);
}

extern "C" void un_cuda_gemm_fp8(struct un_queue *q, struct un_mat c, struct un_mat a, const float *a_unit,
                                 struct un_mat b, const float *b_unit, float beta,
                                 const struct un_epilogue *epilogue) {
    UN_ASSERT(c.rows == a.rows && c.cols == b.rows && a.cols == b.cols);
    if (!un_fp8_is(a.type) || b.type != UN_E4M3) {
        un_cuda_fail(q, UN_INTERNAL, "gemm_fp8: types %d x %d", (int)a.type, (int)b.type);
        return;
    }
    if (c.rows == 0 || c.cols == 0) return;
    const struct un_mat to = un_cuda_gemm_target(c, epilogue);
    const void *bias = epilogue ? epilogue->bias : NULL;
    const enum un_type bias_type = bias ? epilogue->bias_type : UN_F32;
    bool biased = false;
    if (q->device->fp8_units &&
        un_cuda_blas_gemm_fp8(q, to, a, a_unit, b, b_unit, beta, bias, bias_type, &biased)) {
        if (epilogue) un_cuda_gemm_finish(q, c, to, epilogue, biased);
        return;
    }
    factors f = {};
    f.c = c, f.a = a, f.b = b;
    f.a_unit = a_unit, f.b_unit = b_unit, f.beta = beta, f.epilogue = epilogue;
    run_widened(q, f);
}
