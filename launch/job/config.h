/* The configuration of a run: the key tables of all rooms joined, read, cross-checked and written back. */
#ifndef UN_LAUNCH_JOB_CONFIG_H
#define UN_LAUNCH_JOB_CONFIG_H

#include "io/data/dataset.h"
#include "io/feed/plan.h"
#include "model/dims.h"
#include "model/optim.h"
#include "runtime/config/config.h"

enum un_precision { UN_PRECISION_AUTO, UN_PRECISION_FP32, UN_PRECISION_TF32, UN_PRECISION_BF16 };

struct un_top_keys {
    int device; /* index into un_device_names */
};
extern const char *const un_device_names[];

enum un_backend { UN_BACKEND_AUTO, UN_BACKEND_SELF, UN_BACKEND_MPI, UN_BACKEND_NCCL };
extern const char *const un_backend_names[];

enum un_bind { UN_BIND_AUTO, UN_BIND_NONE };

struct un_run_keys {
    char dir[256];
    int64_t seed, threads;
    double timeout, patience; /* seconds */
    int bind;
};
struct un_train_keys {
    int64_t steps, lanes, tokens_per_lane;
    int mixing, precision;
    bool exact, graph;
    double itm_neg_prob, itm_ot_lambda, mrm_prob, mlm_prob;
    int64_t max_skipped; /* steps in a row with a loss that is not finite */
};
struct un_wra_keys {
    int solver;
    double beta, epsilon, tolerance;
    int64_t iterations;
};
struct un_comm_keys {
    int backend;
    int64_t bucket_mb;
    bool overlap;
};
struct un_rhythm_keys { /* valid, checkpoint, log */
    int64_t every;
    int64_t keep, keep_every, timeout; /* checkpoint */
};
struct un_loader_keys {
    int64_t threads, ahead, cache_mb;
};

struct un_run_config {
    struct un_config *document; /* owns strings and lists below */
    struct un_top_keys top;
    struct un_run_keys run;
    struct un_train_keys train;
    struct un_wra_keys wra;
    struct un_comm_keys comm;
    struct un_rhythm_keys valid, checkpoint, log;
    struct un_loader_keys loader;
    struct un_model_keys model;
    struct un_data_keys data;
    struct un_optim_keys optim;
};

/* Reads FILE with overrides, binds every table, refuses unknown keys, checks what needs no data. */
enum un_status un_run_config_read(struct un_run_config *config, const char *path,
                                  const char *const *overrides, int n);
void un_run_config_free(struct un_run_config *config);
/* The part of the keys that decides the plan. */
struct un_plan_keys un_run_config_plan(const struct un_run_config *config);
struct un_transport un_run_config_transport(const struct un_run_config *config);
/* Prints the tables of all rooms (--help-config). */
void un_run_config_help(FILE *out);

#endif
