/* .caffemodels: every form of shapes and values, and files that lie. */
#include "io/weights/caffe.h"
#include "tests/support/expect.h"
#include "tests/support/make_caffe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- values ---- */

static void test_forms(void **state) {
    (void)state;
    static const unsigned forms[] = {0,
                                     CAFFE_OLD_SHAPE,
                                     CAFFE_LOOSE_SHAPE,
                                     CAFFE_LOOSE_VALUES,
                                     CAFFE_PIECES,
                                     CAFFE_NOISE | CAFFE_NAME_LAST,
                                     CAFFE_OLD_SHAPE | CAFFE_LOOSE_VALUES | CAFFE_NOISE,
                                     CAFFE_LOOSE_SHAPE | CAFFE_PIECES | CAFFE_NOISE | CAFFE_NAME_LAST};
    static float values[9001];
    uint64_t live = live_blocks();
    for (size_t f = 0; f < sizeof forms / sizeof *forms; ++f) {
        const struct un_caffe_file *file;
        struct wire_bytes net = {0};
        if (forms[f] & CAFFE_NOISE) wire_noise(&net);
        caffe_layer(&net, "z", (struct caffe_made[]){{1, {9001}}, {2, {2, 3}}}, 2, forms[f]);
        caffe_layer(&net, "a", NULL, 0, forms[f]);
        caffe_layer(&net, "b", (struct caffe_made[]){{4, {2, 3, 2, 1}}}, 1, forms[f]);
        expect_ok(un_caffe_open(&file, wire_save(&net, "forms")));
        assert_int_equal(file->n, 2); /* a has no values */
        assert_int_equal(un_caffe_find(file, "a"), -1);
        assert_int_equal(un_caffe_find(file, "b"), 0);
        const struct un_caffe_layer *z = &file->layers[un_caffe_find(file, "z")];
        assert_int_equal(z->n_blobs, 2);
        const struct un_caffe_blob *blob = &file->blobs[z->blob];
        assert_int_equal(blob->count, 9001);
        assert_int_equal(blob[1].rank, forms[f] & CAFFE_OLD_SHAPE ? 4 : 2);
        assert_int_equal(blob[1].shape[blob[1].rank - 2], 2);
        assert_string_equal(blob[1].layer, "z");
        static const int64_t parts[][2] = {{0, 9001}, {1, 8999}, {2999, 3}, {3000, 2},
                                           {3001, 2}, {9000, 1}, {17, 0}};
        for (size_t p = 0; p < sizeof parts / sizeof *parts; ++p) {
            expect_ok(un_caffe_read(file, z->blob, parts[p][0], parts[p][1], values));
            for (int64_t i = 0; i < parts[p][1]; ++i)
                assert_true(values[i] == caffe_value("z", 0, parts[p][0] + i));
        }
        un_caffe_close(file);
    }
    assert_int_equal(live_blocks(), live);
}

/* ---- files that lie ---- */

static void refuse(struct wire_bytes *net, const char *word1, const char *word2) {
    const struct un_caffe_file *file;
    uint64_t live = live_blocks();
    expect_error(un_caffe_open(&file, wire_save(net, "lies.caffemodel")), UN_DATA, "lies.caffemodel", word1,
                 word2);
    assert_null(file);
    assert_int_equal(live_blocks(), live);
}

static void refuse_bytes(const char *bytes, size_t n, const char *word1, const char *word2) {
    struct wire_bytes net = {0};
    wire_put(&net, bytes, n);
    refuse(&net, word1, word2);
}

#define BYTES(text) text, sizeof text - 1

static void test_wire(void **state) {
    (void)state;
    struct wire_bytes net = {0};
    refuse(&net, "no layer with values", "");
    refuse_bytes(BYTES("\x0a"), "byte 1", "beyond the message");
    refuse_bytes(BYTES("\x0a\x05"
                       "abc"),
                 "byte 2", "field 1 of 5 bytes, where 3 are left");
    refuse_bytes(BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "byte 10",
                 "of 9223372036854775807 bytes, where 0");
    refuse_bytes(BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "byte 11",
                 "of 18446744073709551615 bytes");
    refuse_bytes(BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "byte 1", "more than 64 bits");
    refuse_bytes(BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), "byte 1", "more than 64 bits");
    refuse_bytes(BYTES("\x00\x00"), "byte 0", "not the number of a field");
    refuse_bytes(BYTES("\x80\x80\x80\x80\x10\x00"), "byte 0", "not the number of a field");
    refuse_bytes(BYTES("\x0e\x00"), "byte 0", "a type that does not exist");
    refuse_bytes(BYTES("\x0d\x00\x00\x00"), "byte 1", "of 4 bytes, where 3");
    refuse_bytes(BYTES("\x09\x00\x00\x00\x00\x00\x00\x00"), "byte 1", "of 8 bytes, where 7");
    refuse_bytes(BYTES("\x0c"), "byte 0", "a group that has not begun");
    refuse_bytes(BYTES("\x0b\x14"), "byte 1", "the end of another group");
    refuse_bytes(BYTES("\x0b\x08\x01"), "byte 3", "beyond the message");
    for (int i = 0; i < 17; ++i) wire_put(&net, "\x0b", 1);
    refuse(&net, "byte 16", "nested too deeply");
    for (int i = 0; i < 16; ++i) wire_put(&net, "\x0b", 1);
    for (int i = 0; i < 16; ++i) wire_put(&net, "\x0c", 1);
    refuse(&net, "no layer with values", ""); /* sixteen are well */
    refuse_bytes(BYTES("\x12\x02\x22\x00"), "no layer with values", "upgrade_net_proto_binary");
    /* a layer whose blob says that it is longer than the layer, which would still be inside the file */
    refuse_bytes(BYTES("\xa2\x06\x05"
                       "\x0a\x01"
                       "a"
                       "\x3a\x09"
                       "\x0a\x07"
                       "xxxxxxx"),
                 "byte 8", "of 9 bytes, where 0");
}

/* A layer of one blob of these bytes. */
static void one_blob(struct wire_bytes *net, const char *name, const char *bytes, size_t n) {
    struct wire_bytes blob = {0}, layer = {0}, text = {0};
    wire_put(&blob, bytes, n);
    wire_put(&text, name, strlen(name));
    wire_field(&layer, 1, &text);
    wire_field(&layer, 7, &blob);
    wire_field(net, 100, &layer);
}

static void refuse_blob(const char *bytes, size_t n, const char *word1, const char *word2) {
    struct wire_bytes net = {0};
    one_blob(&net, "conv", bytes, n);
    refuse(&net, word1, word2);
}

static void test_blobs(void **state) {
    (void)state;
    static const char where[] = "layer conv, blob 0";
    refuse_blob(BYTES("\x3a\x03\x0a\x01\x03\x2a\x08"
                      "12345678"),
                where, "2 values, where its sizes make 3");
    refuse_blob(BYTES("\x3a\x03\x0a\x01\x03"), where, "0 values, where its sizes make 3");
    refuse_blob(BYTES("\x2a\x08"
                      "12345678"),
                where, "2 values, where its sizes make 0");
    refuse_blob(BYTES("\x3a\x03\x0a\x01\x02\x2a\x07"
                      "1234567"),
                "byte", "7 bytes are no whole number of values");
    refuse_blob(BYTES("\x3a\x03\x0a\x01\x01\x08\x01\x2a\x04"
                      "1234"),
                where, "both forms");
    refuse_blob(BYTES("\x3a\x0b\x0a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01\x2a\x04"
                      "1234"),
                where, "more than 8 axes");
    refuse_blob(BYTES("\x3a\x0c\x0a\x0a\x80\x80\x80\x80\x10\x80\x80\x80\x80\x10"), where, "overflows");
    refuse_blob(BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), where, "overflows"); /* num: -1 */
    refuse_blob(BYTES("\x3a\x04\x0a\x02\x81\x81"), "byte", "beyond the message");
    struct wire_bytes net = {0};
    one_blob(&net, "",
             BYTES("\x3a\x03\x0a\x01\x01\x2a\x04"
                   "1234"));
    refuse(&net, "layer number 0", "no name");
    one_blob(&net, "a\nb", BYTES(""));
    refuse(&net, "layer number 0", "not printable");
    char longer[258] = {0};
    memset(longer, 'n', 256);
    one_blob(&net, longer, BYTES(""));
    refuse(&net, "layer number 0", "longer than 255 bytes");
    for (int i = 0; i < 2; ++i)
        one_blob(&net, "twin",
                 BYTES("\x3a\x03\x0a\x01\x01\x2a\x04"
                       "1234"));
    refuse(&net, "two layers named twin", "blob 0");
}

/* More than is sensible is refused before memory is taken for it. */
static void test_bounds(void **state) {
    (void)state;
    struct wire_bytes net = {0}, blob = {0}, layer = {0};
    for (int i = 0; i <= UN_CAFFE_LAYERS_MAX; ++i) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        one_blob(&net, name,
                 BYTES("\x3a\x02\x0a\x00\x2a\x04"
                       "1234"));
    }
    refuse(&net, "more than 16384 layers", "");
    for (int i = 0; i <= UN_CAFFE_BLOBS_MAX; ++i)
        wire_put(&layer, BYTES("\x3a\x0a\x3a\x02\x0a\x00\x2a\x04"
                               "1234"));
    wire_field(&net, 100, &layer);
    refuse(&net, "more than 65536 blobs", "");
    for (int i = 0; i <= UN_CAFFE_RUNS_MAX; ++i)
        wire_put(&blob, BYTES("\x2a\x04"
                              "1234"));
    wire_field(&layer, 7, &blob);
    wire_field(&net, 100, &layer);
    refuse(&net, "more than 1048576 pieces", "");
    const struct un_caffe_file *file;
    expect_error(un_caffe_open(&file, scratch("none")), UN_IO, "none", "cannot open");
    expect_error(un_caffe_open(&file, scratch_folder()), UN_IO, "not a regular file");
    assert_int_equal(mkfifo(scratch("fifo"), 0600), 0);
    expect_error(un_caffe_open(&file, scratch("fifo")), UN_IO, "not a regular file");
}

static void test_values(void **state) {
    (void)state;
    const struct un_caffe_file *file;
    struct wire_bytes net = {0};
    float value[3];
    one_blob(&net, "conv",
             BYTES("\x3a\x03\x0a\x01\x03\x2a\x0c"
                   "\0\0\0\0"
                   "\0\0\x80\x7f"
                   "\0\0\0\0"));
    expect_ok(un_caffe_open(&file, wire_save(&net, "infinite")));
    expect_ok(un_caffe_read(file, 0, 0, 1, value));
    expect_error(un_caffe_read(file, 0, 0, 3, value), UN_DATA, "layer conv, blob 0", "element 1 is inf");
    assert_int_equal(truncate(scratch("infinite"), 20), 0);
    expect_error(un_caffe_read(file, 0, 0, 3, value), UN_DATA, "infinite", "ends at byte");
    un_caffe_close(file);
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),  cmocka_unit_test(test_wire),   cmocka_unit_test(test_blobs),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests_name("caffe", tests, NULL, teardown);
}
