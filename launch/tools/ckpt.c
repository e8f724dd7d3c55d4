/* uniter ckpt list | verify | show. */
#include "io/checkpoint/show.h"
#include "launch/tools/tools.h"

static enum un_status run_one(const struct un_tool *tool, int n, char **words,
                              enum un_status (*body)(const char *path, FILE *out)) {
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, 1, NULL));
    enum un_status status = body(a.names[0], stdout);
    un_arguments_free(&a);
    return status;
}

static enum un_status run_list(const struct un_tool *tool, int n, char **words) {
    return run_one(tool, n, words, un_checkpoint_list);
}

static enum un_status run_verify(const struct un_tool *tool, int n, char **words) {
    return run_one(tool, n, words, un_checkpoint_verify);
}

static enum un_status run_show(const struct un_tool *tool, int n, char **words) {
    return run_one(tool, n, words, un_checkpoint_show);
}

static const struct un_tool list[] = {
    {"ckpt", "list", NULL, "RUN", "a line for each checkpoint: step, size, shards, age, digests", NULL,
     run_list},
    {"ckpt", "verify", NULL, "RUN|CHECKPOINT", "reads every byte and compares all digests", NULL, run_verify},
    {"ckpt", "show", NULL, "RUN|CHECKPOINT", "what the newest (or this) one holds: shards, streams, tensors",
     NULL, run_show},
};
const struct un_tools un_tools_ckpt = {list, sizeof list / sizeof *list};
