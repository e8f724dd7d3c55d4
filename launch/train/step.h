/* One training step: load, agree on counts, forward and backward of every lane, tree over lanes and ranks,
 * update of what this rank owns. Communication runs beside the computation (exchange.h): gradients while the
 * backward goes on, parameters while the next step's forward goes on, and the counts, wishes and troubles of
 * a step while the step before it waits for its gradients. */
#ifndef UN_LAUNCH_TRAIN_STEP_H
#define UN_LAUNCH_TRAIN_STEP_H

#include "launch/job/job.h"

/* Where the time of the host goes in a step. reduce: held up by communication, wherever in the step; the
 * others are without it. A card is only given its work in compute; the wait for it is update, that of a step which was
 * not settled the update of the next. */
#define UN_PHASES(X) X(DATA, data) X(COMPUTE, compute) X(REDUCE, reduce) X(UPDATE, update)
enum un_phase {
#define UN_PHASE_ENUM(upper, lower) UN_PHASE_##upper,
    UN_PHASES(UN_PHASE_ENUM)
#undef UN_PHASE_ENUM
        UN_PHASE_COUNT
};
extern const char *const un_phase_names[UN_PHASE_COUNT];

/* How the update of a step ended. */
struct un_step_outcome {
    int64_t step;     /* 0: of none */
    double grad_norm; /* before clipping; NaN: the update was skipped */
    enum un_optim_skip skip;
};

struct un_step_result {
    bool stop; /* a rank was asked to stop: nothing was computed */
    double seconds[UN_PHASE_COUNT];
    double comm;    /* seconds in which communication was under way, hidden or not; waits for slower ranks
                         included */
    int64_t tokens; /* of all lanes */
    struct un_work work;           /* of this rank's lanes, for FLOP counts */
    struct un_step_outcome before; /* of the step before, where that was not settled */
};

/* On success job->step has advanced (unless result->stop), but nobody has waited for the device: how the step ended is
 * read while the next one is under way, and told as its `before`. The parameters of other ranks may still be on their
 * way (un_exchange_settle). A signal (signals.h) that comes
 * in a step before its gradients are reduced stops all ranks at its end, a later one at the end of the step
 * after it. trouble: a failure of this rank outside the step (a log that can't be written), which all ranks
 * then learn of, at the latest in the second step from here. Collective. */
enum un_status un_step_run(struct un_job *job, enum un_status trouble, struct un_step_result *result);

/* Waits for the step done last: all that it was to leave is there, and job->lane_stats and job->states are those after
 * it. Before anything but another step looks at them, at the device or at the log's numbers. *outcome: of step 0 where
 * nothing was pending. seconds: what it took, of UN_PHASE_UPDATE, is added. Under train.precision: fp8 collective, else this
 * rank alone. */
enum un_status un_step_settle(struct un_job *job, struct un_step_outcome *outcome, double *seconds);

#endif
