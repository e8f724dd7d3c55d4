/* Words to ids (encode.h). */
#include "io/convert/task/encode.h"

#include <stdio.h>
#include <string.h>

/* Bytes of the white space at `text` that the tokenizer would take out of a word or keep in it; 0: none. Other
 * spaces it parts by itself. */
static size_t space_at(const char *text) {
    unsigned char c = (unsigned char)*text;
    if (c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31)) return 1;
    return c == 0xC2 && (unsigned char)text[1] == 0x85 ? 2 : 0;
}

/* "person_12" -> 12; -1: another word, or none that is counted. */
static int person_of(const char *word, size_t bytes, int persons) {
    char want[24];
    int k = 0;
    if (bytes < 8 || bytes > 16 || memcmp(word, "person_", 7) != 0) return -1;
    for (size_t i = 7; i < bytes && k < persons; ++i) {
        if (word[i] < '0' || word[i] > '9') return -1;
        k = 10 * k + (word[i] - '0');
    }
    int n = snprintf(want, sizeof want, "person_%d", k);
    return k < persons && (size_t)n == bytes && memcmp(want, word, bytes) == 0 ? k : -1;
}

int64_t un_task_encode(const struct un_wordpiece *wordpiece, int persons, const char *text, int32_t *ids) {
    int32_t base = (int32_t)un_wordpiece_vocab(wordpiece).vocab_size;
    int64_t n = 0;
    while (*text) {
        size_t bytes = 0, space = space_at(text);
        if (space > 0) {
            text += space;
            continue;
        }
        while (text[bytes] && space_at(text + bytes) == 0) ++bytes;
        int person = person_of(text, bytes, persons);
        if (person >= 0)
            ids[n++] = base + person;
        else
            n += un_wordpiece_encode(wordpiece, text, bytes, ids + n, (int64_t)bytes);
        text += bytes;
    }
    return n;
}
