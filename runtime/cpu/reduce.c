/* Sums over the flat gradient. A chunk of UN_PARAM_BLOCK elements is one thread's, in sixteen running double
 * sums folded in a fixed tree; clip_factor adds the chunks in order. */
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/lanes.h"
#include "runtime/params.h"

static double square_sum(const float *g, int64_t n) {
    double s[UN_LANES] = {0};
    int64_t i = 0;
    for (; i + UN_LANES <= n; i += UN_LANES)
        for (int j = 0; j < UN_LANES; ++j) s[j] += (double)g[i + j] * g[i + j];
    for (int j = 0; i < n; ++i, ++j) s[j] += (double)g[i] * g[i];
    for (int half = UN_LANES / 2; half > 0; half /= 2)
        for (int j = 0; j < half; ++j) s[j] += s[j + half];
    return s[0];
}

void un_cpu_square_sums(struct un_queue *q, double *partial, const float *g, int64_t count) {
    int64_t chunks = (count + UN_PARAM_BLOCK - 1) / UN_PARAM_BLOCK;
#pragma omp parallel for schedule(static) num_threads(q->threads) if (chunks > 1)
    for (int64_t k = 0; k < chunks; ++k) {
        int64_t first = k * UN_PARAM_BLOCK, left = count - first;
        partial[k] = square_sum(g + first, left < UN_PARAM_BLOCK ? left : UN_PARAM_BLOCK);
    }
}

void un_cpu_check_finite(struct un_queue *q, double *word, const float *x, int64_t count) {
    (void)q;
    double sum = 0; /* of zeros, and of a NaN for whatever is not finite */
    for (int64_t i = 0; i < count; ++i) sum += (double)x[i] * 0.0;
    *word += sum;
}

void un_cpu_clip_factor(struct un_queue *q, float *out, const double *partial, int64_t chunks,
                        float max_norm) {
    (void)q;
    double sum = 0;
    for (int64_t k = 0; k < chunks; ++k) sum += partial[k];
    float norm = (float)sqrt(sum);
    float factor = max_norm / (norm + 1e-6f);
    out[0] = norm;
    out[1] = max_norm > 0.0f && factor < 1.0f ? factor : 1.0f;
    out[2] = isfinite(norm) ? 1.0f : 0.0f;
}
