/* Validation: one pass over the validation sets with fixed masks, no dropout. Every rank does its lanes; sums
 * are added in the order of the lanes, so the result does not depend on the number of ranks. Collective. */
#ifndef UN_LAUNCH_TRAIN_VALIDATE_H
#define UN_LAUNCH_TRAIN_VALIDATE_H

#include "io/run/metrics.h"
#include "launch/job/job.h"
#include "launch/train/predict.h"

struct un_validated {
    struct un_stats total;
    struct un_predictions predictions; /* of the samples of tasks, those of all ranks */
    struct un_retrieval_score
        recalls; /* valid.retrieval: of the texts and images of all sets; else of none */
};
/* *out, on all ranks alike, is to be freed, also after a failure. tells: rank 0 shows how far it is. */
enum un_status un_validate_run(struct un_job *job, bool tells, struct un_validated *out);
void un_validate_free(struct un_validated *v);
/* Is any validation set asked what a task asks? */
bool un_validate_tasks(const struct un_job *job);
/* Puts valid/<objective>_loss, _acc, distances and alignment into an open metrics line, and a text for
 * people. Of tasks _acc and what else is told are their measures (predict.h). */
void un_validate_report(const struct un_job *job, const struct un_validated *v, struct un_metrics *metrics,
                        char *text, size_t size);
/* The measure by which a checkpoint is the best, and its name: the mean recall, where it was asked for; of tasks the
 * mean of their main measures, of pretraining the loss, negative. NaN: nothing can be said. */
double un_validate_best(const struct un_job *job, const struct un_validated *v, const char **name);

#endif
