/* uniter data synth | inspect | verify. */
#include "io/inspect.h"
#include "io/synth.h"
#include "launch/tools.h"

#include <stdio.h>

static enum un_status run_synth(const struct un_tool *tool, int n, char **words) {
    struct un_synth_keys keys = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, 1, &keys));
    enum un_status status = UN_OK;
    if (snprintf(keys.out, sizeof keys.out, "%s", a.names[0]) >= (int)sizeof keys.out)
        status = un_fail(UN_USAGE, "%s: the name is too long", a.names[0]);
    else
        status = un_synth(&keys);
    un_arguments_free(&a);
    return status;
}

static enum un_status for_each(const struct un_tool *tool, int n, char **words,
                               enum un_status (*work)(const char *path, FILE *out)) {
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, NULL));
    enum un_status status = UN_OK;
    for (int i = 0; i < a.n && status == UN_OK; ++i) status = work(a.names[i], stdout);
    un_arguments_free(&a);
    return status;
}
static enum un_status run_inspect(const struct un_tool *tool, int n, char **words) {
    return for_each(tool, n, words, un_inspect);
}
static enum un_status run_verify(const struct un_tool *tool, int n, char **words) {
    return for_each(tool, n, words, un_verify);
}

static const struct un_tool list[] = {
    {"data", "synth", NULL, "FOLDER [key=value ...]", "make the micro-world", &un_synth_key_table, run_synth},
    {"data", "inspect", NULL, "FILE ...", "what is in a file, for people", NULL, run_inspect},
    {"data", "verify", NULL, "FILE ...", "every rule of the format, every row", NULL, run_verify},
};
const struct un_tools un_tools_data = {list, sizeof list / sizeof *list};
