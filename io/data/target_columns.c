/* Opens and checks the columns of a task. What the schema demands of them is written down once, here. */
#include "io/data/target_columns.h"
#include "io/data/file.h"
#include "runtime/memory.h"
#include <limits.h>
#include <math.h>
#include <string.h>

static struct un_column_source source_of(const struct un_text_file *f) {
    return (struct un_column_source){f->h5, f->path, f->fd};
}
static const char *id_of(const struct un_text_file *f, int64_t row) {
    return f->text_ids + row * f->text_stride;
}

/* ---- which task ---- */

static enum un_status read_task(struct un_text_file *f) {
    char name[32];
    bool has;
    UN_TRY(un_h5_has_attr(f->h5, "", "task", &has));
    if (!has) return UN_OK;
    UN_TRY(un_h5_attr_text(f->h5, "", "task", name, sizeof name));
    for (int t = 0; t < UN_TASKS; ++t)
        if (strcmp(name, un_task_names[t]) == 0) {
            f->targets.task = (enum un_task)t;
            return UN_OK;
        }
    return un_fail(UN_DATA, "%s: task is \"%s\", which is none of vqa, ve, nlvr2, vcr, re, retrieval",
                   f->path, name);
}

/* ---- columns ---- */

static enum un_status read_integers(const struct un_text_file *f, const char *name, int32_t **values) {
    const struct un_column_source source = source_of(f);
    const struct un_field field = {name, UN_H5_INT, 1, f->texts, 1};
    void *all = NULL;
    enum un_status status = un_column_whole(&source, &field, UN_I32, &all);
    *values = all;
    return status;
}

static enum un_status read_floats(const struct un_text_file *f, const char *name, int64_t width,
                                  float **values) {
    const struct un_column_source source = source_of(f);
    const struct un_field field = {name, UN_H5_FLOAT, 2, f->texts, width};
    void *all = NULL;
    enum un_status status = un_column_whole(&source, &field, UN_F32, &all);
    *values = all;
    return status;
}

static enum un_status check_range(const struct un_text_file *f, const char *name, const int32_t *values,
                                  int32_t limit) {
    for (int64_t i = 0; i < f->texts; ++i)
        if (values[i] < -1 || values[i] >= limit)
            return un_fail(UN_DATA, "%s: %s: text %s (row %lld): %d is neither -1 nor in [0, %d)", f->path,
                           name, id_of(f, i), (long long)i, values[i], limit);
    return UN_OK;
}

static enum un_status open_kinds(struct un_text_file *f) {
    struct un_target_columns *c = &f->targets;
    if (!un_h5_has_link(f->h5, "answer_kind")) return UN_OK;
    UN_TRY(read_integers(f, "answer_kind", &c->kind));
    for (int64_t i = 0; i < f->texts; ++i)
        if (c->kind[i] == UN_KIND_NOT_TOLD) c->kind[i] = -1;
    return check_range(f, "answer_kind", c->kind, UN_KINDS);
}

static enum un_status open_names(struct un_text_file *f) {
    struct un_target_columns *c = &f->targets;
    const struct un_column_source source = source_of(f);
    int64_t n;
    if (!un_h5_has_link(f->h5, "answer_name")) return UN_OK;
    UN_TRY(un_column_ids(&source, "answer_name", &n, &c->name_stride, &c->answer_names));
    if (n == c->num_answers) return UN_OK;
    return un_fail(UN_DATA, "%s: answer_name has %lld rows, but num_answers is %lld", f->path, (long long)n,
                   (long long)c->num_answers);
}

static enum un_status open_answer_rows(struct un_text_file *f) {
    struct un_target_columns *c = &f->targets;
    const struct un_column_source source = source_of(f);
    const struct un_field id = {"answer_id", UN_H5_INT, 1, UN_ANY, 1};
    UN_TRY(un_h5_attr_i64(f->h5, "", "num_answers", &c->num_answers));
    if (c->num_answers < 1 || c->num_answers > INT_MAX)
        return un_fail(UN_DATA, "%s: num_answers is %lld", f->path, (long long)c->num_answers);
    UN_TRY(un_column_open(&c->answer_id, &source, &id, UN_I32));
    const struct un_field score = {"answer_score", UN_H5_FLOAT, 1, c->answer_id.rows, 1};
    return un_column_open(&c->answer_score, &source, &score, UN_F32);
}

static enum un_status open_answers(struct un_text_file *f) {
    struct un_target_columns *c = &f->targets;
    const struct un_column_source source = source_of(f);
    UN_TRY(open_answer_rows(f));
    UN_TRY(un_column_offsets(&source, "answer_offset", f->texts, "answer_id", c->answer_id.rows,
                             &c->answer_offset));
    for (int64_t i = 0; i < f->texts; ++i) {
        int64_t n = c->answer_offset[i + 1] - c->answer_offset[i];
        if (n > UN_TEXT_ANSWERS || n > c->num_answers)
            return un_fail(UN_DATA,
                           "%s: answer_offset: text %s (row %lld): %lld answers, at most %lld may be",
                           f->path, id_of(f, i), (long long)i, (long long)n,
                           (long long)(c->num_answers < UN_TEXT_ANSWERS ? c->num_answers : UN_TEXT_ANSWERS));
    }
    if (c->task == UN_TASK_VQA) UN_TRY(open_kinds(f));
    return open_names(f);
}

static enum un_status open_second(struct un_text_file *f) {
    struct un_target_columns *c = &f->targets;
    const struct un_column_source source = source_of(f);
    int64_t rows;
    UN_TRY(un_column_ids(&source, "second_image_id", &rows, &c->second_stride, &c->second_ids));
    if (rows == f->texts) return UN_OK;
    return un_fail(UN_DATA, "%s: second_image_id has %lld rows, text_id %lld", f->path, (long long)rows,
                   (long long)f->texts);
}

static enum un_status open_statement(struct un_text_file *f) {
    UN_TRY(read_integers(f, "label", &f->targets.label));
    UN_TRY(check_range(f, "label", f->targets.label, 2));
    return open_second(f);
}

static enum un_status open_part_rows(struct un_text_file *f) {
    const struct un_column_source source = source_of(f);
    const struct un_field part = {"part", UN_H5_INT, 1, UN_ANY, 1};
    return un_column_open(&f->targets.part, &source, &part, UN_I32);
}

static enum un_status open_choices(struct un_text_file *f) {
    struct un_target_columns *c = &f->targets;
    const struct un_column_source source = source_of(f);
    UN_TRY(read_integers(f, "label", &c->label));
    UN_TRY(check_range(f, "label", c->label, UN_VCR_CHOICES));
    UN_TRY(read_integers(f, "rationale", &c->rationale));
    UN_TRY(check_range(f, "rationale", c->rationale, UN_VCR_CHOICES));
    UN_TRY(open_part_rows(f));
    UN_TRY(un_column_offsets(&source, "part_offset", UN_TEXT_PARTS * f->texts, "part", c->part.rows,
                             &c->part_offset));
    for (int64_t i = 0; i < UN_TEXT_PARTS * f->texts; ++i)
        if (c->part_offset[i + 1] == c->part_offset[i])
            return un_fail(UN_DATA, "%s: part_offset: text %s (row %lld): part %d has no tokens", f->path,
                           id_of(f, i / UN_TEXT_PARTS), (long long)(i / UN_TEXT_PARTS),
                           (int)(i % UN_TEXT_PARTS));
    return un_h5_has_link(f->h5, "second_image_id") ? open_second(f) : UN_OK;
}

static enum un_status open_expression(struct un_text_file *f) {
    struct un_target_columns *c = &f->targets;
    UN_TRY(read_integers(f, "label", &c->label));
    UN_TRY(check_range(f, "label", c->label, INT_MAX));
    UN_TRY(read_floats(f, "box", 4, &c->box));
    UN_TRY(read_floats(f, "image_size", 2, &c->size));
    for (int64_t i = 0; i < f->texts; ++i)
        if (!un_targets_box_good(c->box + 4 * i, c->size + 2 * i)) {
            const float *b = c->box + 4 * i, *s = c->size + 2 * i;
            return un_fail(
                UN_DATA,
                "%s: box, image_size: text %s (row %lld): %g %g %g %g is no box of an image of %g x %g",
                f->path, id_of(f, i), (long long)i, (double)b[0], (double)b[1], (double)b[2], (double)b[3],
                (double)s[0], (double)s[1]);
        }
    return UN_OK;
}

enum un_status un_target_columns_open(struct un_text_file *f) {
    UN_TRY(read_task(f));
    switch (f->targets.task) {
    case UN_TASK_VQA:
    case UN_TASK_VE: return open_answers(f);
    case UN_TASK_NLVR2: return open_statement(f);
    case UN_TASK_VCR: return open_choices(f);
    case UN_TASK_RE: return open_expression(f);
    case UN_TASK_NONE:
    case UN_TASK_RETRIEVAL:
    case UN_TASKS: break;
    }
    return UN_OK;
}

enum un_status un_target_columns_open_rows(struct un_text_file *f) {
    UN_TRY(read_task(f));
    if (f->targets.task == UN_TASK_VCR) return open_part_rows(f);
    if (f->targets.task != UN_TASK_VQA && f->targets.task != UN_TASK_VE) return UN_OK;
    UN_TRY(open_answer_rows(f));
    return open_names(f);
}

void un_target_columns_set_tries(struct un_target_columns *c, int tries) {
    c->answer_id.tries = c->answer_score.tries = c->part.tries = tries;
}

bool un_target_columns_need_h5(const struct un_target_columns *c) {
    return c->answer_id.data || c->answer_score.data || c->part.data;
}

void un_target_columns_drop_index(struct un_target_columns *c) {
    un_free(c->answer_offset);
    un_free(c->part_offset);
    un_free(c->kind);
    un_free(c->label);
    un_free(c->rationale);
    un_free(c->second_ids);
    un_free(c->box);
    un_free(c->size);
    c->answer_offset = c->part_offset = NULL;
    c->kind = c->label = c->rationale = NULL;
    c->second_ids = NULL;
    c->box = c->size = NULL;
}

void un_target_columns_close(struct un_target_columns *c) {
    un_target_columns_drop_index(c);
    un_column_close(&c->answer_id);
    un_column_close(&c->answer_score);
    un_column_close(&c->part);
    un_free(c->answer_names);
    c->answer_names = NULL;
}

enum un_status un_target_columns_agree(const struct un_target_columns *a, const char *path,
                                       const struct un_target_columns *b, const char *first_path) {
    if (a->task != b->task)
        return un_fail(UN_DATA, "%s: task is %s, but %s in %s", path, un_task_names[a->task],
                       un_task_names[b->task], first_path);
    if (a->num_answers != b->num_answers)
        return un_fail(UN_DATA, "%s: num_answers is %lld, but %lld in %s", path, (long long)a->num_answers,
                       (long long)b->num_answers, first_path);
    for (int64_t i = 0; a->answer_names && b->answer_names && i < a->num_answers; ++i) {
        const char *one = a->answer_names + i * a->name_stride, *other = b->answer_names + i * b->name_stride;
        if (strcmp(one, other) != 0)
            return un_fail(UN_DATA, "%s: answer_name: row %lld is \"%s\", but \"%s\" in %s", path,
                           (long long)i, one, other, first_path);
    }
    return UN_OK;
}

/* ---- rows ---- */

static int64_t longest_part(const int64_t *offset, int first) {
    int64_t longest = 0;
    for (int k = first; k < first + UN_VCR_CHOICES; ++k)
        if (offset[k + 1] - offset[k] > longest) longest = offset[k + 1] - offset[k];
    return longest;
}

int64_t un_target_columns_words(const struct un_text_file *f, int64_t row) {
    int64_t words = f->token_offset[row + 1] - f->token_offset[row];
    if (f->targets.task != UN_TASK_VCR) return words;
    const int64_t *offset = f->targets.part_offset + UN_TEXT_PARTS * row;
    return UN_VCR_CHOICES * (words + longest_part(offset, 0)) + longest_part(offset, UN_VCR_CHOICES);
}

enum un_status un_target_columns_answers(const struct un_text_file *f, const char *text_id, int64_t row,
                                         int64_t first, int64_t n, int32_t *id, float *score) {
    const struct un_target_columns *c = &f->targets;
    UN_TRY(un_column_read(&c->answer_id, first, n, id));
    UN_TRY(un_column_read(&c->answer_score, first, n, score));
    for (int64_t i = 0; i < n; ++i) {
        const char *why = un_targets_bad_answer(id, score, i, c->num_answers);
        if (why)
            return un_fail(UN_DATA,
                           "%s: answer_id, answer_score: text %s (row %lld): answer %lld (%d, %g) %s",
                           f->path, text_id, (long long)row, (long long)i, id[i], (double)score[i], why);
    }
    return UN_OK;
}

enum un_status un_target_columns_part(const struct un_text_file *f, const char *text_id, int64_t first,
                                      int64_t n, int32_t *token) {
    UN_TRY(un_column_read(&f->targets.part, first, n, token));
    for (int64_t i = 0; i < n; ++i)
        if (token[i] < 0 || token[i] >= f->vocab.vocab_size)
            return un_fail(UN_DATA, "%s: part: text %s, row %lld: word %d is outside [0, vocab_size %lld)",
                           f->path, text_id, (long long)(first + i), token[i],
                           (long long)f->vocab.vocab_size);
    return UN_OK;
}
