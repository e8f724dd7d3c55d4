/* Grids as a source: which rows of a file an image is, for any reader in any order; boxes of cells; squares and class tokens;
 * what a half-done import may go on with; where an array lies in its file. */
#include "io/convert/format/array_file.h"
#include "io/convert/image/source.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 5, REGIONS_MOST = 200 };

/* Small whole numbers and quarters: exact in every type. */
static float value_of(int64_t image, int64_t token, int64_t column) {
    return (float)(image * 7 + token) * 0.25f - (float)column;
}
/* The bits of such a value, worked out here: sign, exponent, the upper bits of the fraction. */
static uint16_t narrow(float value, bool brain) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if (brain) return (uint16_t)(bits >> 16);
    if ((bits & 0x7FFFFFFFu) == 0) return (uint16_t)(bits >> 16);
    uint32_t exponent = (bits >> 23 & 0xFFu) - 127u + 15u;
    return (uint16_t)((bits >> 16 & 0x8000u) | exponent << 10 | (bits >> 13 & 0x3FFu));
}

static void put_values(FILE *f, enum un_array_number number, int64_t first, int64_t images, int64_t tokens) {
    for (int64_t i = first; i < first + images; ++i)
        for (int64_t t = 0; t < tokens; ++t)
            for (int64_t c = 0; c < WIDTH; ++c) {
                float value = value_of(i, t, c);
                uint16_t small = narrow(value, number == UN_ARRAY_BF16);
                fwrite(number == UN_ARRAY_F32 ? (const void *)&value : &small,
                       number == UN_ARRAY_F32 ? sizeof value : sizeof small, 1, f);
            }
}

/* Images [first, first + n): bf16 as a .safetensors with another tensor before it, the others as an .npy. */
static const char *make(const char *name, enum un_array_number number, int64_t first, int64_t n,
                        int64_t tokens) {
    const char *path = scratch(name);
    char head[300];
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (number == UN_ARRAY_BF16) {
        long long bytes = (long long)(n * tokens * WIDTH * 2);
        uint64_t length = (uint64_t)snprintf(
            head, sizeof head,
            "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},\"grid\":{\"dtype\":"
            "\"BF16\",\"shape\":[%lld,%lld,%d],\"data_offsets\":[3,%lld]}}",
            (long long)n, (long long)tokens, WIDTH, bytes + 3);
        fwrite(&length, sizeof length, 1, f);
        fprintf(f, "%sxyz", head);
    } else {
        int length = snprintf(head, sizeof head,
                              "{'descr': '<f%d', 'fortran_order': False, 'shape': (%lld, %lld, %d), }\n",
                              number == UN_ARRAY_F16 ? 2 : 4, (long long)n, (long long)tokens, WIDTH);
        const unsigned char magic[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)length, 0};
        fwrite(magic, sizeof magic, 1, f);
        fputs(head, f);
    }
    put_values(f, number, first, n, tokens);
    assert_int_equal(fclose(f), 0);
    return path;
}

static const char *make_ids(const char *name, int64_t first, int64_t n) {
    const char *path = scratch(name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int64_t i = first; i < first + n; ++i) fprintf(f, "image %lld\n", (long long)i);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void check_cell(const float *b, int64_t cell, int64_t rows, int64_t cols) {
    int64_t r = cell / cols, c = cell % cols;
    const float x1 = (float)((double)c / (double)cols), x2 = (float)((double)(c + 1) / (double)cols);
    const float y1 = (float)((double)r / (double)rows), y2 = (float)((double)(r + 1) / (double)rows);
    const float want[] = {x1, y1, x2, y2, x2 - x1, y2 - y1};
    for (int k = 0; k < 6; ++k) assert_true(b[k] == want[k]);
}

/* One image as the reader gives it. skip: tokens of the file before the first region. */
static void check_image(struct un_image_reader *reader, const struct un_image_source *source,
                        const struct un_image_list *list, int64_t i, int64_t rows, int64_t cols,
                        int64_t skip) {
    struct un_image_record r;
    bool whole = false;
    expect_ok(source->ops->read(reader, list, i, &r));
    assert_int_equal(r.regions, list->list[i].regions);
    assert_null(r.confidence);
    assert_null(r.soft);
    if ((whole = r.regions == rows * cols + 1)) {
        const float want[] = {0, 0, 1, 1, 1, 1};
        for (int k = 0; k < 6; ++k) assert_true(r.box[k] == want[k]);
    }
    for (int64_t k = whole; k < r.regions; ++k) check_cell(r.box + 6 * k, k - whole, rows, cols);
    for (int64_t k = 0; k < r.regions; ++k)
        for (int64_t c = 0; c < WIDTH; ++c) {
            float value = value_of(i, k + skip, c);
            if (list->shape.feature_type == UN_F16)
                assert_int_equal(((const uint16_t *)r.feature)[k * WIDTH + c], narrow(value, false));
            else
                assert_true(((const float *)r.feature)[k * WIDTH + c] == value);
        }
}

static void any_order(enum un_array_number number, bool keep) {
    static const int64_t count[] = {2, 1, 4}, order[] = {6, 0, 3, 2, 2, 5, 1, 4};
    uint64_t live = live_blocks();
    const char *paths[] = {make("a.x", number, 0, 2, 7), make("b.x", number, 2, 1, 7),
                           make("c.x", number, 3, 4, 7)};
    const struct un_image_grid grid = {make_ids("all.txt", 0, 7), number == UN_ARRAY_BF16 ? "grid" : "", 2, 3,
                                       keep};
    struct un_image_source *source;
    struct un_image_list list = {0};
    struct un_image_reader *reader[2];
    expect_ok(un_image_source_grid(&source, paths, 3, &grid));
    expect_ok(source->ops->survey(source, &list));
    expect_ok(un_image_list_check(&list, source->name));
    assert_int_equal(list.n, count[0] + count[1] + count[2]);
    assert_int_equal(list.regions, 7 * (keep ? 7 : 6));
    assert_int_equal(list.shape.feature_type, number == UN_ARRAY_F16 ? UN_F16 : UN_F32);
    assert_int_equal(list.shape.img_dim, WIDTH);
    assert_true(list.shape.classes == 0 && !list.shape.has_confidence);
    assert_string_equal(list.list[5].id, "image 5");
    for (int k = 0; k < 2; ++k) expect_ok(source->ops->reader_open(source, &reader[k]));
    for (size_t k = 0; k < sizeof order / sizeof *order; ++k)
        check_image(reader[k % 2], source, &list, order[k], 2, 3, keep ? 0 : 1);
    for (int k = 0; k < 2; ++k) source->ops->reader_close(reader[k]);
    un_image_list_free(&list);
    un_image_source_close(source);
    assert_int_equal(live_blocks(), live);
}

static void test_any_order(void **state) {
    (void)state;
    for (int keep = 0; keep < 2; ++keep) {
        any_order(UN_ARRAY_F16, keep);
        any_order(UN_ARRAY_BF16, keep);
        any_order(UN_ARRAY_F32, keep);
    }
}

/* Surveys one file of two images; regions: what is expected of an image, 0: refused with the word. */
static void tokens(int64_t n, int64_t rows, int64_t cols, bool keep, int64_t regions, const char *word) {
    uint64_t live = live_blocks();
    const char *path = make("t.npy", UN_ARRAY_F32, 0, 2, n);
    const struct un_image_grid grid = {make_ids("two.txt", 0, 2), "", rows, cols, keep};
    struct un_image_source *source;
    struct un_image_list list = {0};
    expect_ok(un_image_source_grid(&source, &path, 1, &grid));
    enum un_status status = source->ops->survey(source, &list);
    if (regions) {
        expect_ok(status);
        assert_int_equal(list.n, 2);
        assert_int_equal(list.list[1].regions, regions);
    } else {
        expect_error(status, keep ? UN_USAGE : UN_DATA, "t.npy", word);
    }
    un_image_list_free(&list);
    un_image_source_close(source);
    assert_int_equal(live_blocks(), live);
}

static void test_tokens(void **state) {
    (void)state;
    tokens(1, 0, 0, false, 1, NULL);
    tokens(2, 0, 0, false, 1, NULL);
    tokens(2, 0, 0, true, 2, NULL);
    tokens(49, 0, 0, false, 49, NULL);
    tokens(50, 0, 0, false, 49, NULL);
    tokens(50, 0, 0, true, 50, NULL);
    tokens(50, 5, 10, false, 50, NULL);
    tokens(50, 49, 1, true, 50, NULL);
    tokens(197, 14, 14, false, 196, NULL);
    tokens(12, 0, 0, false, 0, "12 rows an image are no square");
    tokens(51, 7, 7, false, 0, "7 x 7 cells are 49, or 50");
    tokens(48, 7, 7, false, 0, "48 rows");
    tokens(49, 0, 0, true, 0, "7 x 7 cells");
}

/* 100 GB of which only the last number of the last image is written. */
static void test_large(void **state) {
    (void)state;
    enum { IMAGES = 24000, TOKENS = 257, FAR = 8192 };
    const char *path = scratch("large.npy"), *ids = make_ids("large.txt", 0, IMAGES);
    char head[100];
    int length =
        snprintf(head, sizeof head, "{'descr': '<f2', 'fortran_order': False, 'shape': (%d, %d, %d), }\n",
                 IMAGES, TOKENS, FAR);
    const unsigned char magic[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)length, 0};
    const uint16_t last = 0x3C01;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(magic, sizeof magic, 1, f);
    fputs(head, f);
    if (fseeko(f, (off_t)10 + length + (off_t)IMAGES * TOKENS * FAR * 2 - 2, SEEK_SET) != 0 ||
        fwrite(&last, 2, 1, f) != 1 || fclose(f) != 0) {
        print_message("no sparse files of this size here\n");
        skip();
    }
    const struct un_image_grid grid = {ids, "", 16, 16, false};
    struct un_image_source *source;
    struct un_image_list list = {0};
    struct un_image_reader *reader;
    struct un_image_record record;
    expect_ok(un_image_source_grid(&source, &path, 1, &grid));
    expect_ok(source->ops->survey(source, &list));
    expect_ok(source->ops->reader_open(source, &reader));
    expect_ok(source->ops->read(reader, &list, IMAGES - 1, &record));
    assert_int_equal(((const uint16_t *)record.feature)[256 * FAR - 1], last);
    assert_int_equal(((const uint16_t *)record.feature)[256 * FAR - 2], 0);
    source->ops->reader_close(reader);
    un_image_list_free(&list);
    un_image_source_close(source);
    assert_int_equal(remove(path), 0);
}

static uint64_t stamp_of(const char *path, const struct un_image_grid *grid) {
    struct un_image_source *source;
    expect_ok(un_image_source_grid(&source, &path, 1, grid));
    uint64_t stamp = source->stamp;
    un_image_source_close(source);
    return stamp;
}

/* An import that was stopped goes on only where every byte would be the same. */
static void test_stamp(void **state) {
    (void)state;
    const char *path = make("s.npy", UN_ARRAY_F32, 0, 3, 16), *ids = make_ids("s.txt", 0, 3);
    const struct un_image_grid grid = {ids, "", 4, 4, false};
    struct un_image_grid other[4] = {grid, grid, grid, grid};
    uint64_t stamp = stamp_of(path, &grid);
    assert_true(stamp == stamp_of(path, &grid));
    other[0].rows = 2, other[0].cols = 8;
    other[1].rows = 8, other[1].cols = 2;
    other[2].keep_class = true;
    other[3].tensor = "x";
    for (int i = 0; i < 4; ++i) assert_true(stamp != stamp_of(path, other + i));
    make_ids("s.txt", 1, 3 * 100);
    assert_true(stamp != stamp_of(path, &grid));
}

static void test_changed(void **state) {
    (void)state;
    const char *path = make("s.npy", UN_ARRAY_F32, 0, 3, 16);
    const struct un_image_grid grid = {make_ids("s.txt", 0, 3), "", 4, 4, false};
    struct un_image_source *source;
    struct un_image_list list = {0};
    struct un_image_reader *reader;
    struct un_image_record record;
    expect_ok(un_image_source_grid(&source, &path, 1, &grid));
    expect_ok(source->ops->survey(source, &list));
    expect_ok(source->ops->reader_open(source, &reader));
    make("s.npy", UN_ARRAY_F32, 1, 4, 16);
    expect_error(source->ops->read(reader, &list, 1, &record), UN_DATA, "s.npy", "changed since the survey");
    source->ops->reader_close(reader);
    un_image_list_free(&list);
    un_image_source_close(source);
    const struct un_image_grid half = {"", "", 4, 0, false};
    expect_error(un_image_source_grid(&source, &path, 1, &half), UN_USAGE, "rows=4 cols=0");
    const struct un_image_grid without = {"", "", 4, 4, false};
    expect_error(un_image_source_grid(&source, &path, 1, &without), UN_USAGE, "s.npy", "s.ids");
}

static void test_look(void **state) {
    (void)state;
    struct un_array_file a;
    expect_ok(un_array_file_look(&a, make("l.npy", UN_ARRAY_F16, 0, 3, 4), ""));
    assert_true(a.number == UN_ARRAY_F16 && a.rank == 3 && a.dims[0] == 3 && a.dims[1] == 4 &&
                a.dims[2] == WIDTH);
    const char *path = make("l.x", UN_ARRAY_BF16, 0, 3, 4);
    expect_ok(un_array_file_look(&a, path, "grid"));
    assert_true(a.number == UN_ARRAY_BF16 && a.rank == 3 && a.dims[1] == 4);
    FILE *f = fopen(path, "rb");
    uint64_t length;
    assert_int_equal(fread(&length, sizeof length, 1, f), 1);
    fclose(f);
    assert_int_equal(a.at, 8 + (int64_t)length + 3);
    expect_error(un_array_file_look(&a, path, ""), UN_USAGE, "l.x", "2 tensors", "tensor=NAME", "a, grid");
    expect_error(un_array_file_look(&a, path, "a"), UN_DATA, "l.x", "tensor a", "U8");
    expect_error(un_array_file_look(&a, path, "b"), UN_DATA, "l.x", "no tensor b", "a, grid");
    expect_error(un_array_file_look(&a, scratch_folder(), ""), UN_IO, "not a regular file");
    expect_error(un_array_file_look(&a, scratch("none"), ""), UN_IO, "none");
}

/* Names that do not all fit into a message. */
static void test_many_names(void **state) {
    (void)state;
    const char *path = scratch("many.x");
    struct un_array_file a;
    for (int length = 1; length < 80; ++length) {
        char head[20000];
        int at = snprintf(head, sizeof head, "{");
        for (int i = 0; i < 40; ++i)
            at += snprintf(head + at, sizeof head - (size_t)at,
                           "%s\"%0*d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
                           i ? "," : "", length + 1, i);
        at += snprintf(head + at, sizeof head - (size_t)at, "}");
        FILE *f = fopen(path, "wb");
        uint64_t bytes = (uint64_t)at;
        fwrite(&bytes, sizeof bytes, 1, f);
        fwrite(head, 1, (size_t)at, f);
        assert_int_equal(fclose(f), 0);
        expect_error(un_array_file_look(&a, path, ""), UN_USAGE, "40 tensors", length > 5 ? "..." : "0, ");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order),  cmocka_unit_test(test_large),   cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_stamp),      cmocka_unit_test(test_changed), cmocka_unit_test(test_look),
        cmocka_unit_test(test_many_names),
    };
    un_log_set(0, UN_LOG_ERROR);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove();
    return failed;
}
