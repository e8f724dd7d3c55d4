/* uniter data import lmdb: the authors' databases, of texts (txt_db) or of features (img_db). */
#include "io/convert/image/sink.h"
#include "io/convert/text/import.h"
#include "launch/process/signals.h"
#include "launch/tools/keys.h"
#include "launch/tools/tools.h"

struct lmdb_keys {
    int task; /* 0: told by the fields, then enum un_task */
    char answers[256];
    bool detected;
    struct un_tool_bad_keys bad;
    struct un_tool_label_keys labels;
    struct un_tool_text_keys text;
};
static const char *const tasks[] = {"auto", "vqa", "ve", "nlvr2", "vcr", "re", "retrieval", "none", NULL};
static const struct un_key key_list[] = {
    UN_KEY_CHOICE(
        lmdb_keys, task, "auto", tasks,
        "of a txt_db: what its texts are asked; auto: what the fields of the first record tell, which is "
        "nothing for captions and for retrieval"),
    UN_KEY_PATH(lmdb_keys, answers, "", "",
                "vqa, ve: the table of answers, JSON {answer: label}; none given: the three of SNLI-VE, 3129 "
                "without names for VQA"),
    UN_KEY_BOOL(
        lmdb_keys, detected, "false",
        "re: the regions will be detected ones, not those of images.json in their order: no label is known"),
    UN_KEY_PART(lmdb_keys, bad, un_tool_bad_table),
    UN_KEY_PART(lmdb_keys, labels, un_tool_label_table),
    UN_KEY_PART(lmdb_keys, text, un_tool_text_table),
};
static const struct un_key_table table = UN_KEY_TABLE("", lmdb_keys, key_list);

static enum un_status import_texts(const struct un_arguments *a, const struct lmdb_keys *keys) {
    const struct un_tool_text_keys *k = &keys->text;
    const struct un_text_lmdb lmdb = {.task = keys->task == 0          ? -1
                                              : keys->task == UN_TASKS ? UN_TASK_NONE
                                                                       : keys->task,
                                      .answers = keys->answers,
                                      .detected = keys->detected};
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
    if (un_tool_onehot(&keys->labels))
        return un_fail(UN_USAGE, "%s: a txt_db (it has a meta.json); labels=onehot is for features",
                       a->names[0]);
    un_signals_install();
    enum un_status status = un_text_source_lmdb(&source, a->names[0], &lmdb);
    if (status == UN_OK) status = un_text_import(source, NULL, a->names[1], &how);
    un_text_source_close(source);
    return status;
}

static enum un_status import_images(const struct un_arguments *a, const struct lmdb_keys *keys) {
    const struct un_tool_run_keys *k = &keys->text.run;
    struct un_image_source *source = NULL;
    const struct un_image_import how = {
        .threads = k->threads, .quiet = k->quiet, .skip = keys->bad.bad == 1, .stop = un_signals_stop_wanted};
    un_signals_install();
    enum un_status status = un_image_source_lmdb(&source, a->names, a->n - 1);
    if (status == UN_OK) source->onehot = un_tool_onehot(&keys->labels);
    if (status == UN_OK) status = un_image_import(source, a->names[a->n - 1], &how);
    un_image_source_close(source);
    return status;
}

/* Names: a txt_db, which its meta.json tells, or img_dbs; then OUT. */
static enum un_status run_import(const struct un_tool *tool, int n, char **words) {
    struct lmdb_keys k = {0};
    struct un_arguments a;
    enum un_status status;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, -1, &k));
    if (un_text_import_is_db(a.names[0]))
        status = import_texts(&a, &k);
    else if (k.text.images.n > 0 || k.text.max_txt_len > 0 || k.task || k.answers[0] || k.detected)
        status =
            un_fail(UN_USAGE,
                    "%s: images, max_txt_len, task, answers and detected are for a txt_db (a folder with "
                    "meta.json)",
                    a.names[0]);
    else
        status = import_images(&a, &k);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"data", "import", "lmdb", "TXT_DB OUT.txt.h5 | IMG_DB ... OUT.img.h5 [key=value ...]",
     "the authors' databases: texts; features, msgpack or compressed", &table, run_import},
};
const struct un_tools un_tools_import_lmdb = {list, sizeof list / sizeof *list};
