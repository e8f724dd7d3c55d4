/* Sizes that follow from a job's configuration and data: what is opened later, and what is counted before,
 * has the same ones. */
#ifndef UN_LAUNCH_JOB_SIZES_H
#define UN_LAUNCH_JOB_SIZES_H

#include "launch/job/job.h"

/* How `total` elements are cut into the parts of the ranks. */
struct un_shard un_job_shard(const struct un_job *job, int64_t total);
/* Elements of a buffer of `total` that the ranks exchange (un_shard_room); of an evaluation: total. */
int64_t un_job_buffer(const struct un_job *job, int64_t total);
/* Lanes of the rank that has the most. */
int64_t un_job_most_lanes(const struct un_job *job);
/* states: the loader begins from them. slots: micro-batches that exist at once. */
void un_job_loader_setup(const struct un_job *job, const struct un_plan *plan, uint32_t purpose,
                         int64_t slots, const struct un_lane_state *states, struct un_loader_setup *setup);
/* Slots of the loader of the training, or of the evaluation. */
int64_t un_job_slots(const struct un_job *job);
/* Gradient buffers that the tree over `lanes` lanes needs at once. */
int un_job_grad_buffers(int64_t lanes);
struct un_model_setup un_job_model_setup(const struct un_job *job);

#endif
