/* Counting words (vocab_train.h), and the command's frame: files in, a file out. */
#include "io/convert/format/lines.h"
#include "io/convert/token/vocab_train.h"
#include "io/convert/token/wordpiece.h"
#include "io/disk/files.h"
#include "io/run/progress.h"
#include "runtime/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { FIRST_SLOTS = 1 << 12 };

static enum un_status make_slots(struct un_vocab_words *w, uint64_t slots) {
    un_free(w->slots);
    w->slots = un_alloc(slots, sizeof *w->slots, "a table of words");
    if (!w->slots) return UN_MEMORY;
    w->mask = slots - 1;
    return UN_OK;
}

/* The slot of the word, or the free one where it belongs. */
static uint32_t *probe(const struct un_vocab_words *w, const char *word, int bytes) {
    for (uint64_t i = XXH3_64bits(word, (size_t)bytes) & w->mask;; i = (i + 1) & w->mask) {
        uint32_t *slot = w->slots + i;
        if (*slot == 0) return slot;
        const struct un_vocab_word *other = &w->word[*slot - 1];
        if (other->bytes == bytes && memcmp(w->pool + other->at, word, (size_t)bytes) == 0) return slot;
    }
}

static enum un_status index_again(struct un_vocab_words *w, uint64_t slots) {
    UN_TRY(make_slots(w, slots));
    for (int64_t i = 0; i < w->n; ++i) *probe(w, w->pool + w->word[i].at, w->word[i].bytes) = (uint32_t)i + 1;
    return UN_OK;
}

/* Forgets the rarest until half of the room is free. */
static enum un_status prune(struct un_vocab_words *w) {
    for (int64_t rare = 1; w->n > w->most / 2; ++rare) {
        int64_t kept = 0;
        size_t at = 0;
        for (int64_t i = 0; i < w->n; ++i) {
            struct un_vocab_word word = w->word[i];
            if (word.count <= rare) {
                w->forgotten += word.count;
                continue;
            }
            memmove(w->pool + at, w->pool + word.at, (size_t)word.bytes);
            word.at = at;
            at += (size_t)word.bytes;
            w->word[kept++] = word;
        }
        w->n = kept;
        w->bytes = at;
    }
    return index_again(w, w->mask + 1);
}

static enum un_status new_word(struct un_vocab_words *w, const char *word, int bytes) {
    size_t room = w->room ? w->room : 1 << 16;
    if (w->n == w->most) UN_TRY(prune(w));
    if (2 * (uint64_t)w->n >= w->mask) UN_TRY(index_again(w, 2 * (w->mask + 1)));
    if (w->n == w->words_room) {
        int64_t more = w->words_room ? 2 * w->words_room : FIRST_SLOTS;
        UN_TRY(un_grow((void **)&w->word, (size_t)w->words_room, (size_t)more, sizeof *w->word, "words"));
        w->words_room = more;
    }
    while (room < w->bytes + (size_t)bytes) room *= 2;
    if (room > w->room) {
        UN_TRY(un_grow((void **)&w->pool, w->room, room, 1, "words"));
        w->room = room;
    }
    memcpy(w->pool + w->bytes, word, (size_t)bytes);
    w->word[w->n] = (struct un_vocab_word){.count = 1, .at = w->bytes, .bytes = bytes};
    w->bytes += (size_t)bytes;
    *probe(w, word, bytes) = (uint32_t)++w->n;
    return UN_OK;
}

enum un_status un_vocab_words_open(struct un_vocab_words *words, int64_t most) {
    *words = (struct un_vocab_words){.most = most};
    return make_slots(words, FIRST_SLOTS);
}

void un_vocab_words_add(void *words, const char *word, int bytes) {
    struct un_vocab_words *w = words;
    if (w->status != UN_OK || (bytes > 1 && word[0] == '[')) return; /* [MASK] and its like */
    uint32_t *slot = probe(w, word, bytes);
    ++w->total;
    if (*slot)
        ++w->word[*slot - 1].count;
    else
        w->status = new_word(w, word, bytes);
}

void un_vocab_words_close(struct un_vocab_words *w) {
    un_free(w->pool);
    un_free(w->word);
    un_free(w->slots);
    *w = (struct un_vocab_words){0};
}

static enum un_status count_file(struct un_vocab_words *w, const char *path,
                                 const struct un_vocab_train *how) {
    struct un_caption_lines lines;
    struct un_progress progress;
    char *text, said[64];
    size_t bytes;
    bool more = true;
    UN_TRY(un_caption_lines_open(&lines, path));
    un_progress_open(&progress, 0, lines.size / 1000, !how->quiet);
    progress.unit = "kbyte";
    enum un_status status = UN_OK;
    while (status == UN_OK && more) {
        status = un_caption_lines_next(&lines, &text, &bytes, &more);
        if (status != UN_OK || !more) break;
        un_wordpiece_words(how->cased, text, bytes, un_vocab_words_add, w);
        status = w->status;
        if (lines.number % 4096) continue;
        snprintf(said, sizeof said, "%lld words", (long long)w->n);
        un_progress_step(&progress, lines.taken / 1000, said, false);
        if (status == UN_OK && how->stop && how->stop()) status = un_fail(UN_STOPPED, "%s: stopped", path);
    }
    un_progress_close(&progress);
    un_caption_lines_close(&lines);
    return status;
}

static enum un_status train(struct un_vocab_words *w, const char *out, const char *const *paths, int n,
                            const struct un_vocab_train *how) {
    char *text;
    size_t bytes;
    UN_TRY(un_vocab_words_open(w, UN_VOCAB_WORDS_MAX));
    for (int i = 0; i < n; ++i) UN_TRY(count_file(w, paths[i], how));
    if (w->n == 0) return un_fail(UN_DATA, "%s: no words in it", paths[0]);
    if (w->forgotten)
        un_log(UN_LOG_WARN, "%lld of %lld words were rare ones that were forgotten", (long long)w->forgotten,
               (long long)w->total);
    UN_TRY(un_vocab_build(w, how, &text, &bytes));
    enum un_status status = un_files_replace(out, text, bytes);
    int64_t pieces = 0;
    for (size_t i = 0; i < bytes; ++i) pieces += text[i] == '\n';
    un_free(text);
    if (status == UN_OK && !how->quiet)
        printf("%s: %lld pieces out of %lld words, %lld different ones\n", out, (long long)pieces,
               (long long)w->total, (long long)w->n);
    return status;
}

enum un_status un_vocab_train(const char *out, const char *const *paths, int n,
                              const struct un_vocab_train *how) {
    struct un_vocab_words words = {0};
    if (faccessat(AT_FDCWD, out, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return un_fail(UN_USAGE, "%s exists; it is not overwritten", out);
    enum un_status status = train(&words, out, paths, n, how);
    un_vocab_words_close(&words);
    return status;
}
