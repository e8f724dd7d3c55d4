/* Targets of the records of a txt_db (txt_db_task.h). */
#include "io/convert/text/txt_db_task.h"
#include "io/convert/format/json_items.h"
#include "io/convert/format/lines.h"
#include "io/convert/text/private.h"
#include "runtime/memory.h"

#include <limits.h>
#include <string.h>

/* Labels of SNLI-VE, and of VQA v2 in the released databases, where no table says otherwise. */
static const char *const entailment[] = {"contradiction", "entailment", "neutral"};
enum { ENTAILMENTS = 3, RELEASED_ANSWERS = 3129 };

static enum un_task task_of_fields(const struct un_txt_value *v) {
    if (v->has & UN_TXT_ANSWERS) return UN_TASK_VCR;
    if (v->has & UN_TXT_ANNOTATION) return UN_TASK_RE;
    if (v->second) return UN_TASK_NLVR2;
    if (v->has & UN_TXT_ENTAILMENT) return UN_TASK_VE;
    return v->has & UN_TXT_SOFT ? UN_TASK_VQA : UN_TASK_NONE;
}

/* ---- the table of answers ---- */

/* {"answer": label}: every label once. */
static enum un_status read_answers(struct un_txt_task *t, const char *path) {
    const char *slash = strrchr(path, '/');
    char folder[UN_PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    UN_TRY(un_txt_side_read(&t->answers, slash == path ? "/" : folder, slash ? slash + 1 : path, false));
    const struct un_txt_side *a = &t->answers;
    t->num_answers = a->n;
    t->names = un_alloc((size_t)a->n + 1, sizeof *t->names, "names of answers");
    if (!t->names) return UN_MEMORY;
    for (int64_t i = 0; i < a->n; ++i) {
        int64_t label = a->number[i];
        if (label < 0 || label >= a->n || t->names[label])
            return un_fail(UN_DATA, "%s: %s: label %lld, but the labels of %lld answers are 0 .. %lld", path,
                           a->id[i], (long long)label, (long long)a->n, (long long)a->n - 1);
        t->names[label] = a->id[i];
    }
    return UN_OK;
}

static enum un_status open_answers(struct un_txt_task *t, const char *path) {
    if (path && path[0]) return read_answers(t, path);
    t->num_answers = t->task == UN_TASK_VE ? ENTAILMENTS : RELEASED_ANSWERS;
    if (t->task != UN_TASK_VE) return UN_OK;
    t->names = un_alloc(ENTAILMENTS, sizeof *t->names, "names of answers");
    if (!t->names) return UN_MEMORY;
    memcpy(t->names, entailment, sizeof entailment);
    return UN_OK;
}

/* ---- images.json ---- */

static bool side_of(const json_t *value, float *side) {
    *side = json_is_number(value) ? (float)json_number_value(value) : 0;
    return *side > 0;
}

static enum un_status grow(void **list, int64_t *room, int64_t used, size_t size) {
    int64_t more = *room ? 2 * *room : 1024;
    if (used < *room) return UN_OK;
    UN_TRY(un_grow(list, (size_t)*room, (size_t)more, size, "images.json"));
    *room = more;
    return UN_OK;
}

static enum un_status add_image(struct un_txt_task *t, const char *path, const struct un_json_item *item) {
    const json_t *id = json_object_get(item->value, "id"), *list = json_object_get(item->value, "ann_ids");
    struct un_txt_image image = {.first = t->annotations, .n = (int64_t)json_array_size(list)};
    bool good = json_is_integer(id) && json_is_array(list) &&
                side_of(json_object_get(item->value, "width"), &image.size[0]) &&
                side_of(json_object_get(item->value, "height"), &image.size[1]);
    if (!good)
        return un_fail(UN_DATA, "%s: line %lld: an image with id, width, height and ann_ids is wanted", path,
                       (long long)item->line);
    image.id = (int64_t)json_integer_value(id);
    for (int64_t i = 0; i < image.n; ++i) {
        const json_t *annotation = json_array_get(list, (size_t)i);
        if (!json_is_integer(annotation))
            return un_fail(UN_DATA, "%s: line %lld: ann_ids: a whole number is wanted", path,
                           (long long)item->line);
        UN_TRY(grow((void **)&t->annotation, &t->annotation_room, t->annotations, sizeof *t->annotation));
        t->annotation[t->annotations++] = (int64_t)json_integer_value(annotation);
    }
    UN_TRY(grow((void **)&t->image, &t->image_room, t->images, sizeof *t->image));
    t->image[t->images++] = image;
    return UN_OK;
}

static int by_id(const void *a, const void *b) {
    int64_t x = ((const struct un_txt_image *)a)->id, y = ((const struct un_txt_image *)b)->id;
    return (x > y) - (x < y);
}

static enum un_status read_images(struct un_txt_task *t, const char *folder) {
    struct un_json_items *items;
    struct un_json_item item;
    char path[UN_PATH_MAX];
    bool more = true;
    UN_TRY(un_files_join(path, folder, "images.json"));
    UN_TRY(un_json_items_open(&items, path, NULL, 0));
    enum un_status status = UN_OK;
    while (status == UN_OK && more) {
        status = un_json_items_next(items, &item, &more);
        if (status == UN_OK && more) status = add_image(t, path, &item);
    }
    un_json_items_close(items);
    if (status != UN_OK || t->images == 0) return status;
    qsort(t->image, (size_t)t->images, sizeof *t->image, by_id);
    for (int64_t i = 1; i < t->images; ++i)
        if (t->image[i].id == t->image[i - 1].id)
            return un_fail(UN_DATA, "%s: image %lld stands twice", path, (long long)t->image[i].id);
    return UN_OK;
}

/* ---- opening ---- */

enum un_status un_txt_task_open(struct un_txt_task *t, const char *folder, const struct un_txt_value *first,
                                const struct un_text_lmdb *how) {
    t->task = how->task >= 0 ? (enum un_task)how->task : task_of_fields(first);
    t->detected = how->detected;
    bool asks = t->task == UN_TASK_VQA || t->task == UN_TASK_VE;
    if (!asks && how->answers && how->answers[0])
        return un_fail(UN_USAGE, "answers=%s: the texts of %s are no questions but of task %s", how->answers,
                       folder, un_task_names[t->task]);
    if (asks) return open_answers(t, how->answers);
    return t->task == UN_TASK_RE ? read_images(t, folder) : UN_OK;
}

void un_txt_task_close(struct un_txt_task *t) {
    un_txt_side_close(&t->answers);
    un_free(t->names);
    un_free(t->image);
    un_free(t->annotation);
}

/* ---- records ---- */

static enum un_status take_second(struct un_txt_task *t, const char *where, const struct un_txt_value *v,
                                  struct un_caption *caption) {
    if (!v->second) return un_fail(UN_DATA, "%s: img_fname: two images are wanted", where);
    if (v->second_bytes == 0 || v->second_bytes > UN_ID_MAX ||
        un_caption_text_fault(v->second, v->second_bytes)) {
        un_caption_reject(caption, v->second_bytes == 0          ? "no image id"
                                   : v->second_bytes > UN_ID_MAX ? "an id longer than 255 bytes"
                                                                 : "an id that is not UTF-8");
        return UN_OK;
    }
    memcpy(t->second, v->second, v->second_bytes);
    t->second[v->second_bytes] = '\0';
    t->targets.second_image = t->second;
    return UN_OK;
}

static enum un_status take_choices(struct un_txt_task *t, const char *where, const struct un_txt_value *v,
                                   struct un_caption *caption) {
    if (!(v->has & UN_TXT_ANSWERS) || !(v->has & UN_TXT_RATIONALES))
        return un_fail(UN_DATA, "%s: no %s", where,
                       v->has & UN_TXT_ANSWERS ? "input_ids_rs" : "input_ids_as");
    t->targets.label = v->answer;
    t->targets.rationale = v->rationale;
    memcpy(t->targets.part, v->part, sizeof v->part);
    memcpy(t->targets.part_tokens, v->part_tokens, sizeof v->part_tokens);
    return take_second(t, where, v, caption);
}

static enum un_status take_expression(struct un_txt_task *t, const char *where,
                                      const struct un_txt_value *v) {
    const struct un_txt_image key = {.id = v->image_number};
    if (!(v->has & UN_TXT_ANNOTATION) || !(v->has & UN_TXT_BOX))
        return un_fail(UN_DATA, "%s: no %s", where, v->has & UN_TXT_BOX ? "ann_id" : "bbox");
    const struct un_txt_image *image =
        t->images ? bsearch(&key, t->image, (size_t)t->images, sizeof key, by_id) : NULL;
    if (!image)
        return un_fail(UN_DATA, "%s: its image %lld is not in images.json", where,
                       (long long)v->image_number);
    memcpy(t->targets.box, v->box, sizeof v->box);
    memcpy(t->targets.size, image->size, sizeof image->size);
    if (t->detected) return UN_OK;
    for (int64_t i = 0; i < image->n && t->targets.label < 0; ++i)
        if (t->annotation[image->first + i] == v->annotation) t->targets.label = (int32_t)i;
    return t->targets.label >= 0
               ? UN_OK
               : un_fail(UN_DATA, "%s: ann_id %lld is not among the ann_ids of its image %lld", where,
                         (long long)v->annotation, (long long)v->image_number);
}

enum un_status un_txt_task_take(struct un_txt_task *t, const char *where, const struct un_txt_value *v,
                                struct un_caption *caption) {
    t->targets = (struct un_targets){.kind = -1, .label = -1, .rationale = -1};
    if (t->task == UN_TASK_NONE) return UN_OK;
    caption->targets = &t->targets;
    switch (t->task) {
    case UN_TASK_VQA:
    case UN_TASK_VE:
        t->targets.answer = v->label;
        t->targets.score = v->score;
        t->targets.answers = v->labels;
        t->targets.kind = v->kind;
        break;
    case UN_TASK_NLVR2: t->targets.label = v->target; return take_second(t, where, v, caption);
    case UN_TASK_VCR: return take_choices(t, where, v, caption);
    case UN_TASK_RE: return take_expression(t, where, v);
    case UN_TASK_NONE:
    case UN_TASK_RETRIEVAL:
    case UN_TASKS: break;
    }
    return UN_OK;
}
