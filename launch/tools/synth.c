/* uniter data synth: the micro-world, also round real captions. */
#include "io/synth/synth.h"
#include "io/convert/world/world.h"
#include "launch/tools/tools.h"

#include <stdio.h>
#include <string.h>

#define CAPTIONS_ARGUMENTS "FILE FOLDER --classes FILE --vocab FILE [key=value ...]"
static const struct un_tool captions = {
    "data", "synth", "--captions", CAPTIONS_ARGUMENTS, NULL, &un_captions_key_table, NULL};

static enum un_status run_captions(int n, char **words) {
    struct un_captions_keys keys = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, &captions, n, words, 1, 1, &keys));
    enum un_status status = UN_OK;
    if (snprintf(keys.out, sizeof keys.out, "%s", a.names[0]) >= (int)sizeof keys.out)
        status = un_fail(UN_USAGE, "%s: the name is too long", a.names[0]);
    else
        status = un_captions(&keys);
    un_arguments_free(&a);
    return status;
}
/* "--captions" was taken as the command's form: it is a key. */
static enum un_status run_captions_form(const struct un_tool *tool, int n, char **words) {
    (void)tool;
    return run_captions(n + 1, words - 1);
}

/* The key `captions` anywhere makes it the other kind of world, with keys of its own. */
static bool has_captions(int n, char **words) {
    for (int i = 0; i < n; ++i) {
        const char *word = words[i] + (strncmp(words[i], "--", 2) == 0 ? 2 : 0);
        if (strncmp(word, "captions=", 9) == 0 || strcmp(words[i], "--captions") == 0) return true;
    }
    return false;
}

static enum un_status run_synth(const struct un_tool *tool, int n, char **words) {
    if (has_captions(n, words)) return run_captions(n, words);
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

static const struct un_tool list[] = {
    {"data", "synth", "--captions", CAPTIONS_ARGUMENTS, "the micro-world around real captions",
     &un_captions_key_table, run_captions_form},
    {"data", "synth", NULL, "FOLDER [key=value ...]", "make the micro-world", &un_synth_key_table, run_synth},
};
const struct un_tools un_tools_synth = {list, sizeof list / sizeof *list};
