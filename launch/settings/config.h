/* The configuration of a run: the key tables of all rooms joined, read, cross-checked and written back. */
#ifndef UN_LAUNCH_SETTINGS_CONFIG_H
#define UN_LAUNCH_SETTINGS_CONFIG_H

#include "comm/keys.h"
#include "io/checkpoint/keys.h"
#include "io/data/dataset.h"
#include "io/feed/keys.h"
#include "io/feed/plan.h"
#include "io/run/keys.h"
#include "launch/settings/keys.h"
#include "model/dims.h"
#include "model/optim.h"
#include "model/wra.h"

struct un_run_config {
    struct un_config *document; /* owns strings and lists below */
    struct un_run_keys run;
    struct un_device_keys device;
    struct un_train_keys train;
    struct un_wra_keys wra;
    struct un_comm_keys comm;
    struct un_valid_keys valid;
    struct un_checkpoint_keys checkpoint;
    struct un_log_keys log;
    struct un_loader_keys loader;
    struct un_model_keys model;
    struct un_data_keys data;
    struct un_optim_keys optim;
};

/* Reads FILE with overrides, binds every table, refuses unknown keys, checks what needs no data. */
enum un_status un_run_config_read(struct un_run_config *config, const char *path,
                                  const char *const *overrides, int n);
/* The same of a text in memory; `name` stands for the file. */
enum un_status un_run_config_parse(struct un_run_config *config, const char *name, const char *text);
void un_run_config_free(struct un_run_config *config);
/* Notes in the document the sizes of the network that the preset or the objectives gave, for people: un_config_write and
 * un_config_origin tell them then. Not for a configuration that is to be read again with another preset. */
enum un_status un_run_config_tell(struct un_run_config *config);
/* Every key with its value (un_config_each). */
enum un_status un_run_config_each(const struct un_run_config *config, un_config_visit *visit, void *context);
/* The part of the keys that decides the plan. */
struct un_plan_keys un_run_config_plan(const struct un_run_config *config);
/* Prints the tables of all rooms (--help-config). */
void un_run_config_help(FILE *out);
/* The same for programs: every key of every room in that order (un_config_keys). */
enum un_status un_run_config_keys(un_key_visit *visit, void *context);

#endif
