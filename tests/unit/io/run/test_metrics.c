/* metrics.jsonl: every line parses and comes back with nine digits; what a resumed run writes again is cut
 * first; a full disk leaves no torn line. */
#include "io/run/metrics.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[512];

static int open_folder(void **state) {
    (void)state;
    snprintf(path, sizeof path, "%s", scratch("metrics.jsonl"));
    return 0;
}

static int close_folder(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

static void overwrite(const char *text, size_t bytes) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, bytes, f), bytes);
    fclose(f);
}

static char *slurp(void) {
    static char text[1 << 18];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void test_line(void **state) {
    (void)state;
    uint64_t live = live_blocks();
    remove(path);
    struct un_metrics *m;
    expect_ok(un_metrics_open(&m, path, 0));
    un_metrics_begin(m, 12);
    un_metrics_put(m, "loss", 3.0000001);
    un_metrics_put(m, "loss/mlm_coco", 1.0 / 3);
    un_metrics_put(m, "lr", 5e-5);
    un_metrics_put(m, "tiny", -1.2345678912e-300);
    un_metrics_put(m, "zero", 0.0);
    un_metrics_put(m, "nan", NAN);
    un_metrics_put(m, "inf", -INFINITY);
    un_metrics_put_i64(m, "big", INT64_MIN);
    expect_ok(un_metrics_end(m));
    expect_ok(un_metrics_sync(m));
    un_metrics_close(m);
    assert_string_equal(slurp(), "{\"step\":12,\"loss\":3.0000001,\"loss/mlm_coco\":0.333333333,\"lr\":5e-05,"
                                 "\"tiny\":-1.23456789e-300,\"zero\":0,\"nan\":null,\"inf\":null,"
                                 "\"big\":-9223372036854775808}\n");
    assert_int_equal(live_blocks(), live);
}

/* Whatever a key holds, the line is JSON and the key comes back. */
static void test_keys_are_escaped(void **state) {
    (void)state;
    static const char *const keys[] = {"a\"b", "back\\slash", "tab\tnewline\nbell\a", "umlaut \xc3\xa4",
                                       "",     "a/b"};
    enum { KEYS = sizeof keys / sizeof *keys };
    remove(path);
    struct un_metrics *m;
    expect_ok(un_metrics_open(&m, path, 0));
    un_metrics_begin(m, 1);
    for (int i = 0; i < KEYS; ++i) un_metrics_put_i64(m, keys[i], i);
    expect_ok(un_metrics_end(m));
    un_metrics_close(m);
    json_t *line = json_loads(slurp(), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_int_equal(json_object_size(line), KEYS + 1);
    for (int i = 0; i < KEYS; ++i) assert_int_equal(json_integer_value(json_object_get(line, keys[i])), i);
    json_decref(line);
}

static void test_resume_cuts(void **state) {
    (void)state;
    struct un_metrics *m;
    struct stat before, after;
    remove(path);
    expect_ok(un_metrics_open(&m, path, 0));
    for (int64_t step = 1; step <= 30; ++step) {
        un_metrics_begin(m, step);
        un_metrics_put(m, "loss", (double)step);
        expect_ok(un_metrics_end(m));
        if (step % 10) continue;
        un_metrics_begin(m, step);
        un_metrics_put(m, "valid/mlm_loss", 1);
        expect_ok(un_metrics_end(m));
    }
    un_metrics_close(m);
    assert_int_equal(stat(path, &before), 0);
    expect_ok(un_metrics_open(&m, path, 30)); /* nothing to cut: not touched */
    un_metrics_close(m);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_size, after.st_size);
    expect_ok(un_metrics_open(&m, path, 20));
    un_metrics_begin(m, 21);
    expect_ok(un_metrics_end(m));
    un_metrics_close(m);
    int lines = 0, last = 0;
    for (char *line = slurp(), *end; (end = strchr(line, '\n')); line = end + 1, ++lines)
        last = atoi(line + 8);
    assert_int_equal(lines, 20 + 2 + 1);
    assert_int_equal(last, 21);
    assert_non_null(strstr(slurp(), "{\"step\":20,\"valid/mlm_loss\":1}\n{\"step\":21}\n"));
    expect_ok(un_metrics_open(&m, path, 0)); /* a new start */
    un_metrics_close(m);
    assert_string_equal(slurp(), "");
    assert_true(access(scratch("metrics.jsonl.tmp"), F_OK) != 0);
}

static void test_torn_and_broken_lines(void **state) {
    (void)state;
    struct un_metrics *m;
    static const char text[] = "{\"step\":1,\"loss\":2}\n"
                               "{\"step\":2,\"lo\n"       /* two lines in one */
                               "\0\0\0\0\0\0\0\0\n"       /* a block lost with the power */
                               "[3]\n"                    /* JSON, but no object */
                               "{\"note\":\"no step\"}\n" /* somebody's own line */
                               "{\"step\":\"9\"}\n"       /* likewise */
                               "{\"step\":2.5}\n"
                               "\n"
                               "{\"step\":2,\"loss\":1}\n"
                               "{\"step\":3,\"loss\":0.5}"; /* whole, but its end is missing */
    overwrite(text, sizeof text - 1);
    expect_ok(un_metrics_open(&m, path, 2));
    un_metrics_begin(m, 3);
    expect_ok(un_metrics_end(m));
    un_metrics_close(m);
    assert_string_equal(slurp(), "{\"step\":1,\"loss\":2}\n{\"note\":\"no step\"}\n{\"step\":\"9\"}\n"
                                 "{\"step\":2,\"loss\":1}\n{\"step\":3}\n");
}

static void test_last_line(void **state) {
    (void)state;
    static const struct {
        const char *before, *after;
    } cases[] = {{"{\"step\":1}\n{\"step\":2}", "{\"step\":1}\n{\"step\":2}\n"}, /* only its end is missing */
                 {"{\"step\":1}\n{\"step\":2", "{\"step\":1}\n"},
                 {"{\"step\":1}\n{", "{\"step\":1}\n"},
                 {"{\"st", ""},
                 {"\n", ""},
                 {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct un_metrics *m;
        overwrite(cases[i].before, strlen(cases[i].before));
        expect_ok(un_metrics_open(&m, path, 2));
        un_metrics_close(m);
        assert_string_equal(slurp(), cases[i].after);
    }
}

static void test_misuse(void **state) {
    (void)state;
    struct un_metrics *m;
    remove(path);
    expect_ok(un_metrics_open(&m, path, 0));
    expect_error(un_metrics_end(m), UN_INTERNAL, "not begun");
    un_metrics_begin(m, 1);
    for (int i = 0; i < UN_METRICS_LINE / 4; ++i) un_metrics_put(m, "k", 1);
    expect_error(un_metrics_end(m), UN_INTERNAL, path, "65536");
    un_metrics_begin(m, 2);
    un_metrics_begin(m, 3); /* begun anew: the first is forgotten */
    expect_ok(un_metrics_end(m));
    un_metrics_close(m);
    assert_string_equal(slurp(), "{\"step\":3}\n");
    expect_error(un_metrics_open(&m, scratch_folder(), 0), UN_IO, scratch_folder());
    assert_null(m);
    un_metrics_begin(NULL, 1); /* ranks that write nothing */
    un_metrics_put(NULL, "k", 1);
    un_metrics_put_i64(NULL, "k", 1);
    expect_ok(un_metrics_end(NULL));
    expect_ok(un_metrics_sync(NULL));
    un_metrics_close(NULL);
}

static void test_folders_are_made(void **state) {
    (void)state;
    char deep[600];
    struct un_metrics *m;
    snprintf(deep, sizeof deep, "%s/a", scratch_folder());
    snprintf(deep + strlen(deep), 32, "/b/metrics.jsonl");
    expect_ok(un_metrics_open(&m, deep, 0));
    un_metrics_close(m);
    assert_int_equal(remove(deep), 0);
    *strrchr(deep, '/') = '\0';
    assert_int_equal(rmdir(deep), 0);
    *strrchr(deep, '/') = '\0';
    assert_int_equal(rmdir(deep), 0);
}

static int full_disk_child(void *context) {
    (void)context;
    struct un_metrics *m;
    struct rlimit limit = {100, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    if (un_metrics_open(&m, path, 0) != UN_OK || setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    for (int64_t step = 1; step < 50; ++step) {
        un_metrics_begin(m, step);
        un_metrics_put(m, "loss", 1.0 / 3);
        enum un_status status = un_metrics_end(m);
        if (status == UN_OK) continue;
        un_metrics_close(m);
        return status == UN_IO && strstr(un_error_get()->text, path) && step > 1 ? 0 : 2;
    }
    return 3;
}

static void test_full_disk(void **state) {
    (void)state;
    remove(path);
    assert_int_equal(in_child(full_disk_child, NULL, 20), 0);
    char *text = slurp();
    size_t bytes = strlen(text);
    assert_true(bytes > 0 && bytes < 100 &&
                text[bytes - 1] == '\n'); /* the line that did not fit left nothing */
}

int main(void) {
    un_log_set(0, UN_LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_keys_are_escaped),
        cmocka_unit_test(test_resume_cuts),
        cmocka_unit_test(test_torn_and_broken_lines),
        cmocka_unit_test(test_last_line),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_folders_are_made),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
