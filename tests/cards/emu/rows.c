/* What tests/unit/runtime/ops does not see of the card's elementwise ops and sums: bf16 and mixed types, un_cuda_activate.
 * Every case runs in the harness's variations, so vectors and single elements, all orders of threads and all
 * addresses give the same bits. Ops whose f32 arithmetic is the CPU's must give exactly its result rounded;
 * the others stay within the tolerance of tests/unit/runtime/ops and one rounding. */
#include "tests/cards/emu/typed.h"

#ifdef UN_ON_EMU
#include "runtime/cuda/cuda.h"
#endif

#include <math.h>
#include <string.h>

/* What the card's fast functions are off by, and what can only be called where kernels are linked in. */
#ifdef UN_ON_CARD
#define GELU_WORST  5e-7
#define SLOPE_WORST 5e-7
#else
#define GELU_WORST  1.5e-7
#define SLOPE_WORST 2e-7
#endif
#ifdef UN_ON_EMU
#define ACTIVATE cmocka_unit_test(activate),
#else
#define ACTIVATE
#endif

/* ---- elementwise ---- */

static void run_gelu_bwd(struct un_harness *h, const void *context) {
    const struct un_typed_shape *s = context;
    struct un_oracle o = un_oracle_open();
    struct un_mat dy = un_typed_random(h, s->x, s->rows, s->cols, -4, 4),
                  z = un_typed_random(h, s->y, s->rows, s->cols, -7, 7);
    struct un_mat dyt = un_typed_twin(h, dy), zt = un_typed_twin(h, z), want = un_typed_room(h, z);
    struct un_mat dz = s->in_place ? dy : un_harness_mat_of(h, s->y, s->rows, s->cols);
    float *dbias = un_harness_random(h, s->cols, -1, 1), *before = un_harness_copy(h, dbias, s->cols);
    o.ops->gelu_bwd(o.q, want, NULL, dyt, zt);
    h->ops->gelu_bwd(h->q, dz, s->extra ? dbias : NULL, dy, z);
    un_typed_near("gelu_bwd", dz, want, (struct un_tolerance){1.2e-6, 4e-7});
    if (s->extra) {
        un_typed_near_sums("gelu_bwd dbias", dbias, before, dz);
        h->ops->col_sum(h->q, before, dz);
    }
    un_harness_same("gelu_bwd dbias and col_sum", un_mat32(dbias, 1, s->cols), un_mat32(before, 1, s->cols));
    un_oracle_close(&o);
}

static void run_tanh_bwd(struct un_harness *h, const void *context) {
    const struct un_typed_shape *s = context;
    struct un_oracle o = un_oracle_open();
    struct un_mat dy = un_typed_random(h, s->x, s->rows, s->cols, -2, 2),
                  y = un_typed_random(h, s->y, s->rows, s->cols, -1, 1);
    struct un_mat dyt = un_typed_twin(h, dy), yt = un_typed_twin(h, y), want = un_typed_room(h, y);
    struct un_mat dz = s->in_place ? dy : un_harness_mat_of(h, s->y, s->rows, s->cols);
    o.ops->tanh_bwd(o.q, want, dyt, yt);
    h->ops->tanh_bwd(h->q, dz, dy, y);
    un_typed_near("tanh_bwd", dz, want, (struct un_tolerance){1e-6, 4e-7});
    un_oracle_close(&o);
}

static void run_relu_bwd(struct un_harness *h, const void *context) {
    const struct un_typed_shape *s = context;
    struct un_oracle o = un_oracle_open();
    struct un_mat dy = un_typed_random(h, s->x, s->rows, s->cols, -4, 4),
                  y = un_typed_random(h, s->y, s->rows, s->cols, -1, 1);
    struct un_mat dyt = un_typed_twin(h, dy), yt = un_typed_twin(h, y), want = un_typed_room(h, y);
    struct un_mat dz = s->in_place ? dy : un_harness_mat_of(h, s->y, s->rows, s->cols);
    float *dbias = un_harness_random(h, s->cols, -1, 1), *before = un_harness_copy(h, dbias, s->cols);
    o.ops->relu_bwd(o.q, want, NULL, dyt, yt);
    h->ops->relu_bwd(h->q, dz, s->extra ? dbias : NULL, dy, y);
    un_typed_exact("relu_bwd", dz, want);
    if (s->extra) h->ops->col_sum(h->q, before, dz);
    un_harness_same("relu_bwd dbias and col_sum", un_mat32(dbias, 1, s->cols), un_mat32(before, 1, s->cols));
    un_oracle_close(&o);
}

static void run_dropout(struct un_harness *h, const void *context) {
    const struct un_typed_shape *s = context;
    struct un_oracle o = un_oracle_open();
    struct un_dropout d = un_harness_dropout(s->drop ? 0.3 : 0.0);
    struct un_mat x = un_typed_random(h, s->x, s->rows, s->cols, -2, 2), xt = un_typed_twin(h, x),
                  want = un_typed_room(h, x);
    struct un_mat y = s->in_place ? x : un_harness_mat_of(h, s->y, s->rows, s->cols);
    o.ops->dropout(o.q, want, xt, &d);
    h->ops->dropout(h->q, y, x, &d);
    un_typed_exact("dropout", y, want);
    un_oracle_close(&o);
}

static void run_add_row(struct un_harness *h, const void *context) {
    const struct un_typed_shape *s = context;
    struct un_oracle o = un_oracle_open();
    struct un_mat a = un_typed_random(h, s->x, s->rows, s->cols, -1, 1),
                  b = un_typed_random(h, s->y, s->rows, s->cols, -1, 1);
    struct un_mat at = un_typed_twin(h, a), bt = un_typed_twin(h, b), want = un_typed_room(h, a);
    struct un_mat r = s->in_place ? a : un_harness_mat_of(h, s->y, s->rows, s->cols);
    struct un_mat table = un_harness_mat_random(h, 3, s->cols, -1, 1);
    const int32_t *index = un_harness_ints(h, s->rows, -1, 3);
    if (!s->drop) index = NULL;
    o.ops->add_row(o.q, want, at, bt, table, index);
    h->ops->add_row(h->q, r, a, b, table, index);
    un_typed_exact("add_row", r, want);
    un_oracle_close(&o);
}

static void elementwise(void **state) {
    (void)state;
    un_typed_each(run_gelu_bwd);
    un_typed_each(run_tanh_bwd);
    un_typed_each(run_relu_bwd);
    un_typed_each(run_dropout);
    un_typed_each(run_add_row);
}

#ifdef UN_ON_EMU /* it is no entry of the table: inside the backend alone */
/* in_place: with bias; drop: the bias of c's type; extra: with pre. */
static void run_activate(struct un_harness *h, const void *context) {
    const struct un_typed_shape *s = context;
    struct un_mat c = un_typed_random(h, s->x, s->rows, s->cols, -5, 5), z = un_typed_twin(h, c),
                  want = un_typed_room(h, c);
    struct un_mat pre = s->extra ? un_harness_mat_of(h, s->y, s->rows, s->cols) : (struct un_mat){0};
    struct un_mat bias = un_typed_random(h, s->drop ? s->x : UN_F32, 1, s->cols, -1, 1);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j) {
            float v = un_typed_get(z, i, j) + (s->in_place ? un_typed_get(bias, 0, j) : 0.0f);
            un_typed_set(z, i, j, v);
            double x = v;
            if (s->activation == UN_ACT_GELU) x = 0.5 * x * erfc(-x / sqrt(2.0));
            if (s->activation == UN_ACT_TANH) x = tanh(x);
            if (s->activation == UN_ACT_RELU) x = fmax(x, 0.0);
            un_typed_set(want, i, j, (float)x);
        }
    const bool kept = s->extra && s->x == s->y; /* the product may stand where z is kept */
    struct un_mat from = un_harness_mat_of(h, s->x, s->rows, s->cols),
                  c2 = un_harness_mat_of(h, s->x, s->rows, s->cols);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j) un_typed_set(from, i, j, un_typed_get(c, i, j));
    un_cuda_activate(h->q, c, c, pre, s->in_place ? bias.data : NULL, bias.type, s->activation, NULL);
    un_cuda_activate(h->q, c2, from, kept ? from : (struct un_mat){0}, s->in_place ? bias.data : NULL,
                     bias.type, s->activation, NULL);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j) {
            assert_true(un_typed_get(c2, i, j) == un_typed_get(c, i, j));
            if (kept) assert_true(un_typed_get(from, i, j) == un_typed_get(pre, i, j));
        }
    if (s->extra) un_typed_exact("activate pre", pre, z);
    if (s->activation == UN_ACT_NONE || s->activation == UN_ACT_RELU)
        un_typed_exact("activate", c, want);
    else
        un_typed_near("activate", c, want, (struct un_tolerance){5e-7, 3e-7});
}

static void activate(void **state) {
    (void)state;
    static const enum un_activation acts[] = {UN_ACT_NONE, UN_ACT_GELU, UN_ACT_TANH, UN_ACT_RELU};
    for (size_t k = 0; k < UN_TYPED_SIZES; ++k)
        for (int bits = 0; bits < 32; ++bits)
            for (int act = 0; act < 4; ++act) {
                if ((bits + (int)k) % (un_typed_sizes[k][0] * un_typed_sizes[k][1] > 4000 ? 9 : 5) != act)
                    continue;
                struct un_typed_shape s = {.rows = un_typed_sizes[k][0],
                                           .cols = un_typed_sizes[k][1],
                                           .x = bits & 8 ? UN_F32 : UN_BF16,
                                           .y = bits & 16 ? UN_F32 : UN_BF16,
                                           .in_place = bits & 1,
                                           .drop = bits & 2,
                                           .extra = bits & 4,
                                           .activation = acts[act]};
                if (!un_typed_heavy(s.rows, s.cols)) un_harness_each(run_activate, &s);
            }
}
#endif

/* GELU and its slope over all un_typed_sizes of z against double, and at the ends. What the card's exp2 and
 * reciprocal add to this (2^-22 of the density, which is at most 1) is seen on a card alone: both are to stay
 * below 5e-7 there. */
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
        un_typed_set(z, 0, i, i < COUNT ? (float)(i - COUNT / 2) * 7e-4f : ends[i - COUNT]);
        un_typed_set(slope, 0, i, 1);
    }
    const struct un_epilogue gelu = {.activation = UN_ACT_GELU}; /* of the product of 1 and z */
    h.ops->gemm(h.q, c, un_mat32(un_harness_random(&h, 1, 1, 1), 1, 1), false, z, false, 0, &gelu);
    h.ops->gelu_bwd(h.q, slope, NULL, slope, z);
    for (int i = 0; i < COUNT; ++i) {
        double x = un_typed_get(z, 0, i), phi = 0.5 * erfc(-x / sqrt(2.0)), scale = fmax(1.0, fabs(x));
        gelu_worst = fmax(gelu_worst, fabs(un_typed_get(c, 0, i) - x * phi) / scale);
        slope_worst = fmax(slope_worst, fabs(un_typed_get(slope, 0, i) - phi -
                                             x * exp(-0.5 * x * x) / sqrt(2 * acos(-1.0))));
    }
    print_message("gelu: worst error %.3g of max(1, |z|), slope: %.3g\n", gelu_worst, slope_worst);
    assert_true(gelu_worst < GELU_WORST && slope_worst < SLOPE_WORST);
    for (int i = 0; i < ENDS; ++i) {
        float g = un_typed_get(c, 0, COUNT + i), s = un_typed_get(slope, 0, COUNT + i);
        assert_true(isnan(gelu_ends[i]) ? isnan(g)
                    : isinf(g)          ? g == gelu_ends[i]
                                        : fabsf(g - gelu_ends[i]) < 1e-30f);
        assert_true(isnan(slope_ends[i]) ? isnan(s) : fabsf(s - slope_ends[i]) < 1e-7f);
    }
    un_harness_close(&h);
}

/* ---- sums ---- */

static void run_col_sum(struct un_harness *h, const void *context) {
    const struct un_typed_shape *s = context;
    struct un_mat m = un_typed_random(h, s->x, s->rows, s->cols, -1, 1);
    float *sums = un_harness_random(h, s->cols, -1, 1), *before = un_harness_copy(h, sums, s->cols);
    h->ops->col_sum(h->q, sums, m);
    un_typed_near_sums("col_sum", sums, before, m);
}

static void col_sums(void **state) {
    (void)state;
    static const int64_t more[][2] = {{257, 300}, {999, 33}, {40, 4100}, {13001, 5}};
    for (int t = 0; t < 2; ++t) {
        for (size_t k = 0; k < UN_TYPED_SIZES; ++k) {
            struct un_typed_shape s = {
                .rows = un_typed_sizes[k][0], .cols = un_typed_sizes[k][1], .x = t ? UN_F32 : UN_BF16};
            if (!un_typed_heavy(s.rows, s.cols)) un_harness_each(run_col_sum, &s);
        }
        for (size_t k = 0; k < sizeof more / sizeof *more; ++k) {
            struct un_typed_shape s = {.rows = more[k][0], .cols = more[k][1], .x = t ? UN_F32 : UN_BF16};
            if (!un_typed_heavy(s.rows, s.cols)) un_harness_each(run_col_sum, &s);
        }
    }
}

/* Columns of small whole numbers have exact sums: each of them shows an element that was left out or taken
 * twice, whatever the order. */
static void run_counts(struct un_harness *h, const void *context) {
    const struct un_typed_shape *s = context;
    struct un_mat m = un_harness_mat_of(h, s->x, s->rows, s->cols);
    float *sums = un_harness_poison(h, s->cols);
    for (int64_t j = 0; j < s->cols; ++j) {
        sums[j] = 0;
        for (int64_t i = 0; i < s->rows; ++i) un_typed_set(m, i, j, (float)(1 + (i * 7 + j) % 128));
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
            struct un_typed_shape s = {.rows = of[k][0], .cols = of[k][1], .x = t ? UN_F32 : UN_BF16};
            if (!un_typed_heavy(s.rows, s.cols)) un_harness_each(run_counts, &s);
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
    assert_int_equal(h.device->mem->queue_open(h.device, &un_typed_limits, &h.q), UN_OK);
    h.ops->col_sum(h.q, line, x);
    assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "col_sum"));
    assert_true(isnan(line[0]));
    h.device->mem->queue_close(h.q);
    un_error_clear();
    assert_int_equal(h.device->mem->queue_open(h.device, &un_typed_limits, &h.q), UN_OK);
    un_harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ACTIVATE cmocka_unit_test(elementwise),
        cmocka_unit_test(gelu_everywhere),
        cmocka_unit_test(col_sums),
        cmocka_unit_test(counts),
        cmocka_unit_test(many_chunks),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
