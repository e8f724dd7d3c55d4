#include "launch/tools/keys.h"

static const struct un_key run_keys[] = {
    UN_KEY_INT(un_tool_run_keys, threads, "0", 0, 1024, "threads", "0: as many as the process may use"),
    UN_KEY_BOOL(un_tool_run_keys, quiet, "false", "neither progress nor summary"),
};
const struct un_key_table un_tool_run_table = UN_KEY_TABLE("", un_tool_run_keys, run_keys);

static const char *const bads[] = {"stop", "skip", NULL};
static const struct un_key bad_keys[] = {
    UN_KEY_CHOICE(un_tool_bad_keys, bad, "stop", bads,
                  "of features, an image that cannot be used: ends the import, or is left out and listed in "
                  "OUT.skipped.tsv"),
};
const struct un_key_table un_tool_bad_table = UN_KEY_TABLE("", un_tool_bad_keys, bad_keys);

static const char *const labels[] = {"given", "onehot", NULL};
static const struct un_key label_keys[] = {
    UN_KEY_CHOICE(un_tool_label_keys, labels, "given", labels,
                  "soft labels: those that are given, or made of the ids of classes (objects_id), a 1 for "
                  "class k in column k + 1"),
    UN_KEY_INT(un_tool_label_keys, classes, "1601", 3, 1 << 20, "",
               "labels=onehot: columns, the first the background"),
};
const struct un_key_table un_tool_label_table = UN_KEY_TABLE("", un_tool_label_keys, label_keys);

int64_t un_tool_onehot(const struct un_tool_label_keys *keys) {
    return keys->labels == 1 ? keys->classes : 0;
}

static const struct un_key text_keys[] = {
    UN_KEY_PATHS(
        un_tool_text_keys, images, "[]",
        "feature files (*.img.h5) or patterns whose images the texts are matched with; texts without one are "
        "left out and listed; none given: image ids are written as the source has them"),
    UN_KEY_INT(un_tool_text_keys, max_txt_len, "0", 0, 1e9, "words",
               "longer texts are left out and listed; 0: none are"),
    UN_KEY_PART(un_tool_text_keys, run, un_tool_run_table),
};
const struct un_key_table un_tool_text_table = UN_KEY_TABLE("", un_tool_text_keys, text_keys);

static const char *const cases[] = {"auto", "cased", "uncased", NULL};
static const struct un_key wordpiece_keys[] = {
    UN_KEY_PATH(un_tool_wordpiece_keys, vocab, UN_REQUIRED, "",
                "WordPiece vocabulary: vocab.txt of BERT, a piece a line, or tokenizer.json"),
    UN_KEY_CHOICE_NAMED(
        "case", un_tool_wordpiece_keys, letter_case, "auto", cases,
        "auto: as tokenizer.json says, or cased where one piece in fifty has a capital letter"),
};
const struct un_key_table un_tool_wordpiece_table = UN_KEY_TABLE("", un_tool_wordpiece_keys, wordpiece_keys);
