/* --eval: the measures of validation sets, and the files of their predictions. No dropout, all texts, a fixed
 * order: the same numbers on any number of ranks. */
#ifndef UN_LAUNCH_TRAIN_EVALUATE_H
#define UN_LAUNCH_TRAIN_EVALUATE_H

#include "launch/job/job.h"

/* After un_job_configure: only the entry `set` of data.valid counts (NULL: all of them). */
enum un_status un_evaluate_choose(struct un_job *job, const char *set);
/* Before un_job_open_data: which parameters, into model.init, and the sizes of their network. how: "auto", the best
 * checkpoint of the run, else its newest, else model.init; "none": model.init; or a folder. Collective; ends alike on
 * all ranks. */
enum un_status un_evaluate_find(struct un_job *job, const char *how);
/* Writes RUN/eval_<set>.json and the files of each set's task. Collective; ends alike on all ranks. */
enum un_status un_evaluate_run(struct un_job *job);

#endif
