/* VQA answers in one form: the rules of the public evaluator, one by one. */
#include "io/convert/task/answers.h"
#include "tests/support/check.h"
#include <string.h>

static void expect_normal(const char *raw, const char *want) {
    char got[UN_ANSWER_MAX + 1];
    assert_true(un_answer_normal(raw, got));
    assert_string_equal(got, want);
}

static void marks_go_or_become_blanks(void **state) {
    (void)state;
    expect_normal("Net.", "net");
    expect_normal("dining-room", "dining room");
    expect_normal("red , white", "red white");
    expect_normal("red,white", "red white");
    expect_normal("(frisbee)", "frisbee");
    expect_normal("a - b-c", "bc");   /* beside a blank anywhere: gone everywhere */
    expect_normal("10,000", "10000"); /* a comma between digits takes all marks */
    expect_normal("1,000 (net)", "1000 net");
    expect_normal("3.5.", "3.5"); /* a full stop stays before a digit only */
    expect_normal("..5", ".5");
    expect_normal("6:20", "6:20");
}

static void words_are_changed(void **state) {
    (void)state;
    expect_normal("None", "0");
    expect_normal("ten", "10");
    expect_normal("The two  An", "2");
    expect_normal("cant", "can't");
    expect_normal("'ow'sat", "'ow's'at");
    expect_normal("somebody'd", "somebodyd");
    expect_normal("youve", "you've");
    expect_normal("kid's", "kid's");
    expect_normal("y'all'dve aint aint aint aint", "y'all'd've ain't ain't ain't ain't");
}

static void what_is_not_ascii(void **state) {
    (void)state;
    expect_normal("CAF\xC3\x89", "caf\xC3\xA9");
    expect_normal("3\xC3\x97", "3\xC3\x97"); /* the sign of multiplication is no letter */
    expect_normal("a\xC2\xA0tv", "tv");
    expect_normal("\xC3", "\xC3"); /* torn */
    expect_normal("\xE4\xB8\xAD", "\xE4\xB8\xAD");
}

static void nothing_is_left(void **state) {
    (void)state;
    expect_normal("", "");
    expect_normal("  the ", "");
    expect_normal("?!.", "");
}

static void scores_of_ten_people(void **state) {
    (void)state;
    for (int given = 0; given <= UN_ANSWERERS; ++given) {
        double sum = 0; /* nine of ten, each left out once */
        for (int left = 0; left < UN_ANSWERERS; ++left) {
            int matches = given - (left < given);
            sum += matches >= 3 ? 1 : matches / 3.0;
        }
        assert_near(un_answer_score(given), sum / UN_ANSWERERS, 1e-7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_go_or_become_blanks), cmocka_unit_test(words_are_changed),
        cmocka_unit_test(what_is_not_ascii),         cmocka_unit_test(nothing_is_left),
        cmocka_unit_test(scores_of_ten_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
