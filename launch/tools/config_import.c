/* uniter config import: the authors' set-ups as configurations of ours. */
#include "io/convert/setup/setup.h"
#include "launch/settings/config.h"
#include "launch/tools/tools.h"
#include "runtime/config/keys.h"
#include "runtime/memory.h"

#include <unistd.h>

struct import_keys {
    int task;
    int64_t cards;
    bool quiet;
};
static const struct un_key keys[] = {
    UN_KEY_INT(
        import_keys, cards, "0", 0, 65536, "cards",
        "on which the set-up ran: a step depends on it; 0: as the file's name says (\"...-8gpu.json\")"),
    UN_KEY_CHOICE(import_keys, task, "auto", un_setup_tasks,
                  "which script the set-up is for; auto: as its keys and the names of its databases tell"),
    UN_KEY_BOOL(import_keys, quiet, "false", "no summary"),
};
static const struct un_key_table table = UN_KEY_TABLE("", import_keys, keys);

/* What comes out is a configuration: read before anybody sees it. */
static enum un_status check(const char *name, const char *text) {
    struct un_run_config *config = un_alloc(1, sizeof *config, "configuration");
    if (!config) return UN_MEMORY;
    enum un_status status = un_run_config_parse(config, name, text);
    un_run_config_free(config);
    un_free(config);
    return status;
}

static enum un_status write_out(const char *path, struct un_text_out *yaml) {
    if (!path) {
        fwrite(yaml->text, 1, yaml->used, stdout);
        return UN_OK;
    }
    if (access(path, F_OK) == 0) return un_fail(UN_USAGE, "%s: exists already", path);
    enum un_status status = un_text_write(yaml, path);
    *yaml = (struct un_text_out){0};
    return status;
}

static enum un_status import(const struct un_arguments *a, const struct import_keys *k,
                             struct un_text_out *yaml) {
    struct un_setup_counts counts;
    char name[256];
    const struct un_setup_options options = {(enum un_setup_task)k->task, k->cards};
    UN_TRY(un_setup_import(yaml, &counts, a->names[0], &options));
    snprintf(name, sizeof name, "what %.200s says", a->names[0]);
    UN_TRY(check(name, yaml->text));
    UN_TRY(write_out(a->n > 1 ? a->names[1] : NULL, yaml));
    if (k->quiet) return UN_OK;
    if (counts.doubtful)
        un_log(UN_LOG_WARN,
               "%s: %lld keys may change the training and have no counterpart: see CHECK at the end",
               a->names[0], (long long)counts.doubtful);
    fprintf(stderr, "%lld keys taken over, %lld without counterpart (named at the end)\n",
            (long long)counts.mapped, (long long)counts.left);
    return UN_OK;
}

static enum un_status run_import(const struct un_tool *tool, int n, char **words) {
    struct import_keys k = {0};
    struct un_arguments a;
    struct un_text_out yaml = {0};
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, 2, &k));
    enum un_status status = import(&a, &k, &yaml);
    un_free(yaml.text);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"config", "import", NULL, "FILE.json [OUT.yaml] [key=value ...]",
     "a set-up of the authors' (their config/*.json, pretraining or task) as a configuration, every key "
     "mapped or named; without "
     "OUT to the standard output",
     &table, run_import},
};
const struct un_tools un_tools_config_import = {list, sizeof list / sizeof *list};
