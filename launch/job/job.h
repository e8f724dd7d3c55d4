/* A job: everything a run holds, opened in two stages. The data stage (configuration, data sets, plans,
 * sizes) is enough for --check; the device stage takes the memory. Nothing is allocated after that inside a
 * step. */
#ifndef UN_LAUNCH_JOB_JOB_H
#define UN_LAUNCH_JOB_JOB_H

#include "comm/comm.h"
#include "io/checkpoint/checkpoint.h"
#include "io/feed/loader.h"
#include "launch/job/config.h"
#include "launch/process/watchdog.h"
#include "launch/traffic/exchange.h"
#include "launch/traffic/send.h"
#include "model/net/replay.h"
#include "model/optim.h"
#include "model/stats.h"
#include "runtime/cores.h"

/* Data sets of one split and the plan over them. */
struct un_split {
    struct un_dataset *sets[UN_MAX_DATASETS];
    const struct un_dataset_keys *keys;
    int64_t n;
    struct un_plan *plan; /* NULL when n == 0 */
};

enum { UN_GRAD_DEPTH = 18 }; /* log2 of the most lanes, plus two */

/* Parts of a rank's memory: member, name, whether it lives on the device. */
#define UN_MEMORY_PARTS(X)                                                                                   \
    X(params, "parameters", true)                                                                            \
    X(moments, "moments", true)                                                                              \
    X(grads, "gradients", true)                                                                              \
    X(activations, "activations", true)                                                                      \
    X(scratch, "scratch", true)                                                                              \
    X(blocks, "micro-batches on the card", true)                                                             \
    X(store, "features kept on the card", true)                                                              \
    X(exchange, "exchange", false)                                                                           \
    X(batches, "micro-batches", false)                                                                       \
    X(index, "index of the data", false)                                                                     \
    X(cache, "cache", false)                                                                                 \
    X(checkpoint, "copy for checkpoints", false)

/* Bytes. card, host: sums; a device that reads host memory has no card. */
struct un_memory_plan {
#define UN_MEMORY_MEMBER(member, name, device) size_t member;
    UN_MEMORY_PARTS(UN_MEMORY_MEMBER)
#undef UN_MEMORY_MEMBER
    size_t card, host, total;
};
enum {
#define UN_MEMORY_ONE(member, name, device) +1
    UN_MEMORY_PARTS_COUNT = 0 UN_MEMORY_PARTS(UN_MEMORY_ONE)
#undef UN_MEMORY_ONE
};
struct un_memory_part {
    const char *name;
    size_t offset; /* in un_memory_plan */
    bool device;
};
extern const struct un_memory_part un_memory_parts[UN_MEMORY_PARTS_COUNT];

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

struct un_job {
    struct un_comm *comm; /* borrowed */
    struct un_run_config config;
    struct un_watchdog *watchdog; /* NULL: none */
    struct un_owner owner;        /* of the run's folder, on all ranks; token "": not taken */
    struct un_cores cores;        /* this rank may use */
    bool bound;                   /* they are its own: no other rank of this host runs there */

    /* data stage */
    struct un_split train, valid;
    struct un_dims dims;
    struct un_batch_caps caps;
    double weight[UN_OBJECTIVE_COUNT]; /* w_t */
    int64_t lane_begin, lane_end;      /* of this rank */
    struct un_job_cache cache;         /* un_job_place_cache */

    /* device stage */
    struct un_device *device;
    struct un_queue *queue;
    struct un_model *model;
    const struct un_params *table;
    float *params;                  /* [P] device */
    void *low;                      /* [P] device: bf16 copy for the products; NULL: they take params */
    float *grads[UN_GRAD_DEPTH];    /* [P] device each: stack of the tree over lanes */
    int n_grads, top;               /* buffers; of them in use in a step */
    struct un_optim optim;          /* of what this rank owns */
    struct un_exchange_route route; /* un_job_choose_route */
    struct un_exchange exchange;
    struct un_replay replay; /* train.graph */
    struct un_next_step next;
    struct un_sender sender;
    struct un_event *events[2]; /* lane i's outputs are on the host */
    struct un_host_outputs outputs[2];
    struct un_loaded *held;       /* [lanes of the rank] */
    struct un_stats *lane_stats;  /* [lanes of the rank with the most lanes] */
    struct un_stats *all_stats;   /* [ranks * that] */
    double *words;                /* [ranks] of a step that was skipped */
    struct un_lane_state *states; /* [lanes] */
    struct un_loader *loader;
    int64_t step; /* updates done */
};

/* First: empties *job and reads the configuration, so that the watchdog knows its time. */
enum un_status un_job_configure(struct un_job *job, const char *path, const char *const *overrides, int n);
enum un_status un_job_open_data(struct un_job *job, struct un_comm *comm);
/* The device alone, without taking memory on it: enough to say what a run will need. */
enum un_status un_job_find_device(struct un_job *job);
/* comm.backend: how gradients and parameters will travel. Collective; all ranks end alike. */
enum un_status un_job_choose_route(struct un_job *job);
enum un_status un_job_open_device(struct un_job *job); /* after both */
/* Starts the loader at update job->step + 1 from job->states. */
enum un_status un_job_start_loader(struct un_job *job);
void un_job_close(struct un_job *job);

/* Bounds of the micro-batches of training and validation if they had so many tokens. */
void un_job_caps(const struct un_job *job, int64_t tokens, struct un_batch_caps *caps);
/* Gradient buffers that the tree over `lanes` lanes needs at once. */
int un_job_grad_buffers(int64_t lanes);
enum un_status un_job_memory(const struct un_job *job, struct un_memory_plan *plan);
size_t un_memory_part_bytes(const struct un_memory_plan *plan, int part);
/* Free memory of the card, this rank's share, now; 0: not known, or no card. */
size_t un_job_room(const struct un_job *job);
/* The largest train.tokens_per_lane, not above the present one, with which the rank fits into `room` bytes of
 * the card; 0: none does. */
enum un_status un_job_fitting_tokens(const struct un_job *job, size_t room, int64_t *tokens);
/* UN_MEMORY and what would fit, if job->cache.room, measured before any rank took memory, is too small. */
enum un_status un_job_check_room(const struct un_job *job);
/* How `total` elements are cut into the parts of the ranks. */
struct un_shard un_job_shard(const struct un_job *job, int64_t total);
/* Lanes of the rank that has the most. */
int64_t un_job_most_lanes(const struct un_job *job);
void un_job_loader_setup(const struct un_job *job, const struct un_plan *plan, uint32_t purpose,
                         int64_t slots, const struct un_lane_state *states, struct un_loader_setup *setup);
int64_t un_job_slots(const struct un_job *job);
/* All lanes' stats, summed in the order of the lanes: equal on all ranks, whatever their number. Collective. */
enum un_status un_job_gather_stats(struct un_job *job, struct un_stats *total);
struct un_model_setup un_job_model_setup(const struct un_job *job);
/* job->low from all of job->params, after somebody but an update has changed them. Queued. */
void un_job_lower(struct un_job *job);

#endif
