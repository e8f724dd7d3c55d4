/* uniter data inspect: what is in a file. */
#include "io/inspect/inspect.h"
#include "io/data/file.h"
#include "launch/tools/tools.h"
#include "runtime/config/keys.h"

#include <stdio.h>

struct inspect_keys {
    char images[256], classes[256];
    int64_t samples, regions;
};
static const struct un_key keys[] = {
    UN_KEY_PATH(inspect_keys, images, "", "",
                "the feature file of a text file: shows some captions with their regions"),
    UN_KEY_PATH(inspect_keys, classes, "", "",
                "file with a class name a line, with the background or without"),
    UN_KEY_INT(inspect_keys, samples, "3", 0, 1e6, "texts", "captions shown with their regions"),
    UN_KEY_INT(inspect_keys, regions, "8", 0, 65536, "regions", "shown of an image"),
};
static const struct un_key_table table = UN_KEY_TABLE("", inspect_keys, keys);

static enum un_status inspect_one(const char *path, const struct inspect_keys *k) {
    const struct un_inspect_pairs how = {.images = k->images,
                                         .classes = k->classes[0] ? k->classes : NULL,
                                         .samples = k->samples,
                                         .regions = k->regions};
    bool text;
    UN_TRY(un_inspect(path, stdout));
    if (!k->images[0]) return UN_OK;
    UN_TRY(un_data_kind(path, &text));
    return text ? un_inspect_pairs(path, &how, stdout) : UN_OK;
}
static enum un_status run_inspect(const struct un_tool *tool, int n, char **words) {
    struct inspect_keys k = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, &k));
    enum un_status status = UN_OK;
    for (int i = 0; i < a.n && status == UN_OK; ++i) status = inspect_one(a.names[i], &k);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"data", "inspect", NULL, "FILE ... [key=value ...]", "what is in a file, for people", &table,
     run_inspect},
};
const struct un_tools un_tools_inspect = {list, sizeof list / sizeof *list};
