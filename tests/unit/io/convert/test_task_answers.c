/* Answers as the label table has them, and the table: read, made, broken. */
#include "io/convert/task/answers.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/convert/text_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Expectations by the authors' rule as make_eval.py of the reference writes it. */
static void test_normal(void **state) {
    static const struct {
        const char *raw, *normal;
    } cases[] = {
        {"net", "net"},
        {"Net.", "net"},
        {"the net", "net"},
        {"Yes!", "yes"},
        {"two", "2"},
        {"ten zero none", "10 0 0"},
        {"a dining room", "dining room"},
        {"dining-room", "dining room"},
        {"dining -room", "dining room"},
        {"t-shirt - red", "tshirt red"}, /* a mark beside a space goes wherever it stands */
        {"cant", "can't"},
        {"Im", "im"}, /* the table has it with a capital, which is gone by then */
        {"10,000", "10000"},
        {"1,000 (net)", "1000 net"},
        {"1,000-x", "1000x"}, /* a comma in a number: every mark goes */
        {"red/white", "red white"},
        {"red, white", "red white"},
        {"3.5", "3.5"},
        {"3.5.", "3.5"},
        {"..5", ".5"},
        {".?5", "5"},  /* the mark becomes a space: no digit follows the stop */
        {".? 5", "5"}, /* the mark goes: a space follows it */
        {"6:20", "6:20"},
        {"kid's", "kid's"},
        {"(frisbee)", "frisbee"},
        {" tv\t", "tv"},
        {"the", ""},
        {"", ""},
        {"?", ""},
        {"\xc3\x89T\xc3\x89", "\xc3\xa9t\xc3\xa9"},
        {"x\xc2\xa0y\xe2\x80\xa8z", "x y z"},
        {"\xc4\xb0", "i\xcc\x87"},
        {"\xd9\xa1,\xd9\xa2-x", "\xd9\xa1\xd9\xa2x"}, /* digits of another script */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char normal[UN_ANSWER_MAX + 1];
        assert_true(un_answer_normal(cases[i].raw, normal));
        assert_string_equal(normal, cases[i].normal);
    }
}

static void test_long(void **state) {
    char raw[600], normal[UN_ANSWER_MAX + 1];
    (void)state;
    memset(raw, 'x', sizeof raw);
    raw[255] = '\0';
    assert_true(un_answer_normal(raw, normal));
    assert_string_equal(normal, raw);
    raw[255] = 'x';
    raw[256] = '\0';
    assert_false(un_answer_normal(raw, normal));
    for (int i = 0; i < 596; i += 2) memcpy(raw + i, "x ", 3);
    assert_false(un_answer_normal(raw, normal));
    for (int i = 0; i < 594; i += 2) memcpy(raw + i, "a ", 3); /* articles take no room */
    assert_true(un_answer_normal(raw, normal));
    assert_string_equal(normal, "");
}

static void test_score(void **state) {
    static const float want[] = {0.3f, 0.6f, 0.9f, 1, 1, 1, 1, 1, 1, 1};
    (void)state;
    for (int c = 1; c <= 10; ++c) assert_float_equal(un_answer_score(c), want[c - 1], 0);
}

static void test_table(void **state) {
    struct un_answer_table t;
    (void)state;
    expect_ok(un_answer_table_open(&t, FILE_OF("a.json", "{\"yes\": 1, \"net\": 0, \"2\": 2}")));
    assert_int_equal(t.n, 3);
    assert_string_equal(t.name[0], "net");
    assert_int_equal(un_answer_table_find(&t, "yes"), 1);
    assert_int_equal(un_answer_table_find(&t, "no"), -1);
    un_answer_table_close(&t);
    expect_ok(un_answer_table_open(&t, FILE_OF("a.json", "[\"b\", \"a\"]")));
    assert_int_equal(un_answer_table_find(&t, "a"), 1);
    un_answer_table_close(&t);
}

static void test_table_refused(void **state) {
    static const struct {
        const char *text, *word;
    } bad[] = {{"{\"a\": 0, \"b\": 2}", "label 2 of \"b\" is outside 0 .. 1"},
               {"{\"a\": -1}", "outside"},
               {"{\"a\": 0, \"b\": 0}", "label 0 is that of \"a\" and of \"b\""},
               {"{\"a\": 0, \"a\": 1}", "duplicate"},
               {"{\"a\": \"0\"}", "whole number"},
               {"[\"a\", \"a\"]", "stands twice: labels 0 and 1"},
               {"[\"a\", 1]", "element 1"},
               {"{}", "0 answers"},
               {"[]", "0 answers"},
               {"7", "bad.json"},
               {"{\"a\": 0", "bad.json"}};
    struct un_answer_table t;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i)
        expect_error(un_answer_table_open(&t, file_of("bad.json", bad[i].text, strlen(bad[i].text))), UN_DATA,
                     "bad.json", bad[i].word);
    expect_error(un_answer_table_open(&t, scratch("absent.json")), UN_IO, "absent.json");
}

#define SAYS(answer) "{\"multiple_choice_answer\": \"" answer "\"}"

static void test_made(void **state) {
    struct un_answer_table t;
    char train[512], val[512], out[512];
    const char *const files[] = {train, val};
    struct un_answers_make how = {.min_count = 2, .quiet = true};
    (void)state;
    snprintf(train, sizeof train, "%s",
             FILE_OF("train.json", "{\"info\": {}, \"annotations\": [" SAYS("Net") "," SAYS("two") "," SAYS(
                                       "the") "," SAYS("yes") "," SAYS("the") "]}"));
    snprintf(val, sizeof val, "%s",
             FILE_OF("val.json", "{\"annotations\": [" SAYS("no") "," SAYS("yes") "," SAYS("a net.") "," SAYS(
                                     "no") "]}"));
    snprintf(out, sizeof out, "%s", scratch("out.json"));
    expect_ok(un_answers_make(out, files, 2, &how));
    expect_ok(un_answer_table_open(&t, out));
    assert_int_equal(t.n, 4); /* "2" stands once */
    assert_string_equal(t.name[0], "net");
    assert_string_equal(t.name[1], ""); /* of "a" and "the" */
    assert_string_equal(t.name[2], "yes");
    assert_string_equal(t.name[3], "no");
    assert_int_equal(un_answer_table_find(&t, ""), 1);
    un_answer_table_close(&t);
    expect_error(un_answers_make(out, files, 2, &how), UN_USAGE, "exists");
    unlink(out);
    how.min_count = 3;
    expect_error(un_answers_make(out, files, 2, &how), UN_DATA, "none of 5 answers occurs 3 times");
    how.min_count = 1;
    snprintf(val, sizeof val, "%s", FILE_OF("val.json", "{\"annotations\": [" SAYS("no") ", {\"x\": 1}]}"));
    expect_error(un_answers_make(out, files, 2, &how), UN_DATA, "val.json", "row 2",
                 "multiple_choice_answer");
    snprintf(val, sizeof val, "%s", FILE_OF("val.json", "{\"questions\": []}"));
    expect_error(un_answers_make(out, files, 2, &how), UN_DATA, "val.json", "annotations");
    assert_int_equal(access(out, F_OK), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_normal, no_memory_held),
        cmocka_unit_test_teardown(test_long, no_memory_held),
        cmocka_unit_test_teardown(test_score, no_memory_held),
        cmocka_unit_test_teardown(test_table, no_memory_held),
        cmocka_unit_test_teardown(test_table_refused, no_memory_held),
        cmocka_unit_test_teardown(test_made, no_memory_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
