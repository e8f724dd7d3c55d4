/* Do all ranks train the same thing? Each holds its facts against those of rank 0 before anybody relies on them: a
 * stale file, an old program or another kind of machine on one node would give parameters that belong to nobody.
 *
 * Three comparisons, in the order of the start: what was asked (configuration, command line, build) before the run's
 * folder is touched; machines when devices are open; data when they are indexed. Each is a broadcast of a digest
 * and a sum; the facts themselves travel only when they differ. What differs is UN_USAGE and told with rank,
 * host, key and both values. One process: nothing to compare. All collective; all ranks end alike. */
#ifndef UN_LAUNCH_JOB_AGREE_H
#define UN_LAUNCH_JOB_AGREE_H

#include "launch/job/facts.h"
#include "launch/job/job.h"

/* Facts of this rank against those of rank 0. strict: UN_USAGE where they differ, else a warning. */
enum un_status un_agree_on(struct un_comm *comm, const struct un_facts *facts, bool strict);
/* command: what the command line asks for beyond the configuration. */
enum un_status un_agree_start(const struct un_job *job, const struct un_facts *command);
/* Processor, kernels, card, C library. A warning where train.exact is off or run.mixed_machines on. */
enum un_status un_agree_machines(const struct un_job *job);
/* Sizes, plans (ids and lengths of all rows) and files of data. */
enum un_status un_agree_data(const struct un_job *job);

#endif
