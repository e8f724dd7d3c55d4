/* Files of names (io/disk/name_list.h) and where a character of UTF-8 ends (io/disk/text.h). */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "io/disk/files.h"
#include "io/disk/name_list.h"
#include "io/disk/text.h"
#include "tests/support/expect.h"

static const char *file_of(const char *bytes, size_t n) {
    const char *path = scratch("names.txt");
    expect_ok(un_files_replace(path, bytes, n));
    return path;
}

static void lines(void **state) {
    static const struct {
        const char *text, *name[4];
        int64_t n;
    } cases[] = {
        {"cup\nred ball\n", {"cup", "red ball"}, 2},
        {"cup\nball", {"cup", "ball"}, 2},
        {"cup\r\nball\r\n", {"cup", "ball"}, 2},
        {"\n\ncup", {"", "", "cup"}, 3},
        {"a\rb\n", {"a\rb"}, 1},
        {"\r\n", {""}, 1},
        {"", {NULL}, 0},
        {"\n", {""}, 1},
        {"\xEF\xBB\xBF"
         "cup\n\xEF\xBB\xBF"
         "ball",
         {"cup", "\xEF\xBB\xBF"
                 "ball"},
         2},
        {"\xEF\xBB\xBF", {NULL}, 0},
    };
    (void)state;
    const uint64_t live = live_blocks();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct un_name_list names;
        expect_ok(un_name_list_read(&names, file_of(cases[i].text, strlen(cases[i].text))));
        assert_int_equal(names.n, cases[i].n);
        for (int64_t k = 0; k < names.n; ++k) assert_string_equal(names.name[k], cases[i].name[k]);
        un_name_list_free(&names);
        expect_ok(un_name_list_parse(&names, "memory", cases[i].text, strlen(cases[i].text)));
        assert_int_equal(names.n, cases[i].n);
        for (int64_t k = 0; k < names.n; ++k) assert_string_equal(names.name[k], cases[i].name[k]);
        un_name_list_free(&names);
    }
    struct un_name_list names;
    expect_error(un_name_list_read(&names, file_of("cup\n\0ball", 9)), UN_DATA, "names.txt", "a zero byte");
    un_name_list_free(&names);
    expect_error(un_name_list_parse(&names, "memory", "cup\0", 4), UN_DATA, "memory", "a zero byte");
    un_name_list_free(&names);
    expect_error(un_name_list_read(&names, scratch("absent.txt")), UN_IO, "absent.txt");
    un_name_list_free(&names);
    assert_int_equal(live_blocks(), live);
}

static void characters(void **state) {
    static const struct {
        const char *text;
        size_t bytes;
    } cases[] = {{"a", 1},
                 {"\x1B", 1},
                 {"\xC3\xA4", 2},
                 {"\xE2\x82\xAC", 3},
                 {"\xF0\x9F\x8D\x8E", 4},
                 {"\xC3", 0},
                 {"\xA4", 0},
                 {"\xC0\x80", 0},
                 {"\xE0\x80\x80", 0},
                 {"\xED\xA0\x80", 0},
                 {"\xF4\x90\x80\x80", 0},
                 {"\xF0\x80\x80\x80", 0},
                 {"\xFF", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        assert_int_equal(un_text_character(cases[i].text), cases[i].bytes);
}

static int clear(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(characters)};
    return cmocka_run_group_tests(tests, NULL, clear);
}
