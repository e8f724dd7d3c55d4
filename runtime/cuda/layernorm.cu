/* LayerNorm forward, with residual and dropout. A warp owns a row: up to 1,024 columns it holds the row in
 * registers and touches memory once; wider rows are read again for every pass, right but slower. Bytes an
 * element at bf16: x and residual are read, r and y written, 8.
 *
 * norm_scatter_fwd (placed) reads r and writes y where it belongs: 4, where norm_fwd, dropout and scatter_rows move 14.
 *
 * The mean and the centred squares are two passes, as on the CPU, over the row before it is rounded to the
 * type of r. */
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

/* Stores r and y = (v - mean) * rstd * gamma + beta of eight elements; placed: y alone, dropped, at its row. */
template <class T, bool placed>
__device__ __forceinline__ void put_norm(const norm_args &p, float v[UN_VEC], float mean, float rstd,
                                         const un_drawer &drawer, int64_t row, int64_t col) {
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

template <class T, int held, bool placed>
__global__ void __launch_bounds__(FWD_THREADS) norm_rows(const norm_args p) {
    const int64_t row = (int64_t)blockIdx.x * FWD_WARPS + threadIdx.x / UN_WARP;
    const int64_t lane_col = threadIdx.x % UN_WARP * UN_VEC;
    if (row >= p.rows) return; /* the whole warp */
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
        if (col < p.cols) put_norm<T, placed>(p, v[k], mean, rstd, drawer, row, col);
    }
    if (lane_col != 0) return;
    p.mean[row] = mean;
    p.rstd[row] = rstd;
}

/* Any width: three passes, the last writes what this thread alone has read. */
template <bool placed> __global__ void __launch_bounds__(FWD_THREADS) norm_wide_rows(const norm_args p) {
    const int64_t row = (int64_t)blockIdx.x * FWD_WARPS + threadIdx.x / UN_WARP;
    const int64_t lane_col = threadIdx.x % UN_WARP * UN_VEC;
    if (row >= p.rows) return; /* the whole warp */
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
                put_norm<un_any, placed>(p, v, mean, rstd, drawer, row, col);
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

template <bool placed> void run_fwd(struct un_queue *q, const norm_args &p, const char *op) {
    const struct un_mat all[] = {p.r, p.y, p.x, p.residual};
    if (p.rows == 0 || p.cols == 0 || !un_strip_are_float(q, all, 4, op)) return;
    const bool wide = p.cols % UN_VEC == 0 && un_is_wide_array(p.gamma) && un_is_wide_array(p.beta);
    if (wide && un_strip_agree(all, 4, UN_BF16))
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
    const norm_args p = {y,      r,      x,   residual, mean, rstd, gamma, beta, un_dropout_or_none(drop),
                         r.rows, r.cols, NULL};
    run_fwd<false>(q, p, "norm_fwd");
}

void un_cuda_norm_scatter_fwd(struct un_queue *q, struct un_mat y, const int32_t *index, struct un_mat r,
                              float *mean, float *rstd, const float *gamma, const float *beta,
                              const struct un_dropout *drop) {
    const norm_args p = {y,      r,      r,    {}, mean, rstd, gamma, beta, un_dropout_or_none(drop),
                         r.rows, r.cols, index};
    run_fwd<true>(q, p, "norm_scatter_fwd");
}
