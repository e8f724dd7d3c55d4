/* What the texts of a file are asked: every row checked, and counted for people. */
#include "io/inspect/private.h"
#include "runtime/memory.h"

#include <stdio.h>

static enum un_status check_answers(const struct un_text_file *f) {
    const int64_t *offset = f->targets.answer_offset;
    int32_t *id = un_alloc(UN_TEXT_ANSWERS, sizeof *id, "answers");
    float *score = un_alloc(UN_TEXT_ANSWERS, sizeof *score, "scores");
    enum un_status status = id && score ? UN_OK : UN_MEMORY;
    for (int64_t row = 0; row < f->texts && status == UN_OK; ++row)
        status = un_target_columns_answers(f, f->text_ids + row * f->text_stride, row, offset[row],
                                           offset[row + 1] - offset[row], id, score);
    un_free(id);
    un_free(score);
    return status;
}

/* All parts of a text in pieces of a buffer's size. */
static enum un_status check_parts(const struct un_text_file *f) {
    enum { BLOCK = 4096 };
    int32_t *token = un_alloc(BLOCK, sizeof *token, "parts");
    enum un_status status = token ? UN_OK : UN_MEMORY;
    for (int64_t row = 0; row < f->texts && status == UN_OK; ++row) {
        int64_t at = f->targets.part_offset[UN_TEXT_PARTS * row],
                end = f->targets.part_offset[UN_TEXT_PARTS * (row + 1)];
        for (int64_t n; at < end && status == UN_OK; at += n) {
            n = end - at < BLOCK ? end - at : BLOCK;
            status = un_target_columns_part(f, f->text_ids + row * f->text_stride, at, n, token);
        }
    }
    un_free(token);
    return status;
}

enum un_status un_inspect_targets_check(const struct un_text_file *f) {
    if (f->targets.answer_offset) UN_TRY(check_answers(f));
    return f->targets.part_offset ? check_parts(f) : UN_OK;
}

static int64_t known(const int32_t *label, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) count += label[i] >= 0;
    return count;
}

static void say_answers(const struct un_text_file *f, char *text, size_t size) {
    const struct un_target_columns *c = &f->targets;
    int64_t asked = 0, kinds[UN_KINDS] = {0};
    for (int64_t i = 0; i < f->texts; ++i) {
        asked += c->answer_offset[i + 1] > c->answer_offset[i];
        if (c->kind && c->kind[i] >= 0) ++kinds[c->kind[i]];
    }
    int n =
        snprintf(text, size, "%s, %lld of %lld texts with answers, %lld answers of a table of %lld%s",
                 un_task_names[c->task], (long long)asked, (long long)f->texts, (long long)c->answer_id.rows,
                 (long long)c->num_answers, c->answer_names ? "" : " without names");
    if (c->kind && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, "; yes/no %lld, number %lld, other %lld", (long long)kinds[0],
                 (long long)kinds[1], (long long)kinds[2]);
}

void un_inspect_targets_say(const struct un_text_file *f, char *text, size_t size) {
    const struct un_target_columns *c = &f->targets;
    if (c->answer_offset) {
        say_answers(f, text, size);
        return;
    }
    int n = snprintf(text, size, "%s", un_task_names[c->task]);
    if (c->label && n > 0 && (size_t)n < size)
        n += snprintf(text + n, size - (size_t)n, ", %lld of %lld texts with a label",
                      (long long)known(c->label, f->texts), (long long)f->texts);
    if (c->rationale && n > 0 && (size_t)n < size)
        n += snprintf(text + n, size - (size_t)n,
                      ", %lld with a rationale, %lld words in answers and rationales",
                      (long long)known(c->rationale, f->texts), (long long)c->part.rows);
    if (c->second_ids && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, ", two images a text");
    if (c->box && n > 0 && (size_t)n < size) snprintf(text + n, size - (size_t)n, ", a box a text");
}
