/* uniter data vocab: a vocabulary out of a corpus. */
#include "io/convert/token/vocab_train.h"
#include "launch/process/signals.h"
#include "launch/tools/tools.h"
#include "runtime/config/keys.h"

static const struct un_key keys[] = {
    UN_KEY_INT(un_vocab_train, size, "30000", 10, 1e6, "lines", "of the vocabulary, at most"),
    UN_KEY_BOOL(un_vocab_train, cased, "false", "keep capital letters and accents"),
    UN_KEY_INT(un_vocab_train, min_count, "2", 1, 1e9, "times",
               "pieces that stand together less often are not joined"),
    UN_KEY_INT(un_vocab_train, alphabet, "1000", 1, 1e6, "characters",
               "at most, the most frequent ones; words with others become [UNK]"),
    UN_KEY_BOOL(un_vocab_train, quiet, "false", "neither progress nor summary"),
};
static const struct un_key_table table = UN_KEY_TABLE("", un_vocab_train, keys);

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

static const struct un_tool list[] = {
    {"data", "vocab", NULL, "OUT.txt FILE ... [key=value ...]", "a WordPiece vocabulary out of a corpus",
     &table, run_vocab},
};
const struct un_tools un_tools_vocab = {list, sizeof list / sizeof *list};
