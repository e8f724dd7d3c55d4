/* The members of a record of a txt_db that are known, each by its name; others are passed over. */
#include "io/convert/text/txt_db_private.h"
#include "runtime/memory.h"

#include <limits.h>
#include <math.h>
#include <string.h>

struct fields {
    struct un_txt_numbers *numbers;
    struct un_msgpack *in;
    const char *where;
    struct un_txt_value *value;
};

static enum un_status bad(const char *where) {
    return un_fail(UN_DATA, "%s: bad msgpack, or cut short", where);
}

static bool is_text(const struct un_msgpack_item *item, const char *text) {
    return item->kind == UN_MSGPACK_BYTES && item->bytes == strlen(text) &&
           memcmp(item->data, text, item->bytes) == 0;
}

static enum un_status skip(struct fields *f) {
    return un_msgpack_skip(f->in) ? UN_OK : bad(f->where);
}

/* ---- numbers and lists ---- */

static enum un_status list_of(struct fields *f, const char *name, int64_t *count) {
    struct un_msgpack_item list;
    if (!un_msgpack_next(f->in, &list)) return bad(f->where);
    *count = list.count;
    return list.kind == UN_MSGPACK_ARRAY ? UN_OK : un_fail(UN_DATA, "%s: %s is no list", f->where, name);
}

/* An element is a byte at least: what a header says is bounded by what is there. */
static enum un_status make_room(void **pool, int64_t *room, int64_t used, int64_t more, size_t size) {
    int64_t want = *room ? *room : 256;
    while (want < used + more) want *= 2;
    if (want == *room) return UN_OK;
    UN_TRY(un_grow(pool, (size_t)*room, (size_t)want, size, "a record"));
    *room = want;
    return UN_OK;
}

static enum un_status read_wholes(struct fields *f, const char *name, struct un_txt_list *list) {
    struct un_txt_numbers *p = f->numbers;
    struct un_msgpack_item item;
    int64_t n = 0;
    UN_TRY(list_of(f, name, &n));
    UN_TRY(make_room((void **)&p->whole, &p->whole_room, p->wholes, n, sizeof *p->whole));
    *list = (struct un_txt_list){p->wholes, n};
    for (int64_t i = 0; i < n; ++i) {
        if (!un_msgpack_next(f->in, &item)) return bad(f->where);
        if (item.kind != UN_MSGPACK_INT || item.number < 0 || item.number > INT32_MAX)
            return un_fail(UN_DATA, "%s: %s: element %lld is no %s id", f->where, name, (long long)i,
                           strncmp(name, "input", 5) == 0 ? "token" : "label's");
        p->whole[p->wholes++] = (int32_t)item.number;
    }
    return UN_OK;
}

static enum un_status read_real(struct fields *f, const char *name, double *value) {
    struct un_msgpack_item item;
    if (!un_msgpack_next(f->in, &item)) return bad(f->where);
    *value = item.kind == UN_MSGPACK_FLOAT ? item.real : (double)item.number;
    return item.kind == UN_MSGPACK_FLOAT || item.kind == UN_MSGPACK_INT
               ? UN_OK
               : un_fail(UN_DATA, "%s: %s: a number is wanted", f->where, name);
}

static enum un_status read_reals(struct fields *f, const char *name, struct un_txt_list *list) {
    struct un_txt_numbers *p = f->numbers;
    double value = 0;
    int64_t n = 0;
    UN_TRY(list_of(f, name, &n));
    UN_TRY(make_room((void **)&p->real, &p->real_room, p->reals, n, sizeof *p->real));
    *list = (struct un_txt_list){p->reals, n};
    for (int64_t i = 0; i < n; ++i) {
        UN_TRY(read_real(f, name, &value));
        p->real[p->reals++] = (float)value;
    }
    return UN_OK;
}

static enum un_status read_whole(struct fields *f, const char *name, int64_t *value) {
    struct un_msgpack_item item;
    if (!un_msgpack_next(f->in, &item)) return bad(f->where);
    *value = item.number;
    return item.kind == UN_MSGPACK_INT ? UN_OK
                                       : un_fail(UN_DATA, "%s: %s: a whole number is wanted", f->where, name);
}

/* ---- members ---- */

static enum un_status read_tokens(struct fields *f) {
    f->value->tokens = 0;
    return read_wholes(f, "input_ids", &f->numbers->token);
}

static enum un_status read_four(struct fields *f, const char *name, int first, unsigned has) {
    int64_t n = 0;
    UN_TRY(list_of(f, name, &n));
    if (n != UN_VCR_CHOICES)
        return un_fail(UN_DATA, "%s: %s: %lld choices, not %d", f->where, name, (long long)n, UN_VCR_CHOICES);
    for (int i = 0; i < UN_VCR_CHOICES; ++i) UN_TRY(read_wholes(f, name, &f->numbers->part[first + i]));
    f->value->has |= has;
    return UN_OK;
}
static enum un_status read_answers(struct fields *f) {
    return read_four(f, "input_ids_as", 0, UN_TXT_ANSWERS);
}
static enum un_status read_rationales(struct fields *f) {
    return read_four(f, "input_ids_rs", UN_VCR_CHOICES, UN_TXT_RATIONALES);
}

static enum un_status read_label(struct fields *f, const char *name, int32_t *label) {
    int64_t value = 0;
    UN_TRY(read_whole(f, name, &value));
    if (value < -1 || value > INT32_MAX)
        return un_fail(UN_DATA, "%s: %s is %lld", f->where, name, (long long)value);
    *label = (int32_t)value;
    return UN_OK;
}
static enum un_status read_qa(struct fields *f) {
    return read_label(f, "qa_target", &f->value->answer);
}
static enum un_status read_qar(struct fields *f) {
    return read_label(f, "qar_target", &f->value->rationale);
}

/* {labels, scores} of soft answers. */
static enum un_status read_soft(struct fields *f, int64_t members) {
    struct un_msgpack_item key;
    f->value->has |= UN_TXT_SOFT;
    for (int64_t i = 0; i < members; ++i) {
        if (!un_msgpack_next(f->in, &key)) return bad(f->where);
        if (is_text(&key, "labels"))
            UN_TRY(read_wholes(f, "target: labels", &f->numbers->label));
        else if (is_text(&key, "scores"))
            UN_TRY(read_reals(f, "target: scores", &f->numbers->score));
        else
            return un_fail(UN_DATA, "%s: target: neither labels nor scores", f->where);
    }
    if (f->numbers->label.n == f->numbers->score.n) return UN_OK;
    return un_fail(UN_DATA, "%s: target: %lld labels, %lld scores", f->where, (long long)f->numbers->label.n,
                   (long long)f->numbers->score.n);
}

/* A map of soft answers, or a label; nil: neither is known. */
static enum un_status read_target(struct fields *f) {
    struct un_msgpack before = *f->in;
    struct un_msgpack_item item;
    if (!un_msgpack_next(f->in, &item)) return bad(f->where);
    if (item.kind == UN_MSGPACK_NIL) return UN_OK;
    if (item.kind == UN_MSGPACK_MAP) return read_soft(f, item.count);
    if (item.kind == UN_MSGPACK_BOOL) {
        f->value->target = (int32_t)item.number;
        return UN_OK;
    }
    *f->in = before;
    return read_label(f, "target", &f->value->target);
}

static enum un_status read_name(struct fields *f, const char **name, size_t *bytes) {
    struct un_msgpack_item item;
    if (!un_msgpack_next(f->in, &item)) return bad(f->where);
    if (item.kind != UN_MSGPACK_BYTES) return un_fail(UN_DATA, "%s: img_fname is no text", f->where);
    *name = (const char *)item.data;
    *bytes = item.bytes;
    return UN_OK;
}

/* A name, or a list of one or two; nil counts as not there. */
static enum un_status read_images(struct fields *f) {
    struct un_msgpack before = *f->in;
    struct un_msgpack_item item;
    struct un_txt_value *v = f->value;
    if (!un_msgpack_next(f->in, &item)) return bad(f->where);
    if (item.kind == UN_MSGPACK_NIL) return UN_OK;
    if (item.kind == UN_MSGPACK_ARRAY) {
        if (item.count < 1 || item.count > 2)
            return un_fail(UN_DATA, "%s: img_fname: %lld names, not one or two", f->where,
                           (long long)item.count);
        UN_TRY(read_name(f, &v->image, &v->image_bytes));
        return item.count == 2 ? read_name(f, &v->second, &v->second_bytes) : UN_OK;
    }
    *f->in = before;
    return read_name(f, &v->image, &v->image_bytes);
}

/* The first that is a text. */
static enum un_status read_sentence(struct fields *f) {
    struct un_msgpack before = *f->in;
    struct un_msgpack_item item;
    if (!un_msgpack_next(f->in, &item)) return bad(f->where);
    if (item.kind == UN_MSGPACK_BYTES && !f->value->sentence) {
        f->value->sentence = (const char *)item.data;
        f->value->sentence_bytes = item.bytes;
        return UN_OK;
    }
    *f->in = before;
    return skip(f);
}
static enum un_status read_hypothesis(struct fields *f) {
    f->value->has |= UN_TXT_ENTAILMENT;
    return read_sentence(f);
}
static enum un_status note_entailment(struct fields *f) {
    f->value->has |= UN_TXT_ENTAILMENT;
    return skip(f);
}

static enum un_status read_kind(struct fields *f) {
    static const char *const kinds[UN_KINDS] = {"yes/no", "number", "other"};
    struct un_msgpack before = *f->in;
    struct un_msgpack_item item;
    if (!un_msgpack_next(f->in, &item)) return bad(f->where);
    for (int k = 0; k < UN_KINDS; ++k)
        if (is_text(&item, kinds[k])) f->value->kind = k;
    *f->in = before;
    return skip(f);
}

static enum un_status read_annotation(struct fields *f) {
    f->value->has |= UN_TXT_ANNOTATION;
    return read_whole(f, "ann_id", &f->value->annotation);
}
static enum un_status read_box(struct fields *f) {
    double side = 0;
    int64_t n = 0;
    UN_TRY(list_of(f, "bbox", &n));
    if (n != 4) return un_fail(UN_DATA, "%s: bbox: %lld numbers, not 4", f->where, (long long)n);
    for (int i = 0; i < 4; ++i) {
        UN_TRY(read_real(f, "bbox", &side));
        f->value->box[i] = (float)side;
    }
    f->value->has |= UN_TXT_BOX;
    return UN_OK;
}
/* The number that expressions have of their image; questions have one too, or a text. */
static enum un_status read_image_number(struct fields *f) {
    struct un_msgpack before = *f->in;
    struct un_msgpack_item item;
    if (!un_msgpack_next(f->in, &item)) return bad(f->where);
    if (item.kind == UN_MSGPACK_INT) {
        f->value->image_number = item.number;
        return UN_OK;
    }
    *f->in = before;
    return skip(f);
}

static const struct {
    const char *name;
    enum un_status (*read)(struct fields *f);
} members[] = {
    {"input_ids", read_tokens},
    {"img_fname", read_images},
    {"sentence", read_sentence},
    {"caption", read_sentence},
    {"raw", read_sentence},
    {"question", read_sentence},
    {"question_orig", read_sentence},
    {"sent", read_sentence},
    {"sentence2", read_hypothesis},
    {"pairID", note_entailment},
    {"gold_label", note_entailment},
    {"target", read_target},
    {"answer_type", read_kind},
    {"input_ids_as", read_answers},
    {"input_ids_rs", read_rationales},
    {"qa_target", read_qa},
    {"qar_target", read_qar},
    {"ann_id", read_annotation},
    {"bbox", read_box},
    {"image_id", read_image_number},
};

static enum un_status read_member(struct fields *f) {
    struct un_msgpack_item key = {0};
    struct un_msgpack before = *f->in;
    if (!un_msgpack_next(f->in, &key)) return bad(f->where);
    if (key.kind == UN_MSGPACK_ARRAY || key.kind == UN_MSGPACK_MAP) {
        *f->in = before;
        UN_TRY(skip(f));
    }
    for (size_t i = 0; i < sizeof members / sizeof *members; ++i)
        if (is_text(&key, members[i].name)) return members[i].read(f);
    return skip(f);
}

enum un_status un_txt_fields_read(struct un_txt_numbers *numbers, struct un_msgpack *in, const char *where,
                                  struct un_txt_value *value) {
    struct fields f = {numbers, in, where, value};
    struct un_msgpack_item map;
    numbers->wholes = numbers->reals = 0;
    numbers->token = numbers->label = numbers->score = (struct un_txt_list){0};
    memset(numbers->part, 0, sizeof numbers->part);
    *value = (struct un_txt_value){
        .tokens = -1, .kind = -1, .target = -1, .answer = -1, .rationale = -1, .image_number = -1};
    if (!un_msgpack_next(in, &map)) return bad(where);
    if (map.kind != UN_MSGPACK_MAP) return un_fail(UN_DATA, "%s: the value is no msgpack map", where);
    for (int64_t i = 0; i < map.count; ++i) UN_TRY(read_member(&f));
    if (un_msgpack_left(in) > 0) return un_fail(UN_DATA, "%s: something follows the msgpack map", where);
    if (value->tokens < 0) return un_fail(UN_DATA, "%s: no input_ids", where);
    value->token = numbers->whole + numbers->token.at;
    value->tokens = numbers->token.n;
    value->label = numbers->whole + numbers->label.at;
    value->score = numbers->real + numbers->score.at;
    value->labels = numbers->label.n;
    for (int part = 0; part < UN_TEXT_PARTS; ++part) {
        value->part[part] = numbers->whole + numbers->part[part].at;
        value->part_tokens[part] = numbers->part[part].n;
    }
    return UN_OK;
}
