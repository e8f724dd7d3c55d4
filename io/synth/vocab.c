/* Vocabulary and word pieces of the micro-world. */
#include "io/synth/vocab.h"
#include "io/synth/pose.h"
#include "io/synth/text.h"
#include "runtime/memory.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
/* What rare words and plurals are made of, beside words that stand in the vocabulary anyway. */
static const char *const pieces[] = {
    "##s",      "##es",  "gentle", "##man",   "la",   "##dy",    "kid",  "##do",   "daugh", "##ter",
    "pup",      "##py",  "kit",    "##ty",    "pon",  "cal",     "##mb", "##ie",   "auto",  "mini",
    "##mobile", "##bus", "pick",   "##up",    "bi",   "##cycle", "sail", "##boat", "air",   "##plane",
    "##cake",   "des",   "arm",    "##chair", "cou",  "##ch",    "tea",  "##cup",  "foot",  "##ball",
    "para",     "##sol", "note",   "##book",  "hand", "##bag"};

static enum un_status add(struct un_synth_vocab *v, const char *piece, size_t length) {
    if (v->n == v->capacity) {
        int64_t more = v->capacity == 0 ? 512 : 2 * v->capacity;
        UN_TRY(
            un_grow((void **)&v->piece, (size_t)v->capacity, (size_t)more, sizeof *v->piece, "vocabulary"));
        v->capacity = more;
    }
    v->piece[v->n] = un_format("%.*s", (int)length, piece);
    if (v->piece[v->n] == NULL) return UN_MEMORY;
    ++v->n;
    return UN_OK;
}

static int64_t find_slowly(const struct un_synth_vocab *v, const char *piece, size_t length) {
    for (int64_t i = 0; i < v->n; ++i)
        if (strlen(v->piece[i]) == length && memcmp(v->piece[i], piece, length) == 0) return i;
    return -1;
}

struct collecting {
    struct un_synth_vocab *vocab;
    enum un_status status;
};
static void add_once(void *context, const char *piece, size_t length) {
    struct collecting *c = context;
    if (c->status == UN_OK && find_slowly(c->vocab, piece, length) < 0)
        c->status = add(c->vocab, piece, length);
}

/* Sorting through indices needs the strings: entries of (piece, id). */
struct entry {
    const char *piece;
    int64_t id;
};
static int compare_entries(const void *a, const void *b) {
    const struct entry *p = a, *q = b;
    int c = strcmp(p->piece, q->piece);
    return c != 0 ? c : (p->id > q->id) - (p->id < q->id);
}

static enum un_status sort_pieces(struct un_synth_vocab *v) {
    struct entry *entry = un_alloc((size_t)v->n, sizeof *entry, "vocabulary order");
    v->order = un_alloc((size_t)v->n, sizeof *v->order, "vocabulary order");
    if (entry == NULL || v->order == NULL) {
        un_free(entry);
        return UN_MEMORY;
    }
    for (int64_t i = 0; i < v->n; ++i) entry[i] = (struct entry){v->piece[i], i};
    qsort(entry, (size_t)v->n, sizeof *entry, compare_entries);
    for (int64_t i = 0; i < v->n; ++i) v->order[i] = entry[i].id;
    un_free(entry);
    return UN_OK;
}

static enum un_status collect(struct un_synth_vocab *v, int64_t size, bool tasks) {
    struct collecting c = {v, UN_OK};
    for (size_t i = 0; i < sizeof specials / sizeof *specials; ++i)
        add_once(&c, specials[i], strlen(specials[i]));
    un_synth_each_word(add_once, &c);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; ++i) add_once(&c, pieces[i], strlen(pieces[i]));
    for (char letter = 'a'; letter <= 'z'; ++letter) {
        add_once(&c, &letter, 1);
        add_once(&c, (const char[]){'#', '#', letter}, 3);
    }
    if (tasks) un_synth_each_task_word(add_once, &c);
    UN_TRY(c.status);
    if (size != 0 && size < v->n)
        return un_fail(UN_USAGE, "vocab_size=%lld is too small: the micro-world has %lld word pieces",
                       (long long)size, (long long)v->n);
    v->unk_id = 1;
    v->cls_id = 2;
    v->sep_id = 3;
    v->mask_id = 4;
    v->random_lo = 5;
    v->random_hi = v->n;
    for (int64_t i = 0; v->n < size; ++i) {
        char name[32];
        int length = snprintf(name, sizeof name, "[unused%lld]", (long long)i);
        UN_TRY(add(v, name, (size_t)length));
    }
    return sort_pieces(v);
}

enum un_status un_synth_vocab_make(struct un_synth_vocab *v, int64_t size, bool tasks) {
    *v = (struct un_synth_vocab){.tokenizer = "uniter-synth"};
    enum un_status status = collect(v, size, tasks);
    if (status != UN_OK) un_synth_vocab_close(v);
    return status;
}

/* "data/bert-base-cased-vocab.txt" -> "bert-base-cased". */
static void name_after(struct un_synth_vocab *v, const char *path) {
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    snprintf(v->tokenizer, sizeof v->tokenizer, "%s", base);
    char *end = strstr(v->tokenizer, ".txt");
    if (end != NULL) *end = '\0';
    end = strstr(v->tokenizer, "-vocab");
    if (end != NULL && end != v->tokenizer) *end = '\0';
}

static enum un_status read_lines(struct un_synth_vocab *v, FILE *file, const char *path) {
    char line[512];
    while (fgets(line, sizeof line, file) != NULL) {
        size_t n = strcspn(line, "\n");
        if (line[n] == '\0' && n == sizeof line - 1)
            return un_fail(UN_DATA, "%s: line %lld is longer than %zu bytes: not a vocabulary", path,
                           (long long)v->n + 1, sizeof line - 2);
        if (n > 0 && line[n - 1] == '\r') --n;
        UN_TRY(add(v, line, n));
    }
    if (ferror(file)) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    return UN_OK;
}

static bool is_special(const char *piece) {
    size_t n = strlen(piece);
    return n > 2 && piece[0] == '[' && piece[n - 1] == ']';
}

static enum un_status find_specials(struct un_synth_vocab *v, const char *path) {
    int64_t *id[] = {NULL, &v->unk_id, &v->cls_id, &v->sep_id, &v->mask_id};
    for (int i = 1; i < 5; ++i) {
        *id[i] = find_slowly(v, specials[i], strlen(specials[i]));
        if (*id[i] < 0)
            return un_fail(UN_DATA, "%s: no line %s: not a WordPiece vocabulary", path, specials[i]);
    }
    for (v->random_lo = v->mask_id + 1; v->random_lo < v->n && is_special(v->piece[v->random_lo]);)
        ++v->random_lo;
    v->random_hi = v->n;
    if (v->random_lo >= v->random_hi) return un_fail(UN_DATA, "%s: no words after [MASK]", path);
    return UN_OK;
}

enum un_status un_synth_vocab_read(struct un_synth_vocab *v, const char *path) {
    *v = (struct un_synth_vocab){0};
    name_after(v, path);
    enum un_status status = UN_OK;
    FILE *file = fopen(path, "rb");
    if (file == NULL) return un_fail(UN_IO, "vocab=%s: %s", path, strerror(errno));
    UN_TRY_GOTO(read_lines(v, file, path), out);
    UN_TRY_GOTO(find_specials(v, path), out);
    UN_TRY_GOTO(sort_pieces(v), out);
out:
    fclose(file);
    if (status != UN_OK) un_synth_vocab_close(v);
    return status;
}

void un_synth_vocab_close(struct un_synth_vocab *v) {
    for (int64_t i = 0; i < v->n; ++i) un_free(v->piece[i]);
    un_free(v->piece);
    un_free(v->order);
    *v = (struct un_synth_vocab){0};
}

/* The id of the first `length` bytes of `piece`, -1 if there is none. */
static int64_t find(const struct un_synth_vocab *v, const char *piece, size_t length) {
    int64_t lo = 0, hi = v->n;
    while (lo < hi) {
        int64_t mid = (lo + hi) / 2;
        const char *at = v->piece[v->order[mid]];
        int c = strncmp(at, piece, length);
        if (c == 0 && at[length] != '\0') c = 1;
        if (c == 0) return v->order[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

int un_synth_vocab_cut(const struct un_synth_vocab *v, const char *word, int32_t *id, int capacity) {
    char text[2 + UN_SYNTH_MAX_WORD] = "##";
    size_t length = strlen(word), start = 0;
    int n = 0;
    if (length >= UN_SYNTH_MAX_WORD) length = 0; /* no such word in the micro-world */
    memcpy(text + 2, word, length);
    while (start < length && n < capacity) {
        const char *from = start == 0 ? text + 2 : text + start;
        size_t prefix = start == 0 ? 0 : 2, end = length;
        int64_t found = -1;
        if (start > 0) memcpy(text + start, "##", 2);
        for (; end > start && found < 0; --end) found = find(v, from, end - start + prefix);
        if (found < 0) break;
        id[n++] = (int32_t)found;
        start = end + 1;
    }
    if (start < length || length == 0) {
        id[0] = (int32_t)v->unk_id;
        return 1;
    }
    return n;
}
