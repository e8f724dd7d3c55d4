/* The tokens of each sample averaged with weights. One task is one sample: at most UN_MAX_SAMPLE_TOKENS scores.
 *
 * Law: a task writes only its own row and its own tokens; sums over tokens go in their order. Dropout is drawn again
 * in the backward. */
#include "runtime/cpu/lanes.h"
#include "runtime/cpu/rows.h"

struct sample {
    int64_t first, tokens;
    const struct un_dropout *drop; /* NULL: none */
};

static struct sample sample_of(const struct un_layout *layout, int64_t s, const struct un_dropout *drop) {
    const int64_t first = layout->start[s], tokens = layout->start[s + 1] - first;
    UN_ASSERT(tokens <= UN_MAX_SAMPLE_TOKENS);
    return (struct sample){first, tokens, drop && drop->threshold ? drop : NULL};
}

static float factor_of(const struct sample *s, int64_t i) {
    return s->drop ? un_dropout_factor(s->drop, (uint32_t)(s->first + i)) : 1.0f;
}

/* to[j] (+)= factor * x[j] */
static void add_scaled(float *restrict to, float factor, const float *restrict x, int64_t n) {
    for (int64_t j = 0; j < n; ++j) to[j] += factor * x[j];
}

static void copy_scaled(float *restrict to, float factor, const float *restrict x, int64_t n) {
    for (int64_t j = 0; j < n; ++j) to[j] = factor * x[j];
}

static void zero_rows(struct un_mat m, int64_t from) {
    for (int64_t i = from; i < m.rows; ++i) un_rows_zero(m, i);
}

static int64_t tokens_end(const struct un_layout *layout) {
    return layout->samples > 0 ? layout->start[layout->samples] : 0;
}

static bool parallel(const struct un_layout *layout, int64_t cols) {
    return layout->samples > 1 && layout->tokens * cols > UN_CPU_PARALLEL_MIN;
}

static void softmax(float *to, const float *score, int64_t n) {
    const float largest = un_lanes_max(score, n);
    for (int64_t i = 0; i < n; ++i) to[i] = un_lanes_exp_neg(score[i] - largest);
    const float factor = 1.0f / un_lanes_sum(to, n);
    for (int64_t i = 0; i < n; ++i) to[i] *= factor;
}

/* Both of one type, and it is one of activations; samples that fit. */
static bool is_sound(struct un_queue *q, struct un_mat a, struct un_mat x, const struct un_layout *layout) {
    if (a.type == x.type && (x.type == UN_F32 || x.type == UN_BF16) && a.cols == x.cols &&
        layout->longest <= UN_MAX_SAMPLE_TOKENS)
        return true;
    un_cpu_fail(
        q, UN_INTERNAL,
        "attention_pool: operands of types %d and %d, %lld and %lld columns, samples of up to %lld tokens",
        (int)a.type, (int)x.type, (long long)a.cols, (long long)x.cols, (long long)layout->longest);
    return false;
}

static void sample_fwd(struct un_mat out, int64_t row, struct un_mat x, const float *weight,
                       const struct sample *s) {
    for (int64_t col = 0; col < out.cols; col += UN_ROWS_STRIP) {
        float strip[2][UN_ROWS_STRIP], *to = un_rows_out(out, row, col, strip[0]);
        const int64_t n = un_rows_strip(out.cols, col);
        memset(to, 0, (size_t)n * sizeof *to);
        for (int64_t t = 0; t < s->tokens; ++t)
            add_scaled(to, weight[t] * factor_of(s, t), un_rows_in(x, s->first + t, col, n, strip[1]), n);
        un_rows_put(out, row, col, n, strip[0]);
    }
}

void un_cpu_attention_pool_fwd(struct un_queue *q, struct un_mat out, float *weight, struct un_mat x,
                               const float *score, const struct un_layout *layout,
                               const struct un_dropout *drop) {
    if (!is_sound(q, out, x, layout)) return;
    zero_rows(out, layout->samples);
    zero_rows(un_mat32(weight, x.rows, 1), tokens_end(layout));
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads) if (parallel(layout, x.cols))
    for (int64_t i = 0; i < layout->samples; ++i) {
        const struct sample s = sample_of(layout, i, drop);
        softmax(weight + s.first, score + s.first, s.tokens);
        sample_fwd(out, i, x, weight + s.first, &s);
    }
}

/* dx of token t, and its slope. */
static float token_bwd(struct un_mat dx, struct un_mat dout, int64_t row, struct un_mat x, int64_t t,
                       float weight) {
    float s[UN_LANES_SUMS] = {0};
    for (int64_t col = 0; col < x.cols; col += UN_ROWS_STRIP) {
        float strip[3][UN_ROWS_STRIP];
        const int64_t n = un_rows_strip(x.cols, col);
        const float *g = un_rows_in(dout, row, col, n, strip[0]);
        un_lanes_dot_more(s, g, un_rows_in(x, t, col, n, strip[1]), n);
        copy_scaled(un_rows_out(dx, t, col, strip[2]), weight, g, n);
        un_rows_put(dx, t, col, n, strip[2]);
    }
    return un_lanes_fold(s);
}

static void sample_bwd(struct un_mat dx, float *dscore, struct un_mat dout, int64_t row, struct un_mat x,
                       const float *weight, const struct sample *s) {
    float slope[UN_MAX_SAMPLE_TOKENS];
    for (int64_t t = 0; t < s->tokens; ++t) {
        const float factor = factor_of(s, t);
        slope[t] = factor * token_bwd(dx, dout, row, x, s->first + t, weight[t] * factor);
    }
    const float mean = un_lanes_dot(weight, slope, s->tokens);
    for (int64_t t = 0; t < s->tokens; ++t) dscore[t] = weight[t] * (slope[t] - mean);
}

void un_cpu_attention_pool_bwd(struct un_queue *q, struct un_mat dx, float *dscore, struct un_mat dout,
                               struct un_mat x, const float *weight, const struct un_layout *layout,
                               const struct un_dropout *drop) {
    if (!is_sound(q, dx, x, layout) || !is_sound(q, dout, x, layout)) return;
    zero_rows(dx, tokens_end(layout));
    zero_rows(un_mat32(dscore, x.rows, 1), tokens_end(layout));
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads) if (parallel(layout, x.cols))
    for (int64_t i = 0; i < layout->samples; ++i) {
        const struct sample s = sample_of(layout, i, drop);
        sample_bwd(dx, dscore + s.first, dout, i, x, weight + s.first, &s);
    }
}
