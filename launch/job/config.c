/* The key tables that belong to no room below, and the joining of all tables. */
#include "launch/job/config.h"
#include "runtime/config/keys.h"

#include <string.h>

const char *const un_device_names[] = {"auto", "cpu", "cuda", NULL};
static const char *const bind_names[] = {"auto", "none", NULL};
static const char *const mixing_names[] = {"sample", "batch", NULL};
static const char *const precision_names[] = {"auto", "fp32", "tf32", "bf16", NULL};
static const char *const solver_names[] = {"ipot", "sinkhorn", NULL};
const char *const un_backend_names[] = {"auto", "self", "mpi", "nccl", NULL};

static const struct un_key top_keys[] = {
    UN_KEY_CHOICE(un_top_keys, device, "auto", un_device_names,
                  "where the network runs; auto takes a card when there is one"),
};

static const struct un_key run_keys[] = {
    UN_KEY_STRING(un_run_keys, dir, UN_REQUIRED, "folder", "the run's folder: config.yaml, log/, ckpt/"),
    UN_KEY_INT(un_run_keys, seed, "42", 0, 9e15, "", "key of every random number of the run"),
    UN_KEY_INT(un_run_keys, threads, "0", 0, 1024, "threads",
               "CPU threads of a rank; 0: allowed cores / ranks on the host"),
    UN_KEY_CHOICE(un_run_keys, bind, "auto", bind_names,
                  "auto: ranks that share cores which no launcher divided among them divide these"),
    UN_KEY_FLOAT(un_run_keys, timeout, "1800", 0, 1e7, "seconds",
                 "a step, collective, checkpoint, validation or start that lasts longer ends the job within "
                 "twice this time and names the ranks that did not arrive; 0: never"),
    UN_KEY_FLOAT(un_run_keys, patience, "30", 5, 1e5, "seconds",
                 "a start waits so long for another run to leave the folder; one without a sign of life for "
                 "so long is taken over"),
};

static const struct un_key train_keys[] = {
    UN_KEY_INT(un_train_keys, steps, UN_REQUIRED, 1, 4e9, "updates",
               "length of the training and of the learning-rate schedule"),
    UN_KEY_INT(un_train_keys, lanes, UN_REQUIRED, 1, 65536, "lanes",
               "independent streams of micro-batches; their gradients make one update"),
    UN_KEY_INT(un_train_keys, tokens_per_lane, UN_REQUIRED, 8, 1048576, "tokens",
               "budget of a micro-batch: words, special tokens, regions"),
    UN_KEY_CHOICE(un_train_keys, mixing, "sample", mixing_names,
                  "draw the objective for every sample, or one for all lanes of a step"),
    UN_KEY_CHOICE(un_train_keys, precision, "auto", precision_names,
                  "of activations and matrix products; tf32: fp32 with shortened factors in the products; "
                  "auto: bf16 on a card; the CPU computes in fp32 always"),
    UN_KEY_BOOL(un_train_keys, graph, "false",
                "a card replays passes of the same shape as graphs: meant for small networks, whose kernels "
                "are shorter than their launches"),
    UN_KEY_BOOL(un_train_keys, exact, "true",
                "add gradients in an order that does not depend on the number of ranks"),
    UN_KEY_FLOAT(un_train_keys, itm_neg_prob, "0.5", 0, 1, "probability",
                 "share of itm pairs that get another image"),
    UN_KEY_FLOAT(un_train_keys, itm_ot_lambda, "0.1", 0, 1e3, "",
                 "weight of the word-region alignment inside itm"),
    UN_KEY_FLOAT(un_train_keys, mrm_prob, "0.15", 0, 1, "probability",
                 "of a region to be masked (mrfr, mrc, mrckl)"),
    UN_KEY_FLOAT(un_train_keys, mlm_prob, "0.15", 0, 1, "probability", "of a word to be masked (mlm)"),
    UN_KEY_INT(un_train_keys, max_skipped, "10", 1, 1e9, "steps",
               "updates skipped in a row (a loss or the gradient not finite) before the run ends"),
};

static const struct un_key wra_keys[] = {
    UN_KEY_CHOICE(un_wra_keys, solver, "ipot", solver_names,
                  "of the transport plan between words and regions"),
    UN_KEY_FLOAT(un_wra_keys, beta, "0.5", 1e-3, 1e3, "", "step of IPOT"),
    UN_KEY_FLOAT(un_wra_keys, epsilon, "0.1", 1e-3, 1e3, "", "entropy weight of Sinkhorn"),
    UN_KEY_FLOAT(un_wra_keys, tolerance, "1e-4", 0, 1, "",
                 "Sinkhorn stops when no row sum is off by more, relatively; 0: never early"),
    UN_KEY_INT(un_wra_keys, iterations, "0", 0, 10000, "",
               "of the solver; 0: 50 for ipot, at most 100 for sinkhorn"),
};

static const struct un_key comm_keys[] = {
    UN_KEY_CHOICE(un_comm_keys, backend, "auto", un_backend_names,
                  "how ranks talk: self: one process; mpi: through the host; nccl: gradients and parameters "
                  "from card to card, one for each rank; auto: what the start and the machine allow"),
    UN_KEY_INT(un_comm_keys, bucket_mb, "25", 1, 4096, "MiB",
               "size of the pieces in which gradients are reduced and parameters gathered"),
    UN_KEY_BOOL(un_comm_keys, overlap, "true",
                "a thread of each rank communicates while the others compute; false: one after the other, "
                "with the same results"),
};

static const struct un_key valid_keys[] = {
    UN_KEY_INT(un_rhythm_keys, every, "5000", 0, 4e9, "steps",
               "a validation after so many updates and at the end; 0: only at the end"),
};
static const struct un_key checkpoint_keys[] = {
    UN_KEY_INT(un_rhythm_keys, every, "5000", 0, 4e9, "steps",
               "a checkpoint after so many updates, at a stop and at the end; 0: only those"),
    UN_KEY_INT(un_rhythm_keys, keep, "3", 0, 1e6, "checkpoints", "how many newest ones stay; 0: all"),
    UN_KEY_INT(un_rhythm_keys, keep_every, "0", 0, 4e9, "steps",
               "those of steps divisible by this stay for good; 0: none"),
    UN_KEY_INT(un_rhythm_keys, timeout, "1800", 1, 1e6, "s",
               "a save that lasts longer has failed, and ends the run"),
};
static const struct un_key log_keys[] = {
    UN_KEY_INT(un_rhythm_keys, every, "10", 1, 1e9, "steps",
               "a line in log/metrics.jsonl after so many updates"),
};
static const struct un_key loader_keys[] = {
    UN_KEY_INT(un_loader_keys, threads, "1", 1, 256, "threads",
               "threads of a rank that read and pack micro-batches"),
    UN_KEY_INT(un_loader_keys, ahead, "2", 1, 4096, "micro-batches",
               "kept ready beyond those of the running step"),
    UN_KEY_INT(un_loader_keys, cache_mb, "0", 0, 1e8, "MiB",
               "host memory of a rank for rows of its training data, which are then read only once "
               "(data.cache); 0: none"),
};

static const struct un_key_table top_table = UN_KEY_TABLE("", un_top_keys, top_keys);
static const struct un_key_table run_table = UN_KEY_TABLE("run", un_run_keys, run_keys);
static const struct un_key_table train_table = UN_KEY_TABLE("train", un_train_keys, train_keys);
static const struct un_key_table wra_table = UN_KEY_TABLE("wra", un_wra_keys, wra_keys);
static const struct un_key_table comm_table = UN_KEY_TABLE("comm", un_comm_keys, comm_keys);
static const struct un_key_table valid_table = UN_KEY_TABLE("valid", un_rhythm_keys, valid_keys);
static const struct un_key_table checkpoint_table =
    UN_KEY_TABLE("checkpoint", un_rhythm_keys, checkpoint_keys);
static const struct un_key_table log_table = UN_KEY_TABLE("log", un_rhythm_keys, log_keys);
static const struct un_key_table loader_table = UN_KEY_TABLE("loader", un_loader_keys, loader_keys);

/* Every table of the program and where its struct stands, in the order in which people read them. */
static const struct part {
    const struct un_key_table *table;
    size_t offset;
} parts[] = {
    {&run_table, offsetof(struct un_run_config, run)},
    {&top_table, offsetof(struct un_run_config, top)},
    {&un_model_key_table, offsetof(struct un_run_config, model)},
    {&un_data_key_table, offsetof(struct un_run_config, data)},
    {&train_table, offsetof(struct un_run_config, train)},
    {&wra_table, offsetof(struct un_run_config, wra)},
    {&un_optim_key_table, offsetof(struct un_run_config, optim)},
    {&comm_table, offsetof(struct un_run_config, comm)},
    {&valid_table, offsetof(struct un_run_config, valid)},
    {&checkpoint_table, offsetof(struct un_run_config, checkpoint)},
    {&log_table, offsetof(struct un_run_config, log)},
    {&loader_table, offsetof(struct un_run_config, loader)},
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
