/* Moments of the optimizer, of which each rank holds its parts, as the whole buffers that checkpoints know.
 */
#ifndef UN_MOMENTS_H
#define UN_MOMENTS_H

#include "launch/job.h"

/* Are job->optim.m and v whole buffers that the host can read? Then nothing below is needed. */
bool un_moments_whole(const struct un_job *job);
/* m, v [P] host memory, the same on all ranks afterwards. Collective. */
enum un_status un_moments_gather(struct un_job *job, float *m, float *v);
/* This rank's parts of m, v [P] into the optimizer. */
enum un_status un_moments_scatter(struct un_job *job, float *m, float *v);

#endif
