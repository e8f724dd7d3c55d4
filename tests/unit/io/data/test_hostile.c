/* Wrong files, one break at a time: the right status, a message that names the file and the row or key, by
 * training's way of reading and by `verify`. Random damage is the matter of test_damage. */
#include "io/h5/h5.h"
#include "io/inspect/inspect.h"
#include "runtime/memory.h"
#include "tests/support/broken.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"
#include "tests/support/one_set.h"
#include "tests/support/read_all.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static FILE *sink; /* what verify prints */

/* verify both files until one is refused. */
static enum un_status verify_pair(void) {
    UN_TRY(un_verify(img, sink, NULL));
    return un_verify(txt, sink, NULL);
}

static void expect_case(enum un_status status, const struct broken *c, const char *by) {
    char text[UN_ERROR_MAX];
    snprintf(text, sizeof text, "%s", un_error_get()->text);
    bool said = status == c->status;
    for (int i = 0; i < 4 && c->words[i]; ++i) said = said && strstr(text, c->words[i]);
    un_error_clear();
    if (!said) fail_msg("%s, by %s: status %d: %s", c->name, by, (int)status, text);
}

static void fresh_pair(void) {
    struct make_files m = make_files_default();
    m.align = true;
    remove(img); /* a folder or a pipe of the case before */
    expect_ok(make_files(&m, img, txt));
}

static void test_one_break_at_a_time(void **state) {
    (void)state;
    uint64_t digest;
    fresh_pair();
    expect_ok(read_all(img, txt, &digest));
    expect_ok(verify_pair());
    for (int64_t i = 0; i < broken_cases_count; ++i) {
        const struct broken *c = broken_cases + i;
        fresh_pair();
        c->how();
        uint64_t before = live_blocks();
        if (c->who != VERIFY_ONLY)
            expect_case(read_all(img, txt, &digest), c, "reading");
        else
            expect_ok(read_all(img, txt, &digest));
        if (c->who != READ_ONLY)
            expect_case(verify_pair(), c, "verify");
        else
            expect_ok(verify_pair());
        assert_int_equal(live_blocks(), before);
    }
    assert_true(un_memory_counts().peak_bytes < 64 << 20);
}

/* The row and the image in the message are the right ones. */
static void test_the_message_names_the_row(void **state) {
    (void)state;
    uint64_t digest;
    char row[64];
    fresh_pair();
    broken_apply("NaN feature");
    snprintf(row, sizeof row, "image img_000004, row %lld, column 7", (long long)region_row(4) + 1);
    expect_error(read_all(img, txt, &digest), UN_DATA, img, row);
    fresh_pair();
    broken_apply("token negative");
    snprintf(row, sizeof row, "text img_000003#1, row %lld", (long long)word_row(7) + 1);
    expect_error(read_all(img, txt, &digest), UN_DATA, txt, row);
}

static void test_files_that_disagree(void **state) {
    (void)state;
    struct make_files m = make_files_default(), other = m;
    struct one_set set;
    struct un_dataset *d;
    const char *img2 = scratch("two.img.h5"), *txt2 = scratch("two.txt.h5");
    fresh_pair();
    const char *const images[] = {img, img2, NULL}, *const texts[] = {txt, txt2, NULL};
    expect_ok(make_files(&other, img2, txt2));
    one_set_init(&set, images, texts);
    expect_error(one_set_open(&d, &set), UN_DATA, img, img2, "img_000000", "row 0");
    other.prefix = "two";
    other.img_dim = 17;
    expect_ok(make_files(&other, img2, txt2));
    expect_error(one_set_open(&d, &set), UN_DATA, img, img2, "width of feature is 17, but 16");
    other.img_dim = 16;
    other.feature_type = UN_F32;
    expect_ok(make_files(&other, img2, txt2));
    expect_error(one_set_open(&d, &set), UN_DATA, img, img2, "bytes of a feature is 4, but 2");
    other.feature_type = UN_F16;
    other.classes = 12;
    expect_ok(make_files(&other, img2, txt2));
    expect_error(one_set_open(&d, &set), UN_DATA, img, img2, "width of soft_label is 12, but 11");
    other.classes = 0;
    expect_ok(make_files(&other, img2, txt2));
    expect_ok(one_set_open(&d, &set));
    assert_int_equal(un_dataset_info(d)->img_label_dim, 0);
    assert_false(un_dataset_info(d)->aligned);
    un_dataset_close(d);
    set.soft_labels = true;
    expect_error(one_set_open(&d, &set), UN_DATA, img2, "soft_label is missing");
    set.soft_labels = false;
    other.vocab_size = 51;
    expect_ok(make_files(&other, img2, txt2));
    expect_error(one_set_open(&d, &set), UN_DATA, txt, txt2, "vocab_size is 51, but 50");
}

static void test_names_of_files(void **state) {
    (void)state;
    struct one_set set;
    struct un_dataset *d;
    fresh_pair();
    ONE_SET(&set, scratch("no_such_*.h5"), txt);
    expect_error(one_set_open(&d, &set), UN_IO, "data set one: images", "no_such_*.h5", "matches no file");
    ONE_SET(&set, img, scratch("no_such_file.h5"));
    expect_error(one_set_open(&d, &set), UN_IO, "no_such_file.h5", "No such file");
    ONE_SET(&set, img, txt);
    set.keys.text.n = 0;
    expect_error(one_set_open(&d, &set), UN_USAGE, "data set one: text", "no file");
    /* A name with pattern characters that is a file means that file. */
    assert_int_equal(rename(img, scratch("odd[1].img.h5")), 0);
    ONE_SET(&set, scratch("odd[1].img.h5"), txt);
    expect_ok(one_set_open(&d, &set));
    un_dataset_close(d);
    remove(scratch("odd[1].img.h5"));
}

/* Root may read everything, so a child gives that up first. */
static int read_as_nobody(void *context) {
    uint64_t digest;
    (void)context;
    uid_t self = geteuid();
    if (self == 0 && (chmod(scratch_folder(), 0755) != 0 || seteuid(65534) != 0)) return 77;
    enum un_status status = read_all(img, txt, &digest);
    if (seteuid(self) != 0) return 2; /* the leak sanitizer cannot work as nobody */
    const char *text = un_error_get()->text;
    return status == UN_IO && strstr(text, img) && strstr(text, "Permission denied") ? 0 : 1;
}
static void test_no_permission(void **state) {
    (void)state;
    fresh_pair();
    assert_int_equal(chmod(img, 0), 0);
    int how = in_child(read_as_nobody, NULL, 20);
    if (WIFEXITED(how) && WEXITSTATUS(how) == 77) skip();
    assert_int_equal(how, 0);
}

/* A file that becomes shorter while it is read: UN_IO that names the row, by pread and through HDF5. */
static void test_shortened_while_open(void **state) {
    (void)state;
    struct one_set set;
    struct un_dataset *d;
    float feature[9 * 16], box[9 * 7];
    for (int packed = 0; packed < 2; ++packed) {
        hid_t half = mutate_half_type();
        fresh_pair();
        if (packed) mutate_restore(img, "feature", half, 2, 1);
        H5Tclose(half);
        ONE_SET(&set, img, txt);
        expect_ok(one_set_open(&d, &set));
        expect_ok(un_dataset_read_image(d, 5, feature, box));
        mutate_truncate(img, 8);
        expect_error(un_dataset_read_image(d, 0, feature, box), UN_IO, img, "feature",
                     packed ? "rows" : "row ");
        un_dataset_close(d);
    }
}

/* inspect shows good files and refuses bad ones like verify. */
static void test_inspect(void **state) {
    (void)state;
    char *shown = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&shown, &size);
    fresh_pair();
    expect_ok(un_inspect(img, out));
    expect_ok(un_inspect(txt, out));
    fclose(out);
    static const char *const words[] = {"uniter-images",
                                        "images                  6",
                                        "16 wide, f16",
                                        "11 classes",
                                        "regions of an image",
                                        "uniter-text",
                                        "texts                  12",
                                        "tokenizer made-up",
                                        "words of a text",
                                        "text 0 of seed 1",
                                        "█"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; ++i)
        if (!strstr(shown, words[i])) fail_msg("\"%s\" is not shown in:\n%s", words[i], shown);
    free(shown);
    broken_apply("offset backwards");
    expect_error(un_inspect(img, sink), UN_DATA, img, "backwards");
    broken_apply("complete 0");
    expect_error(un_inspect(txt, sink), UN_DATA, txt, "complete");
}

/* Sentences must be UTF-8; soft labels must sum to one; boxes must have the width they say: only verify
 * looks. */
static void test_only_verify_looks(void **state) {
    (void)state;
    uint64_t digest;
    fresh_pair();
    mutate_set_int(txt, "sentence", 3, 0xC0);
    expect_ok(read_all(img, txt, &digest));
    expect_error(un_verify(txt, sink, NULL), UN_DATA, txt, "sentence", "img_000000#0", "byte 3", "UTF-8");
    mutate_set_float(img, "soft_label", 2, 10, 0.5);
    expect_error(un_verify(img, sink, NULL), UN_DATA, img, "soft_label: row 2: sums to");
    fresh_pair();
    mutate_set_float(img, "box", 1, 4, 0.01);
    expect_ok(read_all(img, txt, &digest));
    expect_error(un_verify(img, sink, NULL), UN_DATA, img, "box: row 1");
    fresh_pair();
    mutate_set_float(img, "confidence", 0, 0, 1.5);
    expect_error(un_verify(img, sink, NULL), UN_DATA, img, "confidence: row 0: 1.5");
}

static int set_up(void **state) {
    (void)state;
    static char paths[2][512];
    snprintf(paths[0], sizeof paths[0], "%s", scratch("bad.img.h5"));
    snprintf(paths[1], sizeof paths[1], "%s", scratch("bad.txt.h5"));
    img = paths[0];
    txt = paths[1];
    sink = fopen("/dev/null", "w");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return sink ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    fclose(sink);
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_break_at_a_time),
        cmocka_unit_test(test_the_message_names_the_row),
        cmocka_unit_test(test_files_that_disagree),
        cmocka_unit_test(test_names_of_files),
        cmocka_unit_test(test_no_permission),
        cmocka_unit_test(test_shortened_while_open),
        cmocka_unit_test(test_inspect),
        cmocka_unit_test(test_only_verify_looks),
    };
    return cmocka_run_group_tests_name("wrong data files", tests, set_up, tear_down);
}
