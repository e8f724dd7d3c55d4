/* What a start that goes on from a checkpoint does otherwise than the start before it: keys whose values changed,
 * by the config.yaml that stands beside the checkpoints. */
#ifndef UN_LAUNCH_JOB_CHANGES_H
#define UN_LAUNCH_JOB_CHANGES_H

#include "launch/job/facts.h"
#include "launch/job/job.h"

struct un_changes {
    struct un_facts then, now;  /* all keys */
    struct un_optim_keys optim; /* then */
    int64_t steps;              /* train.steps then */
    bool known;                 /* there was a config.yaml that could be read */
    char path[UN_PATH_MAX];     /* its name */
};

/* Reads it, before the folder gets the new one. resume: as of --resume. One rank only; what cannot be read is said
 * in a warning, and nothing is known then. After the data stage. */
void un_changes_find(struct un_changes *changes, const struct un_job *job, const char *resume);
/* A line a key with both values; when `resumed`, also the learning rate of the next update before and after. */
void un_changes_say(const struct un_changes *changes, const struct un_job *job, bool resumed);
void un_changes_free(struct un_changes *changes);

#endif
