/* The training run: resume, steps, validation, checkpoints, log, stop signals. */
#ifndef UN_LAUNCH_TRAIN_TRAIN_H
#define UN_LAUNCH_TRAIN_TRAIN_H

#include "launch/job/job.h"

/* resume: "auto" | "none" | a checkpoint folder. UN_STOPPED after a signal and its checkpoint. Collective. */
enum un_status un_train_run(struct un_job *job, const char *resume);

#endif
