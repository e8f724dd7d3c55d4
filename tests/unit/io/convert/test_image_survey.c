/* A survey says how far it is, in all of what is ahead, and ends when it is asked to. */
#include "io/convert/image/source.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FILES = 2, LINES = 7, WIDTH = 4 };

/* n lines of one region of WIDTH zeros. Returns the file's length. */
static int64_t make_tsv(const char *path, int first, int n) {
    static const char zeros[] = "AAAAAAAAAAAAAAAAAAAAAA=="; /* four floats */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = first; i < first + n; ++i) fprintf(f, "%d\t640\t480\t1\t%s\t%s\n", i, zeros, zeros);
    int64_t bytes = ftell(f);
    assert_int_equal(fclose(f), 0);
    return bytes;
}

static int asked, stop_at;
static bool stop(void) {
    return ++asked == stop_at;
}

static enum un_status survey(struct un_progress *progress, struct un_image_list *list, int64_t *bytes) {
    char a[256], b[256];
    snprintf(a, sizeof a, "%s", scratch("a.tsv"));
    snprintf(b, sizeof b, "%s", scratch("b.tsv"));
    const char *const paths[FILES] = {a, b};
    struct un_image_source *source;
    *bytes = make_tsv(a, 0, LINES) + make_tsv(b, LINES, LINES);
    expect_ok(un_image_source_tsv(&source, paths, FILES));
    asked = 0;
    enum un_status status = un_image_source_survey(source, list, progress, stop);
    assert_true(!source->progress && !source->stop);
    un_image_source_close(source);
    return status;
}

static void test_tells(void **state) {
    (void)state;
    struct un_progress progress = {0};
    struct un_image_list list = {0};
    uint64_t live = live_blocks();
    int64_t bytes;
    stop_at = 0;
    expect_ok(survey(&progress, &list, &bytes));
    assert_int_equal(list.n, FILES * LINES);
    assert_string_equal(progress.unit, "MB");
    assert_int_equal(progress.scale, 1000000);
    assert_int_equal(progress.total, 1); /* begun */
    assert_int_equal(progress.done, bytes);
    un_image_list_free(&list);
    expect_ok(survey(NULL, &list, &bytes)); /* nobody is told */
    un_image_list_free(&list);
    assert_int_equal(live_blocks(), live);
}

static void test_stops(void **state) {
    (void)state;
    struct un_image_list list = {0};
    uint64_t live = live_blocks();
    int64_t bytes;
    stop_at = LINES + 3;
    expect_error(survey(NULL, &list, &bytes), UN_STOPPED, "a.tsv", "stopped while its images were listed");
    assert_int_equal(asked, stop_at);
    assert_true(list.n >= LINES + 2 && list.n <= stop_at);
    un_image_list_free(&list);
    assert_int_equal(live_blocks(), live);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tells), cmocka_unit_test(test_stops)};
    un_log_set(0, UN_LOG_ERROR);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove();
    return failed;
}
