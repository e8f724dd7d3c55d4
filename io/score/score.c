/* Measures that look at one row at a time (score.h). */
#include "io/score/score.h"
#include <math.h>

const char *const un_answer_kinds[UN_ANSWER_KINDS] = {"yes_no", "number", "other"};

double un_mean_of(struct un_mean s) {
    return s.n > 0 ? s.sum / (double)s.n : NAN;
}

int32_t un_score_highest(const float *score, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; ++i)
        if (score[i] > score[best] || (isnan(score[best]) && !isnan(score[i]))) best = i;
    return (int32_t)best;
}

float un_score_answer(const float *logits, const float *target, int64_t answers) {
    return answers > 0 ? target[un_score_highest(logits, answers)] : 0;
}

struct un_answers_score un_score_answers(const float *earned, const int32_t *kind, int64_t n) {
    struct un_answers_score score = {0};
    for (int64_t i = 0; i < n; ++i) {
        un_mean_add(&score.all, earned[i]);
        if (kind && kind[i] >= 0 && kind[i] < UN_ANSWER_KINDS) un_mean_add(&score.kind[kind[i]], earned[i]);
    }
    return score;
}

struct un_mean un_score_accuracy(const int32_t *said, const int32_t *label, int64_t n) {
    struct un_mean share = {0};
    for (int64_t i = 0; i < n; ++i)
        if (label[i] >= 0) un_mean_add(&share, said[i] == label[i]);
    return share;
}

struct un_choices_score un_score_choices(const float *scores, const int32_t *answer, const int32_t *rationale,
                                         int64_t n) {
    struct un_choices_score score = {0};
    for (int64_t i = 0; i < n; ++i) {
        const float *row = scores + i * UN_VCR_SCORES;
        if (answer[i] < 0) continue;
        bool right = un_score_highest(row, UN_VCR_CHOICES) == answer[i];
        un_mean_add(&score.q_a, right);
        if (rationale[i] < 0) continue;
        const float *under = row + UN_VCR_CHOICES * (1 + answer[i]);
        bool reason = un_score_highest(under, UN_VCR_CHOICES) == rationale[i];
        un_mean_add(&score.qa_r, reason);
        un_mean_add(&score.q_ar, right && reason);
    }
    return score;
}

double un_score_iou(const float a[4], const float b[4]) {
    double low[2], high[2];
    for (int k = 0; k < 2; ++k) {
        low[k] = (double)fmaxf(a[k], b[k]);
        high[k] = fmin((double)a[k] + a[k + 2], (double)b[k] + b[k + 2]) - 1;
    }
    double inner = 0;
    if (low[0] < high[0] && low[1] < high[1]) inner = (high[0] - low[0] + 1) * (high[1] - low[1] + 1);
    double joined = (double)a[2] * a[3] + (double)b[2] * b[3] - inner;
    return joined > 0 ? inner / joined : 0;
}

struct un_mean un_score_boxes(const float *found, const float *target, int64_t n) {
    struct un_mean share = {0};
    for (int64_t i = 0; i < n; ++i) un_mean_add(&share, un_score_iou(found + 4 * i, target + 4 * i) > 0.5);
    return share;
}
