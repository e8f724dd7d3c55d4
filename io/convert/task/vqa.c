/* VQA v2 (source.h): questions in their order, with the soft answers of the annotation of the same id.
 *
 * The annotations are read first, into a table: question, image, kind, and labels with scores, an entry each. */
#include "io/convert/task/private.h"
#include "io/run/progress.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

enum { SUBTYPE_MAX = 63 };

struct annotation {
    int64_t question, row, first; /* first: of its answers */
    char image[24];
    int answers, kind;
};
struct source_vqa {
    struct un_task_source source; /* first */
    const struct un_answer_table *table;
    const char **names; /* [table->n] of labels, none empty */
    struct un_json_items *items;
    struct annotation *list; /* sorted by question */
    int64_t n, room, used, answer_room;
    int32_t *answer;
    float *score;
    char split[SUBTYPE_MAX + 1], pattern[256];
    char *file, *annotations; /* NULL: without */
    char id[UN_TASK_ID_MAX + 1], image[UN_TASK_ID_MAX + 1];
    bool *seen; /* [n] annotations whose question came */
    int64_t questions;
};

/* ---- annotations ---- */

/* The ten answers (or one, which counts as ten) as labels and scores behind those of the others. */
static enum un_status soft_answers(struct source_vqa *s, const struct un_task_row *row,
                                   struct annotation *a) {
    int32_t label[UN_ANSWERERS];
    int times[UN_ANSWERERS], labels = 0;
    const json_t *list;
    UN_TRY(un_task_list(row, "answers", 0, &list));
    size_t n = json_array_size(list);
    if (n != 1 && n != UN_ANSWERERS)
        return un_task_wrong(row, "answers", "ten answers, or a single one, are wanted");
    for (size_t i = 0; i < n; ++i) {
        char normal[UN_ANSWER_MAX + 1];
        const char *text = json_string_value(json_object_get(json_array_get(list, i), "answer"));
        if (!text) return un_task_wrong(row, "answers", "an answer without its text");
        int64_t found = un_answer_normal(text, normal) ? un_answer_table_find(s->table, normal) : -1;
        int k = 0;
        while (k < labels && label[k] != found) ++k;
        if (found < 0) continue;
        if (k == labels) {
            label[labels] = (int32_t)found;
            times[labels++] = 0;
        }
        times[k] += n == 1 ? UN_ANSWERERS : 1;
    }
    if (s->used + labels > s->answer_room) {
        size_t old = (size_t)s->answer_room, room = old ? 2 * old : 4096;
        UN_TRY(un_grow((void **)&s->answer, old, room, sizeof *s->answer, "answers"));
        UN_TRY(un_grow((void **)&s->score, old, room, sizeof *s->score, "answers"));
        s->answer_room = (int64_t)room;
    }
    a->first = s->used;
    a->answers = labels;
    for (int k = 0; k < labels; ++k) {
        s->answer[s->used] = label[k];
        s->score[s->used++] = un_answer_score(times[k]);
    }
    return UN_OK;
}

static enum un_status kind_of(const struct un_task_row *row, int *kind) {
    static const char *const kinds[] = {"yes/no", "number", "other"};
    const json_t *value = json_object_get(row->object, "answer_type");
    *kind = -1;
    if (!value || json_is_null(value)) return UN_OK;
    for (int i = 0; i < 3 && json_is_string(value); ++i)
        if (strcmp(json_string_value(value), kinds[i]) == 0) *kind = i;
    return *kind >= 0 ? UN_OK : un_task_wrong(row, "answer_type", "yes/no, number or other is wanted");
}

static enum un_status image_field(const struct un_task_row *row, char image[24]) {
    char id[UN_TASK_ID_MAX + 1];
    UN_TRY(un_task_id(row, "image_id", id));
    if (strlen(id) > 23) return un_task_wrong(row, "image_id", "an id of at most 23 bytes is wanted");
    memcpy(image, id, strlen(id) + 1);
    return UN_OK;
}

static enum un_status take_annotation(struct source_vqa *s, const struct un_task_row *row) {
    struct annotation a = {.row = row->row};
    UN_TRY(un_task_is_object(row));
    UN_TRY(un_task_whole(row, "question_id", INT64_MIN + 1, INT64_MAX, INT64_MAX, &a.question));
    UN_TRY(image_field(row, a.image));
    UN_TRY(kind_of(row, &a.kind));
    UN_TRY(soft_answers(s, row, &a));
    if (s->n == s->room) {
        size_t old = (size_t)s->room, room = old ? 2 * old : 1024;
        UN_TRY(un_grow((void **)&s->list, old, room, sizeof *s->list, "annotations"));
        s->room = (int64_t)room;
    }
    s->list[s->n++] = a;
    return UN_OK;
}

static int by_question(const void *x, const void *y) {
    const struct annotation *a = x, *b = y;
    return a->question != b->question ? (a->question < b->question ? -1 : 1)
                                      : (a->row > b->row) - (a->row < b->row);
}

static enum un_status read_annotations(struct source_vqa *s, bool shown) {
    static const char *const key[] = {"annotations"};
    struct un_json_items *items;
    struct un_json_item item;
    struct un_progress progress;
    bool more = true;
    UN_TRY(un_json_items_open(&items, s->annotations, key, 1));
    un_progress_open(&progress, 0, un_json_items_size(items) / 1000, shown);
    progress.unit = "kbyte";
    enum un_status status = UN_OK;
    while (status == UN_OK) {
        status = un_json_items_next(items, &item, &more);
        if (status != UN_OK || !more) break;
        const struct un_task_row row = {s->annotations, item.number, item.value};
        status = take_annotation(s, &row);
        un_progress_step(&progress, un_json_items_taken(items) / 1000, s->annotations, false);
    }
    un_progress_close(&progress);
    un_json_items_close(items);
    return status;
}

/* By question, each once. */
static enum un_status sort_annotations(struct source_vqa *s) {
    if (s->n == 0) return un_fail(UN_DATA, "%s: no \"annotations\" in it", s->annotations);
    qsort(s->list, (size_t)s->n, sizeof *s->list, by_question);
    for (int64_t i = 1; i < s->n; ++i)
        if (s->list[i].question == s->list[i - 1].question)
            return un_fail(UN_DATA, "%s: rows %lld and %lld: both are of question_id %lld", s->annotations,
                           (long long)s->list[i - 1].row, (long long)s->list[i].row,
                           (long long)s->list[i].question);
    s->seen = un_alloc((size_t)s->n, sizeof *s->seen, "annotations");
    return s->seen ? UN_OK : UN_MEMORY;
}

/* ---- questions ---- */

static struct annotation *find(struct source_vqa *s, int64_t question) {
    struct annotation key = {.question = question, .row = INT64_MIN};
    int64_t low = 0, high = s->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (by_question(&s->list[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->n && s->list[low].question == question ? &s->list[low] : NULL;
}

static enum un_status set_targets(struct source_vqa *s, const struct un_task_row *row, int64_t question,
                                  const char *image, struct un_targets *t) {
    t->kind = -1;
    if (!s->annotations) return UN_OK;
    const struct annotation *a = find(s, question);
    if (!a)
        return un_fail(UN_DATA, "%s: row %lld: question_id %lld is not in %s", s->file, (long long)row->row,
                       (long long)question, s->annotations);
    if (strcmp(a->image, image) != 0)
        return un_fail(UN_DATA, "%s: row %lld: question %lld is of image %s, in %s (row %lld) of %s", s->file,
                       (long long)row->row, (long long)question, image, s->annotations, (long long)a->row,
                       a->image);
    s->seen[a - s->list] = true;
    t->answer = s->answer + a->first;
    t->score = s->score + a->first;
    t->answers = a->answers;
    t->kind = a->kind;
    return UN_OK;
}

static enum un_status take_question(struct source_vqa *s, const struct un_task_row *row,
                                    struct un_task_text *text) {
    char image[24];
    int64_t question, number = -1;
    UN_TRY(un_task_is_object(row));
    UN_TRY(un_task_whole(row, "question_id", INT64_MIN + 1, INT64_MAX, INT64_MAX, &question));
    UN_TRY(un_task_text(row, "question", &text->sentence));
    UN_TRY(image_field(row, image));
    number = un_task_number(image);
    snprintf(s->id, sizeof s->id, "%lld", (long long)question);
    UN_TRY(un_task_image_id(s->image, s->pattern, row, s->split, image, number));
    text->text_id = s->id;
    text->image_id = s->image;
    return set_targets(s, row, question, image, &text->targets);
}

/* Every annotation had its question. */
static enum un_status check_end(const struct source_vqa *s) {
    if (s->questions == 0) return un_fail(UN_DATA, "%s: no \"questions\" in it", s->file);
    for (int64_t i = 0; s->annotations && i < s->n; ++i)
        if (!s->seen[i])
            return un_fail(UN_DATA, "%s: row %lld: question_id %lld is not in %s", s->annotations,
                           (long long)s->list[i].row, (long long)s->list[i].question, s->file);
    return UN_OK;
}

static enum un_status next_question(struct un_task_source *source, struct un_task_text *text, bool *more) {
    struct source_vqa *s = (struct source_vqa *)source;
    struct un_json_item item;
    UN_TRY(un_json_items_next(s->items, &item, more));
    source->done = un_json_items_taken(s->items);
    if (!*more) return check_end(s);
    const struct un_task_row row = {s->file, item.number, item.value};
    *text = (struct un_task_text){.row = item.number};
    ++s->questions;
    return take_question(s, &row, text);
}

/* The file's names of labels: "a" for the empty answer, which is what "a" becomes when it is normalised. */
static enum un_status name_labels(struct source_vqa *s) {
    s->names = un_alloc((size_t)s->table->n + 1, sizeof *s->names, "names of answers");
    if (!s->names) return UN_MEMORY;
    for (int64_t i = 0; i < s->table->n; ++i) s->names[i] = s->table->name[i][0] ? s->table->name[i] : "a";
    s->source.num_answers = s->table->n;
    s->source.answer_names = s->names;
    return UN_OK;
}

static void close_vqa(struct un_task_source *source) {
    struct source_vqa *s = (struct source_vqa *)source;
    un_json_items_close(s->items);
    un_free(s->names);
    un_free(s->list);
    un_free(s->answer);
    un_free(s->score);
    un_free(s->seen);
    un_free(s->file);
    un_free(s->annotations);
    un_free(s);
}

/* data_subtype, wherever it stands: "test-dev2015" has the images of test2015. */
static enum un_status find_split(struct source_vqa *s, const char *given) {
    static const char *const key[] = {"data_subtype"};
    struct un_json_items *items;
    struct un_json_item item;
    bool more = true;
    snprintf(s->split, sizeof s->split, "%s", given ? given : "");
    if (s->split[0] || !strstr(s->pattern, "SPLIT")) return UN_OK;
    UN_TRY(un_json_items_open(&items, s->file, key, 1));
    enum un_status status = un_json_items_next(items, &item, &more);
    if (status == UN_OK && more && json_is_string(item.value))
        snprintf(s->split, sizeof s->split, "%s", json_string_value(item.value));
    un_json_items_close(items);
    if (strncmp(s->split, "test-dev", 8) == 0) memmove(s->split + 4, s->split + 8, strlen(s->split + 8) + 1);
    return status;
}

static enum un_status open_vqa(struct source_vqa *s, const char *questions, const char *annotations,
                               const struct un_task_how *how) {
    static const char *const key[] = {"questions"};
    un_task_source_name(&s->source, "vqa", questions);
    snprintf(s->pattern, sizeof s->pattern, "%s", un_task_pattern(how->image, "coco_SPLIT_NUMBER"));
    if (!(s->file = un_strdup(questions))) return UN_MEMORY;
    UN_TRY(name_labels(s));
    if (annotations && annotations[0]) {
        if (!(s->annotations = un_strdup(annotations))) return UN_MEMORY;
        UN_TRY(read_annotations(s, how->progress));
        UN_TRY(sort_annotations(s));
    }
    UN_TRY(find_split(s, how->split));
    UN_TRY(un_json_items_open(&s->items, questions, key, 1));
    s->source.total = un_json_items_size(s->items);
    return UN_OK;
}

enum un_status un_task_source_vqa(struct un_task_source **source, const char *questions,
                                  const char *annotations, const struct un_answer_table *table,
                                  const struct un_task_how *how) {
    static const struct un_task_source_ops ops = {next_question, close_vqa};
    struct source_vqa *s = un_alloc(1, sizeof *s, "a source of questions");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.task = UN_TASK_VQA;
    s->table = table;
    enum un_status status = open_vqa(s, questions, annotations, how);
    if (status != UN_OK)
        close_vqa(&s->source);
    else
        *source = &s->source;
    return status;
}
