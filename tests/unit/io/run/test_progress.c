/* The progress line: its numbers, its width, and how often it is drawn. */
#include "io/run/progress.h"
#include "runtime/clock.h"
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

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
    p.unit = "image";
    format(&p, 200, "x", 0, "100.0% 200/200 | 1.5 s/image | ETA 0m00s | x");
    p.smoothed = 0.5;
    format(&p, 200, "x", 0, "100.0% 200/200 | 2 images/s | ETA 0m00s | x");
    p.smoothed = 1.5;
    p.unit = NULL;
    p.total = 200000;
    format(&p, 1, NULL, 0, "  0.0% 1/200000 | 1.5 s/step | ETA 3d11h");
    p.total = 5000;
    format(&p, 1, NULL, 0, "  0.0% 1/5000 | 1.5 s/step | ETA 2h04m");
    p.total = 200;
    format(&p, 100, "loss 3.2", 79,
           "[=========>         ]  50.0% 100/200 | 1.5 s/step | ETA 2m30s | loss 3.2");
    p.smoothed = 0;
    format(
        &p, 200,
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3"
        "\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
        24,
        "100.0% 200/200 | \xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"); /* characters, not bytes */
    format(&p, 300, NULL, 0, "100.0% 300/200");
    p.total = 0;
    format(&p, 0, NULL, 0, "100.0% 0/0");
    char little[8];
    p.total = 200;
    assert_int_equal(un_progress_format(&p, 100, "loss", 79, little, sizeof little), 7);
    assert_int_equal(strlen(little), 7);
}

/* What is left out where a window is narrow, by importance; the bar takes what is left. */
static void test_progress_narrow(void **state) {
    (void)state;
    const char *text = "loss 3.21 | mlm 4.5 itm 0.7 | 357 tokens/s | data 0.1 %";
    struct un_progress p = {.total = 200, .smoothed = 1.5};
    format(&p, 100, text, 130,
           "[===============>              ]  50.0% 100/200 | 1.5 s/step | ETA 2m30s | loss 3.21 | mlm 4.5 "
           "itm 0.7 | "
           "357 tokens/s | data 0.1 %");
    format(&p, 100, text, 79,
           "[=========>         ]  50.0% 100/200 | ETA 2m30s | loss 3.21 | mlm 4.5 itm 0.7");
    format(&p, 100, text, 80,
           "[====>   ]  50.0% 100/200 | ETA 2m30s | loss 3.21 | mlm 4.5 itm 0.7 | data 0.1 %");
    format(&p, 100, text, 49, "[====>   ]  50.0% 100/200 | ETA 2m30s | loss 3.21");
    format(&p, 100, text, 39, " 50.0% 100/200 | ETA 2m30s | loss 3.21");
    format(&p, 100, text, 37, "100/200 | ETA 2m30s | loss 3.21");
    format(&p, 100, text, 30, " 50.0% 100/200 | loss 3.21");
    format(&p, 100, text, 25, "100/200 | loss 3.21");
    format(&p, 100, text, 18, " 50.0% 100/200");
    format(&p, 100, text, 12, "100/200");
    format(&p, 100, text, 4, "100/");
    format(&p, 100, "a rather long name of a file somewhere", 39, "[====>    ]  50.0% 100/200 | ETA 2m30s");
    format(&p, 100, "a rather long name of a file somewhere in a folder", 49,
           "[====>   ]  50.0% 100/200 | ETA 2m30s | a rather "); /* cut */
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
    int lines = count(text, "\n"); /* the first, the forced, the last, and one for every ten seconds */
    assert_true(lines >= 3 && lines <= 3 + (int)(seconds / 10));
    assert_int_equal(count(text, "\r") + count(text, "\033") + count(text, "SILENT"), 0);
    assert_non_null(strstr(text, "  0.3% 1/300"));
    assert_non_null(strstr(text, "  1.0% 3/300"));
    assert_non_null(strstr(text, "100.0% 300/300"));
    assert_non_null(strstr(text, "does not fit\n"));
}

/* 60 pieces of 5 ms with stderr at fd: silent until `after`, then a line every `every` seconds. */
static void run_work(int fd, double after, double every) {
    int keep = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fd, STDERR_FILENO);
    struct un_progress p;
    un_progress_open_work(&p, 60500000, 1000000, "MB", true);
    assert_true(p.total == 61 && fabs(p.after - p.start - 2) < 1e-6 && p.every == 10); /* what users see */
    p.after = p.start + after;
    p.every = every;
    for (int i = 0; i < 65; ++i) { /* more than was said */
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        un_progress_add(&p, 1000000);
        un_progress_add(NULL, 1);
    }
    un_progress_clear(&p);
    un_progress_clear(NULL);
    fflush(stderr);
    dup2(keep, STDERR_FILENO);
    close(keep);
}

/* Work that is over soon says nothing; long work says how far it is, again and again. */
static void test_progress_work(void **state) {
    (void)state;
    int ends[2];
    char text[8192];
    assert_int_equal(pipe(ends), 0);
    run_work(ends[1], 1000, 0.01);
    assert_int_equal(write(ends[1], "|", 1), 1);
    double begin = un_clock();
    run_work(ends[1], 0.1, 0.05);
    double seconds = un_clock() - begin;
    close(ends[1]);
    ssize_t bytes = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    assert_true(bytes > 1 && text[0] == '|'); /* nothing before it */
    text[bytes] = '\0';
    int lines = count(text, "\n");
    assert_true(lines >= 2 && lines <= 2 + (int)((seconds - 0.1) / 0.05));
    assert_int_equal(count(text, "/61 | ") + count(text, "/61\n"), lines);
    assert_true(count(text, " MB/s | ETA 0m00s") >= lines - 1);
    assert_int_equal(count(text, "100.0% 61/61"), 1);
    assert_int_equal(count(text, "MBs") + count(text, "\033"), 0);
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
    int drawn = count(text, "\033[J\r");
    assert_true(drawn >= 3 &&
                drawn <= (int)(seconds / 0.1) + 3); /* ten a second, the forced one and the last */
    assert_int_equal(count(text, "\n"), 1);         /* only where it was closed */
    for (char *line = strtok(text, "\r"); line; line = strtok(NULL, "\r")) {
        char *end = strstr(line, "\033[J");
        if (end) assert_true(end - line <= 49 && end - line > 40);
        if (end) assert_true(line[0] == '[');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress_format),   cmocka_unit_test(test_progress_narrow),
        cmocka_unit_test(test_progress_rate),     cmocka_unit_test(test_progress_plain),
        cmocka_unit_test(test_progress_terminal), cmocka_unit_test(test_progress_work)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
