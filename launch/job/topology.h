/* Which cores this rank computes on, and what the number of ranks costs.
 *
 * Ranks of a host that may all use the same cores (the launcher did not bind them) divide these: each rank's
 * threads stay on its own part, the threads of the ops one to a core. A rank that the launcher bound keeps
 * what it was given. */
#ifndef UN_LAUNCH_JOB_TOPOLOGY_H
#define UN_LAUNCH_JOB_TOPOLOGY_H

#include "launch/job/job.h"

/* Threads this rank computes with under run.threads: 0, from the cores it really has and the quota of its
 * group. */
int un_topology_threads(const struct un_job *job);
/* Before any other thread is started. */
enum un_status un_topology_bind(struct un_job *job);
/* Afterwards, with the device open: places the threads of the ops. */
void un_topology_place_threads(const struct un_job *job);
/* Hosts and cores; a warning when ranks stand idle because they have fewer lanes than others. */
void un_topology_say(const struct un_job *job);

#endif
