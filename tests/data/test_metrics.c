/* metrics.jsonl: every line parses and comes back with nine digits; what a resumed run writes again is cut
 * first; a full disk leaves no torn line. The progress line: its numbers, its width, and how often it is
 * drawn.
 */
#include "io/metrics.h"
#include "runtime/memory.h"
#include "tests/data/expect.h"
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
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

/* ---- progress ---- */

static void format(const struct un_progress *p, int64_t step, const char *text, int columns,
                   const char *expected) {
    char line[256];
    size_t length = un_progress_format(p, step, text, columns, line, sizeof line);
    assert_int_equal(length, strlen(line));
    assert_string_equal(line, expected);
}

static void test_progress_format(void **state) {
    (void)state;
    struct un_progress p = {.total = 200};
    format(&p, 0, NULL, 0, "  0.0% 0/200");
    format(&p, 199, "", 0, " 99.5% 199/200");
    p.smoothed = 0.05;
    format(&p, 50, "loss 3.2", 0, " 25.0% 50/200 | 20 steps/s | ETA 0m08s | loss 3.2");
    p.smoothed = 1.5;
    format(&p, 200, "x", 0, "100.0% 200/200 | 1.5 s/step | ETA 0m00s | x");
    p.total = 200000;
    format(&p, 1, NULL, 0, "  0.0% 1/200000 | 1.5 s/step | ETA 3d11h");
    p.total = 5000;
    format(&p, 1, NULL, 0, "  0.0% 1/5000 | 1.5 s/step | ETA 2h04m");
    p.total = 200;
    format(&p, 100, "loss 3.2", 40, "[=====>    ]  50.0% 100/200 | 1.5 s/step");
    format(&p, 100, "loss 3.2", 79,
           "[=========>         ]  50.0% 100/200 | 1.5 s/step | ETA 2m30s | loss 3.2");
    format(&p, 100, "loss", 12, " 50.0% 100/2"); /* too narrow for a bar */
    p.smoothed = 0;
    format(&p, 200, "\xc3\xa4\xc3\xa4\xc3\xa4", 19,
           "100.0% 200/200 | \xc3\xa4\xc3\xa4"); /* characters, not bytes */
    format(&p, 300, NULL, 0, "100.0% 300/200");
    p.total = 0;
    format(&p, 0, NULL, 0, "100.0% 0/0");
    char little[8];
    p.total = 200;
    assert_int_equal(un_progress_format(&p, 100, "loss", 79, little, sizeof little), 7);
    assert_int_equal(strlen(little), 7);
}

/* The estimate is a mean over steps: nine of 10 ms and one of 60 ms are 15 ms a step. */
static void test_progress_rate(void **state) {
    (void)state;
    struct un_progress p;
    un_progress_open(&p, 100, 300, true);
    p.enabled = true;
    int quiet = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    for (int64_t step = 101; step <= 110; ++step) {
        nanosleep(&(struct timespec){.tv_nsec = step == 105 ? 60000000 : 10000000}, NULL);
        un_progress_step(&p, step, "", false);
    }
    dup2(quiet, STDERR_FILENO);
    close(quiet);
    close(nowhere);
    double mean = (p.last_time - p.start) / 10; /* nothing has faded yet */
    assert_true(mean > 0.01 && fabs(p.smoothed - mean) < 0.02 * mean);
}

/* Runs `steps` steps of 1 ms with stderr at fd; returns nothing, the caller reads the other end. */
static void run_progress(int fd, int steps) {
    int keep = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fd, STDERR_FILENO);
    struct un_progress p;
    un_progress_open(&p, 0, steps, true);
    for (int64_t step = 1; step <= steps; ++step) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        un_progress_step(&p, step, "loss 1.25 and a rather long text that does not fit", step == 3);
    }
    un_progress_close(&p);
    un_progress_close(&p); /* once is enough */
    un_progress_open(&p, 0, steps, false);
    un_progress_step(&p, steps, "SILENT", true);
    un_progress_close(&p);
    fflush(stderr);
    dup2(keep, STDERR_FILENO);
    close(keep);
}

static int count(const char *text, const char *word) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); ++at) ++n;
    return n;
}

static void test_progress_plain(void **state) {
    (void)state;
    int ends[2];
    char text[8192];
    assert_int_equal(pipe(ends), 0);
    double begin = un_clock();
    run_progress(ends[1], 300);
    double seconds = un_clock() - begin;
    close(ends[1]);
    ssize_t bytes = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    assert_true(bytes > 0);
    text[bytes] = '\0';
    int lines = count(text, "\n"); /* the first, the forced, the last, and one for every five seconds */
    assert_true(lines >= 3 && lines <= 3 + (int)(seconds / 5));
    assert_int_equal(count(text, "\r") + count(text, "\033") + count(text, "SILENT"), 0);
    assert_non_null(strstr(text, "  0.3% 1/300"));
    assert_non_null(strstr(text, "  1.0% 3/300"));
    assert_non_null(strstr(text, "100.0% 300/300"));
    assert_non_null(strstr(text, "does not fit\n"));
}

static void test_progress_terminal(void **state) {
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        print_message("skipped: no pseudo-terminals here\n");
        skip();
    }
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct winsize size = {.ws_row = 24, .ws_col = 50};
    assert_true(slave >= 0 && ioctl(slave, TIOCSWINSZ, &size) == 0);
    double begin = un_clock();
    run_progress(slave, 300);
    double seconds = un_clock() - begin;
    char text[16384];
    size_t used = 0;
    fcntl(master, F_SETFL, O_NONBLOCK); /* a terminal hands out what it has in pieces */
    for (ssize_t got; (got = read(master, text + used, sizeof text - 1 - used)) > 0;) used += (size_t)got;
    close(slave);
    close(master);
    text[used] = '\0';
    int drawn = count(text, "\033[K");
    assert_true(drawn >= 3 &&
                drawn <= (int)(seconds / 0.1) + 3); /* ten a second, the forced one and the last */
    assert_int_equal(count(text, "\n"), 1);         /* only where it was closed */
    for (char *line = strtok(text, "\r"); line; line = strtok(NULL, "\r")) {
        char *end = strstr(line, "\033[K");
        if (end) assert_true(end - line == 49);
        if (end) assert_true(line[0] == '[');
    }
}

int main(void) {
    un_log_set(0, UN_LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_keys_are_escaped),
        cmocka_unit_test(test_resume_cuts),
        cmocka_unit_test(test_torn_and_broken_lines),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_folders_are_made),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_progress_format),
        cmocka_unit_test(test_progress_rate),
        cmocka_unit_test(test_progress_plain),
        cmocka_unit_test(test_progress_terminal),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
