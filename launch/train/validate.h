/* Validation: one pass over the validation sets with fixed masks, no dropout. Every rank does its lanes; sums
 * are added in the order of the lanes, so the result does not depend on the number of ranks. Collective. */
#ifndef UN_LAUNCH_TRAIN_VALIDATE_H
#define UN_LAUNCH_TRAIN_VALIDATE_H

#include "io/run/metrics.h"
#include "launch/job/job.h"

enum un_status un_validate_run(struct un_job *job, struct un_stats *total);
/* Puts valid/<objective>_loss, _acc, distances and alignment into an open metrics line, and a text for
 * people. */
void un_validate_report(const struct un_job *job, const struct un_stats *total, struct un_metrics *metrics,
                        char *text, size_t size);

#endif
