/* Counting characters (vocab_chars.h), in blocks of code points of which few are in use. */
#include "io/convert/token/vocab_chars.h"
#include "runtime/memory.h"

#include <utf8proc.h>

int un_vocab_codes(const struct un_vocab_words *words, int64_t i, int32_t *code) {
    const utf8proc_uint8_t *text = (const utf8proc_uint8_t *)words->pool + words->word[i].at;
    int n = 0;
    for (int at = 0; at < words->word[i].bytes && n < UN_VOCAB_WORD_CHARS;) {
        utf8proc_ssize_t step = utf8proc_iterate(text + at, words->word[i].bytes - at, &code[n]);
        if (step <= 0) break;
        at += (int)step;
        ++n;
    }
    return n;
}

enum { BLOCK = 256, BLOCKS = 0x110000 / BLOCK };

static enum un_status count_word_chars(struct un_vocab_char **block, const struct un_vocab_words *words,
                                       int64_t i) {
    int32_t code[UN_VOCAB_WORD_CHARS];
    int n = un_vocab_codes(words, i, code);
    for (int k = 0; k < n; ++k) {
        struct un_vocab_char **b = &block[code[k] / BLOCK];
        if (!*b) *b = un_alloc(BLOCK, sizeof **b, "characters");
        if (!*b) return UN_MEMORY;
        struct un_vocab_char *c = *b + code[k] % BLOCK;
        c->code = code[k];
        c->count += words->word[i].count;
        c->front = c->front || k == 0;
        c->inner = c->inner || k > 0;
    }
    return UN_OK;
}

static int64_t gather(struct un_vocab_char *const *block, struct un_vocab_char *out) {
    int64_t n = 0;
    for (int i = 0; i < BLOCKS; ++i)
        for (int k = 0; block[i] && k < BLOCK; ++k) {
            if (block[i][k].count == 0) continue;
            if (out) out[n] = block[i][k];
            ++n;
        }
    return n;
}

enum un_status un_vocab_chars(const struct un_vocab_words *words, struct un_vocab_char **chars, int64_t *n) {
    struct un_vocab_char **block = un_alloc(BLOCKS, sizeof(struct un_vocab_char *), "characters");
    enum un_status status = block ? UN_OK : UN_MEMORY;
    *chars = NULL;
    for (int64_t i = 0; i < words->n && status == UN_OK; ++i) status = count_word_chars(block, words, i);
    if (status == UN_OK) {
        *n = gather(block, NULL);
        *chars = un_alloc((size_t)*n + 1, sizeof **chars, "characters");
        status = *chars ? UN_OK : UN_MEMORY;
    }
    if (status == UN_OK) gather(block, *chars);
    for (int i = 0; block && i < BLOCKS; ++i) un_free(block[i]);
    un_free(block);
    return status;
}
