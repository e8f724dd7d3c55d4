/* What the texts of a data set are asked: the index of it, from the columns of its files, and the answers. */
#include "io/data/private.h"
#include "runtime/memory.h"
#include <string.h>

/* ---- all files together ---- */

void un_dataset_sum_up_tasks(struct un_dataset *d) {
    const struct un_target_columns *first = &d->text_files->targets;
    d->info.task = first->task;
    d->info.num_answers = first->num_answers;
    d->info.has_kinds = true;
    for (int64_t i = 0; i < d->n_text_files; ++i) {
        const struct un_text_file *f = d->text_files + i;
        d->info.has_kinds = d->info.has_kinds && f->targets.kind;
        if (!d->targets.named && f->targets.answer_names) d->targets.named = f;
    }
}

/* ---- the index ---- */

static enum un_status take_memory(struct un_dataset *d) {
    struct un_target_index *x = &d->targets;
    size_t n = (size_t)d->info.texts;
    enum un_task task = d->info.task;
    const char *what = "what texts are asked";
    bool labels = task == UN_TASK_NLVR2 || task == UN_TASK_VCR || task == UN_TASK_RE;
    if (task == UN_TASK_VQA || task == UN_TASK_VE)
        if (!(x->answers = un_alloc(n, sizeof *x->answers, what))) return UN_MEMORY;
    if (task == UN_TASK_VQA && !(x->kind = un_alloc(n, sizeof *x->kind, what))) return UN_MEMORY;
    if (labels && !(x->label = un_alloc(n, sizeof *x->label, what))) return UN_MEMORY;
    if (task == UN_TASK_VCR) {
        x->rationale = un_alloc(n, sizeof *x->rationale, what);
        x->parts = un_alloc(n, sizeof *x->parts, what);
        if (!x->rationale || !x->parts) return UN_MEMORY;
    }
    if (task == UN_TASK_RE) {
        x->box = un_alloc(n, sizeof *x->box, what);
        x->size = un_alloc(n, sizeof *x->size, what);
        if (!x->box || !x->size) return UN_MEMORY;
    }
    return UN_OK;
}

static void index_text(struct un_target_index *x, int64_t text, const struct un_target_columns *c,
                       int64_t row) {
    if (x->answers) {
        const int64_t *offset = c->answer_offset + row;
        x->answers[text] = (struct un_align_ref){offset[0], offset[1] - offset[0]};
    }
    if (x->kind) x->kind[text] = c->kind ? (int8_t)c->kind[row] : (int8_t)-1;
    if (x->label) x->label[text] = c->label[row];
    if (x->rationale) x->rationale[text] = c->rationale[row];
    if (x->parts) {
        const int64_t *offset = c->part_offset + UN_TEXT_PARTS * row;
        x->parts[text].first = offset[0];
        for (int k = 0; k < UN_TEXT_PARTS; ++k)
            x->parts[text].length[k] =
                (int32_t)(offset[k + 1] - offset[k]); /* no text longer than the keys allow */
    }
    if (x->box) {
        memcpy(x->box[text], c->box + 4 * row, sizeof x->box[text]);
        memcpy(x->size[text], c->size + 2 * row, sizeof x->size[text]);
    }
}

enum un_status un_dataset_index_targets(struct un_dataset *d) {
    UN_TRY(take_memory(d));
    for (int64_t i = 0; i < d->info.texts; ++i)
        index_text(&d->targets, i, &d->text_files[d->text[i].file].targets, d->text[i].row);
    return UN_OK;
}

void un_dataset_close_targets(struct un_dataset *d) {
    struct un_target_index *x = &d->targets;
    un_dataset_drop(d, x->answers);
    un_dataset_drop(d, x->kind);
    un_dataset_drop(d, x->label);
    un_dataset_drop(d, x->rationale);
    un_dataset_drop(d, x->second);
    un_dataset_drop(d, x->parts);
    un_dataset_drop(d, x->box);
    un_dataset_drop(d, x->size);
    un_free(x->own);
}

/* ---- answers ---- */

static int64_t place_of(const struct un_dataset *d, int64_t text) {
    UN_ASSERT(text >= d->first_text && text - d->first_text < d->kept_texts);
    return text - d->first_text;
}

int32_t un_dataset_text_label(const struct un_dataset *d, int64_t text) {
    return d->targets.label ? d->targets.label[place_of(d, text)] : -1;
}
int32_t un_dataset_text_rationale(const struct un_dataset *d, int64_t text) {
    return d->targets.rationale ? d->targets.rationale[place_of(d, text)] : -1;
}
int32_t un_dataset_text_kind(const struct un_dataset *d, int64_t text) {
    return d->targets.kind ? d->targets.kind[place_of(d, text)] : -1;
}
int64_t un_dataset_text_second(const struct un_dataset *d, int64_t text) {
    return d->targets.second ? d->targets.second[place_of(d, text)] : -1;
}
const float *un_dataset_text_box(const struct un_dataset *d, int64_t text) {
    return d->targets.box ? d->targets.box[place_of(d, text)] : NULL;
}
const float *un_dataset_text_size(const struct un_dataset *d, int64_t text) {
    return d->targets.size ? d->targets.size[place_of(d, text)] : NULL;
}
int64_t un_dataset_text_answers(const struct un_dataset *d, int64_t text) {
    return d->targets.answers ? d->targets.answers[place_of(d, text)].count : 0;
}
int64_t un_dataset_text_part_length(const struct un_dataset *d, int64_t text, int part) {
    UN_ASSERT(part >= 0 && part < UN_TEXT_PARTS);
    return d->targets.parts ? d->targets.parts[place_of(d, text)].length[part] : 0;
}

const char *un_dataset_answer_name(const struct un_dataset *d, int64_t id) {
    UN_ASSERT(id >= 0 && id < d->info.num_answers);
    const struct un_text_file *f = d->targets.named;
    return f ? f->targets.answer_names + id * f->targets.name_stride : NULL;
}
