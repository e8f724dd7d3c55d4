/* io/h5: what is written is read back, types are converted exactly, ranges are checked, from many threads. */
#include "io/h5/h5.h"
#include "runtime/half.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Definition of binary16, in double: (-1)^s 2^(e-15) (1 + m/1024), subnormals 2^-14 m/1024. */
static double half_oracle(uint32_t h) {
    double sign = h & 0x8000u ? -1 : 1, mantissa = (h & 0x3FFu) / 1024.0;
    int e = (int)(h >> 10 & 31u);
    if (e == 31) return mantissa != 0 ? NAN : sign * INFINITY;
    return e == 0 ? sign * ldexp(mantissa, -14) : sign * ldexp(1 + mantissa, e - 15);
}

static void test_half_is_exact(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; ++h) {
        double want = half_oracle(h), got = (double)un_half_to((uint16_t)h);
        assert_true(isnan(want) ? isnan(got) : want == got && signbit(want) == signbit(got));
        if (!isnan(want)) assert_int_equal(un_half_from((float)want), h);
    }
    assert_true(isnan(un_half_to(un_half_from(NAN))));
}

/* Between two neighbours: the nearer one; in the middle: the even one. */
static void test_half_rounds_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x7BFF; ++h) {
        float low = un_half_to((uint16_t)h), high = un_half_to((uint16_t)(h + 1)),
              middle = low + (high - low) / 2;
        assert_int_equal(un_half_from(middle), h + (h & 1));
        assert_int_equal(un_half_from(nextafterf(middle, 0)), h);
        assert_int_equal(un_half_from(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(un_half_from(-middle), 0x8000u | (h + (h & 1)));
    }
    assert_int_equal(un_half_from(65519.996f), 0x7BFF);
    assert_int_equal(un_half_from(65520.0f), 0x7C00);
}

static void test_numbers_come_back(void **state) {
    (void)state;
    const char *path = scratch("numbers.h5");
    uint64_t before = live_blocks();
    const float f32[6] = {1, -2.5f, 3.25f, 0, 1e-30f, 65504};
    const int32_t i32[4] = {INT32_MIN, -1, 0, INT32_MAX};
    const int64_t i64[3] = {INT64_MIN, 0, INT64_MAX};
    const uint8_t u8[3] = {0, 128, 255};
    struct un_h5 *f;
    expect_ok(un_h5_create(&f, path));
    expect_ok(un_h5_write_all(f, "f32", UN_F32, 3, 2, f32));
    expect_ok(un_h5_write_all(f, "deep/er/i32", UN_I32, 4, 0, i32));
    expect_ok(un_h5_write_all(f, "i64", UN_I64, 3, 0, i64));
    expect_ok(un_h5_write_all(f, "u8", UN_U8, 3, 1, u8));
    expect_ok(un_h5_write_all(f, "none", UN_F16, 0, 7, f32));
    expect_ok(un_h5_commit(f));
    un_h5_close(f);

    struct un_h5_shape s;
    void *got;
    expect_ok(un_h5_open(&f, path, true));
    assert_string_equal(un_h5_path(f), path);
    expect_ok(un_h5_read_all(f, "f32", UN_F32, &s, &got));
    assert_true(s.rank == 2 && s.dims[0] == 3 && s.dims[1] == 2 && s.class_ == UN_H5_FLOAT &&
                s.element_bytes == 4);
    assert_memory_equal(got, f32, sizeof f32);
    un_free(got);
    expect_ok(un_h5_read_all(f, "deep/er/i32", UN_I32, &s, &got));
    assert_true(s.rank == 1 && s.dims[0] == 4 && s.dims[1] == 1 && s.class_ == UN_H5_INT);
    assert_memory_equal(got, i32, sizeof i32);
    un_free(got);
    expect_ok(un_h5_read_all(f, "deep/er/i32", UN_I64, &s, &got));
    for (int i = 0; i < 4; ++i) assert_true(((int64_t *)got)[i] == i32[i]);
    un_free(got);
    expect_ok(un_h5_read_all(f, "i64", UN_I64, &s, &got));
    assert_memory_equal(got, i64, sizeof i64);
    un_free(got);
    expect_ok(un_h5_read_all(f, "u8", UN_U8, &s, &got));
    assert_memory_equal(got, u8, sizeof u8);
    un_free(got);
    expect_ok(un_h5_read_all(f, "none", UN_F16, &s, &got));
    assert_true(s.rank == 2 && s.dims[0] == 0 && s.dims[1] == 7);
    un_free(got);
    un_h5_close(f);
    assert_int_equal(live_blocks(), before);
}

static void test_what_does_not_fit_is_an_error(void **state) {
    (void)state;
    struct un_h5 *f;
    struct un_h5_data *d;
    struct un_h5_shape s;
    const int64_t big[2] = {1, 3000000000};
    const float huge[2] = {1, 1e6f}, odd[2] = {1, INFINITY};
    void *got;
    expect_ok(un_h5_create(&f, scratch("fit.h5")));
    expect_ok(un_h5_write_all(f, "big", UN_I64, 2, 0, big));
    expect_ok(un_h5_write_all(f, "huge", UN_F32, 2, 0, huge));
    expect_ok(un_h5_data_create(f, "half", UN_F16, 2, 0, &d));
    expect_error(un_h5_write_rows(d, 0, 2, UN_F32, huge), UN_DATA, "fit.h5", "half", "row 1", "1e+06");
    expect_ok(un_h5_write_rows(d, 0, 2, UN_F32, odd));
    expect_error(un_h5_write_rows(d, 1, 2, UN_F32, huge), UN_DATA, "half", "rows [1, +2) of 2");
    expect_error(un_h5_write_rows(d, 0, 1, UN_I32, huge), UN_INTERNAL, "half");
    un_h5_data_close(d);
    expect_ok(un_h5_commit(f));
    un_h5_close(f);
    expect_ok(un_h5_open(&f, scratch("fit.h5"), true));
    expect_error(un_h5_read_all(f, "big", UN_I32, &s, &got), UN_DATA, "big: rows [0, +",
                 "a number there does not fit 32 bits");
    expect_error(un_h5_read_all(f, "big", UN_F32, &s, &got), UN_DATA, "big", "not floating-point");
    expect_error(un_h5_read_all(f, "huge", UN_I32, &s, &got), UN_DATA, "huge", "not integers");
    expect_error(un_h5_read_all(f, "huge", UN_F16, &s, &got), UN_DATA, "huge");
    expect_error(un_h5_read_all(f, "nothing", UN_F16, &s, &got), UN_DATA, "fit.h5", "nothing is missing");
    expect_ok(un_h5_data_open(f, "huge", &d, &s));
    float row[4];
    expect_error(un_h5_read_rows(d, 1, 2, UN_F32, row), UN_DATA, "rows [1, +2) of 2");
    expect_error(un_h5_read_rows(d, -1, 1, UN_F32, row), UN_DATA, "rows [-1, +1) of 2");
    expect_error(un_h5_read_rows(d, INT64_MAX, 2, UN_F32, row), UN_DATA, "huge");
    un_h5_data_close(d);
    un_h5_close(f);
}

/* Floats read as halves: each rounded by itself, beside others that carry, vanish or become subnormal. */
static void test_narrowed(void **state) {
    (void)state;
    enum { ROWS = 200, COLS = 331 }; /* more than a block */
    float *wide = un_alloc(ROWS * COLS, sizeof *wide, "floats");
    struct un_h5 *f;
    struct un_h5_shape s;
    void *got;
    for (int i = 0; i < ROWS * COLS; ++i) {
        float half = un_half_to((uint16_t)(i * 40503u % 0x7BFFu)), sign = i % 3 ? 1 : -1;
        wide[i] = sign * (i % 5 == 0 ? half : nextafterf(half, i % 2 ? INFINITY : -INFINITY));
        if (i % 7 == 0) wide[i] = sign * 1e-7f * (float)(i % 50);
    }
    wide[0] = 0.99999976f;
    expect_ok(un_h5_create(&f, scratch("narrow.h5")));
    expect_ok(un_h5_write_all(f, "x", UN_F32, ROWS, COLS, wide));
    expect_ok(un_h5_commit(f));
    un_h5_close(f);
    expect_ok(un_h5_open(&f, scratch("narrow.h5"), true));
    expect_ok(un_h5_read_all(f, "x", UN_F16, &s, &got));
    for (int i = 0; i < ROWS * COLS; ++i) assert_int_equal(((uint16_t *)got)[i], un_half_from(wide[i]));
    un_free(got);
    un_h5_close(f);
    un_free(wide);
}

/* All 65,536 halves, stored raw, read raw and as floats; floats written into a half dataset. */
static void test_halves(void **state) {
    (void)state;
    uint16_t *all = un_alloc(65536, 2, "halves");
    float *wide = un_alloc(65536, 4, "floats");
    struct un_h5 *f;
    struct un_h5_data *d;
    struct un_h5_shape s;
    void *got;
    for (uint32_t h = 0; h < 65536; ++h) {
        all[h] = (uint16_t)h;
        wide[h] = un_half_to((uint16_t)h);
    }
    expect_ok(un_h5_create(&f, scratch("half.h5")));
    expect_ok(un_h5_write_all(f, "raw", UN_F16, 64, 1024, all));
    expect_ok(un_h5_data_create(f, "narrowed", UN_F16, 64, 1024, &d));
    expect_ok(un_h5_write_rows(d, 0, 64, UN_F32, wide));
    un_h5_data_close(d);
    expect_ok(un_h5_commit(f));
    un_h5_close(f);
    expect_ok(un_h5_open(&f, scratch("half.h5"), true));
    expect_ok(un_h5_read_all(f, "raw", UN_F16, &s, &got));
    assert_int_equal(s.element_bytes, 2);
    assert_memory_equal(got, all, 131072);
    un_free(got);
    expect_ok(un_h5_read_all(f, "raw", UN_F32, &s, &got));
    assert_memory_equal(got, wide, 262144);
    un_free(got);
    expect_ok(un_h5_read_all(f, "narrowed", UN_F16, &s, &got));
    for (uint32_t h = 0; h < 65536; ++h)
        if ((h & 0x7FFF) <= 0x7C00) assert_int_equal(((uint16_t *)got)[h], h);
    un_free(got);
    un_h5_close(f);
    un_free(all);
    un_free(wide);
}

static void test_pread_finds_the_rows(void **state) {
    (void)state;
    struct un_h5 *f;
    struct un_h5_data *d;
    struct un_h5_shape s;
    uint16_t half[6] = {1, 2, 3, 4, 5, 6}, got[6];
    expect_ok(un_h5_create(&f, scratch("raw.h5")));
    expect_ok(un_h5_write_all(f, "x", UN_F16, 3, 2, half));
    expect_ok(un_h5_commit(f));
    un_h5_close(f);
    expect_ok(un_h5_open(&f, scratch("raw.h5"), true));
    expect_ok(un_h5_data_open(f, "x", &d, &s));
    assert_int_equal(un_h5_raw_offset(d, UN_F32), -1);
    int64_t at = un_h5_raw_offset(d, UN_F16);
    assert_true(at > 0);
    FILE *raw = fopen(scratch("raw.h5"), "rb");
    assert_non_null(raw);
    assert_int_equal(fseek(raw, (long)at, SEEK_SET), 0);
    assert_int_equal(fread(got, 2, 6, raw), 6);
    fclose(raw);
    assert_memory_equal(got, half, sizeof half);
    expect_ok(un_h5_read_rows(d, 1, 1, UN_F16, got));
    assert_int_equal(got[0], 3);
    assert_int_equal(got[1], 4);
    un_h5_data_close(d);
    un_h5_close(f);
}

static void test_attributes_and_texts(void **state) {
    (void)state;
    struct un_h5 *f;
    int64_t i, n, stride;
    double x;
    char text[32], *cells, **names;
    expect_ok(un_h5_create(&f, scratch("attr.h5")));
    expect_ok(un_h5_write_texts(f, "g/id", 3, 4, "ab\0\0abcd\0\0\0\0"));
    expect_ok(un_h5_write_texts(f, "none", 0, 4, ""));
    expect_ok(un_h5_put_attr_i64(f, "", "i", 5));
    expect_ok(un_h5_put_attr_i64(f, "", "i", -7)); /* replaces */
    expect_ok(un_h5_put_attr_f64(f, "g", "x", 0.1));
    expect_ok(un_h5_put_attr_text(f, "g/id", "who", "Zoë"));
    expect_ok(un_h5_put_attr_text(f, "/", "empty", ""));
    expect_ok(un_h5_commit(f));
    un_h5_close(f);
    expect_ok(un_h5_open(&f, scratch("attr.h5"), true));
    expect_ok(un_h5_attr_i64(f, "/", "i", &i));
    assert_int_equal(i, -7);
    expect_ok(un_h5_attr_f64(f, "g", "x", &x));
    assert_true(x == 0.1);
    expect_ok(un_h5_attr_f64(f, "", "i", &x));
    assert_true(x == -7);
    expect_ok(un_h5_attr_text(f, "g/id", "who", text, sizeof text));
    assert_string_equal(text, "Zoë");
    expect_ok(un_h5_attr_text(f, "", "empty", text, sizeof text));
    assert_string_equal(text, "");
    expect_error(un_h5_attr_text(f, "g/id", "who", text, 4), UN_DATA, "attr.h5", "who",
                 "4 characters, at most 3");
    expect_error(un_h5_attr_i64(f, "g", "x", &i), UN_DATA, "x", "not an integer");
    expect_error(un_h5_attr_text(f, "", "i", text, sizeof text), UN_DATA, "i is not a text");
    expect_error(un_h5_attr_i64(f, "", "j", &i), UN_DATA, "attribute j is missing");
    bool has;
    expect_ok(un_h5_has_attr(f, "", "i", &has));
    assert_true(has);
    expect_ok(un_h5_has_attr(f, "", "j", &has));
    assert_false(has);
    expect_error(un_h5_has_attr(f, "nothing", "i", &has), UN_DATA, "nothing is missing");
    assert_true(un_h5_exists(f, "g/id") && !un_h5_exists(f, "g/no") && !un_h5_exists(f, "g/id/no"));
    expect_ok(un_h5_read_texts(f, "g/id", &n, &stride, &cells));
    assert_int_equal(n, 3);
    assert_string_equal(cells, "ab");
    assert_string_equal(cells + stride, "abcd");
    assert_string_equal(cells + 2 * stride, "");
    un_free(cells);
    expect_ok(un_h5_read_texts(f, "none", &n, &stride, &cells));
    assert_int_equal(n, 0);
    un_free(cells);
    expect_ok(un_h5_names(f, "", &names, &n));
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "g");
    assert_string_equal(names[1], "none");
    un_h5_names_free(names, n);
    expect_error(un_h5_names(f, "none", &names, &n), UN_DATA, "not a group");
    un_h5_close(f);
}

struct reader {
    const char *path;
    int64_t wrong;
};
static void *read_often(void *context) {
    struct reader *r = context;
    struct un_h5 *f;
    struct un_h5_shape s;
    void *got;
    for (int i = 0; i < 50; ++i) {
        if (un_h5_open(&f, r->path, true) != UN_OK || un_h5_read_all(f, "x", UN_I32, &s, &got) != UN_OK) {
            ++r->wrong;
            return NULL;
        }
        for (int k = 0; k < 1000; ++k) r->wrong += ((int32_t *)got)[k] != k;
        un_free(got);
        un_h5_close(f);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    int32_t x[1000];
    struct un_h5 *f;
    pthread_t threads[4];
    struct reader readers[4];
    for (int i = 0; i < 1000; ++i) x[i] = i;
    expect_ok(un_h5_create(&f, scratch("threads.h5")));
    expect_ok(un_h5_write_all(f, "x", UN_I32, 1000, 0, x));
    expect_ok(un_h5_commit(f));
    un_h5_close(f);
    const char *path = scratch("threads.h5");
    for (int i = 0; i < 4; ++i) {
        readers[i] = (struct reader){path, 0};
        assert_int_equal(pthread_create(threads + i, NULL, read_often, readers + i), 0);
    }
    for (int i = 0; i < 4; ++i) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].wrong, 0);
    }
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_is_exact),
        cmocka_unit_test(test_half_rounds_to_nearest_even),
        cmocka_unit_test(test_numbers_come_back),
        cmocka_unit_test(test_what_does_not_fit_is_an_error),
        cmocka_unit_test(test_narrowed),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_pread_finds_the_rows),
        cmocka_unit_test(test_attributes_and_texts),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("io/h5", tests, NULL, remove_scratch);
}
