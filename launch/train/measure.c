/* The measures of predictions (predict.h), by those of io/score. Sums go over the texts in their order. */
#include "launch/train/predict.h"

#include "runtime/memory.h"

static void put(struct un_measured *out, const char *name, struct un_mean value) {
    out->name[out->n] = name;
    out->value[out->n++] = value;
}

/* A question none of whose answers is in the table earns nothing; a set where all are so has none to tell. */
static void measure_answers(const struct un_prediction *list, int64_t n, struct un_measured *out) {
    struct un_answers_score total = {0};
    bool told = false;
    for (int64_t i = 0; i < n && !told; ++i) told = list[i].right[0] >= 0;
    if (!told) n = 0;
    for (int64_t i = 0; i < n; ++i) {
        struct un_answers_score one = un_score_answers(list[i].value, &list[i].right[1], 1);
        total.all.sum += one.all.sum;
        total.all.n += one.all.n;
        for (int k = 0; k < UN_ANSWER_KINDS; ++k) {
            total.kind[k].sum += one.kind[k].sum;
            total.kind[k].n += one.kind[k].n;
        }
    }
    static const char *const kinds[UN_ANSWER_KINDS] = {"vqa_yes_no", "vqa_number", "vqa_other"};
    put(out, "vqa_score", total.all);
    for (int k = 0; k < UN_ANSWER_KINDS; ++k)
        if (total.kind[k].n > 0) put(out, kinds[k], total.kind[k]);
}

static void measure_choices(const struct un_prediction *list, int64_t n, struct un_measured *out) {
    struct un_choices_score total = {0};
    for (int64_t i = 0; i < n; ++i) {
        struct un_choices_score one =
            un_score_choices(list[i].value, &list[i].right[0], &list[i].right[1], 1);
        total.q_a.sum += one.q_a.sum;
        total.q_a.n += one.q_a.n;
        total.qa_r.sum += one.qa_r.sum;
        total.qa_r.n += one.qa_r.n;
        total.q_ar.sum += one.q_ar.sum;
        total.q_ar.n += one.q_ar.n;
    }
    put(out, "vcr_q_ar", total.q_ar);
    put(out, "vcr_q_a", total.q_a);
    put(out, "vcr_qa_r", total.qa_r);
}

static void measure_places(const struct un_prediction *list, int64_t n, struct un_measured *out) {
    struct un_mean share = {0};
    for (int64_t i = 0; i < n; ++i)
        un_mean_add(&share, un_score_boxes(list[i].value, list[i].value + 4, 1).sum);
    put(out, "re_accuracy", share);
}

static void measure_labels(const struct un_prediction *list, int64_t n, const char *name,
                           struct un_measured *out) {
    struct un_mean share = {0};
    for (int64_t i = 0; i < n; ++i)
        if (list[i].right[0] >= 0) un_mean_add(&share, list[i].said == list[i].right[0]);
    put(out, name, share);
}

static enum un_status measure_consistency(const struct un_prediction *list, int64_t n,
                                          const char *const *identifier, struct un_measured *out) {
    struct un_mean share = {0};
    int32_t *pair = un_alloc((size_t)(2 * n) + 1, sizeof *pair, "labels of statements");
    if (!pair) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) {
        pair[i] = list[i].said;
        pair[n + i] = list[i].right[0];
    }
    enum un_status status = un_score_consistency(identifier, pair, pair + n, n, &share);
    un_free(pair);
    if (status == UN_OK) put(out, "nlvr2_consistency", share);
    return status;
}

enum un_status un_predictions_measure(const struct un_prediction *list, int64_t n,
                                      const char *const *identifier, struct un_measured *out) {
    *out = (struct un_measured){0};
    if (n == 0) return UN_OK;
    switch ((enum un_objective)list->objective) {
    case UN_VQA: measure_answers(list, n, out); return UN_OK;
    case UN_VCR: measure_choices(list, n, out); return UN_OK;
    case UN_RE:
    case UN_RE_RANK: measure_places(list, n, out); return UN_OK;
    case UN_NLVR2_TRIPLET:
    case UN_NLVR2_PAIR:
    case UN_NLVR2_ATTN:
        measure_labels(list, n, "nlvr2_accuracy", out);
        return identifier ? measure_consistency(list, n, identifier, out) : UN_OK;
    case UN_VE: measure_labels(list, n, "ve_accuracy", out); return UN_OK;
    default: measure_labels(list, n, "itm_first", out); return UN_OK;
    }
}

int64_t un_predictions_end(const struct un_predictions *p, int64_t begin, bool each) {
    const struct un_prediction *first = &p->list[begin];
    int64_t end = begin;
    while (end < p->n && p->list[end].objective == first->objective &&
           (!each || p->list[end].dataset == first->dataset))
        ++end;
    return end;
}
