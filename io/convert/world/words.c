/* A sentence as lower-cased words that know their bytes. */
#include "io/convert/world/names.h"

#include <string.h>
#include <utf8proc.h>

static bool is_letter(utf8proc_int32_t c) {
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    utf8proc_category_t category = utf8proc_category(c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

static enum un_word_gap gap_of(utf8proc_int32_t c) {
    if (c == ' ' || c == '\t' || c == '-' || c == '\'' || c == 0x2019) return UN_GAP_JOIN;
    return c == ',' ? UN_GAP_COMMA : UN_GAP_OTHER;
}

/* Lower case may be longer than the character itself (2 bytes to 3); then, or where there is none, it stays
 * as it is: the text has no more than the sentence's bytes and a space a word. */
static void put_lower(struct un_words *w, const char *from, int32_t bytes, utf8proc_int32_t c,
                      int32_t *used) {
    utf8proc_uint8_t lower[4];
    utf8proc_ssize_t n = utf8proc_encode_char(utf8proc_tolower(c), lower);
    bool fits = n > 0 && n <= bytes;
    memcpy(w->text + *used, fits ? (const char *)lower : from, (size_t)(fits ? n : bytes));
    *used += fits ? (int32_t)n : bytes;
}

void un_words_cut(struct un_words *w, const char *sentence, size_t bytes) {
    int32_t used = 0, size = (int32_t)(bytes < UN_CAPTION_BYTES ? bytes : UN_CAPTION_BYTES);
    bool inside = false;
    enum un_word_gap gap = UN_GAP_OTHER; /* before the first word */
    w->n = 0;
    for (int32_t at = 0, length; at < size; at += length) {
        utf8proc_int32_t c = -1;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)sentence + at, size - at, &c);
        length = n > 0 ? (int32_t)n : 1;
        if (n <= 0 || !is_letter(c)) {
            enum un_word_gap here = gap_of(c);
            gap = inside || here > gap ? here : gap;
            inside = false;
            continue;
        }
        if (!inside) {
            if (w->n > 0) w->text[used++] = ' ';
            w->word[w->n++] = (struct un_word){at, at, used, used, w->n > 1 ? gap : UN_GAP_OTHER};
        }
        inside = true;
        put_lower(w, sentence + at, length, c, &used);
        w->word[w->n - 1].end = at + length;
        w->word[w->n - 1].after = used;
    }
}

bool un_words_is(const struct un_words *w, int at, const char *word) {
    size_t n = (size_t)(w->word[at].after - w->word[at].at);
    return strlen(word) == n && memcmp(w->text + w->word[at].at, word, n) == 0;
}
