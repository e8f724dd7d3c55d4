/* norm_fwd and norm_bwd against double and against central differences.
 *
 * Tolerances. y and xhat are of size 1 to 4; the mean of a row carries about sqrt(log2 n) roundings of 2^-24
 * of sizes near 1, so 3e-6 absolute holds with room, relative 2e-6 for large rows. At width 1 the variance is
 * 0 and rstd 1e6, which multiplies the rounding of r - mean: there r - mean is exactly 0 in float and in
 * double alike. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

static const struct un_tolerance y_tolerance = {3e-6, 2e-6};
static const struct un_tolerance sum_tolerance = {2e-5, 2e-6}; /* up to 1,500 rows */
static const struct un_tolerance fd_tolerance = {2e-5, 2e-5}; /* third derivatives reach 100 at narrow rows */

struct shape {
    int64_t rows, cols;
    bool in_place, residual, drop, dx; /* run_placed: in_place is bf16 */
};

static float *at(struct un_mat m, int64_t i, int64_t j) {
    return (float *)m.data + i * m.stride + j;
}

struct row_stats {
    double mean, rstd;
};

static struct row_stats stats_of(const double *r, int64_t n) {
    double mean = 0, var = 0;
    for (int64_t j = 0; j < n; ++j) mean += r[j] / (double)n;
    for (int64_t j = 0; j < n; ++j) var += (r[j] - mean) * (r[j] - mean) / (double)n;
    return (struct row_stats){mean, 1.0 / sqrt(var + 1e-12)};
}

static double factor(const struct un_dropout *d, int64_t row, int64_t col, int64_t cols) {
    return d ? (double)un_dropout_factor(d, (uint32_t)(row * ((cols + 7) / 8 * 8) + col)) : 1.0;
}

static void run_fwd(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    int64_t n = s->rows, c = s->cols;
    struct un_dropout d = un_harness_dropout(0.2), *drop = s->drop ? &d : NULL;
    struct un_mat x = un_harness_mat_random(h, n, c, -1, 3);
    struct un_mat residual = s->residual ? un_harness_mat_random(h, n, c, -2, 2) : (struct un_mat){0};
    float *gamma = un_harness_random(h, c, 0.5f, 2), *beta = un_harness_random(h, c, -1, 1);
    double *want_r = un_harness_widen(h, x), *want_y = un_harness_doubles(h, n * c);
    double *want_mean = un_harness_doubles(h, n), *want_rstd = un_harness_doubles(h, n);
    for (int64_t i = 0; i < n * c; ++i) {
        want_r[i] = (double)(float)(want_r[i] * factor(drop, i / c, i % c, c));
        if (s->residual) want_r[i] = (double)(float)(want_r[i] + (double)*at(residual, i / c, i % c));
    }
    for (int64_t i = 0; i < n; ++i) {
        struct row_stats w = stats_of(want_r + i * c, c);
        want_mean[i] = w.mean;
        want_rstd[i] = w.rstd;
        for (int64_t j = 0; j < c; ++j)
            want_y[i * c + j] = (want_r[i * c + j] - w.mean) * w.rstd * (double)gamma[j] + (double)beta[j];
    }
    struct un_mat r = s->in_place ? x : un_harness_mat(h, n, c), y = un_harness_mat(h, n, c);
    float *mean = un_harness_poison(h, n), *rstd = un_harness_poison(h, n);
    h->ops->norm_fwd(h->q, y, r, mean, rstd, x, residual, gamma, beta, drop);
    un_harness_near("norm_fwd r", r, want_r, (struct un_tolerance){0, 1.2e-7}); /* one rounding of two */
    un_harness_near_array("norm_fwd mean", mean, want_mean, n, (struct un_tolerance){5e-7, 1e-6});
    un_harness_near_array("norm_fwd rstd", rstd, want_rstd, n, (struct un_tolerance){0, 2e-6});
    un_harness_near("norm_fwd y", y, want_y, y_tolerance);
}

/* The function whose gradient norm_bwd is, of one packed array r [rows, cols] and gamma, beta: sum of dy * y.
 */
struct norm {
    const double *dy, *r, *gamma, *beta;
    int64_t rows, cols;
};

static double value(const struct norm *p) {
    double sum = 0;
    for (int64_t i = 0; i < p->rows; ++i) {
        struct row_stats w = stats_of(p->r + i * p->cols, p->cols);
        for (int64_t j = 0; j < p->cols; ++j)
            sum += p->dy[i * p->cols + j] *
                   ((p->r[i * p->cols + j] - w.mean) * w.rstd * p->gamma[j] + p->beta[j]);
    }
    return sum;
}
static double by_r(const double *x, const void *context) {
    struct norm p = *(const struct norm *)context;
    p.r = x;
    return value(&p);
}
static double by_gamma(const double *x, const void *context) {
    struct norm p = *(const struct norm *)context;
    p.gamma = x;
    return value(&p);
}
static double by_beta(const double *x, const void *context) {
    struct norm p = *(const struct norm *)context;
    p.beta = x;
    return value(&p);
}

/* dr [rows, cols], and dgamma, dbeta added to. */
static void oracle(const struct norm *p, double *dr, double *dgamma, double *dbeta) {
    for (int64_t i = 0; i < p->rows; ++i) {
        const double *r = p->r + i * p->cols, *dy = p->dy + i * p->cols;
        struct row_stats w = stats_of(r, p->cols);
        double m0 = 0, m1 = 0;
        for (int64_t j = 0; j < p->cols; ++j) {
            double xhat = (r[j] - w.mean) * w.rstd, g = dy[j] * p->gamma[j];
            m0 += g / (double)p->cols;
            m1 += g * xhat / (double)p->cols;
            dgamma[j] += dy[j] * xhat;
            dbeta[j] += dy[j];
        }
        for (int64_t j = 0; j < p->cols; ++j) {
            double xhat = (r[j] - w.mean) * w.rstd;
            dr[i * p->cols + j] = w.rstd * (dy[j] * p->gamma[j] - m0 - xhat * m1);
        }
    }
}

static void differences(const struct norm *p, struct un_mat dr, const float *dgamma, const float *dbeta,
                        const float *dgamma_before, const float *dbeta_before, struct un_harness *h) {
    float *g = un_harness_poison(h, p->cols), *b = un_harness_poison(h, p->cols);
    for (int64_t j = 0; j < p->cols; ++j) {
        g[j] = dgamma[j] - dgamma_before[j];
        b[j] = dbeta[j] - dbeta_before[j];
    }
    un_harness_slope("norm_bwd dr", dr, by_r, p, (double *)(uintptr_t)p->r, 1e-5, fd_tolerance);
    un_harness_slope("norm_bwd dgamma", un_mat32(g, 1, p->cols), by_gamma, p, (double *)(uintptr_t)p->gamma,
                     1e-5, fd_tolerance);
    un_harness_slope("norm_bwd dbeta", un_mat32(b, 1, p->cols), by_beta, p, (double *)(uintptr_t)p->beta,
                     1e-5, fd_tolerance);
}

static void run_bwd(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    int64_t n = s->rows, c = s->cols;
    struct un_dropout d = un_harness_dropout(0.2), *drop = s->drop ? &d : NULL;
    struct un_mat r = un_harness_mat_random(h, n, c, -1, 3), dy = un_harness_mat_random(h, n, c, -1, 1);
    float *gamma = un_harness_random(h, c, 0.5f, 2), *dgamma = un_harness_random(h, c, -1, 1);
    float *dbeta = un_harness_random(h, c, -1, 1), *dgamma0 = un_harness_copy(h, dgamma, c);
    float *dbeta0 = un_harness_copy(h, dbeta, c), *mean = un_harness_poison(h, n),
          *rstd = un_harness_poison(h, n);
    struct norm p = {un_harness_widen(h, dy),
                     un_harness_widen(h, r),
                     un_harness_widen_array(h, gamma, c),
                     un_harness_doubles(h, c),
                     n,
                     c};
    double *want = un_harness_doubles(h, n * c), *want_gamma = un_harness_widen_array(h, dgamma, c);
    double *want_beta = un_harness_widen_array(h, dbeta, c);
    for (int64_t i = 0; i < n; ++i) {
        struct row_stats w = stats_of(p.r + i * c, c);
        mean[i] = (float)w.mean;
        rstd[i] = (float)w.rstd;
    }
    oracle(&p, want, want_gamma, want_beta);
    struct un_mat dr = s->in_place ? dy : un_harness_mat(h, n, c);
    struct un_mat dx = s->dx ? un_harness_mat(h, n, c) : (struct un_mat){0};
    float *dbias = un_harness_random(h, c, -1, 1), *sums = un_harness_copy(h, dbias, c);
    h->ops->norm_bwd(h->q, dr, dx, dgamma, dbeta, s->drop ? dbias : NULL, dy, r, mean, rstd, gamma, drop);
    if (s->drop) h->ops->col_sum(h->q, sums, s->dx ? dx : dr);
    un_harness_same("norm_bwd dbias", un_mat32(dbias, 1, c), un_mat32(sums, 1, c));
    if (c > 1) un_harness_near("norm_bwd dr", dr, want, (struct un_tolerance){2e-6, 5e-6});
    un_harness_near_array("norm_bwd dgamma", dgamma, want_gamma, c, sum_tolerance);
    un_harness_near_array("norm_bwd dbeta", dbeta, want_beta, c, sum_tolerance);
    if (s->dx) {
        struct un_mat expected = un_harness_mat(h, n, c);
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < c; ++j)
                *at(expected, i, j) = *at(dr, i, j) * (float)factor(drop, i, j, c);
        un_harness_same("norm_bwd dx", dx, expected);
    }
    if (n * c <= 100 && c > 1) differences(&p, dr, dgamma, dbeta, dgamma0, dbeta0, h);
}

/* Rows with gaps between, backwards; the fourth and every eighth from it on is none. */
static int32_t *places(struct un_harness *h, int64_t n) {
    int32_t *index = un_harness_ints(h, n, 0, 1);
    for (int64_t i = 0; i < n; ++i) index[i] = i % 8 == 3 ? -1 : (int32_t)(2 * (n - 1 - i));
    return index;
}

/* Random numbers of a type. */
static struct un_mat typed(struct un_harness *h, enum un_type type, int64_t n, int64_t c) {
    struct un_mat m = un_harness_mat_of(h, type, n, c), x = un_harness_mat_random(h, n, c, -1, 3);
    for (int64_t i = 0; i < n; ++i)
        h->ops->cast(h->q, (char *)m.data + i * m.stride * un_type_bytes(type), type, at(x, i, 0), UN_F32, c);
    return m;
}

static struct un_mat copied(struct un_harness *h, struct un_mat m) {
    struct un_mat copy = un_harness_mat_of(h, m.type, m.rows, m.cols);
    int32_t *all = un_harness_ints(h, m.rows, 0, 1);
    for (int64_t i = 0; i < m.rows; ++i) all[i] = (int32_t)i;
    h->ops->gather_rows(h->q, copy, m, all);
    return copy;
}

/* The same bits; rows that are not f32 are widened first. */
static void same_rows(struct un_harness *h, const char *what, struct un_mat got, struct un_mat want) {
    struct un_mat wide[2] = {un_harness_mat(h, got.rows, got.cols), un_harness_mat(h, got.rows, got.cols)};
    for (int k = 0; k < 2; ++k) {
        const struct un_mat m = k ? want : got;
        for (int64_t i = 0; i < m.rows; ++i)
            h->ops->cast(h->q, at(wide[k], i, 0), UN_F32,
                         (char *)m.data + i * m.stride * un_type_bytes(m.type), m.type, m.cols);
    }
    un_harness_same(what, wide[0], wide[1]);
}

/* norm_scatter_fwd and norm_gather_bwd against the ops they stand for: the same bits. */
static void run_placed(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    const int64_t n = s->rows, c = s->cols;
    const enum un_type type = s->in_place ? UN_BF16 : UN_F32;
    const struct un_dropout d = un_harness_dropout(0.2), *drop = s->drop ? &d : NULL;
    const int32_t *index = places(h, n);
    const struct un_mat r = typed(h, type, n, c), none = {0}, one = un_harness_mat_of(h, type, n, c),
                        copy = un_harness_mat_of(h, type, n, c);
    const struct un_mat y = typed(h, type, 2 * n, c), want_y = copied(h, y);
    const struct un_mat dr = un_harness_mat_of(h, type, n, c);
    const float *gamma = un_harness_random(h, c, 0.5f, 2), *beta = un_harness_random(h, c, -1, 1);
    float *stats = un_harness_poison(h, 2 * n), *want_stats = un_harness_poison(h, 2 * n);
    float *sums = un_harness_random(h, 3 * c, -1, 1), *want = un_harness_copy(h, sums, 3 * c);
    h->ops->norm_fwd(h->q, one, copy, want_stats, want_stats + n, r, none, gamma, beta, NULL);
    if (drop) h->ops->dropout(h->q, one, one, drop);
    h->ops->scatter_rows(h->q, want_y, one, index);
    h->ops->norm_scatter_fwd(h->q, y, index, r, stats, stats + n, gamma, beta, drop);
    same_rows(h, "norm_scatter_fwd y", y, want_y);
    un_harness_same("norm_scatter_fwd stats", un_mat32(stats, 1, 2 * n), un_mat32(want_stats, 1, 2 * n));
    h->ops->gather_rows(h->q, one, y, index);
    if (drop) h->ops->dropout(h->q, one, one, drop);
    h->ops->norm_bwd(h->q, one, none, want, want + c, want + 2 * c, one, r, stats, stats + n, gamma, NULL);
    h->ops->norm_gather_bwd(h->q, dr, sums, sums + c, sums + 2 * c, y, index, r, stats, stats + n, gamma,
                            drop);
    same_rows(h, "norm_gather_bwd dr", dr, one);
    un_harness_same("norm_gather_bwd sums", un_mat32(sums, 1, 3 * c), un_mat32(want, 1, 3 * c));
}

static void all_shapes(un_harness_case run) {
    for (int r = 0; r < 5; ++r)
        for (int w = 0; w < 6; ++w)
            for (int bits = 0; bits < 16; ++bits) {
                struct shape s = {.rows = un_harness_rows[r],
                                  .cols = un_harness_widths[w],
                                  .in_place = bits & 1,
                                  .residual = bits & 2,
                                  .drop = bits & 4,
                                  .dx = bits & 8};
                if (s.dx && run == run_fwd) continue;
                if (s.residual && run != run_fwd) continue;
                if (s.dx && run == run_placed) continue;
                if (un_harness_rows[r] == 130 && bits % 5 != 4) continue; /* the large ones in few forms */
                if (un_harness_heavy((double)(s.rows * s.cols))) continue;
                un_harness_each(run, &s);
            }
}

static void forward(void **state) {
    (void)state;
    all_shapes(run_fwd);
}

static void backward(void **state) {
    (void)state;
    all_shapes(run_bwd);
}

static void placed(void **state) {
    (void)state;
    all_shapes(run_placed);
    struct shape s = {.rows = 5, .cols = 1100, .in_place = true, .drop = true}; /* wider than a card holds */
    un_harness_each(run_placed, &s);
    s.cols = 1104;
    un_harness_each(run_placed, &s);
}

/* More rows than blocks of the least size: the blocks grow. */
static void many_rows(void **state) {
    (void)state;
    if (un_harness_heavy(4001 * 33)) skip();
    struct shape s = {.rows = 4001, .cols = 33, .drop = true, .dx = true, .in_place = true};
    un_harness_each(run_bwd, &s);
    s = (struct shape){.rows = 4001, .cols = 33, .drop = true, .residual = true};
    un_harness_each(run_fwd, &s);
}

/* A queue that was opened for narrower rows says so and writes nothing. */
static void short_scratch(void **state) {
    (void)state;
    struct un_limits limits = {
        .max_tokens = 8, .max_samples = 2, .max_width = 8, .max_heads = 1, .max_params = 8};
    struct un_harness h;
    un_harness_open(&h, 1, &limits);
    int64_t n = 3, c = 1 << 22; /* no backend sizes its scratch for 8 wide rows like this */
    struct un_mat dy = un_mat32(un_harness_poison(&h, n * c), n, c);
    float *sums = un_harness_poison(&h, 2 * c), *stats = un_harness_poison(&h, 2 * n);
    h.ops->norm_bwd(h.q, dy, (struct un_mat){0}, sums, sums + c, NULL, dy, dy, stats, stats + n, sums, NULL);
    assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "scratch"));
    h.device->mem->queue_close(h.q);
    assert_int_equal(h.device->mem->queue_open(h.device, &limits, &h.q), UN_OK);
    un_error_clear();
    un_harness_close(&h); /* the guards hold */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward),   cmocka_unit_test(backward),      cmocka_unit_test(placed),
        cmocka_unit_test(many_rows), cmocka_unit_test(short_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
