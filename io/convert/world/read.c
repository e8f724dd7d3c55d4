/* Captions into memory: from lines, from lines with an image id, from the sentences of a text file.
 *
 * Law: the first line says whether there are image ids; every other line must be like it. */
#include "io/convert/world/private.h"
#include "io/data/file.h"
#include "io/disk/files.h"
#include "io/run/progress.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { POOL_BYTES = 1 << 20 };
#define FILE_MOST ((size_t)1 << 32)

enum un_status un_captions_keep(struct un_captions_world *w, const char *bytes, size_t n, char **kept) {
    if (w->pools == 0 || w->pool_used + (int64_t)n + 1 > POOL_BYTES) {
        if ((w->pools & (w->pools - 1)) == 0) { /* the table of blocks is full at every power of two */
            void *pool = w->pool;
            UN_TRY(un_grow(&pool, (size_t)w->pools, w->pools ? 2 * (size_t)w->pools : 1, sizeof *w->pool,
                           "captions"));
            w->pool = pool;
        }
        char *block = un_alloc(POOL_BYTES, 1, "captions");
        if (!block) return UN_MEMORY;
        w->pool[w->pools++] = block;
        w->pool_used = 0;
    }
    *kept = w->pool[w->pools - 1] + w->pool_used;
    memcpy(*kept, bytes, n);
    w->pool_used += (int64_t)n + 1;
    return UN_OK;
}

static enum un_status keep_text(struct un_captions_world *w, const char *image_id, const char *text_id,
                                const char *sentence, size_t bytes, int64_t line) {
    if (w->texts == w->text_room) {
        void *grown = w->text;
        int64_t room = w->text_room + w->text_room / 2 + 1024;
        UN_TRY(un_grow(&grown, (size_t)w->text_room, (size_t)room, sizeof *w->text, "captions"));
        w->text = grown;
        w->text_room = room;
    }
    char *copy, *image, *text;
    UN_TRY(un_captions_keep(w, sentence, bytes, &copy));
    UN_TRY(un_captions_keep(w, image_id, strlen(image_id), &image));
    UN_TRY(un_captions_keep(w, text_id, strlen(text_id), &text));
    w->text[w->texts++] = (struct un_captions_text){copy, image, text, (int32_t)bytes, line, 0, 0, 0};
    return UN_OK;
}

enum un_status un_captions_take(struct un_captions_world *w, const char *image_id, const char *text_id,
                                const char *sentence, size_t bytes, int64_t line) {
    ++w->counts.lines;
    if (bytes > UN_CAPTION_BYTES) {
        ++w->counts.long_bytes;
        return UN_OK;
    }
    int64_t tokens = un_wordpiece_encode(w->wordpiece, sentence, bytes, NULL, 0);
    if (tokens == 0) {
        ++w->counts.empty;
        return UN_OK;
    }
    if (w->keys->max_txt_len > 0 && tokens > w->keys->max_txt_len) {
        ++w->counts.long_tokens;
        return UN_OK;
    }
    char own[32];
    snprintf(own, sizeof own, "captions_%08lld", (long long)line);
    if (w->keys->own_scenes) image_id = own;
    w->digest = XXH3_64bits_withSeed(sentence, bytes, w->digest);
    w->digest = XXH3_64bits_withSeed(image_id, strlen(image_id), w->digest);
    w->digest = XXH3_64bits_withSeed(text_id, strlen(text_id), w->digest);
    return keep_text(w, image_id, text_id, sentence, bytes, line);
}

/* One line [bytes]. ids: it must have an image id before a tab. */
static enum un_status take_line(struct un_captions_world *w, char *line, size_t bytes, bool ids,
                                int64_t number) {
    char image[UN_IMAGE_ID_MAX + 1], text[32];
    char *tab = memchr(line, '\t', bytes);
    size_t id = tab ? (size_t)(tab - line) : 0;
    if (ids != (tab != NULL))
        return un_fail(UN_DATA,
                       "%s: line %lld has %s, line 1 %s: either every line begins with an image id and a tab "
                       "or none",
                       w->keys->captions, (long long)number, tab ? "a tab" : "no tab",
                       ids ? "has one" : "has none");
    if (ids && (id == 0 || id > UN_IMAGE_ID_MAX || memchr(line, '\0', id)))
        return un_fail(UN_DATA, "%s: line %lld: an image id of %zu bytes; 1 to %d, none of them zero",
                       w->keys->captions, (long long)number, id, UN_IMAGE_ID_MAX);
    snprintf(text, sizeof text, "%08lld", (long long)number);
    if (ids)
        snprintf(image, sizeof image, "%.*s", (int)id, line);
    else
        snprintf(image, sizeof image, "captions_%s", text);
    size_t skip = ids ? id + 1 : 0;
    return un_captions_take(w, image, text, line + skip, bytes - skip, number);
}

static enum un_status read_lines(struct un_captions_world *w) {
    char *text;
    size_t bytes;
    UN_TRY(un_files_read(w->keys->captions, FILE_MOST, &text, &bytes));
    enum un_status status = UN_OK;
    bool ids = false;
    int64_t number = 0;
    struct un_progress progress;
    un_progress_open_work(&progress, (int64_t)bytes, 1000000, "MB", !w->keys->quiet);
    for (size_t at = 0; at < bytes && status == UN_OK;) {
        char *end = memchr(text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - (text + at)) : bytes - at, next = at + length + 1;
        if (length > 0 && text[at + length - 1] == '\r') --length;
        if (++number == 1) ids = memchr(text, '\t', length) != NULL;
        status = take_line(w, text + at, length, ids, number);
        un_progress_add(&progress, (int64_t)(next - at));
        at = next;
    }
    un_progress_clear(&progress);
    un_free(text);
    return status;
}

static enum un_status take_rows(struct un_captions_world *w, const struct un_text_file *file, char *sentence,
                                size_t size, struct un_progress *progress) {
    char image[UN_IMAGE_ID_MAX + 1], text[UN_IMAGE_ID_MAX + 1];
    for (int64_t row = 0; row < file->texts; ++row) {
        const char *image_id = file->image_ids + row * file->image_stride,
                   *text_id = file->text_ids + row * file->text_stride;
        if (strnlen(image_id, (size_t)file->image_stride) > UN_IMAGE_ID_MAX ||
            strnlen(text_id, (size_t)file->text_stride) > UN_IMAGE_ID_MAX)
            return un_fail(UN_DATA, "%s: row %lld: an id of more than %d bytes", file->path, (long long)row,
                           UN_IMAGE_ID_MAX);
        snprintf(image, sizeof image, "%.*s", (int)file->image_stride, image_id);
        snprintf(text, sizeof text, "%.*s", (int)file->text_stride, text_id);
        UN_TRY(un_text_file_sentence(file, row, sentence, size));
        UN_TRY(un_captions_take(w, image, text, sentence, strlen(sentence), row + 1));
        un_progress_add(progress, 1);
    }
    return UN_OK;
}

/* A sentence that fills the room was cut, so it is too long. */
static enum un_status read_text_file(struct un_captions_world *w) {
    enum { ROOM = UN_CAPTION_BYTES + 8 };
    struct un_text_file file;
    UN_TRY(un_text_file_open(&file, w->keys->captions));
    enum un_status status;
    struct un_progress progress;
    un_progress_open_work(&progress, file.texts, 1, "text", !w->keys->quiet);
    char *sentence = un_alloc(ROOM, 1, "a sentence");
    if (!sentence)
        status = UN_MEMORY;
    else if (!file.has_sentence)
        status = un_fail(UN_DATA, "%s: it has no sentences, only word pieces", w->keys->captions);
    else
        status = take_rows(w, &file, sentence, ROOM, &progress);
    un_progress_clear(&progress);
    un_free(sentence);
    un_text_file_close(&file);
    return status;
}

enum un_status un_captions_read(struct un_captions_world *w) {
    const char *path = w->keys->captions;
    size_t n = strlen(path);
    bool h5 = n > 3 && strcmp(path + n - 3, ".h5") == 0;
    UN_TRY(h5 ? read_text_file(w) : read_lines(w));
    if (w->texts > 0) return UN_OK;
    return un_fail(UN_DATA, "%s: no caption in it (%lld lines, %lld empty, %lld too long)", path,
                   (long long)w->counts.lines, (long long)w->counts.empty,
                   (long long)(w->counts.long_bytes + w->counts.long_tokens));
}
