/* Text files by the ids of their texts (texts.h). */
#include "launch/use/texts.h"

#include "runtime/memory.h"

static enum un_status open_files(struct un_use_texts *t, char **paths, int64_t n) {
    t->file = un_alloc((size_t)n, sizeof *t->file, "text files");
    t->first = un_alloc((size_t)n + 1, sizeof *t->first, "text files");
    if (!t->file || !t->first) return UN_MEMORY;
    for (; t->files < n; ++t->files) {
        struct un_text_file *f = &t->file[t->files];
        UN_TRY(un_text_file_open(f, paths[t->files]));
        t->first[t->files + 1] = t->first[t->files] + f->texts;
        if (t->files == 0) continue;
        enum un_status status = un_vocab_agree(&f->vocab, f->path, &t->file[0].vocab, t->file[0].path);
        if (status == UN_OK) continue;
        un_text_file_close(f); /* it is not counted yet */
        return status;
    }
    t->texts = t->first[n];
    return UN_OK;
}

static enum un_status index_texts(struct un_use_texts *t) {
    int64_t first, second;
    t->id = un_alloc((size_t)t->texts + 1, sizeof *t->id, "text ids");
    if (!t->id) return UN_MEMORY;
    for (int64_t f = 0; f < t->files; ++f)
        for (int64_t row = 0; row < t->file[f].texts; ++row)
            t->id[t->first[f] + row] = t->file[f].text_ids + row * t->file[f].text_stride;
    UN_TRY(un_idmap_open(&t->map, t->id, t->texts, &first, &second));
    if (first < 0) return UN_OK;
    return un_fail(UN_DATA, "text id %s stands twice in the text files", t->id[second]);
}

enum un_status un_use_texts_open(struct un_use_texts *t, const struct un_strings *patterns) {
    char **paths = NULL;
    int64_t n = 0;
    *t = (struct un_use_texts){0};
    UN_TRY(un_paths_expand(&paths, &n, patterns, "text"));
    enum un_status status = open_files(t, paths, n);
    un_paths_free(paths, n);
    return status == UN_OK ? index_texts(t) : status;
}

void un_use_texts_close(struct un_use_texts *t) {
    for (int64_t f = 0; f < t->files; ++f) un_text_file_close(&t->file[f]);
    un_idmap_close(&t->map);
    un_free(t->file);
    un_free(t->first);
    un_free(t->id);
    *t = (struct un_use_texts){0};
}

const struct un_vocab *un_use_texts_vocab(const struct un_use_texts *t) {
    return &t->file[0].vocab;
}

int64_t un_use_texts_find(const struct un_use_texts *t, const char *id) {
    return un_idmap_find(&t->map, id);
}

static const struct un_text_file *file_of(const struct un_use_texts *t, int64_t text, int64_t *row) {
    int64_t f = 0;
    while (text >= t->first[f + 1]) ++f;
    *row = text - t->first[f];
    return &t->file[f];
}

int64_t un_use_texts_length(const struct un_use_texts *t, int64_t text) {
    int64_t row;
    const struct un_text_file *f = file_of(t, text, &row);
    return f->token_offset[row + 1] - f->token_offset[row];
}

const char *un_use_texts_image(const struct un_use_texts *t, int64_t text) {
    int64_t row;
    const struct un_text_file *f = file_of(t, text, &row);
    return f->image_ids + row * f->image_stride;
}

enum un_status un_use_texts_read(const struct un_use_texts *t, int64_t text, int32_t *token) {
    int64_t row;
    const struct un_text_file *f = file_of(t, text, &row);
    int64_t n = f->token_offset[row + 1] - f->token_offset[row];
    UN_TRY(un_column_read(&f->token, f->token_offset[row], n, token));
    for (int64_t i = 0; i < n; ++i)
        if (token[i] < 0 || token[i] >= f->vocab.vocab_size)
            return un_fail(UN_DATA, "%s: text %s (row %lld): token %d is not in [0, %lld)", f->path,
                           t->id[text], (long long)row, (int)token[i], (long long)f->vocab.vocab_size);
    return UN_OK;
}
