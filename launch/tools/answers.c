/* uniter data answers: the table of answers of VQA out of its annotations. */
#include "io/convert/task/answers.h"
#include "io/disk/paths.h"
#include "launch/process/signals.h"
#include "launch/tools/tools.h"
#include "runtime/config/keys.h"

struct answers_keys {
    struct un_strings annotations;
    int64_t min_count;
    bool quiet;
};
static const struct un_key keys[] = {
    UN_KEY_PATHS(
        answers_keys, annotations, UN_REQUIRED,
        "annotations of VQA, or patterns; labels are numbered in their order: train first, then val"),
    UN_KEY_INT(answers_keys, min_count, "9", 1, 1e9, "times", "answers that occur less often are left out"),
    UN_KEY_BOOL(answers_keys, quiet, "false", "neither progress nor summary"),
};
static const struct un_key_table table = UN_KEY_TABLE("", answers_keys, keys);

/* Names: OUT. */
static enum un_status run_answers(const struct un_tool *tool, int n, char **words) {
    struct answers_keys k = {0};
    struct un_arguments a;
    char **paths = NULL;
    int64_t files = 0;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, 1, &k));
    un_signals_install();
    const struct un_answers_make how = {k.min_count, k.quiet, un_signals_stop_wanted};
    enum un_status status = un_paths_expand(&paths, &files, &k.annotations, "annotations");
    if (status == UN_OK && files > INT16_MAX) status = un_fail(UN_USAGE, "annotations: too many files");
    if (status == UN_OK) status = un_answers_make(a.names[0], (const char *const *)paths, (int)files, &how);
    un_paths_free(paths, files);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"data", "answers", NULL, "OUT.json annotations=FILE.json [key=value ...]",
     "the table of answers of VQA out of its annotations", &table, run_answers},
};
const struct un_tools un_tools_answers = {list, sizeof list / sizeof *list};
