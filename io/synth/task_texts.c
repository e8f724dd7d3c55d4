/* The text file of one split of a task: columns in memory, written at the end. */
#include "io/synth/write.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>

enum { ID_STRIDE = 40, NAME_STRIDE = 16, MAX_PIECES = 128 };

enum {
    TEXT_ID,
    IMAGE_ID,
    SECOND_IMAGE_ID,
    TOKEN_OFFSET,
    TOKEN,
    SENTENCE_OFFSET,
    SENTENCE,
    ANSWER_OFFSET,
    ANSWER_ID,
    ANSWER_SCORE,
    ANSWER_KIND,
    LABEL,
    RATIONALE,
    PART_OFFSET,
    PART,
    BOX,
    IMAGE_SIZE,
    COLUMNS
};
#define ALL      ((1u << UN_SYNTH_TASKS) - 1)
#define OF(task) (1u << UN_SYNTH_##task)
static const struct {
    const char *name;
    enum un_type type;
    int64_t width;
    bool ids;
    uint32_t tasks; /* that have it */
} kinds[COLUMNS] = {
    [TEXT_ID] = {"text_id", UN_U8, 0, true, ALL},
    [IMAGE_ID] = {"image_id", UN_U8, 0, true, ALL},
    [SECOND_IMAGE_ID] = {"second_image_id", UN_U8, 0, true, OF(NLVR2) | OF(VCR)},
    [TOKEN_OFFSET] = {"token_offset", UN_I64, 0, false, ALL},
    [TOKEN] = {"token", UN_I32, 0, false, ALL},
    [SENTENCE_OFFSET] = {"sentence_offset", UN_I64, 0, false, ALL},
    [SENTENCE] = {"sentence", UN_U8, 0, false, ALL},
    [ANSWER_OFFSET] = {"answer_offset", UN_I64, 0, false, OF(VQA) | OF(VE)},
    [ANSWER_ID] = {"answer_id", UN_I32, 0, false, OF(VQA) | OF(VE)},
    [ANSWER_SCORE] = {"answer_score", UN_F32, 0, false, OF(VQA) | OF(VE)},
    [ANSWER_KIND] = {"answer_kind", UN_U8, 0, false, OF(VQA)},
    [LABEL] = {"label", UN_I32, 0, false, OF(NLVR2) | OF(VCR) | OF(RE) | OF(RE_PLUS)},
    [RATIONALE] = {"rationale", UN_I32, 0, false, OF(VCR)},
    [PART_OFFSET] = {"part_offset", UN_I64, 0, false, OF(VCR)},
    [PART] = {"part", UN_I32, 0, false, OF(VCR)},
    [BOX] = {"box", UN_F32, 4, false, OF(RE) | OF(RE_PLUS)},
    [IMAGE_SIZE] = {"image_size", UN_F32, 2, false, OF(RE) | OF(RE_PLUS)},
};

struct texts {
    const struct un_synth_job *job;
    const struct un_synth_part *part;
    int64_t texts;
    struct {
        char *bytes;
        int64_t used, capacity;
    } column[COLUMNS];
};

static bool has(const struct texts *x, int column) {
    return (kinds[column].tasks >> x->part->task & 1u) != 0;
}

static enum un_status put(struct texts *x, int column, const void *bytes, int64_t n) {
    if (!has(x, column)) return UN_OK;
    if (x->column[column].used + n > x->column[column].capacity) {
        int64_t more = 2 * x->column[column].capacity + n + 4096;
        UN_TRY(un_grow((void **)&x->column[column].bytes, (size_t)x->column[column].capacity, (size_t)more, 1,
                       kinds[column].name));
        x->column[column].capacity = more;
    }
    memcpy(x->column[column].bytes + x->column[column].used, bytes, (size_t)n);
    x->column[column].used += n;
    return UN_OK;
}
static enum un_status put_i64(struct texts *x, int column, int64_t value) {
    return put(x, column, &value, sizeof value);
}
static enum un_status put_i32(struct texts *x, int column, int value) {
    int32_t narrow = (int32_t)value;
    return put(x, column, &narrow, sizeof narrow);
}
static int64_t rows(const struct texts *x, int column) {
    return x->column[column].used / un_type_bytes(kinds[column].type);
}

/* The next word of a text, "?" by itself; NULL: there is none. */
static const char *next_word(const char *text, char word[UN_SYNTH_MAX_WORD]) {
    while (*text == ' ') ++text;
    size_t n = *text == '?' ? 1 : strcspn(text, " ?");
    if (n == 0) return NULL;
    UN_ASSERT(n < UN_SYNTH_MAX_WORD);
    memcpy(word, text, n);
    word[n] = '\0';
    return text + n;
}

static enum un_status put_tokens(struct texts *x, int column, const char *text) {
    int32_t id[MAX_PIECES];
    char word[UN_SYNTH_MAX_WORD];
    int n = 0, person;
    for (const char *at = text; (at = next_word(at, word)) != NULL;) {
        UN_ASSERT(n + UN_SYNTH_MAX_WORD <= MAX_PIECES);
        if (sscanf(word, "person_%d", &person) == 1)
            id[n++] = (int32_t)(x->job->vocab.n + person);
        else
            n += un_synth_vocab_cut(&x->job->vocab, word, id + n, UN_SYNTH_MAX_WORD);
    }
    return put(x, column, id, n * (int64_t)sizeof *id);
}

static enum un_status put_id(struct texts *x, int column, const char *id) {
    char cell[ID_STRIDE] = {0};
    snprintf(cell, sizeof cell, "%s", id);
    return put(x, column, cell, sizeof cell);
}

/* As the data sets of the task name their texts. */
static void name_text(const struct texts *x, int64_t pose, int text, char id[ID_STRIDE]) {
    const char *split = un_synth_split_names[x->part->split];
    switch (x->part->task) {
    case UN_SYNTH_NLVR2: /* split-set-pair-sentence: two sentences on each of four pairs */
        snprintf(id, ID_STRIDE, "%s-%lld-%d-%d", split, (long long)pose, text / 2, text % 2);
        break;
    case UN_SYNTH_VCR: snprintf(id, ID_STRIDE, "%s-%lld", split, (long long)x->texts); break;
    case UN_SYNTH_VE: snprintf(id, ID_STRIDE, "%s_%lld#%d", split, (long long)pose, text); break;
    default: snprintf(id, ID_STRIDE, "%lld", (long long)x->texts);
    }
}

static enum un_status put_names(struct texts *x, int64_t pose, int scenes, int text,
                                const struct un_synth_asked *a) {
    struct un_synth_part first = *x->part;
    int64_t image = pose * scenes + a->scene, second = a->second < 0 ? image : pose * scenes + a->second;
    char id[ID_STRIDE];
    name_text(x, pose, text, id);
    UN_TRY(put_id(x, TEXT_ID, id));
    first.annotated = x->part->task == UN_SYNTH_VCR;
    un_synth_image_id(id, sizeof id, &first, image);
    UN_TRY(put_id(x, IMAGE_ID, id));
    un_synth_image_id(id, sizeof id, x->part, second);
    return put_id(x, SECOND_IMAGE_ID, id);
}

static enum un_status put_answer(struct texts *x, const struct un_synth_asked *a) {
    const float sure = 1;
    const uint8_t kind = (uint8_t)a->kind;
    UN_TRY(put_i32(x, ANSWER_ID, a->answer));
    UN_TRY(put(x, ANSWER_SCORE, &sure, sizeof sure));
    UN_TRY(put(x, ANSWER_KIND, &kind, 1));
    return put_i64(x, ANSWER_OFFSET, rows(x, ANSWER_ID));
}

static enum un_status put_label(struct texts *x, const struct un_synth_scene *scene,
                                const struct un_synth_asked *a) {
    const float size[2] = {UN_SYNTH_PIXELS_WIDE, UN_SYNTH_PIXELS_HIGH};
    float box[4];
    UN_TRY(put_i32(x, RATIONALE, a->rationale));
    if (!has(x, BOX)) return put_i32(x, LABEL, a->label);
    un_synth_pixels(&scene->object[a->label].box, box);
    UN_TRY(put(x, BOX, box, sizeof box));
    UN_TRY(put(x, IMAGE_SIZE, size, sizeof size));
    return put_i32(x, LABEL, un_synth_best_region(scene, a->label));
}

static enum un_status put_text(struct texts *x, const struct un_synth_pose *pose, int64_t number, int text) {
    const struct un_synth_asked *a = &pose->asked[text];
    UN_TRY(put_names(x, number, pose->scenes, text, a));
    UN_TRY(put_tokens(x, TOKEN, a->text));
    UN_TRY(put_i64(x, TOKEN_OFFSET, rows(x, TOKEN)));
    UN_TRY(put(x, SENTENCE, a->text, (int64_t)strlen(a->text)));
    UN_TRY(put_i64(x, SENTENCE_OFFSET, rows(x, SENTENCE)));
    for (int p = 0; p < UN_SYNTH_PARTS; ++p) {
        if (has(x, PART)) UN_TRY(put_tokens(x, PART, a->part[p]));
        UN_TRY(put_i64(x, PART_OFFSET, rows(x, PART)));
    }
    UN_TRY(put_answer(x, a));
    UN_TRY(put_label(x, &pose->scene[a->scene], a));
    ++x->texts;
    return UN_OK;
}

static enum un_status gather(struct texts *x) {
    static const int offset[] = {TOKEN_OFFSET, SENTENCE_OFFSET, ANSWER_OFFSET, PART_OFFSET};
    const struct un_synth_pose *pose;
    int scenes, texts;
    un_synth_pose_size(x->part->task, &scenes, &texts);
    for (size_t i = 0; i < sizeof offset / sizeof *offset; ++i) UN_TRY(put_i64(x, offset[i], 0));
    for (int64_t i = 0; i < x->part->images; i += scenes) {
        UN_TRY(un_synth_posed(x->job, x->part, i, &pose));
        for (int k = 0; k < texts; ++k) UN_TRY(put_text(x, pose, i / scenes, k));
    }
    return UN_OK;
}

static enum un_status write_answers(struct un_h5 *file, enum un_synth_task task) {
    int n = un_synth_answers(task);
    char *names = un_alloc((size_t)n, NAME_STRIDE, "answer names");
    if (names == NULL) return UN_MEMORY;
    for (int i = 0; i < n; ++i)
        snprintf(names + (size_t)i * NAME_STRIDE, NAME_STRIDE, "%s", un_synth_answer_name(task, i));
    enum un_status status = un_h5_write_texts(file, "answer_name", n, NAME_STRIDE, names);
    un_free(names);
    return status == UN_OK ? un_h5_put_attr_i64(file, "", "num_answers", n) : status;
}

static enum un_status write_file(const struct texts *x, struct un_h5 *file) {
    int64_t persons = x->part->task == UN_SYNTH_VCR ? UN_SYNTH_PERSONS : 0;
    UN_TRY(un_synth_put_header(file, "uniter-text", x->job));
    UN_TRY(un_h5_put_attr_text(file, "", "task", un_synth_task_forms[x->part->task]));
    UN_TRY(un_synth_put_vocab(file, &x->job->vocab, persons));
    for (int c = 0; c < COLUMNS; ++c) {
        if (!has(x, c)) continue;
        int64_t width = kinds[c].width;
        if (kinds[c].ids)
            UN_TRY(un_h5_write_texts(file, kinds[c].name, x->texts, ID_STRIDE, x->column[c].bytes));
        else
            UN_TRY(un_h5_write_all(file, kinds[c].name, kinds[c].type, rows(x, c) / (width > 0 ? width : 1),
                                   width, x->column[c].bytes));
    }
    return has(x, ANSWER_ID) ? write_answers(file, x->part->task) : UN_OK;
}

enum un_status un_synth_write_task(const struct un_synth_job *job, const struct un_synth_part *part,
                                   const char *path, int64_t *texts, int64_t *tokens) {
    enum un_status status;
    struct un_h5 *file = NULL;
    struct texts *x = un_alloc(1, sizeof *x, "texts of a task");
    if (x == NULL) return UN_MEMORY;
    x->job = job;
    x->part = part;
    UN_TRY_GOTO(gather(x), out);
    UN_TRY_GOTO(un_h5_create(&file, path), out);
    UN_TRY_GOTO(write_file(x, file), out);
    UN_TRY_GOTO(un_h5_commit(file), out);
    *texts = x->texts;
    *tokens = rows(x, TOKEN);
out:
    un_h5_close(file);
    for (int c = 0; c < COLUMNS; ++c) un_free(x->column[c].bytes);
    un_free(x);
    return status;
}
