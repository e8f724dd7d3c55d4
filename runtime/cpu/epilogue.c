#include "runtime/cpu/epilogue.h"

#include "runtime/cpu/lanes.h"

/* In one pass each: the strip is in the cache, its copy `pre` is not. */
static void add_bias(float *restrict c, const float *restrict bias, int64_t n) {
    for (int64_t j = 0; j < n; ++j) c[j] += bias[j];
}

static void add_bias_tanh(float *restrict c, const float *restrict bias, int64_t n) {
    for (int64_t j = 0; j < n; ++j) c[j] = un_lanes_tanh(c[j] + bias[j]);
}

static void add_bias_gelu(float *restrict c, const float *restrict bias, int64_t n) {
    for (int64_t j = 0; j < n; ++j) c[j] = un_lanes_gelu(c[j] + bias[j]);
}

static void add_bias_keep_gelu(float *restrict c, float *restrict pre, const float *restrict bias,
                               int64_t n) {
    for (int64_t j = 0; j < n; ++j) {
        float z = c[j] + bias[j];
        pre[j] = z;
        c[j] = un_lanes_gelu(z);
    }
}

/* pre NULL: the sum is not kept. */
static void add_bias_relu(float *restrict c, float *restrict pre, const float *restrict bias, int64_t n) {
    add_bias(c, bias, n);
    if (pre) memcpy(pre, c, (size_t)n * sizeof *c);
    for (int64_t j = 0; j < n; ++j) c[j] = c[j] < 0.0f ? 0.0f : c[j];
}

void un_cpu_finish_strip(float *c, float *pre, const float *bias, enum un_activation activation, int64_t n) {
    static const float none[UN_CPU_STRIP];
    if (!bias) bias = none;
    if (activation == UN_ACT_TANH)
        add_bias_tanh(c, bias, n);
    else if (activation == UN_ACT_NONE)
        add_bias(c, bias, n);
    else if (activation == UN_ACT_RELU)
        add_bias_relu(c, pre, bias, n);
    else if (pre)
        add_bias_keep_gelu(c, pre, bias, n);
    else
        add_bias_gelu(c, bias, n);
}
