/* The scales of train.precision: fp8 in a step (model/scaling.h): given to the network before its passes, and their amax taken
 * once the update is made. Nothing where the run is not in fp8. */
#ifndef UN_LAUNCH_TRAIN_SCALE_H
#define UN_LAUNCH_TRAIN_SCALE_H

#include "launch/job/job.h"

/* The passes that are queued from here on are those of a step. */
void un_scale_begin(struct un_job *job);
/* They are all queued: their amax come with the next wait for the queue. */
void un_scale_fetch(struct un_job *job);
/* After that wait: the maximum over all ranks goes into the histories, unless the update was skipped. Collective. */
enum un_status un_scale_take(struct un_job *job, bool skipped);

#endif
