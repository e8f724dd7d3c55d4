/* model.init: the initial parameters of a fresh start from a file (io/weights/weights.h). */
#ifndef UN_LAUNCH_JOB_INIT_WEIGHTS_H
#define UN_LAUNCH_JOB_INIT_WEIGHTS_H

#include "launch/job/job.h"
#include <stdio.h>

/* Overwrites the drawn parameters of the device with those of model.init; nothing when it is not given. Rank
 * 0 reads, all get the same. Collective; ends alike on all ranks. */
enum un_status un_init_weights_start(struct un_job *job);
/* The sizes of the network in model.init, those of job->told. Rank 0 reads. Collective; ends alike on all ranks. */
enum un_status un_init_weights_sizes(struct un_job *job);
/* For --check: what would be taken, without reading a value. */
enum un_status un_init_weights_print(const struct un_job *job, FILE *out);

#endif
