/* The columns of a task in a text file in work: the rules of io/data/targets.h, and their spools. */
#include "io/convert/text/sink_private.h"
#include "runtime/memory.h"

#include <limits.h>
#include <string.h>

static bool is_any(const struct un_text_sink *k, enum un_task a, enum un_task b) {
    return k->setup.task == a || k->setup.task == b;
}

/* ---- opening ---- */

static enum un_status copy_names(struct un_text_sink *k) {
    size_t longest = 0;
    for (int64_t i = 0; i < k->setup.num_answers; ++i) {
        const char *name = k->setup.answer_names[i];
        size_t length = name ? strnlen(name, UN_ID_MAX + 1) : 0;
        if (length < 1 || length > UN_ID_MAX)
            return un_fail(UN_DATA, "%s: the name of answer %lld %s", k->out, (long long)i,
                           length ? "is longer than 255 bytes" : "is empty");
        longest = length > longest ? length : longest;
    }
    k->name_stride = (int64_t)longest;
    k->names = un_alloc((size_t)k->setup.num_answers, longest, "names of answers");
    if (!k->names) return UN_MEMORY;
    for (int64_t i = 0; i < k->setup.num_answers; ++i)
        memcpy(k->names + (size_t)i * longest, k->setup.answer_names[i], strlen(k->setup.answer_names[i]));
    k->setup.answer_names = NULL; /* the caller's */
    return UN_OK;
}

enum un_status un_sink_open_targets(struct un_text_sink *k) {
    if (!is_any(k, UN_TASK_VQA, UN_TASK_VE)) return UN_OK;
    if (k->setup.num_answers < 1 || k->setup.num_answers > INT_MAX)
        return un_fail(UN_DATA, "%s: %lld answers to choose from", k->out, (long long)k->setup.num_answers);
    return k->setup.answer_names ? copy_names(k) : UN_OK;
}

/* ---- rules ---- */

static enum un_status check_answers(const struct un_text_sink *k, const struct un_text_record *r) {
    const struct un_targets *t = r->targets;
    if (t->answers < 0 || t->answers > UN_TEXT_ANSWERS)
        return un_fail(UN_DATA, "%s: text %s (row %lld): %lld answers, at most %d may be", k->out, r->text_id,
                       (long long)k->texts, (long long)t->answers, (int)UN_TEXT_ANSWERS);
    for (int64_t i = 0; i < t->answers; ++i) {
        const char *why = un_targets_bad_answer(t->answer, t->score, i, k->setup.num_answers);
        if (why)
            return un_fail(UN_DATA, "%s: text %s (row %lld): answer %lld (%d, %g) %s", k->out, r->text_id,
                           (long long)k->texts, (long long)i, t->answer[i], (double)t->score[i], why);
    }
    return UN_OK;
}

static enum un_status check_range(const struct un_text_sink *k, const struct un_text_record *r,
                                  const char *what, int32_t value, int32_t limit) {
    if (value >= -1 && value < limit) return UN_OK;
    return un_fail(UN_DATA, "%s: text %s (row %lld): %s is %d, neither -1 nor in [0, %d)", k->out, r->text_id,
                   (long long)k->texts, what, value, limit);
}

/* nlvr2 must have a second image; for vcr the first text decides. */
static enum un_status check_second(const struct un_text_sink *k, const struct un_text_record *r) {
    bool has = r->targets->second_image != NULL, must = k->texts ? k->seconds : has;
    if (k->setup.task == UN_TASK_NLVR2) must = true;
    if (has) UN_TRY(un_sink_check_id(k, "second_image_id", r->targets->second_image));
    if (has == must) return UN_OK;
    return un_fail(UN_DATA, "%s: text %s (row %lld) has %s second image, %s", k->out, r->text_id,
                   (long long)k->texts, has ? "a" : "no", has ? "other texts have none" : "others have one");
}

static enum un_status check_parts(const struct un_text_sink *k, const struct un_text_record *r) {
    const struct un_targets *t = r->targets;
    for (int part = 0; part < UN_TEXT_PARTS; ++part) {
        if (t->part_tokens[part] < 1)
            return un_fail(UN_DATA, "%s: text %s (row %lld): part %d has no tokens", k->out, r->text_id,
                           (long long)k->texts, part);
        for (int64_t i = 0; i < t->part_tokens[part]; ++i)
            if (t->part[part][i] < 0 || t->part[part][i] >= k->setup.vocab.vocab_size)
                return un_fail(
                    UN_DATA,
                    "%s: text %s (row %lld): part %d: token %lld is %d, outside [0, vocab_size %lld)", k->out,
                    r->text_id, (long long)k->texts, part, (long long)i, t->part[part][i],
                    (long long)k->setup.vocab.vocab_size);
    }
    return UN_OK;
}

static enum un_status check_box(const struct un_text_sink *k, const struct un_text_record *r) {
    const float *b = r->targets->box, *s = r->targets->size;
    if (un_targets_box_good(b, s)) return UN_OK;
    return un_fail(UN_DATA, "%s: text %s (row %lld): %g %g %g %g is no box of an image of %g x %g", k->out,
                   r->text_id, (long long)k->texts, (double)b[0], (double)b[1], (double)b[2], (double)b[3],
                   (double)s[0], (double)s[1]);
}

enum un_status un_sink_check_targets(const struct un_text_sink *k, const struct un_text_record *r) {
    const struct un_targets *t = r->targets;
    if (is_any(k, UN_TASK_NONE, UN_TASK_RETRIEVAL)) return UN_OK;
    if (!t)
        return un_fail(UN_INTERNAL, "%s: text %s: no targets in a file of %s", k->out, r->text_id,
                       un_task_names[k->setup.task]);
    switch (k->setup.task) {
    case UN_TASK_VQA: UN_TRY(check_range(k, r, "the kind of the question", t->kind, UN_KINDS)); break;
    case UN_TASK_VE: break;
    case UN_TASK_NLVR2: UN_TRY(check_range(k, r, "label", t->label, 2)); return check_second(k, r);
    case UN_TASK_VCR:
        UN_TRY(check_range(k, r, "label", t->label, UN_VCR_CHOICES));
        UN_TRY(check_range(k, r, "rationale", t->rationale, UN_VCR_CHOICES));
        UN_TRY(check_second(k, r));
        return check_parts(k, r);
    case UN_TASK_RE: UN_TRY(check_range(k, r, "label", t->label, INT_MAX)); return check_box(k, r);
    case UN_TASK_NONE:
    case UN_TASK_RETRIEVAL:
    case UN_TASKS: break;
    }
    return check_answers(k, r);
}

/* ---- spools ---- */

static enum un_status put_answers(struct un_text_sink *k, const struct un_targets *t) {
    UN_TRY(un_spool_put(&k->spool[UN_SPOOL_ANSWER_ID], t->answer, t->answers * (int64_t)sizeof *t->answer));
    UN_TRY(un_spool_put(&k->spool[UN_SPOOL_ANSWER_SCORE], t->score, t->answers * (int64_t)sizeof *t->score));
    UN_TRY(un_sink_put_offset(k, UN_SPOOL_ANSWER_OFFSET, UN_SPOOL_ANSWER_ID));
    if (k->setup.task != UN_TASK_VQA) return UN_OK;
    uint8_t kind = t->kind < 0 ? UN_KIND_NOT_TOLD : (uint8_t)t->kind;
    k->kinds = k->kinds || t->kind >= 0;
    return un_spool_put(&k->spool[UN_SPOOL_ANSWER_KIND], &kind, 1);
}

static enum un_status put_second(struct un_text_sink *k, const struct un_targets *t) {
    k->seconds = t->second_image != NULL;
    return k->seconds ? un_sink_put_id(k, UN_SPOOL_SECOND_ID, t->second_image) : UN_OK;
}

static enum un_status put_parts(struct un_text_sink *k, const struct un_targets *t) {
    UN_TRY(un_spool_put(&k->spool[UN_SPOOL_RATIONALE], &t->rationale, (int64_t)sizeof t->rationale));
    for (int part = 0; part < UN_TEXT_PARTS; ++part) {
        UN_TRY(un_spool_put(&k->spool[UN_SPOOL_PART], t->part[part],
                            t->part_tokens[part] * (int64_t)sizeof *t->part[part]));
        UN_TRY(un_sink_put_offset(k, UN_SPOOL_PART_OFFSET, UN_SPOOL_PART));
    }
    return UN_OK;
}

enum un_status un_sink_put_targets(struct un_text_sink *k, const struct un_text_record *r) {
    const struct un_targets *t = r->targets;
    if (is_any(k, UN_TASK_NONE, UN_TASK_RETRIEVAL)) return UN_OK;
    if (is_any(k, UN_TASK_VQA, UN_TASK_VE)) return put_answers(k, t);
    UN_TRY(un_spool_put(&k->spool[UN_SPOOL_LABEL], &t->label, (int64_t)sizeof t->label));
    if (is_any(k, UN_TASK_NLVR2, UN_TASK_VCR)) UN_TRY(put_second(k, t));
    if (k->setup.task == UN_TASK_VCR) return put_parts(k, t);
    if (k->setup.task != UN_TASK_RE) return UN_OK;
    UN_TRY(un_spool_put(&k->spool[UN_SPOOL_BOX], t->box, (int64_t)sizeof t->box));
    return un_spool_put(&k->spool[UN_SPOOL_IMAGE_SIZE], t->size, (int64_t)sizeof t->size);
}

enum un_status un_sink_write_task(const struct un_text_sink *k, struct un_h5 *file) {
    if (k->setup.task == UN_TASK_NONE) return UN_OK;
    UN_TRY(un_h5_put_attr_text(file, "", "task", un_task_names[k->setup.task]));
    if (!is_any(k, UN_TASK_VQA, UN_TASK_VE)) return UN_OK;
    UN_TRY(un_h5_put_attr_i64(file, "", "num_answers", k->setup.num_answers));
    return k->names ? un_h5_write_texts(file, "answer_name", k->setup.num_answers, k->name_stride, k->names)
                    : UN_OK;
}
