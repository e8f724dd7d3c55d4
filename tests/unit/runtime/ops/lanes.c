/* The approximations of runtime/cpu/lanes.h and half.h against libm in double, over a dense walk through all
 * floats; the row sums against double sums; dropout in rows against un_dropout_factor, element by element. */
#include "tests/unit/runtime/ops/harness.h"

#include "runtime/cpu/convert.h"
#include "runtime/cpu/lanes.h"

#include <math.h>
#include <stdio.h>

/* Every 251st bit pattern: 17 million floats, NaN and infinities among them; 251 is prime, so all low bits
 * occur. */
enum { STEP = 251 };

/* What lanes.h states. ulp: units in the last place of the true value; a value passes by either. */
static const struct claim {
    const char *name;
    double ulp, absolute;
} exp_claim = {"exp", 1.1, 0}, exp_neg_claim = {"exp_neg", 1.1, 0}, log_claim = {"log", 1.0, 1e-7},
  log1p_claim = {"log1p", 4.0, 0}, tanh_claim = {"tanh", 1.5, 0}, gelu_claim = {"gelu", 1.0, 1e-7},
  slope_claim = {"gelu_slope", 0, 1.5e-7};

static double ulp_of(double want) {
    double a = fabs(want);
    if (a < 0x1p-126) return 0x1p-149;
    return ldexp(1.0, ilogb(a) - 23);
}

struct worst {
    double ulp, absolute, excess; /* excess: the smaller of the two ratios to the claim, at its worst */
    float at;
};

static void look(struct worst *w, const struct claim *c, float x, float got, double want) {
    if (isnan(want)) {
        if (!isnan(got)) fail_msg("%s(%.9g) is %.9g, want NaN", c->name, x, got);
        return;
    }
    if ((double)(float)want == (double)got) return;
    double error = fabs((double)got - want), ulp = error / ulp_of(want);
    double excess =
        fmin(c->ulp > 0 ? ulp / c->ulp : INFINITY, c->absolute > 0 ? error / c->absolute : INFINITY);
    if (!(excess <= w->excess)) {
        w->excess = excess;
        w->at = x;
    }
    if (ulp > w->ulp && (c->absolute == 0 || error > c->absolute)) w->ulp = ulp;
    if (error > w->absolute && (c->ulp == 0 || ulp > c->ulp)) w->absolute = error;
}

static float float_at(uint32_t bits) {
    return un_lanes_float((int32_t)bits);
}

static void walk(const struct claim *c, float (*f)(float), double (*want)(double), bool (*inside)(float)) {
    struct worst w = {0};
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += STEP) {
        float x = float_at((uint32_t)bits);
        if (inside && !inside(x)) continue;
        look(&w, c, x, f(x), want(x));
    }
    printf(
        "%s: worst %.3f ulp where not within %g absolute; %.3g absolute where not within %g ulp; %.2f of the "
        "claim at %.9g\n",
        c->name, w.ulp, c->absolute, w.absolute, c->ulp, w.excess, w.at);
    if (w.excess > 1.0) fail_msg("%s: %.3f times the stated error at %.9g", c->name, w.excess, w.at);
}

static float f_exp(float x) {
    return un_lanes_exp(x);
}
static float f_exp_neg(float x) {
    return un_lanes_exp_neg(x);
}
static float f_log(float x) {
    return un_lanes_log(x);
}
static float f_log1p(float x) {
    return un_lanes_log1p(x);
}
static float f_tanh(float x) {
    return un_lanes_tanh(x);
}
static float f_gelu(float x) {
    return un_lanes_gelu(x);
}
static float f_slope(float x) {
    return un_lanes_gelu_slope(x);
}

/* Phi(z) by erfc, which keeps its relative accuracy in the lower tail. */
static double normal_cdf(double z) {
    return 0.5 * erfc(-z / sqrt(2.0));
}
static double w_gelu(double z) {
    return z == -INFINITY ? 0.0 : z * normal_cdf(z);
}
static double w_slope(double z) {
    return normal_cdf(z) + z * exp(-0.5 * z * z) / sqrt(2.0 * acos(-1.0));
}

static bool in_exp_neg(float x) {
    return x != x || (x >= -87.0f && x <= 87.0f);
}
static bool in_log(float x) {
    return !(fabsf(x) < 0x1p-126f && x != 0.0f);
}
static bool in_log1p(float x) {
    return x != x || (x >= 0.0f && x <= 1.0f);
}
static void approximations(void **state) {
    (void)state;
    walk(&exp_claim, f_exp, exp, NULL);
    walk(&exp_neg_claim, f_exp_neg, exp, in_exp_neg);
    walk(&log_claim, f_log, log, in_log);
    walk(&log1p_claim, f_log1p, log1p, in_log1p);
    walk(&tanh_claim, f_tanh, tanh, NULL);
    walk(&gelu_claim, f_gelu, w_gelu, NULL);
    walk(&slope_claim, f_slope, w_slope, NULL);
}

static void special_values(void **state) {
    (void)state;
    assert_true(un_lanes_exp(0.0f) == 1.0f && un_lanes_exp_neg(0.0f) == 1.0f);
    assert_true(un_lanes_exp(-INFINITY) == 0.0f && un_lanes_exp(INFINITY) == INFINITY);
    assert_true(un_lanes_exp_neg(-INFINITY) > 0.0f && un_lanes_exp_neg(-INFINITY) < 1.7e-38f);
    assert_true(un_lanes_log(1.0f) == 0.0f && un_lanes_log(0.0f) == -INFINITY);
    assert_true(un_lanes_log(INFINITY) == INFINITY && isnan(un_lanes_log(-1.0f)));
    assert_true(un_lanes_tanh(0.0f) == 0.0f && signbit(un_lanes_tanh(-0.0f)));
    assert_true(un_lanes_tanh(INFINITY) == 1.0f && un_lanes_tanh(-INFINITY) == -1.0f);
    assert_true(un_lanes_gelu(0.0f) == 0.0f && un_lanes_gelu(50.0f) == 50.0f);
    assert_true(isnan(un_lanes_gelu(NAN)) && isnan(un_lanes_gelu_slope(NAN)) && isnan(un_lanes_exp(NAN)));
    assert_true(isnan(un_lanes_exp_neg(NAN)) && isnan(un_lanes_log(NAN)) && isnan(un_lanes_tanh(NAN)));
}

/* 2^-24 relative for the rounding of each of the at most n / 32 + 6 additions a number goes through. */
static void row_sums(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    for (int64_t n = 0; n < 200; ++n) {
        h.shift = n % 16;
        float *x = un_harness_random(&h, n, -1, 1), *y = un_harness_random(&h, n, -1, 1);
        double sum = 0, size = 0, dot = 0, square = 0, most = -INFINITY;
        for (int64_t i = 0; i < n; ++i) {
            sum += x[i];
            size += fabs(x[i]);
            dot += (double)x[i] * y[i];
            square += ((double)x[i] - 0.25) * ((double)x[i] - 0.25);
            most = x[i] > most ? x[i] : most;
        }
        double slack = (double)(n / 32 + 8) * 0x1p-24;
        assert_true(fabs(un_lanes_sum(x, n) - sum) <= slack * size);
        assert_true(fabs(un_lanes_dot(x, y, n) - dot) <= slack * size);
        assert_true(fabs(un_lanes_square_sum(x, n, 0.25f) - square) <= slack * 2.0 * (size + 1));
        assert_true(un_lanes_max(x, n) == (float)most);
        if (h.count + 2 > UN_HARNESS_BUFFERS) {
            un_harness_close(&h);
            un_harness_open(&h, 1, NULL);
        }
    }
    un_harness_close(&h);
}

static void dropout_rows(void **state) {
    (void)state;
    struct un_dropout d = un_harness_dropout(0.1);
    static const uint32_t groups[] = {0, 5, 1000003,
                                      0x1FFFFFF8u}; /* the last one runs over the end of 32 bits */
    float x[300], y[300];
    for (int i = 0; i < 300; ++i) x[i] = 1.0f + (float)i;
    for (size_t k = 0; k < sizeof groups / sizeof *groups; ++k)
        for (int64_t n = 0; n <= 300; n += n < 20 ? 1 : 35) {
            un_lanes_dropout(y, x, n, &d, groups[k]);
            for (int64_t i = 0; i < n; ++i)
                assert_true(y[i] == x[i] * un_dropout_factor(&d, groups[k] * 8u + (uint32_t)i));
        }
}

static void halves(void **state) {
    (void)state;
    for (uint32_t u = 0; u < 65536; ++u) {
        uint16_t bits = (uint16_t)u;
        _Float16 f16;
        memcpy(&f16, &bits, sizeof f16);
        float want = (float)f16, got = un_half_from_f16(bits);
        assert_true(want == got || (want != want && got != got));
        assert_true(signbit(want) == signbit(got));
        if (want == want) assert_int_equal(un_half_to_f16(got), bits);
        float wide = un_half_from_bf16(bits);
        if (wide == wide) assert_int_equal(un_half_to_bf16(wide), bits);
    }
    for (uint64_t u = 0; u <= UINT32_MAX; u += STEP) {
        float x = float_at((uint32_t)u);
        _Float16 want = (_Float16)x;
        uint16_t bits;
        memcpy(&bits, &want, sizeof bits);
        if (x != x) {
            assert_true(un_half_from_f16(un_half_to_f16(x)) != 0.0f &&
                        isnan(un_half_from_f16(un_half_to_f16(x))));
            assert_true(isnan(un_half_from_bf16(un_half_to_bf16(x))));
            continue;
        }
        assert_int_equal(un_half_to_f16(x), bits);
        float b = un_half_from_bf16(un_half_to_bf16(x)); /* nearest: no neighbour is closer */
        float up = un_half_from_bf16((uint16_t)(un_half_to_bf16(x) + 1));
        if (isfinite(b) && isfinite(up)) assert_true(fabs((double)x - b) <= fabs((double)x - up));
    }
    assert_int_equal(un_half_to_bf16(1.00390625f), 0x3F80); /* ties go to even */
    assert_int_equal(un_half_to_bf16(1.01171875f), 0x3F82);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_values), cmocka_unit_test(approximations), cmocka_unit_test(row_sums),
        cmocka_unit_test(dropout_rows),   cmocka_unit_test(halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
