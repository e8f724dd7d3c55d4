/* Philox4x32-10 against the published vectors, uniformity, dropout, and keys that do not meet.
 *
 * Everything is deterministic: a bound of five standard deviations either holds for ever or never. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/rng.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The known answers that come with Random123 1.14 (kat_vectors, "philox4x32 10"). */
static void published_vectors(void **state) {
    (void)state;
    static const uint32_t vector[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb,
         0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 3; ++i) {
        const uint32_t *v = vector[i];
        struct un_rng4 r = un_philox(v[0], v[1], v[2], v[3], v[4], v[5]);
        for (int w = 0; w < 4; ++w) assert_int_equal(r.v[w], v[6 + w]);
    }
}

/* sum (n_k - e)^2 / e over equal cells is within five deviations of its mean. */
static void check_chi_square(const char *what, const int *cell, int cells, int64_t draws) {
    double expected = (double)draws / cells, sum = 0;
    for (int k = 0; k < cells; ++k) sum += (cell[k] - expected) * (cell[k] - expected) / expected;
    double freedom = cells - 1, z = (sum - freedom) / sqrt(2 * freedom);
    if (fabs(z) > 5) fail_msg("%s: chi-square %.1f for %d cells is %.1f deviations off", what, sum, cells, z);
}

enum { CELLS = 1000, DRAWS = 400000 };

/* Words of consecutive indices, of consecutive steps, and of consecutive lanes. */
static void words_are_uniform(void **state) {
    (void)state;
    static int below[3][CELLS], unit[3][CELLS], low[3][256];
    memset(below, 0, sizeof below);
    memset(unit, 0, sizeof unit);
    memset(low, 0, sizeof low);
    for (uint32_t i = 0; i < DRAWS / 4; ++i) {
        struct un_rng4 r[3] = {un_rng(42, UN_RNG_TEST, 7, 3, 1, i), un_rng(42, UN_RNG_TEST, i, 3, 1, 9),
                               un_rng(42, UN_RNG_TEST, 7, i, 1, 9)};
        for (int way = 0; way < 3; ++way)
            for (int w = 0; w < 4; ++w) {
                uint32_t word = r[way].v[w];
                float u = un_rng_unit(word);
                assert_true(u >= 0.0f && u < 1.0f);
                ++below[way][un_rng_below(word, CELLS)];
                ++unit[way][(int)(u * CELLS)];
                ++low[way][word & 255];
            }
    }
    for (int way = 0; way < 3; ++way) {
        check_chi_square("un_rng_below", below[way], CELLS, DRAWS);
        check_chi_square("un_rng_unit", unit[way], CELLS, DRAWS);
        check_chi_square("low byte", low[way], 256, DRAWS);
    }
}

static void limits_of_the_helpers(void **state) {
    (void)state;
    assert_true(un_rng_unit(0) == 0.0f);
    assert_true(un_rng_unit(~0u) < 1.0f);
    assert_int_equal(un_rng_below(~0u, 1), 0);
    assert_int_equal(un_rng_below(~0u, 10), 9);
    assert_int_equal(un_rng_below(0, 10), 0);
}

static struct un_dropout dropout(double p, uint32_t site) {
    uint32_t threshold = (uint32_t)lround(p * 65536);
    static const uint32_t at[2] = {5, 2};
    return (struct un_dropout){42, at, site, threshold, (float)(65536.0 / (65536.0 - threshold))};
}

static void dropout_keeps_the_expectation(void **state) {
    (void)state;
    const uint32_t n = 1u << 20;
    static const double rate[] = {0.1, 0.5, 0.9};
    for (int k = 0; k < 3; ++k) {
        struct un_dropout d = dropout(rate[k], 3);
        double keep = 1 - d.threshold / 65536.0, sum = 0;
        int kept = 0;
        for (uint32_t i = 0; i < n; ++i) {
            float factor = un_dropout_factor(&d, i);
            assert_true(factor == 0.0f || factor == d.scale);
            kept += factor != 0.0f;
            sum += factor;
        }
        double z = (kept - n * keep) / sqrt(n * keep * (1 - keep));
        if (fabs(z) > 5)
            fail_msg("p %.1f: kept %d of %u, %.1f deviations off", rate[k], kept, (long long)n, z);
        assert_true(fabs(sum / n - 1) < 5 * sqrt((1 - keep) / keep / n));
    }
    struct un_dropout none = {.scale = 1};
    for (uint32_t i = 0; i < 1000; ++i) assert_true(un_dropout_factor(&none, i) == 1.0f);
}

/* The law as written in the header: counter (i / 8, site, lane, step), 16 bits each. */
static void dropout_draws_as_documented(void **state) {
    (void)state;
    struct un_dropout d = dropout(0.3, 11);
    for (uint32_t i = 0; i < 4096; ++i) {
        struct un_rng4 r = un_philox(i / 8, 11, 2, 5, 42, UN_RNG_DROPOUT * 0x85EBCA6Bu);
        uint32_t bits = r.v[i % 8 / 2] >> (i % 2 * 16) & 0xFFFF;
        assert_true((un_dropout_factor(&d, i) == 0.0f) == (bits < d.threshold));
    }
}

/* Masks of two sites, and of neighbours at one site, agree as often as chance has it. */
static void dropout_masks_are_independent(void **state) {
    (void)state;
    const uint32_t n = 1u << 18;
    struct un_dropout a = dropout(0.5, 1), b = dropout(0.5, 2);
    int sites = 0, neighbours = 0;
    for (uint32_t i = 0; i < n; ++i) {
        float factor = un_dropout_factor(&a, i);
        sites += factor == un_dropout_factor(&b, i);
        neighbours += factor == un_dropout_factor(&a, i + 1);
    }
    assert_true(fabs(sites - n / 2.0) < 5 * sqrt(n / 4.0));
    assert_true(fabs(neighbours - n / 2.0) < 5 * sqrt(n / 4.0));
}

/* No two (seed, purpose) of seeds below 2^32 share a key; seeds and purposes each change the first word
 * drawn. */
static void keys_do_not_meet(void **state) {
    (void)state;
    enum { SEEDS = 200 };
    static uint64_t key[SEEDS * UN_RNG_TEST];
    int n = 0;
    for (uint64_t seed = 0; seed < SEEDS; ++seed)
        for (uint32_t purpose = UN_RNG_INIT; purpose <= UN_RNG_TEST; ++purpose)
            key[n++] = (uint64_t)un_rng_key1(seed, purpose) << 32 | un_rng_key0(seed);
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < i; ++j) assert_true(key[i] != key[j]);
    assert_true(un_rng_key1((uint64_t)1 << 32, 1) != un_rng_key1(0, 1)); /* the high half of a seed counts */
}

/* Each counter word moves the result: no argument is lost on the way. */
static void every_argument_counts(void **state) {
    (void)state;
    struct un_rng4 base = un_rng(1, UN_RNG_TEST, 2, 3, 4, 5);
    struct un_rng4 other[] = {un_rng(2, UN_RNG_TEST, 2, 3, 4, 5), un_rng(1, UN_RNG_MASK, 2, 3, 4, 5),
                              un_rng(1, UN_RNG_TEST, 9, 3, 4, 5), un_rng(1, UN_RNG_TEST, 2, 9, 4, 5),
                              un_rng(1, UN_RNG_TEST, 2, 3, 9, 5), un_rng(1, UN_RNG_TEST, 2, 3, 4, 9)};
    for (size_t i = 0; i < sizeof other / sizeof *other; ++i)
        assert_memory_not_equal(&base, &other[i], sizeof base);
    struct un_rng4 again = un_rng(1, UN_RNG_TEST, 2, 3, 4, 5);
    assert_memory_equal(&base, &again, sizeof base);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(words_are_uniform),
        cmocka_unit_test(limits_of_the_helpers),
        cmocka_unit_test(dropout_keeps_the_expectation),
        cmocka_unit_test(dropout_draws_as_documented),
        cmocka_unit_test(dropout_masks_are_independent),
        cmocka_unit_test(keys_do_not_meet),
        cmocka_unit_test(every_argument_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
