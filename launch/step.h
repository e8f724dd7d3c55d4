/* One training step: load, agree on counts, forward and backward of every lane, tree over lanes and ranks,
 * update. */
#ifndef UN_STEP_H
#define UN_STEP_H

#include "launch/job.h"

/* Where the time of a step goes. */
#define UN_PHASES(X) X(DATA, data) X(COMPUTE, compute) X(REDUCE, reduce) X(UPDATE, update)
enum un_phase {
#define UN_PHASE_ENUM(upper, lower) UN_PHASE_##upper,
    UN_PHASES(UN_PHASE_ENUM)
#undef UN_PHASE_ENUM
        UN_PHASE_COUNT
};
extern const char *const un_phase_names[UN_PHASE_COUNT];

struct un_step_result {
    bool stop; /* a rank was asked to stop: nothing was computed */
    double seconds[UN_PHASE_COUNT];
    double grad_norm;    /* before clipping; not finite: the update was skipped */
    int64_t tokens;      /* of all lanes */
    struct un_work work; /* of this rank's lanes, for FLOP counts */
};

/* stop_wanted: this rank saw a signal. On success job->step has advanced (unless result->stop) and
 * job->lane_stats holds this rank's sums. trouble: a failure of this rank outside the step (a log that can't
 * be written), which all ranks then learn of. Collective. */
enum un_status un_step_run(struct un_job *job, bool stop_wanted, enum un_status trouble,
                           struct un_step_result *result);
/* The micro-batch on the device: itself, or its copy in block `slot`. */
void un_step_to_device(struct un_job *job, const struct un_batch *host, int slot, struct un_batch *out);

#endif
