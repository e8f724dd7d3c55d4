/* RefCOCO, RefCOCO+, RefCOCOg (source.h): every expression of every reference, in the order of the pickle. */
#include "io/convert/format/pickle.h"
#include "io/convert/task/coco_boxes.h"
#include "io/convert/task/private.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

struct source_refcoco {
    struct un_task_source source; /* first */
    struct un_pickle *pickle;
    struct un_coco_boxes coco;
    char *file, *instances, *order;
    char pattern[256], split[64];
    const struct un_pickle_value *sentences; /* of the reference under way, or NULL */
    int64_t reference, sentence, given;      /* of the next ones; expressions so far */
    struct un_targets targets;               /* of the reference */
    char id[UN_TASK_ID_MAX + 1], image[UN_TASK_ID_MAX + 1];
};

static const struct un_pickle_value *list_of(const struct un_pickle_value *v) {
    return v && (v->kind == UN_PICKLE_LIST || v->kind == UN_PICKLE_TUPLE) ? v : NULL;
}

static enum un_status wrong(const struct source_refcoco *s, const char *key, const char *what) {
    return un_fail(UN_DATA, "%s: row %lld: %s: %s", s->file, (long long)s->reference, key, what);
}

static enum un_status member(const struct source_refcoco *s, const struct un_pickle_value *dict,
                             const char *key, const struct un_pickle_value **value) {
    bool twice;
    *value = un_pickle_member(dict, key, &twice);
    if (twice) return wrong(s, key, "the key stands twice");
    return *value ? UN_OK : wrong(s, key, "is missing");
}
static enum un_status whole(const struct source_refcoco *s, const struct un_pickle_value *dict,
                            const char *key, int64_t *out) {
    const struct un_pickle_value *v;
    UN_TRY(member(s, dict, key, &v));
    if (v->kind != UN_PICKLE_INT || v->is.number < 0) return wrong(s, key, "a number from 0 on is wanted");
    *out = v->is.number;
    return UN_OK;
}
static enum un_status text_of(const struct source_refcoco *s, const struct un_pickle_value *dict,
                              const char *key, const char **out) {
    const struct un_pickle_value *v;
    UN_TRY(member(s, dict, key, &v));
    if (v->kind != UN_PICKLE_TEXT) return wrong(s, key, "a text is wanted");
    const char *fault = un_caption_text_fault(v->is.text, v->n);
    *out = v->is.text;
    return fault ? wrong(s, key, fault) : UN_OK;
}

/* Box, size, right region and image of a reference. */
static enum un_status set_targets(struct source_refcoco *s, const struct un_pickle_value *ref) {
    const struct un_task_row row = {.file = s->file, .row = s->reference};
    int64_t ann, image;
    UN_TRY(whole(s, ref, "ann_id", &ann));
    UN_TRY(whole(s, ref, "image_id", &image));
    const struct un_coco_box *box = un_coco_boxes_box(&s->coco, ann);
    const struct un_coco_image *i = un_coco_boxes_image(&s->coco, image);
    if (!box || !i)
        return un_fail(UN_DATA, "%s: row %lld: %s %lld is not in %s", s->file, (long long)s->reference,
                       box ? "image" : "annotation", (long long)(box ? image : ann), s->instances);
    if (box->image != image)
        return un_fail(UN_DATA, "%s: row %lld: annotation %lld is of image %lld, in %s of %lld", s->file,
                       (long long)s->reference, (long long)ann, (long long)image, s->instances,
                       (long long)box->image);
    s->targets = (struct un_targets){.kind = -1, .label = -1, .rationale = -1};
    if (s->coco.order) UN_TRY(un_coco_boxes_place(&s->coco, box, &s->targets.label));
    memcpy(s->targets.box, box->box, sizeof box->box);
    memcpy(s->targets.size, i->size, sizeof i->size);
    return un_task_image_id(s->image, s->pattern, &row, NULL, NULL, image);
}

static enum un_status take_reference(struct source_refcoco *s, const struct un_pickle_value *ref) {
    const struct un_pickle_value *list;
    const char *split;
    ++s->reference;
    s->sentence = 0;
    s->sentences = NULL;
    if (ref->kind != UN_PICKLE_DICT) return wrong(s, "reference", "a dict is wanted");
    UN_TRY(member(s, ref, "sentences", &list));
    if (!list_of(list)) return wrong(s, "sentences", "a list is wanted");
    UN_TRY(text_of(s, ref, "split", &split));
    if (s->split[0] && strcmp(split, s->split) != 0) {
        s->source.other_split += list->n;
        return UN_OK;
    }
    s->sentences = list;
    return set_targets(s, ref);
}

static enum un_status next_expression(struct un_task_source *source, struct un_task_text *text, bool *more) {
    struct source_refcoco *s = (struct source_refcoco *)source;
    const struct un_pickle_value *top = un_pickle_top(s->pickle);
    int64_t id;
    *more = true;
    while (!s->sentences || s->sentence == s->sentences->n) {
        *more = s->reference < top->n;
        if (!*more) return UN_OK;
        UN_TRY(take_reference(s, top->is.item[s->reference]));
    }
    source->done = s->reference;
    const struct un_pickle_value *entry = s->sentences->is.item[s->sentence++];
    *text = (struct un_task_text){
        .row = s->reference, .text_id = s->id, .image_id = s->image, .targets = s->targets};
    if (++s->given > UN_PICKLE_VALUES_MAX)
        return wrong(s, "sentences", "more than 16 million, which a pickle shares");
    if (entry->kind != UN_PICKLE_DICT) return wrong(s, "sentences", "a dict is wanted");
    UN_TRY(whole(s, entry, "sent_id", &id));
    snprintf(s->id, sizeof s->id, "%lld", (long long)id);
    return text_of(s, entry, "sent", &text->sentence);
}

static void close_refcoco(struct un_task_source *source) {
    struct source_refcoco *s = (struct source_refcoco *)source;
    un_pickle_close(s->pickle);
    un_coco_boxes_close(&s->coco);
    un_free(s->file);
    un_free(s->instances);
    un_free(s->order);
    un_free(s);
}

static enum un_status open_refcoco(struct source_refcoco *s, const struct un_task_how *how) {
    UN_TRY(un_pickle_open(&s->pickle, s->file));
    if (!list_of(un_pickle_top(s->pickle)))
        return un_fail(UN_DATA, "%s: a list of references is wanted", s->file);
    s->source.total = un_pickle_top(s->pickle)->n;
    s->source.unit = "reference";
    snprintf(s->split, sizeof s->split, "%s", how->split ? how->split : "");
    UN_TRY(un_coco_boxes_open(&s->coco, s->instances, s->order));
    snprintf(s->pattern, sizeof s->pattern, "%s",
             un_task_pattern(how->image, s->coco.order ? "visual_grounding_coco_gt_NUMBER"
                                                       : "visual_grounding_det_coco_NUMBER"));
    return UN_OK;
}

enum un_status un_task_source_refcoco(struct un_task_source **source, const char *refs, const char *instances,
                                      const char *ann_ids, const struct un_task_how *how) {
    static const struct un_task_source_ops ops = {next_expression, close_refcoco};
    struct source_refcoco *s = un_alloc(1, sizeof *s, "a source of expressions");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source = (struct un_task_source){.ops = &ops, .task = UN_TASK_RE};
    un_task_source_name(&s->source, "refcoco", refs);
    s->file = un_strdup(refs);
    s->instances = un_strdup(instances);
    s->order = un_strdup(ann_ids ? ann_ids : "");
    enum un_status status = s->file && s->instances && s->order ? open_refcoco(s, how) : UN_MEMORY;
    if (status != UN_OK)
        close_refcoco(&s->source);
    else
        *source = &s->source;
    return status;
}
