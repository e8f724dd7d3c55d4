#include "launch/manual/shell_private.h"
#include "launch/settings/config.h"

#include <string.h>

struct walk {
    FILE *out;
    const char *command;
    un_shell_visit *visit;
};

/* "data.train[].name" is written with the number of an item. */
static void write_index(char out[192], const char *name) {
    size_t n = 0;
    for (; *name && n < 188; ++name) {
        if (strncmp(name, "[]", 2) != 0) {
            out[n++] = *name;
            continue;
        }
        out[n++] = '.';
        out[n++] = '0';
        ++name;
    }
    out[n] = '\0';
}

static enum un_status visit_key(void *context, const struct un_key_words *w) {
    static const char *const truth[] = {"true", "false", NULL};
    const struct walk *walk = context;
    const struct un_key *key = w->key;
    char name[192], share[256];
    write_index(name, w->name);
    if (key->type == UN_KEY_LIST) return UN_OK; /* its items' keys follow */
    struct un_shell_key said = {.name = name, .meaning = key->meaning, .path = key->path};
    said.flag = key->type == UN_KEY_BOOL;
    said.choices = said.flag ? truth : key->type == UN_KEY_CHOICE ? key->choices : NULL;
    if (key->type != UN_KEY_WEIGHTS) {
        walk->visit(walk->out, walk->command, &said);
        return UN_OK;
    }
    for (int i = 0; key->choices[i]; ++i) {
        snprintf(share, sizeof share, "%s.%s", name, key->choices[i]);
        said.name = share;
        walk->visit(walk->out, walk->command, &said);
    }
    return UN_OK;
}

void un_shell_keys(FILE *out, const struct un_tool *tool, un_shell_visit *visit) {
    char called[128] = "run";
    if (tool) un_manual_called(tool, called);
    struct walk walk = {out, called, visit};
    if (!tool)
        un_run_config_keys(visit_key, &walk);
    else if (tool->keys)
        un_config_keys(&tool->keys, 1, visit_key, &walk);
}

void un_shell_quoted(FILE *out, const char *text) {
    for (; *text; ++text)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
}

void un_shell_lines(FILE *out, const char *const *lines) {
    for (; *lines; ++lines) fprintf(out, "%s\n", *lines);
}

static void write_value(FILE *out, const char *command, const struct un_shell_key *key) {
    if (!key->choices && !key->path) return;
    fprintf(out, "        '%s:%s') values='", command, key->name);
    if (!key->choices) fputc('@', out);
    for (int i = 0; key->choices && key->choices[i]; ++i) fprintf(out, "%s%s", i ? " " : "", key->choices[i]);
    fputs("' ;;\n", out);
}

void un_shell_values(FILE *out) {
    const struct un_tool *tool;
    fputs("    case \"$1:$2\" in\n", out);
    for (int i = 0; (tool = un_tool_at(i)) != NULL; ++i) un_shell_keys(out, tool, write_value);
    un_shell_keys(out, NULL, write_value);
    fputs("    esac\n", out);
}
