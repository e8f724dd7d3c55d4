/* An answer as the label table has it (answers.h): one pass over the code points, a word at a time.
 *
 * Law: a mark of the list below goes, or becomes a space when nowhere in the text a space stands beside it and no
 * number has a comma in it; a full stop stays only before a digit. Source: processPunctuation and
 * processDigitArticle of the public VQA evaluator. A capital sigma at a word's end becomes the common small one. */
#include "io/convert/task/answer_words.h"
#include "io/convert/task/answers.h"

#include <string.h>
#include <utf8proc.h>

static const char marks[] = ";/[]\"{}()=+\\_-><@`,?!";

struct reading {
    const char *at;
    bool goes[128]; /* marks that go without a space */
    char word[UN_ANSWER_MAX + 8];
    size_t length; /* of the word */
    char *out;
    size_t used;
    bool fits;
};

/* The code point at `text` and its bytes; a broken one is a byte by itself. */
static int32_t point(const char *text, size_t *bytes) {
    utf8proc_int32_t c;
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)strnlen(text, 4), &c);
    *bytes = n > 0 ? (size_t)n : 1;
    return n > 0 ? c : (unsigned char)*text;
}
static bool is_digit(int32_t c) {
    return c < 128 ? c >= '0' && c <= '9' : utf8proc_category(c) == UTF8PROC_CATEGORY_ND;
}
static bool is_space(int32_t c) {
    if (c < 128) return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
    utf8proc_category_t kind = utf8proc_category(c);
    return c == 0x85 || kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL ||
           kind == UTF8PROC_CATEGORY_ZP;
}
static bool is_mark(int32_t c) {
    return c > 0 && c < 128 && strchr(marks, c) != NULL;
}

/* A comma between two digits? */
static bool has_long_number(const char *raw) {
    bool digit = false;
    for (size_t n, m; *raw; raw += n) {
        if (digit && *raw == ',' && is_digit(point(raw + 1, &m))) return true;
        digit = is_digit(point(raw, &n));
    }
    return false;
}

static void look(struct reading *r, const char *raw) {
    bool all = has_long_number(raw);
    for (const char *mark = marks; *mark; ++mark) r->goes[(int)*mark] = all;
    for (const char *c = raw; *c; ++c)
        if (is_mark(*c) && (c[1] == ' ' || (c > raw && c[-1] == ' '))) r->goes[(int)*c] = true;
}

static void end_word(struct reading *r) {
    if (r->length == 0 || !r->fits) return;
    r->word[r->length] = '\0';
    const char *word = un_answer_word(r->word);
    size_t n = strlen(word), space = r->used > 0;
    r->length = 0;
    if (n == 0) return;
    r->fits = r->used + space + n <= UN_ANSWER_MAX;
    if (!r->fits) return;
    if (space) r->out[r->used++] = ' ';
    memcpy(r->out + r->used, word, n);
    r->used += n;
}

static void put(struct reading *r, int32_t c) {
    if (r->length + 4 > UN_ANSWER_MAX + 4)
        r->fits = false;
    else
        r->length += (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)r->word + r->length);
}
static void put_byte(struct reading *r, char byte) {
    if (r->length + 4 > UN_ANSWER_MAX + 4)
        r->fits = false;
    else
        r->word[r->length++] = byte;
}
static void put_lower(struct reading *r, int32_t c) {
    put(r, c == 0x130 ? 'i' : utf8proc_tolower(c)); /* the only letter that becomes two */
    if (c == 0x130) put(r, 0x307);
}

/* Does a digit follow the full stop at `text`, marks that go aside? */
static bool before_digit(const struct reading *r, const char *text) {
    size_t n;
    do ++text;
    while (is_mark(*text) && r->goes[(int)*text]);
    return is_digit(point(text, &n));
}

bool un_answer_normal(const char *raw, char normal[UN_ANSWER_MAX + 1]) {
    struct reading r = {.out = normal, .fits = true};
    look(&r, raw);
    for (size_t n; *raw && r.fits; raw += n) {
        int32_t c = point(raw, &n);
        if (n == 1 && c >= 128) /* torn */
            put_byte(&r, *raw);
        else if (is_mark(c) ? !r.goes[c] : is_space(c))
            end_word(&r);
        else if (!is_mark(c) && (c != '.' || before_digit(&r, raw)))
            put_lower(&r, c);
    }
    end_word(&r);
    normal[r.used] = '\0';
    return r.fits;
}

float un_answer_score(int count) {
    return count >= 4 ? 1.0f : (float)(0.3 * count);
}
