/* The losses of tasks, each with its gradient: sigmoids over answers by teams of warps, as in loss.cu; the members of a
 * row (a few dozen) by one warp, a lane taking every 32nd of them.
 *
 * Law: a thread's sum over a tile is f32, all else is double, in the fixed order of tile.cuh. The loss of a row is the
 * same with and without the gradient. NaN in a row comes out as NaN. */
#include "runtime/cuda/loss.cuh"

namespace {

/* e = e^-|x|: the sigmoid is 1 / (1 + e) or e / (1 + e). */
__device__ __forceinline__ float sigmoid_of(float x, float e) {
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* ---- binary cross-entropy ---- */

/* Bytes of a row held in registers: 4 C and the labels in, the gradient out. */
template <int WARPS, int VECS, class D>
__global__ void __launch_bounds__(team<WARPS>::BLOCK)
    sigmoid_cross_entropy(float *row_loss, float *hit, view<D> dlogits, view<const float> logits,
                          view<const float> target, const int32_t *real, const float *scale_at, int64_t rows,
                          int cols, bool wide) {
    enum { COLS = tile<WARPS, VECS>::COLS, EACH = tile<WARPS, VECS>::EACH };
    const int64_t row = team_row<WARPS>();
    if (row >= rows) return;
    const float *x = row_of(logits, row), *soft = row_of(target, row);
    D *d = row_of(dlogits, row);
    if (real[row] < 0) {
        if (is_first<WARPS>()) row_loss[row] = hit[row] = 0.0f;
        if (d) zero_row<WARPS>(d, cols);
        return;
    }
    const bool held = cols <= COLS;
    const float scale = d ? *scale_at : 0.0f;
    float v[EACH], t[EACH], most = -INFINITY;
#pragma unroll 1
    for (int base = 0; base < cols; base += COLS) {
        read_tile<WARPS, VECS>(v, x, base, cols, wide, -INFINITY);
        most = tile_most<VECS>(v, most);
    }
    most = fold<WARPS, float, larger_of>(most);
    int first = INT32_MAX;
#pragma unroll 1
    for (int base = 0; base < cols; base += COLS) {
        if (!held) read_tile<WARPS, VECS>(v, x, base, cols, wide, -INFINITY);
        first = tile_first<WARPS, VECS>(v, base, cols, most, first);
    }
    first = fold<WARPS, int, smaller_of>(first);
    double total = 0.0;
#pragma unroll 1
    for (int base = 0; base < cols; base += COLS) {
        if (!held) read_tile<WARPS, VECS>(v, x, base, cols, wide, -INFINITY);
        read_tile<WARPS, VECS>(t, soft, base, cols, wide, 0.0f);
        const int left = cols - first_column<WARPS>(base);
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            const float z = v[i], e = expf(-fabsf(z)), above = z < 0.0f ? 0.0f : z;
            v[i] = (sigmoid_of(z, e) - t[i]) * scale;
            t[i] = offset<WARPS>(i) < left ? (above - z * t[i]) + log1pf(e) : 0.0f;
        }
        total += (double)tile_sum<VECS>(t);
        if (d) write_tile<WARPS, VECS>(d, v, base, cols, wide);
    }
    total = fold<WARPS, double, sum_of>(total);
    if (!is_first<WARPS>()) return;
    row_loss[row] = (float)total;
    hit[row] = soft[first == INT32_MAX ? 0 : first]; /* nothing but NaN names the first */
}

/* ---- members of a row ---- */

/* TEAMS rows a block, a warp each; then TAIL blocks for the members behind the last row. */
enum { TEAMS = team<1>::TEAMS, THREADS = team<1>::BLOCK, TAIL = 4 };

/* Rows of members, by value. */
struct members {
    float *row_loss, *hit, *d; /* d: gradient, may be x; NULL: not wanted */
    const float *x;
    const int32_t *start, *target, *wrong;
    const float *scale;
    int64_t n, count; /* rows, members */
    float margin;
};

/* One row as a lane sees it. */
struct member_row {
    float *d;
    const float *x;
    int n, target, lane;
};

/* False: no row with a target. Then its gradient, and what is behind the rows, has been zeroed. */
__device__ __forceinline__ bool take_row(member_row &r, const members &m) {
    const int64_t row = team_row<1>(), blocks = (m.n + TEAMS - 1) / TEAMS;
    r.lane = (int)threadIdx.x % UN_WARP;
    if ((int64_t)blockIdx.x >= blocks) {
        const int64_t thread = ((int64_t)blockIdx.x - blocks) * THREADS + threadIdx.x;
        for (int64_t j = m.start[m.n] + thread; m.d && j < m.count; j += TAIL * THREADS) m.d[j] = 0.0f;
        return false;
    }
    if (row >= m.n) return false;
    const int first = m.start[row];
    r.n = m.start[row + 1] - first;
    r.x = m.x + first;
    r.d = m.d ? m.d + first : m.d;
    r.target = m.target[row];
    if (r.target >= 0) return true;
    if (r.lane == 0) m.row_loss[row] = m.hit[row] = 0.0f;
    for (int j = r.lane; r.d && j < r.n; j += UN_WARP) r.d[j] = 0.0f;
    return false;
}

/* First of the highest members but `without`, INT32_MAX when there is none. NaN is higher than all. All lanes. */
__device__ __forceinline__ int highest(const member_row &r, int without) {
    float most = -INFINITY;
    int bad = INT32_MAX, first = INT32_MAX;
    for (int j = r.lane; j < r.n; j += UN_WARP) {
        if (j == without) continue;
        most = fmaxf(most, r.x[j]);
        if (r.x[j] != r.x[j]) bad = smaller_of(bad, j);
    }
    most = fold<1, float, larger_of>(most);
    for (int j = r.lane; j < r.n; j += UN_WARP)
        if (j != without && r.x[j] == most) first = smaller_of(first, j);
    bad = fold<1, int, smaller_of>(bad);
    first = fold<1, int, smaller_of>(first);
    return bad < INT32_MAX ? bad : first;
}

__global__ void __launch_bounds__(THREADS) segment_cross_entropy(const members m) {
    member_row r;
    if (!take_row(r, m)) return;
    const float wanted = r.x[r.target], scale = r.d ? *m.scale : 0.0f;
    float most = -INFINITY;
    double sum = 0.0;
    for (int j = r.lane; j < r.n; j += UN_WARP) most = fmaxf(most, r.x[j]);
    most = fold<1, float, larger_of>(most);
    int first = INT32_MAX;
    for (int j = r.lane; j < r.n; j += UN_WARP) {
        if (r.x[j] == most) first = smaller_of(first, j);
        sum += (double)expf(r.x[j] - most);
    }
    first = fold<1, int, smaller_of>(first);
    sum = fold<1, double, sum_of>(sum);
    const float factor = scale / (float)sum;
    for (int j = r.lane; r.d && j < r.n; j += UN_WARP)
        r.d[j] = expf(r.x[j] - most) * factor - (j == r.target ? scale : 0.0f);
    if (r.lane > 0) return;
    m.row_loss[team_row<1>()] = (float)((double)most - (double)wanted + log(sum));
    m.hit[team_row<1>()] = first == r.target ? 1.0f : 0.0f;
}

enum { ALL_OTHERS = -1, HIGHEST_OTHER = -2 };

__global__ void __launch_bounds__(THREADS) margin_rank(const members m) {
    member_row r;
    if (!take_row(r, m)) return;
    const int pick = m.wrong ? m.wrong[team_row<1>()] : ALL_OTHERS;
    const int only = pick == HIGHEST_OTHER ? highest(r, r.target) : pick, top = highest(r, -1);
    const float at = r.x[r.target], close = expf(-fabsf(at)), scale = r.d ? *m.scale : 0.0f;
    const float right = sigmoid_of(at, close);
    double total = 0.0, pulls = 0.0; /* pulls: members that are too close */
    for (int j = r.lane; j < r.n; j += UN_WARP) {
        if (j == r.target) continue;
        float slope = 0.0f;
        if (pick == ALL_OTHERS || j == only) {
            const float e = expf(-fabsf(r.x[j]));
            const double distance = (double)m.margin + (double)sigmoid_of(r.x[j], e) - (double)right;
            if (!(distance <= 0.0)) {
                total += distance;
                pulls += 1.0;
                slope = e / ((1.0f + e) * (1.0f + e)) * scale;
            }
        }
        if (r.d) r.d[j] = slope;
    }
    total = fold<1, double, sum_of>(total);
    pulls = fold<1, double, sum_of>(pulls);
    if (r.lane > 0) return;
    if (r.d) r.d[r.target] = -((float)pulls * (close / ((1.0f + close) * (1.0f + close))) * scale);
    m.row_loss[team_row<1>()] = (float)total;
    m.hit[team_row<1>()] = top == r.target ? 1.0f : 0.0f;
}

} // namespace

/* ---- the ops ---- */

template <int WARPS, int VECS, class D>
static void sigmoid_of_rows(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                            struct un_mat logits, struct un_mat target, const int32_t *row,
                            const float *scale) {
    UN_LAUNCH(q, (sigmoid_cross_entropy<WARPS, VECS, D>), team_blocks<WARPS>(logits.rows), team<WARPS>::BLOCK,
              0, row_loss, hit, view_of<D>(dlogits), view_of<const float>(logits),
              view_of<const float>(target), row, scale, logits.rows, (int)logits.cols,
              is_tiled(dlogits, logits) && un_is_wide(target));
}

template <class D>
static void sigmoid_as(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                       struct un_mat logits, struct un_mat target, const int32_t *row, const float *scale) {
    if (logits.cols <= tile<1, 4>::COLS)
        sigmoid_of_rows<1, 4, D>(q, row_loss, hit, dlogits, logits, target, row, scale);
    else
        sigmoid_of_rows<8, 4, D>(q, row_loss, hit, dlogits, logits, target, row, scale);
}

void un_cuda_sigmoid_cross_entropy(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                                   struct un_mat logits, struct un_mat target, const int32_t *row,
                                   const float *scale) {
    if (logits.rows <= 0 || !check_gradient(q, "sigmoid_cross_entropy", dlogits, logits)) return;
    if (target.type != UN_F32 || target.cols != logits.cols) {
        un_cuda_fail(q, UN_INTERNAL,
                     "sigmoid_cross_entropy: targets of type %d, %lld of %lld columns, want f32",
                     (int)target.type, (long long)target.cols, (long long)logits.cols);
        return;
    }
    if (dlogits.data && dlogits.type == UN_BF16)
        sigmoid_as<un_bf16>(q, row_loss, hit, dlogits, logits, target, row, scale);
    else
        sigmoid_as<float>(q, row_loss, hit, dlogits, logits, target, row, scale);
}

static unsigned member_blocks(const members &m) {
    return un_blocks(m.n, TEAMS) + (m.d && m.count > 0 ? TAIL : 0);
}

void un_cuda_segment_cross_entropy(struct un_queue *q, float *row_loss, float *hit, float *dscores,
                                   const float *scores, const int32_t *start, const int32_t *target,
                                   int64_t n, int64_t count, const float *scale) {
    const members m = {row_loss, hit, dscores, scores, start, target, NULL, scale, n, count, 0.0f};
    if (member_blocks(m) > 0) UN_LAUNCH(q, segment_cross_entropy, member_blocks(m), THREADS, 0, m);
}

void un_cuda_margin_rank(struct un_queue *q, float *row_loss, float *hit, float *dscores, const float *scores,
                         const int32_t *start, const int32_t *target, const int32_t *wrong, int64_t n,
                         int64_t count, float margin, const float *scale) {
    const members m = {row_loss, hit, dscores, scores, start, target, wrong, scale, n, count, margin};
    if (member_blocks(m) > 0) UN_LAUNCH(q, margin_rank, member_blocks(m), THREADS, 0, m);
}
