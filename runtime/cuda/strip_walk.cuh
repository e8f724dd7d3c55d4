/* The kernel behind all ops that take each element of a matrix by itself, with or without the column sums of
 * what they make: one pass over memory in strips (strip.cuh). */
#ifndef UN_RUNTIME_CUDA_STRIP_WALK_CUH
#define UN_RUNTIME_CUDA_STRIP_WALK_CUH

#include "runtime/cuda/codes.cuh"
#include "runtime/cuda/gelu.cuh"
#include "runtime/cuda/strip.cuh"

enum un_walk {
    UN_WALK_SUM,        /* column sums of a */
    UN_WALK_GELU_SLOPE, /* out = a * gelu'(b) */
    UN_WALK_TANH_SLOPE, /* out = a * (1 - b^2) */
    UN_WALK_RELU_SLOPE, /* out = b > 0 ? a : 0 */
    UN_WALK_DROPOUT,    /* out = dropout(a) */
    UN_WALK_ADD_ROW,    /* out = a + b + row */
    UN_WALK_ADD_ROWS,   /* out = a + b + table[index], a row for each */
    UN_WALK_ADD_RELU,   /* out = max(a + b, 0) */
    UN_WALK_BIAS,       /* out = a + row, also to pre */
    UN_WALK_BIAS_GELU,  /* out = gelu(a + row), a + row to pre */
    UN_WALK_BIAS_TANH,  /* out = tanh(a + row), a + row to pre */
    UN_WALK_BIAS_RELU   /* out = max(a + row, 0), a + row to pre */
};

struct un_walk_args {
    struct un_mat out, pre, a, b; /* out may be a */
    const void *row;              /* NULL: zeros */
    enum un_type row_type;
    struct un_mat table; /* f32 */
    const int32_t *index;
    un_dropout drop;
    float *partial; /* [blocks, cols] */
    int64_t rows, cols, height;
    un_code_sink codes; /* of out */
};

/* Does the op read b? */
template <un_walk op>
constexpr bool un_walk_pairs =
    op == UN_WALK_GELU_SLOPE || op == UN_WALK_TANH_SLOPE || op == UN_WALK_RELU_SLOPE ||
    op == UN_WALK_ADD_ROW || op == UN_WALK_ADD_ROWS || op == UN_WALK_ADD_RELU;

/* Eight elements of one row: v from a to out. */
template <un_walk op, class T>
__device__ __forceinline__ void un_walk8(float v[UN_VEC], const un_raw8<T> &b, const float line[UN_VEC],
                                         const un_walk_args &s, const un_drawer &drawer, int64_t row,
                                         int64_t col) {
    float w[UN_VEC], own[UN_VEC];
    if (op == UN_WALK_ADD_ROWS) {
        const int64_t of = s.index[row];
        un_line8<T>(own, (const float *)s.table.data + (of < 0 ? 0 : of) * s.table.stride, col, s.cols);
#pragma unroll
        for (int i = 0; i < UN_VEC; ++i) own[i] = of < 0 ? 0.0f : own[i];
    }
    if (op == UN_WALK_DROPOUT) un_draw8(w, drawer, un_row_group(row, s.cols) + (uint32_t)(col / UN_VEC));
    if (un_walk_pairs<op>) un_raw_floats(w, b);
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) {
        if (op == UN_WALK_GELU_SLOPE) v[i] = __fmul_rn(v[i], un_gelu_slope(w[i]));
        if (op == UN_WALK_TANH_SLOPE) v[i] *= 1.0f - w[i] * w[i];
        if (op == UN_WALK_RELU_SLOPE) v[i] = w[i] > 0.0f ? v[i] : 0.0f;
        if (op == UN_WALK_DROPOUT) v[i] *= w[i];
        if (op == UN_WALK_ADD_ROW) v[i] = v[i] + w[i] + line[i];
        if (op == UN_WALK_ADD_ROWS) v[i] = v[i] + w[i] + own[i];
        if (op == UN_WALK_ADD_RELU) v[i] = v[i] + w[i] < 0.0f ? 0.0f : v[i] + w[i];
        if (op >= UN_WALK_BIAS) v[i] += line[i];
    }
    if (op < UN_WALK_BIAS) return;
    if (s.pre.data) {
        float z[UN_VEC]; /* the activation takes the sum before it is rounded */
#pragma unroll
        for (int i = 0; i < UN_VEC; ++i) z[i] = v[i];
        un_put8<T>(s.pre, row, col, z);
    }
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) {
        if (op == UN_WALK_BIAS_GELU) v[i] = un_gelu(v[i]);
        if (op == UN_WALK_BIAS_TANH) v[i] = tanhf(v[i]);
        if (op == UN_WALK_BIAS_RELU) v[i] = v[i] < 0.0f ? 0.0f : v[i];
    }
}

template <class T> constexpr int un_walk_ahead = 4;
template <> constexpr int un_walk_ahead<un_any> = 1;

/* This thread's rows, `ahead` at a time so that their loads are under way together; sum += what was stored. coded: its codes
 * too. */
template <un_walk op, bool summed, bool coded, int ahead, class T>
__device__ __forceinline__ void un_walk_rows(const un_walk_args &s, int64_t col, const float line[UN_VEC],
                                             float sum[UN_VEC], un_coder &coder) {
    const int64_t start = (int64_t)blockIdx.y * s.height;
    const int64_t end = start + s.height < s.rows ? start + s.height : s.rows;
    const un_drawer drawer = un_drawer_of(s.drop);
    for (int64_t first = start + threadIdx.y; first < end; first += ahead * UN_STRIP_LANES) {
        un_raw8<T> a[ahead], b[ahead];
#pragma unroll
        for (int k = 0; k < ahead; ++k) {
            const int64_t row = first + k * UN_STRIP_LANES;
            un_fetch8(a[k], s.a, row, col, row < end);
            if (un_walk_pairs<op>) un_fetch8(b[k], s.b, row, col, row < end);
        }
#pragma unroll
        for (int k = 0; k < ahead; ++k) {
            const int64_t row = first + k * UN_STRIP_LANES;
            float v[UN_VEC];
            if (row >= end) break;
            un_raw_floats(v, a[k]);
            if (op != UN_WALK_SUM) {
                un_walk8<op, T>(v, b[k], line, s, drawer, row, col);
                un_put8<T>(s.out, row, col, v);
            }
#pragma unroll
            for (int i = 0; i < UN_VEC; ++i)
                if (summed) sum[i] += v[i];
            if (coded) un_code8(coder, s.codes, row, col, v, un_is_any<T> ? s.cols - col : (int64_t)UN_VEC);
        }
    }
}

template <un_walk op, bool summed, bool coded, class T>
__device__ __forceinline__ void un_walk_all(const un_walk_args &s) {
    __shared__ __align__(16) float part[summed ? UN_STRIP_LANES : 1][UN_STRIP_COLS];
    const int64_t strip = (int64_t)blockIdx.x * UN_STRIP_COLS, col = strip + threadIdx.x * UN_VEC;
    float line[UN_VEC], sum[UN_VEC];
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) {
        line[i] = s.row && col + i < s.cols ? un_load_any(s.row, s.row_type, col + i) : 0.0f;
        sum[i] = 0.0f;
    }
    un_coder coder = {};
    if (coded) coder = un_coder_of(s.codes);
    if (col + UN_VEC <= s.cols)
        un_walk_rows<op, summed, coded, un_walk_ahead<T>, T>(s, col, line, sum, coder);
    else if (col < s.cols) /* the last columns of a width that is no multiple of eight */
        un_walk_rows<op, summed, coded, 1, un_any>(s, col, line, sum, coder);
    if (summed) un_strip_fold(part, sum, s.partial + (int64_t)blockIdx.y * s.cols + strip, s.cols - strip);
    if (!coded) return;
    __shared__ uint32_t most[UN_STRIP_LANES];
    un_amax(s.codes.amax, coder.most, most, UN_STRIP_LANES);
}

template <un_walk op, bool summed, class T>
__global__ void __launch_bounds__(UN_STRIP_THREADS) un_walk_strip(const un_walk_args s) {
    un_walk_all<op, summed, false, T>(s);
}
template <un_walk op, bool summed, class T>
__global__ void __launch_bounds__(UN_STRIP_THREADS) un_walk_coded(const un_walk_args s) {
    un_walk_all<op, summed, true, T>(s);
}

/* Runs an op over s (rows, cols and matrices set); dbias NULL: without sums. coded: with codes, which are for activations
 * in bf16; in vectors of f32 they would be one kernel more. */
template <un_walk op, bool summed, bool coded = false>
static void un_walk_run(struct un_queue *q, un_walk_args s, float *dbias, const char *name) {
    if (s.rows == 0 || s.cols == 0) return;
    const struct un_mat all[] = {s.out, s.pre, s.a, s.b};
    if (!un_strip_are_float(q, all, 4, name)) return;
    const un_strips cut = un_strips_of(s.rows, s.cols);
    if (summed) s.partial = un_strip_take(q, cut, s.cols, 1, name);
    if (summed && !s.partial) return;
    s.height = cut.height;
    const dim3 grid(un_blocks(s.cols, UN_STRIP_COLS), (unsigned)cut.blocks), block(UN_WARP, UN_STRIP_LANES);
    const bool wide = un_is_wide(s.table);
    if constexpr (coded) {
        if (un_strip_agree(all, 4, UN_BF16))
            UN_LAUNCH(q, (un_walk_coded<op, summed, un_bf16>), grid, block, 0, s);
        else
            UN_LAUNCH(q, (un_walk_coded<op, summed, un_any>), grid, block, 0, s);
    } else {
        if (wide && un_strip_agree(all, 4, UN_BF16))
            UN_LAUNCH(q, (un_walk_strip<op, summed, un_bf16>), grid, block, 0, s);
        else if (wide && un_strip_agree(all, 4, UN_F32))
            UN_LAUNCH(q, (un_walk_strip<op, summed, float>), grid, block, 0, s);
        else
            UN_LAUNCH(q, (un_walk_strip<op, summed, un_any>), grid, block, 0, s);
    }
    if (!summed) return;
    const un_strip_sums sums = {{dbias, NULL, NULL}, s.partial, cut.blocks, s.cols};
    un_strip_add(q, &sums, 1);
}

#endif
