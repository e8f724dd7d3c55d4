/* The histories of fp8 (model/scaling.h): scales against the law written down in double, over all exponents and at the edges
 * of powers of two; what leaves the history; what is left out of it. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "model/scaling.h"
#include "runtime/fp8.h"

#include <math.h>

enum { TENSORS = UN_FP8_LAYER, LENGTH = 3 };

static struct un_scaling opened(int64_t length, int64_t after) {
    struct un_scaling s;
    assert_int_equal(un_scaling_open(&s, TENSORS, length, after), UN_OK);
    return s;
}

static void take(struct un_scaling *s, float amax) {
    uint32_t all[TENSORS];
    for (int t = 0; t < TENSORS; ++t) all[t] = un_fp8_bits(amax);
    un_scaling_take(s, all);
}

/* The scaled amax is at most M and more than half of it, where the scale is not at its bounds. */
static void check(float amax) {
    struct un_scaling s = opened(1, 0);
    take(&s, amax);
    for (int t = 0; t < TENSORS; ++t) {
        const double most = t / UN_FP8_PRODUCTS == UN_FP8_GRADIENT ? 57344 : 448,
                     scale = (double)un_scaling_scale(&s, t), scaled = scale * (double)amax;
        int exponent;
        assert_true(frexp(scale, &exponent) == 0.5);
        assert_true(scale <= 0x1p60 && scale >= 0x1p-60);
        if (scale != 0x1p-60 && scaled > most)
            fail_msg("amax %.9g of tensor %d: scale %g", (double)amax, t, scale);
        assert_true(scale == 0x1p60 || scaled > most / 2);
    }
    un_scaling_close(&s);
}

static void law(void **state) {
    (void)state;
    for (int e = -149; e < 128; ++e) {
        const float power = ldexpf(1.0f, e);
        check(power);
        check(nextafterf(power, 0) > 0 ? nextafterf(power, 0) : power);
        check(nextafterf(power, INFINITY));
        if (e < 110)
            check(power * 448.0f), check(power * 57344.0f), check(nextafterf(power * 448.0f, INFINITY));
    }
}

static void types(void **state) {
    (void)state;
    assert_int_equal(un_fp8_type(un_fp8_tensor(7, UN_FP8_DOWN, UN_FP8_INPUT)), UN_E4M3);
    assert_int_equal(un_fp8_type(un_fp8_tensor(7, UN_FP8_QKV, UN_FP8_WEIGHT)), UN_E4M3);
    assert_int_equal(un_fp8_type(un_fp8_tensor(7, UN_FP8_UP, UN_FP8_GRADIENT)), UN_E5M2);
    bool seen[2 * TENSORS] = {false};
    for (int layer = 0; layer < 2; ++layer)
        for (int p = 0; p < UN_FP8_PRODUCTS; ++p)
            for (int r = 0; r < UN_FP8_ROLES; ++r)
                seen[un_fp8_tensor(layer, (enum un_fp8_product)p, (enum un_fp8_role)r)] = true;
    for (int t = 0; t < 2 * TENSORS; ++t) assert_true(seen[t]);
}

static void window(void **state) {
    (void)state;
    struct un_scaling s = opened(LENGTH, 2);
    assert_false(un_scaling_ready(&s));
    assert_true(un_scaling_scale(&s, 0) == 1.0f);
    take(&s, 0.0f); /* zeros alone */
    assert_true(un_scaling_scale(&s, 0) == 1.0f);
    assert_false(un_scaling_ready(&s));
    take(&s, 448.0f);
    assert_true(un_scaling_ready(&s) && un_scaling_scale(&s, 0) == 1.0f);
    for (int i = 0; i < LENGTH - 1; ++i) take(&s, 1.0f);
    assert_true(un_scaling_scale(&s, 0) == 1.0f); /* still there */
    take(&s, 1.0f);
    assert_true(un_scaling_scale(&s, 0) == 256.0f); /* gone: 448 / 1 */
    assert_true(un_scaling_scale(&s, un_fp8_tensor(0, UN_FP8_UP, UN_FP8_GRADIENT)) == 32768.0f);
    assert_int_equal(s.filled, LENGTH + 2);
    un_scaling_close(&s);
}

static void not_finite(void **state) {
    (void)state;
    struct un_scaling s = opened(LENGTH, 1);
    take(&s, 7.0f);
    for (int i = 0; i < 2 * LENGTH; ++i) {
        take(&s, i % 2 ? INFINITY : NAN);
        assert_true(un_scaling_scale(&s, 0) == 64.0f); /* 448 / 7 */
    }
    un_scaling_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(law), cmocka_unit_test(types),
                                       cmocka_unit_test(window), cmocka_unit_test(not_finite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
