/* Reading a vocabulary and building its trie (wordpiece_private.h). */
#include "io/convert/token/private.h"
#include "io/convert/token/wordpiece.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <ctype.h>
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
        long long number = (long long)w->vocab.vocab_size + 1;
        at += length + 1;
        while (length > 0 &&
               (line[length - 1] == '\r' || line[length - 1] == ' ' || line[length - 1] == '\t'))
            --length;
        if (length == 0)
            return un_fail(UN_DATA, "%s: line %lld is empty: a vocabulary has a piece a line", name, number);
        if (memchr(line, '\0', length))
            return un_fail(UN_DATA, "%s: line %lld holds a zero byte", name, number);
        for (size_t i = 0; i < length;) {
            utf8proc_int32_t c;
            utf8proc_ssize_t n =
                utf8proc_iterate((const utf8proc_uint8_t *)line + i, (utf8proc_ssize_t)(length - i), &c);
            if (n <= 0) return un_fail(UN_DATA, "%s: line %lld is not UTF-8", name, number);
            i += (size_t)n;
        }
        line[length] = '\0';
        w->piece[w->vocab.vocab_size++] = line;
    }
    return UN_OK;
}

/* [CLS], [unused7]: never a word of a text. */
static bool is_reserved(const char *piece) {
    size_t n = strlen(piece);
    if (n < 3 || piece[0] != '[' || piece[n - 1] != ']') return false;
    for (size_t i = 1; i + 1 < n; ++i)
        if (!isalnum((unsigned char)piece[i])) return false;
    return true;
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
        if (!is_reserved(w->piece[i])) continue;
        v->random_lo = i + 1;
        for (size_t k = 0; k < sizeof wanted / sizeof *wanted; ++k)
            if (strcmp(w->piece[i], wanted[k].piece) == 0) *wanted[k].id = i;
    }
    for (size_t k = 0; k < sizeof wanted / sizeof *wanted; ++k)
        if (*wanted[k].id < 0)
            return un_fail(UN_DATA, "%s: no line %s: not a BERT vocabulary", name, wanted[k].piece);
    v->random_hi = v->vocab_size;
    if (v->random_lo < v->random_hi) return UN_OK;
    return un_fail(UN_DATA, "%s: no piece follows the reserved ones", name);
}

static bool has_upper_case(const struct un_wordpiece *w) {
    for (int64_t i = 0; i < w->vocab.vocab_size; ++i) {
        const char *p = w->piece[i];
        if (is_reserved(p)) continue;
        for (utf8proc_int32_t c; *p;) {
            p += utf8proc_iterate((const utf8proc_uint8_t *)p, -1, &c);
            if (utf8proc_tolower(c) != c) return true; /* not: capital letters that have no small one */
        }
    }
    return false;
}

/* "vocab/bert-base-cased-vocab.txt" -> "bert-base-cased" */
static void set_name(struct un_vocab *v, const char *path) {
    const char *front = strrchr(path, '/');
    front = front ? front + 1 : path;
    size_t n = strlen(front);
    static const char *const tails[] = {".txt", "-vocab"};
    for (size_t i = 0; i < 2; ++i) {
        size_t tail = strlen(tails[i]);
        if (n > tail && memcmp(front + n - tail, tails[i], tail) == 0) n -= tail;
    }
    if (n >= sizeof v->tokenizer) n = sizeof v->tokenizer - 1;
    memcpy(v->tokenizer, front, n);
    v->tokenizer[n] = '\0';
}

enum un_status un_wordpiece_parse(struct un_wordpiece **wordpiece, const char *name, const char *text,
                                  size_t bytes, enum un_wordpiece_case how) {
    enum un_status status = UN_MEMORY;
    struct un_wordpiece *w = un_alloc(1, sizeof *w, "vocabulary");
    *wordpiece = NULL;
    if (!w) return UN_MEMORY;
    if (bytes == 0) UN_TRY_GOTO(un_fail(UN_DATA, "%s: is empty", name), failed);
    if (!(w->text = un_alloc(bytes + 1, 1, "vocabulary"))) goto failed;
    memcpy(w->text, text, bytes);
    UN_TRY_GOTO(cut_lines(w, name, bytes), failed);
    UN_TRY_GOTO(find_special(w, name), failed);
    UN_TRY_GOTO(build_trie(w, name, bytes), failed);
    set_name(&w->vocab, name);
    w->cased = how == UN_WORDPIECE_CASED || (how == UN_WORDPIECE_AUTO && has_upper_case(w));
    *wordpiece = w;
    return UN_OK;
failed:
    un_wordpiece_close(w);
    return status;
}

enum un_status un_wordpiece_open(struct un_wordpiece **wordpiece, const char *path,
                                 enum un_wordpiece_case how) {
    char *text;
    size_t bytes;
    *wordpiece = NULL;
    UN_TRY(un_files_read(path, FILE_BYTES_MAX, &text, &bytes));
    enum un_status status = un_wordpiece_parse(wordpiece, path, text, bytes, how);
    un_free(text);
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
