/* The characters of a corpus, for vocab_build.c alone. */
#ifndef UN_IO_CONVERT_TOKEN_VOCAB_CHARS_H
#define UN_IO_CONVERT_TOKEN_VOCAB_CHARS_H

#include "io/convert/token/vocab_train.h"

enum { UN_VOCAB_WORD_CHARS = 100 };

struct un_vocab_char {
    int32_t code;
    int64_t count;
    bool front, inner; /* does it begin a word, does it stand inside one? */
};

/* Code points of word i, of room for UN_VOCAB_WORD_CHARS; their number. Words come cleaned, so the bytes are
 * good. */
int un_vocab_codes(const struct un_vocab_words *words, int64_t i, int32_t *code);
/* Every character once, by code, with its count (un_free). */
enum un_status un_vocab_chars(const struct un_vocab_words *words, struct un_vocab_char **chars, int64_t *n);

#endif
