/* VCR (source.h): a question, four answers, four rationales, with words person_k for the people in them. */
#include "io/convert/task/private.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

enum { TEXTS = 1 + UN_TEXT_PARTS, TEXT_BYTES_MAX = 1 << 16 };

struct source_vcr {
    struct un_task_source source; /* first */
    struct un_task_lines lines;
    char pattern[2][256], metadata[UN_PATH_MAX];
    char id[UN_TASK_ID_MAX + 1], image[2][UN_TASK_ID_MAX + 1];
    char *text[TEXTS]; /* the question, answers, rationales */
    size_t room[TEXTS];
};

/* The text of one list, as it grows. */
struct making {
    const struct un_task_row *row;
    const char *key;
    const json_t *objects;
    char **text;
    size_t *room, used;
};

static enum un_status put_word(struct making *m, const char *word) {
    size_t n = strlen(word), want = m->used + n + 2, room = *m->room ? *m->room : 256;
    while (room < want) room *= 2;
    if (want > TEXT_BYTES_MAX) return un_task_wrong(m->row, m->key, "a text longer than 64 KiB");
    if (room > *m->room) {
        UN_TRY(un_grow((void **)m->text, *m->room, room, 1, "a text of VCR"));
        *m->room = room;
    }
    if (m->used) (*m->text)[m->used++] = ' ';
    memcpy(*m->text + m->used, word, n + 1);
    m->used += n;
    return UN_OK;
}

/* An object as a word: person_k, which has a row in the table of words, or its bare name. */
static enum un_status put_object(struct making *m, const json_t *index) {
    char word[32];
    json_int_t k = json_is_integer(index) ? json_integer_value(index) : -1;
    size_t n = json_array_size(m->objects);
    if (k < 0 || (size_t)k >= n)
        return un_fail(UN_DATA, "%s: row %lld: %s: an object's index must be in 0 .. %lld", m->row->file,
                       (long long)m->row->row, m->key, (long long)n - 1);
    const char *name = json_string_value(json_array_get(m->objects, (size_t)k));
    if (strcmp(name, "person") != 0) return put_word(m, name);
    if (k >= UN_VCR_PERSONS)
        return un_fail(UN_DATA, "%s: row %lld: %s: person_%lld: there are words for %d people", m->row->file,
                       (long long)m->row->row, m->key, (long long)k, UN_VCR_PERSONS);
    snprintf(word, sizeof word, "person_%d", (int)k);
    return put_word(m, word);
}

/* A list of words and of lists of objects. */
static enum un_status make_text(struct making *m, const json_t *list) {
    size_t i, k;
    json_t *item, *index;
    if (!json_is_array(list)) return un_task_wrong(m->row, m->key, "a list of words is wanted");
    UN_TRY(put_word(m, ""));
    json_array_foreach((json_t *)list, i, item) {
        if (json_is_string(item)) {
            UN_TRY(put_word(m, json_string_value(item)));
        } else if (json_is_array(item)) {
            json_array_foreach(item, k, index) UN_TRY(put_object(m, index));
        } else {
            return un_task_wrong(m->row, m->key, "a word or a list of objects is wanted");
        }
    }
    return UN_OK;
}

static enum un_status make_texts(struct source_vcr *s, const struct un_task_row *row, const json_t *objects) {
    static const char *const keys[] = {"answer_choices", "rationale_choices"};
    struct making m = {row, "question", objects, &s->text[0], &s->room[0], 0};
    UN_TRY(make_text(&m, json_object_get(row->object, "question")));
    for (int i = 0; i < UN_TEXT_PARTS; ++i) {
        const char *key = keys[i / UN_VCR_CHOICES];
        const json_t *list;
        UN_TRY(un_task_list(row, key, UN_VCR_CHOICES, &list));
        m = (struct making){row, key, objects, &s->text[1 + i], &s->room[1 + i], 0};
        UN_TRY(make_text(&m, json_array_get(list, (size_t)(i % UN_VCR_CHOICES))));
    }
    return UN_OK;
}

static enum un_status find_objects(const struct un_task_row *row, const json_t **objects) {
    size_t i;
    json_t *name;
    UN_TRY(un_task_list(row, "objects", 0, objects));
    json_array_foreach((json_t *)*objects, i, name) if (!json_is_string(name)) return un_task_wrong(
        row, "objects", "names of objects are wanted");
    return UN_OK;
}

/* vcr_gt_val_STEM and vcr_val_STEM; the split is the front of annot_id ("val-0"). */
static enum un_status name_images(struct source_vcr *s, const struct un_task_row *row) {
    char split[UN_TASK_ID_MAX + 1], stem[UN_TASK_ID_MAX + 1];
    const char *file, *dash = strchr(s->id, '-');
    UN_TRY(un_task_text(row, "img_fn", &file));
    if (!dash || dash == s->id) return un_task_wrong(row, "annot_id", "split-number is wanted");
    snprintf(split, sizeof split, "%.*s", (int)(dash - s->id), s->id);
    un_task_stem(file, stem);
    for (int i = 0; i < 2; ++i)
        UN_TRY(un_task_image_id(s->image[i], s->pattern[i], row, split, stem, un_task_number(stem)));
    return UN_OK;
}

/* ---- metadata: the regions of the first image are its boxes, in the order of the objects ---- */

static enum un_status compare(const struct un_task_row *row, const char *path, const json_t *objects,
                              const json_t *root) {
    const json_t *names = json_object_get(root, "names"), *boxes = json_object_get(root, "boxes");
    size_t n = json_array_size(objects);
    if (!json_is_array(names) || !json_is_array(boxes))
        return un_fail(UN_DATA, "%s: lists \"names\" and \"boxes\" are wanted", path);
    if (json_array_size(names) != n || json_array_size(boxes) != n)
        return un_fail(UN_DATA, "%s: row %lld: %zu objects, %s has %zu names and %zu boxes", row->file,
                       (long long)row->row, n, path, json_array_size(names), json_array_size(boxes));
    for (size_t i = 0; i < n; ++i)
        if (!json_equal(json_array_get(names, i), json_array_get(objects, i)))
            return un_fail(UN_DATA, "%s: row %lld: object %zu is another one than in %s", row->file,
                           (long long)row->row, i, path);
    return UN_OK;
}

static enum un_status check_metadata(struct source_vcr *s, const struct un_task_row *row,
                                     const json_t *objects) {
    const char *name;
    char path[UN_PATH_MAX];
    json_t *root;
    if (!s->metadata[0]) return UN_OK;
    UN_TRY(un_task_text(row, "metadata_fn", &name));
    if (name[0] == '/' || strstr(name, ".."))
        return un_task_wrong(row, "metadata_fn", "a name within the folder is wanted");
    UN_TRY(un_files_join(path, s->metadata, name));
    UN_TRY(un_task_whole_file(path, &root));
    enum un_status status = compare(row, path, objects, root);
    json_decref(root);
    return status;
}

/* ---- the source ---- */

static enum un_status next_question(struct un_task_source *source, struct un_task_text *text, bool *more) {
    struct source_vcr *s = (struct source_vcr *)source;
    struct un_task_row row;
    const json_t *objects;
    int64_t label, rationale;
    UN_TRY(un_task_lines_next(&s->lines, source, &row, more));
    if (!*more) return UN_OK;
    *text = (struct un_task_text){.row = row.row, .text_id = s->id, .image_id = s->image[0]};
    UN_TRY(un_task_id(&row, "annot_id", s->id));
    UN_TRY(find_objects(&row, &objects));
    UN_TRY(check_metadata(s, &row, objects));
    UN_TRY(name_images(s, &row));
    UN_TRY(make_texts(s, &row, objects));
    UN_TRY(un_task_whole(&row, "answer_label", 0, UN_VCR_CHOICES - 1, -1, &label));
    UN_TRY(un_task_whole(&row, "rationale_label", 0, UN_VCR_CHOICES - 1, -1, &rationale));
    text->sentence = s->text[0];
    for (int i = 0; i < UN_TEXT_PARTS; ++i) text->part[i] = s->text[1 + i];
    text->targets.label = (int32_t)label;
    text->targets.rationale = (int32_t)rationale;
    text->targets.second_image = s->image[1];
    text->targets.kind = -1;
    return UN_OK;
}

static void close_vcr(struct un_task_source *source) {
    struct source_vcr *s = (struct source_vcr *)source;
    un_task_lines_close(&s->lines);
    for (int i = 0; i < TEXTS; ++i) un_free(s->text[i]);
    un_free(s);
}

enum un_status un_task_source_vcr(struct un_task_source **source, const char *path, const char *metadata,
                                  const struct un_task_how *how) {
    static const struct un_task_source_ops ops = {next_question, close_vcr};
    struct source_vcr *s = un_alloc(1, sizeof *s, "a source of VCR");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source = (struct un_task_source){.ops = &ops, .task = UN_TASK_VCR, .persons = UN_VCR_PERSONS};
    un_task_source_name(&s->source, "vcr", path);
    snprintf(s->metadata, sizeof s->metadata, "%s", metadata ? metadata : "");
    snprintf(s->pattern[0], sizeof s->pattern[0], "%s", un_task_pattern(how->image, "vcr_gt_SPLIT_NAME"));
    snprintf(s->pattern[1], sizeof s->pattern[1], "%s", un_task_pattern(how->second_image, "vcr_SPLIT_NAME"));
    enum un_status status = un_task_lines_open(&s->lines, &s->source, path);
    if (status != UN_OK)
        close_vcr(&s->source);
    else
        *source = &s->source;
    return status;
}
