/* Numbers in, numbers out, comparisons: see typed.h. */
#include "tests/cards/emu/typed.h"

#include "runtime/backends.h"
#include "runtime/cpu/convert.h"

#include <math.h>

static const double one_rounding = 0x1p-8;

const struct un_limits un_typed_limits = {
    .max_tokens = 16384, .max_samples = 16, .max_width = 8192, .max_heads = 1, .max_params = 1 << 20};

struct un_oracle un_oracle_open(void) {
    struct un_oracle o;
    assert_int_equal(un_cpu_open(1, &o.device), UN_OK);
    assert_int_equal(o.device->mem->queue_open(o.device, &un_typed_limits, &o.q), UN_OK);
    o.ops = o.device->ops;
    return o;
}

void un_oracle_close(struct un_oracle *o) {
    assert_int_equal(o->device->mem->queue_wait(o->q), UN_OK);
    o->device->mem->queue_close(o->q);
    un_device_close(o->device);
}

float un_typed_get(struct un_mat m, int64_t i, int64_t j) {
    int64_t at = i * m.stride + j;
    if (m.type == UN_F32) return ((float *)m.data)[at];
    return m.type == UN_BF16 ? un_half_from_bf16(((uint16_t *)m.data)[at])
                             : un_half_from_f16(((uint16_t *)m.data)[at]);
}

void un_typed_set(struct un_mat m, int64_t i, int64_t j, float v) {
    int64_t at = i * m.stride + j;
    if (m.type == UN_F32)
        ((float *)m.data)[at] = v;
    else
        ((uint16_t *)m.data)[at] = m.type == UN_BF16 ? un_half_to_bf16(v) : un_half_to_f16(v);
}

static float rounded(float v, enum un_type type) {
    return type == UN_F32 ? v : un_half_from_bf16(un_half_to_bf16(v));
}

struct un_mat un_typed_random(struct un_harness *h, enum un_type type, int64_t rows, int64_t cols, float low,
                              float high) {
    struct un_mat m = un_harness_mat_of(h, type, rows, cols);
    uint32_t sample = (uint32_t)h->count;
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) {
            float unit = un_rng_unit(un_rng(7, UN_RNG_TEST, 0, 0, sample, (uint32_t)(i * cols + j)).v[0]);
            un_typed_set(m, i, j, rounded(low + (high - low) * unit, UN_BF16));
        }
    return m;
}

struct un_mat un_typed_twin(struct un_harness *h, struct un_mat m) {
    struct un_mat t = un_mat32(un_harness_poison(h, m.rows * m.cols), m.rows, m.cols);
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.cols; ++j) un_typed_set(t, i, j, un_typed_get(m, i, j));
    return t;
}

struct un_mat un_typed_room(struct un_harness *h, struct un_mat m) {
    return un_mat32(un_harness_poison(h, m.rows * m.cols), m.rows, m.cols);
}

void un_typed_near(const char *what, struct un_mat got, struct un_mat want, struct un_tolerance t) {
    if (got.type != UN_F32) t.relative += one_rounding;
    for (int64_t i = 0; i < got.rows; ++i)
        for (int64_t j = 0; j < got.cols; ++j) {
            double g = un_typed_get(got, i, j), w = un_typed_get(want, i, j);
            if (!(fabs(g - w) <= t.absolute + t.relative * fabs(w)))
                fail_msg("%s [%lld, %lld]: (%lld, %lld) is %.9g, want %.9g", what, (long long)got.rows,
                         (long long)got.cols, (long long)i, (long long)j, g, w);
        }
}

void un_typed_exact(const char *what, struct un_mat got, struct un_mat want) {
    for (int64_t i = 0; i < got.rows; ++i)
        for (int64_t j = 0; j < got.cols; ++j)
            if (un_typed_get(got, i, j) != rounded(un_typed_get(want, i, j), got.type))
                fail_msg("%s [%lld, %lld]: (%lld, %lld) is %.9g, want %.9g rounded", what,
                         (long long)got.rows, (long long)got.cols, (long long)i, (long long)j,
                         (double)un_typed_get(got, i, j), (double)un_typed_get(want, i, j));
}

void un_typed_near_sums(const char *what, const float *sums, const float *before, struct un_mat m) {
    for (int64_t j = 0; j < m.cols; ++j) {
        double want = before[j], size = fabs(want);
        for (int64_t i = 0; i < m.rows; ++i) {
            want += un_typed_get(m, i, j);
            size += fabs((double)un_typed_get(m, i, j));
        }
        if (!(fabs(sums[j] - want) <= 3e-7 * size + 1e-6))
            fail_msg("%s [%lld, %lld]: column %lld is %.9g, want %.9g", what, (long long)m.rows,
                     (long long)m.cols, (long long)j, (double)sums[j], want);
    }
}

const int64_t un_typed_sizes[UN_TYPED_SIZES][2] = {{1, 1},    {3, 7},    {33, 20},   {130, 100}, {5, 256},
                                                   {2, 264},  {4, 515},  {7, 768},   {66, 768},  {5, 1000},
                                                   {9, 1024}, {3, 1025}, {35, 1032}, {2, 2051}};

void un_typed_each(un_harness_case run) {
    static const enum un_type types[][2] = {
        {UN_BF16, UN_BF16}, {UN_F32, UN_BF16}, {UN_BF16, UN_F32}, {UN_F32, UN_F32}};
    for (int k = 0; k < UN_TYPED_SIZES; ++k) {
        if (un_typed_heavy(un_typed_sizes[k][0], un_typed_sizes[k][1])) continue;
        for (int t = 0; t < 4; ++t) {
            for (int bits = 0; bits < 8; ++bits) {
                if (t > 0 && bits % 3 != t % 3) continue; /* bf16 alone, as in training, in all forms */
                if (bits % 3 != 1 && un_typed_sizes[k][0] * un_typed_sizes[k][1] > 4000)
                    continue; /* the large ones in few */
                struct un_typed_shape s = {.rows = un_typed_sizes[k][0],
                                           .cols = un_typed_sizes[k][1],
                                           .x = types[t][0],
                                           .y = types[t][1],
                                           .in_place = bits & 1,
                                           .drop = bits & 2,
                                           .extra = !(bits & 4)};
                if (s.in_place && s.x != s.y) continue;
                un_harness_each(run, &s);
            }
        }
    }
}
