/* data.warm: a rank's training data read in the order of the files, before the first step or by a thread beside the training.
 * No results depend on it. Where the parts of a host's ranks are more than its memory would keep, nothing is read: the pass would
 * push out what it has just read. */
#ifndef UN_LAUNCH_TRAIN_WARM_H
#define UN_LAUNCH_TRAIN_WARM_H

#include "launch/job/job.h"

struct un_warming;

/* Collective. before: reads, all ranks in rounds of half a second, until all are through or one has been asked to stop; shows: with
 * progress. beside: starts the thread; job's data sets outlive it. off: *warming is NULL. Call when the rank's own memory is
 * taken. */
enum un_status un_warming_open(struct un_warming **warming, struct un_job *job, bool shows);
/* Stops at the next piece; says what was read, on rank 0. NULL is fine. Local. */
void un_warming_close(struct un_warming *warming);
/* The part of `left` bytes, on a host with so many ranks, that files of one rank may be kept in when it still takes `taken`.
 * left < 0: not known, no limit. */
int64_t un_warming_room(int64_t left, int64_t ranks, int64_t taken);

#endif
