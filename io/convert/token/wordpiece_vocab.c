/* Reading a vocabulary and building its trie (wordpiece_private.h). */
#include "io/convert/format/vocab_json.h"
#include "io/convert/token/private.h"
#include "io/convert/token/wordpiece.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

enum { FILE_BYTES_MAX = 64 << 20, NODES_MAX = 1 << 24 }; /* node << 8 fits 32 bits */

static uint32_t add_edge(struct un_wordpiece *w, uint32_t node, unsigned char byte) {
    uint32_t key = node << 8 | byte, at = (key * 2654435761u) >> 7 & w->mask;
    while (w->edges[at].key != 0 && w->edges[at].key != key) at = (at + 1) & w->mask;
    if (w->edges[at].key == 0) {
        w->edges[at] = (struct un_wordpiece_edge){key, w->nodes};
        w->accept[w->nodes++] = -1;
    }
    return w->edges[at].to;
}

/* Every piece at its place; UN_DATA when one stands there already. */
static enum un_status build_trie(struct un_wordpiece *w, const char *name, size_t bytes) {
    size_t nodes = bytes + 3, slots = 16;
    if (nodes > NODES_MAX) return un_fail(UN_DATA, "%s: too large for a vocabulary", name);
    while (slots < 2 * nodes) slots *= 2;
    w->edges = un_alloc(slots, sizeof *w->edges, "vocabulary");
    w->accept = un_alloc(nodes, sizeof *w->accept, "vocabulary");
    if (!w->edges || !w->accept) return UN_MEMORY;
    w->mask = (uint32_t)slots - 1;
    w->nodes = 3;
    w->accept[UN_WORDPIECE_FRONT] = w->accept[UN_WORDPIECE_INNER] = -1;
    for (int64_t i = 0; i < w->vocab.vocab_size; ++i) {
        const char *p = w->piece[i];
        bool inner = strncmp(p, "##", 2) == 0 && p[2] != '\0';
        uint32_t node = inner ? UN_WORDPIECE_INNER : UN_WORDPIECE_FRONT;
        for (p += inner ? 2 : 0; *p; ++p) node = add_edge(w, node, (unsigned char)*p);
        if (w->accept[node] >= 0)
            return un_fail(UN_DATA, "%s: line %lld: %s stands already in line %lld", name, (long long)i + 1,
                           w->piece[i], (long long)w->accept[node] + 1);
        w->accept[node] = (int32_t)i;
    }
    return UN_OK;
}

/* A line as a piece: something, UTF-8, no zero byte, no second column. */
static enum un_status check_line(const char *line, size_t length, const char *name, long long number) {
    if (length == 0)
        return un_fail(UN_DATA, "%s: line %lld is empty: a vocabulary has a piece a line", name, number);
    if (memchr(line, '\0', length)) return un_fail(UN_DATA, "%s: line %lld holds a zero byte", name, number);
    if (memchr(line, '\t', length))
        return un_fail(UN_DATA,
                       "%s: line %lld: a tab and more behind the piece: a vocabulary has a piece a line and "
                       "nothing else (cut -f1 takes the first column)",
                       name, number);
    for (size_t i = 0; i < length;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)line + i, (utf8proc_ssize_t)(length - i), &c);
        if (n <= 0) return un_fail(UN_DATA, "%s: line %lld is not UTF-8", name, number);
        i += (size_t)n;
    }
    return UN_OK;
}

static bool is_blank(char c) {
    return c == '\r' || c == ' ' || c == '\t';
}

/* Cuts the text into lines; a last empty one is none. */
static enum un_status cut_lines(struct un_wordpiece *w, const char *name, size_t bytes) {
    int64_t lines = 0;
    for (size_t i = 0; i < bytes; ++i) lines += w->text[i] == '\n' || i + 1 == bytes;
    if (lines > INT32_MAX) return un_fail(UN_DATA, "%s: too many lines", name);
    w->piece = un_alloc((size_t)lines + 1, sizeof *w->piece, "vocabulary");
    if (!w->piece) return UN_MEMORY;
    for (size_t at = 0; at < bytes;) {
        char *line = w->text + at, *end = memchr(line, '\n', bytes - at);
        size_t length = end ? (size_t)(end - line) : bytes - at;
        at += length + 1;
        while (length > 0 && is_blank(line[length - 1])) --length;
        UN_TRY(check_line(line, length, name, (long long)w->vocab.vocab_size + 1));
        line[length] = '\0';
        w->piece[w->vocab.vocab_size++] = line;
    }
    return UN_OK;
}

static enum un_status find_special(struct un_wordpiece *w, const char *name) {
    struct un_vocab *v = &w->vocab;
    struct {
        const char *piece;
        int64_t *id;
    } wanted[] = {
        {"[UNK]", &v->unk_id}, {"[CLS]", &v->cls_id}, {"[SEP]", &v->sep_id}, {"[MASK]", &v->mask_id}};
    for (size_t k = 0; k < sizeof wanted / sizeof *wanted; ++k) *wanted[k].id = -1;
    for (int64_t i = 0; i < v->vocab_size; ++i) {
        if (!un_wordpiece_is_reserved(w->piece[i])) continue;
        for (size_t k = 0; k < sizeof wanted / sizeof *wanted; ++k)
            if (strcmp(w->piece[i], wanted[k].piece) == 0) *wanted[k].id = i;
    }
    for (size_t k = 0; k < sizeof wanted / sizeof *wanted; ++k)
        if (*wanted[k].id < 0)
            return un_fail(UN_DATA, "%s: no line %s: not a BERT vocabulary", name, wanted[k].piece);
    return UN_OK;
}

/* Words that may stand in for a masked one are a range: the longest without a reserved piece, the first of equal
 * ones. */
static enum un_status find_range(struct un_vocab *v, char *const *piece, const char *name) {
    v->random_lo = v->random_hi = 0;
    for (int64_t begin = 0, i = 0; i <= v->vocab_size; ++i) {
        if (i < v->vocab_size && !un_wordpiece_is_reserved(piece[i])) continue;
        if (i - begin > v->random_hi - v->random_lo) {
            v->random_lo = begin;
            v->random_hi = i;
        }
        begin = i + 1;
    }
    if (v->random_lo < v->random_hi) return UN_OK;
    return un_fail(UN_DATA, "%s: no piece but reserved ones", name);
}

static bool drop_tail(const char *text, size_t *n, const char *tail) {
    size_t length = strlen(tail);
    if (*n <= length || memcmp(text + *n - length, tail, length) != 0) return false;
    *n -= length;
    return true;
}

/* "vocab/bert-base-cased-vocab.txt" and "bert-base-cased/tokenizer.json" -> "bert-base-cased". */
static void set_name(struct un_vocab *v, const char *path) {
    const char *slash = strrchr(path, '/'), *front = slash ? slash + 1 : path;
    size_t n = strlen(front);
    if (!drop_tail(front, &n, ".txt") && drop_tail(front, &n, ".json") && slash && slash > path &&
        ((n == 9 && memcmp(front, "tokenizer", n) == 0) || (n == 5 && memcmp(front, "vocab", n) == 0))) {
        for (front = slash; front > path && front[-1] != '/';) --front;
        n = (size_t)(slash - front);
    }
    drop_tail(front, &n, "-vocab");
    if (n >= sizeof v->tokenizer) n = sizeof v->tokenizer - 1;
    memcpy(v->tokenizer, front, n);
    v->tokenizer[n] = '\0';
}

/* The text as lines, in w->text: without a byte order mark; JSON is turned into lines. */
static enum un_status take_text(struct un_wordpiece *w, const char *name, const char *text, size_t *bytes,
                                enum un_vocab_json_case *told) {
    if (*bytes >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return un_fail(UN_DATA, "%s: is UTF-16; a vocabulary is UTF-8 (iconv -f UTF-16 -t UTF-8 makes it so)",
                       name);
    if (*bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        *bytes -= 3;
    }
    if (*bytes == 0) return un_fail(UN_DATA, "%s: is empty", name);
    if (un_vocab_json_begins(text, *bytes))
        return un_vocab_json_lines(name, text, *bytes, &w->text, bytes, told);
    if (!(w->text = un_alloc(*bytes + 1, 1, "vocabulary"))) return UN_MEMORY;
    memcpy(w->text, text, *bytes);
    return UN_OK;
}

/* Asked for, told by the file, or by the share of capitals; the decision goes into text files. */
static void decide_case(struct un_wordpiece *w, enum un_wordpiece_case how, enum un_vocab_json_case told) {
    w->letters = un_wordpiece_count_letters(w);
    w->why = how != UN_WORDPIECE_AUTO       ? UN_WORDPIECE_ASKED
             : told != UN_VOCAB_JSON_UNTOLD ? UN_WORDPIECE_TOLD
                                            : UN_WORDPIECE_COUNTED;
    w->cased = w->why == UN_WORDPIECE_ASKED  ? how == UN_WORDPIECE_CASED
               : w->why == UN_WORDPIECE_TOLD ? told == UN_VOCAB_JSON_KEPT
                                             : w->letters.cased;
    snprintf(w->vocab.letters, sizeof w->vocab.letters, "%s", w->cased ? "cased" : "uncased");
}

enum un_status un_wordpiece_parse(struct un_wordpiece **wordpiece, const char *name, const char *text,
                                  size_t bytes, enum un_wordpiece_case how) {
    enum un_status status;
    enum un_vocab_json_case told = UN_VOCAB_JSON_UNTOLD;
    struct un_wordpiece *w = un_alloc(1, sizeof *w, "vocabulary");
    *wordpiece = NULL;
    if (!w) return UN_MEMORY;
    UN_TRY_GOTO(take_text(w, name, text, &bytes, &told), failed);
    UN_TRY_GOTO(cut_lines(w, name, bytes), failed);
    UN_TRY_GOTO(find_special(w, name), failed);
    UN_TRY_GOTO(find_range(&w->vocab, w->piece, name), failed);
    UN_TRY_GOTO(build_trie(w, name, bytes), failed);
    set_name(&w->vocab, name);
    decide_case(w, how, told);
    *wordpiece = w;
    return UN_OK;
failed:
    un_wordpiece_close(w);
    return status;
}

/* What was decided where nobody said it: the wrong case makes most words unknown. */
static void tell_case(const struct un_wordpiece *w, const char *path) {
    const char *word = w->vocab.letters;
    if (w->why == UN_WORDPIECE_TOLD) un_log(UN_LOG_INFO, "%s: %s, as its normalizer says", path, word);
    if (w->why == UN_WORDPIECE_COUNTED)
        un_log(UN_LOG_INFO,
               "%s: %s: %lld of %lld pieces with letters have a capital (case= decides otherwise)", path,
               word, (long long)w->letters.capital, (long long)w->letters.lettered);
}

enum un_status un_wordpiece_open(struct un_wordpiece **wordpiece, const char *path,
                                 enum un_wordpiece_case how) {
    char *text;
    size_t bytes;
    *wordpiece = NULL;
    UN_TRY(un_files_read(path, FILE_BYTES_MAX, &text, &bytes));
    enum un_status status = un_wordpiece_parse(wordpiece, path, text, bytes, how);
    un_free(text);
    if (status == UN_OK) tell_case(*wordpiece, path);
    return status;
}

void un_wordpiece_close(struct un_wordpiece *w) {
    if (!w) return;
    un_free(w->text);
    un_free(w->piece);
    un_free(w->edges);
    un_free(w->accept);
    un_free(w);
}

const char *un_wordpiece_piece(const struct un_wordpiece *w, int32_t id) {
    return id >= 0 && id < w->vocab.vocab_size ? w->piece[id] : NULL;
}
struct un_vocab un_wordpiece_vocab(const struct un_wordpiece *w) {
    return w->vocab;
}
bool un_wordpiece_cased(const struct un_wordpiece *w) {
    return w->cased;
}
