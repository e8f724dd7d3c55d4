/* LayerNorm backward. A warp owns a row; up to 1,024 columns it holds it in registers and touches memory
 * once: dy and r are read, dr and dx written, 8 bytes an element at bf16. Wider rows are read twice.
 *
 * norm_bwd_fp8 (coded) writes the codes of dx, or of dr without dx, as well: 9, where norm_bwd and quantize move 11.
 *
 * norm_gather_bwd (placed) takes dy by row and drops it: 6 bytes an element, where gather_rows, dropout and norm_bwd
 * move 14.
 *
 * Sums over rows are kept in registers over all rows of a block and follow strip.cuh, so dbias has the bits
 * of col_sum of dx (or dr). */
#include "runtime/cuda/codes.cuh"
#include "runtime/cuda/strip.cuh"

namespace {

enum { HELD = 4 /* vectors of a row that a lane holds at most */ };

struct norm_grad_args {
    struct un_mat dr, dx, dy, r;
    const float *mean, *rstd, *gamma;
    un_dropout drop; /* of dx or, with an index, of dy */
    float *partial;  /* dgamma, dbeta, dbias: [3, blocks, cols] */
    int64_t rows, cols, height;
    const int32_t *index; /* the rows of dy, see norm_gather_bwd */
    un_code_sink codes;   /* of dx, or of dr without dx */
};

enum { TO_GAMMA, TO_BETA, TO_BIAS };

/* A row's mean and rstd, and the means over the row that dr takes off: of g = dy * gamma and of g * xhat. */
struct row_means {
    float mean, rstd, of_g, of_gx;
};

/* Eight elements of the first pass: sums of g and g * xhat along the row, of dgamma and dbeta down the
 * column. */
__device__ __forceinline__ void measure(const float dy[UN_VEC], const float r[UN_VEC],
                                        const float gamma[UN_VEC], float mean, float rstd, float along[2],
                                        float to_gamma[UN_VEC], float to_beta[UN_VEC]) {
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) {
        const float g = dy[i] * gamma[i], xhat = (r[i] - mean) * rstd;
        to_gamma[i] += dy[i] * xhat;
        to_beta[i] += dy[i];
        along[0] += g;
        along[1] += g * xhat;
    }
}

/* Eight elements of the second: dr = rstd (g - mean(g) - xhat mean(g xhat)), dx, and the sum of dbias. */
template <class T, bool coded>
__device__ __forceinline__ void put_grad(const norm_grad_args &p, const un_drawer &drawer, float dy[UN_VEC],
                                         const float r[UN_VEC], const float gamma[UN_VEC], const row_means &m,
                                         int64_t row, int64_t col, float to_bias[UN_VEC], un_coder &coder) {
    float v[UN_VEC], f[UN_VEC];
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) {
        const float xhat = (r[i] - m.mean) * m.rstd;
        v[i] = __fmul_rn(m.rstd, dy[i] * gamma[i] - m.of_g - xhat * m.of_gx);
    }
    if (p.dx.data) {
#pragma unroll
        for (int i = 0; i < UN_VEC; ++i) f[i] = v[i];
        un_put8<T>(p.dr, row, col, f);
        un_draw8(f, drawer, un_row_group(row, p.cols) + (uint32_t)(col / UN_VEC));
#pragma unroll
        for (int i = 0; i < UN_VEC; ++i) v[i] = __fmul_rn(v[i], f[i]);
        un_put8<T>(p.dx, row, col, v);
    } else {
        un_put8<T>(p.dr, row, col, v);
    }
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) to_bias[i] += v[i];
    if (coded) un_code8(coder, p.codes, row, col, v, un_is_any<T> ? p.cols - col : (int64_t)UN_VEC);
}

__device__ __forceinline__ float *partial_of(const norm_grad_args &p, int kind, int64_t col) {
    return p.partial + ((int64_t)kind * gridDim.x + blockIdx.x) * p.cols + col;
}

/* Where row `row` of dy lies; below 0: nowhere, it is zero. */
template <bool placed>
__device__ __forceinline__ int64_t dy_row(const norm_grad_args &p, int64_t row, int64_t end) {
    return placed && row < end ? p.index[row] : row;
}

template <class T, int held, bool placed>
__device__ __forceinline__ void fetch_grad(un_raw8<T> dy[held], un_raw8<T> r[held], const norm_grad_args &p,
                                           int64_t row, int64_t end) {
    const int64_t from = dy_row<placed>(p, row, end);
#pragma unroll
    for (int k = 0; k < held; ++k) {
        const int64_t col = threadIdx.x * UN_VEC + k * UN_STRIP_COLS;
        un_fetch8(dy[k], p.dy, from, col, row < end && (!placed || from >= 0) && col < p.cols);
        un_fetch8(r[k], p.r, row, col, row < end && col < p.cols);
    }
}

/* Dropout of eight elements of row `row` of dy. */
template <class T>
__device__ __forceinline__ void drop_grad(un_raw8<T> &dy, const norm_grad_args &p, const un_drawer &drawer,
                                          int64_t row, int64_t col) {
    if (col < p.cols)
        un_raw_drop(dy, p.dy.type, drawer, un_row_group(row, p.cols) + (uint32_t)(col / UN_VEC));
}

/* ahead: the next row is fetched while one is worked on, where registers leave room for two blocks of a
 * multiprocessor only. */
template <class T, int held, bool ahead, bool placed, bool coded>
__device__ __forceinline__ void grad_rows(const norm_grad_args &p, un_coder &coder) {
    __shared__ __align__(16) float part[UN_STRIP_LANES][UN_STRIP_COLS];
    const int64_t lane_col = threadIdx.x * UN_VEC, start = (int64_t)blockIdx.x * p.height;
    const int64_t end = start + p.height < p.rows ? start + p.height : p.rows;
    const un_drawer drawer = un_drawer_of(p.drop);
    float to[3][held][UN_VEC] = {};
    un_raw8<T> dy_raw[held], r_raw[held], dy_next[held], r_next[held];
    if (ahead) fetch_grad<T, held, placed>(dy_next, r_next, p, start + threadIdx.y, end);
#pragma unroll 1
    for (int64_t row = start + threadIdx.y; row < end; row += UN_STRIP_LANES) {
        float along[2] = {0.0f, 0.0f}, dy[UN_VEC], r[UN_VEC], gamma[UN_VEC];
        row_means m = {p.mean[row], p.rstd[row], 0.0f, 0.0f};
        if (ahead) {
#pragma unroll
            for (int k = 0; k < held; ++k) dy_raw[k] = dy_next[k], r_raw[k] = r_next[k];
            fetch_grad<T, held, placed>(dy_next, r_next, p, row + UN_STRIP_LANES, end);
        } else {
            fetch_grad<T, held, placed>(dy_raw, r_raw, p, row, end);
        }
#pragma unroll
        for (int k = 0; k < held; ++k) { /* dy and gamma are zero beyond the row */
            const int64_t col = lane_col + k * UN_STRIP_COLS;
            if (placed) drop_grad(dy_raw[k], p, drawer, row, col);
            un_raw_floats(dy, dy_raw[k]);
            un_raw_floats(r, r_raw[k]);
            un_line8<T>(gamma, p.gamma, col, p.cols);
            measure(dy, r, gamma, m.mean, m.rstd, along, to[TO_GAMMA][k], to[TO_BETA][k]);
        }
        m.of_g = un_warp_sum(along[0]) / (float)p.cols;
        m.of_gx = un_warp_sum(along[1]) / (float)p.cols;
#pragma unroll
        for (int k = 0; k < held; ++k) {
            const int64_t col = lane_col + k * UN_STRIP_COLS;
            if (col >= p.cols) continue;
            un_raw_floats(dy, dy_raw[k]);
            un_raw_floats(r, r_raw[k]);
            un_line8<T>(gamma, p.gamma, col, p.cols);
            put_grad<T, coded>(p, drawer, dy, r, gamma, m, row, col, to[TO_BIAS][k], coder);
        }
    }
#pragma unroll
    for (int kind = 0; kind < 3; ++kind)
#pragma unroll
        for (int k = 0; k < held; ++k)
            un_strip_fold(part, to[kind][k], partial_of(p, kind, k * UN_STRIP_COLS),
                          p.cols - k * UN_STRIP_COLS);
}

/* Eight elements of dy, r and gamma, of any type. */
template <bool placed>
__device__ __forceinline__ void load_grad(float dy[UN_VEC], float r[UN_VEC], float gamma[UN_VEC],
                                          const norm_grad_args &p, const un_drawer &drawer, int64_t row,
                                          int64_t end, int64_t col) {
    un_raw8<un_any> dy_raw, r_raw;
    const int64_t from = dy_row<placed>(p, row, end);
    un_fetch8(dy_raw, p.dy, from, col, !placed || from >= 0);
    un_fetch8(r_raw, p.r, row, col, true);
    if (placed) drop_grad(dy_raw, p, drawer, row, col);
    un_raw_floats(dy, dy_raw);
    un_raw_floats(r, r_raw);
    un_line8<un_any>(gamma, p.gamma, col, p.cols);
}

/* Any width: the block takes the means of all its rows first (shared memory: of_g, of_gx [height]), then goes
 * strip by strip. */
template <bool placed, bool coded>
__device__ __forceinline__ void grad_wide_rows(const norm_grad_args &p, un_coder &coder) {
    UN_DYNAMIC_SHARED(shared);
    __shared__ __align__(16) float part[UN_STRIP_LANES][UN_STRIP_COLS];
    float *of_g = (float *)shared, *of_gx = of_g + p.height;
    const int64_t lane_col = threadIdx.x * UN_VEC, start = (int64_t)blockIdx.x * p.height;
    const int64_t end = start + p.height < p.rows ? start + p.height : p.rows;
    const un_drawer drawer = un_drawer_of(p.drop);
    float dy[UN_VEC], r[UN_VEC], gamma[UN_VEC];
#pragma unroll 1
    for (int64_t row = start + threadIdx.y; row < end; row += UN_STRIP_LANES) {
        float along[2] = {0.0f, 0.0f}, unused[2][UN_VEC] = {};
#pragma unroll 1
        for (int64_t col = lane_col; col < p.cols; col += UN_STRIP_COLS) {
            load_grad<placed>(dy, r, gamma, p, drawer, row, end, col);
            measure(dy, r, gamma, p.mean[row], p.rstd[row], along, unused[0], unused[1]);
        }
        along[0] = un_warp_sum(along[0]) / (float)p.cols;
        along[1] = un_warp_sum(along[1]) / (float)p.cols;
        if (threadIdx.x == 0) of_g[row - start] = along[0], of_gx[row - start] = along[1];
    }
    __syncthreads();
#pragma unroll 1
    for (int64_t strip = 0; strip < p.cols; strip += UN_STRIP_COLS) {
        float to[3][UN_VEC] = {}, unused[2] = {};
        const int64_t col = strip + lane_col;
#pragma unroll 1
        for (int64_t row = start + threadIdx.y; row < end && col < p.cols; row += UN_STRIP_LANES) {
            const row_means m = {p.mean[row], p.rstd[row], of_g[row - start], of_gx[row - start]};
            load_grad<placed>(dy, r, gamma, p, drawer, row, end, col);
            measure(dy, r, gamma, m.mean, m.rstd, unused, to[TO_GAMMA], to[TO_BETA]);
            put_grad<un_any, coded>(p, drawer, dy, r, gamma, m, row, col, to[TO_BIAS], coder);
        }
        for (int kind = 0; kind < 3; ++kind)
            un_strip_fold(part, to[kind], partial_of(p, kind, strip), p.cols - strip);
    }
}

/* ---- kernels ---- */

template <class T, int held, bool ahead, bool placed>
__global__ void __launch_bounds__(UN_STRIP_THREADS, ahead || held == HELD ? 2 : 3)
    norm_grad_rows(const norm_grad_args p) {
    un_coder none = {};
    grad_rows<T, held, ahead, placed, false>(p, none);
}
template <bool placed>
__global__ void __launch_bounds__(UN_STRIP_THREADS) norm_grad_wide_rows(const norm_grad_args p) {
    un_coder none = {};
    grad_wide_rows<placed, false>(p, none);
}
template <int held, bool ahead>
__global__ void __launch_bounds__(UN_STRIP_THREADS, ahead || held == HELD ? 2 : 3)
    norm_grad_rows_coded(const norm_grad_args p) {
    __shared__ uint32_t most[UN_STRIP_LANES];
    un_coder coder = un_coder_of(p.codes);
    grad_rows<un_bf16, held, ahead, false, true>(p, coder);
    un_amax(p.codes.amax, coder.most, most, UN_STRIP_LANES);
}
__global__ void __launch_bounds__(UN_STRIP_THREADS) norm_grad_wide_rows_coded(const norm_grad_args p) {
    __shared__ uint32_t most[UN_STRIP_LANES];
    un_coder coder = un_coder_of(p.codes);
    grad_wide_rows<false, true>(p, coder);
    un_amax(p.codes.amax, coder.most, most, UN_STRIP_LANES);
}

template <class T, bool placed> void launch_bwd(struct un_queue *q, const norm_grad_args &p, unsigned grid) {
    const dim3 block(UN_WARP, UN_STRIP_LANES);
    const int64_t held = (p.cols + UN_STRIP_COLS - 1) / UN_STRIP_COLS;
    const size_t means = (size_t)p.height * 2 * sizeof(float);
    const bool large = sizeof(un_raw8<T>) > 16; /* f32 */
    const bool ahead = !(placed && large); /* four vectors, dropout and the next row are too many registers */
    if (held == 1)
        UN_LAUNCH(q, (norm_grad_rows<T, 1, false, placed>), grid, block, 0, p);
    else if (held == 2)
        UN_LAUNCH(q, (norm_grad_rows<T, 2, false, placed>), grid, block, 0, p);
    else if (held == 3)
        UN_LAUNCH(q, (norm_grad_rows<T, 3, large, placed>), grid, block, 0, p);
    else if (held == HELD)
        UN_LAUNCH(q, (norm_grad_rows<T, HELD, ahead, placed>), grid, block, 0, p);
    else {
        UN_SHARED_MOST(q, norm_grad_wide_rows<placed>, means);
        UN_LAUNCH(q, norm_grad_wide_rows<placed>, grid, block, means, p);
    }
}

/* As in layernorm.cu. */
void launch_coded(struct un_queue *q, const norm_grad_args &p, unsigned grid, bool low) {
    const dim3 block(UN_WARP, UN_STRIP_LANES);
    const int64_t held = low ? (p.cols + UN_STRIP_COLS - 1) / UN_STRIP_COLS : HELD + 1;
    const size_t means = (size_t)p.height * 2 * sizeof(float);
    if (held == 1)
        UN_LAUNCH(q, (norm_grad_rows_coded<1, false>), grid, block, 0, p);
    else if (held == 2)
        UN_LAUNCH(q, (norm_grad_rows_coded<2, false>), grid, block, 0, p);
    else if (held == 3)
        UN_LAUNCH(q, (norm_grad_rows_coded<3, false>), grid, block, 0, p);
    else if (held == HELD)
        UN_LAUNCH(q, (norm_grad_rows_coded<HELD, true>), grid, block, 0, p);
    else {
        UN_SHARED_MOST(q, norm_grad_wide_rows_coded, means);
        UN_LAUNCH(q, norm_grad_wide_rows_coded, grid, block, means, p);
    }
}

template <bool placed, bool coded = false>
void run_bwd(struct un_queue *q, norm_grad_args p, float *dgamma, float *dbeta, float *dbias,
             const char *op) {
    const struct un_mat all[] = {p.r, p.dr, p.dx, p.dy};
    if (p.rows == 0 || p.cols == 0 || !un_strip_are_float(q, all, 4, op)) return;
    const un_strips cut = un_strips_of(p.rows, p.cols);
    p.height = cut.height;
    p.partial = un_strip_take(q, cut, p.cols, 3, op);
    if (!p.partial) return;
    const bool wide = p.cols % UN_VEC == 0 && un_is_wide_array(p.gamma);
    if (coded)
        launch_coded(q, p, (unsigned)cut.blocks, wide && un_strip_agree(all, 4, UN_BF16));
    else if (wide && un_strip_agree(all, 4, UN_BF16))
        launch_bwd<un_bf16, placed>(q, p, (unsigned)cut.blocks);
    else if (wide && un_strip_agree(all, 4, UN_F32))
        launch_bwd<float, placed>(q, p, (unsigned)cut.blocks);
    else
        launch_bwd<un_any, placed>(q, p, (unsigned)cut.blocks);
    const un_strip_sums sums = {{dgamma, dbeta, dbias}, p.partial, cut.blocks, p.cols};
    un_strip_add(q, &sums, 3);
}

} // namespace

void un_cuda_norm_bwd(struct un_queue *q, struct un_mat dr, struct un_mat dx, float *dgamma, float *dbeta,
                      float *dbias, struct un_mat dy, struct un_mat r, const float *mean, const float *rstd,
                      const float *gamma, const struct un_dropout *drop) {
    const norm_grad_args p = {dr,   dx,     dy,     r, mean, rstd, gamma, un_dropout_or_none(drop),
                              NULL, r.rows, r.cols, 0, NULL, {}};
    run_bwd<false>(q, p, dgamma, dbeta, dbias, "norm_bwd");
}

void un_cuda_norm_bwd_fp8(struct un_queue *q, struct un_mat dr, struct un_mat dx,
                          const struct un_codes *codes, float *dgamma, float *dbeta, float *dbias,
                          struct un_mat dy, struct un_mat r, const float *mean, const float *rstd,
                          const float *gamma, const struct un_dropout *drop) {
    norm_grad_args p = {dr,   dx,     dy,     r, mean, rstd, gamma, un_dropout_or_none(drop),
                        NULL, r.rows, r.cols, 0, NULL, {}};
    if (un_code_sink_of(q, &p.codes, codes, dr.rows, dr.cols, "norm_bwd_fp8"))
        run_bwd<false, true>(q, p, dgamma, dbeta, dbias, "norm_bwd_fp8");
}

void un_cuda_norm_gather_bwd(struct un_queue *q, struct un_mat dr, float *dgamma, float *dbeta, float *dbias,
                             struct un_mat dy, const int32_t *index, struct un_mat r, const float *mean,
                             const float *rstd, const float *gamma, const struct un_dropout *drop) {
    UN_ASSERT(dr.type == dy.type);
    const norm_grad_args p = {dr,   {},     dy,     r, mean,  rstd, gamma, un_dropout_or_none(drop),
                              NULL, r.rows, r.cols, 0, index, {}};
    run_bwd<true>(q, p, dgamma, dbeta, dbias, "norm_gather_bwd");
}
