/* A vocabulary and, behind the first zero byte, a text: ids in range, the same with and without room; the
 * same text as the corpus of a vocabulary of its own, which must then be readable. */
#include "io/convert/token/vocab_train.h"
#include "io/convert/token/wordpiece.h"
#include "runtime/memory.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { MOST = 4096 };

static void encode(const struct un_wordpiece *wordpiece, const char *text, size_t bytes) {
    static int32_t ids[MOST]; /* one thread */
    int64_t n = un_wordpiece_encode(wordpiece, text, bytes, ids, MOST);
    if (n < 0 || n > (int64_t)bytes || n != un_wordpiece_encode(wordpiece, text, bytes, NULL, 0))
        __builtin_trap();
    for (int64_t i = 0; i < n && i < MOST; ++i)
        if (!un_wordpiece_piece(wordpiece, ids[i])) __builtin_trap();
}

static void train(const char *text, size_t bytes, bool cased) {
    struct un_vocab_words words;
    const struct un_vocab_train how = {.size = 64, .min_count = 1, .alphabet = 16, .cased = cased};
    struct un_wordpiece *wordpiece;
    char *made = NULL;
    size_t size;
    if (un_vocab_words_open(&words, 16) != UN_OK) __builtin_trap();
    un_wordpiece_words(cased, text, bytes, un_vocab_words_add, &words);
    if (words.n > 0) {
        if (un_vocab_build(&words, &how, &made, &size) != UN_OK) __builtin_trap();
        if (un_wordpiece_parse(&wordpiece, "made", made, size, UN_WORDPIECE_AUTO) != UN_OK) __builtin_trap();
        encode(wordpiece, text, bytes);
        un_wordpiece_close(wordpiece);
    }
    un_free(made);
    un_vocab_words_close(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t front = zero ? (size_t)(zero - data) : size;
    const char *text = zero ? (const char *)zero + 1 : "";
    size_t bytes = zero ? size - front - 1 : 0;
    struct un_wordpiece *wordpiece;
    if (un_wordpiece_parse(&wordpiece, "fuzz", (const char *)data, front,
                           (enum un_wordpiece_case)(size % 3)) == UN_OK) {
        encode(wordpiece, text, bytes);
        un_wordpiece_close(wordpiece);
    }
    un_error_clear();
    train(text, bytes, size % 2);
    un_error_clear();
    return 0;
}
