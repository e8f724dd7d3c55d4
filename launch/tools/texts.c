/* uniter data import coco | vg | cc | sbu | text: captions into *.txt.h5; data tokenize, data vocab. */
#include "io/convert/text/import.h"
#include "io/convert/text/tokenize.h"
#include "io/convert/token/vocab_train.h"
#include "launch/process/signals.h"
#include "launch/tools/tools.h"

#include <stddef.h>
#include <string.h>

struct keys {
    char vocab[256], ids[256], split[256];
    int tokenizer_case, image_id;
    struct un_strings images;
    int64_t max_txt_len, threads;
    bool quiet;
};
static const char *const cases[] = {"auto", "cased", "uncased", NULL};
static const char *const image_ids[] = {"source", "url", NULL};

#define STRING_KEY(key, fallback_, meaning_)                                                                 \
    {                                                                                                        \
        .name = #key, .type = UN_KEY_STRING, .offset = offsetof(struct keys, key), .fallback = fallback_,    \
        .unit = "", .meaning = meaning_                                                                      \
    }
static const struct un_key keys[] = {
    {.name = "images",
     .type = UN_KEY_STRINGS,
     .offset = offsetof(struct keys, images),
     .fallback = "[]",
     .unit = "",
     .meaning =
         "feature files (*.img.h5) or patterns whose images the texts are matched with; texts without one "
         "are left out and listed; none given: image ids are written as the source has them"},
    {.name = "max_txt_len",
     .type = UN_KEY_INT,
     .offset = offsetof(struct keys, max_txt_len),
     .fallback = "0",
     .min = 0,
     .max = 1e9,
     .unit = "words",
     .meaning = "longer texts are left out and listed; 0: none are"},
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
    STRING_KEY(vocab, NULL, "WordPiece vocabulary, a piece a line (vocab.txt of BERT)"),
    {.name = "case",
     .type = UN_KEY_CHOICE,
     .offset = offsetof(struct keys, tokenizer_case),
     .fallback = "auto",
     .unit = "",
     .choices = cases,
     .meaning = "auto: uncased when the vocabulary has no capital letter"},
    STRING_KEY(ids, "", "file with an image id a line, one for every text of the source, in its order"),
    {.name = "image_id",
     .type = UN_KEY_CHOICE,
     .offset = offsetof(struct keys, image_id),
     .fallback = "source",
     .unit = "",
     .choices = image_ids,
     .meaning =
         "source: as the file says, of cc, sbu and captions without ids the line's number from 1; url: the "
         "last part of the image's URL (b.jpg of http://a/b.jpg?w=3)"},
    STRING_KEY(split, "", "of Karpathy's file: only texts of this split (train, restval, val, test)"),
};
enum { DB_KEYS = 4 }; /* the first ones, for what is tokenised already */
static const struct un_key_table key_table = {"", keys, sizeof keys / sizeof *keys, sizeof(struct keys)},
                                 db_table = {"", keys, DB_KEYS, sizeof(struct keys)};

static enum un_status open_form(struct un_text_source **source, const struct un_tool *tool,
                                const struct un_arguments *a) {
    if (strcmp(tool->form, "coco") == 0) return un_text_source_coco(source, a->names[0]);
    if (strcmp(tool->form, "vg") == 0) return un_text_source_vg(source, a->names[0]);
    if (strcmp(tool->form, "cc") == 0) return un_text_source_cc(source, a->names[0]);
    if (strcmp(tool->form, "text") == 0) return un_text_source_lines(source, a->names[0]);
    return un_text_source_sbu(source, a->names[0], a->n == 3 ? a->names[1] : NULL);
}

static struct un_text_import manner(const struct keys *k) {
    return (struct un_text_import){.images = k->images,
                                   .ids = k->ids,
                                   .by_url = k->image_id == 1,
                                   .max_txt_len = k->max_txt_len,
                                   .split = k->split,
                                   .threads = k->threads,
                                   .quiet = k->quiet,
                                   .stop = un_signals_stop_wanted};
}

/* Names: FILE (two for sbu), OUT. */
static enum un_status run_import(const struct un_tool *tool, int n, char **words) {
    struct keys k = {0};
    struct un_arguments a;
    struct un_text_source *source = NULL;
    struct un_wordpiece *wordpiece = NULL;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, strcmp(tool->form, "sbu") == 0 ? 3 : 2, &k));
    un_signals_install();
    const struct un_text_import how = manner(&k);
    enum un_status status = un_wordpiece_open(&wordpiece, k.vocab, (enum un_wordpiece_case)k.tokenizer_case);
    if (status == UN_OK) status = open_form(&source, tool, &a);
    if (status == UN_OK) status = un_text_import(source, wordpiece, a.names[a.n - 1], &how);
    un_text_source_close(source);
    un_wordpiece_close(wordpiece);
    un_arguments_free(&a);
    return status;
}

/* ---- the authors' databases ---- */

static enum un_status import_txt_db(const struct un_arguments *a, const struct keys *k) {
    struct un_text_source *source = NULL;
    if (a->n != 2)
        return un_fail(UN_USAGE, "a txt_db is imported by itself: uniter data import lmdb TXT_DB OUT");
    un_signals_install();
    const struct un_text_import how = manner(k);
    enum un_status status = un_text_source_lmdb(&source, a->names[0]);
    if (status == UN_OK) status = un_text_import(source, NULL, a->names[1], &how);
    un_text_source_close(source);
    return status;
}

/* Names: a txt_db, which its meta.json tells, or img_dbs; then OUT. */
static enum un_status run_lmdb(const struct un_tool *tool, int n, char **words) {
    struct keys k = {0};
    struct un_arguments a;
    enum un_status status;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, -1, &k));
    if (un_text_import_is_db(a.names[0]))
        status = import_txt_db(&a, &k);
    else if (k.images.n > 0 || k.max_txt_len > 0)
        status = un_fail(UN_USAGE, "%s: images and max_txt_len are for a txt_db (a folder with meta.json)",
                         a.names[0]);
    else
        status = un_tools_images_lmdb(a.names, a.n, k.threads, k.quiet);
    un_arguments_free(&a);
    return status;
}

/* ---- tokenize ---- */

struct tokenize_keys {
    char vocab[256];
    int tokenizer_case;
    bool pieces;
    int64_t threads;
};
static const struct un_key tokenize_keys[] = {
    {.name = "vocab",
     .type = UN_KEY_STRING,
     .offset = offsetof(struct tokenize_keys, vocab),
     .unit = "",
     .meaning = "WordPiece vocabulary, a piece a line (vocab.txt of BERT)"},
    {.name = "case",
     .type = UN_KEY_CHOICE,
     .offset = offsetof(struct tokenize_keys, tokenizer_case),
     .fallback = "auto",
     .unit = "",
     .choices = cases,
     .meaning = "auto: uncased when the vocabulary has no capital letter"},
    {.name = "pieces",
     .type = UN_KEY_BOOL,
     .offset = offsetof(struct tokenize_keys, pieces),
     .fallback = "false",
     .unit = "",
     .meaning = "pieces instead of their ids"},
    {.name = "threads",
     .type = UN_KEY_INT,
     .offset = offsetof(struct tokenize_keys, threads),
     .fallback = "0",
     .min = 0,
     .max = 1024,
     .unit = "threads",
     .meaning = "0: as many as the process may use"},
};
static const struct un_key_table tokenize_table = {
    "", tokenize_keys, sizeof tokenize_keys / sizeof *tokenize_keys, sizeof(struct tokenize_keys)};

/* Names: files; none: the standard input. */
static enum un_status run_tokenize(const struct un_tool *tool, int n, char **words) {
    static const char *const standard[] = {"-"};
    struct tokenize_keys k = {0};
    struct un_arguments a;
    struct un_wordpiece *wordpiece = NULL;
    UN_TRY(un_arguments_read(&a, tool, n, words, 0, -1, &k));
    enum un_status status = un_wordpiece_open(&wordpiece, k.vocab, (enum un_wordpiece_case)k.tokenizer_case);
    if (status == UN_OK)
        status = un_tokenize(wordpiece, a.n ? a.names : standard, a.n ? a.n : 1, k.pieces, k.threads, stdout);
    un_wordpiece_close(wordpiece);
    un_arguments_free(&a);
    return status;
}

/* ---- vocab ---- */

static const struct un_key vocab_keys[] = {
    {.name = "size",
     .type = UN_KEY_INT,
     .offset = offsetof(struct un_vocab_train, size),
     .fallback = "30000",
     .min = 10,
     .max = 1e6,
     .unit = "lines",
     .meaning = "of the vocabulary, at most"},
    {.name = "cased",
     .type = UN_KEY_BOOL,
     .offset = offsetof(struct un_vocab_train, cased),
     .fallback = "false",
     .unit = "",
     .meaning = "keep capital letters and accents"},
    {.name = "min_count",
     .type = UN_KEY_INT,
     .offset = offsetof(struct un_vocab_train, min_count),
     .fallback = "2",
     .min = 1,
     .max = 1e9,
     .unit = "times",
     .meaning = "pieces that stand together less often are not joined"},
    {.name = "alphabet",
     .type = UN_KEY_INT,
     .offset = offsetof(struct un_vocab_train, alphabet),
     .fallback = "1000",
     .min = 1,
     .max = 1e6,
     .unit = "characters",
     .meaning = "at most, the most frequent ones; words with others become [UNK]"},
    {.name = "quiet",
     .type = UN_KEY_BOOL,
     .offset = offsetof(struct un_vocab_train, quiet),
     .fallback = "false",
     .unit = "",
     .meaning = "neither progress nor summary"},
};
static const struct un_key_table vocab_table = {"", vocab_keys, sizeof vocab_keys / sizeof *vocab_keys,
                                                sizeof(struct un_vocab_train)};

/* Names: OUT, files of the corpus. */
static enum un_status run_vocab(const struct un_tool *tool, int n, char **words) {
    struct un_vocab_train how = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, -1, &how));
    un_signals_install();
    how.stop = un_signals_stop_wanted;
    enum un_status status = un_vocab_train(a.names[0], a.names + 1, a.n - 1, &how);
    un_arguments_free(&a);
    return status;
}

#define IMPORT(form, files, meaning)                                                                         \
    {                                                                                                        \
        "data", "import", form, files " OUT.txt.h5 vocab=VOCAB.txt [key=value ...]", meaning, &key_table,    \
            run_import                                                                                       \
    }
static const struct un_tool list[] = {
    IMPORT("coco", "FILE.json", "captions of COCO, of Karpathy's split, or of a JSON list of images"),
    IMPORT("vg", "FILE.json", "region descriptions of Visual Genome"),
    IMPORT("cc", "FILE.tsv", "Conceptual Captions: caption TAB url"),
    IMPORT("sbu", "URLS CAPTIONS|FILE.json", "SBU captions: two files of lines, or its JSON"),
    IMPORT("text", "FILE.txt", "image id TAB caption a line, name#0 TAB caption, or captions alone"),
    {"data", "import", "lmdb", "TXT_DB OUT.txt.h5 | IMG_DB ... OUT.img.h5 [key=value ...]",
     "the authors' databases: texts; features, msgpack or compressed", &db_table, run_lmdb},
    {"data", "tokenize", NULL, "vocab=VOCAB.txt [FILE ...] [key=value ...]",
     "lines of text to word-piece ids", &tokenize_table, run_tokenize},
    {"data", "vocab", NULL, "OUT.txt FILE ... [key=value ...]", "a WordPiece vocabulary out of a corpus",
     &vocab_table, run_vocab},
};
const struct un_tools un_tools_texts = {list, sizeof list / sizeof *list};
