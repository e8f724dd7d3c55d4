/* uniter data import npz | npy | tsv | h5 | grid: other people's features into *.img.h5. A form is a row of the tables
 * below: the constructor of its source, and its command. */
#include "io/convert/image/sink.h"
#include "launch/process/signals.h"
#include "launch/tools/keys.h"
#include "launch/tools/tools.h"

#include <string.h>

struct keys {
    struct un_tool_run_keys run;
    struct un_tool_bad_keys bad;
    struct un_tool_label_keys labels; /* not of grid */
    char ids[256];                    /* of h5, grid */
    char tensor[256];
    int64_t rows, cols;
    int class_token;
    int dtype; /* of tsv */
};
static const char *const class_token[] = {"drop", "keep", NULL};
static const struct un_key plain_keys[] = {
    UN_KEY_PART(keys, run, un_tool_run_table),
    UN_KEY_PART(keys, bad, un_tool_bad_table),
    UN_KEY_PART(keys, labels, un_tool_label_table),
};
static const char *const dtype[] = {"f32", "f16", NULL};
static const struct un_key tsv_keys[] = {
    UN_KEY_PART(keys, run, un_tool_run_table),
    UN_KEY_PART(keys, bad, un_tool_bad_table),
    UN_KEY_CHOICE(keys, dtype, "f32", dtype,
                  "what the features (and cls_prob) are; of boxes and scores their size tells"),
    UN_KEY_PART(keys, labels, un_tool_label_table),
};
static const struct un_key h5_keys[] = {
    UN_KEY_PART(keys, run, un_tool_run_table),
    UN_KEY_PART(keys, bad, un_tool_bad_table),
    UN_KEY_PATH(keys, ids, "", "", "file with an image id a line, for arrays without a dataset of ids"),
    UN_KEY_PART(keys, labels, un_tool_label_table),
};
static const struct un_key grid_keys[] = {
    UN_KEY_PART(keys, run, un_tool_run_table),
    UN_KEY_PART(keys, bad, un_tool_bad_table),
    UN_KEY_PATH(keys, ids, "", "",
                "file with an image id a line, for all files in their order; none given: X.ids beside X.npy"),
    UN_KEY_STRING(keys, tensor, "", "", "its name in a .safetensors that holds several"),
    UN_KEY_INT(keys, rows, "0", 0, UN_IMAGE_REGIONS_MAX, "", "rows of cells; with cols 0: a square"),
    UN_KEY_INT(keys, cols, "0", 0, UN_IMAGE_REGIONS_MAX, "", "cells in a row"),
    UN_KEY_CHOICE(
        keys, class_token, "drop", class_token,
        "what stands before the cells: left out, or kept as a region whose box is the whole picture"),
};
static const struct un_key_table plain_table = UN_KEY_TABLE("", keys, plain_keys),
                                 tsv_table = UN_KEY_TABLE("", keys, tsv_keys),
                                 h5_table = UN_KEY_TABLE("", keys, h5_keys),
                                 grid_table = UN_KEY_TABLE("", keys, grid_keys);

static enum un_status open_h5(struct un_image_source **source, const char *const *paths, int n,
                              const struct keys *k) {
    return un_image_source_h5(source, paths, n, k->ids);
}
static enum un_status open_tsv(struct un_image_source **source, const char *const *paths, int n,
                               const struct keys *k) {
    UN_TRY(un_image_source_tsv(source, paths, n));
    un_image_source_tsv_type(*source, k->dtype == 1 ? UN_F16 : UN_F32);
    return UN_OK;
}
static enum un_status open_grid(struct un_image_source **source, const char *const *paths, int n,
                                const struct keys *k) {
    const struct un_image_grid grid = {k->ids, k->tensor, k->rows, k->cols, k->class_token == 1};
    return un_image_source_grid(source, paths, n, &grid);
}

typedef enum un_status open_plain(struct un_image_source **source, const char *const *paths, int n);
typedef enum un_status open_with_keys(struct un_image_source **source, const char *const *paths, int n,
                                      const struct keys *keys);
static const struct form {
    const char *name;
    open_plain *plain; /* one of the two */
    open_with_keys *with_keys;
} forms[] = {
    {"grid", NULL, open_grid}, /* patches of a ViT, many images a file */
    {"h5", NULL, open_h5},
    {"npy", un_image_source_npy, NULL}, /* two files an image */
    {"npz", un_image_source_npz, NULL}, /* an image a file */
    {"tsv", NULL, open_tsv},            /* an image a line, base64 */
};

static enum un_status open_form(struct un_image_source **source, const char *form, const char *const *paths,
                                int n, const struct keys *k) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; ++i)
        if (strcmp(forms[i].name, form) == 0)
            return forms[i].plain ? forms[i].plain(source, paths, n)
                                  : forms[i].with_keys(source, paths, n, k);
    return un_fail(UN_INTERNAL, "no source of form %s", form);
}

/* names [n]: the source's files, then OUT. */
static enum un_status import_form(const char *form, const char *const *names, int n, const struct keys *k) {
    struct un_image_source *source = NULL;
    const struct un_image_import how = {.threads = k->run.threads,
                                        .quiet = k->run.quiet,
                                        .skip = k->bad.bad == 1,
                                        .stop = un_signals_stop_wanted};
    un_signals_install();
    enum un_status status = open_form(&source, form, names, n - 1, k);
    if (status == UN_OK) source->onehot = un_tool_onehot(&k->labels);
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
    {"data", "import", "grid", "FILE.npy|FILE.safetensors ... OUT.img.h5 [key=value ...]",
     "patch grids of a ViT or CLIP, [images, rows * cols (+ 1), width]", &grid_table, run_import},
    {"data", "import", "h5", "FILE ... OUT.img.h5 [key=value ...]", "features in HDF5, the common forms",
     &h5_table, run_import},
    {"data", "import", "npy", "FOLDER|FILE.npy ... OUT.img.h5 [key=value ...]",
     "features, an .npy and an _info.npy an image, as mmf leaves them", &plain_table, run_import},
    {"data", "import", "npz", "FOLDER|FILE.npz ... OUT.img.h5 [key=value ...]",
     "features, an .npz an image, as detectors write them", &plain_table, run_import},
    {"data", "import", "tsv", "FILE ... OUT.img.h5 [key=value ...]",
     "features in TSV, base64: bottom-up-attention, LXMERT, VinVL", &tsv_table, run_import},
};
const struct un_tools un_tools_import_images = {list, sizeof list / sizeof *list};
