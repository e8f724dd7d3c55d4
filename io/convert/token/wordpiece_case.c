/* Which pieces are words of texts, and whether the vocabulary keeps capital letters (private.h). */
#include "io/convert/token/private.h"

#include <ctype.h>
#include <string.h>
#include <utf8proc.h>

bool un_wordpiece_is_reserved(const char *piece) {
    size_t n = strlen(piece);
    if (n < 3 || piece[0] != '[' || piece[n - 1] != ']') return false;
    for (size_t i = 1; i + 1 < n; ++i)
        if (!isalnum((unsigned char)piece[i])) return false;
    return true;
}

/* Marks of all kinds, [V_1] and <S> too: no text has them as words. */
static bool is_mark(const char *piece) {
    size_t n = strlen(piece);
    return n > 2 && ((piece[0] == '[' && piece[n - 1] == ']') || (piece[0] == '<' && piece[n - 1] == '>'));
}

/* Has it a capital letter; has it one of either kind? Capitals that have no small one do not count. */
static bool has_capital(const char *piece, bool *has_letter) {
    bool capital = false;
    *has_letter = false;
    for (utf8proc_int32_t c; *piece;) {
        piece += utf8proc_iterate((const utf8proc_uint8_t *)piece, -1, &c);
        bool upper = utf8proc_tolower(c) != c;
        capital = capital || upper;
        *has_letter = *has_letter || upper || utf8proc_toupper(c) != c;
    }
    return capital;
}

/* Of cased vocabularies three pieces in ten have a capital; of a small corpus's, one in twenty. */
enum { CAPITALS_OF = 50 };

struct un_wordpiece_letters un_wordpiece_count_letters(const struct un_wordpiece *w) {
    struct un_wordpiece_letters count = {0};
    for (int64_t i = 0; i < w->vocab.vocab_size; ++i) {
        bool letter;
        if (is_mark(w->piece[i])) continue;
        count.capital += has_capital(w->piece[i], &letter);
        count.lettered += letter;
    }
    count.cased = count.capital > 0 && count.capital * CAPITALS_OF >= count.lettered;
    return count;
}
