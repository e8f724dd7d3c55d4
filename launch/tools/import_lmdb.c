/* uniter data import lmdb: the authors' databases, of texts (txt_db) or of features (img_db). */
#include "io/convert/image/sink.h"
#include "io/convert/text/import.h"
#include "launch/process/signals.h"
#include "launch/tools/keys.h"
#include "launch/tools/tools.h"

static enum un_status import_texts(const struct un_arguments *a, const struct un_tool_text_keys *k) {
    struct un_text_source *source = NULL;
    const struct un_text_import how = {.images = k->images,
                                       .ids = "",
                                       .max_txt_len = k->max_txt_len,
                                       .split = "",
                                       .threads = k->run.threads,
                                       .quiet = k->run.quiet,
                                       .stop = un_signals_stop_wanted};
    if (a->n != 2)
        return un_fail(UN_USAGE, "a txt_db is imported by itself: uniter data import lmdb TXT_DB OUT");
    un_signals_install();
    enum un_status status = un_text_source_lmdb(&source, a->names[0]);
    if (status == UN_OK) status = un_text_import(source, NULL, a->names[1], &how);
    un_text_source_close(source);
    return status;
}

static enum un_status import_images(const struct un_arguments *a, const struct un_tool_run_keys *k) {
    struct un_image_source *source = NULL;
    const struct un_image_import how = {
        .threads = k->threads, .quiet = k->quiet, .stop = un_signals_stop_wanted};
    un_signals_install();
    enum un_status status = un_image_source_lmdb(&source, a->names, a->n - 1);
    if (status == UN_OK) status = un_image_import(source, a->names[a->n - 1], &how);
    un_image_source_close(source);
    return status;
}

/* Names: a txt_db, which its meta.json tells, or img_dbs; then OUT. */
static enum un_status run_import(const struct un_tool *tool, int n, char **words) {
    struct un_tool_text_keys k = {0};
    struct un_arguments a;
    enum un_status status;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, -1, &k));
    if (un_text_import_is_db(a.names[0]))
        status = import_texts(&a, &k);
    else if (k.images.n > 0 || k.max_txt_len > 0)
        status = un_fail(UN_USAGE, "%s: images and max_txt_len are for a txt_db (a folder with meta.json)",
                         a.names[0]);
    else
        status = import_images(&a, &k.run);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"data", "import", "lmdb", "TXT_DB OUT.txt.h5 | IMG_DB ... OUT.img.h5 [key=value ...]",
     "the authors' databases: texts; features, msgpack or compressed", &un_tool_text_table, run_import},
};
const struct un_tools un_tools_import_lmdb = {list, sizeof list / sizeof *list};
