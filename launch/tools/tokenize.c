/* uniter data tokenize: lines of text to word-piece ids. */
#include "io/convert/text/tokenize.h"
#include "launch/tools/keys.h"
#include "launch/tools/tools.h"

struct tokenize_keys {
    struct un_tool_wordpiece_keys wordpiece;
    bool pieces;
    int64_t threads;
};
static const struct un_key keys[] = {
    UN_KEY_PART(tokenize_keys, wordpiece, un_tool_wordpiece_table),
    UN_KEY_BOOL(tokenize_keys, pieces, "false", "pieces instead of their ids"),
    UN_KEY_INT(tokenize_keys, threads, "0", 0, 1024, "threads", "0: as many as the process may use"),
};
static const struct un_key_table table = UN_KEY_TABLE("", tokenize_keys, keys);

/* Names: files; none: the standard input. */
static enum un_status run_tokenize(const struct un_tool *tool, int n, char **words) {
    static const char *const standard[] = {"-"};
    struct tokenize_keys k = {0};
    struct un_arguments a;
    struct un_wordpiece *wordpiece = NULL;
    UN_TRY(un_arguments_read(&a, tool, n, words, 0, -1, &k));
    enum un_status status =
        un_wordpiece_open(&wordpiece, k.wordpiece.vocab, (enum un_wordpiece_case)k.wordpiece.letter_case);
    if (status == UN_OK)
        status = un_tokenize(wordpiece, a.n ? a.names : standard, a.n ? a.n : 1, k.pieces, k.threads, stdout);
    un_wordpiece_close(wordpiece);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"data", "tokenize", NULL, "vocab=VOCAB.txt [FILE ...] [key=value ...]",
     "lines of text to word-piece ids", &table, run_tokenize},
};
const struct un_tools un_tools_tokenize = {list, sizeof list / sizeof *list};
