#include "tests/support/make_tasks.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include <stdio.h>
#include <string.h>

enum {
    WHAT_COUNT = 100,
    WHAT_ANSWER,
    WHAT_SCORE,
    WHAT_LABEL,
    WHAT_RATIONALE,
    WHAT_PART,
    WHAT_WORD,
    WHAT_SIZE
};

static int64_t draw(const struct make_files *m, int what, int64_t text, int64_t item, int64_t limit) {
    return un_rng_below(un_rng(m->seed, UN_RNG_TEST, (uint32_t)what, (uint32_t)text, (uint32_t)item, 0).v[0],
                        (uint32_t)limit);
}

int64_t make_answers(const struct make_files *m, int64_t text) {
    int64_t n = m->task == UN_TASK_VE ? 1 : draw(m, WHAT_COUNT, text, 0, MAKE_ANSWERS + 1);
    if (m->no_labels) n = 0;
    return n < m->num_answers ? n : m->num_answers;
}
int32_t make_answer(const struct make_files *m, int64_t text, int64_t i) {
    return (int32_t)((draw(m, WHAT_ANSWER, text, 0, m->num_answers) + i) % m->num_answers);
}
float make_score(const struct make_files *m, int64_t text, int64_t i) {
    return m->task == UN_TASK_VE ? 1.0f : (float)(1 + draw(m, WHAT_SCORE, text, i, 4)) / 4.0f;
}
int32_t make_kind(const struct make_files *m, int64_t text) {
    (void)m;
    return (int32_t)(text % 3);
}
void make_answer_name(int64_t id, char name[MAKE_ID]) {
    snprintf(name, MAKE_ID, "answer %lld", (long long)id);
}

static int64_t labels_of(const struct make_files *m, int64_t text) {
    if (m->task == UN_TASK_NLVR2) return 2;
    return m->task == UN_TASK_VCR ? UN_VCR_CHOICES : make_regions(m, text / m->texts_per_image);
}
int32_t make_label(const struct make_files *m, int64_t text) {
    return m->no_labels ? -1 : (int32_t)draw(m, WHAT_LABEL, text, 0, labels_of(m, text));
}
int32_t make_rationale(const struct make_files *m, int64_t text) {
    return m->no_labels ? -1 : (int32_t)draw(m, WHAT_RATIONALE, text, 0, UN_VCR_CHOICES);
}
int64_t make_second(const struct make_files *m, int64_t text) {
    int64_t image = text / m->texts_per_image;
    return m->bare_images ? m->images + image % m->bare_images : (image + 1) % m->images;
}
int64_t make_part_words(const struct make_files *m, int64_t text, int part) {
    return 1 + draw(m, WHAT_PART, text, part, MAKE_PART_WORDS);
}
int32_t make_part_token(const struct make_files *m, int64_t text, int part, int64_t word) {
    return (int32_t)(MAKE_RANDOM_LO +
                     draw(m, WHAT_WORD, text, part * MAKE_PART_WORDS + word, m->vocab_size - MAKE_RANDOM_LO));
}
void make_pixel_box(const struct make_files *m, int64_t text, float box[4], float size[2]) {
    float b[6];
    int32_t label = make_label(m, text);
    int64_t image = text / m->texts_per_image;
    make_box(m, image, label < 0 ? 0 : label, b);
    size[0] = (float)(64 * (3 + draw(m, WHAT_SIZE, image, 0, 8)));
    size[1] = (float)(64 * (3 + draw(m, WHAT_SIZE, image, 1, 8)));
    box[0] = b[0] * size[0];
    box[1] = b[1] * size[1];
    box[2] = b[4] * size[0];
    box[3] = b[5] * size[1];
}

/* ---- columns ---- */

/* Everything a file of a task has, in memory. */
struct columns {
    int64_t *answer_offset, *part_offset;
    int32_t *answer, *label, *rationale, *part;
    uint8_t *kind;
    float *score, *box, *size;
    char *second, *name;
};

static void fill_answers(const struct make_files *m, struct columns *c, int64_t text) {
    int64_t at = c->answer_offset[text], n = make_answers(m, text);
    for (int64_t i = 0; i < n; ++i) {
        c->answer[at + i] = make_answer(m, text, i);
        c->score[at + i] = make_score(m, text, i);
    }
    c->answer_offset[text + 1] = at + n;
    c->kind[text] = (uint8_t)make_kind(m, text);
}

static void fill_parts(const struct make_files *m, struct columns *c, int64_t text) {
    for (int part = 0; part < UN_TEXT_PARTS; ++part) {
        int64_t *offset = c->part_offset + UN_TEXT_PARTS * text + part, n = make_part_words(m, text, part);
        for (int64_t i = 0; i < n; ++i) c->part[offset[0] + i] = make_part_token(m, text, part, i);
        offset[1] = offset[0] + n;
    }
    c->rationale[text] = make_rationale(m, text);
}

static enum un_status write_answers(const struct make_files *m, const struct columns *c, struct un_h5 *f,
                                    int64_t texts) {
    int64_t n = c->answer_offset[texts];
    UN_TRY(un_h5_put_attr_i64(f, "", "num_answers", m->num_answers));
    UN_TRY(un_h5_write_all(f, "answer_offset", UN_I64, texts + 1, 0, c->answer_offset));
    UN_TRY(un_h5_write_all(f, "answer_id", UN_I32, n, 0, c->answer));
    UN_TRY(un_h5_write_all(f, "answer_score", UN_F32, n, 0, c->score));
    if (m->task == UN_TASK_VQA) UN_TRY(un_h5_write_all(f, "answer_kind", UN_U8, texts, 0, c->kind));
    if (!m->answer_names) return UN_OK;
    for (int64_t i = 0; i < m->num_answers; ++i) make_answer_name(i, c->name + MAKE_ID * i);
    return un_h5_write_texts(f, "answer_name", m->num_answers, MAKE_ID, c->name);
}

static enum un_status write_columns(const struct make_files *m, struct columns *c, struct un_h5 *f,
                                    int64_t texts) {
    enum un_task task = m->task;
    for (int64_t t = 0; t < texts; ++t) {
        fill_answers(m, c, t);
        fill_parts(m, c, t);
        c->label[t] = make_label(m, t);
        make_pixel_box(m, t, c->box + 4 * t, c->size + 2 * t);
        make_image_id(m, make_second(m, t), c->second + MAKE_ID * t);
    }
    if (task == UN_TASK_VQA || task == UN_TASK_VE) return write_answers(m, c, f, texts);
    if (task == UN_TASK_RETRIEVAL) return UN_OK;
    UN_TRY(un_h5_write_all(f, "label", UN_I32, texts, 0, c->label));
    if (task == UN_TASK_RE) {
        UN_TRY(un_h5_write_all(f, "box", UN_F32, texts, 4, c->box));
        return un_h5_write_all(f, "image_size", UN_F32, texts, 2, c->size);
    }
    UN_TRY(un_h5_write_texts(f, "second_image_id", texts, MAKE_ID, c->second));
    if (task != UN_TASK_VCR) return UN_OK;
    UN_TRY(un_h5_write_all(f, "rationale", UN_I32, texts, 0, c->rationale));
    UN_TRY(un_h5_write_all(f, "part_offset", UN_I64, UN_TEXT_PARTS * texts + 1, 0, c->part_offset));
    return un_h5_write_all(f, "part", UN_I32, c->part_offset[UN_TEXT_PARTS * texts], 0, c->part);
}

enum un_status make_task_columns(const struct make_files *m, struct un_h5 *f, int64_t texts) {
    size_t n = (size_t)texts + 1, names = (size_t)m->num_answers + 1;
    if (m->task == UN_TASK_NONE) return UN_OK;
    UN_TRY(un_h5_put_attr_text(f, "", "task", un_task_names[m->task]));
    struct make_files safe = *m; /* what the task does not use is made too, and not written */
    if (safe.num_answers < 1) safe.num_answers = 1;
    struct columns c = {.answer_offset = un_alloc(n, 8, "made"),
                        .part_offset = un_alloc(n * UN_TEXT_PARTS, 8, "made"),
                        .answer = un_alloc(n * MAKE_ANSWERS, 4, "made"),
                        .score = un_alloc(n * MAKE_ANSWERS, 4, "made"),
                        .label = un_alloc(n, 4, "made"),
                        .rationale = un_alloc(n, 4, "made"),
                        .part = un_alloc(n * UN_TEXT_PARTS * MAKE_PART_WORDS, 4, "made"),
                        .kind = un_alloc(n, 1, "made"),
                        .box = un_alloc(n * 4, 4, "made"),
                        .size = un_alloc(n * 2, 4, "made"),
                        .second = un_alloc(n, MAKE_ID, "made"),
                        .name = un_alloc(names, MAKE_ID, "made")};
    bool all = c.answer_offset && c.part_offset && c.answer && c.score && c.label && c.rationale && c.part &&
               c.kind && c.box && c.size && c.second && c.name;
    enum un_status status = all ? write_columns(&safe, &c, f, texts) : UN_MEMORY;
    un_free(c.answer_offset);
    un_free(c.part_offset);
    un_free(c.answer);
    un_free(c.score);
    un_free(c.label);
    un_free(c.rationale);
    un_free(c.part);
    un_free(c.kind);
    un_free(c.box);
    un_free(c.size);
    un_free(c.second);
    un_free(c.name);
    return status;
}
