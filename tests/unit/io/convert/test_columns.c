/* Columns that the program does not know, through merge and subset: every value, whatever its form and type; what is
 * not kept is told, and files that differ in them are not merged. */
#include "io/convert/select/select.h"
#include "io/data/file.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXTS = 12 };
static const struct un_image_import quiet = {.threads = 2, .quiet = true};
static char path[3][512];

static void put(hid_t file, const char *name, hid_t type, hsize_t rows, hsize_t cols, hid_t memory,
                const void *values) {
    const hsize_t dims[] = {rows, cols};
    hid_t space = H5Screate_simple(cols ? 2 : 1, dims, NULL);
    hid_t data = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(data);
    H5Sclose(space);
}

/* Everything about row i of file `which` is a function of both. */
static int64_t weight_of(int which, int64_t i) {
    return which * 1000 + i * ((int64_t)1 << 40);
}
static int32_t small_of(int which, int64_t i) {
    return (int32_t)(which * 100 + i) - 50;
}
static float side_of(int which, int64_t i, int64_t k) {
    return (float)(which * 64 + i * 4 + k) / 8.0f;
}
static int64_t range_of(int which, int64_t i) {
    return (i * 3 + which) % 5;
}
static void name_of(int which, int64_t i, char name[32]) {
    snprintf(name, 32, "%.*s%lld", (int)(i % 4 + which), "abcdefgh", (long long)i);
}

static void add_columns(int which) {
    int64_t weight[TEXTS], offset[TEXTS + 1] = {0};
    int32_t small[TEXTS];
    float side[TEXTS][3], item[TEXTS * 5][2];
    char name[TEXTS][32] = {{0}};
    uint8_t byte[TEXTS];
    for (int64_t i = 0; i < TEXTS; ++i) {
        weight[i] = weight_of(which, i);
        small[i] = small_of(which, i);
        byte[i] = (uint8_t)(200 + i);
        name_of(which, i, name[i]);
        for (int64_t k = 0; k < 3; ++k) side[i][k] = side_of(which, i, k);
        offset[i + 1] = offset[i] + range_of(which, i);
        for (int64_t k = offset[i]; k < offset[i + 1]; ++k)
            for (int64_t c = 0; c < 2; ++c) item[k][c] = side_of(which, i, 10 * (k - offset[i]) + c);
    }
    hid_t file = mutate_open(path[which]), half = mutate_half_type(), text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, 32);
    put(file, "weight", H5T_STD_I64LE, TEXTS, 0, H5T_NATIVE_INT64, weight);
    put(file, "small", H5T_STD_I16BE, TEXTS, 0, H5T_NATIVE_INT32, small);
    put(file, "byte", H5T_STD_U8LE, TEXTS, 0, H5T_NATIVE_UINT8, byte);
    put(file, "side", half, TEXTS, 3, H5T_NATIVE_FLOAT, side);
    put(file, "hint", text, TEXTS, 0, text, name);
    put(file, "item_offset", H5T_STD_I64LE, TEXTS + 1, 0, H5T_NATIVE_INT64, offset);
    put(file, "item", H5T_IEEE_F32LE, (hsize_t)offset[TEXTS], 2, H5T_NATIVE_FLOAT, item);
    put(file, "odd", H5T_STD_I32LE, 5, 0, H5T_NATIVE_INT32, small);
    H5Tclose(text);
    H5Tclose(half);
    H5Fclose(file);
}

static void make_both(void) {
    for (int which = 0; which < 2; ++which) {
        struct make_files m = make_files_default();
        m.prefix = which ? "b" : "a";
        expect_ok(make_files(&m, NULL, path[which]));
        add_columns(which);
    }
    remove(path[2]);
}

static enum un_status merge(struct un_select *select) {
    const char *const in[] = {path[0], path[1]};
    return un_select_merge(in, 2, path[2], select, "a test", &quiet);
}

static void *whole(struct un_h5 *file, const char *name, enum un_type type, int64_t rows) {
    struct un_h5_shape shape;
    void *values;
    expect_ok(un_h5_read_all(file, name, type, &shape, &values));
    assert_int_equal(shape.dims[0], rows);
    return values;
}

/* Row `row` of the result must be text i of file `which`. */
static void check(const int (*rows)[2], int64_t n) {
    struct un_h5 *file;
    int64_t items = 0, texts, stride, at = 0;
    char *hints;
    for (int64_t r = 0; r < n; ++r) items += range_of(rows[r][0], rows[r][1]);
    expect_ok(un_h5_open(&file, path[2], true));
    int64_t *weight = whole(file, "weight", UN_I64, n), *offset = whole(file, "item_offset", UN_I64, n + 1);
    int32_t *small = whole(file, "small", UN_I32, n);
    uint8_t *byte = whole(file, "byte", UN_U8, n);
    float *side = whole(file, "side", UN_F32, n), *item = whole(file, "item", UN_F32, items);
    expect_ok(un_h5_read_texts(file, "hint", &texts, &stride, &hints));
    for (int64_t r = 0; r < n; ++r) {
        int which = rows[r][0], i = rows[r][1];
        char name[32];
        name_of(which, i, name);
        assert_true(weight[r] == weight_of(which, i));
        assert_int_equal(small[r], small_of(which, i));
        assert_int_equal(byte[r], 200 + i);
        assert_string_equal(hints + r * stride, name);
        for (int64_t k = 0; k < 3; ++k) assert_true(side[3 * r + k] == side_of(which, i, k));
        assert_int_equal(offset[r + 1] - offset[r], range_of(which, i));
        for (int64_t k = 0; k < range_of(which, i); ++k, ++at)
            for (int64_t c = 0; c < 2; ++c) assert_true(item[2 * at + c] == side_of(which, i, 10 * k + c));
    }
    assert_false(un_h5_has_link(file, "odd"));
    un_h5_close(file);
    un_free(weight);
    un_free(offset);
    un_free(small);
    un_free(byte);
    un_free(side);
    un_free(item);
    un_free(hints);
}

static void test_merge(void **state) {
    (void)state;
    int rows[2 * TEXTS][2];
    struct un_select all = {.rule = UN_SELECT_ALL};
    uint64_t before = live_blocks();
    make_both();
    expect_ok(merge(&all));
    for (int r = 0; r < 2 * TEXTS; ++r) rows[r][0] = r / TEXTS, rows[r][1] = r % TEXTS;
    check((const int(*)[2])rows, 2 * TEXTS);
    assert_int_equal(live_blocks(), before);
}

/* Images 1, 2 of the first file and 0, 5 of the second; their texts come in twos. */
static void test_subset(void **state) {
    (void)state;
    static const int rows[8][2] = {{0, 2}, {0, 3}, {0, 4}, {0, 5}, {1, 0}, {1, 1}, {1, 10}, {1, 11}};
    const char *list = scratch("ids");
    FILE *f = fopen(list, "w");
    fputs("a_000001\nb_000005\na_000002\nb_000000\n", f);
    fclose(f);
    struct un_select ids;
    expect_ok(un_select_ids(&ids, list));
    make_both();
    expect_ok(merge(&ids));
    un_select_free(&ids);
    check(rows, 8);
}

static void test_files_that_differ(void **state) {
    (void)state;
    struct un_select all = {.rule = UN_SELECT_ALL};
    make_both();
    mutate_delete(path[1], "weight");
    expect_error(merge(&all), UN_DATA, path[1], "weight is missing or of another form than in", path[0]);
    make_both();
    mutate_delete(path[0], "side");
    expect_error(merge(&all), UN_DATA, path[1], "has 7 columns that are not known", path[0], "6");
    make_both();
    mutate_set_int(path[1], "item_offset", 4, 1);
    expect_error(merge(&all), UN_DATA, path[1], "item_offset: row 4", "run backwards");
    assert_int_equal(access(path[2], F_OK), -1);
}

/* Every allocation fails once. */
static void test_no_memory(void **state) {
    (void)state;
    struct un_select all = {.rule = UN_SELECT_ALL};
    uint64_t before = live_blocks();
    enum un_status status = UN_MEMORY;
    make_both();
    for (uint64_t n = 1; status != UN_OK; ++n) {
        un_memory_fail_at(n);
        status = merge(&all);
        un_memory_fail_at(0);
        if (status != UN_OK) expect_error(status, UN_MEMORY, "");
        assert_int_equal(live_blocks(), before);
        assert_int_equal(access(path[2], F_OK), status == UN_OK ? 0 : -1);
    }
}

static int set_up(void **state) {
    (void)state;
    static const char *const names[] = {"a.txt.h5", "b.txt.h5", "all.txt.h5"};
    for (int i = 0; i < 3; ++i) snprintf(path[i], sizeof path[i], "%s", scratch(names[i]));
    return 0;
}
static int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_subset),
        cmocka_unit_test(test_files_that_differ),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("unknown columns", tests, set_up, tear_down);
}
