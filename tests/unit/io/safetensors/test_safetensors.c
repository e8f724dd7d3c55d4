/* The safetensors reader against headers that lie, and the writer against an independent reading of its bytes
 * and independent rounding. */
#include "io/safetensors/safetensors.h"
#include "runtime/bfloat.h"
#include "runtime/half.h"
#include "runtime/rng.h"
#include "tests/support/expect.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *name_file(const char *text) {
    return scratch(text);
}

/* A file of a header, `data` bytes of zeros behind it, and any length in front (-1: the right one). */
static const char *make(const char *header, size_t header_bytes, int64_t said, size_t data) {
    const char *path = name_file("made.safetensors");
    FILE *f = fopen(path, "wb");
    uint64_t length = said < 0 ? header_bytes : (uint64_t)said;
    assert_non_null(f);
    fwrite(&length, 8, 1, f);
    fwrite(header, 1, header_bytes, f);
    for (size_t i = 0; i < data; ++i) fputc(0, f);
    fclose(f);
    return path;
}

#define TENSOR(name, dtype, shape, offsets)                                                                  \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void refuse(const char *header, size_t data, const char *word1, const char *word2) {
    const struct un_st_file *file;
    uint64_t live = live_blocks();
    expect_error(un_safetensors_open(&file, make(header, strlen(header), -1, data)), UN_DATA,
                 "made.safetensors", word1, word2);
    assert_null(file);
    assert_int_equal(live_blocks(), live);
}

static void test_malformed(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *words[2];
    } cases[] = {
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 7, {"tensor a", "[0, 8] end beyond the 7 bytes"}},
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 9, {"tensors end at byte 8", "the file at 9"}},
        {"{" TENSOR("a", "F32", "[2]", "[8,0]") "}", 8, {"tensor a", "[8, 0] run backwards"}},
        {"{" TENSOR("a", "F32", "[2]", "[-8,0]") "}", 8, {"tensor a", "run backwards"}},
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("b", "F32", "[2]", "[4,12]") "}",
         12,
         {"tensor b", "begins at byte 4 of the data, inside another that ends at 8"}},
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("b", "F32", "[2]", "[0,8]") "}",
         8,
         {"begins at byte 0", "inside another"}},
        {"{" TENSOR("a", "F32", "[1]", "[0,4]") "," TENSOR("b", "F32", "[1]", "[8,12]") "}",
         12,
         {"tensor b", "begins at byte 8 of the data, after a hole that begins at 4"}},
        {"{" TENSOR("a", "F32", "[1]", "[4,8]") "}", 8, {"tensor a", "after a hole that begins at 0"}},
        {"{" TENSOR("a", "F32", "[3]", "[0,8]") "}", 8, {"tensor a", "8 bytes, but shape and dtype need 12"}},
        {"{" TENSOR("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0, {"tensor a", "overflows"}},
        {"{" TENSOR("a", "F32", "[4611686018427387904]", "[0,0]") "}", 0, {"tensor a", "overflows"}},
        {"{" TENSOR("a", "F32", "[99999999999999999999]", "[0,0]") "}",
         0,
         {"not JSON: a number that is too large (jansson: "}},
        {"{" TENSOR("a", "F32", "[-1]", "[0,0]") "}", 0, {"tensor a", "not a whole number"}},
        {"{" TENSOR("a", "F32", "[1.0]", "[0,4]") "}", 4, {"tensor a", "not a whole number"}},
        {"{" TENSOR("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, {"tensor a", "9 axes"}},
        {"{" TENSOR("a", "F33", "[1]", "[0,4]") "}", 4, {"tensor a", "dtype: \"F33\" is not known"}},
        {"{" TENSOR("a", "F32", "[1]", "[0,4]") "," TENSOR("a", "F32", "[1]", "[4,8]") "}",
         8,
         {"not JSON: a key stands twice (jansson: "}},
        {"{" TENSOR("", "F32", "[1]", "[0,4]") "}", 4, {"its name is empty", "tensor 0"}},
        {"{" TENSOR("a\\nb", "F32", "[1]", "[0,4]") "}", 4, {"not printable", "tensor 0"}},
        {"{" TENSOR("a\\u0000b", "F32", "[1]", "[0,4]") "}",
         4,
         {"not JSON: a zero character in a text (jansson: "}},
        {"{\"a\":[1]}", 4, {"tensor a", "not an object"}},
        {"{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,4]}}", 4, {"tensor a", "dtype: not a string"}},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, {"tensor a", "shape: not an array"}},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, {"tensor a", "data_offsets: not two whole numbers"}},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}",
         4,
         {"tensor a", "data_offsets: not two whole numbers"}},
        {"{\"__metadata__\":[]}", 0, {"__metadata__", "not an object"}},
        {"{\"__metadata__\":{\"a\":1}}", 0, {"__metadata__", "not a string"}},
        {"{\"a\":[[[[]]]]}", 0, {"header, byte 7", "nested deeper"}},
        {"[]", 0, {"header", "not a JSON object"}},
        {"{\"a\":", 0, {"header, byte 5: not JSON: it ends in the middle (jansson: "}},
        {"{} {}", 0, {"not JSON: more stands behind its end (jansson: "}},
        {"", 0, {"header", "not JSON"}},
        {"\xff\xfe\xfd", 0, {"not JSON: a character that is not UTF-8 (jansson: "}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        refuse(cases[i].header, cases[i].data, cases[i].words[0], cases[i].words[1]);
}

static void test_lengths(void **state) {
    (void)state;
    const struct un_st_file *file;
    uint64_t live = live_blocks();
    expect_error(un_safetensors_open(&file, make("{}", 2, 3, 0)), UN_DATA, "a header of 3 bytes",
                 "the file ends after 2");
    expect_error(un_safetensors_open(&file, make("{}", 2, INT64_MAX, 0)), UN_DATA,
                 "a header of 9223372036854775807", "at most 100000000");
    expect_error(un_safetensors_open(&file, make("{}", 2, 100000001, 0)), UN_DATA, "100000001", "at most");
    FILE *f = fopen(name_file("short.safetensors"), "wb");
    fwrite("1234567", 7, 1, f);
    fclose(f);
    expect_error(un_safetensors_open(&file, name_file("short.safetensors")), UN_DATA, "7 bytes",
                 "not a safetensors");
    truncate(name_file("short.safetensors"), 0);
    expect_error(un_safetensors_open(&file, name_file("short.safetensors")), UN_DATA, "0 bytes",
                 "not a safetensors");
    expect_error(un_safetensors_open(&file, scratch("none.safetensors")), UN_IO, "none.safetensors",
                 "cannot open");
    expect_error(un_safetensors_open(&file, scratch_folder()), UN_IO, "not a regular file");
    assert_int_equal(mkfifo(scratch("fifo"), 0600), 0);
    expect_error(un_safetensors_open(&file, scratch("fifo")), UN_IO, "not a regular file");
    assert_int_equal(live_blocks(), live);
}

/* Too many values and names are refused before a library builds them. */
static void test_bounds(void **state) {
    (void)state;
    enum { N = 4000000 };
    char *text = malloc(N + 300);
    memset(text, ',', N);
    memcpy(text, "{\"a\":[0", 7);
    const struct un_st_file *file;
    expect_error(un_safetensors_open(&file, make(text, N, -1, 0)), UN_DATA, "more than 1600000 values");
    size_t used = (size_t)sprintf(text, "{\"");
    memset(text + used, 'n', 256);
    sprintf(text + used + 256, "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    expect_error(un_safetensors_open(&file, make(text, strlen(text), -1, 0)), UN_DATA,
                 "longer than 255 bytes");
    free(text);
}

static void test_good(void **state) {
    (void)state;
    const struct un_st_file *file;
    uint64_t live = live_blocks();
    static const char header[] = "{" TENSOR("b", "F32", "[]", "[0,4]") "," TENSOR(
        "a", "I64", "[0,7]", "[4,4]") ",\"__metadata__\":{\"y\":\"2\",\"x\":\"1\"}," TENSOR("c", "I64", "[1]",
                                                                                            "[4,12]") "}   ";
    expect_ok(un_safetensors_open(&file, make(header, strlen(header), -1, 12)));
    assert_int_equal(file->n, 3);
    assert_string_equal(file->list[0].name, "a");
    assert_int_equal(file->list[0].count, 0);
    assert_int_equal(file->list[1].rank, 0);
    assert_int_equal(file->list[1].count, 1);
    assert_int_equal(file->n_metadata, 2);
    assert_string_equal(file->metadata[1].key, "y");
    assert_string_equal(file->metadata[1].value, "2");
    assert_int_equal(un_safetensors_find(file, "c"), 2);
    assert_int_equal(un_safetensors_find(file, "bb"), -1);
    float value = 1;
    expect_ok(un_safetensors_read(file, 1, 0, 1, &value));
    assert_true(value == 0);
    expect_error(un_safetensors_read(file, 2, 0, 1, &value), UN_DATA, "tensor c", "I64");
    truncate(scratch("made.safetensors"), 20);
    expect_error(un_safetensors_read(file, 1, 0, 1, &value), UN_DATA, "before what its header says");
    un_safetensors_close(file);
    assert_int_equal(live_blocks(), live);
}

/* The nearest of a format with `bits` of fraction and least exponent `least`, ties to even, by arithmetic on
 * doubles: what the integer code is held against. */
static double rounded(double x, int bits, int least) {
    int exponent;
    if (x == 0 || !isfinite(x)) return x;
    frexp(x, &exponent); /* x = f * 2^exponent, 1/2 <= |f| < 1 */
    int unit = exponent - 1 < least ? least - bits : exponent - 1 - bits;
    return ldexp(nearbyint(ldexp(x, -unit)), unit);
}

static void test_rounding(void **state) {
    (void)state;
    int64_t wrong_half = 0, wrong_bfloat = 0;
    for (uint32_t i = 0; i < 400000; ++i) {
        uint32_t bits = un_rng(3, UN_RNG_TEST, 0, 0, 0, i).v[0];
        if (i % 4 == 0) bits = (bits & 0xFFFF0000u) | 0x8000u;     /* a tie of bfloat16 */
        if (i % 4 == 1) bits = (bits & 0x83FFE000u) | 0x38001000u; /* a tie of half, ordinary */
        if (i % 4 == 2) bits = (bits & 0x80FFFFFFu) | 0x33000000u; /* subnormal halves */
        float x;
        memcpy(&x, &bits, 4);
        if (isnan(x)) {
            wrong_half += !isnan(un_half_to(un_half_from(x)));
            wrong_bfloat += !isnan(un_bfloat_to(un_bfloat_from(x)));
            continue;
        }
        double half = rounded(x, 10, -14), bfloat = rounded(x, 7, -126);
        if (fabs(half) > 65504) half = copysign(INFINITY, x);
        if (fabs(bfloat) > 0x1.FEp127) bfloat = copysign(INFINITY, x);
        wrong_half += un_half_to(un_half_from(x)) != half;
        wrong_bfloat += un_bfloat_to(un_bfloat_from(x)) != bfloat;
    }
    assert_int_equal(wrong_half, 0);
    assert_int_equal(wrong_bfloat, 0);
    assert_int_equal(un_bfloat_from(1.00390625f), 0x3F80); /* 1 + 2^-8: a tie, to even */
    assert_int_equal(un_bfloat_from(1.01171875f), 0x3F82); /* 1 + 3 * 2^-8: a tie, to even */
    for (uint32_t b = 0; b < 65536; ++b)
        if (!isnan(un_bfloat_to((uint16_t)b))) assert_int_equal(un_bfloat_from(un_bfloat_to((uint16_t)b)), b);
}

/* ---- the writer ---- */

enum { ROWS = 301, COLS = 67 }; /* more than a block, and odd */

static float value_of(int64_t source, int64_t i) {
    return (float)((source + 1) * ((i * 7919) % 2003 - 1001)) * 0.37f;
}

static enum un_status fill(void *context, int64_t source, int64_t first, int64_t count, float *out) {
    for (int64_t k = 0; k < count; ++k) out[k] = value_of(source, first + k);
    if (context && source == 1 && first <= 9 && first + count > 9) out[9 - first] = *(float *)context;
    return UN_OK;
}

static struct un_st_content content(struct un_st_new list[3], enum un_st_type type) {
    static const struct un_st_pair metadata[] = {{"format", "pt"}, {"note", "a \"quoted\"\nline \xc3\xa9"}};
    list[0] = (struct un_st_new){.name = "z.weight", .rank = 2, .shape = {ROWS, COLS}, .source = 0};
    list[1] = (struct un_st_new){.name = "a.bias", .rank = 1, .shape = {13}, .source = 1};
    list[2] = (struct un_st_new){.name = "m", .rank = 0, .source = 2};
    return (struct un_st_content){
        .list = list, .n = 3, .metadata = metadata, .n_metadata = 2, .type = type, .fill = fill};
}

static void test_written(void **state) {
    (void)state;
    static const char *const names[] = {"F32", "F16", "BF16"};
    static float back[ROWS * COLS];
    for (int type = UN_ST_F32; type <= UN_ST_BF16; ++type) {
        struct un_st_new list[3];
        struct un_st_content c = content(list, (enum un_st_type)type);
        const char *path = scratch(names[type]);
        const struct un_st_file *file;
        expect_ok(un_safetensors_write(path, &c));
        expect_ok(un_safetensors_open(&file, path));
        assert_int_equal(file->n, 3);
        assert_string_equal(file->list[0].name, "a.bias");
        assert_string_equal(file->list[2].type_name, names[type]);
        assert_int_equal(file->list[0].at % 8, 0);
        assert_true(file->list[0].at < file->list[1].at && file->list[1].at < file->list[2].at);
        assert_string_equal(file->metadata[1].value, "a \"quoted\"\nline \xc3\xa9");
        expect_ok(un_safetensors_read(file, 2, 0, ROWS * COLS, back));
        for (int64_t i = 0; i < ROWS * COLS; ++i) {
            double want = value_of(0, i);
            if (type == UN_ST_F16) want = rounded(want, 10, -14);
            if (type == UN_ST_BF16) want = rounded(want, 7, -126);
            if (back[i] != want) fail_msg("%s: element %d is %g, not %g", names[type], (int)i, back[i], want);
        }
        expect_ok(un_safetensors_read(file, 2, 12345, 7, back));
        if (type == UN_ST_F32) assert_true(back[3] == value_of(0, 12348));
        un_safetensors_close(file);
        expect_error(un_safetensors_write(path, &c), UN_USAGE, names[type], "exists");
    }
}

static void test_overflow(void **state) {
    (void)state;
    static const struct {
        float value;
        enum un_st_type type;
        bool good;
    } cases[] = {{65519.0f, UN_ST_F16, true},     {65520.0f, UN_ST_F16, false},  {-1e5f, UN_ST_F16, false},
                 {INFINITY, UN_ST_F16, true},     {NAN, UN_ST_F16, true},        {3.4e38f, UN_ST_BF16, false},
                 {0x1.FEp127f, UN_ST_BF16, true}, {-INFINITY, UN_ST_BF16, true}, {3.4e38f, UN_ST_F32, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct un_st_new list[3];
        struct un_st_content c = content(list, cases[i].type);
        float value = cases[i].value;
        c.context = &value;
        const char *path = scratch("overflow"), *partial = scratch("overflow.partial");
        if (cases[i].good)
            expect_ok(un_safetensors_write(path, &c));
        else
            expect_error(un_safetensors_write(path, &c), UN_DATA, "tensor a.bias", "element 9",
                         "beyond the range");
        assert_int_equal(access(path, F_OK) == 0, cases[i].good);
        assert_int_equal(access(partial, F_OK), -1);
        unlink(path);
    }
    struct un_st_new list[3];
    struct un_st_content c = content(list, UN_ST_F32);
    expect_error(un_safetensors_write(scratch("no/such/folder"), &c), UN_IO, "cannot create");
}

static void test_doubles(void **state) {
    (void)state;
    static const char header[] = "{" TENSOR("d", "F64", "[3]", "[0,24]") "}";
    const struct un_st_file *file;
    const double values[] = {0.1, -1e300, 1.0};
    float out[3];
    const char *path = make(header, strlen(header), -1, 24);
    FILE *f = fopen(path, "r+b");
    fseek(f, 8 + (long)strlen(header), SEEK_SET);
    fwrite(values, sizeof values, 1, f);
    fclose(f);
    expect_ok(un_safetensors_open(&file, path));
    expect_ok(un_safetensors_read(file, 0, 0, 1, out));
    assert_true(out[0] == 0.1f);
    expect_error(un_safetensors_read(file, 0, 0, 3, out), UN_DATA, "tensor d", "element 1", "-1e+300");
    un_safetensors_close(file);
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_lengths),  cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_good),      cmocka_unit_test(test_rounding), cmocka_unit_test(test_written),
        cmocka_unit_test(test_overflow),  cmocka_unit_test(test_doubles),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, teardown);
}
