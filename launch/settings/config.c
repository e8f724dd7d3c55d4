/* The joining of all tables (config.h). */
#include "launch/settings/config.h"

#include <stddef.h>
#include <string.h>

/* Every table of the program and where its struct stands, in the order in which people read them. */
static const struct part {
    const struct un_key_table *table;
    size_t offset;
} parts[] = {
    {&un_run_key_table, offsetof(struct un_run_config, run)},
    {&un_device_key_table, offsetof(struct un_run_config, device)},
    {&un_model_key_table, offsetof(struct un_run_config, model)},
    {&un_data_key_table, offsetof(struct un_run_config, data)},
    {&un_train_key_table, offsetof(struct un_run_config, train)},
    {&un_wra_key_table, offsetof(struct un_run_config, wra)},
    {&un_optim_key_table, offsetof(struct un_run_config, optim)},
    {&un_comm_key_table, offsetof(struct un_run_config, comm)},
    {&un_valid_key_table, offsetof(struct un_run_config, valid)},
    {&un_checkpoint_key_table, offsetof(struct un_run_config, checkpoint)},
    {&un_log_key_table, offsetof(struct un_run_config, log)},
    {&un_loader_key_table, offsetof(struct un_run_config, loader)},
};
enum { PARTS = sizeof parts / sizeof *parts };

static enum un_status bind_all(struct un_run_config *c) {
    for (int i = 0; i < PARTS; ++i)
        UN_TRY(un_config_bind(c->document, parts[i].table, (char *)c + parts[i].offset));
    return un_config_finish(c->document);
}

/* What any data set of the list is taught or asked. */
static un_objective_set mixed(const struct un_list *list) {
    const struct un_dataset_keys *keys = list->items;
    un_objective_set set = 0;
    for (int64_t i = 0; i < list->n; ++i)
        for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
            if (keys[i].mix[t] > 0) set |= un_objective_bit((enum un_objective)t);
    return set;
}

/* The heads of a network are those of pretraining, or those of one task: others in the mix share them or are
 * refused. */
static enum un_status settle_heads(struct un_run_config *c) {
    struct un_dims *d = &c->model.dims;
    un_objective_set set = mixed(&c->data.train), tasks = set & ~un_objectives_pretraining();
    un_objective_set two = un_objective_bit(UN_NLVR2_TRIPLET) | un_objective_bit(UN_NLVR2_PAIR) |
                           un_objective_bit(UN_NLVR2_ATTN);
    if (tasks && tasks != set)
        return un_fail(UN_USAGE, "%s: data.train: a task and an objective of pretraining in one run",
                       un_config_where(c->document, "data.train"));
    if (tasks & (tasks - 1))
        return un_fail(UN_USAGE, "%s: data.train: two tasks in one run, but each has a network of its own",
                       un_config_where(c->document, "data.train"));
    d->heads = tasks;
    d->negatives = tasks & un_objective_bit(UN_ITM_HARD) ? c->train.hard_size : 2 * c->train.negatives;
    if (d->type_vocab_size == UN_AUTO && (tasks & two)) d->type_vocab_size = 3;
    if (d->type_vocab_size == UN_AUTO && (tasks & un_objective_bit(UN_VCR))) d->type_vocab_size = 4;
    /* Of pretraining every parameter is updated always; with tasks, and in their second stage, what nothing
     * reaches is left alone. */
    if (tasks || d->type_vocab_size > 2) d->taught = set;
    d->mask_both = c->train.mask == UN_MASK_BOTH;
    return UN_OK;
}

/* A size of 0 is no way to say "none". Earlier versions wrote it for auto, all of them into one file: so all are told. */
static enum un_status check_sizes(const struct un_run_config *c) {
    const char *name[UN_DIMS_SIZES];
    char key[64], more[200] = "";
    const int n = un_dims_zeros(&c->model.dims, name);
    if (n == 0) return UN_OK;
    snprintf(key, sizeof key, "model.%s", name[0]);
    for (int i = 1; i < n; ++i)
        snprintf(more + strlen(more), sizeof more - strlen(more), "%s%s", i == 1 ? "; also for " : ", ",
                 name[i]);
    return un_fail(
        UN_USAGE,
        "%s: %s: 0 is no size of a network; where earlier versions wrote 0 write auto, which takes "
        "that of model.preset%s",
        un_config_where(c->document, key), key, more);
}

/* What auto stands for, so that config.yaml and the log tell it. */
static enum un_status settle_warmup(struct un_run_config *c) {
    enum { MOST = 10000 };
    char text[32];
    if (c->optim.warmup_steps != UN_AUTO) return UN_OK;
    c->optim.warmup_steps = c->train.steps / 10 < MOST ? c->train.steps / 10 : MOST;
    snprintf(text, sizeof text, "%lld", (long long)c->optim.warmup_steps);
    return un_config_note(c->document, "optim.warmup_steps", text,
                          "auto: a tenth of train.steps, 10000 at most");
}

/* Losses are told by the names of the data sets. */
static enum un_status check_names(const struct un_config *d, const struct un_list *list, const char *which) {
    const struct un_dataset_keys *keys = list->items;
    char where[64];
    for (int64_t i = 0; i < list->n; ++i)
        for (int64_t k = 0; k < i; ++k) {
            if (strcmp(keys[i].name, keys[k].name) != 0) continue;
            snprintf(where, sizeof where, "%s.%lld.name", which, (long long)i);
            return un_fail(UN_USAGE,
                           "%s: %s: two data sets are called %s; their losses could not be told apart",
                           un_config_where(d, where), which, keys[i].name);
        }
    return UN_OK;
}

static enum un_status check(const struct un_run_config *c) {
    const struct un_config *d = c->document;
    UN_TRY(check_names(d, &c->data.train, "data.train"));
    UN_TRY(check_names(d, &c->data.valid, "data.valid"));
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
    if (c->valid.retrieval &&
        !(c->model.dims.heads & (un_objective_bit(UN_ITM_RANK) | un_objective_bit(UN_ITM_HARD))))
        return un_fail(UN_USAGE, "%s: valid.retrieval: only itm_rank and itm_hard rank texts and images",
                       un_config_where(d, "valid.retrieval"));
    if (c->optim.warmup_steps >= c->train.steps)
        return un_fail(UN_USAGE, "%s: optim.warmup_steps: %lld is not below train.steps = %lld",
                       un_config_where(d, "optim.warmup_steps"), (long long)c->optim.warmup_steps,
                       (long long)c->train.steps);
    return UN_OK;
}

/* From the document on. */
static enum un_status settle(struct un_run_config *config) {
    UN_TRY(bind_all(config));
    UN_TRY(settle_heads(config));
    UN_TRY(check_sizes(config));
    UN_TRY(un_dims_resolve(&config->model.dims, config->model.preset));
    UN_TRY(settle_warmup(config));
    return check(config);
}

enum un_status un_run_config_read(struct un_run_config *config, const char *path,
                                  const char *const *overrides, int n) {
    memset(config, 0, sizeof *config);
    UN_TRY(un_config_read(&config->document, path, overrides, n));
    return settle(config);
}

enum un_status un_run_config_parse(struct un_run_config *config, const char *name, const char *text) {
    memset(config, 0, sizeof *config);
    UN_TRY(un_config_parse(&config->document, name, text, NULL, 0));
    return settle(config);
}

enum un_status un_run_config_tell(struct un_run_config *config) {
    const struct un_dims *d = &config->model.dims;
    struct un_config *doc = config->document;
    char preset[64];
    snprintf(preset, sizeof preset, "preset %s", un_config_text(doc, "model.preset"));
    const struct {
        const char *key, *why;
        int64_t value;
    } sizes[] = {
        {"model.hidden_size", preset, d->hidden_size},
        {"model.num_hidden_layers", preset, d->num_hidden_layers},
        {"model.num_attention_heads", preset, d->num_attention_heads},
        {"model.intermediate_size", preset, d->intermediate_size},
        {"model.max_position_embeddings", "every preset", d->max_position_embeddings},
        {"model.type_vocab_size", "from the objectives", d->type_vocab_size},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        char value[32];
        snprintf(value, sizeof value, "%lld", (long long)sizes[i].value);
        const char *text = un_config_text(doc, sizes[i].key);
        if (strcmp(text, "auto") == 0) UN_TRY(un_config_note(doc, sizes[i].key, value, sizes[i].why));
    }
    return UN_OK;
}

void un_run_config_free(struct un_run_config *config) {
    un_config_free(config->document);
    config->document = NULL;
}

enum un_status un_run_config_each(const struct un_run_config *config, un_config_visit *visit, void *context) {
    for (int i = 0; i < PARTS; ++i)
        UN_TRY(un_config_each(parts[i].table, (const char *)config + parts[i].offset, visit, context));
    return UN_OK;
}

struct un_plan_keys un_run_config_plan(const struct un_run_config *c) {
    return (struct un_plan_keys){
        .lanes = c->train.lanes,
        .tokens_per_lane = c->train.tokens_per_lane,
        .mixing = c->train.mixing,
        .itm_neg_prob = c->train.itm_neg_prob,
        .mlm_prob = c->train.mlm_prob,
        .mrm_prob = c->train.mrm_prob,
        .mask = c->train.mask,
        .samples_per_lane = c->train.samples_per_lane,
        .negatives = c->train.negatives,
        .hard_ratio = c->train.hard_ratio,
        .typed = c->model.dims.type_vocab_size > 2,
        .seed = (uint64_t)c->run.seed,
    };
}

enum un_status un_run_config_keys(un_key_visit *visit, void *context) {
    for (int i = 0; i < PARTS; ++i) UN_TRY(un_config_keys(&parts[i].table, 1, visit, context));
    return UN_OK;
}

void un_run_config_help(FILE *out) {
    const struct un_key_table *tables[PARTS];
    for (int i = 0; i < PARTS; ++i) tables[i] = parts[i].table;
    un_config_help(out, tables, PARTS);
}
