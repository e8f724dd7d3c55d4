/* uniter data import npz | tsv | lmdb | h5: other people's features into *.img.h5. A form is a row of the
 * tables below: the constructor of its source, and its command. */
#include "io/convert/image_sink.h"
#include "launch/signals.h"
#include "launch/tools.h"

#include <stddef.h>
#include <string.h>

struct keys {
    int64_t threads;
    bool quiet;
};
static const struct un_key keys[] = {
    {.name = "threads",
     .type = UN_KEY_INT,
     .offset = offsetof(struct keys, threads),
     .fallback = "0",
     .min = 0,
     .max = 1024,
     .unit = "threads",
     .meaning = "0: as many as the process may use"},
    {.name = "quiet",
     .type = UN_KEY_BOOL,
     .offset = offsetof(struct keys, quiet),
     .fallback = "false",
     .unit = "",
     .meaning = "neither progress nor summary"},
};
static const struct un_key_table key_table = {"", keys, sizeof keys / sizeof *keys, sizeof(struct keys)};

typedef enum un_status open_source(struct un_image_source **source, const char *const *paths, int n);
static const struct form {
    const char *name;
    open_source *open;
} forms[] = {
    {NULL, NULL}, /* the end */
};

static open_source *opener(const char *form) {
    const struct form *f = forms;
    while (f->name && strcmp(f->name, form) != 0) ++f;
    return f->open;
}

/* Names: the source's files, then OUT. */
static enum un_status run_import(const struct un_tool *tool, int n, char **words) {
    struct keys k = {0};
    struct un_arguments a;
    struct un_image_source *source = NULL;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, -1, &k));
    un_signals_install();
    const struct un_image_import how = {
        .threads = k.threads, .quiet = k.quiet, .stop = un_signals_stop_wanted};
    enum un_status status = opener(tool->form)(&source, a.names, a.n - 1);
    if (status == UN_OK) status = un_image_import(source, a.names[a.n - 1], &how);
    un_image_source_close(source);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {.keys = &key_table, .run = run_import}, /* the end */
};
const struct un_tools un_tools_images = {list, sizeof list / sizeof *list - 1};
