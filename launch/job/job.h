/* A job: everything a run holds, opened in two stages. The data stage (configuration, data sets, plans,
 * sizes) is enough for --check; the device stage takes the memory. Nothing is allocated after that inside a
 * step. */
#ifndef UN_LAUNCH_JOB_JOB_H
#define UN_LAUNCH_JOB_JOB_H

#include "comm/comm.h"
#include "io/feed/loader.h"
#include "io/run/owner.h"
#include "io/weights/weights.h"
#include "launch/job/topology.h"
#include "launch/process/watchdog.h"
#include "launch/settings/config.h"
#include "launch/traffic/exchange.h"
#include "launch/traffic/receive.h"
#include "launch/traffic/send.h"
#include "model/net/replay.h"
#include "model/optim.h"
#include "model/scaling.h"
#include "model/stats.h"

/* Data sets of one split and the plan over them. */
struct un_split {
    struct un_dataset *sets[UN_MAX_DATASETS];
    const struct un_dataset_keys *keys;
    int64_t n;
    struct un_plan *plan; /* NULL when n == 0 */
};

enum { UN_GRAD_DEPTH = 18 }; /* log2 of the most lanes, plus two */

/* Where this rank's training data stay after they were first read (launch/job/part.h). */
struct un_job_cache {
    enum un_cache_kind kind;   /* device, host or none */
    int64_t need, taken;       /* bytes of the host: that all rows kept there would take, that they get */
    int64_t need_rows, rows;   /* of features on the device */
    int64_t row_bytes, images; /* of this rank's lanes */
    size_t room;               /* free bytes of the card, this rank's share; 0: not known, or no card */
};

/* What all ranks sum before the backward of a step: rows asked about by objective, tokens, then flags.
 * Integers, so exact. */
enum { UN_COUNT_TOKENS = UN_OBJECTIVE_COUNT, UN_COUNT_STOP, UN_COUNT_TROUBLE, UN_COUNTS };

/* The micro-batches of the next step, taken while the step before it is under way. */
struct un_next_step {
    bool taken;
    int64_t counts[UN_COUNTS]; /* of this rank, then of all */
    int64_t ticket;            /* of their sum */
    enum un_status trouble;    /* of this rank */
};

/* The step done last, while nobody has looked at how it ended: the device may still be at it. Its last lane
 * is not yet given back. */
struct un_pending {
    bool is;
    struct un_loaded last;
    int slot; /* of its outputs */
};

/* train.precision: fp8 (launch/train/scale.h); scaling.tensors 0: not in fp8. */
struct un_job_fp8 {
    struct un_scaling scaling;
    float *scale;   /* [tensors] of the step */
    uint32_t *amax; /* [tensors] of this rank's passes, then of all */
    int64_t *all;   /* [tensors] on their way */
};

struct un_mine;  /* launch/train/mine.h */
struct un_watch; /* launch/train/guard.h */

struct un_job {
    struct un_comm *comm; /* borrowed */
    struct un_run_config config;
    struct un_watchdog *watchdog; /* NULL: none */
    struct un_owner owner;        /* of the run's folder, on all ranks; token "": not taken */
    struct un_topology topology;
    /* --eval: nothing is trained, no training set is opened; validation takes all texts, whole, on every rank. */
    bool evaluates;
    bool quiet;                   /* --quiet: no progress lines */
    struct un_weights_sizes told; /* of model.init, where it evaluates (un_init_weights_sizes) */

    /* data stage */
    struct un_split train, valid;
    struct un_dims dims;
    struct un_batch_caps caps;
    double weight[UN_OBJECTIVE_COUNT]; /* w_t */
    un_objective_set summed;           /* objectives whose loss is the sum over the rows of a step */
    int64_t lane_begin, lane_end;      /* of this rank */
    struct un_job_cache cache;         /* un_job_place_cache */

    /* device stage */
    struct un_device *device;
    struct un_queue *queue;
    struct un_model *model;
    const struct un_params *table;
    float *params;                  /* [P] device; it and the next two are un_job_buffer long */
    void *low;                      /* [P] device: bf16 copy for the products; NULL: they take params */
    float *grads[UN_GRAD_DEPTH];    /* [P] device each: stack of the tree over lanes */
    int n_grads, top;               /* buffers; of them in use in a step */
    struct un_optim optim;          /* of what this rank owns */
    struct un_exchange_route route; /* un_job_choose_route */
    struct un_comm_memory moved;    /* params, low and grads[0] are of it */
    struct un_exchange exchange;
    struct un_job_fp8 fp8;
    struct un_replay replay; /* train.graph */
    struct un_next_step next;
    struct un_sender sender;
    struct un_receiver receiver;
    struct un_pending pending;
    struct un_loaded *held;       /* [lanes of the rank] */
    struct un_stats *lane_stats;  /* [lanes of the rank with the most lanes] */
    struct un_stats *all_stats;   /* [ranks * that] */
    struct un_lane_state *states; /* [lanes] */
    struct un_loader *loader;
    struct un_mine *mine; /* of hard negatives, while a step is run; NULL: none. Owner: who runs the steps */
    struct un_watch *guard; /* run.check_every, while a step is run; NULL: never. Owner: who runs the steps */
    int64_t step;           /* updates done */
};

/* First: empties *job and reads the configuration, so that the watchdog knows its time. */
enum un_status un_job_configure(struct un_job *job, const char *path, const char *const *overrides, int n);
/* Collective; all ranks end alike but where comm is broken. */
enum un_status un_job_open_data(struct un_job *job, struct un_comm *comm);
/* Validation entries without a mix are asked everything that training is taught. */
void un_job_default_valid_mix(struct un_run_config *config);
/* The device alone, without taking memory on it: enough to say what a run will need. */
enum un_status un_job_find_device(struct un_job *job);
/* comm.backend: how gradients and parameters will travel. Collective; all ranks end alike. */
enum un_status un_job_choose_route(struct un_job *job);
/* After both. An evaluation gets what a forward takes: no gradients, no moments, no exchange. */
enum un_status un_job_open_device(struct un_job *job);
/* Starts the loader at update job->step + 1 from job->states. */
enum un_status un_job_start_loader(struct un_job *job);
void un_job_close(struct un_job *job);
/* What it works on: the training sets, or those that are evaluated. */
const struct un_split *un_job_split(const struct un_job *job);

/* Bounds of the micro-batches of training and validation if they had so many tokens. */
void un_job_caps(const struct un_job *job, int64_t tokens, struct un_batch_caps *caps);
/* All lanes' stats, summed in the order of the lanes: equal on all ranks, whatever their number. Collective. */
enum un_status un_job_gather_stats(struct un_job *job, struct un_stats *total);
/* job->low from all of job->params, after somebody but an update has changed them. Queued. With more than one rank and a
 * bf16 copy, job->params are those of the owners only at the start; after a gathering, others' parts hold f32 values
 * only where a pass reads them (launch/traffic/exchange_low.h). */
void un_job_lower(struct un_job *job);

#endif
