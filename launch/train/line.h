/* What a line of the log says: losses, times, and the same in few words for people. */
#ifndef UN_LAUNCH_TRAIN_LINE_H
#define UN_LAUNCH_TRAIN_LINE_H

#include "io/run/metrics.h"
#include "launch/job/job.h"
#include "launch/train/step.h"

/* Sums over the steps since the last line of the log. */
struct un_interval {
    double seconds[UN_PHASE_COUNT], comm, valid, since;
    double tokens;
    double flop, own_tokens; /* of this rank's lanes */
    int64_t steps;
};

/* Another step. */
void un_line_add(struct un_interval *v, const struct un_job *job, const struct un_step_result *result);
/* loss, loss/<objective>, loss/<objective>_<data set>, distances of pairs. */
void un_line_losses(struct un_metrics *m, const struct un_job *job, const struct un_stats *total);
/* exposed_known: the host waits for communication, so it knows how long. */
void un_line_times(struct un_metrics *m, const struct un_interval *v, double now, bool exposed_known);
/* The loss, losses by objective, tokens/s, FLOP/s (of all ranks, taking a token of theirs for one of rank 0's in the mean)
 * and their share of machine's (FLOP/s; 0: not known), the share of the time that went by waiting for data. */
void un_line_text(const struct un_job *job, const struct un_stats *total, const struct un_interval *v,
                  double now, double machine, char *text, size_t size);

#endif
