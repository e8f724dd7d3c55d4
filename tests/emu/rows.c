/* What tests/ops does not see of the card's LayerNorm, elementwise ops and sums: bf16 and mixed types, wide
 * rows, un_cuda_activate. Every case runs in the harness's variations, so vectors and single elements, all
 * orders of threads and all addresses give the same bits.
 *
 * The oracle is the CPU's op in f32 on the same numbers, which bf16 holds exactly. Tolerances: what is stored
 * as bf16 is rounded once, at most 2^-8 of its size, after arithmetic that may differ from the CPU's by the
 * f32 tolerance of tests/ops; ops whose f32 arithmetic is the CPU's must give exactly its result rounded.
 */
#include "tests/ops/harness.h"

#include "runtime/cpu/half.h"
#include "runtime/cuda/cuda.h"
#include "runtime/params.h"

#include <math.h>
#include <string.h>

static const double one_rounding = 0x1p-8;

/* The CPU's device, for oracles. */
struct oracle {
    struct un_device *device;
    struct un_queue *q;
    const struct un_ops *ops;
};

static const struct un_limits limits = {
    .max_tokens = 16384, .max_samples = 16, .max_width = 8192, .max_heads = 1, .max_params = 1 << 20};

static struct oracle oracle_open(void) {
    struct oracle o;
    assert_int_equal(un_cpu_open(1, &o.device), UN_OK);
    assert_int_equal(o.device->mem->queue_open(o.device, &limits, &o.q), UN_OK);
    o.ops = o.device->ops;
    return o;
}

static void oracle_close(struct oracle *o) {
    assert_int_equal(o->device->mem->queue_wait(o->q), UN_OK);
    o->device->mem->queue_close(o->q);
    un_device_close(o->device);
}

static float get(struct un_mat m, int64_t i, int64_t j) {
    int64_t at = i * m.stride + j;
    if (m.type == UN_F32) return ((float *)m.data)[at];
    return m.type == UN_BF16 ? un_half_from_bf16(((uint16_t *)m.data)[at])
                             : un_half_from_f16(((uint16_t *)m.data)[at]);
}

static void set(struct un_mat m, int64_t i, int64_t j, float v) {
    int64_t at = i * m.stride + j;
    if (m.type == UN_F32)
        ((float *)m.data)[at] = v;
    else
        ((uint16_t *)m.data)[at] = m.type == UN_BF16 ? un_half_to_bf16(v) : un_half_to_f16(v);
}

static float rounded(float v, enum un_type type) {
    return type == UN_F32 ? v : un_half_from_bf16(un_half_to_bf16(v));
}

/* Random numbers that bf16 holds, in a matrix of this type. */
static struct un_mat random_of(struct un_harness *h, enum un_type type, int64_t rows, int64_t cols, float low,
                               float high) {
    struct un_mat m = un_harness_mat_of(h, type, rows, cols);
    uint32_t sample = (uint32_t)h->count;
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) {
            float unit = un_rng_unit(un_rng(7, UN_RNG_TEST, 0, 0, sample, (uint32_t)(i * cols + j)).v[0]);
            set(m, i, j, rounded(low + (high - low) * unit, UN_BF16));
        }
    return m;
}

/* The same numbers as packed f32. */
static struct un_mat twin_of(struct un_harness *h, struct un_mat m) {
    struct un_mat t = un_mat32(un_harness_poison(h, m.rows * m.cols), m.rows, m.cols);
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.cols; ++j) set(t, i, j, get(m, i, j));
    return t;
}

static struct un_mat twin_room(struct un_harness *h, struct un_mat m) {
    return un_mat32(un_harness_poison(h, m.rows * m.cols), m.rows, m.cols);
}

static void near(const char *what, struct un_mat got, struct un_mat want, struct un_tolerance t) {
    if (got.type != UN_F32) t.relative += one_rounding;
    for (int64_t i = 0; i < got.rows; ++i)
        for (int64_t j = 0; j < got.cols; ++j) {
            double g = get(got, i, j), w = get(want, i, j);
            if (!(fabs(g - w) <= t.absolute + t.relative * fabs(w)))
                fail_msg("%s [%lld, %lld]: (%lld, %lld) is %.9g, want %.9g", what, (long long)got.rows,
                         (long long)got.cols, (long long)i, (long long)j, g, w);
        }
}

/* got is want, rounded to its type. */
static void exact(const char *what, struct un_mat got, struct un_mat want) {
    for (int64_t i = 0; i < got.rows; ++i)
        for (int64_t j = 0; j < got.cols; ++j)
            if (get(got, i, j) != rounded(get(want, i, j), got.type))
                fail_msg("%s [%lld, %lld]: (%lld, %lld) is %.9g, want %.9g rounded", what,
                         (long long)got.rows, (long long)got.cols, (long long)i, (long long)j,
                         (double)get(got, i, j), (double)get(want, i, j));
}

/* sums - before against the column sums of m in double: float chains of up to `rows` terms. */
static void near_sums(const char *what, const float *sums, const float *before, struct un_mat m) {
    for (int64_t j = 0; j < m.cols; ++j) {
        double want = before[j], size = fabs(want);
        for (int64_t i = 0; i < m.rows; ++i) {
            want += get(m, i, j);
            size += fabs((double)get(m, i, j));
        }
        if (!(fabs(sums[j] - want) <= 3e-7 * size + 1e-6))
            fail_msg("%s [%lld, %lld]: column %lld is %.9g, want %.9g", what, (long long)m.rows,
                     (long long)m.cols, (long long)j, (double)sums[j], want);
    }
}

struct shape {
    int64_t rows, cols;
    enum un_type x, y; /* of the first input and of the rest */
    bool in_place, drop, extra;
    enum un_activation activation;
};

/* Rows over the least height of a block of rows (32) make several blocks; widths over 1,024 are not held in
 * registers. */
static const int64_t sizes[][2] = {{1, 1},    {3, 7},    {33, 20},   {130, 100}, {5, 256},
                                   {2, 264},  {4, 515},  {7, 768},   {66, 768},  {5, 1000},
                                   {9, 1024}, {3, 1025}, {35, 1032}, {2, 2051}};

static void all_sizes(un_harness_case run) {
    static const enum un_type types[][2] = {
        {UN_BF16, UN_BF16}, {UN_F32, UN_BF16}, {UN_BF16, UN_F32}, {UN_F32, UN_F32}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; ++k)
        for (int t = 0; t < 4; ++t) {
            for (int bits = 0; bits < 8; ++bits) {
                if (t > 0 && bits % 3 != t % 3) continue; /* bf16 alone, as in training, in all forms */
                if (bits % 3 != 1 && sizes[k][0] * sizes[k][1] > 4000) continue; /* the large ones in few */
                struct shape s = {.rows = sizes[k][0],
                                  .cols = sizes[k][1],
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

/* ---- LayerNorm ---- */

static void run_norm_fwd(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct oracle o = oracle_open();
    const struct un_mat none = {0};
    struct un_dropout d = un_harness_dropout(0.2), *drop = s->drop ? &d : NULL;
    struct un_mat x = random_of(h, s->x, s->rows, s->cols, -1, 3);
    struct un_mat residual = s->extra ? random_of(h, s->y, s->rows, s->cols, -2, 2) : none;
    struct un_mat y = un_harness_mat_of(h, s->y, s->rows, s->cols);
    struct un_mat r = s->in_place ? x : un_harness_mat_of(h, s->y, s->rows, s->cols);
    float *gamma = un_harness_random(h, s->cols, 0.5f, 2), *beta = un_harness_random(h, s->cols, -1, 1);
    float *mean = un_harness_poison(h, s->rows), *rstd = un_harness_poison(h, s->rows);
    float *want_mean = un_harness_poison(h, s->rows), *want_rstd = un_harness_poison(h, s->rows);
    struct un_mat xt = twin_of(h, x), rest = s->extra ? twin_of(h, residual) : none;
    struct un_mat want_y = twin_room(h, y), want_r = twin_room(h, r);
    o.ops->norm_fwd(o.q, want_y, want_r, want_mean, want_rstd, xt, rest, gamma, beta, drop);
    h->ops->norm_fwd(h->q, y, r, mean, rstd, x, residual, gamma, beta, drop);
    exact("norm_fwd r", r, want_r);
    near("norm_fwd mean", un_mat32(mean, 1, s->rows), un_mat32(want_mean, 1, s->rows),
         (struct un_tolerance){5e-7, 1e-6});
    near("norm_fwd rstd", un_mat32(rstd, 1, s->rows), un_mat32(want_rstd, 1, s->rows),
         (struct un_tolerance){0, 3e-6});
    near("norm_fwd y", y, want_y, (struct un_tolerance){4e-6, 3e-6});
    oracle_close(&o);
}

static void norm_forward(void **state) {
    (void)state;
    all_sizes(run_norm_fwd);
}

static void run_norm_bwd(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct oracle o = oracle_open();
    int64_t n = s->rows, c = s->cols;
    struct un_dropout d = un_harness_dropout(0.2), *drop = s->drop ? &d : NULL;
    struct un_mat dy = random_of(h, s->x, n, c, -1, 1), r = random_of(h, s->y, n, c, -1, 3);
    float *gamma = un_harness_random(h, c, 0.5f, 2), *mean = un_harness_poison(h, n),
          *rstd = un_harness_poison(h, n);
    struct un_mat dyt = twin_of(h, dy), rt = twin_of(h, r), y_room = twin_room(h, r),
                  dr_room = twin_room(h, r);
    struct un_mat dx_room = twin_room(h, r);
    o.ops->norm_fwd(o.q, y_room, twin_room(h, r), mean, rstd, rt, (struct un_mat){0}, gamma, gamma, NULL);
    float *sums[3], *want[3], *before = NULL;
    for (int k = 0; k < 3; ++k) {
        sums[k] = un_harness_random(h, c, -1, 1);
        want[k] = un_harness_copy(h, sums[k], c);
        if (k == 2) before = un_harness_copy(h, sums[k], c);
    }
    struct un_mat dr = s->in_place ? dy : un_harness_mat_of(h, s->x, n, c);
    struct un_mat dx = s->extra ? un_harness_mat_of(h, s->y, n, c) : (struct un_mat){0};
    o.ops->norm_bwd(o.q, dr_room, s->extra ? dx_room : (struct un_mat){0}, want[0], want[1], want[2], dyt, rt,
                    mean, rstd, gamma, drop);
    h->ops->norm_bwd(h->q, dr, dx, sums[0], sums[1], sums[2], dy, r, mean, rstd, gamma, drop);
    if (c > 1) near("norm_bwd dr", dr, dr_room, (struct un_tolerance){4e-6, 1e-5});
    if (c > 1 && s->extra) near("norm_bwd dx", dx, dx_room, (struct un_tolerance){5e-6, 1e-5});
    near("norm_bwd dgamma", un_mat32(sums[0], 1, c), un_mat32(want[0], 1, c),
         (struct un_tolerance){3e-5, 3e-6});
    near("norm_bwd dbeta", un_mat32(sums[1], 1, c), un_mat32(want[1], 1, c),
         (struct un_tolerance){3e-5, 3e-6});
    near_sums("norm_bwd dbias", sums[2], before, s->extra ? dx : dr);
    h->ops->col_sum(h->q, before, s->extra ? dx : dr);
    un_harness_same("norm_bwd dbias and col_sum", un_mat32(sums[2], 1, c), un_mat32(before, 1, c));
    oracle_close(&o);
}

static void norm_backward(void **state) {
    (void)state;
    all_sizes(run_norm_bwd);
}

/* More rows than blocks of the least height: the blocks grow, and the last ones are shorter. */
static void many_rows(void **state) {
    (void)state;
    struct shape s = {.rows = 13001, .cols = 9, .x = UN_BF16, .y = UN_BF16, .drop = true, .extra = true};
    un_harness_each(run_norm_bwd, &s);
    un_harness_each(run_norm_fwd, &s);
}

/* Without dgamma's third sum. */
static void norm_without_bias(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    int64_t n = 5, c = 40;
    struct un_mat dy = random_of(&h, UN_BF16, n, c, -1, 1), r = random_of(&h, UN_BF16, n, c, -1, 1);
    struct un_mat first = un_harness_mat_of(&h, UN_BF16, n, c), second = un_harness_mat_of(&h, UN_BF16, n, c);
    float *gamma = un_harness_random(&h, c, 0.5f, 2), *stats = un_harness_random(&h, n, 0.5f, 1);
    float *a = un_harness_random(&h, 3 * c, -1, 1), *b = un_harness_copy(&h, a, 3 * c);
    h.ops->norm_bwd(h.q, first, (struct un_mat){0}, a, a + c, NULL, dy, r, stats, stats, gamma, NULL);
    h.ops->norm_bwd(h.q, second, (struct un_mat){0}, b, b + c, b + 2 * c, dy, r, stats, stats, gamma, NULL);
    exact("norm_bwd dr", first, second);
    un_harness_same("norm_bwd sums", un_mat32(a, 1, 2 * c), un_mat32(b, 1, 2 * c));
    un_harness_close(&h);
}

/* ---- elementwise ---- */

static void run_gelu_bwd(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct oracle o = oracle_open();
    struct un_mat dy = random_of(h, s->x, s->rows, s->cols, -4, 4),
                  z = random_of(h, s->y, s->rows, s->cols, -7, 7);
    struct un_mat dyt = twin_of(h, dy), zt = twin_of(h, z), want = twin_room(h, z);
    struct un_mat dz = s->in_place ? dy : un_harness_mat_of(h, s->y, s->rows, s->cols);
    float *dbias = un_harness_random(h, s->cols, -1, 1), *before = un_harness_copy(h, dbias, s->cols);
    o.ops->gelu_bwd(o.q, want, NULL, dyt, zt);
    h->ops->gelu_bwd(h->q, dz, s->extra ? dbias : NULL, dy, z);
    near("gelu_bwd", dz, want, (struct un_tolerance){1.2e-6, 4e-7});
    if (s->extra) {
        near_sums("gelu_bwd dbias", dbias, before, dz);
        h->ops->col_sum(h->q, before, dz);
    }
    un_harness_same("gelu_bwd dbias and col_sum", un_mat32(dbias, 1, s->cols), un_mat32(before, 1, s->cols));
    oracle_close(&o);
}

static void run_tanh_bwd(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct oracle o = oracle_open();
    struct un_mat dy = random_of(h, s->x, s->rows, s->cols, -2, 2),
                  y = random_of(h, s->y, s->rows, s->cols, -1, 1);
    struct un_mat dyt = twin_of(h, dy), yt = twin_of(h, y), want = twin_room(h, y);
    struct un_mat dz = s->in_place ? dy : un_harness_mat_of(h, s->y, s->rows, s->cols);
    o.ops->tanh_bwd(o.q, want, dyt, yt);
    h->ops->tanh_bwd(h->q, dz, dy, y);
    near("tanh_bwd", dz, want, (struct un_tolerance){1e-6, 4e-7});
    oracle_close(&o);
}

static void run_dropout(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct oracle o = oracle_open();
    struct un_dropout d = un_harness_dropout(s->drop ? 0.3 : 0.0);
    struct un_mat x = random_of(h, s->x, s->rows, s->cols, -2, 2), xt = twin_of(h, x), want = twin_room(h, x);
    struct un_mat y = s->in_place ? x : un_harness_mat_of(h, s->y, s->rows, s->cols);
    o.ops->dropout(o.q, want, xt, &d);
    h->ops->dropout(h->q, y, x, &d);
    exact("dropout", y, want);
    oracle_close(&o);
}

static void run_add_row(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct oracle o = oracle_open();
    struct un_mat a = random_of(h, s->x, s->rows, s->cols, -1, 1),
                  b = random_of(h, s->y, s->rows, s->cols, -1, 1);
    struct un_mat at = twin_of(h, a), bt = twin_of(h, b), want = twin_room(h, a);
    struct un_mat r = s->in_place ? a : un_harness_mat_of(h, s->y, s->rows, s->cols);
    float *row = un_harness_random(h, s->cols, -1, 1);
    o.ops->add_row(o.q, want, at, bt, row);
    h->ops->add_row(h->q, r, a, b, row);
    exact("add_row", r, want);
    oracle_close(&o);
}

static void elementwise(void **state) {
    (void)state;
    all_sizes(run_gelu_bwd);
    all_sizes(run_tanh_bwd);
    all_sizes(run_dropout);
    all_sizes(run_add_row);
}

/* in_place: with bias; drop: the bias of c's type; extra: with pre. */
static void run_activate(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat c = random_of(h, s->x, s->rows, s->cols, -5, 5), z = twin_of(h, c), want = twin_room(h, c);
    struct un_mat pre = s->extra ? un_harness_mat_of(h, s->y, s->rows, s->cols) : (struct un_mat){0};
    struct un_mat bias = random_of(h, s->drop ? s->x : UN_F32, 1, s->cols, -1, 1);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j) {
            float v = get(z, i, j) + (s->in_place ? get(bias, 0, j) : 0.0f);
            set(z, i, j, v);
            double x = v;
            if (s->activation == UN_ACT_GELU) x = 0.5 * x * erfc(-x / sqrt(2.0));
            if (s->activation == UN_ACT_TANH) x = tanh(x);
            set(want, i, j, (float)x);
        }
    un_cuda_activate(h->q, c, pre, s->in_place ? bias.data : NULL, bias.type, s->activation);
    if (s->extra) exact("activate pre", pre, z);
    if (s->activation == UN_ACT_NONE)
        exact("activate", c, want);
    else
        near("activate", c, want, (struct un_tolerance){5e-7, 3e-7});
}

static void activate(void **state) {
    (void)state;
    static const enum un_activation acts[] = {UN_ACT_NONE, UN_ACT_GELU, UN_ACT_TANH};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; ++k)
        for (int bits = 0; bits < 32; ++bits)
            for (int act = 0; act < 3; ++act) {
                if ((bits + (int)k) % (sizes[k][0] * sizes[k][1] > 4000 ? 8 : 3) != act) continue;
                struct shape s = {.rows = sizes[k][0],
                                  .cols = sizes[k][1],
                                  .x = bits & 8 ? UN_F32 : UN_BF16,
                                  .y = bits & 16 ? UN_F32 : UN_BF16,
                                  .in_place = bits & 1,
                                  .drop = bits & 2,
                                  .extra = bits & 4,
                                  .activation = acts[act]};
                un_harness_each(run_activate, &s);
            }
}

/* GELU and its slope over all sizes of z against double, and at the ends. What the card's exp2 and reciprocal
 * add to this (2^-22 of the density, which is at most 1) is not seen here: both would stay below 5e-7. */
static void gelu_everywhere(void **state) {
    (void)state;
    enum { COUNT = 40001, ENDS = 6 };
    static const float ends[ENDS] = {INFINITY, -INFINITY, NAN, 1e30f, -1e30f, 0.0f};
    static const float gelu_ends[ENDS] = {INFINITY, 0, NAN, 1e30f, 0, 0},
                       slope_ends[ENDS] = {1, 0, NAN, 1, 0, 0.5f};
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    struct un_mat z = un_harness_mat(&h, 1, COUNT + ENDS), c = un_harness_mat(&h, 1, COUNT + ENDS);
    struct un_mat slope = un_harness_mat(&h, 1, COUNT + ENDS);
    double gelu_worst = 0, slope_worst = 0;
    for (int i = 0; i < COUNT + ENDS; ++i) {
        set(z, 0, i, i < COUNT ? (float)(i - COUNT / 2) * 7e-4f : ends[i - COUNT]);
        set(c, 0, i, get(z, 0, i));
        set(slope, 0, i, 1);
    }
    un_cuda_activate(h.q, c, (struct un_mat){0}, NULL, UN_F32, UN_ACT_GELU);
    h.ops->gelu_bwd(h.q, slope, NULL, slope, z);
    for (int i = 0; i < COUNT; ++i) {
        double x = get(z, 0, i), phi = 0.5 * erfc(-x / sqrt(2.0)), scale = fmax(1.0, fabs(x));
        gelu_worst = fmax(gelu_worst, fabs(get(c, 0, i) - x * phi) / scale);
        slope_worst =
            fmax(slope_worst, fabs(get(slope, 0, i) - phi - x * exp(-0.5 * x * x) / sqrt(2 * acos(-1.0))));
    }
    print_message("gelu: worst error %.3g of max(1, |z|), slope: %.3g\n", gelu_worst, slope_worst);
    assert_true(gelu_worst < 1.5e-7 && slope_worst < 2e-7);
    for (int i = 0; i < ENDS; ++i) {
        float g = get(c, 0, COUNT + i), s = get(slope, 0, COUNT + i);
        assert_true(isnan(gelu_ends[i]) ? isnan(g)
                    : isinf(g)          ? g == gelu_ends[i]
                                        : fabsf(g - gelu_ends[i]) < 1e-30f);
        assert_true(isnan(slope_ends[i]) ? isnan(s) : fabsf(s - slope_ends[i]) < 1e-7f);
    }
    un_harness_close(&h);
}

/* ---- sums ---- */

static void run_col_sum(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat m = random_of(h, s->x, s->rows, s->cols, -1, 1);
    float *sums = un_harness_random(h, s->cols, -1, 1), *before = un_harness_copy(h, sums, s->cols);
    h->ops->col_sum(h->q, sums, m);
    near_sums("col_sum", sums, before, m);
}

static void col_sums(void **state) {
    (void)state;
    static const int64_t more[][2] = {{257, 300}, {999, 33}, {40, 4100}, {13001, 5}};
    for (int t = 0; t < 2; ++t) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; ++k) {
            struct shape s = {.rows = sizes[k][0], .cols = sizes[k][1], .x = t ? UN_F32 : UN_BF16};
            un_harness_each(run_col_sum, &s);
        }
        for (size_t k = 0; k < sizeof more / sizeof *more; ++k) {
            struct shape s = {.rows = more[k][0], .cols = more[k][1], .x = t ? UN_F32 : UN_BF16};
            un_harness_each(run_col_sum, &s);
        }
    }
}

/* Columns of small whole numbers have exact sums: each of them shows an element that was left out or taken
 * twice, whatever the order. */
static void run_counts(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat m = un_harness_mat_of(h, s->x, s->rows, s->cols);
    float *sums = un_harness_poison(h, s->cols);
    for (int64_t j = 0; j < s->cols; ++j) {
        sums[j] = 0;
        for (int64_t i = 0; i < s->rows; ++i) set(m, i, j, (float)(1 + (i * 7 + j) % 128));
    }
    h->ops->col_sum(h->q, sums, m);
    for (int64_t j = 0; j < s->cols; ++j) {
        int64_t want = 0;
        for (int64_t i = 0; i < s->rows; ++i) want += 1 + (i * 7 + j) % 128;
        assert_true(sums[j] == (float)want);
    }
}

static void counts(void **state) {
    (void)state;
    static const int64_t of[][2] = {{1, 8}, {31, 257}, {45, 264}, {1600, 40}, {12673, 3}};
    for (int t = 0; t < 2; ++t)
        for (size_t k = 0; k < sizeof of / sizeof *of; ++k) {
            struct shape s = {.rows = of[k][0], .cols = of[k][1], .x = t ? UN_F32 : UN_BF16};
            un_harness_each(run_counts, &s);
        }
}

/* The sum of many chunks, each a power of two so that any order is exact, and one launch whatever their
 * number. */
static void many_chunks(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 2, NULL);
    for (int64_t chunks = 1; chunks < 9000; chunks = chunks * 3 + 1) {
        double *partial = un_harness_take(&h, chunks, sizeof *partial), want = 0;
        float *out = un_harness_poison(&h, 3);
        for (int64_t k = 0; k < chunks; ++k) want += partial[k] = (double)(1 << k % 11);
        h.ops->clip_factor(h.q, out, partial, chunks, 0.5f);
        assert_true(out[0] == (float)sqrt(want) && out[2] == 1.0f);
        assert_true(out[1] == 0.5f / (out[0] + 1e-6f));
    }
    un_harness_close(&h);
}

/* Matrices of a type that no kernel reads are refused, nothing is written. */
static void refused(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    struct un_mat x = un_harness_mat_of(&h, UN_I32, 4, 8);
    float *line = un_harness_poison(&h, 8);
    h.ops->norm_fwd(h.q, x, x, line, line, x, (struct un_mat){0}, line, line, NULL);
    assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "norm_fwd"));
    h.device->mem->queue_close(h.q);
    un_error_clear();
    assert_int_equal(h.device->mem->queue_open(h.device, &limits, &h.q), UN_OK);
    h.ops->col_sum(h.q, line, x);
    assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "col_sum"));
    assert_true(isnan(line[0]));
    h.device->mem->queue_close(h.q);
    un_error_clear();
    assert_int_equal(h.device->mem->queue_open(h.device, &limits, &h.q), UN_OK);
    un_harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm_forward),      cmocka_unit_test(norm_backward), cmocka_unit_test(many_rows),
        cmocka_unit_test(norm_without_bias), cmocka_unit_test(elementwise),   cmocka_unit_test(activate),
        cmocka_unit_test(gelu_everywhere),   cmocka_unit_test(col_sums),      cmocka_unit_test(counts),
        cmocka_unit_test(many_chunks),       cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
