/* Keys that belong to the whole run: sections `run`, `train` and `valid`. */
#ifndef UN_LAUNCH_SETTINGS_KEYS_H
#define UN_LAUNCH_SETTINGS_KEYS_H

#include "runtime/config/device_keys.h"

enum un_precision {
    UN_PRECISION_AUTO,
    UN_PRECISION_FP32,
    UN_PRECISION_TF32,
    UN_PRECISION_BF16,
    UN_PRECISION_FP8
};

struct un_run_keys {
    char dir[256];
    int64_t seed;
    struct un_cores_keys cores;
    double timeout, patience; /* seconds */
    bool mixed_machines;
    int64_t check_every; /* steps; 0: never */
};
struct un_train_keys {
    int64_t steps, lanes, tokens_per_lane;
    int mixing, precision, mask;
    int64_t fp8_history, fp8_after; /* updates */
    bool exact, graph;
    double itm_neg_prob, itm_ot_lambda, mrm_prob, mlm_prob;
    int64_t max_skipped;                      /* steps in a row with a loss that is not finite */
    bool re_mean;                             /* the loss of re is the mean over expressions, not their sum */
    double loss_scale;                        /* of the whole loss */
    double margin;                            /* of re_rank, itm_rank and itm_hard */
    int64_t samples_per_lane;                 /* 0: as many as fit */
    int64_t negatives, hard_size, candidates; /* of itm_rank a side; of itm_hard */
    double hard_ratio;                        /* of re_rank */
};
struct un_valid_keys {
    int64_t every;  /* steps */
    bool retrieval; /* every text against every image, too */
};
extern const struct un_key_table un_run_key_table, un_train_key_table, un_valid_key_table;

#endif
