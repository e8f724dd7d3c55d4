/* Modules (runtime/plugin.h): what is said when one is missing, is no module, lacks its entry or is of
 * another build; and, where the build has CUDA, that the CUDA module finds everything it needs: in this
 * program and in the CUDA libraries, without a driver. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/plugin.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int setup(void **state) {
    (void)state;
    un_error_clear();
    return 0;
}

static void own_path(char *path, size_t bytes, const char *file) {
    ssize_t length = readlink("/proc/self/exe", path, bytes - 1);
    assert_true(length > 0);
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    assert_non_null(slash);
    assert_true(strlen(file) < bytes - (size_t)(slash - path) - 1);
    strcpy(slash + 1, file);
}

static void expect_failure(const char *file, const char *entry, const char *why) {
    assert_null(un_plugin_open(file, entry));
    assert_int_equal(un_error_get()->status, UN_USAGE);
    if (strstr(un_error_get()->text, why) == NULL || strstr(un_error_get()->text, file) == NULL)
        fail_msg("\"%s\" does not name %s and \"%s\"", un_error_get()->text, file, why);
    un_error_clear();
}

static void missing(void **state) {
    (void)state;
    expect_failure("libun_nowhere.so", "entry", "is neither in");
}

static void no_module(void **state) {
    (void)state;
    char path[4096];
    own_path(path, sizeof path, "libun_test_empty.so");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fclose(file);
    expect_failure("libun_test_empty.so", "entry", "does not open");
    assert_int_equal(unlink(path), 0);
}

static void wrong_modules(void **state) {
    (void)state;
    expect_failure("libun_test_module.so", "no_such_function", "has no function no_such_function");
    expect_failure("libun_test_module.so", "un_test_of_another_build", "is of another build");
    const int *table = un_plugin_open("libun_test_module.so", "un_test_module");
    assert_non_null(table);
    assert_int_equal(*table, 42);
}

static void system_libraries(void **state) {
    (void)state;
    assert_null(un_plugin_lacks("libc.so.6"));
    const char *why = un_plugin_lacks("libun_nowhere.so.1");
    assert_non_null(why);
    assert_non_null(strstr(why, "libun_nowhere.so.1"));
    assert_int_equal(un_error_get()->status, UN_OK);
}

/* All symbols are resolved when it opens (RTLD_NOW), so an op without a definition shows here. */
static void cuda_is_whole(void **state) {
    (void)state;
    if (!UN_TEST_CUDA) skip();
    if (un_plugin_open("libun_cuda.so", "un_cuda_module") == NULL) fail_msg("%s", un_error_get()->text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(missing, setup),       cmocka_unit_test_setup(no_module, setup),
        cmocka_unit_test_setup(wrong_modules, setup), cmocka_unit_test_setup(system_libraries, setup),
        cmocka_unit_test_setup(cuda_is_whole, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
