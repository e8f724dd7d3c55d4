/* Why JSON is refused, in our words (io/disk/json.h). */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "io/disk/json.h"
#include "tests/support/expect.h"

#include <string.h>

static void faults(void **state) {
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"{\"a\": 1, \"a\": 2}", "not JSON: a key stands twice"},
        {"{\"a\": [1, 2", "not JSON: it ends in the middle"},
        {"", "not JSON: it ends in the middle"},
        {"{} {}", "not JSON: more stands behind its end"},
        {"[\"caf\xE9\"]", "not JSON: a character that is not UTF-8"},
        {"[\"\\u0000\"]", "not JSON: a zero character in a text"},
        {"{\"\\u0000\": 1}", "not JSON: a zero character in a text"},
        {"[99999999999999999999]", "not JSON: a number that is too large"},
        {"[1e999]", "not JSON: a number that is too large"},
        {"{'a': 1}", "not JSON"},
        {"[NaN]", "not JSON"},
        {"[1,]", "not JSON"},
    };
    (void)state;
    json_error_t error;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        assert_null(json_loadb(cases[i].text, strlen(cases[i].text), JSON_REJECT_DUPLICATES, &error));
        assert_string_equal(un_json_fault(&error), cases[i].fault);
        assert_true(error.text[0] != '\0');
    }
    char deep[5000];
    memset(deep, '[', sizeof deep);
    assert_null(json_loadb(deep, sizeof deep, 0, &error));
    assert_string_equal(un_json_fault(&error), "not JSON: too deep in brackets");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(faults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
