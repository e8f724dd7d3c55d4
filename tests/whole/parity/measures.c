/* Files of the measures of evaluation (eval.h5): inputs, and what each measure makes of them. */
#include "tests/whole/parity/measures.h"

#include "io/convert/task/answers.h"
#include "io/h5/h5.h"
#include "io/score/score.h"
#include "runtime/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of the reference's README: strings equal, the rest within this. */
static const double tolerance = 1e-6;

/* An array of the file, of `type`; *rows of *cols. */
static enum un_status read(struct un_h5 *f, const char *name, enum un_type type, int64_t *rows, int64_t *cols,
                           void *array) {
    struct un_h5_shape shape;
    UN_TRY(un_h5_read_all(f, name, type, &shape, array));
    *rows = shape.dims[0];
    *cols = shape.rank > 1 ? shape.dims[1] : 1;
    return UN_OK;
}

static void same(struct card *card, const char *what, double got, double want) {
    card_line(card, what, fabs(got - want), tolerance, "%.9g, reference %.9g", got, want);
}

static enum un_status same_attr(struct card *card, struct un_h5 *f, const char *group, const char *name,
                                struct un_mean got) {
    double want;
    UN_TRY(un_h5_attr_f64(f, group, name, &want));
    same(card, name, un_mean_of(got), want);
    return UN_OK;
}

/* ---- vqa ---- */

struct texts {
    int64_t n, stride;
    char *cells;
};

static enum un_status compare_normal(struct card *card, const struct texts *raw, const struct texts *normal) {
    int64_t wrong = raw->n == normal->n ? 0 : 1, at = 0;
    for (int64_t i = 0; i < raw->n && i < normal->n; ++i) {
        char got[UN_ANSWER_MAX + 1];
        bool fits = un_answer_normal(raw->cells + i * raw->stride, got);
        if ((!fits || strcmp(got, normal->cells + i * normal->stride) != 0) && wrong++ == 0) at = i;
    }
    card_line(card, "normal answers", (double)wrong, 0, "\"%.60s\"",
              raw->n ? raw->cells + at * raw->stride : "");
    return UN_OK;
}

/* target [answers of the table] of one question, from ten people. */
static enum un_status soft_target(const char *people, int64_t stride, const struct texts *table,
                                  float *target) {
    int given[UN_ANSWERERS] = {0};
    char normal[UN_ANSWERERS][UN_ANSWER_MAX + 1];
    for (int i = 0; i < UN_ANSWERERS; ++i)
        if (!un_answer_normal(people + i * stride, normal[i]))
            return un_fail(UN_DATA, "vqa: an answer of more than %d bytes", UN_ANSWER_MAX);
    for (int i = 0; i < UN_ANSWERERS; ++i)
        for (int k = 0; k < UN_ANSWERERS; ++k) given[i] += strcmp(normal[i], normal[k]) == 0;
    for (int64_t a = 0; a < table->n; ++a)
        for (int i = 0; i < UN_ANSWERERS; ++i)
            if (strcmp(normal[i], table->cells + a * table->stride) == 0)
                target[a] = un_answer_score(given[i]);
    return UN_OK;
}

static enum un_status compare_targets(struct card *card, const struct texts *people,
                                      const struct texts *table, const float *targets, int64_t n,
                                      int64_t columns) {
    float most = 0;
    if (people->n != n * UN_ANSWERERS || table->n != columns)
        return un_fail(UN_DATA, "vqa: %lld answers and %lld labels for targets [%lld, %lld]",
                       (long long)people->n, (long long)table->n, (long long)n, (long long)columns);
    float *target = un_alloc((size_t)columns, sizeof *target, "targets");
    enum un_status status = target ? UN_OK : UN_MEMORY;
    for (int64_t q = 0; q < n && status == UN_OK; ++q) {
        memset(target, 0, (size_t)columns * sizeof *target);
        status =
            soft_target(people->cells + q * UN_ANSWERERS * people->stride, people->stride, table, target);
        for (int64_t a = 0; a < columns; ++a) most = fmaxf(most, fabsf(target[a] - targets[q * columns + a]));
    }
    un_free(target);
    UN_TRY(status);
    card_line(card, "soft scores", most, tolerance, "%lld questions", (long long)n);
    return UN_OK;
}

static enum un_status compare_vqa(struct card *card, struct un_h5 *f) {
    static const char *const names[] = {"vqa/raw", "vqa/normal", "vqa/vocabulary", "vqa/answers"};
    enum { RAW, NORMAL, TABLE, PEOPLE, TEXTS };
    struct texts t[TEXTS] = {0};
    float *targets = NULL, *logits = NULL, *earned = NULL;
    int64_t n, columns, rows, cols;
    enum un_status status;
    for (int i = 0; i < TEXTS; ++i)
        UN_TRY_GOTO(un_h5_read_texts(f, names[i], &t[i].n, &t[i].stride, &t[i].cells), out);
    UN_TRY_GOTO(read(f, "vqa/targets", UN_F32, &n, &columns, &targets), out);
    UN_TRY_GOTO(read(f, "vqa/logits", UN_F32, &rows, &cols, &logits), out);
    UN_TRY_GOTO(rows == n && cols == columns ? UN_OK : un_fail(UN_DATA, "vqa/logits is not like targets"),
                out);
    UN_TRY_GOTO(compare_normal(card, &t[RAW], &t[NORMAL]), out);
    UN_TRY_GOTO(compare_targets(card, &t[PEOPLE], &t[TABLE], targets, n, columns), out);
    earned = un_alloc((size_t)n, sizeof *earned, "scores of answers");
    UN_TRY_GOTO(earned ? UN_OK : UN_MEMORY, out);
    for (int64_t q = 0; q < n; ++q)
        earned[q] = un_score_answer(logits + q * columns, targets + q * columns, columns);
    UN_TRY_GOTO(same_attr(card, f, "vqa", "score", un_score_answers(earned, NULL, n).all), out);
out:
    for (int i = 0; i < TEXTS; ++i) un_free(t[i].cells);
    un_free(targets);
    un_free(logits);
    un_free(earned);
    return status;
}

/* ---- the others ---- */

static enum un_status compare_recalls(struct card *card, struct un_h5 *f, const char *name,
                                      const struct un_mean got[UN_RECALLS]) {
    int64_t n, cols;
    char what[40];
    float *want;
    UN_TRY(read(f, name, UN_F32, &n, &cols, &want));
    if (n != UN_RECALLS) {
        un_free(want);
        return un_fail(UN_DATA, "%s has %lld values", name, (long long)n);
    }
    for (int k = 0; k < UN_RECALLS; ++k) {
        snprintf(what, sizeof what, "%s at %d", strchr(name, '/') + 1, un_recall_at[k]);
        same(card, what, un_mean_of(got[k]), want[k]);
    }
    un_free(want);
    return UN_OK;
}

static enum un_status compare_retrieval(struct card *card, struct un_h5 *f) {
    float *scores = NULL;
    int32_t *owner = NULL;
    int64_t texts, images, n, one;
    struct un_retrieval_score got;
    enum un_status status;
    UN_TRY_GOTO(read(f, "retrieval/scores", UN_F32, &texts, &images, &scores), out);
    UN_TRY_GOTO(read(f, "retrieval/image_of_text", UN_I32, &n, &one, &owner), out);
    UN_TRY_GOTO(n == texts ? UN_OK : un_fail(UN_DATA, "retrieval/image_of_text is not like scores"), out);
    UN_TRY_GOTO(un_score_retrieval(scores, owner, texts, images, &got), out);
    UN_TRY_GOTO(compare_recalls(card, f, "retrieval/image_recall", got.image), out);
    UN_TRY_GOTO(compare_recalls(card, f, "retrieval/text_recall", got.text), out);
out:
    un_free(scores);
    un_free(owner);
    return status;
}

static enum un_status compare_boxes(struct card *card, struct un_h5 *f) {
    float *target = NULL, *found = NULL, *iou = NULL;
    int64_t n[3], cols[3];
    double most = 0;
    enum un_status status;
    UN_TRY_GOTO(read(f, "boxes/target", UN_F32, &n[0], &cols[0], &target), out);
    UN_TRY_GOTO(read(f, "boxes/found", UN_F32, &n[1], &cols[1], &found), out);
    UN_TRY_GOTO(read(f, "boxes/iou", UN_F32, &n[2], &cols[2], &iou), out);
    bool alike = n[0] == n[1] && n[0] == n[2] && cols[0] == 4 && cols[1] == 4;
    UN_TRY_GOTO(alike ? UN_OK : un_fail(UN_DATA, "boxes: target, found and iou are not of one length"), out);
    for (int64_t i = 0; i < n[0]; ++i)
        most = fmax(most, fabs(un_score_iou(found + 4 * i, target + 4 * i) - iou[i]));
    card_line(card, "iou", most, tolerance, "%lld boxes", (long long)n[0]);
    UN_TRY_GOTO(same_attr(card, f, "boxes", "accuracy", un_score_boxes(found, target, n[0])), out);
out:
    un_free(target);
    un_free(found);
    un_free(iou);
    return status;
}

static enum un_status compare_choices(struct card *card, struct un_h5 *f) {
    float *scores = NULL;
    int32_t *answer = NULL, *rationale = NULL;
    int64_t n[3], cols[3];
    enum un_status status;
    UN_TRY_GOTO(read(f, "choices/scores", UN_F32, &n[0], &cols[0], &scores), out);
    UN_TRY_GOTO(read(f, "choices/answer", UN_I32, &n[1], &cols[1], &answer), out);
    UN_TRY_GOTO(read(f, "choices/rationale", UN_I32, &n[2], &cols[2], &rationale), out);
    bool alike = n[0] == n[1] && n[0] == n[2] && cols[0] == UN_VCR_SCORES;
    UN_TRY_GOTO(alike ? UN_OK : un_fail(UN_DATA, "choices: arrays are not of one length"), out);
    struct un_choices_score got = un_score_choices(scores, answer, rationale, n[0]);
    UN_TRY_GOTO(same_attr(card, f, "choices", "q_a", got.q_a), out);
    UN_TRY_GOTO(same_attr(card, f, "choices", "qa_r", got.qa_r), out);
    UN_TRY_GOTO(same_attr(card, f, "choices", "q_ar", got.q_ar), out);
out:
    un_free(scores);
    un_free(answer);
    un_free(rationale);
    return status;
}

static enum un_status compare_statements(struct card *card, struct un_h5 *f) {
    struct texts t = {0};
    int32_t *label = NULL, *said = NULL;
    const char **identifier = NULL;
    int64_t n[2], one;
    struct un_mean consistent;
    enum un_status status;
    UN_TRY_GOTO(un_h5_read_texts(f, "statements/identifier", &t.n, &t.stride, &t.cells), out);
    UN_TRY_GOTO(read(f, "statements/label", UN_I32, &n[0], &one, &label), out);
    UN_TRY_GOTO(read(f, "statements/said", UN_I32, &n[1], &one, &said), out);
    bool alike = n[0] == t.n && n[1] == t.n;
    UN_TRY_GOTO(alike ? UN_OK : un_fail(UN_DATA, "statements: arrays are not of one length"), out);
    identifier = un_alloc((size_t)t.n, sizeof *identifier, "identifiers");
    UN_TRY_GOTO(identifier ? UN_OK : UN_MEMORY, out);
    for (int64_t i = 0; i < t.n; ++i) identifier[i] = t.cells + i * t.stride;
    UN_TRY_GOTO(un_score_consistency(identifier, said, label, t.n, &consistent), out);
    UN_TRY_GOTO(same_attr(card, f, "statements", "accuracy", un_score_accuracy(said, label, t.n)), out);
    UN_TRY_GOTO(same_attr(card, f, "statements", "consistency", consistent), out);
out:
    un_free(t.cells);
    un_free(label);
    un_free(said);
    un_free(identifier);
    return status;
}

bool compare_measures(struct card *card, const char *path) {
    static const struct {
        const char *group;
        enum un_status (*compare)(struct card *card, struct un_h5 *f);
    } measures[] = {{"vqa", compare_vqa},
                    {"retrieval", compare_retrieval},
                    {"boxes", compare_boxes},
                    {"choices", compare_choices},
                    {"statements", compare_statements}};
    struct un_h5 *f = NULL;
    if (un_h5_open(&f, path, false) != UN_OK || !un_h5_exists(f, measures[0].group)) {
        un_error_clear();
        un_h5_close(f);
        return false;
    }
    const char *slash = strrchr(path, '/');
    card->file = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof measures / sizeof *measures; ++i) {
        card->task = measures[i].group;
        if (measures[i].compare(card, f) != UN_OK) card_missing(card, "reading", un_error_get()->text);
        un_error_clear();
    }
    un_h5_close(f);
    return true;
}
