/* What a rank holds of the data: the index of its lanes, and rows on the device and the host as data.cache
 * and loader.cache_mb say. */
#ifndef UN_LAUNCH_JOB_PART_H
#define UN_LAUNCH_JOB_PART_H

#include "launch/job/job.h"

/* Decides job->cache and job->caps.store_rows: the device and the way between ranks are known, nothing is
 * taken yet. UN_USAGE: data.cache: device without a card. Results of a run do not depend on it, so ranks may
 * differ. */
enum un_status un_job_place_cache(struct un_job *job);
/* After that and before the loader: gives back the index of the other ranks' lanes, takes the cache of the
 * host. */
enum un_status un_job_keep_part(struct un_job *job);
/* For the log, what was decided. */
void un_job_say_cache(const struct un_job *job);

#endif
