/* --check: what a run would do, for people. */
#ifndef UN_LAUNCH_TRAIN_CHECK_H
#define UN_LAUNCH_TRAIN_CHECK_H

#include "launch/job/job.h"

/* Needs the data stage only. */
enum un_status un_plan_print(const struct un_job *job, FILE *out);

#endif
