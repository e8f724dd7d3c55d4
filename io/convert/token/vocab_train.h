/* A WordPiece vocabulary out of a corpus, for people without one.
 *
 * Words are counted as BERT's tokenizer splits them. The vocabulary begins with [PAD] [UNK] [CLS] [SEP]
 * [MASK] and the characters of the corpus (at a word's front, and inside one as ##c); then the two
 * neighbouring pieces that stand together most often are joined to one, again and again (of equal ones the
 * pair that was seen first), until `size` lines are there or no pair stands together min_count times. The
 * same files give the same vocabulary on any machine. Source: Sennrich et al. 2016; Wu et al. 2016. */
#ifndef UN_IO_CONVERT_TOKEN_VOCAB_TRAIN_H
#define UN_IO_CONVERT_TOKEN_VOCAB_TRAIN_H

#include "runtime/status.h"

struct un_vocab_train {
    int64_t size, min_count;
    int64_t alphabet; /* characters at most, the most frequent ones; words with others are left out */
    bool cased;
    bool quiet;
    bool (*stop)(void); /* NULL: never */
};
/* Text files, UTF-8 (broken bytes are dropped). At most UN_VOCAB_WORDS_MAX different words are held: beyond
 * it the rarest are forgotten, which is said. UN_USAGE: OUT exists, size less than the characters take;
 * UN_DATA: no words. */
enum un_status un_vocab_train(const char *out, const char *const *paths, int n,
                              const struct un_vocab_train *how);

enum { UN_VOCAB_WORDS_MAX = 1 << 22 };

/* Words and how often each stands in the corpus. */
struct un_vocab_words {
    char *pool; /* of the words, one after another */
    size_t bytes, room;
    struct un_vocab_word {
        int64_t count;
        size_t at;
        int bytes;
    } * word; /* in the order of their first sight */
    int64_t n, words_room, most;
    uint32_t *slots; /* index + 1; 0: free */
    uint64_t mask;
    int64_t total, forgotten; /* of words in the text; of them, those of forgotten words */
    enum un_status status;    /* of a failed add */
};
/* most: UN_VOCAB_WORDS_MAX, or less for a test. */
enum un_status un_vocab_words_open(struct un_vocab_words *words, int64_t most);
void un_vocab_words_add(void *words, const char *word, int bytes);
void un_vocab_words_close(struct un_vocab_words *words);
/* The vocabulary as text, one piece a line (un_free). */
enum un_status un_vocab_build(const struct un_vocab_words *words, const struct un_vocab_train *how,
                              char **text, size_t *bytes);

#endif
