/* The pages about programs, commands and keys. */
#include "launch/manual/manual.h"
#include "launch/manual/roff.h"
#include "launch/settings/config.h"
#include "launch/settings/options.h"

#include <string.h>

void un_manual_called(const struct un_tool *tool, char out[128]) {
    const char *const words[] = {tool->group, tool->name, tool->form};
    out[0] = '\0';
    for (int i = 0; i < 3 && words[i]; ++i) {
        size_t used = strlen(out);
        snprintf(out + used, 128 - used, "%s%s", i ? " " : "", words[i]);
    }
}

/* What is left out when it says nothing: the range; and "required" is no default. */
static enum un_status write_key(void *context, const struct un_key_words *w) {
    FILE *out = context;
    char facts[512];
    bool required = strcmp(w->fallback, "required") == 0;
    un_roff_term(out, w->name);
    un_roff_text(out, w->key->meaning);
    fputs(".br\n", out);
    snprintf(facts, sizeof facts, "%s%s%s%s%s", w->type, w->range[0] ? ": " : "", w->range,
             required ? "; " : "; default ", w->fallback);
    un_roff_text(out, facts);
    return UN_OK;
}

static void write_tool(FILE *out, const struct un_tool *tool) {
    char called[128], line[640];
    un_manual_called(tool, called);
    snprintf(line, sizeof line, "uniter %s", called);
    un_roff_part(out, line);
    fputs("\\fB", out);
    un_roff_words(out, line, strlen(line));
    fputs("\\fR ", out);
    un_roff_words(out, tool->arguments, strlen(tool->arguments));
    fputc('\n', out);
    un_roff_paragraph(out);
    un_roff_text(out, tool->meaning);
    if (tool->keys) un_config_keys(&tool->keys, 1, write_key, out);
}

static void write_tools(FILE *out, bool data) {
    const struct un_tool *tool;
    for (int i = 0; (tool = un_tool_at(i)) != NULL; ++i)
        if ((strcmp(tool->group, "data") == 0) == data) write_tool(out, tool);
}

static void write_ends(FILE *out) {
    un_roff_section(out, "EXIT STATUS");
    for (const struct un_exit_code *e = un_exit_codes; e->meaning; ++e) {
        char code[16];
        snprintf(code, sizeof code, "%d", e->code);
        un_roff_term(out, code);
        un_roff_text(out, e->meaning);
    }
}

static const char how_keys[] =
    "Keys stand anywhere behind the command, as key=value, \\-\\-key=value or \\-\\-key value; those that "
    "are "
    "true or false as \\-\\-key alone. A list is [a,b]. What follows a lone \\-\\- is no key.\n";

void un_manual_uniter(FILE *out) {
    un_roff_begin(out, "uniter", 1, "data, weights, runs and answers of UNITER");
    un_roff_section(out, "SYNOPSIS");
    fputs("\\fBuniter\\fR \\fIcommand\\fR ... [\\fIkey\\fR=\\fIvalue\\fR ...]\n.br\n"
          "\\fBuniter\\fR \\fIcommand\\fR \\fB\\-\\-help\\fR\n.br\n"
          "\\fBuniter \\-\\-version\\fR | \\fB\\-\\-help\\fR\n",
          out);
    un_roff_section(out, "DESCRIPTION");
    fputs(
        "The tools beside the training: one process, without MPI (\\fBuniter data extract\\fR also works on "
        "many ranks). Nothing is overwritten; a file appears whole or not at all.\n.PP\n",
        out);
    fputs(how_keys, out);
    fputs(".PP\nCommands that begin with \\fBuniter data\\fR have a page of their own, "
          "\\fBuniter\\-data\\fR(1).\n",
          out);
    un_roff_section(out, "COMMANDS");
    write_tools(out, false);
    write_ends(out);
    un_roff_section(out, "SEE ALSO");
    fputs("\\fBuniter\\-data\\fR(1), \\fBuniter_dist\\fR(1), \\fBuniter\\-config\\fR(5), "
          "\\fBuniter\\-files\\fR(5)\n",
          out);
}

void un_manual_data(FILE *out) {
    un_roff_begin(out, "uniter-data", 1, "make, import, check and cut data sets of UNITER");
    un_roff_section(out, "SYNOPSIS");
    fputs("\\fBuniter data\\fR \\fIcommand\\fR ... [\\fIkey\\fR=\\fIvalue\\fR ...]\n", out);
    un_roff_section(out, "DESCRIPTION");
    fputs("A data set is a file of images (*.img.h5) and a file of texts (*.txt.h5), "
          "\\fBuniter\\-files\\fR(5).\n.PP\n",
          out);
    fputs(how_keys, out);
    un_roff_section(out, "COMMANDS");
    write_tools(out, true);
    write_ends(out);
    un_roff_section(out, "SEE ALSO");
    fputs("\\fBuniter\\fR(1), \\fBuniter_dist\\fR(1), \\fBuniter\\-files\\fR(5)\n", out);
}

void un_manual_dist(FILE *out) {
    un_roff_begin(out, "uniter_dist", 1, "pretrain and fine-tune UNITER on MPI ranks");
    un_roff_section(out, "SYNOPSIS");
    fputs("\\fBuniter_dist \\-\\-cfg\\fR \\fIFILE\\fR [\\fIoption\\fR ...] "
          "[\\fIsection.key\\fR=\\fIvalue\\fR ...]\n.br\n"
          "\\fBmpirun \\-np\\fR \\fIN\\fR \\fBuniter_dist \\-\\-cfg\\fR \\fIFILE\\fR ...\n",
          out);
    un_roff_section(out, "DESCRIPTION");
    fputs("Trains what the configuration says, \\fBuniter\\-config\\fR(5). Any key of it may be given behind "
          "the "
          "options. Started again, it goes on from the newest complete checkpoint of \\fBrun.dir\\fR, on any "
          "number of "
          "ranks. What a run leaves in its folder: \\fBuniter\\-files\\fR(5).\n",
          out);
    un_roff_section(out, "OPTIONS");
    for (const struct un_run_option *o = un_run_options; o->name; ++o) {
        char term[96];
        snprintf(term, sizeof term, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        un_roff_term(out, term);
        un_roff_text(out, o->meaning);
    }
    write_ends(out);
    un_roff_section(out, "SEE ALSO");
    fputs("\\fBuniter\\fR(1), \\fBuniter\\-data\\fR(1), \\fBuniter\\-config\\fR(5), "
          "\\fBuniter\\-files\\fR(5)\n",
          out);
}

void un_manual_config(FILE *out) {
    un_roff_begin(out, "uniter-config", 5, "the configuration of uniter_dist");
    un_roff_section(out, "DESCRIPTION");
    fputs(
        "A YAML file of sections and their keys. On the command line a key is written with its section, "
        "\\fBoptim.lr=1e\\-4\\fR, an item of a list with its number, \\fBdata.train.0.name=coco\\fR; here an "
        "item is [].\n"
        ".PP\nAn unknown key, a wrong type and a value out of range are errors that name file, line and the "
        "nearest key. \\fBuniter config show\\fR \\fIFILE\\fR says what is in force and where it comes from; "
        "\\fBuniter_dist \\-\\-cfg\\fR \\fIFILE\\fR \\fB\\-\\-check\\fR reads the data, too.\n",
        out);
    un_roff_section(out, "KEYS");
    un_run_config_keys(write_key, out);
    un_roff_section(out, "SEE ALSO");
    fputs("\\fBuniter_dist\\fR(1), \\fBuniter\\fR(1), \\fBuniter\\-files\\fR(5)\n", out);
}
