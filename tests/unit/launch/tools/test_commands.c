/* The list of all commands: each is called by words of its own and says what it does. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "launch/tools/tools.h"

#include <stdlib.h>
#include <string.h>

static void name(const struct un_tool *tool, char out[128]) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    un_tool_head(tool, file);
    fclose(file);
    snprintf(out, 128, "%s", text);
    free(text);
}

static void every_command_once(void **state) {
    (void)state;
    const struct un_tool *tool;
    char names[128][128];
    int n = 0, networks = 0;
    for (; (tool = un_tool_at(n)) != NULL; ++n) {
        assert_in_range(n, 0, 127);
        name(tool, names[n]);
        assert_true(tool->meaning[0] && tool->run != NULL && tool->arguments != NULL);
        assert_true(tool->name != NULL || tool->form == NULL);
        networks += un_tool_is_network(tool);
        for (int k = 0; k < n; ++k) assert_string_not_equal(names[k], names[n]);
    }
    assert_in_range(n, 25, 127);
    assert_in_range(networks, 3, n - 10);
    assert_null(un_tool_at(n + 1));
    assert_string_equal(names[0], "uniter data synth --captions");
}

static void help_names_all(void **state) {
    (void)state;
    const struct un_tool *tool;
    char *text = NULL, words[132];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    un_tools_help(out);
    fclose(out);
    for (int i = 0; (tool = un_tool_at(i)) != NULL; ++i) {
        words[0] = words[1] = ' ';
        name(tool, words + 2);
        strcat(words, " ");
        if (!strstr(text, words)) fail_msg("\"%s\" is not in the help", words);
        assert_non_null(strstr(text, tool->meaning));
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_once),
        cmocka_unit_test(help_names_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
