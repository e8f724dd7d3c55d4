/* uniter data import npz | tsv | h5: other people's features into *.img.h5. A form is a row of the tables
 * below: the constructor of its source, and its command. */
#include "io/convert/image/sink.h"
#include "launch/process/signals.h"
#include "launch/tools/keys.h"
#include "launch/tools/tools.h"

#include <string.h>

struct keys {
    struct un_tool_run_keys run;
    char ids[256]; /* of h5 */
};
static const struct un_key plain_keys[] = {
    UN_KEY_PART(keys, run, un_tool_run_table),
};
static const struct un_key h5_keys[] = {
    UN_KEY_PART(keys, run, un_tool_run_table),
    UN_KEY_STRING(keys, ids, "", "", "file with an image id a line, for arrays without a dataset of ids"),
};
static const struct un_key_table plain_table = UN_KEY_TABLE("", keys, plain_keys),
                                 h5_table = UN_KEY_TABLE("", keys, h5_keys);

typedef enum un_status open_source(struct un_image_source **source, const char *const *paths, int n);
static const struct form {
    const char *name;
    open_source *open; /* NULL: h5, which takes ids */
} forms[] = {
    {"h5", NULL},
    {"npz", un_image_source_npz}, /* an image a file */
    {"tsv", un_image_source_tsv}, /* an image a line, base64 */
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
        .threads = k->run.threads, .quiet = k->run.quiet, .stop = un_signals_stop_wanted};
    un_signals_install();
    enum un_status status = open_form(&source, form, names, n - 1, k);
    if (status == UN_OK) status = un_image_import(source, names[n - 1], &how);
    un_image_source_close(source);
    return status;
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
     &h5_table, run_import},
    {"data", "import", "npz", "FOLDER|FILE.npz ... OUT.img.h5 [key=value ...]",
     "features, an .npz an image, as detectors write them", &plain_table, run_import},
    {"data", "import", "tsv", "FILE ... OUT.img.h5 [key=value ...]",
     "features in TSV, base64: bottom-up-attention, LXMERT", &plain_table, run_import},
};
const struct un_tools un_tools_import_images = {list, sizeof list / sizeof *list};
