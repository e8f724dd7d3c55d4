/* Named pairs into a text file (given.h). */
#include "launch/use/given.h"

#include "io/convert/text/sink.h"
#include "io/convert/token/wordpiece.h"
#include "launch/use/texts.h"
#include "runtime/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES_MAX = 1 << 30, ID_MAX = 255 };

/* Where the words of the pairs come from: one of the two. */
struct words {
    struct un_wordpiece *wordpiece;
    struct un_use_texts texts;
    int32_t *token; /* [room] of one text */
    int64_t room;
};

static enum un_status no_text(const char *where, int64_t line) {
    return un_fail(UN_DATA, "%s: line %lld: image id TAB text is wanted", where, (long long)line);
}

static int64_t count_lines(const char *text) {
    int64_t n = 1;
    for (; *text; ++text) n += *text == '\n';
    return n;
}

/* Cuts the lines in place; empty ones are nothing. */
static enum un_status read_lines(struct un_use_given *given, const char *path) {
    size_t bytes;
    UN_TRY(un_files_read(path, LINES_MAX, &given->lines, &bytes));
    if (strlen(given->lines) != bytes) return un_fail(UN_DATA, "%s: a byte of zero: no text file", path);
    given->pair = un_alloc((size_t)count_lines(given->lines), sizeof *given->pair, "named pairs");
    if (!given->pair) return UN_MEMORY;
    int64_t number = 0;
    for (char *line = given->lines, *next; line; line = next) {
        ++number;
        if ((next = strchr(line, '\n'))) *next++ = '\0';
        size_t length = strlen(line);
        if (length && line[length - 1] == '\r') line[--length] = '\0';
        char *tab = strchr(line, '\t');
        if (!length) continue;
        if (!tab) return no_text(path, number);
        *tab = '\0';
        given->pair[given->n++] = (struct un_use_pair){line, tab + 1};
    }
    return given->n ? UN_OK : un_fail(UN_DATA, "%s: no pairs", path);
}

static enum un_status read_names(struct un_use_given *given, const char *const *names, int n) {
    if (n % 2)
        return un_fail(UN_USAGE, "%s: an image id without a text: pairs are IMAGE TEXT IMAGE TEXT ...",
                       names[n - 1]);
    given->pair = un_alloc((size_t)n / 2, sizeof *given->pair, "named pairs");
    if (!given->pair) return UN_MEMORY;
    for (; given->n < n / 2; ++given->n)
        given->pair[given->n] = (struct un_use_pair){names[2 * given->n], names[2 * given->n + 1]};
    return UN_OK;
}

/* The words of pair i in w->token. */
static enum un_status read_words(struct words *w, const struct un_use_given *given, int64_t i, int64_t *n) {
    const char *text = given->pair[i].text;
    int64_t row = -1;
    if (given->sentences)
        *n = un_wordpiece_encode(w->wordpiece, text, strlen(text), NULL, 0);
    else if ((row = un_use_texts_find(&w->texts, text)) < 0)
        return un_fail(UN_DATA, "pair %lld: text %s is in none of the text files", (long long)i + 1, text);
    else
        *n = un_use_texts_length(&w->texts, row);
    if (*n == 0) return un_fail(UN_DATA, "pair %lld: its text has no words", (long long)i + 1);
    if (*n > w->room) {
        void *token = w->token;
        UN_TRY(un_grow(&token, (size_t)w->room, (size_t)*n, sizeof *w->token, "words of a text"));
        w->token = token;
        w->room = *n;
    }
    if (!given->sentences) return un_use_texts_read(&w->texts, row, w->token);
    un_wordpiece_encode(w->wordpiece, text, strlen(text), w->token, *n);
    return UN_OK;
}

static enum un_status write_pair(struct un_text_sink *sink, struct words *w, const struct un_use_given *given,
                                 int64_t i) {
    char id[32];
    const char *image = given->pair[i].image_id;
    snprintf(id, sizeof id, UN_USE_PAIR_ID "%lld", (long long)i + 1);
    if (!image[0] || strlen(image) > ID_MAX)
        return un_fail(UN_DATA, "pair %lld: an image id of %zu bytes, 1 to %d are possible", (long long)i + 1,
                       strlen(image), ID_MAX);
    struct un_text_record record = {.text_id = id, .image_id = image};
    UN_TRY(read_words(w, given, i, &record.tokens));
    record.token = w->token;
    return un_text_sink_add(sink, &record);
}

static enum un_status write_file(struct un_use_given *given, struct words *w) {
    struct un_text_sink *sink = NULL;
    const struct un_text_sink_setup setup = {.vocab = given->sentences ? un_wordpiece_vocab(w->wordpiece)
                                                                       : *un_use_texts_vocab(&w->texts),
                                             .source = "named pairs"};
    const char *folder = getenv("TMPDIR");
    char name[UN_PATH_MAX];
    UN_TRY(un_files_join(name, folder && folder[0] ? folder : "/tmp", "uniter_XXXXXX"));
    if (!mkdtemp(name)) return un_fail(UN_IO, "%s: a temporary folder: %s", name, strerror(errno));
    memcpy(given->folder, name, sizeof name);
    UN_TRY(un_files_join(given->path, given->folder, "pairs.txt.h5"));
    enum un_status status = un_text_sink_open(&sink, given->path, &setup);
    for (int64_t i = 0; i < given->n && status == UN_OK; ++i) status = write_pair(sink, w, given, i);
    if (status == UN_OK) status = un_text_sink_commit(sink);
    un_text_sink_close(sink);
    return status;
}

static enum un_status write_pairs(struct un_use_given *given, const struct un_use_keys *keys) {
    struct words w = {0};
    given->sentences = keys->text.n == 0;
    if (given->sentences && !keys->vocab[0])
        return un_fail(UN_USAGE,
                       "named pairs need `text` (their texts are ids of it) or `vocab` (they are sentences)");
    enum un_status status = given->sentences ? un_wordpiece_open(&w.wordpiece, keys->vocab,
                                                                 (enum un_wordpiece_case)keys->letter_case)
                                             : un_use_texts_open(&w.texts, &keys->text);
    if (status == UN_OK) status = write_file(given, &w);
    un_wordpiece_close(w.wordpiece);
    un_use_texts_close(&w.texts);
    un_free(w.token);
    return status;
}

enum un_status un_use_given_open(struct un_use_given *given, const struct un_use_keys *keys,
                                 const char *const *names, int n) {
    *given = (struct un_use_given){0};
    if (n && keys->pairs[0]) return un_fail(UN_USAGE, "pairs are named by `pairs` or one by one, not both");
    if (keys->pairs[0]) UN_TRY(read_lines(given, keys->pairs));
    if (n) UN_TRY(read_names(given, names, n));
    if (given->n) return write_pairs(given, keys);
    if (keys->text.n) return UN_OK;
    return un_fail(UN_USAGE, "no texts: `text`, `pairs`, or IMAGE and SENTENCE with `vocab` are needed");
}

void un_use_given_close(struct un_use_given *given) {
    if (given->folder[0] && un_files_remove_folder(given->folder, NULL) != UN_OK) {
        un_log(UN_LOG_WARN, "%s", un_error_get()->text);
        un_error_clear();
    }
    un_free(given->pair);
    un_free(given->lines);
    *given = (struct un_use_given){0};
}
