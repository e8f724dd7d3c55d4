/* uniter data import vqa | ve | nlvr2 | vcr | refcoco | retrieval: annotations of tasks into *.txt.h5. */
#include "io/convert/task/import.h"
#include "launch/process/signals.h"
#include "launch/tools/keys.h"
#include "launch/tools/tools.h"

#include <string.h>

/* Every form binds its own table to this. */
struct task_keys {
    struct un_tool_wordpiece_keys wordpiece;
    struct un_strings images;
    char image[256], second_image[256], split[256];
    char annotations[256], answers[256], missing[256], metadata[256], ann_ids[256];
    bool quiet;
};
static const struct un_key common_keys[] = {
    UN_KEY_PART(task_keys, wordpiece, un_tool_wordpiece_table),
    UN_KEY_PATHS(
        task_keys, images, "[]",
        "feature files (*.img.h5) or patterns whose images the texts are matched with; texts without "
        "one are left out and listed; none given: image ids are written by the pattern"),
    UN_KEY_STRING(
        task_keys, image, "", "",
        "pattern of image ids: NUMBER of twelve digits, NAME, SPLIT; none: as in the authors' files"),
    UN_KEY_BOOL(task_keys, quiet, "false", "neither progress nor summary"),
};
static const struct un_key_table common = UN_KEY_TABLE("", task_keys, common_keys);

static const struct un_key vqa_keys[] = {
    UN_KEY_PART(task_keys, wordpiece, common),
    UN_KEY_PATH(task_keys, answers, UN_REQUIRED, "",
                "table of answers: JSON {answer: label} or a list (uniter data answers makes one)"),
    UN_KEY_PATH(task_keys, annotations, "", "", "annotations of these questions; none: without answers"),
    UN_KEY_STRING(task_keys, split, "", "", "SPLIT of the pattern; none: the file's data_subtype (val2014)"),
};
static const struct un_key nlvr2_keys[] = {
    UN_KEY_PART(task_keys, wordpiece, common),
    UN_KEY_PATH(
        task_keys, missing, "", "",
        "JSON list of images without good features (missing_nlvr2_imgs.json); their texts are left out"),
};
static const struct un_key vcr_keys[] = {
    UN_KEY_PART(task_keys, wordpiece, common),
    UN_KEY_STRING(task_keys, second_image, "", "", "pattern of the ids of images with detected boxes"),
    UN_KEY_PATH(task_keys, metadata, "", "",
                "folder of the metadata (vcr1images): its names are compared with the objects"),
};
static const struct un_key refcoco_keys[] = {
    UN_KEY_PART(task_keys, wordpiece, common),
    UN_KEY_PATH(
        task_keys, ann_ids, "", "",
        "iid_to_ann_ids.json, the order of annotated regions; none: regions are detected, no label is known"),
    UN_KEY_STRING(task_keys, split, "", "", "only expressions of this one (train, val, testA, testB, test)"),
};
static const struct un_key retrieval_keys[] = {
    UN_KEY_PART(task_keys, wordpiece, common),
    UN_KEY_STRING(task_keys, split, "", "", "only texts of this one (train, restval, val, test)"),
};
static const struct un_key_table vqa_table = UN_KEY_TABLE("", task_keys, vqa_keys);
static const struct un_key_table nlvr2_table = UN_KEY_TABLE("", task_keys, nlvr2_keys);
static const struct un_key_table vcr_table = UN_KEY_TABLE("", task_keys, vcr_keys);
static const struct un_key_table refcoco_table = UN_KEY_TABLE("", task_keys, refcoco_keys);
static const struct un_key_table retrieval_table = UN_KEY_TABLE("", task_keys, retrieval_keys);

static enum un_status open_form(struct un_task_source **source, const struct un_tool *tool,
                                const struct un_arguments *a, const struct task_keys *k,
                                const struct un_answer_table *answers) {
    const struct un_task_how how = {k->image, k->second_image, k->split, !k->quiet};
    const char *file = a->names[0];
    if (strcmp(tool->form, "vqa") == 0)
        return un_task_source_vqa(source, file, k->annotations, answers, &how);
    if (strcmp(tool->form, "ve") == 0) return un_task_source_ve(source, file, &how);
    if (strcmp(tool->form, "nlvr2") == 0) return un_task_source_nlvr2(source, file, k->missing, &how);
    if (strcmp(tool->form, "vcr") == 0) return un_task_source_vcr(source, file, k->metadata, &how);
    if (strcmp(tool->form, "refcoco") == 0)
        return un_task_source_refcoco(source, file, a->names[1], k->ann_ids, &how);
    return un_task_source_retrieval(source, file, &how);
}

/* Names: FILE (two for refcoco), OUT. */
static enum un_status run_import(const struct un_tool *tool, int n, char **words) {
    struct task_keys k = {0};
    struct un_arguments a;
    struct un_answer_table answers = {0};
    struct un_task_source *source = NULL;
    struct un_wordpiece *wordpiece = NULL;
    int names = strcmp(tool->form, "refcoco") == 0 ? 3 : 2;
    UN_TRY(un_arguments_read(&a, tool, n, words, names, names, &k));
    un_signals_install();
    const struct un_task_import how = {.images = k.images, .quiet = k.quiet, .stop = un_signals_stop_wanted};
    enum un_status status =
        un_wordpiece_open(&wordpiece, k.wordpiece.vocab, (enum un_wordpiece_case)k.wordpiece.letter_case);
    if (status == UN_OK && k.answers[0]) status = un_answer_table_open(&answers, k.answers);
    if (status == UN_OK) status = open_form(&source, tool, &a, &k, &answers);
    if (status == UN_OK) status = un_task_import(source, wordpiece, a.names[a.n - 1], &how);
    un_task_source_close(source);
    un_answer_table_close(&answers);
    un_wordpiece_close(wordpiece);
    un_arguments_free(&a);
    return status;
}

#define TASK_IMPORT(form, files, table, meaning)                                                             \
    {                                                                                                        \
        "data", "import", form, files " OUT.txt.h5 vocab=VOCAB.txt [key=value ...]", meaning, &(table),      \
            run_import                                                                                       \
    }
static const struct un_tool list[] = {
    TASK_IMPORT("vqa", "QUESTIONS.json", vqa_table, "VQA v2: questions, with their soft answers"),
    TASK_IMPORT("ve", "FILE.jsonl", common, "SNLI-VE: hypotheses of images"),
    TASK_IMPORT("nlvr2", "FILE.json", nlvr2_table, "NLVR2: statements about two images"),
    TASK_IMPORT("vcr", "FILE.jsonl", vcr_table, "VCR: questions with answers and rationales"),
    TASK_IMPORT("refcoco", "REFS.p INSTANCES.json", refcoco_table,
                "RefCOCO, RefCOCO+, RefCOCOg: referring expressions"),
    TASK_IMPORT("retrieval", "DATASET.json", retrieval_table,
                "image-text retrieval: Karpathy's COCO or Flickr30k"),
};
const struct un_tools un_tools_import_tasks = {list, sizeof list / sizeof *list};
