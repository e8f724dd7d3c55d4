/* A configuration's document: reading, overrides, look-up, end.
 *
 * Law: an override is "path=value" with the value parsed as YAML; it replaces what the file says at that
 * path, and later ones replace earlier ones. Its origin is "command line". */
#include "runtime/config/config.h"
#include "runtime/config/private.h"
#include "runtime/memory.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char command_line[] = "command line";

void *un_config_own(struct un_config *config, size_t count, size_t size, const char *what) {
    if (config->n_owned == config->capacity) {
        int64_t capacity = config->capacity == 0 ? 16 : 2 * config->capacity;
        void *list = config->owned;
        if (un_grow(&list, (size_t)config->n_owned, (size_t)capacity, sizeof(void *), "configuration") !=
            UN_OK)
            return NULL;
        config->owned = list;
        config->capacity = capacity;
    }
    void *block = un_alloc(count, size, what);
    if (block != NULL) config->owned[config->n_owned++] = block;
    return block;
}

enum { STEP = 96 }; /* bytes of one step of a path: longer than any key a table declares */

/* Cuts the next step off a path; steps end at '.', '[' or ']'. False: none is left, or it is too long to be a
 * key. */
static bool next_step(const char **path, char step[STEP]) {
    *path += strspn(*path, ".[]");
    size_t length = strcspn(*path, ".[]");
    if (length == 0 || length >= STEP) return false;
    memcpy(step, *path, length);
    step[length] = '\0';
    *path += length;
    return true;
}

/* The index a step spells, or -1. */
static int64_t step_index(const char *step) {
    size_t length = strlen(step);
    return length > 0 && length < 7 && strspn(step, "0123456789") == length ? strtoll(step, NULL, 10) : -1;
}

static struct un_yaml *step_into(const struct un_yaml *node, const char *step) {
    return node->kind == UN_YAML_SEQUENCE ? un_yaml_item(node, step_index(step)) : un_yaml_child(node, step);
}

struct un_yaml *un_config_find(struct un_yaml *root, const char *dotted) {
    char step[STEP];
    while (root != NULL && next_step(&dotted, step)) root = step_into(root, step);
    return root == NULL || *dotted != '\0' ? NULL : root;
}

/* A new child of `node` for `step`; a value that is not there yet becomes a list or a mapping as the step
 * demands. */
static struct un_yaml *make_child(struct un_yaml *node, const char *step, const char *what) {
    int64_t index = step_index(step);
    if (un_yaml_is_null(node)) un_yaml_clear(node, index >= 0 ? UN_YAML_SEQUENCE : UN_YAML_MAPPING);
    char path[UN_YAML_TEXT], shown[UN_YAML_TEXT], where[UN_YAML_TEXT];
    if (node->kind == UN_YAML_MAPPING) return un_yaml_append(node, step);
    if (node->kind == UN_YAML_SEQUENCE && index == node->n) return un_yaml_append(node, NULL);
    un_yaml_path(node, path);
    un_yaml_where(node, where);
    if (node->kind == UN_YAML_SEQUENCE)
        un_fail(UN_USAGE,
                "%s: %s is a list of %lld (%s): \"%s\" is not one of its indices, which count from 0", what,
                path, (long long)node->n, where, step);
    else
        un_fail(UN_USAGE, "%s: %s is %s (%s): it has no \"%s\" in it", what, path, un_yaml_show(node, shown),
                where, step);
    return NULL;
}

struct un_yaml *un_config_reach(struct un_yaml *root, const char *dotted, const char *source,
                                const char *what) {
    struct un_yaml *node = root;
    char step[STEP];
    while (next_step(&dotted, step)) {
        struct un_yaml *child = step_into(node, step);
        if (child == NULL) {
            child = make_child(node, step, what);
            if (child == NULL) return NULL;
            child->source = source;
        }
        node = child;
    }
    if (*dotted == '\0') return node;
    un_fail(UN_USAGE, "%s: a key of %zu bytes is longer than any", what, strcspn(dotted, ".[]"));
    return NULL;
}

/* What comes from the command line has no line and column. */
static void mark_source(struct un_yaml *node, const char *source) {
    node->source = source;
    node->line = node->column = node->key_line = node->key_column = 0;
    for (struct un_yaml *child = node->first; child != NULL; child = child->next) mark_source(child, source);
}

static bool is_path(const char *text, size_t length) {
    if (length == 0 || text[0] == '.' || text[length - 1] == '.' || text[length - 1] == '[') return false;
    for (size_t i = 0; i < length; ++i)
        if (!isalnum((unsigned char)text[i]) && strchr("_-.[]", text[i]) == NULL) return false;
    return true;
}

/* Puts the value of `text` = "path=value" into the tree; `place` stands for it in messages. */
static enum un_status put_override(struct un_config *config, const char *text, const char *place) {
    const char *equals = strchr(text, '=');
    if (equals == NULL || !is_path(text, (size_t)(equals - text)))
        return un_fail(UN_USAGE, "command line: \"%s\" is not of the form section.key=value", text);
    struct un_yaml *value;
    UN_TRY(un_yaml_parse(&value, place, equals + 1, strlen(equals + 1)));
    mark_source(value, command_line);
    value->quoted |= equals[1] == '\0'; /* the shell has eaten the quotes of key="" */
    enum un_status status;
    char *path = un_strdup(text);
    struct un_yaml *node = NULL;
    if (path != NULL) {
        path[equals - text] = '\0';
        node = un_config_reach(config->given, path, command_line, command_line);
    }
    status = node == NULL ? un_error_get()->status : un_yaml_copy(node, value);
    un_free(path);
    un_yaml_free(value);
    return status;
}

static enum un_status apply_overrides(struct un_config *config, const char *const *overrides, int n) {
    for (int i = 0; i < n; ++i) {
        char *place = un_format("command line (%s)", overrides[i]);
        if (place == NULL) return UN_MEMORY;
        enum un_status status = put_override(config, overrides[i], place);
        un_free(place);
        UN_TRY(status);
    }
    return UN_OK;
}

static enum un_status open_trees(struct un_config *config, const char *text, size_t length) {
    UN_TRY(un_yaml_parse(&config->given, config->name, text, length));
    UN_TRY(un_yaml_parse(&config->effective, "effective", "{}", 2));
    char where[UN_YAML_TEXT], shown[UN_YAML_TEXT];
    if (un_yaml_is_null(config->given)) un_yaml_clear(config->given, UN_YAML_MAPPING);
    if (config->given->kind != UN_YAML_MAPPING)
        return un_fail(UN_USAGE, "%s: a configuration is a mapping of sections, not %s",
                       un_yaml_where(config->given, where), un_yaml_show(config->given, shown));
    return UN_OK;
}

static enum un_status parse(struct un_config **out, const char *name, const char *text, size_t length,
                            const char *const *overrides, int n) {
    *out = NULL;
    struct un_config *config = un_alloc(1, sizeof *config, "configuration");
    if (config == NULL) return UN_MEMORY;
    enum un_status status = UN_OK;
    config->name = un_strdup(name);
    if (config->name == NULL) status = UN_MEMORY;
    if (status == UN_OK) status = open_trees(config, text, length);
    if (status == UN_OK) status = apply_overrides(config, overrides, n);
    if (status == UN_OK)
        *out = config;
    else
        un_config_free(config);
    return status;
}

enum un_status un_config_parse(struct un_config **config, const char *name, const char *text,
                               const char *const *overrides, int n) {
    return parse(config, name, text, strlen(text), overrides, n);
}

enum un_status un_config_read(struct un_config **config, const char *path, const char *const *overrides,
                              int n) {
    *config = NULL;
    bool input = strcmp(path, "-") == 0;
    FILE *file = input ? stdin : fopen(path, "re");
    if (input) path = "standard input";
    if (file == NULL)
        return un_fail(UN_USAGE, "%s: cannot open the configuration: %s", path, strerror(errno));
    size_t room = UN_YAML_MAX_BYTES + 1; /* one more than is allowed, so that too much is noticed */
    char *text = un_alloc(room, 1, path);
    size_t length = text == NULL ? 0 : fread(text, 1, room, file);
    enum un_status status = text == NULL ? UN_MEMORY : UN_OK;
    if (text != NULL && ferror(file))
        status = un_fail(UN_USAGE, "%s: cannot read the configuration: %s", path, strerror(errno));
    if (!input) fclose(file);
    if (status == UN_OK) status = parse(config, path, text, length, overrides, n);
    un_free(text);
    return status;
}

void un_config_free(struct un_config *config) {
    if (config == NULL) return;
    un_yaml_free(config->given);
    un_yaml_free(config->effective);
    for (int64_t i = 0; i < config->n_owned; ++i) un_free(config->owned[i]);
    un_free(config->owned);
    un_free(config->name);
    un_free(config);
}

bool un_config_given(const struct un_config *config, const char *dotted) {
    return un_config_find(config->given, dotted) != NULL;
}

const char *un_config_where(const struct un_config *config, const char *dotted) {
    /* Mutable: what is returned; four in turn, so that one message can name several places. */
    static _Thread_local char buffer[4][UN_YAML_TEXT];
    static _Thread_local unsigned turn;
    const struct un_yaml *node = un_config_find(config->given, dotted);
    return node == NULL ? "default" : un_yaml_where(node, buffer[turn++ % 4]);
}

const char *un_config_text(const struct un_config *config, const char *dotted) {
    const struct un_yaml *node = un_config_find(config->effective, dotted);
    return node != NULL && node->bound && node->kind == UN_YAML_SCALAR ? node->text : NULL;
}

const char *un_config_origin(const struct un_config *config, const char *dotted) {
    /* Mutable: what is returned (un_config_where). */
    static _Thread_local char buffer[4][UN_YAML_TEXT];
    static _Thread_local unsigned turn;
    const struct un_yaml *node = config->effective;
    char step[STEP];
    while (next_step(&dotted, step)) {
        const struct un_yaml *child = step_into(node, step);
        if (child == NULL) break;
        node = child;
    }
    char *text = buffer[turn++ % 4];
    if (node->line > 0)
        snprintf(text, UN_YAML_TEXT, "%.240s:%d", node->source, node->line);
    else
        snprintf(text, UN_YAML_TEXT, "%.255s", node->source);
    return text;
}

enum un_status un_config_note(struct un_config *config, const char *dotted, const char *value,
                              const char *why) {
    char *source = un_config_own(config, strlen(why) + 1, 1, "note of a configuration");
    if (source == NULL) return UN_MEMORY;
    memcpy(source, why, strlen(why));
    struct un_yaml *parsed;
    UN_TRY(un_yaml_parse(&parsed, source, value, strlen(value)));
    mark_source(parsed, source);
    struct un_yaml *node = un_config_reach(config->effective, dotted, source, dotted);
    enum un_status status = node == NULL ? un_error_get()->status : un_yaml_copy(node, parsed);
    if (node != NULL) node->bound = true;
    un_yaml_free(parsed);
    return status;
}
