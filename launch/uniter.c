/* uniter: the tools beside the training, one process, no MPI. A table of commands; the work is done in io. */
#include "io/inspect.h"
#include "io/synth.h"
#include "launch/end.h"
#include "runtime/config.h"
#include "runtime/memory.h"

#include <string.h>

#ifndef UN_VERSION
#define UN_VERSION "unknown"
#endif

static const char usage[] =
    "usage: uniter data synth FOLDER [key=value ...]   make the micro-world (--help: its keys)\n"
    "       uniter data inspect FILE ...               what is in a file, for people\n"
    "       uniter data verify FILE ...                every rule of the format, every row\n"
    "       uniter --version | --help\n";

static enum un_status run_synth(int n, char **words) {
    struct un_synth_keys keys = {0};
    struct un_config *document = NULL;
    const char **overrides;
    if (n == 1 && strcmp(words[0], "--help") == 0) {
        const struct un_key_table *const tables[] = {&un_synth_key_table};
        printf("usage: uniter data synth FOLDER [key=value ...]\n\n");
        un_config_help(stdout, tables, 1);
        return UN_OK;
    }
    if (n < 1 || strchr(words[0], '='))
        return un_fail(UN_USAGE, "uniter data synth: name the folder to write to first");
    overrides = un_alloc((size_t)n, sizeof *overrides, "command line");
    if (!overrides) return un_error_get()->status;
    for (int i = 1; i < n; ++i) overrides[i - 1] = words[i];
    enum un_status status;
    UN_TRY_GOTO(un_config_parse(&document, "command line", "{}", overrides, n - 1), out);
    UN_TRY_GOTO(un_config_bind(document, &un_synth_key_table, &keys), out);
    UN_TRY_GOTO(un_config_finish(document), out);
    if (snprintf(keys.out, sizeof keys.out, "%s", words[0]) >= (int)sizeof keys.out)
        status = un_fail(UN_USAGE, "%s: the name is too long", words[0]);
    else
        status = un_synth(&keys);
out:
    un_config_free(document);
    un_free(overrides);
    return status;
}

static enum un_status for_each(int n, char **words, enum un_status (*work)(const char *path, FILE *out)) {
    if (n == 0) return un_fail(UN_USAGE, "name at least one file");
    for (int i = 0; i < n; ++i) UN_TRY(work(words[i], stdout));
    return UN_OK;
}
static enum un_status run_inspect(int n, char **words) {
    return for_each(n, words, un_inspect);
}
static enum un_status run_verify(int n, char **words) {
    return for_each(n, words, un_verify);
}

static const struct command {
    const char *group, *name;
    enum un_status (*run)(int n, char **words);
} commands[] = {
    {"data", "synth", run_synth},
    {"data", "inspect", run_inspect},
    {"data", "verify", run_verify},
};

static enum un_status dispatch(int argc, char **argv) {
    const char *names[sizeof commands / sizeof *commands];
    if (argc < 3) return un_fail(UN_USAGE, "a command is needed (see uniter --help)");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; ++i) {
        names[i] = commands[i].name;
        if (strcmp(argv[1], commands[i].group) == 0 && strcmp(argv[2], commands[i].name) == 0)
            return commands[i].run(argc - 3, argv + 3);
    }
    const char *near = un_config_nearest(argv[2], names, sizeof names / sizeof *names);
    if (near)
        return un_fail(UN_USAGE, "unknown command %s %s; did you mean data %s?", argv[1], argv[2], near);
    return un_fail(UN_USAGE, "unknown command %s %s (see uniter --help)", argv[1], argv[2]);
}

int main(int argc, char **argv) {
    bool help = argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (help || (argc == 2 && strcmp(argv[1], "--version") == 0)) {
        if (help)
            fputs(usage, stdout);
        else
            printf("uniter %s\n", UN_VERSION);
        un_end(UN_OK);
    }
    enum un_status status = dispatch(argc, argv);
    un_say(status);
    un_end(status);
}
