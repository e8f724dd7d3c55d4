/* What is told of one evaluated set, and its files in the run's folder (io/score/results.h). Rank 0 only. */
#ifndef UN_LAUNCH_TRAIN_RESULTS_H
#define UN_LAUNCH_TRAIN_RESULTS_H

#include "io/score/results.h"
#include "launch/job/job.h"
#include "launch/train/predict.h"

enum { UN_RESULT_MEASURES = 48 };

struct un_results {
    const struct un_job *job; /* borrowed, as are the next two */
    const struct un_dataset *d;
    const struct un_prediction *list; /* [n] of un_results_take */
    int64_t n;
    const char **id; /* [n] of their texts */
    struct un_measure measure[UN_RESULT_MEASURES];
    int64_t measures;
};
enum un_status un_results_take(struct un_results *r, const struct un_prediction *list, int64_t n);
void un_results_free(struct un_results *r);
/* RUN/results_<set>.json or .csv of the predictions taken, as the task's server wants it. */
enum un_status un_results_write(const struct un_results *r);
/* RUN/eval_<set>.json */
enum un_status un_results_write_measures(const struct un_results *r);
/* Of a score matrix [texts, images]; RUN/scores_<set>.json and RUN/scores_<set>.h5. */
enum un_status un_results_recalls_of(const struct un_results *r, const float *score,
                                     struct un_retrieval_score *recalls);
enum un_status un_results_write_matrix(const struct un_results *r, const float *score,
                                       const struct un_retrieval_score *recalls);

#endif
