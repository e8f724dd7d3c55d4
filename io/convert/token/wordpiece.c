/* BERT's tokenizer (wordpiece.h): one pass over the text, a code point at a time.
 *
 * Law: nothing is kept but the word under way, which counts up to 100 characters (a longer one is [UNK]
 * whatever it holds), so any text takes constant memory. Pieces are found in a byte trie whose edges live in
 * one hash table: the longest piece is the last accepting node on the way. Source: pytorch_pretrained_bert's
 * BasicTokenizer and WordpieceTokenizer as described by their behaviour; Unicode by utf8proc. */
#include "io/convert/token/wordpiece.h"
#include "io/convert/token/private.h"
#include "runtime/memory.h"

#include <string.h>
#include <utf8proc.h>

enum { WORD_CHARS = 100, WORD_BYTES = 4 * WORD_CHARS };

struct word {
    char bytes[WORD_BYTES];
    int length, chars; /* chars > WORD_CHARS: too long, bytes no longer kept */
    int last_start;    /* where the last character begins */
    int last_class;    /* its canonical combining class */
};
struct run {
    const struct un_wordpiece *w;
    const char *text;
    size_t bytes;
    struct word word;
    bool cased_before; /* the last character that is not case-ignorable in this token is cased */
    int32_t *ids;
    int64_t n, capacity;
    void (*each)(void *context, const char *word, int bytes); /* not NULL: words are wanted, not pieces */
    void *context;
};

static void put(struct run *r, int32_t id) {
    if (r->n < r->capacity) r->ids[r->n] = id;
    ++r->n;
}

/* The longest piece at `bytes`; its length in *used, -1: none. */
static int32_t longest(const struct un_wordpiece *w, uint32_t node, const char *bytes, int n, int *used) {
    int32_t id = -1;
    for (int i = 0; i < n; ++i) {
        if ((node = un_wordpiece_edge(w, node, (unsigned char)bytes[i])) == 0) break;
        if (w->accept[node] < 0) continue;
        id = w->accept[node];
        *used = i + 1;
    }
    return id;
}

static void end_word(struct run *r) {
    struct word *word = &r->word;
    int64_t before = r->n;
    int at = 0;
    if (r->each) {
        if (word->length > 0 && word->chars <= WORD_CHARS) r->each(r->context, word->bytes, word->length);
        word->length = word->chars = word->last_class = 0;
        return;
    }
    if (word->chars > WORD_CHARS) put(r, (int32_t)r->w->vocab.unk_id);
    while (word->chars <= WORD_CHARS && at < word->length) {
        int used = 0;
        int32_t id = longest(r->w, at == 0 ? UN_WORDPIECE_FRONT : UN_WORDPIECE_INNER, word->bytes + at,
                             word->length - at, &used);
        if (id < 0) { /* one part unknown: the whole word is */
            r->n = before;
            put(r, (int32_t)r->w->vocab.unk_id);
            break;
        }
        put(r, id);
        at += used;
    }
    word->length = word->chars = word->last_class = 0;
}

/* Canonical order: a mark of a lower class goes before marks of a higher one. Within 100 characters, so
 * moving them one by one is cheap. */
static void put_in_order(struct word *word, const char *bytes, int n, int class_) {
    int at = word->length;
    if (class_ != 0 && word->last_class > class_) {
        while (at > 0) {
            int start = at - 1;
            utf8proc_int32_t before;
            while (start > 0 && (word->bytes[start] & 0xC0) == 0x80) --start;
            if (utf8proc_iterate((const utf8proc_uint8_t *)word->bytes + start, at - start, &before) < 0)
                break;
            if (utf8proc_get_property(before)->combining_class <= class_) break;
            at = start;
        }
        memmove(word->bytes + at + n, word->bytes + at, (size_t)(word->length - at));
    } else {
        word->last_class = class_;
    }
    memcpy(word->bytes + at, bytes, (size_t)n);
    word->length += n;
}

static void add_char(struct run *r, int32_t c, int class_) {
    struct word *word = &r->word;
    if (++word->chars > WORD_CHARS) return;
    utf8proc_uint8_t bytes[4];
    int n = (int)utf8proc_encode_char(c, bytes);
    put_in_order(word, (const char *)bytes, n, class_);
}

static bool is_punctuation(int32_t c) {
    if (c < 0x80)
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

/* A character of a token, after lower-casing and stripping. */
static void add(struct run *r, int32_t c, int class_) {
    if (!is_punctuation(c)) {
        add_char(r, c, class_);
        return;
    }
    end_word(r);
    add_char(r, c, 0);
    end_word(r);
}

/* Blocks of Chinese characters as BERT lists them: each is a word. */
static bool is_cjk(int32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
           (c >= 0x2B820 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

enum kind { DROPPED, SPACE, PLAIN, CJK };

/* Cleaning: control, private, unassigned characters and U+FFFD go; everything that Python's split takes for
 * white space parts tokens. */
static enum kind kind_of(int32_t c) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return SPACE;
    if (c < 0x80) return c < 32 || c == 127 ? DROPPED : PLAIN;
    if (c == 0xFFFD) return DROPPED;
    if (is_cjk(c)) return CJK;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN: return DROPPED;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return SPACE;
    default: return PLAIN;
    }
}

/* The code point at *at, which moves on; broken bytes read as U+FFFD, one at a time. */
static int32_t next_char(const struct run *r, size_t *at) {
    unsigned char first = (unsigned char)r->text[*at];
    if (first < 0x80) {
        ++*at;
        return first;
    }
    utf8proc_int32_t c;
    size_t left = r->bytes - *at;
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)r->text + *at, left < 4 ? (utf8proc_ssize_t)left : 4, &c);
    *at += n > 0 ? (size_t)n : 1;
    return n > 0 ? c : 0xFFFD;
}

/* ---- lower case and accents, as Python's str.lower() and NFD without Mn ---- */

static bool is_cased(int32_t c) {
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

/* Unicode's Case_Ignorable: marks, format characters, modifiers, and what may stand inside a word. */
static bool is_case_ignorable(int32_t c) {
    static const int32_t inside[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                     0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; ++i)
        if (inside[i] == c) return true;
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
           k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK;
}

/* Does a cased letter follow in this token? */
static bool cased_after(const struct run *r, size_t at) {
    while (at < r->bytes) {
        int32_t c = next_char(r, &at);
        enum kind kind = kind_of(c);
        if (kind == DROPPED) continue;
        if (kind != PLAIN) return false;
        if (!is_case_ignorable(c)) return is_cased(c);
    }
    return false;
}

static void add_uncased(struct run *r, int32_t c, size_t after) {
    enum { CAPITAL_SIGMA = 0x3A3, SIGMA = 0x3C3, FINAL_SIGMA = 0x3C2, PARTS = 32 };
    int32_t lower = c == CAPITAL_SIGMA ? (r->cased_before && !cased_after(r, after) ? FINAL_SIGMA : SIGMA)
                                       : utf8proc_tolower(c);
    if (c == 0x130) lower = 'i'; /* its full mapping is i and a dot above, which is an accent */
    if (!is_case_ignorable(c)) r->cased_before = is_cased(c);
    utf8proc_int32_t part[PARTS];
    int bound = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(lower, part, PARTS, UTF8PROC_DECOMPOSE, &bound);
    for (utf8proc_ssize_t i = 0; i < n && i < PARTS; ++i)
        if (utf8proc_category(part[i]) != UTF8PROC_CATEGORY_MN)
            add(r, part[i], utf8proc_get_property(part[i])->combining_class);
}

/* ---- tokens ---- */

/* Is the token at `at` one of BERT's special ones? Then it is a word as it stands. Its end, or 0. */
static size_t special_token(const struct run *r, size_t at) {
    static const char *const names[] = {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
    char head[8];
    size_t n = 0, end = at;
    while (at < r->bytes && n < sizeof head) {
        int32_t c = next_char(r, &at);
        enum kind kind = kind_of(c);
        if (kind == DROPPED) continue;
        if (kind != PLAIN) break;
        head[n++] = c < 0x80 ? (char)c : '\x7F';
        end = at;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (strlen(names[i]) == n && memcmp(names[i], head, n) == 0) return end;
    return 0;
}

static void add_plain(struct run *r, int32_t c, size_t after) {
    if (r->w->cased) {
        add(r, c, 0); /* as it stands: no normal form, no order */
    } else if (c < 0x80) {
        r->cased_before = (c | 32) >= 'a' && (c | 32) <= 'z' ? true : is_case_ignorable(c) && r->cased_before;
        add(r, c >= 'A' && c <= 'Z' ? c + 32 : c, 0);
    } else {
        add_uncased(r, c, after);
    }
}

static void tokenize(struct run *r) {
    bool fresh = true; /* a token may begin here */
    for (size_t at = 0; at < r->bytes;) {
        size_t end;
        if (fresh && r->text[at] == '[' && (end = special_token(r, at)) != 0) {
            while (at < end) {
                int32_t c = next_char(r, &at);
                if (kind_of(c) == PLAIN) add_char(r, c, 0);
            }
            end_word(r);
            continue;
        }
        int32_t c = next_char(r, &at);
        enum kind kind = kind_of(c);
        if (kind == DROPPED) continue;
        if (kind == PLAIN) {
            add_plain(r, c, at);
            fresh = false;
            continue;
        }
        end_word(r);
        r->cased_before = false;
        if (kind == CJK) {
            if (r->w->cased)
                add(r, c, 0);
            else
                add_uncased(r, c, at);
            end_word(r);
            r->cased_before = false;
        }
        fresh = true;
    }
    end_word(r);
}

int64_t un_wordpiece_encode(const struct un_wordpiece *w, const char *text, size_t bytes, int32_t *ids,
                            int64_t capacity) {
    struct run r = {.w = w, .text = text, .bytes = bytes, .ids = ids, .capacity = capacity};
    tokenize(&r);
    return r.n;
}

void un_wordpiece_words(bool cased, const char *text, size_t bytes,
                        void (*each)(void *context, const char *word, int bytes), void *context) {
    const struct un_wordpiece none = {.cased = cased};
    struct run r = {.w = &none, .text = text, .bytes = bytes, .each = each, .context = context};
    tokenize(&r);
}
