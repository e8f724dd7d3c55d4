/* Validation (validate.h). */
#include "launch/train/validate.h"

#include "launch/job/sizes.h"
#include "launch/train/results.h"
#include "launch/train/retrieval.h"
#include "launch/train/scorer.h"
#include "model/net/network.h"
#include "runtime/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A pass over the sets: where its outputs go, and what is kept of them beside the sums. */
struct pass {
    struct un_job *job;
    struct un_host_outputs *outputs;
    struct un_predictions *predictions; /* NULL: none */
    struct un_progress *progress;       /* samples of this rank's lanes */
};

/* Forward of one micro-batch, added to the lane's sums. */
static enum un_status validate_batch(const struct pass *p, const struct un_loaded *loaded,
                                     struct un_stats *stats) {
    struct un_job *job = p->job;
    UN_TRY(un_forward(job, loaded->batch, p->outputs, NULL));
    un_stats_add(stats, loaded->batch, p->outputs, &job->dims);
    if (!p->predictions) return UN_OK;
    return un_predictions_add(p->predictions, job->valid.plan, &job->caps, loaded, p->outputs);
}

static enum un_status validate_lanes(const struct pass *p, struct un_loader *loader) {
    struct un_job *job = p->job;
    for (int64_t lane = job->lane_begin; lane < job->lane_end; ++lane) {
        struct un_stats *stats = &job->lane_stats[lane - job->lane_begin];
        *stats = (struct un_stats){0};
        for (;;) {
            struct un_loaded loaded;
            UN_TRY(un_loader_next(loader, &loaded));
            bool over = loaded.batch->samples == 0;
            enum un_status status = over ? UN_OK : validate_batch(p, &loaded, stats);
            un_loader_release(loader, &loaded);
            UN_TRY(status);
            if (over) break;
            un_progress_add(p->progress, loaded.n_samples);
        }
    }
    return UN_OK;
}

static enum un_status validate_local(const struct pass *p) {
    struct un_job *job = p->job;
    struct un_loader *loader = NULL;
    struct un_loader_setup setup;
    struct un_lane_state *states =
        un_alloc((size_t)job->config.train.lanes, sizeof *states, "states of validation lanes");
    if (!states) return un_error_get()->status;
    for (int64_t lane = 0; lane < job->config.train.lanes; ++lane)
        un_plan_start(job->valid.plan, lane, &states[lane]);
    un_job_loader_setup(job, job->valid.plan, UN_RNG_VALID, job->config.loader.ahead + 1, states, &setup);
    enum un_status status = un_loader_open(&loader, &setup);
    if (status == UN_OK) status = validate_lanes(p, loader);
    un_loader_close(loader);
    un_free(states);
    return status;
}

/* Outputs of its own, so that the steps of a training do not fetch scores. */
static enum un_status validate_tasks(struct un_job *job, struct un_predictions *predictions,
                                     struct un_progress *progress) {
    struct un_host_outputs outputs;
    const struct pass pass = {job, &outputs, predictions, progress};
    int64_t cols[UN_OBJECTIVE_COUNT];
    un_model_score_cols(job->model, cols);
    UN_TRY(un_host_outputs_open(&outputs, job->device, &job->caps, true));
    enum un_status status = un_host_outputs_keep_scores(&outputs, job->device, &job->caps, cols);
    if (status == UN_OK) status = validate_local(&pass);
    un_host_outputs_close(&outputs, job->device);
    return status;
}

bool un_validate_tasks(const struct un_job *job) {
    int64_t n;
    const struct un_stream *streams = un_plan_streams(job->valid.plan, &n);
    for (int64_t i = 0; i < n; ++i)
        if (un_objectives[streams[i].objective].task) return true;
    return false;
}

static void add_recalls(struct un_retrieval_score *sum, const struct un_retrieval_score *of) {
    for (int k = 0; k < UN_RECALLS; ++k) {
        sum->image[k].sum += of->image[k].sum;
        sum->image[k].n += of->image[k].n;
        sum->text[k].sum += of->text[k].sum;
        sum->text[k].n += of->text[k].n;
    }
}

/* Rank 0 has the matrices, so it counts for all. */
static enum un_status validate_retrieval(struct un_job *job, struct un_retrieval_score *recalls) {
    struct un_comm *comm = job->comm;
    for (int64_t i = 0; i < job->valid.n; ++i) {
        struct un_retrieval retrieval;
        UN_TRY(un_retrieval_matrix(job, i, true, &retrieval));
        struct un_results of = {.job = job, .d = job->valid.sets[i]};
        struct un_retrieval_score one = {0};
        enum un_status status = comm->rank == 0 ? un_results_recalls_of(&of, retrieval.score, &one) : UN_OK;
        un_retrieval_close(&retrieval, status == UN_OK);
        UN_TRY(un_comm_agree(comm, status));
        add_recalls(recalls, &one);
    }
    return comm->ops->broadcast(comm, recalls, sizeof *recalls, 0);
}

/* Lanes have like parts of every stream. */
static int64_t samples_of(const struct un_job *job) {
    int64_t n, all = 0;
    (void)un_plan_streams(job->valid.plan, &n);
    for (int64_t i = 0; i < n; ++i) all += un_plan_epoch_samples(job->valid.plan, i);
    return all * (job->lane_end - job->lane_begin) / job->config.train.lanes;
}

enum un_status un_validate_run(struct un_job *job, bool tells, struct un_validated *out) {
    struct un_progress progress;
    un_progress_open_work(&progress, samples_of(job), 1, "sample", tells && job->comm->rank == 0);
    const struct pass plain = {job, &job->receiver.outputs[0], NULL, &progress};
    *out = (struct un_validated){0};
    bool tasks = un_validate_tasks(job);
    enum un_status status =
        tasks ? validate_tasks(job, &out->predictions, &progress) : validate_local(&plain);
    un_progress_clear(&progress);
    UN_TRY(un_comm_agree(job->comm, status));
    if (tasks) UN_TRY(un_predictions_gather(&out->predictions, job->comm));
    UN_TRY(un_job_gather_stats(job, &out->total));
    bool retrieval = job->config.valid.retrieval && !job->evaluates;
    return retrieval ? validate_retrieval(job, &out->recalls) : UN_OK;
}

void un_validate_free(struct un_validated *v) {
    un_predictions_free(&v->predictions);
}

static void put(struct un_metrics *metrics, char *text, size_t size, const char *key, double value) {
    char full[80];
    snprintf(full, sizeof full, "valid/%s", key);
    un_metrics_put(metrics, full, value);
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s %.4g", used ? ", " : "", key, value);
}

/* The measures of the predictions of objective t over all data sets; n 0: there are none. */
static struct un_measured measures_of(const struct un_predictions *predictions, int t) {
    struct un_measured m = {0};
    for (int64_t i = 0, end; i < predictions->n; i = end) {
        end = un_predictions_end(predictions, i, false);
        if (predictions->list[i].objective != t) continue;
        /* without identifiers nothing is asked that can fail */
        (void)un_predictions_measure(predictions->list + i, end - i, NULL, &m);
    }
    return m;
}

static void put_objective(const struct un_validated *v, int t, struct un_metrics *metrics, char *text,
                          size_t size) {
    char key[64];
    struct un_tally tally = un_stats_total(&v->total, (enum un_objective)t);
    if (tally.rows <= 0) return;
    snprintf(key, sizeof key, "%s_loss", un_objective_names[t]);
    put(metrics, text, size, key, tally.loss / tally.units);
    if (un_objectives[t].task) {
        struct un_measured m = measures_of(&v->predictions, t);
        for (int i = 0; i < m.n; ++i) {
            if (m.value[i].n == 0) continue;
            snprintf(key, sizeof key, "%s_acc", un_objective_names[t]);
            put(metrics, text, size, i ? m.name[i] : key, un_mean_of(m.value[i]));
        }
    } else if (un_objectives[t].hits) {
        snprintf(key, sizeof key, "%s_acc", un_objective_names[t]);
        put(metrics, text, size, key, tally.hits / tally.rows);
    }
}

static void put_recalls(const struct un_retrieval_score *s, struct un_metrics *metrics, char *text,
                        size_t size) {
    char key[16];
    if (s->image[0].n == 0) return;
    for (int side = 0; side < 2; ++side)
        for (int k = 0; k < UN_RECALLS; ++k) {
            un_recall_name(key, side, k);
            put(metrics, text, size, key, un_mean_of(side ? s->image[k] : s->text[k]));
        }
    put(metrics, text, size, "r_mean", un_retrieval_mean(s));
}

double un_validate_best(const struct un_job *job, const struct un_validated *v, const char **name) {
    double sum = 0;
    int n = 0;
    *name = "r_mean";
    if (v->recalls.image[0].n > 0) return un_retrieval_mean(&v->recalls);
    *name = "valid/loss, negative";
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        struct un_measured m = measures_of(&v->predictions, t);
        if (m.n == 0 || m.value[0].n == 0) continue;
        sum += un_mean_of(m.value[0]);
        ++n;
        *name = un_objective_names[t];
    }
    if (n > 0) return sum / n;
    if (v->predictions.n > 0) return NAN; /* a task, but nothing that is right is known */
    return -un_stats_loss(&v->total, job->weight, job->summed, job->config.train.itm_ot_lambda);
}

void un_validate_report(const struct un_job *job, const struct un_validated *v, struct un_metrics *metrics,
                        char *text, size_t size) {
    const struct un_stats *total = &v->total;
    text[0] = '\0';
    put(metrics, text, size, "loss",
        un_stats_loss(total, job->weight, job->summed, job->config.train.itm_ot_lambda));
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) put_objective(v, t, metrics, text, size);
    put_recalls(&v->recalls, metrics, text, size);
    if (total->pairs_pos > 0) put(metrics, text, size, "itm_ot_pos", total->ot_pos / total->pairs_pos);
    if (total->pairs_neg > 0) put(metrics, text, size, "itm_ot_neg", total->ot_neg / total->pairs_neg);
    if (total->align_words <= 0) return;
    put(metrics, text, size, "align_acc", total->align_hits / total->align_words);
    put(metrics, text, size, "align_chance", total->align_chance / total->align_words);
}
