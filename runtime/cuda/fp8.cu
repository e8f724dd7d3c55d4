/* Rounding to fp8, and products of it where no library does them: of a card without units for fp8, of shapes that the library
 * does not take. Their factors are widened to bf16, piece by piece, and the product is then one of bf16.
 *
 * Rounding: a block owns 64 x 64 elements; a thread takes eight neighbouring ones of a row twice. The transpose
 * goes through shared memory, so that both sides are written in words of eight bytes. Bytes an element at bf16: 2 read, 1
 * written for each of the two forms. The largest is found in the warp, then by one atomic maximum of a block, on whole
 * numbers. */
#include "runtime/cuda/codes.cuh"

namespace {

enum { SIDE = 64, THREADS = 256, ROWS_AT_ONCE = THREADS / (SIDE / UN_VEC), LINE = SIDE + 8 };

struct quantize_args {
    struct un_mat y, yt, x;
    uint32_t *amax;
    const float *scale;
    bool wide_x, wide_y, wide_yt; /* rows that begin at multiples of 16 and 8 bytes */
};

/* From shared memory: column `row` of the tile is a row of the transpose. */
__device__ __forceinline__ void put_transposed(const quantize_args &a, const uint8_t (*tile)[LINE],
                                               int64_t row0, int64_t col0) {
    const int first = (int)threadIdx.x % (SIDE / UN_VEC) * UN_VEC;
    for (int c = (int)threadIdx.x / (SIDE / UN_VEC); c < SIDE && col0 + c < a.x.cols; c += ROWS_AT_ONCE) {
        const int64_t n = a.x.rows - row0 - first;
        uint2 w = {0, 0};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            w.x |= (uint32_t)tile[first + i][c] << 8 * i;
            w.y |= (uint32_t)tile[first + 4 + i][c] << 8 * i;
        }
        un_put_codes8((uint8_t *)a.yt.data + (col0 + c) * a.yt.stride + row0 + first, w, n < 0 ? 0 : n,
                      a.wide_yt);
    }
}

template <class T> __global__ void __launch_bounds__(THREADS) quantize_kernel(quantize_args a, bool e4m3) {
    __shared__ __align__(8) uint8_t tile[SIDE][LINE];
    __shared__ uint32_t part[THREADS / UN_WARP];
    const int64_t row0 = (int64_t)blockIdx.x * SIDE, col0 = (int64_t)blockIdx.y * SIDE;
    const int first = (int)threadIdx.x % (SIDE / UN_VEC) * UN_VEC;
    const bool written = a.y.data || a.yt.data;
    const float scale = written ? *a.scale : 1.0f;
    uint32_t most = 0;
    for (int r = (int)threadIdx.x / (SIDE / UN_VEC); r < SIDE && row0 + r < a.x.rows; r += ROWS_AT_ONCE) {
        const int64_t left = a.x.cols - col0 - first, n = left < 0 ? 0 : left;
        const int64_t at = (row0 + r) * a.x.stride + col0 + first;
        float v[UN_VEC] = {};
        if (n > 0) un_load8(v, (const T *)a.x.data + at, n, a.wide_x);
        const uint32_t here = un_most8(v);
        const uint2 codes = un_codes8(v, scale, e4m3, here);
        most = here > most ? here : most;
        if (a.yt.data) *(uint2 *)&tile[r][first] = codes;
        if (a.y.data)
            un_put_codes8((uint8_t *)a.y.data + (row0 + r) * a.y.stride + col0 + first, codes, n, a.wide_y);
    }
    un_amax(a.amax, most, part, THREADS / UN_WARP); /* with the barrier behind the tile */
    if (a.yt.data) put_transposed(a, tile, row0, col0);
}

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

bool words_of_8(const struct un_mat &m) {
    return !m.data || (((uintptr_t)m.data | (uintptr_t)m.stride) & 7u) == 0;
}

} // namespace

extern "C" void un_cuda_quantize(struct un_queue *q, struct un_mat y, struct un_mat yt, uint32_t *amax,
                                 struct un_mat x, const float *scale) {
    const enum un_type type = y.data ? y.type : yt.data ? yt.type : UN_E4M3;
    if (!un_fp8_is(type) || (y.data && yt.data && y.type != yt.type)) {
        un_cuda_fail(q, UN_INTERNAL, "quantize: into types %d, %d", (int)y.type, (int)yt.type);
        return;
    }
    UN_ASSERT((!y.data || (y.rows == x.rows && y.cols == x.cols)) &&
              (!yt.data || (yt.rows == x.cols && yt.cols == x.rows)));
    if (x.rows == 0 || x.cols == 0) return;
    quantize_args a = {};
    a.y = y, a.yt = yt, a.x = x, a.amax = amax, a.scale = scale;
    a.wide_x = un_is_wide(x), a.wide_y = words_of_8(y), a.wide_yt = words_of_8(yt);
    const dim3 grid(un_blocks(x.rows, SIDE), un_blocks(x.cols, SIDE), 1);
    UN_BY_FLOAT(x.type, T, UN_LAUNCH(q, quantize_kernel<T>, grid, THREADS, 0, a, type == UN_E4M3),
                un_cuda_fail(q, UN_INTERNAL, "quantize: rows of type %d, want f32 or bf16", (int)x.type));
}

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
