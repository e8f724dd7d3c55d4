/* The tokens of each sample averaged with weights. One task is one sample: at most UN_MAX_SAMPLE_TOKENS scores.
 *
 * Law: a task writes only its own row and its own tokens; sums over tokens go in their order. Dropout is drawn again
 * in the backward. */
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/lanes.h"

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
    for (int64_t i = from; i < m.rows; ++i) memset(un_cpu_row(m, i), 0, (size_t)m.cols * sizeof(float));
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

void un_cpu_attention_pool_fwd(struct un_queue *q, struct un_mat out, float *weight, struct un_mat x,
                               const float *score, const struct un_layout *layout,
                               const struct un_dropout *drop) {
    zero_rows(out, layout->samples);
    zero_rows(un_mat32(weight, x.rows, 1), tokens_end(layout));
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads) if (parallel(layout, x.cols))
    for (int64_t i = 0; i < layout->samples; ++i) {
        const struct sample s = sample_of(layout, i, drop);
        float *to = un_cpu_row(out, i), *w = weight + s.first;
        memset(to, 0, (size_t)out.cols * sizeof *to);
        softmax(w, score + s.first, s.tokens);
        for (int64_t t = 0; t < s.tokens; ++t)
            add_scaled(to, w[t] * factor_of(&s, t), un_cpu_row(x, s.first + t), x.cols);
    }
}

static void sample_bwd(struct un_mat dx, float *dscore, const float *dout, struct un_mat x,
                       const float *weight, const struct sample *s) {
    float slope[UN_MAX_SAMPLE_TOKENS];
    for (int64_t t = 0; t < s->tokens; ++t) {
        const float factor = factor_of(s, t);
        slope[t] = factor * un_lanes_dot(dout, un_cpu_row(x, s->first + t), x.cols);
        copy_scaled(un_cpu_row(dx, s->first + t), weight[t] * factor, dout, x.cols);
    }
    const float mean = un_lanes_dot(weight, slope, s->tokens);
    for (int64_t t = 0; t < s->tokens; ++t) dscore[t] = weight[t] * (slope[t] - mean);
}

void un_cpu_attention_pool_bwd(struct un_queue *q, struct un_mat dx, float *dscore, struct un_mat dout,
                               struct un_mat x, const float *weight, const struct un_layout *layout,
                               const struct un_dropout *drop) {
    zero_rows(dx, tokens_end(layout));
    zero_rows(un_mat32(dscore, x.rows, 1), tokens_end(layout));
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads) if (parallel(layout, x.cols))
    for (int64_t i = 0; i < layout->samples; ++i) {
        const struct sample s = sample_of(layout, i, drop);
        sample_bwd(dx, dscore + s.first, un_cpu_row(dout, i), x, weight + s.first, &s);
    }
}
