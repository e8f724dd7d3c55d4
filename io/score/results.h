/* Files of results: those of the evaluation servers, and the measures of a set. Each is written whole or not at all.
 * Texts are taken for UTF-8; what is none is replaced by U+FFFD. Ids that are whole numbers are written as numbers
 * where the server wants numbers. */
#ifndef UN_IO_SCORE_RESULTS_H
#define UN_IO_SCORE_RESULTS_H

#include "io/score/score.h"

/* vqa: [{"answer": "yes", "question_id": 262144005}, ..] */
enum un_status un_results_answers(const char *path, const char *const *id, const char *const *answer,
                                  int64_t n);
/* ve: {pairID: label} */
enum un_status un_results_labels(const char *path, const char *const *id, const char *const *label,
                                 int64_t n);
/* nlvr2: identifier,True|False, no header. UN_DATA: an identifier that a line cannot hold. */
enum un_status un_results_statements(const char *path, const char *const *id, const int32_t *said, int64_t n);
/* vcr: a header, and rows sorted by the number at the end of annot_id; ids without one come last, in their order.
 * scores [n, UN_VCR_SCORES]. UN_DATA as above. */
enum un_status un_results_choices(const char *path, const char *const *id, const float *scores, int64_t n);
/* re: [{"sent_id": 1, "pred_box": [x, y, w, h], "tgt_box": [..]}, ..]; boxes [n,4] */
enum un_status un_results_boxes(const char *path, const char *const *id, const float *found,
                                const float *target, int64_t n);
/* retrieval, scores.json: {txt_r1, .., txt_r_mean, img_r1, .., img_r_mean, r_mean}; txt: text retrieval */
enum un_status un_results_recalls(const char *path, const struct un_retrieval_score *score);

/* eval_<set>.json: what was evaluated, then each measure with its value (nine digits; null: no row counts) and
 * count. */
struct un_measure {
    char name[48];
    struct un_mean value;
};
struct un_evaluated {
    const char *set, *task;
    int64_t step; /* updates behind the parameters */
    int64_t texts;
    const struct un_measure *measure;
    int64_t measures;
};
enum un_status un_results_measures(const char *path, const struct un_evaluated *e);

#endif
