/* Joining pieces (vocab_train.h).
 *
 * Law: counts of pairs are exact at all times. A heap gives the most frequent pair; an entry in it whose
 * count is no longer true is put back with the true one. Every pair knows the words it has stood in; the
 * words of a pair that is joined are counted out, joined and counted in. */
#include "io/convert/token/vocab_chars.h"
#include "io/run/progress.h"
#include "runtime/memory.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include <xxhash.h>

enum { WORD_CHARS = UN_VOCAB_WORD_CHARS, NONE = -1 };
static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
enum { SPECIALS = sizeof specials / sizeof *specials };

struct piece {
    size_t at; /* in the pool; inner ones with their ## */
    int bytes;
};
struct pair {
    int32_t a, b;
    int64_t count, pushed; /* pushed: count of its last entry in the heap, 0: there is none */
    int64_t last;          /* place of its last word in `seen`, NONE */
};
struct seen {
    int32_t word;
    int64_t before;
};
struct top {
    int64_t count, pair;
};

struct build {
    const struct un_vocab_words *words;
    const struct un_vocab_train *how;
    char *pool;
    size_t bytes, room;
    struct piece *piece;
    int64_t n, pieces_room;
    uint32_t *piece_slots; /* index + 1 */
    uint64_t piece_mask;
    int32_t *symbol; /* of all words, one after another */
    int64_t *start;  /* [words + 1] */
    int32_t *length; /* [words] */
    struct pair *pair;
    int64_t pairs, pairs_room;
    uint32_t *pair_slots;
    uint64_t pair_mask;
    struct seen *seen;
    int64_t n_seen, seen_room;
    struct top *heap;
    int64_t n_heap, heap_room;
    struct un_vocab_char *chars; /* by code */
    int64_t n_chars;
    struct un_progress progress; /* pieces that are joined */
};

/* Room for one more element. */
static enum un_status one_more(void **list, int64_t n, int64_t *room, size_t size) {
    int64_t more = *room ? 2 * *room : 1024;
    if (n < *room) return UN_OK;
    if (n >= INT32_MAX / 2) return un_fail(UN_DATA, "the corpus is too large for a vocabulary");
    UN_TRY(un_grow(list, (size_t)*room, (size_t)more, size, "a vocabulary in work"));
    *room = more;
    return UN_OK;
}

/* ---- pieces ---- */

static uint32_t *probe_piece(const struct build *b, const char *text, int bytes) {
    for (uint64_t i = XXH3_64bits(text, (size_t)bytes) & b->piece_mask;; i = (i + 1) & b->piece_mask) {
        uint32_t *slot = b->piece_slots + i;
        if (*slot == 0) return slot;
        const struct piece *p = &b->piece[*slot - 1];
        if (p->bytes == bytes && memcmp(b->pool + p->at, text, (size_t)bytes) == 0) return slot;
    }
}

/* Its number, new or not. The table was made for `size` pieces at a load of one half. */
static enum un_status add_piece(struct build *b, const char *text, int bytes, int32_t *number) {
    uint32_t *slot = probe_piece(b, text, bytes);
    if (*slot == 0) {
        size_t room = b->room ? b->room : 1 << 14;
        while (room < b->bytes + (size_t)bytes) room *= 2;
        if (room > b->room) {
            UN_TRY(un_grow((void **)&b->pool, b->room, room, 1, "pieces"));
            b->room = room;
        }
        UN_TRY(one_more((void **)&b->piece, b->n, &b->pieces_room, sizeof *b->piece));
        memcpy(b->pool + b->bytes, text, (size_t)bytes);
        b->piece[b->n] = (struct piece){b->bytes, bytes};
        b->bytes += (size_t)bytes;
        *slot = (uint32_t)++b->n;
    }
    *number = (int32_t)*slot - 1;
    return UN_OK;
}

static int32_t find_char(const struct build *b, int32_t code, bool inner) {
    utf8proc_uint8_t text[8] = "##";
    int n = (int)utf8proc_encode_char(code, text + 2);
    return (int32_t)*probe_piece(b, (const char *)(inner ? text : text + 2), inner ? n + 2 : n) - 1;
}

/* ---- the alphabet ---- */

static int compare_codes(const void *p, const void *q) {
    const struct un_vocab_char *a = p, *b = q;
    return (a->code > b->code) - (a->code < b->code);
}
static int compare_counts(const void *p, const void *q) {
    const struct un_vocab_char *a = p, *b = q;
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : compare_codes(p, q);
}

static enum un_status add_alphabet(struct build *b) {
    int64_t n = b->n_chars < b->how->alphabet ? b->n_chars : b->how->alphabet, wanted = SPECIALS;
    qsort(b->chars, (size_t)b->n_chars, sizeof *b->chars, compare_counts);
    for (int64_t i = 0; i < n; ++i) wanted += b->chars[i].front + b->chars[i].inner;
    if (wanted > b->how->size)
        return un_fail(UN_USAGE, "size=%lld is too small: special tokens and characters take %lld lines",
                       (long long)b->how->size, (long long)wanted);
    qsort(b->chars, (size_t)n, sizeof *b->chars, compare_codes);
    for (int inner = 0; inner < 2; ++inner)
        for (int64_t i = 0; i < n; ++i) {
            utf8proc_uint8_t text[8] = "##";
            int bytes = 2 + (int)utf8proc_encode_char(b->chars[i].code, text + 2);
            int32_t number;
            if (inner && b->chars[i].inner) UN_TRY(add_piece(b, (const char *)text, bytes, &number));
            if (!inner && b->chars[i].front) UN_TRY(add_piece(b, (const char *)text + 2, bytes - 2, &number));
        }
    return UN_OK;
}

/* ---- pairs ---- */

static bool is_before(const struct top *x, const struct top *y) {
    return x->count != y->count ? x->count > y->count : x->pair < y->pair;
}

static enum un_status push(struct build *b, int64_t count, int64_t pair) {
    if (count < b->how->min_count || count == b->pair[pair].pushed) return UN_OK;
    b->pair[pair].pushed = count;
    UN_TRY(one_more((void **)&b->heap, b->n_heap, &b->heap_room, sizeof *b->heap));
    int64_t at = b->n_heap++;
    struct top top = {count, pair};
    for (; at > 0 && is_before(&top, &b->heap[(at - 1) / 2]); at = (at - 1) / 2)
        b->heap[at] = b->heap[(at - 1) / 2];
    b->heap[at] = top;
    return UN_OK;
}

static struct top pop(struct build *b) {
    struct top best = b->heap[0], last = b->heap[--b->n_heap];
    int64_t at = 0;
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= b->n_heap) break;
        if (child + 1 < b->n_heap && is_before(&b->heap[child + 1], &b->heap[child])) ++child;
        if (!is_before(&b->heap[child], &last)) break;
        b->heap[at] = b->heap[child];
        at = child;
    }
    b->heap[at] = last;
    return best;
}

static uint64_t hash_pair(int32_t a, int32_t b) {
    uint64_t key = (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
    return XXH3_64bits(&key, sizeof key);
}

static uint32_t *probe_pair(const struct build *b, int32_t x, int32_t y) {
    for (uint64_t i = hash_pair(x, y) & b->pair_mask;; i = (i + 1) & b->pair_mask) {
        uint32_t *slot = b->pair_slots + i;
        if (*slot == 0 || (b->pair[*slot - 1].a == x && b->pair[*slot - 1].b == y)) return slot;
    }
}

static enum un_status grow_pairs(struct build *b) {
    uint64_t slots = b->pair_mask ? 2 * (b->pair_mask + 1) : 1 << 12;
    if (b->pair_mask && 2 * (uint64_t)b->pairs < b->pair_mask) return UN_OK;
    un_free(b->pair_slots);
    b->pair_slots = un_alloc(slots, sizeof *b->pair_slots, "pairs");
    if (!b->pair_slots) return UN_MEMORY;
    b->pair_mask = slots - 1;
    for (int64_t i = 0; i < b->pairs; ++i) *probe_pair(b, b->pair[i].a, b->pair[i].b) = (uint32_t)i + 1;
    return UN_OK;
}

static enum un_status get_pair(struct build *b, int32_t x, int32_t y, int64_t *number) {
    UN_TRY(grow_pairs(b));
    uint32_t *slot = probe_pair(b, x, y);
    if (*slot == 0) {
        UN_TRY(one_more((void **)&b->pair, b->pairs, &b->pairs_room, sizeof *b->pair));
        b->pair[b->pairs] = (struct pair){.a = x, .b = y, .last = NONE};
        *slot = (uint32_t)++b->pairs;
    }
    *number = (int64_t)*slot - 1;
    return UN_OK;
}

/* Counts the pairs of a word in (sign 1) or out (-1). Only pairs with the symbol `fresh` (NONE: all) are news
 * to be remembered and pushed. */
static enum un_status count_word(struct build *b, int64_t word, int sign, int32_t fresh) {
    const int32_t *s = b->symbol + b->start[word];
    for (int32_t i = 0; i + 1 < b->length[word]; ++i) {
        int64_t p;
        UN_TRY(get_pair(b, s[i], s[i + 1], &p));
        b->pair[p].count += sign * b->words->word[word].count;
        if (sign < 0 || (fresh != NONE && s[i] != fresh && s[i + 1] != fresh)) continue;
        if (b->pair[p].last != NONE && b->seen[b->pair[p].last].word == (int32_t)word) continue;
        UN_TRY(one_more((void **)&b->seen, b->n_seen, &b->seen_room, sizeof *b->seen));
        b->seen[b->n_seen] = (struct seen){(int32_t)word, b->pair[p].last};
        b->pair[p].last = b->n_seen++;
    }
    return UN_OK;
}

static enum un_status push_word(struct build *b, int64_t word, int32_t fresh) {
    const int32_t *s = b->symbol + b->start[word];
    for (int32_t i = 0; i + 1 < b->length[word]; ++i) {
        int64_t p;
        if (s[i] != fresh && s[i + 1] != fresh) continue;
        UN_TRY(get_pair(b, s[i], s[i + 1], &p));
        UN_TRY(push(b, b->pair[p].count, p));
    }
    return UN_OK;
}

static enum un_status join_word(struct build *b, int64_t word, int32_t x, int32_t y, int32_t joined) {
    int32_t *s = b->symbol + b->start[word], n = b->length[word], kept = 0;
    bool has = false;
    for (int32_t i = 0; i + 1 < n && !has; ++i) has = s[i] == x && s[i + 1] == y;
    if (!has) return UN_OK;
    UN_TRY(count_word(b, word, -1, NONE));
    for (int32_t i = 0; i < n; ++kept)
        if (i + 1 < n && s[i] == x && s[i + 1] == y) {
            s[kept] = joined;
            i += 2;
        } else {
            s[kept] = s[i++];
        }
    b->length[word] = kept;
    return count_word(b, word, 1, joined);
}

/* Words of a pair, the last seen first; a word that no longer holds it is passed over. */
static enum un_status join(struct build *b, int64_t pair) {
    struct pair p = b->pair[pair];
    char text[2 * 4 * WORD_CHARS + 4];
    const struct piece *front = &b->piece[p.a], *back = &b->piece[p.b];
    int32_t joined;
    memcpy(text, b->pool + front->at, (size_t)front->bytes);
    memcpy(text + front->bytes, b->pool + back->at + 2, (size_t)back->bytes - 2);
    UN_TRY(add_piece(b, text, front->bytes + back->bytes - 2, &joined));
    for (int64_t at = p.last; at != NONE; at = b->seen[at].before)
        UN_TRY(join_word(b, b->seen[at].word, p.a, p.b, joined));
    for (int64_t at = p.last; at != NONE; at = b->seen[at].before)
        UN_TRY(push_word(b, b->seen[at].word, joined));
    return UN_OK;
}

/* ---- all of it ---- */

/* Words as symbols; those with a character outside the alphabet are left empty. */
static enum un_status spell_words(struct build *b) {
    size_t n = (size_t)b->words->n;
    int32_t code[WORD_CHARS];
    b->symbol = un_alloc(b->words->bytes + 1, sizeof *b->symbol, "words");
    b->start = un_alloc(n + 1, sizeof *b->start, "words");
    b->length = un_alloc(n + 1, sizeof *b->length, "words");
    if (!b->symbol || !b->start || !b->length) return UN_MEMORY;
    for (int64_t i = 0, at = 0; i < b->words->n; ++i) {
        int chars = un_vocab_codes(b->words, i, code);
        b->start[i] = at;
        b->length[i] = chars;
        for (int k = 0; k < chars; ++k) {
            b->symbol[at + k] = find_char(b, code[k], k > 0);
            if (b->symbol[at + k] < 0) b->length[i] = 0;
        }
        at += b->length[i];
        UN_TRY(count_word(b, i, 1, NONE));
    }
    for (int64_t p = 0; p < b->pairs; ++p) UN_TRY(push(b, b->pair[p].count, p));
    return UN_OK;
}

static enum un_status run(struct build *b) {
    uint64_t slots = 1 << 10;
    int32_t number;
    while (slots < 2 * (uint64_t)b->how->size + 2) slots *= 2;
    b->piece_slots = un_alloc(slots, sizeof *b->piece_slots, "pieces");
    if (!b->piece_slots) return UN_MEMORY;
    b->piece_mask = slots - 1;
    for (int i = 0; i < SPECIALS; ++i) UN_TRY(add_piece(b, specials[i], (int)strlen(specials[i]), &number));
    UN_TRY(un_vocab_chars(b->words, &b->chars, &b->n_chars));
    UN_TRY(add_alphabet(b));
    UN_TRY(spell_words(b));
    int64_t alphabet = b->n;
    un_progress_open_work(&b->progress, b->how->size - alphabet, 1, "piece", !b->how->quiet);
    while (b->n < b->how->size && b->n_heap > 0) {
        un_progress_add(&b->progress, b->n - alphabet - b->progress.done);
        struct top top = pop(b);
        if (b->how->stop && b->how->stop()) return un_fail(UN_STOPPED, "stopped");
        struct pair *p = &b->pair[top.pair];
        if (p->pushed == top.count) p->pushed = 0;
        UN_TRY(p->count == top.count ? join(b, top.pair) : push(b, p->count, top.pair));
    }
    return UN_OK;
}

static enum un_status write_text(const struct build *b, char **text, size_t *bytes) {
    size_t at = 0;
    *bytes = b->bytes + (size_t)b->n;
    *text = un_alloc(*bytes + 1, 1, "a vocabulary");
    if (!*text) return UN_MEMORY;
    for (int64_t i = 0; i < b->n; ++i) {
        memcpy(*text + at, b->pool + b->piece[i].at, (size_t)b->piece[i].bytes);
        at += (size_t)b->piece[i].bytes;
        (*text)[at++] = '\n';
    }
    return UN_OK;
}

enum un_status un_vocab_build(const struct un_vocab_words *words, const struct un_vocab_train *how,
                              char **text, size_t *bytes) {
    struct build b = {.words = words, .how = how};
    *text = NULL;
    enum un_status status = run(&b);
    un_progress_clear(&b.progress);
    if (status == UN_OK) status = write_text(&b, text, bytes);
    un_free(b.pool);
    un_free(b.piece);
    un_free(b.piece_slots);
    un_free(b.symbol);
    un_free(b.start);
    un_free(b.length);
    un_free(b.pair);
    un_free(b.pair_slots);
    un_free(b.seen);
    un_free(b.heap);
    un_free(b.chars);
    return status;
}
