/* The error record (first wins, one per thread), log lines (who may speak), and what an own bug does. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/status.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int clear_error(void **state) {
    (void)state;
    un_error_clear();
    return 0;
}

static void first_error_wins(void **state) {
    (void)state;
    assert_int_equal(un_error_get()->status, UN_OK);
    assert_string_equal(un_error_get()->text, "");
    assert_int_equal(un_fail(UN_DATA, "row %d of %s", 7, "a.h5"), UN_DATA);
    assert_int_equal(un_fail(UN_IO, "later"), UN_IO);
    assert_int_equal(un_error_get()->status, UN_DATA);
    assert_string_equal(un_error_get()->text, "row 7 of a.h5");
    un_error_clear();
    assert_int_equal(un_error_get()->status, UN_OK);
    assert_string_equal(un_error_get()->text, "");
}

static void own_bugs_name_their_line(void **state) {
    (void)state;
    char expected[128];
    un_fail(UN_INTERNAL, "row %d", 7), snprintf(expected, sizeof expected, "test_status.c:%d]", __LINE__);
    assert_non_null(strstr(un_error_get()->text, "row 7 ["));
    assert_non_null(strstr(un_error_get()->text, expected));
    assert_null(strstr(un_error_get()->text, "[/")); /* the build machine's folder is cut off */
}

static void long_messages_are_cut(void **state) {
    (void)state;
    char text[4 * UN_ERROR_MAX];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    un_fail(UN_INTERNAL, "%s", text);
    assert_int_equal(strlen(un_error_get()->text), UN_ERROR_MAX - 1);
}

static enum un_status tries(bool fail, int *after) {
    UN_TRY(fail ? un_fail(UN_USAGE, "tried") : UN_OK);
    ++*after;
    return UN_OK;
}

static enum un_status tries_goto(bool fail, int *cleaned) {
    enum un_status status = UN_OK;
    UN_TRY_GOTO(fail ? un_fail(UN_IO, "tried") : UN_OK, out);
out:
    ++*cleaned;
    return status;
}

static void try_returns_and_jumps(void **state) {
    (void)state;
    int count = 0;
    assert_int_equal(tries(true, &count), UN_USAGE);
    assert_int_equal(count, 0);
    assert_int_equal(tries(false, &count), UN_OK);
    assert_int_equal(count, 1);
    assert_int_equal(tries_goto(true, &count), UN_IO);
    assert_int_equal(tries_goto(false, &count), UN_OK);
    assert_int_equal(count, 3);
}

static void *fail_elsewhere(void *copy) {
    assert_int_equal(un_error_get()->status, UN_OK);
    un_fail(UN_DATA, "in the loader");
    *(struct un_error *)copy = *un_error_get();
    return NULL;
}

static void errors_belong_to_threads(void **state) {
    (void)state;
    struct un_error theirs;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &theirs), 0);
    pthread_join(thread, NULL);
    assert_int_equal(un_error_get()->status, UN_OK);
    assert_int_equal(un_error_adopt(&theirs), UN_DATA);
    assert_string_equal(un_error_get()->text, "in the loader");
    struct un_error other = {UN_IO, "second"};
    assert_int_equal(un_error_adopt(&other), UN_IO);
    assert_string_equal(un_error_get()->text, "in the loader");
}

static void codes_are_those_of_sysexits(void **state) {
    (void)state;
    assert_int_equal(UN_OK, 0);
    assert_int_equal(UN_USAGE, 64);
    assert_int_equal(UN_DATA, 65);
    assert_int_equal(UN_INTERNAL, 70);
    assert_int_equal(UN_IO, 74);
    assert_int_equal(UN_STOPPED, 75);
    assert_string_equal(un_status_text(UN_DATA), "bad data");
    assert_string_equal(un_status_text((enum un_status)3), "unknown status");
}

/* What `speak` writes to stderr, in `text`. */
static void capture(void (*speak)(void), char *text, size_t size) {
    fflush(stderr);
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    assert_true(file != NULL && saved >= 0);
    dup2(fileno(file), STDERR_FILENO);
    speak();
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void speak_all(void) {
    for (int rank = 0; rank < 2; ++rank) {
        un_log_set(rank, UN_LOG_INFO);
        un_log(UN_LOG_INFO, "info %d", rank);
        un_log(UN_LOG_WARN, "warn %d", rank);
        un_log(UN_LOG_ERROR, "error %d", rank);
        un_log(UN_LOG_DEBUG, "debug %d", rank);
    }
    un_log_set(0, UN_LOG_ERROR);
    un_log(UN_LOG_WARN, "too quiet");
}

static void speak_long(void) {
    char text[4 * UN_ERROR_MAX];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    un_log(UN_LOG_ERROR, "%s", text);
    un_log(UN_LOG_ERROR, "next");
}

static void log_lines(void **state) {
    (void)state;
    char text[8 * UN_ERROR_MAX];
    capture(speak_all, text, sizeof text);
    assert_string_equal(text, "uniter[0] info 0\nuniter[0] warning: warn 0\nuniter[0] error: error 0\n"
                              "uniter[1] warning: warn 1\nuniter[1] error: error 1\n");
    capture(speak_long, text, sizeof text);
    char *end = strchr(text, '\n');
    assert_non_null(end);
    assert_true(end - text > UN_ERROR_MAX / 2);
    assert_string_equal(end, "\nuniter[0] error: next\n");
    un_log_set(0, UN_LOG_INFO);
}

static void speak_over(void) {
    assert_false(un_log_over(true));
    un_log_set(0, UN_LOG_WARN);
    un_log(UN_LOG_INFO, "not said, so the line stays");
    un_log(UN_LOG_WARN, "first");
    un_log(UN_LOG_WARN, "second");
    assert_false(un_log_over(false));
    un_log_set(0, UN_LOG_INFO);
}

/* A line of the log takes the place of the live one, once. */
static void log_over_a_line(void **state) {
    (void)state;
    char text[1024];
    capture(speak_over, text, sizeof text);
    assert_string_equal(text, "\r\033[Juniter[0] warning: first\nuniter[0] warning: second\n");
}

static void an_own_bug_aborts(void **state) {
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        un_assert_failed(__FILE__, __LINE__, "1 > 2");
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(first_error_wins, clear_error),
        cmocka_unit_test_setup(own_bugs_name_their_line, clear_error),
        cmocka_unit_test_setup(long_messages_are_cut, clear_error),
        cmocka_unit_test_setup(try_returns_and_jumps, clear_error),
        cmocka_unit_test_setup(errors_belong_to_threads, clear_error),
        cmocka_unit_test_setup(codes_are_those_of_sysexits, clear_error),
        cmocka_unit_test_setup(log_lines, clear_error),
        cmocka_unit_test_setup(log_over_a_line, clear_error),
        cmocka_unit_test_setup(an_own_bug_aborts, clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
