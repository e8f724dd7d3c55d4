/* uniter config show, diff: configurations as they are in force. */
#include "launch/settings/config.h"
#include "io/disk/files.h"
#include "launch/tools/tools.h"
#include "runtime/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A configuration and, where it was kept by a run, its text, whose comments say where values come from. */
struct config_view {
    struct un_run_config config; /* large */
    char *path, *text;           /* text: of a run's config.yaml, else NULL */
    struct config_value {
        char *key, *value;
    } * values; /* [n], in the order of the tables */
    int64_t n, size;
};

static enum un_status keep_value(void *context, const char *key, const char *value) {
    struct config_view *v = context;
    if (v->n == v->size) {
        void *list = v->values;
        UN_TRY(un_grow(&list, (size_t)v->n, (size_t)v->size * 2 + 128, sizeof *v->values, "configuration"));
        v->values = list;
        v->size = v->size * 2 + 128;
    }
    struct config_value *at = &v->values[v->n++];
    *at = (struct config_value){un_strdup(key), un_strdup(value)};
    return at->key && at->value ? UN_OK : UN_MEMORY;
}

/* A run's folder stands for its config.yaml. */
static enum un_status find_path(struct config_view *v, const char *name) {
    char path[UN_PATH_MAX];
    struct stat facts;
    if (stat(name, &facts) == 0 && S_ISDIR(facts.st_mode)) {
        UN_TRY(un_files_join(path, name, "config.yaml"));
        if (stat(path, &facts) != 0)
            return un_fail(UN_USAGE, "%s: a folder without config.yaml is no run", name);
        name = path;
    }
    v->path = un_strdup(name);
    return v->path ? UN_OK : UN_MEMORY;
}

static enum un_status open_view(struct config_view *v, const char *name) {
    enum { MOST = 4 << 20, HEAD = 256 };
    static const char kept[] = "# The configuration in effect;";
    size_t bytes;
    UN_TRY(find_path(v, name));
    UN_TRY(un_run_config_read(&v->config, v->path, NULL, 0));
    UN_TRY(un_run_config_tell(&v->config));
    if (strcmp(v->path, "-") != 0) UN_TRY(un_files_read(v->path, MOST, &v->text, &bytes));
    const char *found = v->text ? strstr(v->text, kept) : NULL;
    if (v->text && (!found || found - v->text > HEAD)) { /* comments are their writer's own */
        un_free(v->text);
        v->text = NULL;
    }
    return un_run_config_each(&v->config, keep_value, v);
}

static void close_view(struct config_view *v) {
    if (!v) return;
    for (int64_t i = 0; i < v->n; ++i) {
        un_free(v->values[i].key);
        un_free(v->values[i].value);
    }
    un_free(v->values);
    un_free(v->text);
    un_free(v->path);
    un_run_config_free(&v->config);
    un_free(v);
}

static enum un_status make_view(struct config_view **v, const char *name) {
    *v = un_alloc(1, sizeof **v, name);
    return *v ? open_view(*v, name) : UN_MEMORY;
}

/* "runs/a/config.yaml:12", and behind it what that line's own comment says. */
static void print_origin(const struct config_view *v, const char *key) {
    const char *origin = un_config_origin(v->config.document, key), *colon = strrchr(origin, ':');
    fputs(origin, stdout);
    if (!v->text || !colon) return;
    const char *line = v->text;
    for (long n = strtol(colon + 1, NULL, 10); n > 1 && line; --n)
        line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
    const char *end = line ? strchr(line, '\n') : NULL, *comment = line ? strstr(line, "  # ") : NULL;
    if (comment && end && comment < end) printf(", from %.*s", (int)(end - comment - 4), comment + 4);
}

/* Is `key` the wanted one, or inside the section, list or set that is wanted? */
static bool is_inside(const char *key, const char *wanted) {
    size_t n = strlen(wanted);
    return strncmp(key, wanted, n) == 0 && (key[n] == '\0' || key[n] == '.');
}

static enum un_status unknown_key(const struct config_view *v, const char *wanted) {
    const char **known = un_alloc((size_t)v->n + 1, sizeof *known, "keys");
    if (!known) return UN_MEMORY;
    for (int64_t i = 0; i < v->n; ++i) known[i] = v->values[i].key;
    const char *near = un_config_nearest(wanted, known, v->n);
    enum un_status status = un_fail(UN_USAGE, "%s: no key %s%s%s%s", v->path, wanted,
                                    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    un_free(known);
    return status;
}

static enum un_status show_key(const struct config_view *v, const char *wanted) {
    bool any = false;
    for (int64_t i = 0; i < v->n; ++i) {
        if (!is_inside(v->values[i].key, wanted)) continue;
        any = true;
        printf("%s: %s  # ", v->values[i].key, v->values[i].value[0] ? v->values[i].value : "\"\"");
        print_origin(v, v->values[i].key);
        putchar('\n');
    }
    return any ? UN_OK : unknown_key(v, wanted);
}

static enum un_status run_show(const struct un_tool *tool, int n, char **words) {
    struct un_arguments a;
    struct config_view *v = NULL;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, NULL));
    enum un_status status = make_view(&v, a.names[0]);
    if (status == UN_OK && a.n == 1) status = un_config_write(v->config.document, stdout);
    for (int i = 1; i < a.n && status == UN_OK; ++i) status = show_key(v, a.names[i]);
    close_view(v);
    un_arguments_free(&a);
    return status;
}

static struct config_value *find_value(const struct config_view *v, const char *key) {
    for (int64_t i = 0; i < v->n; ++i)
        if (strcmp(v->values[i].key, key) == 0) return &v->values[i];
    return NULL;
}

static void print_side(const struct config_view *v, const struct config_value *value) {
    if (!value) {
        fputs("-", stdout);
        return;
    }
    printf("%s (", value->value[0] ? value->value : "\"\"");
    print_origin(v, value->key);
    putchar(')');
}

/* A line for every key whose values differ, in A's order, then those of B alone. */
static bool print_differences(const struct config_view *a, const struct config_view *b) {
    bool equal = true;
    for (int side = 0; side < 2; ++side) {
        const struct config_view *v = side == 0 ? a : b;
        for (int64_t i = 0; i < v->n; ++i) {
            struct config_value *one = &v->values[i], *other = find_value(side == 0 ? b : a, one->key);
            if (side == 1 ? other != NULL : other && strcmp(one->value, other->value) == 0) continue;
            equal = false;
            printf("%s: ", one->key);
            print_side(a, side == 0 ? one : NULL);
            fputs(" | ", stdout);
            print_side(b, side == 0 ? other : one);
            putchar('\n');
        }
    }
    return equal;
}

static enum un_status run_diff(const struct un_tool *tool, int n, char **words) {
    struct un_arguments a;
    struct config_view *first = NULL, *second = NULL;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, 2, NULL));
    enum un_status status = make_view(&first, a.names[0]);
    if (status == UN_OK) status = make_view(&second, a.names[1]);
    if (status == UN_OK && !print_differences(first, second))
        status = un_fail(UN_DATA, "%s and %s differ", a.names[0], a.names[1]);
    close_view(first);
    close_view(second);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"config", "show", NULL, "FILE|RUN [key|section ...]",
     "a configuration as it is in force, every value with where it comes from; of keys a line each", NULL,
     run_show},
    {"config", "diff", NULL, "A B",
     "two configurations or runs: a line for every key whose values differ, with where they come from; exit "
     "code 65 "
     "when they differ",
     NULL, run_diff},
};
const struct un_tools un_tools_config = {list, sizeof list / sizeof *list};
