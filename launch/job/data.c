/* The data stage of a job: configuration, data sets, the network's sizes, the plans. Ranks of a host share the indices of the data
 * sets, so that all open one after the other together. */
#include "launch/job/job.h"

#include "io/feed/sequence.h"
#include "io/run/progress.h"
#include "runtime/larger.h"

#include <stdio.h>
#include <string.h>

void un_job_default_valid_mix(struct un_run_config *config) {
    double taught[UN_OBJECTIVE_COUNT] = {0};
    const struct un_dataset_keys *train = config->data.train.items;
    for (int64_t i = 0; i < config->data.train.n; ++i)
        for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
            if (train[i].mix[t] > 0) taught[t] = 1;
    struct un_dataset_keys *valid = config->data.valid.items;
    for (int64_t i = 0; i < config->data.valid.n; ++i) {
        double sum = 0;
        for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) sum += valid[i].mix[t];
        if (sum <= 0) memcpy(valid[i].mix, taught, sizeof taught);
    }
}

/* comm.backend is a statement about how the program was started; a start that contradicts it is refused. */
static enum un_status check_backend(const struct un_run_config *c, const struct un_comm *comm) {
    const char *asked = un_backend_names[c->comm.backend];
    const char *start = c->comm.backend == UN_BACKEND_NCCL ? un_backend_names[UN_BACKEND_MPI] : asked;
    if (c->comm.backend == UN_BACKEND_AUTO || strcmp(start, comm->name) == 0) return UN_OK;
    return un_fail(
        UN_USAGE,
        "%s: comm.backend is %s, but this start gives %s with %d rank%s (mpi and nccl need mpirun or "
        "srun, more than one rank, and a build with MPI)",
        un_config_where(c->document, "comm.backend"), asked, comm->name, comm->size,
        comm->size > 1 ? "s" : "");
}

/* What opening goes on with from one data set to the next. */
struct opening {
    struct un_progress progress;
    struct un_dataset_host *host; /* NULL: no rank shares a host with another */
};

static enum un_status open_plan(struct un_job *job, struct un_split *split, bool valid) {
    struct un_run_config *c = &job->config;
    if (split->n == 0) return UN_OK;
    struct un_plan_keys plan = un_run_config_plan(c);
    plan.evaluate = valid && job->evaluates;
    if (plan.evaluate && (job->dims.heads & un_objective_bit(UN_VCR))) /* a question is judged as a whole */
        plan.tokens_per_lane = un_larger(plan.tokens_per_lane, UN_MAX_GROUP * UN_MAX_SAMPLE_TOKENS);
    return un_plan_open(&split->plan, split->sets, split->keys, split->n, &plan, valid);
}

/* After each data set all know whether all have it, so that none waits for one that has failed. */
static enum un_status open_split(struct un_job *job, struct un_split *split, const struct un_list *list,
                                 bool valid, struct opening *o) {
    struct un_run_config *c = &job->config;
    struct un_data_keys data = c->data;
    if (valid && (job->evaluates || c->valid.retrieval)) data.max_txt_len = 0;
    split->keys = list->items;
    for (split->n = 0; split->n < list->n; ++split->n) {
        const struct un_dataset_keys *keys = &split->keys[split->n];
        UN_TRY(un_comm_agree(job->comm,
                             un_dataset_open(&split->sets[split->n], keys, &data, c->train.lanes,
                                             un_objective_mix_needs_soft_labels(keys->mix), valid, o->host)));
        un_progress_add(&o->progress, 1);
    }
    return un_comm_agree(job->comm, open_plan(job, split, valid));
}

/* Said once, by the lowest of the ranks that had to read what their host had read already. Collective. */
static enum un_status say_own(const struct un_job *job, const struct un_dataset_host *host) {
    struct un_comm *comm = job->comm;
    int64_t ranks = host->own > 0, lowest = ranks ? comm->size - comm->rank : 0;
    UN_TRY(comm->ops->sum_i64(comm, &ranks, 1));
    if (ranks == 0) return UN_OK;
    UN_TRY(comm->ops->max_i64(comm, &lowest, 1));
    if (comm->rank == comm->size - lowest)
        un_log(UN_LOG_WARN,
               "%lld of %d ranks could not share the index of a data set that another rank of their host "
               "had read, and have read it themselves, which costs time and memory, nothing else (here: %s)",
               (long long)ranks, comm->size, host->why);
    return UN_OK;
}

/* A size that nobody has told yet. */
static enum un_status take(struct un_job *job, const char *key, int64_t *size, int64_t told,
                           const char *from) {
    char value[32], why[320];
    if (told == 0 || *size != 0) return UN_OK;
    *size = told;
    snprintf(value, sizeof value, "%lld", (long long)told);
    snprintf(why, sizeof why, "from %s", from);
    return un_config_note(job->config.document, key, value, why);
}

/* Takes a size from the data, or checks that the configuration says the same. */
static enum un_status settle(struct un_job *job, const char *key, int64_t *size, int64_t data,
                             const char *name) {
    if (data == 0 || *size == data) return UN_OK;
    if (*size != 0)
        return un_fail(UN_USAGE, "%s: %s is %lld, but data set %s has %lld",
                       un_config_where(job->config.document, key), key, (long long)*size, name,
                       (long long)data);
    char from[300];
    snprintf(from, sizeof from, "data set %s", name);
    return take(job, key, size, data, from);
}

/* What sequences of several parts need of the network. */
static enum un_status settle_sequences(const struct un_job *job, const struct un_plan *plan) {
    const struct un_dims *d = &job->dims;
    const char *list = un_plan_is_valid(plan) ? "data.valid" : "data.train";
    struct un_plan_extent extent = un_plan_extent(plan);
    if (extent.most_words > d->max_position_embeddings)
        return un_fail(
            UN_USAGE,
            "%s: a sequence of %lld words is longer than model.max_position_embeddings = %lld; lower "
            "data.max_txt_len",
            list, (long long)extent.most_words, (long long)d->max_position_embeddings);
    if (d->type_vocab_size > 2 && un_plan_types(plan) > d->type_vocab_size)
        return un_fail(UN_USAGE,
                       "%s: its words and regions have %d token types, model.type_vocab_size is %lld", list,
                       un_plan_types(plan), (long long)d->type_vocab_size);
    return UN_OK;
}

static enum un_status settle_split(struct un_job *job, const struct un_split *split) {
    struct un_dims *d = &job->dims;
    const struct un_dataset *model = un_job_split(job)->sets[0];
    const struct un_dataset_info *first = un_dataset_info(model);
    for (int64_t i = 0; i < split->n; ++i) {
        const struct un_dataset_info *info = un_dataset_info(split->sets[i]);
        const char *name = un_dataset_name(split->sets[i]);
        UN_TRY(settle(job, "model.vocab_size", &d->vocab_size, info->vocab.vocab_size, name));
        UN_TRY(settle(job, "model.img_dim", &d->img_dim, info->img_dim, name));
        UN_TRY(settle(job, "model.img_label_dim", &d->img_label_dim, info->img_label_dim, name));
        if (job->dims.heads & un_objective_bit(UN_VQA))
            UN_TRY(settle(job, "model.num_labels", &d->num_labels, info->num_answers, name));
        UN_TRY(un_vocab_agree(&info->vocab, name, &first->vocab, un_dataset_name(model)));
        if (info->longest_text + 2 > d->max_position_embeddings)
            return un_fail(UN_USAGE,
                           "data set %s: a text of %lld words and [CLS], [SEP] is longer than "
                           "model.max_position_embeddings = %lld; lower data.max_txt_len",
                           name, (long long)info->longest_text, (long long)d->max_position_embeddings);
        if (info->feature_type != first->feature_type)
            return un_fail(UN_DATA, "data set %s: features are %s, those of the first data set are not", name,
                           info->feature_type == UN_F16 ? "f16" : "f32");
    }
    return split->plan ? settle_sequences(job, split->plan) : UN_OK;
}

const struct un_split *un_job_split(const struct un_job *job) {
    return job->evaluates ? &job->valid : &job->train;
}

void un_job_caps(const struct un_job *job, int64_t tokens, struct un_batch_caps *c) {
    const struct un_dims *d = &job->dims;
    if (job->evaluates) tokens = un_larger(tokens, un_plan_keys(job->valid.plan)->tokens_per_lane);
    un_pack_caps_of(un_job_split(job)->plan, tokens, d->img_dim, d->img_label_dim, c);
    if (job->evaluates || !job->valid.plan) return;
    struct un_batch_caps v;
    un_pack_caps_of(job->valid.plan, tokens, d->img_dim, d->img_label_dim, &v);
    c->tokens = un_larger(c->tokens, v.tokens);
    c->samples = un_larger(c->samples, v.samples);
    c->words = un_larger(c->words, v.words);
    c->regions = un_larger(c->regions, v.regions);
    c->plan = un_larger(c->plan, v.plan);
    c->soft_labels = c->soft_labels || v.soft_labels;
    c->tasks |= v.tasks;
    c->num_labels = un_larger(c->num_labels, v.num_labels);
    c->typed = c->typed || v.typed;
}

enum un_status un_job_configure(struct un_job *job, const char *path, const char *const *overrides, int n) {
    *job = (struct un_job){.owner.lock = -1};
    return un_run_config_read(&job->config, path, overrides, n);
}

static enum un_status open_both(struct un_job *job, struct un_dataset_host *host) {
    const struct un_data_keys *data = &job->config.data;
    struct opening o = {.host = host};
    enum un_status status = UN_OK;
    un_progress_open_work(&o.progress, (job->evaluates ? 0 : data->train.n) + data->valid.n, 1, "data set",
                          job->comm->rank == 0 && !job->quiet);
    if (!job->evaluates) status = open_split(job, &job->train, &data->train, false, &o);
    if (status == UN_OK) status = open_split(job, &job->valid, &data->valid, true, &o);
    un_progress_clear(&o.progress);
    return status;
}

static enum un_status open_sets(struct un_job *job) {
    struct un_comm *comm = job->comm;
    struct un_dataset_host host = {0};
    if (comm->nodes == comm->size) return open_both(job, NULL);
    UN_TRY(comm->ops->split(comm, comm->node, &host.comm));
    if (comm->pulses) un_pulse_watch(host.comm, comm->pulses);
    enum un_status status = open_both(job, &host);
    if (status == UN_OK) status = say_own(job, &host);
    comm->broken = comm->broken || host.comm->broken;
    un_comm_close(host.comm);
    return status;
}

static enum un_status open_splits(struct un_job *job) {
    struct un_run_config *c = &job->config;
    un_job_default_valid_mix(c);
    job->dims = c->model.dims;
    UN_TRY(open_sets(job));
    UN_TRY(settle_split(job, &job->train));
    UN_TRY(settle_split(job, &job->valid));
    /* Without soft labels among the data the weights tell how many classes there are. */
    if (job->evaluates)
        UN_TRY(take(job, "model.img_label_dim", &job->dims.img_label_dim, job->told.img_label_dim,
                    c->model.init));
    if (job->dims.img_label_dim == 0) job->dims.img_label_dim = 1601; /* the head of the released weights */
    return UN_OK;
}

enum un_status un_job_open_data(struct un_job *job, struct un_comm *comm) {
    job->comm = comm;
    struct un_run_config *c = &job->config;
    UN_TRY(check_backend(c, comm));
    if (comm->size > c->train.lanes)
        return un_fail(UN_USAGE, "%d ranks for train.lanes = %lld: a rank needs at least one lane",
                       comm->size, (long long)c->train.lanes);
    UN_TRY(open_splits(job));
    un_job_caps(job, c->train.tokens_per_lane, &job->caps);
    if (c->train.mixing == UN_MIXING_SAMPLE && !job->evaluates)
        un_plan_weights(job->train.plan, job->weight);
    else
        for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) job->weight[t] = 1;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        job->weight[t] *= c->train.loss_scale;
        if (un_objectives[t].summed && !c->train.re_mean)
            job->summed |= un_objective_bit((enum un_objective)t);
    }
    job->lane_begin = un_lane_begin(c->train.lanes, comm->rank, comm->size);
    job->lane_end = un_lane_begin(c->train.lanes, comm->rank + 1, comm->size);
    return UN_OK;
}
