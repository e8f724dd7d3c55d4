/* For tests of ops in bf16 and f16, on devices that have them: matrices of those types beside f32 twins that
 * hold the same, already rounded numbers, and the CPU's ops to compare with. */
#ifndef UN_TESTS_UNIT_RUNTIME_OPS_LOW_H
#define UN_TESTS_UNIT_RUNTIME_OPS_LOW_H

#include "runtime/backends.h"
#include "runtime/cpu/convert.h"
#include "tests/unit/runtime/ops/harness.h"

struct un_low {
    struct un_device *cpu;
    struct un_queue *q;
};

static inline struct un_low un_low_open(void) {
    static const struct un_limits limits = {
        .max_tokens = 512, .max_samples = 64, .max_width = 4096, .max_heads = 4, .max_params = 1 << 16};
    struct un_low low;
    assert_int_equal(un_cpu_open(1, &low.cpu), UN_OK);
    assert_int_equal(low.cpu->mem->queue_open(low.cpu, &limits, &low.q), UN_OK);
    return low;
}
static inline void un_low_close(struct un_low *low) {
    assert_int_equal(low->cpu->mem->queue_wait(low->q), UN_OK);
    low->cpu->mem->queue_close(low->q);
    un_device_close(low->cpu);
}

/* v as a matrix of this type keeps it. */
static inline float un_low_round(enum un_type type, float v) {
    return type == UN_BF16  ? un_half_from_bf16(un_half_to_bf16(v))
           : type == UN_F16 ? un_half_from_f16(un_half_to_f16(v))
                            : v;
}
static inline float un_low_get(struct un_mat m, int64_t row, int64_t col) {
    const int64_t i = row * m.stride + col;
    return m.type == UN_BF16  ? un_half_from_bf16(((const uint16_t *)m.data)[i])
           : m.type == UN_F16 ? un_half_from_f16(((const uint16_t *)m.data)[i])
                              : ((const float *)m.data)[i];
}
static inline void un_low_put(struct un_mat m, int64_t row, int64_t col, float v) {
    const int64_t i = row * m.stride + col;
    if (m.type == UN_F32)
        ((float *)m.data)[i] = v;
    else
        ((uint16_t *)m.data)[i] = m.type == UN_BF16 ? un_half_to_bf16(v) : un_half_to_f16(v);
}

/* A copy of an f32 matrix in another type; the f32 one is rounded to the same numbers. */
static inline struct un_mat un_low_pair(struct un_harness *h, enum un_type type, struct un_mat twin) {
    struct un_mat m = un_harness_mat_of(h, type, twin.rows, twin.cols);
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.cols; ++j) {
            un_low_put(m, i, j, un_low_get(twin, i, j));
            un_low_put(twin, i, j, un_low_get(m, i, j));
        }
    return m;
}

/* Is every element what `want` (f32) is when rounded once? */
static inline void un_low_same(const char *what, struct un_mat got, struct un_mat want) {
    for (int64_t i = 0; i < got.rows; ++i)
        for (int64_t j = 0; j < got.cols; ++j) {
            const float g = un_low_get(got, i, j), w = un_low_round(got.type, un_low_get(want, i, j));
            if (g != w && !(g != g && w != w))
                fail_msg("%s, type %d: (%lld, %lld) is %.9g, want exactly %.9g", what, (int)got.type,
                         (long long)i, (long long)j, (double)g, (double)w);
        }
}

#endif
