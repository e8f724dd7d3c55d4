/* The options of uniter_dist as a table (options.h). */
#include "launch/settings/options.h"
#include "runtime/status.h"

#include <string.h>

const struct un_run_option un_run_options[] = {
    {"--cfg", "FILE", "configuration (YAML; -: standard input); dotted overrides follow, e.g. optim.lr=1e-4"},
    {"--check", NULL, "read configuration and data, print the plan, train nothing"},
    {"--resume", "HOW",
     "auto (default): from the newest complete checkpoint of run.dir, if any; none: from the start; or the "
     "folder of a checkpoint"},
    {"--bench", "STEPS",
     "time STEPS steps after a warm-up, hold them against the matrix rate; writes nothing"},
    {"--eval", "[SET]",
     "the measures of the set of this name in data.valid (of all): RUN/eval_SET.json and the server's file, "
     "of the run's best checkpoint, else its newest, else of model.init, or of --resume; trains nothing"},
    {"--quiet", NULL, "no progress line"},
    {"--help-config", NULL, "every key with type, unit, default, range and meaning"},
    {"--version", NULL, "the program's version"},
    {"--help", NULL, "this text; also -h"},
    {NULL, NULL, NULL},
};

const struct un_exit_code un_exit_codes[] = {
    {UN_OK, "done"},
    {UN_USAGE, "usage or configuration"},
    {UN_DATA, "bad data"},
    {UN_INTERNAL, "internal"},
    {UN_MEMORY, "out of memory"},
    {UN_IO, "input/output"},
    {UN_STOPPED, "stopped early by a signal after a checkpoint (start the same command again)"},
    {0, NULL},
};

enum { WIDTH = 110, INDENT = 21 };

/* In lines that all begin at INDENT, where the first stands already. */
static void write_words(FILE *out, const char *text) {
    int at = INDENT;
    for (const char *word = text; *word;) {
        int length = (int)strcspn(word, " ");
        if (at > INDENT && at + 1 + length > WIDTH) {
            fprintf(out, "\n%*s", INDENT, "");
            at = INDENT;
        }
        at += fprintf(out, "%s%.*s", at > INDENT ? " " : "", length, word);
        word += length + (word[length] == ' ');
    }
    fputc('\n', out);
}

void un_run_options_help(FILE *out) {
    fputs("usage: uniter_dist --cfg FILE [options] [section.key=value ...]\n"
          "       mpirun -np N uniter_dist --cfg FILE ...\n\n",
          out);
    for (const struct un_run_option *o = un_run_options; o->name; ++o) {
        int at = fprintf(out, "  %s %s", o->name, o->value ? o->value : "");
        fprintf(out, "%*s", INDENT - at, "");
        write_words(out, o->meaning);
    }
    fputs("\nexit codes:\n", out);
    for (const struct un_exit_code *e = un_exit_codes; e->meaning; ++e)
        fprintf(out, "  %2d  %s\n", e->code, e->meaning);
}
