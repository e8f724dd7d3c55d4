/* What a rank holds of the data: the index of its lanes, and the rows that loader.cache_mb allows. */
#ifndef UN_JOB_PART_H
#define UN_JOB_PART_H

#include "launch/job.h"

/* After un_job_open_data and before the loader: gives back the index of the other ranks' lanes, takes the
 * cache. */
enum un_status un_job_keep_part(struct un_job *job);
/* Host memory of the cache, and of the rows that would fill it whole. */
struct un_job_cache {
    int64_t taken, need;
};
struct un_job_cache un_job_cache_plan(const struct un_job *job);

#endif
