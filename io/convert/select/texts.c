/* Texts of some files whose image is selected into one file, in order (select.h). Memory: the files' indices
 * and one text. */
#include "io/convert/select/columns.h"
#include "io/convert/select/select.h"
#include "io/convert/select/targets.h"
#include "io/run/progress.h"
#include "runtime/memory.h"

#include <stdio.h>

/* Room for one text. */
struct buffers {
    void *token, *sentence, *align_token, *align_region;
    int64_t tokens, bytes, aligned; /* elements there is room for */
    struct un_select_targets asked;
};
struct job {
    struct un_text_file *files;
    int n;
    uint8_t **kept; /* of each file [texts] */
    int64_t texts, all;
    struct un_text_sink *sink;
    struct un_select_columns *columns; /* that are not known */
    struct buffers room;
};

static enum un_status read_sentence(const struct un_text_file *f, int64_t row, struct buffers *b,
                                    struct un_text_record *r) {
    int64_t offset[2];
    if (!f->has_sentence) return UN_OK;
    UN_TRY(un_column_read(&f->sentence_offset, row, 2, offset));
    int64_t bytes = offset[1] - offset[0];
    if (offset[0] < 0 || bytes < 0 || offset[1] > f->sentence.rows)
        return un_fail(UN_IO, "%s: sentence_offset: row %lld has changed", f->path, (long long)row);
    UN_TRY(un_select_room(&b->sentence, &b->bytes, bytes + 1, 1));
    UN_TRY(un_column_read(&f->sentence, offset[0], bytes, b->sentence));
    r->sentence = b->sentence;
    r->sentence_bytes = bytes;
    return UN_OK;
}

static enum un_status read_alignment(const struct un_text_file *f, int64_t row, struct buffers *b,
                                     struct un_text_record *r) {
    if (!f->aligned) return UN_OK;
    int64_t first = f->align_offset[row], n = f->align_offset[row + 1] - first, room = b->aligned;
    UN_TRY(un_select_room(&b->align_token, &room, n, sizeof(int32_t)));
    UN_TRY(un_select_room(&b->align_region, &b->aligned, n, sizeof(int32_t)));
    UN_TRY(un_column_read(&f->align_token, first, n, b->align_token));
    UN_TRY(un_column_read(&f->align_region, first, n, b->align_region));
    r->align_token = b->align_token;
    r->align_region = b->align_region;
    r->aligned = n;
    return UN_OK;
}

static enum un_status copy_text(struct job *j, const struct un_text_file *f, int64_t row) {
    struct buffers *b = &j->room;
    int64_t first = f->token_offset[row], n = f->token_offset[row + 1] - first;
    UN_TRY(un_select_room(&b->token, &b->tokens, n, sizeof(int32_t)));
    UN_TRY(un_column_read(&f->token, first, n, b->token));
    struct un_text_record r = {.text_id = f->text_ids + row * f->text_stride,
                               .image_id = f->image_ids + row * f->image_stride,
                               .token = b->token,
                               .tokens = n};
    UN_TRY(read_sentence(f, row, b, &r));
    UN_TRY(read_alignment(f, row, b, &r));
    UN_TRY(un_select_targets_read(&b->asked, f, row, &r.targets));
    return un_text_sink_add(j->sink, &r);
}

static enum un_status agree(const struct un_text_file *f, const struct un_text_file *first) {
    UN_TRY(un_vocab_agree(&f->vocab, f->path, &first->vocab, first->path));
    if (f->has_sentence != first->has_sentence || f->aligned != first->aligned) {
        bool sentences = f->has_sentence != first->has_sentence;
        bool has = sentences ? f->has_sentence : f->aligned;
        return un_fail(UN_DATA, "%s has %s%s, %s has %s", f->path, has ? "" : "no ",
                       sentences ? "sentences" : "alignment", first->path, has ? "none" : "some");
    }
    const struct un_text_file *named = first;
    while (named < f && !named->targets.answer_names) ++named;
    UN_TRY(un_target_columns_agree(&f->targets, f->path, &first->targets, first->path));
    UN_TRY(un_target_columns_agree(&f->targets, f->path, &named->targets, named->path));
    bool has = f->targets.second_ids, had = first->targets.second_ids;
    return has == had ? UN_OK
                      : un_fail(UN_DATA, "%s has %ssecond images, %s has %s", f->path, has ? "" : "no ",
                                first->path, has ? "none" : "some");
}

static enum un_status open_files(struct job *j, const char *const *paths, struct un_select *select) {
    j->files = un_alloc((size_t)j->n, sizeof *j->files, "text files");
    j->kept = un_alloc((size_t)j->n, sizeof *j->kept, "selected texts");
    if (!j->files || !j->kept) return UN_MEMORY;
    for (int i = 0; i < j->n; ++i) {
        struct un_text_file *f = j->files + i;
        UN_TRY(un_text_file_open(f, paths[i]));
        UN_TRY(agree(f, j->files));
        if (!(j->kept[i] = un_alloc((size_t)f->texts + 1, 1, "selected texts"))) return UN_MEMORY;
        for (int64_t row = 0; row < f->texts; ++row) {
            j->kept[i][row] = un_select_has(select, f->image_ids + row * f->image_stride);
            j->texts += j->kept[i][row];
        }
        j->all += f->texts;
    }
    return UN_OK;
}

/* The number-th selected text. */
static void place_of(const struct job *j, int64_t number, int *file, int64_t *row) {
    for (*file = 0; *file < j->n; ++*file)
        for (*row = 0; *row < j->files[*file].texts; ++*row)
            if (j->kept[*file][*row] && number-- == 0) return;
}

static enum un_status check_twice(const struct job *j) {
    struct un_idmap map = {0};
    int64_t first, second, at = 0, row[2] = {0, 0};
    int file[2] = {0, 0};
    const char **ids = un_alloc((size_t)j->texts + 1, sizeof *ids, "text ids");
    if (!ids) return UN_MEMORY;
    for (int i = 0; i < j->n; ++i)
        for (int64_t k = 0; k < j->files[i].texts; ++k)
            if (j->kept[i][k]) ids[at++] = j->files[i].text_ids + k * j->files[i].text_stride;
    enum un_status status = un_idmap_open(&map, ids, j->texts, &first, &second);
    if (status == UN_OK && first >= 0) {
        place_of(j, first, &file[0], &row[0]);
        place_of(j, second, &file[1], &row[1]);
        status =
            un_fail(UN_DATA, "text id %s stands twice: %s, row %lld, and %s, row %lld", ids[first],
                    j->files[file[0]].path, (long long)row[0], j->files[file[1]].path, (long long)row[1]);
    }
    un_idmap_close(&map);
    un_free(ids);
    return status;
}

static enum un_status copy_all(struct job *j, const char *out, const struct un_image_import *how) {
    struct un_progress progress;
    enum un_status status = UN_OK;
    int64_t done = 0;
    un_progress_open(&progress, 0, j->texts, !how->quiet);
    progress.unit = "text";
    for (int i = 0; i < j->n; ++i)
        for (int64_t row = 0; row < j->files[i].texts; ++row) {
            if (!j->kept[i][row]) continue;
            if (how->stop && how->stop()) UN_TRY_GOTO(un_fail(UN_STOPPED, "%s: stopped", out), out);
            UN_TRY_GOTO(copy_text(j, j->files + i, row), out);
            if (++done % 1024 == 0) un_progress_step(&progress, done, "", false);
        }
out:
    un_progress_close(&progress);
    return status;
}

/* The first file that names its answers names those of all: they agree. */
static enum un_status open_sink(struct job *j, const char *out, const char *what) {
    const char **names;
    const struct un_text_file *named = j->files;
    for (int i = j->n - 1; i >= 0; --i)
        if (j->files[i].targets.answer_names) named = j->files + i;
    struct un_text_sink_setup setup = {.vocab = j->files[0].vocab,
                                       .source = what,
                                       .sentences = j->files[0].has_sentence,
                                       .aligned = j->files[0].aligned};
    enum un_status status = un_select_targets_setup(named, &setup, &names);
    if (status == UN_OK) status = un_select_columns_open(&j->columns, j->files, j->n, j->kept, &setup);
    setup.more = un_select_columns_write;
    setup.context = j->columns;
    if (status == UN_OK) status = un_text_sink_open(&j->sink, out, &setup);
    un_free(names);
    return status;
}

/* A text goes where its first image goes; its second one may go elsewhere, and then both image files are needed. */
static void tell_parted(const struct job *j, const char *out, struct un_select *select) {
    int64_t parted = 0;
    for (int i = 0; i < j->n; ++i) {
        const struct un_target_columns *c = &j->files[i].targets;
        for (int64_t row = 0; c->second_ids && row < j->files[i].texts; ++row)
            parted += j->kept[i][row] && !un_select_has(select, c->second_ids + row * c->second_stride);
    }
    if (parted)
        un_log(UN_LOG_WARN, "%s: the second images of %lld of %lld texts are not among those selected", out,
               (long long)parted, (long long)j->texts);
}

static enum un_status select_texts(struct job *j, const char *const *paths, const char *out,
                                   struct un_select *select, const char *what,
                                   const struct un_image_import *how) {
    UN_TRY(open_files(j, paths, select));
    if (j->texts == 0) return un_fail(UN_DATA, "%s: none of %lld texts is selected", what, (long long)j->all);
    UN_TRY(check_twice(j));
    tell_parted(j, out, select);
    UN_TRY(open_sink(j, out, what));
    UN_TRY(copy_all(j, out, how));
    UN_TRY(un_text_sink_commit(j->sink));
    if (!how->quiet)
        printf("%s: %lld of %lld texts, %lld words\n", out, (long long)j->texts, (long long)j->all,
               (long long)un_text_sink_tokens(j->sink));
    return UN_OK;
}

enum un_status un_select_texts(const char *const *paths, int n, const char *out, struct un_select *select,
                               const char *what, const struct un_image_import *how) {
    struct job j = {.n = n};
    enum un_status status = select_texts(&j, paths, out, select, what, how);
    un_text_sink_close(j.sink);
    un_select_columns_close(j.columns);
    for (int i = 0; i < n; ++i) {
        if (j.files && j.files[i].path) un_text_file_close(j.files + i);
        if (j.kept) un_free(j.kept[i]);
    }
    un_free(j.files);
    un_free(j.kept);
    un_free(j.room.token);
    un_free(j.room.sentence);
    un_free(j.room.align_token);
    un_free(j.room.align_region);
    un_select_targets_free(&j.room.asked);
    return status;
}
