/* The commands of `uniter`, a file a command or a few that do one work; the work itself is done in io. */
#ifndef UN_LAUNCH_TOOLS_TOOLS_H
#define UN_LAUNCH_TOOLS_TOOLS_H

#include "runtime/config/config.h"

struct un_tool {
    const char *group, *name,
        *form; /* "data" "import" "npz"; form NULL: none; name NULL: the command is one word and runs a network */
    const char *arguments;           /* "FOLDER|FILE... OUT.img.h5 [key=value ...]" */
    const char *meaning;             /* a few words */
    const struct un_key_table *keys; /* NULL: none */
    enum un_status (*run)(const struct un_tool *tool, int n, char **words);
};
struct un_tools {
    const struct un_tool *list;
    int n;
};
/* Each in the file of its name. */
extern const struct un_tools un_tools_synth, un_tools_inspect, un_tools_verify;
extern const struct un_tools un_tools_import_images, un_tools_import_texts, un_tools_import_lmdb;
extern const struct un_tools un_tools_import_tasks, un_tools_answers;
extern const struct un_tools un_tools_extract;
extern const struct un_tools un_tools_select, un_tools_tokenize, un_tools_vocab;
extern const struct un_tools un_tools_weights_import, un_tools_weights_export, un_tools_weights_show,
    un_tools_weights_diff;
extern const struct un_tools un_tools_config, un_tools_config_import, un_tools_ckpt, un_tools_report;
extern const struct un_tools un_tools_score, un_tools_embed, un_tools_answer, un_tools_show;

/* Command i of all, in the order in which people read them; NULL: there are i or fewer. */
const struct un_tool *un_tool_at(int i);
/* Does it run a network, with the settings of a training? */
bool un_tool_is_network(const struct un_tool *tool);
/* "uniter data import npz"; its --help; --help of all. */
void un_tool_head(const struct un_tool *tool, FILE *out);
void un_tool_help(const struct un_tool *tool, FILE *out);
void un_tools_help(FILE *out);

/* The words of a command, sorted: names (files, folders) in order, and the keys bound to `out`. Keys may be
 * written key=value, --key=value or --key value, anywhere, and those of type bool as --key alone; a word with "=" whose front is no key is a name
 * when such a file exists. `--` ends the keys. Strings and lists live as long as the document. */
struct un_arguments {
    const char **names; /* [n] */
    int n;
    char **made; /* [n_made] texts made of words; owned */
    int n_made;
    struct un_config *document;
};
/* least..most names are wanted (most < 0: any number); UN_USAGE shows the tool's arguments otherwise. */
enum un_status un_arguments_read(struct un_arguments *arguments, const struct un_tool *tool, int n,
                                 char **words, int least, int most, void *out);
void un_arguments_free(struct un_arguments *arguments);

#endif
