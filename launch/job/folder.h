/* The run's folder: config.yaml, log/, ckpt/, and who owns it. */
#ifndef UN_LAUNCH_JOB_FOLDER_H
#define UN_LAUNCH_JOB_FOLDER_H

#include "io/run/events.h"
#include "launch/job/job.h"

/* Rank 0 takes the folder (io/run/owner.h) and all ranks learn of it; from here on each keeps its line in
 * log/beats. Collective. */
enum un_status un_folder_open(struct un_job *job);
/* Gives it back: only after this may another run of another host start at once. */
void un_folder_close(struct un_job *job);
/* Event files beside metrics.jsonl, for a run that goes on behind job->step, with config.yaml as text. */
enum un_status un_folder_open_events(const struct un_job *job, struct un_events **events);
/* A line in log/starts.jsonl, of a start behind job->step. */
enum un_status un_folder_add_start(const struct un_job *job);
/* config.yaml: the configuration in force with the origin of every value. Another one that is there stays beside it, as
 * config_before_start_N.yaml, N the number of this start. */
enum un_status un_folder_write_config(const struct un_job *job);

#endif
