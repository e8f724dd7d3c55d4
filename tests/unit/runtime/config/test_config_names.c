/* Names of values (&name, *name, <<) and paths of a configuration. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/config/keys.h"
#include "runtime/config/path.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct part {
    int64_t a, b, c, steps;
    char dir[256], spare[256];
    struct un_strings files;
};
static const struct un_key keys[] = {
    UN_KEY_INT(part, a, "0", 0, 0, "", ""),       UN_KEY_INT(part, b, "0", 0, 0, "", ""),
    UN_KEY_INT(part, c, "0", 0, 0, "", ""),       UN_KEY_INT_AUTO(part, steps, 0, 100, "", ""),
    UN_KEY_PATH(part, dir, UN_REQUIRED, "", "x"), UN_KEY_PATH(part, spare, "", "", "x"),
    UN_KEY_PATHS(part, files, "[]", "x"),
};
static const struct un_key_table first = UN_KEY_TABLE("first", part, keys),
                                 second = UN_KEY_TABLE("second", part, keys);

static enum un_status load(const char *text, struct part *one, struct part *two, struct un_config **config) {
    *config = NULL;
    UN_TRY(un_config_parse(config, "big.yaml", text, NULL, 0));
    UN_TRY(un_config_bind(*config, &first, one));
    UN_TRY(un_config_bind(*config, &second, two));
    return un_config_finish(*config);
}

static void check(const char *text, int64_t a, int64_t b, int64_t c) {
    struct part one, two;
    struct un_config *config;
    uint64_t before = un_memory_counts().live_blocks;
    enum un_status status = load(text, &one, &two, &config);
    if (status != UN_OK) fail_msg("%s", un_error_get()->text);
    assert_true(two.a == a && two.b == b && two.c == c);
    un_config_free(config);
    assert_int_equal(un_memory_counts().live_blocks, before);
}

static void refused(const char *text, const char *part) {
    struct part one, two;
    struct un_config *config;
    uint64_t before = un_memory_counts().live_blocks;
    assert_int_equal(load(text, &one, &two, &config), UN_USAGE);
    if (!strstr(un_error_get()->text, part)) fail_msg("said: %s", un_error_get()->text);
    un_error_clear();
    un_config_free(config);
    assert_int_equal(un_memory_counts().live_blocks, before);
}

static void names(void **state) {
    (void)state;
    check("first: &f {dir: x, a: 1, b: 2}\nsecond: *f\n", 1, 2, 0);
    check("first: {dir: x, a: &n 7}\nsecond: {dir: y, b: *n, c: *n}\n", 0, 7, 7);
    check("first: {dir: x, a: &n 7, b: &n 8}\nsecond: {dir: y, b: *n}\n", 0, 8, 0); /* the newest */
    check("first: &f {dir: x, a: 1, b: 2}\nsecond: {<<: *f, b: 3}\n", 1, 3, 0);
    check("first: &f {dir: x, a: 1, b: 2}\nsecond: {b: 3, <<: *f}\n", 1, 3,
          0); /* what stands beside counts, wherever */
    check("first: &f {dir: x, a: 1, b: 2}\nsecond: {dir: y, <<: [{a: 5, c: 6}, *f]}\n", 5, 2, 6);
    check("first: {dir: x, <<: &f {a: 4}}\nsecond: {dir: y, <<: *f}\n", 4, 0,
          0); /* a name inside what was merged */
}

static void bad_names(void **state) {
    (void)state;
    refused("first: {dir: x, a: *n}\n", "big.yaml:1:20: *n: no value above has this name");
    refused("first: &f {dir: x, a: *f}\n", "*f: no value above"); /* not of itself */
    refused("first: {dir: x, <<: 3}\n", "<<: what is merged in is no mapping");
    refused("first: {dir: x, <<: [{a: 1}, 3]}\n", "<<: what is merged in is no mapping");
    refused("first: {dir: x, <<: {a: 1}, <<: {b: 1}}\n", "<<: given twice");
    refused("first: {&k dir: x}\n", "a key with a name");
    refused("first: {dir: x, <<: {d: 1}}\nsecond: {dir: y}\n", "first.d: unknown key");
}

/* Names of names of names: 10^9 values if they were copied blindly. */
static void growth(void **state) {
    (void)state;
    char text[2000] = "a: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
    for (int i = 1; i < 9; ++i) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used,
                 "b%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    refused(text, "too many values for a configuration");
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    const char *text = "first: &f {dir: x, a: 1, files: [&g u, v]}\nsecond: {<<: [*f, {b: 2}], files: *g}\n";
    struct part one, two;
    struct un_config *config;
    uint64_t before = un_memory_counts().live_blocks;
    int failed = 0;
    for (uint64_t at = 1; at < 400; ++at) {
        un_memory_fail_at(at);
        enum un_status status = load(text, &one, &two, &config);
        un_memory_fail_at(0);
        assert_true(status == UN_OK || status == UN_MEMORY);
        failed += status == UN_MEMORY;
        un_error_clear();
        un_config_free(config);
        assert_int_equal(un_memory_counts().live_blocks, before);
    }
    assert_true(failed > 20 && failed < 399);
}

static void paths(void **state) {
    (void)state;
    struct part one, two;
    struct un_config *config;
    setenv("HOME", "/home/me", 1);
    setenv("UN_T", "t", 1);
    unsetenv("UN_NONE");
    const char *text =
        "first: {dir: ~/x, spare: \"$HOME/${UN_T}_$UN_T\", files: [a$, \"~\", '$5', \"${UN\"], steps: auto}\n"
        "second: {dir: ./~x, spare: \"\", steps: 5}\n";
    if (load(text, &one, &two, &config) != UN_OK) fail_msg("%s", un_error_get()->text);
    assert_string_equal(one.dir, "/home/me/x");
    assert_string_equal(one.spare, "/home/me/t_t");
    assert_string_equal(one.files.list[0], "a$");
    assert_string_equal(one.files.list[1], "/home/me");
    assert_string_equal(one.files.list[2], "$5");
    assert_string_equal(one.files.list[3], "${UN");
    assert_string_equal(two.dir, "./~x");
    assert_true(one.steps == UN_AUTO && two.steps == 5 && two.spare[0] == '\0');
    un_config_free(config);
}

static void bad_paths(void **state) {
    (void)state;
    refused("first: {dir: \"\"}\n", "big.yaml:1:14: first.dir: an empty path");
    refused("first: {dir: x, files: [a, \"\"]}\n", "first.files[1]: an empty path");
    refused("first: {dir: x, files: \"\"}\n", "first.files: an empty path");
    refused("first: {dir: ~you/x}\n", "the home folder of somebody else");
    refused("first: {dir: $UN_NONE/x}\n", "first.dir: $UN_NONE/x: $UN_NONE is not set");
    setenv("UN_T", "", 1);
    refused("first: {dir: $UN_T/x}\n", "$UN_T is empty");
    refused("first: {dir: x, steps: automatic}\n", "is neither a whole number nor auto");
    refused("first: {dir: x, steps: -1}\n", "outside 0 .. 100");
    char out[8];
    assert_int_equal(un_path_expand(out, sizeof out, "12345678", "here"), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "here: 12345678: a path of more than 7 bytes"));
    un_error_clear();
    assert_int_equal(un_path_expand(out, sizeof out, "1234567", "here"), UN_OK);
    assert_string_equal(out, "1234567");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),  cmocka_unit_test(bad_names),
        cmocka_unit_test(growth), cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(paths),  cmocka_unit_test(bad_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
