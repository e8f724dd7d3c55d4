/* Losses by rows, each with its gradient. A team of warps owns a row and holds it in registers, so that it is
 * read once; a row longer than the largest tile is read again (from L2) for every pass over it.
 *
 * Law: a thread's sum over a tile is f32, all else is double, in the fixed order of tile.cuh. The loss of a
 * row is the same with and without the gradient. NaN in a row comes out as NaN. */
#include "runtime/cuda/loss.cuh"

size_t un_cuda_loss_scratch(const struct un_limits *limits) {
    (void)limits;
    return 0; /* rows live in registers */
}

namespace {

/* ---- cross-entropy ---- */

/* Bytes of a row held in registers: 4 C in, and the gradient out. */
template <int WARPS, int VECS, class D>
__global__ void __launch_bounds__(team<WARPS>::BLOCK)
    cross_entropy(float *row_loss, float *hit, view<D> dlogits, view<const float> logits,
                  const int32_t *target, const float *scale_at, int64_t rows, int cols, bool wide) {
    enum { COLS = tile<WARPS, VECS>::COLS, EACH = tile<WARPS, VECS>::EACH };
    const int64_t row = team_row<WARPS>();
    if (row >= rows) return;
    const float *x = row_of(logits, row);
    D *d = row_of(dlogits, row);
    const int32_t at = target[row];
    if (at < 0) {
        if (is_first<WARPS>()) row_loss[row] = hit[row] = 0.0f;
        if (d) zero_row<WARPS>(d, cols);
        return;
    }
    const bool held = cols <= COLS;
    const float wanted = x[at], scale = d ? *scale_at : 0.0f;
    float v[EACH], most = -INFINITY;
#pragma unroll 1
    for (int base = 0; base < cols; base += COLS) {
        read_tile<WARPS, VECS>(v, x, base, cols, wide, -INFINITY);
        most = tile_most<VECS>(v, most);
    }
    most = fold<WARPS, float, larger_of>(most);
    int first = at;
    if (wanted == most) {
#pragma unroll 1
        for (int base = 0; base < cols; base += COLS) {
            if (!held) read_tile<WARPS, VECS>(v, x, base, cols, wide, -INFINITY);
            first = tile_first<WARPS, VECS>(v, base, cols, most, first);
        }
        first = fold<WARPS, int, smaller_of>(first);
    }
    double sum = 0.0;
#pragma unroll 1
    for (int base = 0; base < cols; base += COLS) {
        if (!held) read_tile<WARPS, VECS>(v, x, base, cols, wide, -INFINITY);
        tile_exp<VECS>(v, most);
        sum += (double)tile_sum<VECS>(v);
    }
    sum = fold<WARPS, double, sum_of>(sum);
    const float factor = scale / (float)sum;
#pragma unroll 1
    for (int base = 0; d && base < cols; base += COLS) {
        if (!held) {
            read_tile<WARPS, VECS>(v, x, base, cols, wide, -INFINITY);
            tile_exp<VECS>(v, most);
        }
        const int own = at - first_column<WARPS>(base); /* the target, if it is this thread's */
#pragma unroll
        for (int i = 0; i < EACH; ++i) v[i] = v[i] * factor - (offset<WARPS>(i) == own ? scale : 0.0f);
        write_tile<WARPS, VECS>(d, v, base, cols, wide);
    }
    if (!is_first<WARPS>()) return; /* last: the logarithm wants the registers of the row */
    row_loss[row] = (float)((double)most - (double)wanted + log(sum));
    hit[row] = wanted == most && first == at ? 1.0f : 0.0f;
}

/* ---- KL divergence ---- */

/* p (ln p - ln softmax), the latter as distance below the largest logit minus ln of the sum of exponentials:
 * both are small where p is large. Below the normal numbers p ln p is 0 to any precision that matters. */
__device__ __forceinline__ float kl_unit(float p, float below, float log_sum) {
    const float u = p * (logf(p) - (below - log_sum));
    return p < 1.17549435e-38f && p >= 0.0f ? 0.0f : u;
}

/* Bytes of a row held in registers: 4 C and the labels in, the gradient and units out. */
template <int WARPS, int VECS, class D, class S>
__global__ void __launch_bounds__(team<WARPS>::BLOCK)
    kl_divergence(float *row_loss, float *hit, float *unit, view<D> dlogits, view<const float> logits,
                  view<const S> soft, const float *scale_at, int64_t rows, int cols, bool wide) {
    enum { COLS = tile<WARPS, VECS>::COLS, EACH = tile<WARPS, VECS>::EACH };
    const int64_t row = team_row<WARPS>();
    if (row >= rows) return;
    const float *x = row_of(logits, row);
    const S *labels = row_of(soft, row);
    D *d = row_of(dlogits, row);
    const bool held = cols <= COLS;
    float v[EACH], p[EACH], most = -INFINITY, label_most = -INFINITY;
    double mass = 0.0, sum = 0.0, total = 0.0;
#pragma unroll 1
    for (int base = 0; base < cols; base += COLS) {
        read_tile<WARPS, VECS>(v, x, base, cols, wide, -INFINITY);
        read_tile<WARPS, VECS>(p, labels, base, cols, wide, 0.0f);
        most = tile_most<VECS>(v, most);
        label_most = tile_most<VECS>(p, label_most);
        mass += (double)tile_sum<VECS>(p);
    }
    most = fold<WARPS, float, larger_of>(most);
    label_most = fold<WARPS, float, larger_of>(label_most);
    mass = fold<WARPS, double, sum_of>(mass);
    int first = INT32_MAX, label_first = INT32_MAX;
#pragma unroll 1
    for (int base = 0; base < cols; base += COLS) {
        if (!held) {
            read_tile<WARPS, VECS>(v, x, base, cols, wide, -INFINITY);
            read_tile<WARPS, VECS>(p, labels, base, cols, wide, 0.0f);
        }
        first = tile_first<WARPS, VECS>(v, base, cols, most, first);
        label_first = tile_first<WARPS, VECS>(p, base, cols, label_most, label_first);
        float e[EACH];
#pragma unroll
        for (int i = 0; i < EACH; ++i) e[i] = expf(v[i] - most);
        sum += (double)tile_sum<VECS>(e);
    }
    first = fold<WARPS, int, smaller_of>(first);
    label_first = fold<WARPS, int, smaller_of>(label_first);
    sum = fold<WARPS, double, sum_of>(sum);
    const float log_sum = (float)log(sum), factor = (float)(mass / sum), scale = d ? *scale_at : 0.0f;
#pragma unroll 1
    for (int base = 0; base < cols; base += COLS) {
        if (!held) {
            read_tile<WARPS, VECS>(v, x, base, cols, wide, -INFINITY);
            read_tile<WARPS, VECS>(p, labels, base, cols, wide, 0.0f);
        }
        float u[EACH];
#pragma unroll
        for (int i = 0; i < EACH; ++i) u[i] = kl_unit(p[i], v[i] - most, log_sum);
        total += (double)tile_sum<VECS>(u);
        if (unit) write_tile<WARPS, VECS>(unit + row * cols, u, base, cols, wide);
        if (!d) continue;
#pragma unroll
        for (int i = 0; i < EACH; ++i) u[i] = (expf(v[i] - most) * factor - p[i]) * scale;
        write_tile<WARPS, VECS>(d, u, base, cols, wide);
    }
    total = fold<WARPS, double, sum_of>(total);
    if (!is_first<WARPS>()) return;
    row_loss[row] = (float)total;
    if (first == INT32_MAX) first = 0; /* nothing but NaN */
    /* a row of zeros stands for "no row" and names no class */
    hit[row] = label_most > 0.0f && first == label_first ? 1.0f : 0.0f;
}

/* ---- squared error ---- */

/* Bytes of a row: 4 F and the features in, the gradient and units out. */
template <int WARPS, int VECS, class D, class S>
__global__ void __launch_bounds__(team<WARPS>::BLOCK)
    squared_error(float *row_loss, float *unit, view<D> dpred, view<const float> pred, view<const S> feature,
                  const int32_t *region, const float *scale_at, int64_t rows, int cols, bool wide) {
    enum { COLS = tile<WARPS, VECS>::COLS, EACH = tile<WARPS, VECS>::EACH };
    const int64_t row = team_row<WARPS>();
    if (row >= rows) return;
    const int32_t at = region[row];
    float *units = unit ? unit + row * cols : unit;
    D *d = row_of(dpred, row);
    if (at < 0) {
        if (is_first<WARPS>()) row_loss[row] = 0.0f;
        if (units) zero_row<WARPS>(units, cols);
        if (d) zero_row<WARPS>(d, cols);
        return;
    }
    const float scale = d ? *scale_at : 0.0f;
    double total = 0.0;
    for (int base = 0; base < cols; base += COLS) {
        float v[EACH], w[EACH];
        read_tile<WARPS, VECS>(v, row_of(pred, row), base, cols, wide, 0.0f);
        read_tile<WARPS, VECS>(w, row_of(feature, at), base, cols, wide, 0.0f);
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            v[i] -= w[i];
            w[i] = v[i] * v[i];
            v[i] = 2.0f * v[i] * scale;
        }
        total += (double)tile_sum<VECS>(w);
        if (units) write_tile<WARPS, VECS>(units, w, base, cols, wide);
        if (d) write_tile<WARPS, VECS>(d, v, base, cols, wide);
    }
    total = fold<WARPS, double, sum_of>(total);
    if (is_first<WARPS>()) row_loss[row] = (float)total;
}

} // namespace

/* ---- the ops ---- */

static bool check_targets(struct un_queue *q, const char *op, struct un_mat m) {
    if (m.type == UN_F32 || m.type == UN_F16) return true;
    un_cuda_fail(q, UN_INTERNAL, "%s: targets of type %d, want f16 or f32", op, (int)m.type);
    return false;
}

template <int WARPS, int VECS, class D>
static void cross_entropy_of(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                             struct un_mat logits, const int32_t *target, const float *scale) {
    UN_LAUNCH(q, (cross_entropy<WARPS, VECS, D>), team_blocks<WARPS>(logits.rows), team<WARPS>::BLOCK, 0,
              row_loss, hit, view_of<D>(dlogits), view_of<const float>(logits), target, scale, logits.rows,
              (int)logits.cols, is_tiled(dlogits, logits));
}

template <class D>
static void cross_entropy_as(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                             struct un_mat logits, const int32_t *target, const float *scale) {
    if (logits.cols <= tile<1, 4>::COLS)
        cross_entropy_of<1, 4, D>(q, row_loss, hit, dlogits, logits, target, scale);
    else if (logits.cols <= tile<8, 2>::COLS)
        cross_entropy_of<8, 2, D>(q, row_loss, hit, dlogits, logits, target, scale);
    else
        cross_entropy_of<32, 8, D>(q, row_loss, hit, dlogits, logits, target, scale);
}

void un_cuda_cross_entropy(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                           struct un_mat logits, const int32_t *target, const float *scale) {
    if (logits.rows <= 0 || !check_gradient(q, "cross_entropy", dlogits, logits)) return;
    if (dlogits.data && dlogits.type == UN_BF16)
        cross_entropy_as<un_bf16>(q, row_loss, hit, dlogits, logits, target, scale);
    else
        cross_entropy_as<float>(q, row_loss, hit, dlogits, logits, target, scale);
}

template <class D, class S>
static void kl_divergence_as(struct un_queue *q, float *row_loss, float *hit, float *unit,
                             struct un_mat dlogits, struct un_mat logits, struct un_mat soft,
                             const float *scale) {
    UN_LAUNCH(q, (kl_divergence<8, 2, D, S>), team_blocks<8>(logits.rows), team<8>::BLOCK, 0, row_loss, hit,
              unit, view_of<D>(dlogits), view_of<const float>(logits), view_of<const S>(soft), scale,
              logits.rows, (int)logits.cols,
              is_tiled(dlogits, logits) && un_is_wide(soft) && un_is_wide_array(unit));
}

void un_cuda_kl_divergence(struct un_queue *q, float *row_loss, float *hit, float *unit,
                           struct un_mat dlogits, struct un_mat logits, struct un_mat soft,
                           const float *scale) {
    if (logits.rows <= 0 || !check_gradient(q, "kl_divergence", dlogits, logits)) return;
    if (!check_targets(q, "kl_divergence", soft)) return;
    const bool low = dlogits.data && dlogits.type == UN_BF16;
    if (low && soft.type == UN_F16)
        kl_divergence_as<un_bf16, un_f16>(q, row_loss, hit, unit, dlogits, logits, soft, scale);
    else if (low)
        kl_divergence_as<un_bf16, float>(q, row_loss, hit, unit, dlogits, logits, soft, scale);
    else if (soft.type == UN_F16)
        kl_divergence_as<float, un_f16>(q, row_loss, hit, unit, dlogits, logits, soft, scale);
    else
        kl_divergence_as<float, float>(q, row_loss, hit, unit, dlogits, logits, soft, scale);
}

template <class D, class S>
static void squared_error_as(struct un_queue *q, float *row_loss, float *unit, struct un_mat dpred,
                             struct un_mat pred, struct un_mat feature, const int32_t *region,
                             const float *scale) {
    UN_LAUNCH(q, (squared_error<8, 2, D, S>), team_blocks<8>(pred.rows), team<8>::BLOCK, 0, row_loss, unit,
              view_of<D>(dpred), view_of<const float>(pred), view_of<const S>(feature), region, scale,
              pred.rows, (int)pred.cols,
              is_tiled(dpred, pred) && un_is_wide(feature) && un_is_wide_array(unit));
}

void un_cuda_squared_error(struct un_queue *q, float *row_loss, float *unit, struct un_mat dpred,
                           struct un_mat pred, struct un_mat feature, const int32_t *region,
                           const float *scale) {
    if (pred.rows <= 0 || !check_gradient(q, "squared_error", dpred, pred)) return;
    if (!check_targets(q, "squared_error", feature)) return;
    const bool low = dpred.data && dpred.type == UN_BF16;
    if (low && feature.type == UN_F16)
        squared_error_as<un_bf16, un_f16>(q, row_loss, unit, dpred, pred, feature, region, scale);
    else if (low)
        squared_error_as<un_bf16, float>(q, row_loss, unit, dpred, pred, feature, region, scale);
    else if (feature.type == UN_F16)
        squared_error_as<float, un_f16>(q, row_loss, unit, dpred, pred, feature, region, scale);
    else
        squared_error_as<float, float>(q, row_loss, unit, dpred, pred, feature, region, scale);
}
