/* The key tables that belong to no room below, and the joining of all tables. */
#include "launch/job/config.h"

#include <string.h>

const char *const un_device_names[] = {"auto", "cpu", "cuda", NULL};
static const char *const bind_names[] = {"auto", "none", NULL};
static const char *const mixing_names[] = {"sample", "batch", NULL};
static const char *const precision_names[] = {"auto", "fp32", "tf32", "bf16", NULL};
static const char *const solver_names[] = {"ipot", "sinkhorn", NULL};
const char *const un_backend_names[] = {"auto", "self", "mpi", "nccl", NULL};

#define AT(type, member) offsetof(struct type, member)
#define TABLE(section, keys)                                                                                 \
    { section, keys, sizeof(keys) / sizeof(keys)[0], 0 }

static const struct un_key top_keys[] = {
    {.name = "device",
     .type = UN_KEY_CHOICE,
     .offset = AT(un_top_keys, device),
     .fallback = "auto",
     .choices = un_device_names,
     .meaning = "where the network runs; auto takes a card when there is one"},
};

static const struct un_key run_keys[] = {
    {.name = "dir",
     .type = UN_KEY_STRING,
     .offset = AT(un_run_keys, dir),
     .fallback = NULL,
     .unit = "folder",
     .meaning = "the run's folder: config.yaml, log/, ckpt/"},
    {.name = "seed",
     .type = UN_KEY_INT,
     .offset = AT(un_run_keys, seed),
     .fallback = "42",
     .min = 0,
     .max = 9e15,
     .meaning = "key of every random number of the run"},
    {.name = "threads",
     .type = UN_KEY_INT,
     .offset = AT(un_run_keys, threads),
     .fallback = "0",
     .min = 0,
     .max = 1024,
     .unit = "threads",
     .meaning = "CPU threads of a rank; 0: allowed cores / ranks on the host"},
    {.name = "bind",
     .type = UN_KEY_CHOICE,
     .offset = AT(un_run_keys, bind),
     .fallback = "auto",
     .choices = bind_names,
     .meaning = "auto: ranks that share cores which no launcher divided among them divide these"},
    {.name = "timeout",
     .type = UN_KEY_FLOAT,
     .offset = AT(un_run_keys, timeout),
     .fallback = "1800",
     .min = 0,
     .max = 1e7,
     .unit = "seconds",
     .meaning = "a step, collective, checkpoint, validation or start that lasts longer ends the job within "
                "twice this time and names the ranks that did not arrive; 0: never"},
    {.name = "patience",
     .type = UN_KEY_FLOAT,
     .offset = AT(un_run_keys, patience),
     .fallback = "30",
     .min = 5,
     .max = 1e5,
     .unit = "seconds",
     .meaning =
         "a start waits so long for another run to leave the folder; one without a sign of life for so "
         "long is taken over"},
};

static const struct un_key train_keys[] = {
    {.name = "steps",
     .type = UN_KEY_INT,
     .offset = AT(un_train_keys, steps),
     .fallback = NULL,
     .min = 1,
     .max = 4e9,
     .unit = "updates",
     .meaning = "length of the training and of the learning-rate schedule"},
    {.name = "lanes",
     .type = UN_KEY_INT,
     .offset = AT(un_train_keys, lanes),
     .fallback = NULL,
     .min = 1,
     .max = 65536,
     .unit = "lanes",
     .meaning = "independent streams of micro-batches; their gradients make one update"},
    {.name = "tokens_per_lane",
     .type = UN_KEY_INT,
     .offset = AT(un_train_keys, tokens_per_lane),
     .fallback = NULL,
     .min = 8,
     .max = 1048576,
     .unit = "tokens",
     .meaning = "budget of a micro-batch: words, special tokens, regions"},
    {.name = "mixing",
     .type = UN_KEY_CHOICE,
     .offset = AT(un_train_keys, mixing),
     .fallback = "sample",
     .choices = mixing_names,
     .meaning = "draw the objective for every sample, or one for all lanes of a step"},
    {.name = "precision",
     .type = UN_KEY_CHOICE,
     .offset = AT(un_train_keys, precision),
     .fallback = "auto",
     .choices = precision_names,
     .meaning =
         "of activations and matrix products; tf32: fp32 with shortened factors in the products; auto: "
         "bf16 on a card; the CPU computes in fp32 always"},
    {.name = "graph",
     .type = UN_KEY_BOOL,
     .offset = AT(un_train_keys, graph),
     .fallback = "false",
     .meaning = "a card replays passes of the same shape as graphs: meant for small networks, whose "
                "kernels are shorter than their launches"},
    {.name = "exact",
     .type = UN_KEY_BOOL,
     .offset = AT(un_train_keys, exact),
     .fallback = "true",
     .meaning = "add gradients in an order that does not depend on the number of ranks"},
    {.name = "itm_neg_prob",
     .type = UN_KEY_FLOAT,
     .offset = AT(un_train_keys, itm_neg_prob),
     .fallback = "0.5",
     .min = 0,
     .max = 1,
     .unit = "probability",
     .meaning = "share of itm pairs that get another image"},
    {.name = "itm_ot_lambda",
     .type = UN_KEY_FLOAT,
     .offset = AT(un_train_keys, itm_ot_lambda),
     .fallback = "0.1",
     .min = 0,
     .max = 1e3,
     .meaning = "weight of the word-region alignment inside itm"},
    {.name = "mrm_prob",
     .type = UN_KEY_FLOAT,
     .offset = AT(un_train_keys, mrm_prob),
     .fallback = "0.15",
     .min = 0,
     .max = 1,
     .unit = "probability",
     .meaning = "of a region to be masked (mrfr, mrc, mrckl)"},
    {.name = "mlm_prob",
     .type = UN_KEY_FLOAT,
     .offset = AT(un_train_keys, mlm_prob),
     .fallback = "0.15",
     .min = 0,
     .max = 1,
     .unit = "probability",
     .meaning = "of a word to be masked (mlm)"},
    {.name = "max_skipped",
     .type = UN_KEY_INT,
     .offset = AT(un_train_keys, max_skipped),
     .fallback = "10",
     .min = 1,
     .max = 1e9,
     .unit = "steps",
     .meaning = "updates skipped in a row (a loss or the gradient not finite) before the run ends"},
};

static const struct un_key wra_keys[] = {
    {.name = "solver",
     .type = UN_KEY_CHOICE,
     .offset = AT(un_wra_keys, solver),
     .fallback = "ipot",
     .choices = solver_names,
     .meaning = "of the transport plan between words and regions"},
    {.name = "beta",
     .type = UN_KEY_FLOAT,
     .offset = AT(un_wra_keys, beta),
     .fallback = "0.5",
     .min = 1e-3,
     .max = 1e3,
     .meaning = "step of IPOT"},
    {.name = "epsilon",
     .type = UN_KEY_FLOAT,
     .offset = AT(un_wra_keys, epsilon),
     .fallback = "0.1",
     .min = 1e-3,
     .max = 1e3,
     .meaning = "entropy weight of Sinkhorn"},
    {.name = "tolerance",
     .type = UN_KEY_FLOAT,
     .offset = AT(un_wra_keys, tolerance),
     .fallback = "1e-4",
     .min = 0,
     .max = 1,
     .meaning = "Sinkhorn stops when no row sum is off by more, relatively; 0: never early"},
    {.name = "iterations",
     .type = UN_KEY_INT,
     .offset = AT(un_wra_keys, iterations),
     .fallback = "0",
     .min = 0,
     .max = 10000,
     .meaning = "of the solver; 0: 50 for ipot, at most 100 for sinkhorn"},
};

static const struct un_key comm_keys[] = {
    {.name = "backend",
     .type = UN_KEY_CHOICE,
     .offset = AT(un_comm_keys, backend),
     .fallback = "auto",
     .choices = un_backend_names,
     .meaning =
         "how ranks talk: self: one process; mpi: through the host; nccl: gradients and parameters from "
         "card to card, one for each rank; auto: what the start and the machine allow"},
    {.name = "bucket_mb",
     .type = UN_KEY_INT,
     .offset = AT(un_comm_keys, bucket_mb),
     .fallback = "25",
     .min = 1,
     .max = 4096,
     .unit = "MiB",
     .meaning = "size of the pieces in which gradients are reduced and parameters gathered"},
    {.name = "overlap",
     .type = UN_KEY_BOOL,
     .offset = AT(un_comm_keys, overlap),
     .fallback = "true",
     .meaning =
         "a thread of each rank communicates while the others compute; false: one after the other, with "
         "the same results"},
};

static const struct un_key valid_keys[] = {
    {.name = "every",
     .type = UN_KEY_INT,
     .offset = AT(un_rhythm_keys, every),
     .fallback = "5000",
     .min = 0,
     .max = 4e9,
     .unit = "steps",
     .meaning = "a validation after so many updates and at the end; 0: only at the end"},
};
static const struct un_key checkpoint_keys[] = {
    {.name = "every",
     .type = UN_KEY_INT,
     .offset = AT(un_rhythm_keys, every),
     .fallback = "5000",
     .min = 0,
     .max = 4e9,
     .unit = "steps",
     .meaning = "a checkpoint after so many updates, at a stop and at the end; 0: only those"},
    {.name = "keep",
     .type = UN_KEY_INT,
     .offset = AT(un_rhythm_keys, keep),
     .fallback = "3",
     .min = 0,
     .max = 1e6,
     .unit = "checkpoints",
     .meaning = "how many newest ones stay; 0: all"},
    {.name = "keep_every",
     .type = UN_KEY_INT,
     .offset = AT(un_rhythm_keys, keep_every),
     .fallback = "0",
     .min = 0,
     .max = 4e9,
     .unit = "steps",
     .meaning = "those of steps divisible by this stay for good; 0: none"},
    {.name = "timeout",
     .type = UN_KEY_INT,
     .offset = AT(un_rhythm_keys, timeout),
     .fallback = "1800",
     .min = 1,
     .max = 1e6,
     .unit = "s",
     .meaning = "a save that lasts longer has failed, and ends the run"},
};
static const struct un_key log_keys[] = {
    {.name = "every",
     .type = UN_KEY_INT,
     .offset = AT(un_rhythm_keys, every),
     .fallback = "10",
     .min = 1,
     .max = 1e9,
     .unit = "steps",
     .meaning = "a line in log/metrics.jsonl after so many updates"},
};
static const struct un_key loader_keys[] = {
    {.name = "threads",
     .type = UN_KEY_INT,
     .offset = AT(un_loader_keys, threads),
     .fallback = "1",
     .min = 1,
     .max = 256,
     .unit = "threads",
     .meaning = "threads of a rank that read and pack micro-batches"},
    {.name = "ahead",
     .type = UN_KEY_INT,
     .offset = AT(un_loader_keys, ahead),
     .fallback = "2",
     .min = 1,
     .max = 4096,
     .unit = "micro-batches",
     .meaning = "kept ready beyond those of the running step"},
    {.name = "cache_mb",
     .type = UN_KEY_INT,
     .offset = AT(un_loader_keys, cache_mb),
     .fallback = "0",
     .min = 0,
     .max = 1e8,
     .unit = "MiB",
     .meaning = "host memory of a rank for rows of its training data, which are then read only once "
                "(data.cache); 0: none"},
};

static const struct un_key_table top_table = TABLE("", top_keys);
static const struct un_key_table run_table = TABLE("run", run_keys);
static const struct un_key_table train_table = TABLE("train", train_keys);
static const struct un_key_table wra_table = TABLE("wra", wra_keys);
static const struct un_key_table comm_table = TABLE("comm", comm_keys);
static const struct un_key_table valid_table = TABLE("valid", valid_keys);
static const struct un_key_table checkpoint_table = TABLE("checkpoint", checkpoint_keys);
static const struct un_key_table log_table = TABLE("log", log_keys);
static const struct un_key_table loader_table = TABLE("loader", loader_keys);

/* Every table of the program and where its struct stands, in the order in which people read them. */
static const struct part {
    const struct un_key_table *table;
    size_t offset;
} parts[] = {
    {&run_table, AT(un_run_config, run)},
    {&top_table, AT(un_run_config, top)},
    {&un_model_key_table, AT(un_run_config, model)},
    {&un_data_key_table, AT(un_run_config, data)},
    {&train_table, AT(un_run_config, train)},
    {&wra_table, AT(un_run_config, wra)},
    {&un_optim_key_table, AT(un_run_config, optim)},
    {&comm_table, AT(un_run_config, comm)},
    {&valid_table, AT(un_run_config, valid)},
    {&checkpoint_table, AT(un_run_config, checkpoint)},
    {&log_table, AT(un_run_config, log)},
    {&loader_table, AT(un_run_config, loader)},
};
enum { PARTS = sizeof parts / sizeof *parts };

static enum un_status bind_all(struct un_run_config *c) {
    for (int i = 0; i < PARTS; ++i)
        UN_TRY(un_config_bind(c->document, parts[i].table, (char *)c + parts[i].offset));
    return un_config_finish(c->document);
}

static enum un_status check(const struct un_run_config *c) {
    const struct un_config *d = c->document;
    if (c->data.train.n == 0)
        return un_fail(UN_USAGE, "%s: data.train: at least one data set is needed",
                       un_config_where(d, "data.train"));
    if (c->data.train.n > UN_MAX_DATASETS || c->data.valid.n > UN_MAX_DATASETS)
        return un_fail(UN_USAGE, "data: at most %d data sets, not %lld", UN_MAX_DATASETS,
                       (long long)(c->data.train.n > c->data.valid.n ? c->data.train.n : c->data.valid.n));
    if (c->data.cache == UN_CACHE_HOST && c->loader.cache_mb == 0)
        return un_fail(
            UN_USAGE,
            "%s: data.cache: host needs loader.cache_mb, the MiB of memory a rank may take (--check "
            "says how many hold its part)",
            un_config_where(d, "data.cache"));
    if (c->optim.warmup_steps >= c->train.steps)
        return un_fail(UN_USAGE, "%s: optim.warmup_steps: %lld is not below train.steps = %lld",
                       un_config_where(d, "optim.warmup_steps"), (long long)c->optim.warmup_steps,
                       (long long)c->train.steps);
    return UN_OK;
}

enum un_status un_run_config_read(struct un_run_config *config, const char *path,
                                  const char *const *overrides, int n) {
    memset(config, 0, sizeof *config);
    UN_TRY(un_config_read(&config->document, path, overrides, n));
    UN_TRY(bind_all(config));
    UN_TRY(un_dims_resolve(&config->model.dims, config->model.preset));
    return check(config);
}

void un_run_config_free(struct un_run_config *config) {
    un_config_free(config->document);
    config->document = NULL;
}

struct un_plan_keys un_run_config_plan(const struct un_run_config *c) {
    return (struct un_plan_keys){
        .lanes = c->train.lanes,
        .tokens_per_lane = c->train.tokens_per_lane,
        .mixing = c->train.mixing,
        .itm_neg_prob = c->train.itm_neg_prob,
        .mlm_prob = c->train.mlm_prob,
        .mrm_prob = c->train.mrm_prob,
        .seed = (uint64_t)c->run.seed,
    };
}

struct un_transport un_run_config_transport(const struct un_run_config *c) {
    int standard = c->wra.solver == UN_SOLVER_IPOT ? 50 : 100;
    return (struct un_transport){
        .solver = (enum un_solver)c->wra.solver,
        .iterations = c->wra.iterations > 0 ? (int)c->wra.iterations : standard,
        .beta = (float)c->wra.beta,
        .epsilon = (float)c->wra.epsilon,
        .tolerance = (float)c->wra.tolerance,
    };
}

void un_run_config_help(FILE *out) {
    const struct un_key_table *tables[PARTS];
    for (int i = 0; i < PARTS; ++i) tables[i] = parts[i].table;
    un_config_help(out, tables, PARTS);
}
