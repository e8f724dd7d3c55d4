/* Measures of evaluation: pure functions of predictions and what is right. A row whose truth is not known (-1)
 * counts nowhere. Of equal scores the one with the lower index is the higher. Sums are taken in the order of the
 * rows, in double precision. */
#ifndef UN_IO_SCORE_SCORE_H
#define UN_IO_SCORE_SCORE_H

#include "io/data/targets.h"
#include "runtime/status.h"

/* The mean of something over the n rows that count. */
struct un_mean {
    double sum;
    int64_t n;
};
static inline void un_mean_add(struct un_mean *s, double value) {
    s->sum += value;
    ++s->n;
}
/* NaN when no row counts. */
double un_mean_of(struct un_mean s);

/* Index of the highest of n scores; numbers that are none are the lowest. n > 0. */
int32_t un_score_highest(const float *score, int64_t n);

/* ---- vqa: what the answer that was given earns ---- */

enum { UN_ANSWER_KINDS = 3 };
extern const char
    *const un_answer_kinds[UN_ANSWER_KINDS]; /* of un_targets.kind: "yes_no", "number", "other" */
struct un_answers_score {
    struct un_mean all, kind[UN_ANSWER_KINDS];
};
/* target[highest logit] of one question. */
float un_score_answer(const float *logits, const float *target, int64_t answers);
/* earned [n]; kind [n]: un_targets.kind, NULL: told of none. */
struct un_answers_score un_score_answers(const float *earned, const int32_t *kind, int64_t n);

/* ---- ve, nlvr2 ---- */

struct un_mean un_score_accuracy(const int32_t *said, const int32_t *label, int64_t n);
/* Share of the (split, set, sentence) whose pairs are all right. identifier: split-set-pair-sentence, else
 * UN_DATA. A group with an unknown label is judged by its others. */
enum un_status un_score_consistency(const char *const *identifier, const int32_t *said, const int32_t *label,
                                    int64_t n, struct un_mean *share);

/* ---- vcr ---- */

/* Scores of a question: four answers, then four rationales under each of the four answers. */
enum { UN_VCR_SCORES = UN_VCR_CHOICES + UN_VCR_CHOICES * UN_VCR_CHOICES };
struct un_choices_score {
    struct un_mean q_a, qa_r, q_ar;
};
/* scores [n, UN_VCR_SCORES]. QA->R: the rationale under the right answer. */
struct un_choices_score un_score_choices(const float *scores, const int32_t *answer, const int32_t *rationale,
                                         int64_t n);

/* ---- referring expressions: boxes x y width height in pixels, both edges inside ---- */

double un_score_iou(const float a[4], const float b[4]);
/* Share with an intersection over union above one half. found, target [n,4]. */
struct un_mean un_score_boxes(const float *found, const float *target, int64_t n);

/* ---- retrieval ---- */

enum { UN_RECALLS = 3 };
extern const int un_recall_at[UN_RECALLS]; /* 1, 5, 10 */
/* "txt_r1" .. "img_r10", as the authors' files call them; image: texts that find their image. */
void un_recall_name(char name[16], bool image, int k);
struct un_retrieval_score {
    struct un_mean image[UN_RECALLS]; /* texts whose image is among the k highest of their row */
    struct un_mean text[UN_RECALLS];  /* images one of whose texts is among the k highest of their column */
};
/* The mean of the six. */
double un_retrieval_mean(const struct un_retrieval_score *s);
/* score [texts, images]. Images without a text have no share in `text`. UN_DATA: a score that is not a number, or
 * a text of an image that is not there. */
enum un_status un_score_retrieval(const float *score, const int32_t *image_of_text, int64_t texts,
                                  int64_t images, struct un_retrieval_score *out);

#endif
