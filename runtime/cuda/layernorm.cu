/* LayerNorm forward, with residual and dropout. A warp owns a row: up to 1,024 columns it holds the row in
 * registers and touches memory once; wider rows are read again for every pass, right but slower. Bytes an
 * element at bf16: x and residual are read, r and y written, 8.
 *
 * norm_fwd_fp8 (coded) writes the codes of y as well: 9, where norm_fwd and quantize move 11.
 *
 * norm_scatter_fwd (placed) reads r and writes y where it belongs: 4, where norm_fwd, dropout and scatter_rows move 14.
 *
 * The mean and the centred squares are two passes, as on the CPU, over the row before it is rounded to the
 * type of r. */
#include "runtime/cuda/codes.cuh"
#include "runtime/cuda/strip.cuh"

namespace {

enum { HELD = 4 /* vectors of a row that a lane holds at most */, FWD_WARPS = 4, FWD_THREADS = 128 };

const float norm_eps = 1e-12f;

struct norm_args {
    struct un_mat y, r, x, residual;
    float *mean, *rstd;
    const float *gamma, *beta;
    un_dropout drop; /* of x or, with an index, of y */
    int64_t rows, cols;
    const int32_t *index; /* the rows of y, see norm_scatter_fwd */
    un_code_sink codes;   /* of y */
};

/* v = residual + dropout(x), not yet rounded. */
template <class T, bool placed>
__device__ __forceinline__ void add_residual(float v[UN_VEC], const norm_args &p, const un_raw8<T> &x,
                                             const un_raw8<T> &residual, const un_drawer &drawer, int64_t row,
                                             int64_t col) {
    float f[UN_VEC];
    un_raw_floats(v, x);
    if (placed) return;
    un_draw8(f, drawer, un_row_group(row, p.cols) + (uint32_t)(col / UN_VEC));
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) v[i] = __fmul_rn(v[i], f[i]);
    if (!p.residual.data) return;
    un_raw_floats(f, residual);
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) v[i] = f[i] + v[i];
}

/* Stores r and y = (v - mean) * rstd * gamma + beta of eight elements, coded: and the codes of y; placed: y alone, dropped, at
 * its row. */
template <class T, bool placed, bool coded>
__device__ __forceinline__ void put_norm(const norm_args &p, float v[UN_VEC], float mean, float rstd,
                                         const un_drawer &drawer, int64_t row, int64_t col, un_coder &coder) {
    float gamma[UN_VEC], y[UN_VEC];
    un_line8<T>(gamma, p.gamma, col, p.cols);
    un_line8<T>(y, p.beta, col, p.cols);
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) y[i] = (v[i] - mean) * rstd * gamma[i] + y[i];
    if (placed) {
        un_raw8<T> raw;
        un_raw_put(raw, p.y.type, y);
        un_raw_drop(raw, p.y.type, drawer, un_row_group(row, p.cols) + (uint32_t)(col / UN_VEC));
        un_raw_floats(y, raw);
        if (p.index[row] >= 0) un_put8<T>(p.y, p.index[row], col, y);
        return;
    }
    un_put8<T>(p.r, row, col, v);
    un_put8<T>(p.y, row, col, y);
    if (coded) un_code8(coder, p.codes, row, col, y, un_is_any<T> ? p.cols - col : (int64_t)UN_VEC);
}

/* sum + the squares of the first `left` of v - mean; of vectors that are in the row whole when T is no
 * un_any. */
template <class T>
__device__ __forceinline__ float sum_squares(const float v[UN_VEC], float mean, int64_t left, float sum) {
    float s = sum;
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) {
        const float c = v[i] - mean;
        if (!un_is_any<T> || i < left) s += c * c;
    }
    return left > 0 ? s : sum;
}

__device__ __forceinline__ int64_t warp_row() {
    return (int64_t)blockIdx.x * FWD_WARPS + threadIdx.x / UN_WARP;
}

template <class T, int held, bool placed, bool coded>
__device__ __forceinline__ void norm_row(const norm_args &p, int64_t row, un_coder &coder) {
    const int64_t lane_col = threadIdx.x % UN_WARP * UN_VEC;
    const un_drawer drawer = un_drawer_of(p.drop);
    un_raw8<T> x[held], residual[held];
#pragma unroll
    for (int k = 0; k < held; ++k) {
        const int64_t col = lane_col + k * UN_STRIP_COLS;
        un_fetch8(x[k], p.x, row, col, col < p.cols);
        if (!placed) un_fetch8(residual[k], p.residual, row, col, p.residual.data && col < p.cols);
    }
    float v[held][UN_VEC], sum = 0.0f, squares = 0.0f;
#pragma unroll
    for (int k = 0; k < held; ++k) { /* zeros beyond the row */
        add_residual<T, placed>(v[k], p, x[k], residual[k], drawer, row, lane_col + k * UN_STRIP_COLS);
#pragma unroll
        for (int i = 0; i < UN_VEC; ++i) sum += v[k][i];
    }
    const float mean = un_warp_sum(sum) / (float)p.cols;
#pragma unroll
    for (int k = 0; k < held; ++k)
        squares = sum_squares<T>(v[k], mean, p.cols - lane_col - k * UN_STRIP_COLS, squares);
    const float rstd = 1.0f / sqrtf(un_warp_sum(squares) / (float)p.cols + norm_eps);
#pragma unroll
    for (int k = 0; k < held; ++k) {
        const int64_t col = lane_col + k * UN_STRIP_COLS;
        if (col < p.cols) put_norm<T, placed, coded>(p, v[k], mean, rstd, drawer, row, col, coder);
    }
    if (lane_col != 0) return;
    p.mean[row] = mean;
    p.rstd[row] = rstd;
}

/* Any width: three passes, the last writes what this thread alone has read. */
template <bool placed, bool coded>
__device__ __forceinline__ void norm_wide_row(const norm_args &p, int64_t row, un_coder &coder) {
    const int64_t lane_col = threadIdx.x % UN_WARP * UN_VEC;
    const un_drawer drawer = un_drawer_of(p.drop);
    float mean = 0.0f, rstd = 0.0f;
#pragma unroll 1
    for (int pass = 0; pass < 3; ++pass) {
        float sum = 0.0f;
#pragma unroll 1
        for (int64_t col = lane_col; col < p.cols; col += UN_STRIP_COLS) {
            un_raw8<un_any> x, residual;
            float v[UN_VEC];
            un_fetch8(x, p.x, row, col, true);
            if (!placed) un_fetch8(residual, p.residual, row, col, p.residual.data);
            add_residual<un_any, placed>(v, p, x, residual, drawer, row, col);
            if (pass == 2) {
                put_norm<un_any, placed, coded>(p, v, mean, rstd, drawer, row, col, coder);
            } else if (pass == 1) {
                sum = sum_squares<un_any>(v, mean, p.cols - col, sum);
            } else {
#pragma unroll
                for (int i = 0; i < UN_VEC; ++i) sum += v[i];
            }
        }
        if (pass == 0) mean = un_warp_sum(sum) / (float)p.cols;
        if (pass == 1) rstd = 1.0f / sqrtf(un_warp_sum(sum) / (float)p.cols + norm_eps);
    }
    if (lane_col != 0) return;
    p.mean[row] = mean;
    p.rstd[row] = rstd;
}

/* ---- kernels; a warp whose row is beyond the last one has nothing to do but the barrier of the amax ---- */

template <class T, int held, bool placed>
__global__ void __launch_bounds__(FWD_THREADS) norm_rows(const norm_args p) {
    un_coder none = {};
    if (warp_row() < p.rows) norm_row<T, held, placed, false>(p, warp_row(), none);
}
template <bool placed> __global__ void __launch_bounds__(FWD_THREADS) norm_wide_rows(const norm_args p) {
    un_coder none = {};
    if (warp_row() < p.rows) norm_wide_row<placed, false>(p, warp_row(), none);
}
template <class T, int held>
__global__ void __launch_bounds__(FWD_THREADS) norm_rows_coded(const norm_args p) {
    __shared__ uint32_t most[FWD_WARPS];
    un_coder coder = un_coder_of(p.codes);
    if (warp_row() < p.rows) norm_row<T, held, false, true>(p, warp_row(), coder);
    un_amax(p.codes.amax, coder.most, most, FWD_WARPS);
}
__global__ void __launch_bounds__(FWD_THREADS) norm_wide_rows_coded(const norm_args p) {
    __shared__ uint32_t most[FWD_WARPS];
    un_coder coder = un_coder_of(p.codes);
    if (warp_row() < p.rows) norm_wide_row<false, true>(p, warp_row(), coder);
    un_amax(p.codes.amax, coder.most, most, FWD_WARPS);
}

template <class T, bool placed> void launch_fwd(struct un_queue *q, const norm_args &p) {
    const unsigned grid = un_blocks(p.rows, FWD_WARPS);
    const int64_t held = (p.cols + UN_STRIP_COLS - 1) / UN_STRIP_COLS;
    if (held == 1)
        UN_LAUNCH(q, (norm_rows<T, 1, placed>), grid, FWD_THREADS, 0, p);
    else if (held == 2)
        UN_LAUNCH(q, (norm_rows<T, 2, placed>), grid, FWD_THREADS, 0, p);
    else if (held == 3)
        UN_LAUNCH(q, (norm_rows<T, 3, placed>), grid, FWD_THREADS, 0, p);
    else if (held == HELD)
        UN_LAUNCH(q, (norm_rows<T, HELD, placed>), grid, FWD_THREADS, 0, p);
    else
        UN_LAUNCH(q, norm_wide_rows<placed>, grid, FWD_THREADS, 0, p);
}

/* In vectors of bf16; all else, which no network needs, as if it were wide. */
void launch_coded(struct un_queue *q, const norm_args &p, bool low) {
    const unsigned grid = un_blocks(p.rows, FWD_WARPS);
    const int64_t held = low ? (p.cols + UN_STRIP_COLS - 1) / UN_STRIP_COLS : HELD + 1;
    if (held == 1)
        UN_LAUNCH(q, (norm_rows_coded<un_bf16, 1>), grid, FWD_THREADS, 0, p);
    else if (held == 2)
        UN_LAUNCH(q, (norm_rows_coded<un_bf16, 2>), grid, FWD_THREADS, 0, p);
    else if (held == 3)
        UN_LAUNCH(q, (norm_rows_coded<un_bf16, 3>), grid, FWD_THREADS, 0, p);
    else if (held == HELD)
        UN_LAUNCH(q, (norm_rows_coded<un_bf16, HELD>), grid, FWD_THREADS, 0, p);
    else
        UN_LAUNCH(q, norm_wide_rows_coded, grid, FWD_THREADS, 0, p);
}

template <bool placed, bool coded = false>
void run_fwd(struct un_queue *q, const norm_args &p, const char *op) {
    const struct un_mat all[] = {p.r, p.y, p.x, p.residual};
    if (p.rows == 0 || p.cols == 0 || !un_strip_are_float(q, all, 4, op)) return;
    const bool wide = p.cols % UN_VEC == 0 && un_is_wide_array(p.gamma) && un_is_wide_array(p.beta);
    if (coded)
        launch_coded(q, p, wide && un_strip_agree(all, 4, UN_BF16));
    else if (wide && un_strip_agree(all, 4, UN_BF16))
        launch_fwd<un_bf16, placed>(q, p);
    else if (wide && un_strip_agree(all, 4, UN_F32))
        launch_fwd<float, placed>(q, p);
    else
        launch_fwd<un_any, placed>(q, p);
}

} // namespace

size_t un_cuda_layernorm_scratch(const struct un_limits *limits) {
    return un_strip_most(limits->max_width, 3);
}

void un_cuda_norm_fwd(struct un_queue *q, struct un_mat y, struct un_mat r, float *mean, float *rstd,
                      struct un_mat x, struct un_mat residual, const float *gamma, const float *beta,
                      const struct un_dropout *drop) {
    const norm_args p = {y,      r,      x,    residual, mean, rstd, gamma, beta, un_dropout_or_none(drop),
                         r.rows, r.cols, NULL, {}};
    run_fwd<false>(q, p, "norm_fwd");
}

void un_cuda_norm_fwd_fp8(struct un_queue *q, struct un_mat y, const struct un_codes *codes, struct un_mat r,
                          float *mean, float *rstd, struct un_mat x, struct un_mat residual,
                          const float *gamma, const float *beta, const struct un_dropout *drop) {
    norm_args p = {y,      r,      x,    residual, mean, rstd, gamma, beta, un_dropout_or_none(drop),
                   r.rows, r.cols, NULL, {}};
    if (un_code_sink_of(q, &p.codes, codes, y.rows, y.cols, "norm_fwd_fp8"))
        run_fwd<false, true>(q, p, "norm_fwd_fp8");
}

void un_cuda_norm_scatter_fwd(struct un_queue *q, struct un_mat y, const int32_t *index, struct un_mat r,
                              float *mean, float *rstd, const float *gamma, const float *beta,
                              const struct un_dropout *drop) {
    const norm_args p = {y,      r,      r,     {}, mean, rstd, gamma, beta, un_dropout_or_none(drop),
                         r.rows, r.cols, index, {}};
    run_fwd<true>(q, p, "norm_scatter_fwd");
}
