/* All commands as one list (tools.h). */
#include "launch/tools/tools.h"

/* In the order in which people read them; each in launch/tools/<name>.c. */
static const struct un_tools *const topics[] = {
    &un_tools_synth,          &un_tools_inspect,        &un_tools_verify,       &un_tools_import_images,
    &un_tools_extract,        &un_tools_select,         &un_tools_import_texts, &un_tools_import_lmdb,
    &un_tools_import_tasks,   &un_tools_answers,        &un_tools_tokenize,     &un_tools_vocab,
    &un_tools_weights_import, &un_tools_weights_export, &un_tools_weights_show, &un_tools_weights_diff,
    &un_tools_config,         &un_tools_config_import,  &un_tools_ckpt,         &un_tools_report,
    &un_tools_score,          &un_tools_embed,          &un_tools_answer,       &un_tools_show,
};

const struct un_tool *un_tool_at(int i) {
    for (size_t t = 0; t < sizeof topics / sizeof *topics; ++t) {
        if (i < topics[t]->n) return &topics[t]->list[i];
        i -= topics[t]->n;
    }
    return NULL;
}

bool un_tool_is_network(const struct un_tool *tool) {
    return !tool->name || tool == un_tools_extract.list;
}

void un_tool_head(const struct un_tool *tool, FILE *out) {
    const char *words[] = {tool->group, tool->name, tool->form};
    fputs("uniter", out);
    for (int i = 0; i < 3 && words[i]; ++i) fprintf(out, " %s", words[i]);
}

void un_tool_help(const struct un_tool *tool, FILE *out) {
    fputs("usage: ", out);
    un_tool_head(tool, out);
    fprintf(out, " %s\n%s\n", tool->arguments, tool->meaning);
    if (!tool->keys) return;
    fputc('\n', out);
    un_config_help(out, &tool->keys, 1);
}

void un_tools_help(FILE *out) {
    const struct un_tool *tool;
    fputs("usage: uniter COMMAND ... (--help after a command: its keys)\n\n", out);
    for (int i = 0; (tool = un_tool_at(i)) != NULL; ++i) {
        fputs("  ", out);
        un_tool_head(tool, out);
        fprintf(out, " %s\n        %s\n", tool->arguments, tool->meaning);
    }
    fputs("  uniter --version | --help\n", out);
}
