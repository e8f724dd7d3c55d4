/* The words of a command, sorted into names and keys (tools.h). */
#include "launch/tools/tools.h"
#include "io/disk/files.h"
#include "runtime/config/path.h"
#include "runtime/memory.h"

#include <string.h>
#include <unistd.h>

/* NULL: there is no such key. */
static const struct un_key *find_key(const struct un_key_table *table, const char *word, size_t length) {
    for (int64_t k = 0; table && k < table->n; ++k) {
        const struct un_key *key = &table->keys[k];
        if (key->type == UN_KEY_PART)
            key = find_key(key->sub, word, length);
        else if (strlen(key->name) != length || memcmp(key->name, word, length) != 0)
            key = NULL;
        if (key) return key;
    }
    return NULL;
}

/* What --KEY means without "=": the word behind it, which *at then stands on; of a yes or no only when it is one. */
static const char *value_of(const struct un_key *key, int n, char **words, int *at) {
    const char *next = *at + 1 < n ? words[*at + 1] : NULL;
    bool is_bool = next && (strcmp(next, "true") == 0 || strcmp(next, "false") == 0);
    if (key->type == UN_KEY_BOOL && !is_bool) return "true";
    ++*at;
    return next;
}

static enum un_status wrong_names(const struct un_tool *tool) {
    return un_fail(UN_USAGE, "usage: uniter %s%s%s%s%s %s", tool->group, tool->name ? " " : "",
                   tool->name ? tool->name : "", tool->form ? " " : "", tool->form ? tool->form : "",
                   tool->arguments);
}

static enum un_status keep(struct un_arguments *a, char *text) {
    if (!text) return UN_MEMORY;
    a->made[a->n_made++] = text;
    return UN_OK;
}

/* Sorts the words; overrides [n] become "key=value" texts. */
static enum un_status sort_words(struct un_arguments *a, const struct un_key_table *table, int n,
                                 char **words, const char **overrides, int *n_overrides) {
    bool names_only = false;
    for (int i = 0; i < n; ++i) {
        const char *word = words[i];
        bool dashed = !names_only && strncmp(word, "--", 2) == 0;
        if (dashed && word[2] == '\0') {
            names_only = true;
            continue;
        }
        const char *front = dashed ? word + 2 : word, *equals = strchr(front, '=');
        size_t length = equals ? (size_t)(equals - front) : strlen(front);
        const struct un_key *known = find_key(table, front, length);
        if (dashed && known && !equals) {
            const char *value = value_of(known, n, words, &i);
            if (!value) return un_fail(UN_USAGE, "%s: a value is missing", word);
            UN_TRY(keep(a, un_format("%s=%s", front, value)));
            overrides[(*n_overrides)++] = a->made[a->n_made - 1];
        } else if (dashed || (equals && !names_only && (known || access(word, F_OK) != 0))) {
            overrides[(*n_overrides)++] = front;  /* an unknown one is refused with the nearest key */
        } else if (strncmp(word, "~/", 2) == 0) { /* no shell has read it, or it stood in quotes */
            char path[UN_PATH_MAX];
            UN_TRY(un_path_expand(path, sizeof path, word, "command line"));
            UN_TRY(keep(a, un_strdup(path)));
            a->names[a->n++] = a->made[a->n_made - 1];
        } else {
            a->names[a->n++] = word;
        }
    }
    return UN_OK;
}

enum un_status un_arguments_read(struct un_arguments *arguments, const struct un_tool *tool, int n,
                                 char **words, int least, int most, void *out) {
    enum un_status status;
    int n_overrides = 0;
    *arguments = (struct un_arguments){.names = un_alloc((size_t)n + 1, sizeof(char *), "command line")};
    const char **overrides = un_alloc((size_t)n + 1, sizeof *overrides, "command line");
    arguments->made = un_alloc((size_t)n + 1, sizeof *arguments->made, "command line");
    UN_TRY_GOTO(arguments->names && overrides && arguments->made ? UN_OK : UN_MEMORY, out);
    UN_TRY_GOTO(sort_words(arguments, tool->keys, n, words, overrides, &n_overrides), out);
    if (arguments->n < least || (most >= 0 && arguments->n > most)) UN_TRY_GOTO(wrong_names(tool), out);
    UN_TRY_GOTO(un_config_parse(&arguments->document, "command line", "{}", overrides, n_overrides), out);
    if (tool->keys) UN_TRY_GOTO(un_config_bind(arguments->document, tool->keys, out), out);
    UN_TRY_GOTO(un_config_finish(arguments->document), out);
out:
    un_free(overrides);
    if (status != UN_OK) un_arguments_free(arguments);
    return status;
}

void un_arguments_free(struct un_arguments *arguments) {
    un_config_free(arguments->document);
    for (int i = 0; i < arguments->n_made; ++i) un_free(arguments->made[i]);
    un_free(arguments->made);
    un_free(arguments->names);
    *arguments = (struct un_arguments){0};
}
