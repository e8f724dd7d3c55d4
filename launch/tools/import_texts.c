/* uniter data import coco | vg | cc | sbu | text: captions into *.txt.h5. */
#include "io/convert/text/import.h"
#include "launch/process/signals.h"
#include "launch/tools/keys.h"
#include "launch/tools/tools.h"

#include <string.h>

/* Where the ids of images come from. */
struct image_keys {
    char ids[256];
    int image_id;
};
static const char *const image_ids[] = {"source", "url", NULL};
static const struct un_key image_keys[] = {
    UN_KEY_PATH(image_keys, ids, "", "",
                "file with an image id a line, one for every text of the source, in its order"),
    UN_KEY_CHOICE(image_keys, image_id, "source", image_ids,
                  "source: as the file says, of cc, sbu and captions without ids the line's number from 1; "
                  "url: the last part of the image's URL (b.jpg of http://a/b.jpg?w=3)"),
};
static const struct un_key_table image_table = UN_KEY_TABLE("", image_keys, image_keys);

struct text_keys {
    struct un_tool_text_keys text;
    struct un_tool_wordpiece_keys wordpiece;
    struct image_keys images;
    char split[256];
    char caption[256], image[256]; /* of text */
};
static const struct un_key keys[] = {
    UN_KEY_PART(text_keys, text, un_tool_text_table),
    UN_KEY_PART(text_keys, wordpiece, un_tool_wordpiece_table),
    UN_KEY_PART(text_keys, images, image_table),
    UN_KEY_STRING(text_keys, split, "", "",
                  "of Karpathy's file: only texts of this split (train, restval, val, test)"),
};
static const struct un_key_table key_table = UN_KEY_TABLE("", text_keys, keys);
/* And of `text` */
static const struct un_key named_keys[] = {
    UN_KEY_PART(text_keys, text, un_tool_text_table),
    UN_KEY_PART(text_keys, wordpiece, un_tool_wordpiece_table),
    UN_KEY_PART(text_keys, images, image_table),
    UN_KEY_STRING(text_keys, caption, "", "",
                  "key of JSON lines, or column of a table, that holds the caption (a.b: b in a); none: "
                  "found by its name"),
    UN_KEY_STRING(text_keys, image, "", "", "and the image's id"),
};
static const struct un_key_table named_table = UN_KEY_TABLE("", text_keys, named_keys);

static enum un_status open_form(struct un_text_source **source, const struct un_tool *tool,
                                const struct un_arguments *a, const struct text_keys *k) {
    const struct un_text_names names = {k->caption, k->image};
    if (strcmp(tool->form, "coco") == 0) return un_text_source_coco(source, a->names[0]);
    if (strcmp(tool->form, "vg") == 0) return un_text_source_vg(source, a->names[0]);
    if (strcmp(tool->form, "cc") == 0) return un_text_source_cc(source, a->names[0]);
    if (strcmp(tool->form, "text") == 0) return un_text_source_lines(source, a->names[0], &names);
    return un_text_source_sbu(source, a->names[0], a->n == 3 ? a->names[1] : NULL);
}

static struct un_text_import manner(const struct text_keys *k) {
    return (struct un_text_import){.images = k->text.images,
                                   .ids = k->images.ids,
                                   .by_url = k->images.image_id == 1,
                                   .max_txt_len = k->text.max_txt_len,
                                   .split = k->split,
                                   .threads = k->text.run.threads,
                                   .quiet = k->text.run.quiet,
                                   .stop = un_signals_stop_wanted};
}

/* Names: FILE (two for sbu), OUT. */
static enum un_status run_import(const struct un_tool *tool, int n, char **words) {
    struct text_keys k = {0};
    struct un_arguments a;
    struct un_text_source *source = NULL;
    struct un_wordpiece *wordpiece = NULL;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, strcmp(tool->form, "sbu") == 0 ? 3 : 2, &k));
    un_signals_install();
    const struct un_text_import how = manner(&k);
    enum un_status status =
        un_wordpiece_open(&wordpiece, k.wordpiece.vocab, (enum un_wordpiece_case)k.wordpiece.letter_case);
    if (status == UN_OK) status = open_form(&source, tool, &a, &k);
    if (status == UN_OK) status = un_text_import(source, wordpiece, a.names[a.n - 1], &how);
    un_text_source_close(source);
    un_wordpiece_close(wordpiece);
    un_arguments_free(&a);
    return status;
}

#define IMPORT(form, files, meaning)                                                                         \
    {                                                                                                        \
        "data", "import", form, files " OUT.txt.h5 vocab=VOCAB.txt [key=value ...]", meaning, &key_table,    \
            run_import                                                                                       \
    }
static const struct un_tool list[] = {
    IMPORT("coco", "FILE.json",
           "captions of COCO, nocaps, TextCaps, of Karpathy's split, or of a JSON list of images"),
    IMPORT("vg", "FILE.json", "region descriptions of Visual Genome"),
    IMPORT("cc", "FILE.tsv", "Conceptual Captions: caption TAB url, or url TAB caption (CC12M)"),
    IMPORT("sbu", "URLS CAPTIONS|FILE.json", "SBU captions: two files of lines, or its JSON"),
    {"data", "import", "text", "FILE OUT.txt.h5 vocab=VOCAB.txt [key=value ...]",
     "image id TAB caption a line, name#0 TAB caption, tables with a head (TAB, comma, |), JSON lines, or "
     "captions alone",
     &named_table, run_import},
};
const struct un_tools un_tools_import_texts = {list, sizeof list / sizeof *list};
