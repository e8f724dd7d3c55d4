/* uniter data import npz | tsv | lmdb | h5: other people's features into *.img.h5. A form is a row of the
 * tables below: the constructor of its source, and its command. */
#include "io/convert/image/sink.h"
#include "launch/process/signals.h"
#include "launch/tools/tools.h"

#include <stddef.h>
#include <string.h>

struct keys {
    int64_t threads;
    bool quiet;
    char ids[256]; /* of h5 */
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
    {.name = "ids",
     .type = UN_KEY_STRING,
     .offset = offsetof(struct keys, ids),
     .fallback = "",
     .unit = "",
     .meaning = "file with an image id a line, for arrays without a dataset of ids"},
};
enum { PLAIN, WITH_IDS };
static const struct un_key_table key_tables[] = {
    [PLAIN] = {"", keys, sizeof keys / sizeof *keys - 1, sizeof(struct keys)},
    [WITH_IDS] = {"", keys, sizeof keys / sizeof *keys, sizeof(struct keys)},
};

typedef enum un_status open_source(struct un_image_source **source, const char *const *paths, int n);
static const struct form {
    const char *name;
    open_source *open; /* NULL: h5, which takes ids */
} forms[] = {
    {"h5", NULL},
    {"lmdb", un_image_source_lmdb}, /* the authors' img_db; its command is that of their txt_db too */
    {"npz", un_image_source_npz},   /* an image a file */
    {"tsv", un_image_source_tsv},   /* an image a line, base64 */
};

static enum un_status open_form(struct un_image_source **source, const char *form, const char *const *paths,
                                int n, const struct keys *k) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; ++i)
        if (strcmp(forms[i].name, form) == 0)
            return forms[i].open ? forms[i].open(source, paths, n)
                                 : un_image_source_h5(source, paths, n, k->ids);
    return un_fail(UN_INTERNAL, "no source of form %s", form);
}

/* names [n]: the source's files, then OUT. */
static enum un_status import_form(const char *form, const char *const *names, int n, const struct keys *k) {
    struct un_image_source *source = NULL;
    const struct un_image_import how = {
        .threads = k->threads, .quiet = k->quiet, .stop = un_signals_stop_wanted};
    un_signals_install();
    enum un_status status = open_form(&source, form, names, n - 1, k);
    if (status == UN_OK) status = un_image_import(source, names[n - 1], &how);
    un_image_source_close(source);
    return status;
}

enum un_status un_tools_images_lmdb(const char *const *names, int n, int64_t threads, bool quiet) {
    return import_form("lmdb", names, n, &(struct keys){.threads = threads, .quiet = quiet});
}

static enum un_status run_import(const struct un_tool *tool, int n, char **words) {
    struct keys k = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, -1, &k));
    enum un_status status = import_form(tool->form, a.names, a.n, &k);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"data", "import", "h5", "FILE ... OUT.img.h5 [key=value ...]", "features in HDF5, the common forms",
     &key_tables[WITH_IDS], run_import},
    {"data", "import", "npz", "FOLDER|FILE.npz ... OUT.img.h5 [key=value ...]",
     "features, an .npz an image, as detectors write them", &key_tables[PLAIN], run_import},
    {"data", "import", "tsv", "FILE ... OUT.img.h5 [key=value ...]",
     "features in TSV, base64: bottom-up-attention, LXMERT", &key_tables[PLAIN], run_import},
};
const struct un_tools un_tools_images = {list, sizeof list / sizeof *list};
