/* Losses by rows, each with its gradient.
 *
 * Law: a row is read in blocks of BLOCK elements; sums inside a block are float lanes, the blocks add up in
 * double in order. The loss of a row is the same with and without the gradient, and a bf16 gradient is the f32
 * one rounded. NaN in a row comes out as NaN. */
#include "runtime/cpu/lanes.h"
#include "runtime/cpu/rows.h"

enum { BLOCK = 512 };

size_t un_cpu_loss_scratch(const struct un_limits *limits, int threads) {
    (void)limits;
    (void)threads;
    return 0; /* blocks live on the stack */
}

/* Where the gradient of a row goes; its data is NULL when it is not wanted. */
struct slope {
    struct un_mat m;
    int64_t row;
};

static void slope_zero(const struct slope *d) {
    if (d->m.data) un_rows_zero(d->m, d->row);
}
/* g[0..n), n <= BLOCK, are elements [col, col + n). */
static void slope_put(const struct slope *d, int64_t col, int64_t n, const float *g) {
    if (d->m.data) un_rows_narrow(un_rows_at(d->m, d->row, col), d->m.type, g, n);
}

/* Gradients in f32 or bf16, of logits in f32. */
static bool check_slope(struct un_queue *q, struct un_mat slope, struct un_mat logits, const char *op) {
    if (!un_rows_are_activations(q, &slope, 1, op)) return false;
    if (logits.type == UN_F32) return true;
    un_cpu_fail(q, UN_INTERNAL, "%s: logits of type %d, want f32", op, (int)logits.type);
    return false;
}

static int64_t block_length(int64_t n, int64_t i) {
    return n - i < BLOCK ? n - i : BLOCK;
}

static bool worth_threads(struct un_mat m) {
    return m.rows > 1 && m.rows * m.cols >= UN_CPU_PARALLEL_MIN;
}

/* First index of the largest of x[0..n); 0 when nothing is above -inf. */
static int64_t first_largest(const float *x, int64_t n, float largest) {
    for (int64_t i = 0; i < n; ++i)
        if (x[i] == largest) return i;
    return 0;
}

/* sum of e^(x - largest); the terms go to `keep`, which may be x, unless it is NULL. */
static double exp_sum(float *keep, const float *x, int64_t n, float largest) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i += BLOCK) {
        float e[BLOCK];
        const int64_t m = block_length(n, i);
        for (int64_t j = 0; j < m; ++j) e[j] = un_lanes_exp(x[i + j] - largest);
        sum += (double)un_lanes_sum(e, m);
        if (keep) memcpy(keep + i, e, (size_t)m * sizeof *e);
    }
    return sum;
}

/* ---- cross-entropy ---- */

/* What the gradient is made of. */
struct softmax {
    float largest, factor, scale; /* (e^(x - largest)) factor, minus scale at the target */
    int32_t target;
};

/* In place the terms were kept where the gradient is to be; elsewhere they are made again, a block at a time. */
static void cross_entropy_slope(const struct slope *d, const float *x, int64_t n, const struct softmax *s) {
    for (int64_t i = 0; i < n; i += BLOCK) {
        float e[BLOCK];
        const int64_t m = block_length(n, i);
        for (int64_t j = 0; j < m; ++j) e[j] = un_lanes_exp(x[i + j] - s->largest) * s->factor;
        if (s->target >= i && s->target < i + m) e[s->target - i] -= s->scale;
        slope_put(d, i, m, e);
    }
}

static void cross_entropy_row(float *loss, float *hit, const struct slope *slope, const float *x, int64_t n,
                              int32_t target, float scale) {
    *loss = *hit = 0.0f;
    if (target < 0) {
        slope_zero(slope);
        return;
    }
    UN_ASSERT(target < n);
    float *d = slope->m.data && slope->m.type == UN_F32 ? un_cpu_row(slope->m, slope->row) : NULL;
    const float largest = un_lanes_max(x, n), wanted = x[target];
    if (wanted == largest) *hit = first_largest(x, n, largest) == target ? 1.0f : 0.0f;
    const double sum = exp_sum(d, x, n, largest);
    *loss = (float)((double)largest - (double)wanted + log(sum));
    const struct softmax s = {largest, (float)((double)scale / sum), scale, target};
    if (slope->m.data && !d) cross_entropy_slope(slope, x, n, &s);
    if (!d) return;
    for (int64_t j = 0; j < n; ++j) d[j] *= s.factor;
    d[target] -= scale;
}

void un_cpu_cross_entropy(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                          struct un_mat logits, const int32_t *target, const float *scale) {
    if (!check_slope(q, dlogits, logits, "cross_entropy")) return;
#pragma omp parallel for schedule(static) num_threads(q->threads) if (worth_threads(logits))
    for (int64_t i = 0; i < logits.rows; ++i) {
        const struct slope d = {dlogits, i};
        cross_entropy_row(row_loss + i, hit + i, &d, un_cpu_row(logits, i), logits.cols, target[i],
                          dlogits.data ? *scale : 0.0f);
    }
}

/* ---- cross-entropy over members ---- */

static void zero_behind(float *dscores, const int32_t *start, int64_t n, int64_t members) {
    const int64_t end = start[n];
    if (dscores && end < members) memset(dscores + end, 0, (size_t)(members - end) * sizeof *dscores);
}

void un_cpu_segment_cross_entropy(struct un_queue *q, float *row_loss, float *hit, float *dscores,
                                  const float *scores, const int32_t *start, const int32_t *target, int64_t n,
                                  int64_t members, const float *scale) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (n > 1 && members >= UN_CPU_PARALLEL_MIN)
    for (int64_t i = 0; i < n; ++i) {
        const int64_t count = start[i + 1] - start[i];
        const struct slope d = {un_mat32(dscores ? dscores + start[i] : NULL, 1, count), 0};
        cross_entropy_row(row_loss + i, hit + i, &d, scores + start[i], count, target[i],
                          dscores ? *scale : 0.0f);
    }
    zero_behind(dscores, start, n, members);
}

/* ---- binary cross-entropy ---- */

/* e = e^-|x| gives the sigmoid, and log(1 + e), the loss beyond that of the corner at 0. */
static void sigmoid_row(float *loss, float *hit, const struct slope *d, const float *x, int64_t n,
                        const float *target, float scale) {
    double total = 0.0;
    *hit = n > 0 ? target[first_largest(x, n, un_lanes_max(x, n))] : 0.0f;
    for (int64_t i = 0; i < n; i += BLOCK) {
        float u[BLOCK], g[BLOCK];
        const int64_t m = block_length(n, i);
        for (int64_t j = 0; j < m; ++j) {
            const float z = x[i + j], e = un_lanes_exp(-fabsf(z)), t = target[i + j];
            const float above = z < 0.0f ? 0.0f : z, sigmoid = (z < 0.0f ? e : 1.0f) / (1.0f + e);
            u[j] = (above - z * t) + un_lanes_log1p(e);
            g[j] = (sigmoid - t) * scale;
        }
        total += (double)un_lanes_sum(u, m);
        slope_put(d, i, m, g);
    }
    *loss = (float)total;
}

static void no_row(float *loss, float *other, int64_t count, const struct slope *slope) {
    *loss = 0.0f;
    if (other) memset(other, 0, (size_t)count * sizeof *other);
    slope_zero(slope);
}

void un_cpu_sigmoid_cross_entropy(struct un_queue *q, float *row_loss, float *hit, struct un_mat dlogits,
                                  struct un_mat logits, struct un_mat target, const int32_t *row,
                                  const float *scale) {
    UN_ASSERT(target.type == UN_F32 && target.cols == logits.cols);
    if (!check_slope(q, dlogits, logits, "sigmoid_cross_entropy")) return;
#pragma omp parallel for schedule(static) num_threads(q->threads) if (worth_threads(logits))
    for (int64_t i = 0; i < logits.rows; ++i) {
        const struct slope d = {dlogits, i};
        if (row[i] < 0)
            no_row(row_loss + i, hit + i, 1, &d);
        else
            sigmoid_row(row_loss + i, hit + i, &d, un_cpu_row(logits, i), logits.cols, un_cpu_row(target, i),
                        dlogits.data ? *scale : 0.0f);
    }
}

/* ---- rows of either float type, read by blocks ---- */

static void read_block(float *to, struct un_mat m, int64_t row, int64_t col, int64_t n) {
    if (m.type == UN_F32) {
        memcpy(to, (const float *)m.data + row * m.stride + col, (size_t)n * sizeof *to);
        return;
    }
    const uint16_t *h = (const uint16_t *)m.data + row * m.stride + col;
    for (int64_t j = 0; j < n; ++j) to[j] = un_half_from_f16(h[j]);
}

static bool check_type(struct un_queue *q, struct un_mat m, const char *op) {
    if (m.type == UN_F32 || m.type == UN_F16) return true;
    un_cpu_fail(q, UN_INTERNAL, "%s: targets of type %d, want f16 or f32", op, (int)m.type);
    return false;
}

/* ---- KL divergence ---- */

/* What of a row of soft labels is needed before its units: the sum, and the first largest. */
struct soft_row {
    double sum;
    float largest;
    int64_t index;
};

static struct soft_row soft_scan(struct un_mat soft, int64_t row) {
    struct soft_row s = {0.0, -INFINITY, 0};
    for (int64_t i = 0; i < soft.cols; i += BLOCK) {
        float p[BLOCK];
        const int64_t m = block_length(soft.cols, i);
        read_block(p, soft, row, i, m);
        s.sum += (double)un_lanes_sum(p, m);
        const float largest = un_lanes_max(p, m);
        if (largest > s.largest) {
            s.largest = largest;
            s.index = i + first_largest(p, m, largest);
        }
    }
    return s;
}

/* p (ln p - ln softmax), the latter as distance below the largest logit minus ln of the sum of exponentials:
 * both are small where p is large. Below the normal numbers p ln p is 0 to any precision that matters. */
UN_INLINE float kl_unit(float p, float below, float log_sum) {
    const float u = p * (un_lanes_log(p) - (below - log_sum));
    return p < 0x1p-126f && p >= 0.0f ? 0.0f : u;
}

static void kl_row(float *loss, float *hit, float *unit, const struct slope *d, const float *x,
                   struct un_mat soft, int64_t row, float scale) {
    const int64_t n = soft.cols;
    const struct soft_row s = soft_scan(soft, row);
    const float largest = un_lanes_max(x, n);
    const double sum = exp_sum(NULL, x, n, largest);
    const float log_sum = (float)log(sum), factor = (float)(s.sum / sum);
    double total = 0.0;
    /* a row of zeros stands for "no row" and names no class */
    *hit = s.largest > 0.0f && first_largest(x, n, largest) == s.index ? 1.0f : 0.0f;
    for (int64_t i = 0; i < n; i += BLOCK) {
        float p[BLOCK], u[BLOCK];
        const int64_t m = block_length(n, i);
        read_block(p, soft, row, i, m);
        for (int64_t j = 0; j < m; ++j) u[j] = kl_unit(p[j], x[i + j] - largest, log_sum);
        total += (double)un_lanes_sum(u, m);
        if (unit) memcpy(unit + i, u, (size_t)m * sizeof *u);
        if (!d->m.data) continue;
        for (int64_t j = 0; j < m; ++j) u[j] = (un_lanes_exp(x[i + j] - largest) * factor - p[j]) * scale;
        slope_put(d, i, m, u);
    }
    *loss = (float)total;
}

void un_cpu_kl_divergence(struct un_queue *q, float *row_loss, float *hit, float *unit, struct un_mat dlogits,
                          struct un_mat logits, struct un_mat soft, const float *scale) {
    if (!check_slope(q, dlogits, logits, "kl_divergence")) return;
    if (!check_type(q, soft, "kl_divergence")) return;
#pragma omp parallel for schedule(static) num_threads(q->threads) if (worth_threads(logits))
    for (int64_t i = 0; i < logits.rows; ++i) {
        const struct slope d = {dlogits, i};
        kl_row(row_loss + i, hit + i, unit ? unit + i * logits.cols : NULL, &d, un_cpu_row(logits, i), soft,
               i, dlogits.data ? *scale : 0.0f);
    }
}

/* ---- squared error ---- */

static void square_row(float *loss, float *unit, const struct slope *slope, const float *x, int64_t n,
                       struct un_mat feature, int32_t region, float scale) {
    double total = 0.0;
    for (int64_t i = 0; i < n; i += BLOCK) {
        float d[BLOCK], u[BLOCK];
        const int64_t m = block_length(n, i);
        read_block(d, feature, region, i, m);
        for (int64_t j = 0; j < m; ++j) {
            d[j] = x[i + j] - d[j];
            u[j] = d[j] * d[j];
        }
        total += (double)un_lanes_sum(u, m);
        if (unit) memcpy(unit + i, u, (size_t)m * sizeof *u);
        if (!slope->m.data) continue;
        for (int64_t j = 0; j < m; ++j) u[j] = 2.0f * d[j] * scale;
        slope_put(slope, i, m, u);
    }
    *loss = (float)total;
}

void un_cpu_squared_error(struct un_queue *q, float *row_loss, float *unit, struct un_mat dpred,
                          struct un_mat pred, struct un_mat feature, const int32_t *region,
                          const float *scale) {
    if (!check_slope(q, dpred, pred, "squared_error")) return;
    if (!check_type(q, feature, "squared_error")) return;
#pragma omp parallel for schedule(static) num_threads(q->threads) if (worth_threads(pred))
    for (int64_t i = 0; i < pred.rows; ++i) {
        const struct slope d = {dpred, i};
        float *units = unit ? unit + i * pred.cols : NULL;
        if (region[i] < 0)
            no_row(row_loss + i, units, pred.cols, &d);
        else
            square_row(row_loss + i, units, &d, un_cpu_row(pred, i), pred.cols, feature, region[i],
                       dpred.data ? *scale : 0.0f);
    }
}
