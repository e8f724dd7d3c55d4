/* Targets of one text (targets.h). */
#include "io/convert/select/targets.h"
#include "runtime/memory.h"

#include <string.h>

enum un_status un_select_room(void **buffer, int64_t *room, int64_t want, size_t size) {
    int64_t more = want + want / 2 + 64;
    if (want <= *room) return UN_OK;
    un_free(*buffer);
    *room = 0;
    *buffer = un_alloc((size_t)more, size, "a text");
    if (!*buffer) return UN_MEMORY;
    *room = more;
    return UN_OK;
}

static enum un_status read_answers(struct un_select_targets *r, const struct un_text_file *f, int64_t row) {
    const int64_t *offset = f->targets.answer_offset + row;
    int64_t n = offset[1] - offset[0];
    UN_TRY(un_select_room(&r->answer, &r->answers, n, sizeof(int32_t)));
    UN_TRY(un_select_room(&r->score, &r->scores, n, sizeof(float)));
    r->targets.answer = r->answer;
    r->targets.score = r->score;
    r->targets.answers = n;
    return un_target_columns_answers(f, f->text_ids + row * f->text_stride, row, offset[0], n, r->answer,
                                     r->score);
}

static enum un_status read_parts(struct un_select_targets *r, const struct un_text_file *f, int64_t row) {
    const int64_t *offset = f->targets.part_offset + UN_TEXT_PARTS * row;
    int64_t n = offset[UN_TEXT_PARTS] - offset[0];
    UN_TRY(un_select_room(&r->part, &r->tokens, n, sizeof(int32_t)));
    for (int part = 0; part < UN_TEXT_PARTS; ++part) {
        r->targets.part[part] = (const int32_t *)r->part + (offset[part] - offset[0]);
        r->targets.part_tokens[part] = offset[part + 1] - offset[part];
    }
    return un_target_columns_part(f, f->text_ids + row * f->text_stride, offset[0], n, r->part);
}

enum un_status un_select_targets_read(struct un_select_targets *r, const struct un_text_file *f, int64_t row,
                                      const struct un_targets **targets) {
    const struct un_target_columns *c = &f->targets;
    *targets = NULL;
    if (c->task == UN_TASK_NONE) return UN_OK;
    r->targets =
        (struct un_targets){.kind = c->kind ? c->kind[row] : -1,
                            .label = c->label ? c->label[row] : -1,
                            .rationale = c->rationale ? c->rationale[row] : -1,
                            .second_image = c->second_ids ? c->second_ids + row * c->second_stride : NULL};
    if (c->answer_offset) UN_TRY(read_answers(r, f, row));
    if (c->part_offset) UN_TRY(read_parts(r, f, row));
    if (c->box) {
        memcpy(r->targets.box, c->box + 4 * row, sizeof r->targets.box);
        memcpy(r->targets.size, c->size + 2 * row, sizeof r->targets.size);
    }
    *targets = &r->targets;
    return UN_OK;
}

void un_select_targets_free(struct un_select_targets *r) {
    un_free(r->answer);
    un_free(r->score);
    un_free(r->part);
    *r = (struct un_select_targets){0};
}

enum un_status un_select_targets_setup(const struct un_text_file *f, struct un_text_sink_setup *setup,
                                       const char ***names) {
    const struct un_target_columns *c = &f->targets;
    *names = NULL;
    setup->task = c->task;
    setup->num_answers = c->num_answers;
    if (!c->answer_names) return UN_OK;
    *names = un_alloc((size_t)c->num_answers, sizeof **names, "names of answers");
    if (!*names) return UN_MEMORY;
    for (int64_t i = 0; i < c->num_answers; ++i) (*names)[i] = c->answer_names + i * c->name_stride;
    setup->answer_names = *names;
    return UN_OK;
}
