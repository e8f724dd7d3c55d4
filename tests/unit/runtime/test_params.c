/* The table of parameters: places, decay, names; and initial values that depend on seed, name and element
 * alone. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/memory.h"
#include "runtime/ops.h"
#include "runtime/params.h"
#include "runtime/rng.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static int clear_error(void **state) {
    (void)state;
    un_error_clear();
    return 0;
}

static int64_t add(struct un_params *p, const char *name, int64_t rows, int64_t cols, enum un_init init,
                   bool glued) {
    int64_t index = un_params_add(p, name, rows, cols, init, glued);
    assert_int_equal(index, p->n - 1);
    return index;
}

static void places(void **state) {
    (void)state;
    struct un_params p = {0};
    add(&p, "word_embeddings.weight", 5, 7, UN_INIT_NORMAL, false); /* 35 at 0, gap to 64 */
    add(&p, "query.weight", 10, 10, UN_INIT_NORMAL, false);         /* 100 at 64 */
    add(&p, "key.weight", 10, 10, UN_INIT_NORMAL, true);            /* 100 at 164 */
    add(&p, "value.weight", 10, 10, UN_INIT_NORMAL, true);          /* 100 at 264, gap to 384 */
    add(&p, "LayerNorm.weight", 64, 0, UN_INIT_ONE, false);         /* 64 at 384 */
    add(&p, "LayerNorm.bias", 1, 0, UN_INIT_ZERO, false);           /* 1 at 448 */
    static const int64_t offset[] = {0, 64, 164, 264, 384, 448};
    for (int64_t i = 0; i < p.n; ++i) assert_int_equal(p.list[i].offset, offset[i]);
    assert_int_equal(p.total, 512);
    assert_int_equal(p.trained, 35 + 300 + 65);
    assert_int_equal(p.list[0].ndim, 2);
    assert_int_equal(p.list[4].ndim, 1);
    assert_int_equal(un_params_find(&p, "value.weight"), 3);
    assert_int_equal(un_params_find(&p, "value"), -1);
    assert_int_equal(un_error_get()->status, UN_OK);
    uint8_t map[8];
    un_params_decay_map(&p, map);
    static const uint8_t expected[8] = {1, 1, 1, 1, 1, 1, 0, 0};
    assert_memory_equal(map, expected, sizeof map);
    p.list[0].fast = p.list[4].left = p.list[5].fast = true;
    un_params_decay_map(&p, map);
    static const uint8_t flagged[8] = {
        UN_DECAY_DECAYS | UN_DECAY_FAST, 1, 1, 1, 1, 1, UN_DECAY_LEFT, UN_DECAY_FAST};
    assert_memory_equal(map, flagged, sizeof map);
    un_params_free(&p);
    assert_int_equal(p.n, 0);
}

/* The authors' rule: what has "bias" or a LayerNorm of the BERT spelling in its name; image LayerNorms do
 * decay. */
static void decay_by_name(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool decay;
    } known[] = {
        {"uniter.encoder.layer.0.attention.self.query.weight", true},
        {"uniter.encoder.layer.0.attention.self.query.bias", false},
        {"uniter.embeddings.LayerNorm.weight", false},
        {"uniter.embeddings.LayerNorm.bias", false},
        {"uniter.img_embeddings.img_layer_norm.weight", true},
        {"uniter.img_embeddings.img_layer_norm.bias", false},
    };
    struct un_params p = {0};
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
        int64_t index = add(&p, known[i].name, 4, 0, UN_INIT_ONE, false);
        assert_int_equal(p.list[index].decay, known[i].decay);
    }
    un_params_free(&p);
}

static void refused(struct un_params *p, const char *name, int64_t rows, int64_t cols, bool glued) {
    un_error_clear();
    assert_int_equal(un_params_add(p, name, rows, cols, UN_INIT_ZERO, glued), -1);
    assert_int_equal(un_error_get()->status, UN_INTERNAL);
}

static void bad_tensors_are_refused(void **state) {
    (void)state;
    struct un_params p = {0};
    refused(&p, "glued.weight", 1, 1, true);
    add(&p, "a.weight", 2, 2, UN_INIT_NORMAL, false);
    refused(&p, "a.weight", 2, 2, false);
    refused(&p, "b.weight", 0, 2, false);
    refused(&p, "b.weight", INT64_MAX, 2, false);
    refused(&p, "b.weight", INT64_MAX / 4, 2, false);
    refused(&p, "glued.bias", 2, 0, true); /* its block would half decay */
    char name[97];
    memset(name, 'x', 96);
    name[96] = '\0';
    refused(&p, name, 1, 1, false);
    name[95] = '\0';
    add(&p, name, 1, 1, UN_INIT_ZERO, false);
    assert_int_equal(p.n, 2);
    un_params_free(&p);
}

static void tables_grow(void **state) {
    (void)state;
    struct un_params p = {0};
    for (int i = 0; i < 500; ++i) {
        char name[32];
        snprintf(name, sizeof name, "layer.%d.weight", i);
        add(&p, name, 3, 3, UN_INIT_NORMAL, false);
    }
    assert_int_equal(un_params_find(&p, "layer.317.weight"), 317);
    assert_int_equal(p.total, 500 * UN_PARAM_ALIGN);
    un_params_free(&p);
}

/* The law of params.c once more, one element at a time. */
static float expected_normal(const char *name, uint64_t seed, int64_t e, float range) {
    uint64_t hash = 14695981039346656037u;
    for (const char *c = name; *c != '\0'; ++c) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    struct un_rng4 r = un_philox((uint32_t)(e / 4), 0, (uint32_t)hash, (uint32_t)(hash >> 32), (uint32_t)seed,
                                 un_rng_key1(seed, UN_RNG_INIT));
    const uint32_t *pair = &r.v[e % 4 / 2 * 2];
    double radius = sqrt(-2 * log((pair[0] + 0.5) / 4294967296.0)), turn = 2 * 3.14159265358979323846;
    double angle = turn * (pair[1] / 4294967296.0);
    return (float)((e % 2 == 0 ? cos(angle) : sin(angle)) * radius * range);
}

static void initial_values(void **state) {
    (void)state;
    struct un_params p = {0};
    add(&p, "a.weight", 7, 9, UN_INIT_NORMAL, false);
    int64_t mask = add(&p, "mask.weight", 2, 5, UN_INIT_NORMAL, false);
    p.list[mask].zero_row0 = true;
    add(&p, "b.bias", 10, 0, UN_INIT_ZERO, false);
    add(&p, "c.weight", 10, 0, UN_INIT_ONE, false);
    float *values = un_alloc((size_t)p.total, sizeof *values, "values");
    memset(values, 0xFF, (size_t)p.total * sizeof *values);
    un_params_init(&p, values, 42, 0.02f);
    for (int64_t e = 0; e < 63; ++e) assert_true(values[e] == expected_normal("a.weight", 42, e, 0.02f));
    assert_true(values[63] == 0.0f); /* the gap */
    for (int64_t e = 0; e < 10; ++e) {
        float want = e < 5 ? 0.0f : expected_normal("mask.weight", 42, e, 0.02f);
        assert_true(values[p.list[1].offset + e] == want);
        assert_true(values[p.list[2].offset + e] == 0.0f);
        assert_true(values[p.list[3].offset + e] == 1.0f);
    }
    un_free(values);
    un_params_free(&p);
}

/* Same name and seed, other table: same values. Other seed or name: others. */
static void values_do_not_depend_on_the_table(void **state) {
    (void)state;
    struct un_params one = {0}, two = {0};
    add(&one, "a.weight", 8, 8, UN_INIT_NORMAL, false);
    add(&two, "z.weight", 3, 3, UN_INIT_NORMAL, false);
    add(&two, "a.weight", 8, 8, UN_INIT_NORMAL, false);
    float first[64], second[128], third[64];
    un_params_init(&one, first, 7, 1.0f);
    un_params_init(&two, second, 7, 1.0f);
    un_params_init(&one, third, 8, 1.0f);
    assert_memory_equal(first, second + 64, sizeof first);
    assert_memory_not_equal(first, second, 9 * sizeof *first);
    assert_memory_not_equal(first, third, sizeof first);
    un_params_free(&one);
    un_params_free(&two);
}

/* Moments of a million normals within five deviations: mean 0, variance 1, third 0, fourth 3. */
static void values_are_normal(void **state) {
    (void)state;
    const int n = 1000000;
    struct un_params p = {0};
    add(&p, "w.weight", 1000, 1000, UN_INIT_NORMAL, false);
    float *values = un_alloc((size_t)p.total, sizeof *values, "values");
    un_params_init(&p, values, 42, 1.0f);
    double moment[5] = {0}, neighbours = 0;
    for (int64_t e = 0; e < n; ++e) {
        double x = values[e], power = 1;
        assert_true(isfinite(x) && fabs(x) < 6.7); /* sqrt(2 ln 2^33) */
        for (int k = 1; k < 5; ++k) moment[k] += (power *= x) / n;
        if (e > 0) neighbours += x * values[e - 1] / n;
    }
    static const double want[5] = {0, 0, 1, 0, 3}, variance[5] = {0, 1, 2, 15, 96};
    for (int k = 1; k < 5; ++k) {
        double z = (moment[k] - want[k]) / sqrt(variance[k] / n);
        if (fabs(z) > 5) fail_msg("moment %d is %.6f, %.1f deviations from %.0f", k, moment[k], z, want[k]);
    }
    assert_true(fabs(neighbours) < 5 / sqrt(n));
    un_free(values);
    un_params_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(places, clear_error),
        cmocka_unit_test_setup(decay_by_name, clear_error),
        cmocka_unit_test_setup(bad_tensors_are_refused, clear_error),
        cmocka_unit_test_setup(tables_grow, clear_error),
        cmocka_unit_test_setup(initial_values, clear_error),
        cmocka_unit_test_setup(values_do_not_depend_on_the_table, clear_error),
        cmocka_unit_test_setup(values_are_normal, clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
