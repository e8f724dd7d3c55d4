/* Pieces of a JSON vocabulary, ordered by their ids (vocab_json.h). */
#include "io/convert/format/vocab_json.h"
#include "io/disk/json.h"
#include "runtime/memory.h"

#include <jansson.h>
#include <string.h>

enum { ADDED_MAX = 1 << 16 };

/* Pieces by id while they are gathered; texts belong to the document. */
struct gathered {
    const char *name;
    const char **piece; /* [room], NULL: none yet */
    int64_t room, n;
};

bool un_vocab_json_begins(const char *text, size_t bytes) {
    static const char space[] = " \t\r\n";
    size_t at = 0;
    while (at < bytes && text[at] && strchr(space, text[at])) ++at;
    if (at == bytes || text[at] != '{') return false;
    for (++at; at < bytes && text[at] && strchr(space, text[at]);) ++at;
    return at < bytes && (text[at] == '"' || text[at] == '}');
}

/* A line is cut at its end and stripped of spaces behind it. */
static bool fits_a_line(const char *piece) {
    size_t n = strlen(piece);
    return n > 0 && !strpbrk(piece, "\n\t") && piece[n - 1] != ' ' && piece[n - 1] != '\r';
}

static enum un_status put(struct gathered *g, const char *piece, const json_t *id) {
    int64_t at = json_integer_value(id);
    if (!json_is_integer(id) || at < 0)
        return un_fail(UN_DATA, "%s: piece \"%.60s\": its id is not a whole number", g->name, piece);
    if (!fits_a_line(piece))
        return un_fail(UN_DATA, "%s: id %lld: an empty piece, or one with white space at its end or in it",
                       g->name, (long long)at);
    if (at >= g->room)
        return un_fail(UN_DATA, "%s: piece \"%.60s\": id %lld, but there are only %lld pieces", g->name,
                       piece, (long long)at, (long long)g->room);
    if (g->piece[at] && strcmp(g->piece[at], piece) != 0)
        return un_fail(UN_DATA, "%s: id %lld is both \"%.60s\" and \"%.60s\"", g->name, (long long)at,
                       g->piece[at], piece);
    g->n += !g->piece[at];
    g->piece[at] = piece;
    return UN_OK;
}

/* added: NULL, or tokenizer.json's list, whose tokens the vocabulary may have or not. */
static enum un_status gather(struct gathered *g, json_t *vocab, const json_t *added) {
    if (json_array_size(added) > ADDED_MAX)
        return un_fail(UN_DATA, "%s: added_tokens: %zu, at most %d are read", g->name, json_array_size(added),
                       ADDED_MAX);
    g->room = (int64_t)(json_object_size(vocab) + json_array_size(added));
    g->piece = un_alloc((size_t)g->room + 1, sizeof *g->piece, "vocabulary");
    if (!g->piece) return UN_MEMORY;
    for (void *i = json_object_iter(vocab); i; i = json_object_iter_next(vocab, i))
        UN_TRY(put(g, json_object_iter_key(i), json_object_iter_value(i)));
    for (size_t i = 0; i < json_array_size(added); ++i) {
        const json_t *token = json_array_get(added, i), *content = json_object_get(token, "content");
        if (!json_is_string(content))
            return un_fail(UN_DATA, "%s: added_tokens: element %zu has no content", g->name, i);
        UN_TRY(put(g, json_string_value(content), json_object_get(token, "id")));
    }
    for (int64_t i = 0; i < g->n; ++i)
        if (!g->piece[i])
            return un_fail(UN_DATA, "%s: no piece has the id %lld, though others have higher ones", g->name,
                           (long long)i);
    return UN_OK;
}

static enum un_status join(const struct gathered *g, char **lines, size_t *bytes) {
    size_t room = 1;
    for (int64_t i = 0; i < g->n; ++i) room += strlen(g->piece[i]) + 1;
    char *at = *lines = un_alloc(room, 1, "vocabulary");
    if (!at) return UN_MEMORY;
    for (int64_t i = 0; i < g->n; ++i) {
        size_t length = strlen(g->piece[i]);
        memcpy(at, g->piece[i], length);
        at += length;
        *at++ = '\n';
    }
    *bytes = (size_t)(at - *lines);
    return UN_OK;
}

/* The vocabulary of a document; refuses a model that cuts words otherwise. */
static enum un_status vocab_of(const char *name, json_t *top, json_t **vocab) {
    json_t *model = json_object_get(top, "model");
    const char *type = json_string_value(json_object_get(model, "type"));
    const char *inner = json_string_value(json_object_get(model, "continuing_subword_prefix"));
    if (json_is_object(model)) {
        if (type && strcmp(type, "WordPiece") != 0)
            return un_fail(UN_DATA, "%s: a %.40s tokenizer; the WordPiece vocabulary of a BERT is wanted",
                           name, type);
        if (inner && strcmp(inner, "##") != 0)
            return un_fail(UN_DATA, "%s: pieces inside a word begin with \"%.20s\", not with ##", name,
                           inner);
        *vocab = json_object_get(model, "vocab");
    } else {
        *vocab = top;
    }
    if (!json_is_object(*vocab)) return un_fail(UN_DATA, "%s: model.vocab is no object of ids", name);
    if (json_object_get(*vocab, "<s>") && !json_object_get(*vocab, "[CLS]"))
        return un_fail(UN_DATA,
                       "%s: RoBERTa's or GPT's vocabulary (<s> stands for [CLS]); the WordPiece "
                       "vocabulary of a BERT is wanted",
                       name);
    return UN_OK;
}

static enum un_vocab_json_case case_of(json_t *top) {
    json_t *one = json_object_get(top, "normalizer"), *list = json_object_get(one, "normalizers"), *v;
    size_t n = json_is_array(list) ? json_array_size(list) : 1;
    enum un_vocab_json_case found = UN_VOCAB_JSON_UNTOLD;
    for (size_t i = 0; i < n; ++i) {
        v = json_is_array(list) ? json_array_get(list, i) : one;
        const char *type = json_string_value(json_object_get(v, "type"));
        const json_t *lower = json_object_get(v, "lowercase");
        if (type && strcmp(type, "Lowercase") == 0) return UN_VOCAB_JSON_LOWERED;
        if (json_is_true(lower)) return UN_VOCAB_JSON_LOWERED;
        if (json_is_false(lower)) found = UN_VOCAB_JSON_KEPT;
    }
    return found;
}

enum un_status un_vocab_json_lines(const char *name, const char *text, size_t bytes, char **lines,
                                   size_t *lines_bytes, enum un_vocab_json_case *letters) {
    json_error_t error;
    struct gathered g = {.name = name};
    json_t *top = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error), *vocab = NULL;
    *lines = NULL;
    if (!top)
        return un_fail(UN_DATA, "%s: line %d: %s (jansson: %s)", name, error.line, un_json_fault(&error),
                       error.text);
    enum un_status status = vocab_of(name, top, &vocab);
    if (status == UN_OK)
        status = gather(&g, vocab, vocab == top ? NULL : json_object_get(top, "added_tokens"));
    if (status == UN_OK) status = join(&g, lines, lines_bytes);
    if (status == UN_OK) *letters = case_of(top);
    un_free(g.piece);
    json_decref(top);
    return status;
}
