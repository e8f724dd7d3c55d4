/* The evaluation of a network (evaluate.h). */
#include "launch/train/evaluate.h"

#include "io/checkpoint/best.h"
#include "io/checkpoint/checkpoint.h"
#include "io/checkpoint/folder.h"
#include "launch/job/init_weights.h"
#include "launch/train/results.h"
#include "launch/train/retrieval.h"
#include "launch/train/validate.h"
#include "runtime/memory.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* ---- which sets ---- */

static enum un_status no_such_set(const struct un_dataset_keys *sets, int64_t n, const char *set) {
    const char *names[UN_MAX_DATASETS];
    for (int64_t i = 0; i < n; ++i) names[i] = sets[i].name;
    const char *near = un_config_nearest(set, names, n);
    return un_fail(UN_USAGE, "--eval: data.valid has no set %s%s%s", set, near ? "; did you mean " : "",
                   near ? near : "");
}

/* Files are called after them. */
static enum un_status check_names(const struct un_dataset_keys *sets, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        if (strchr(sets[i].name, '/') || strlen(sets[i].name) > 200)
            return un_fail(UN_USAGE, "--eval: the name of set %s cannot be part of a file's", sets[i].name);
        for (int64_t k = 0; k < i; ++k)
            if (strcmp(sets[i].name, sets[k].name) == 0)
                return un_fail(UN_USAGE, "--eval: two sets of data.valid are called %s", sets[i].name);
    }
    return UN_OK;
}

enum un_status un_evaluate_choose(struct un_job *job, const char *set) {
    struct un_list *valid = &job->config.data.valid;
    struct un_dataset_keys *sets = valid->items;
    job->evaluates = true;
    if (valid->n == 0) return un_fail(UN_USAGE, "--eval: data.valid names no set");
    UN_TRY(check_names(sets, valid->n));
    if (!set) return UN_OK;
    for (int64_t i = 0; i < valid->n; ++i) {
        if (strcmp(sets[i].name, set) != 0) continue;
        if (i > 0) {
            struct un_dataset_keys first = sets[0]; /* exchanged, because both own strings */
            sets[0] = sets[i];
            sets[i] = first;
        }
        valid->n = 1;
        return UN_OK;
    }
    return no_such_set(sets, valid->n, set);
}

/* ---- which parameters ---- */

static enum un_status take_path(struct un_job *job, const char *path) {
    size_t size = sizeof job->config.model.init;
    if (strlen(path) >= size) return un_fail(UN_USAGE, "%s: a path of more than %zu bytes", path, size - 1);
    strcpy(job->config.model.init, path);
    return UN_OK;
}

/* Rank 0's answer into model.init; *step of a checkpoint, 0 of other files. */
static enum un_status choose_best(struct un_job *job, int64_t *step) {
    struct un_checkpoint_best best;
    UN_TRY(un_checkpoint_best_read(job->config.run.dir, &best));
    *step = best.step;
    if (best.step < 0) return UN_OK;
    char path[UN_PATH_MAX];
    UN_TRY(un_checkpoint_folder_path(path, job->config.run.dir, best.step, false));
    return take_path(job, path);
}

/* The step that the name of a checkpoint's folder, or of what it links to, tells; 0 where it tells none. */
static int64_t step_of(const char *path) {
    char real[PATH_MAX];
    if (realpath(path, real)) path = real;
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    return strncmp(name, "step_", 5) == 0 ? strtoll(name + 5, NULL, 10) : 0;
}

static enum un_status choose_parameters(struct un_job *job, const char *how) {
    struct un_comm *comm = job->comm;
    char found[UN_PATH_MAX] = "", *init = job->config.model.init;
    size_t size = sizeof job->config.model.init;
    int64_t step = -1;
    bool automatic = strcmp(how, "auto") == 0;
    UN_TRY(un_comm_agree(comm, automatic && comm->rank == 0 ? choose_best(job, &step) : UN_OK));
    UN_TRY(comm->ops->broadcast(comm, &step, sizeof step, 0));
    if (automatic && step < 0)
        UN_TRY(un_checkpoint_newest(comm, job->config.run.dir, found, sizeof found));
    else if (!automatic && strcmp(how, "none") != 0)
        snprintf(found, sizeof found, "%s", how);
    if (found[0]) UN_TRY(un_comm_alike(comm, take_path(job, found)));
    UN_TRY(comm->ops->broadcast(comm, init, size, 0));
    job->step = step >= 0 ? step : step_of(found);
    if (init[0]) return UN_OK;
    return un_comm_alike(
        comm, un_fail(UN_USAGE, "%s: --eval finds no checkpoint, and model.init names nothing: train first",
                      job->config.run.dir));
}

/* ---- measures ---- */

static void put(struct un_results *r, const char *name, struct un_mean value) {
    if (r->measures == UN_RESULT_MEASURES) return;
    struct un_measure *m = &r->measure[r->measures++];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->value = value;
}

/* Losses and hits of pretraining. Those of tasks are left out: rows without a known truth have a part in them. */
static void put_stats(struct un_results *r, const struct un_stats *total, int64_t set) {
    char name[48];
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        const struct un_tally *tally = &total->by[t][set];
        if (tally->rows <= 0 || un_objectives[t].task) continue;
        snprintf(name, sizeof name, "%s_loss", un_objective_names[t]);
        put(r, name, (struct un_mean){tally->loss, (int64_t)tally->units});
        if (!un_objectives[t].hits) continue;
        snprintf(name, sizeof name, "%s_acc", un_objective_names[t]);
        put(r, name, (struct un_mean){tally->hits, (int64_t)tally->rows});
    }
}

/* Predictions [begin, end): their measures and files. */
static enum un_status tell_task(struct un_results *r, const struct un_prediction *list, int64_t n) {
    struct un_measured m;
    UN_TRY(un_results_take(r, list, n));
    UN_TRY(un_predictions_measure(list, n, r->id, &m));
    for (int i = 0; i < m.n; ++i) put(r, m.name[i], m.value[i]);
    return un_results_write(r);
}

static void put_recalls(struct un_results *r, const struct un_retrieval_score *score) {
    char name[16];
    for (int side = 0; side < 2; ++side) {
        const struct un_mean *recall = side ? score->image : score->text;
        for (int k = 0; k < UN_RECALLS; ++k) {
            un_recall_name(name, side, k);
            put(r, name, recall[k]);
        }
    }
    put(r, "r_mean", (struct un_mean){un_retrieval_mean(score), 1});
}

static enum un_status tell_retrieval(struct un_results *r, const float *score) {
    struct un_retrieval_score recalls;
    UN_TRY(un_results_recalls_of(r, score, &recalls));
    put_recalls(r, &recalls);
    return un_results_write_matrix(r, score, &recalls);
}

static void say(const struct un_results *r) {
    char text[1024] = "";
    for (int64_t i = 0; i < r->measures; ++i) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s %.6g", used ? ", " : "", r->measure[i].name,
                 un_mean_of(r->measure[i].value));
    }
    un_log(UN_LOG_INFO, "evaluation of %s after update %lld: %s", un_dataset_name(r->d),
           (long long)r->job->step, text);
}

/* Rank 0: all of one set. */
static enum un_status tell_set(struct un_job *job, int64_t set, const struct un_validated *v,
                               const float *score) {
    const struct un_predictions *predictions = &v->predictions;
    struct un_results r = {.job = job, .d = job->valid.sets[set]};
    put_stats(&r, &v->total, set);
    enum un_status status = score ? tell_retrieval(&r, score) : UN_OK;
    for (int64_t i = 0, end; i < predictions->n && status == UN_OK; i = end) {
        end = un_predictions_end(predictions, i, true);
        if (predictions->list[i].dataset == set) status = tell_task(&r, predictions->list + i, end - i);
    }
    if (status == UN_OK) status = un_results_write_measures(&r);
    if (status == UN_OK) say(&r);
    un_results_free(&r);
    return status;
}

static void say_memory(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    un_log(UN_LOG_INFO, "memory: %.0f MiB at the peak, %.0f MiB of them counted",
           (double)usage.ru_maxrss / 1024, (double)un_memory_counts().peak_bytes / (1 << 20));
}

static enum un_status evaluate(struct un_job *job, struct un_validated *v) {
    bool ranks = un_retrieval_head(job) != UN_OBJECTIVE_COUNT;
    un_watchdog_phase(job->watchdog, "evaluation", job->step);
    if (!ranks) UN_TRY(un_validate_run(job, !job->quiet, v));
    for (int64_t i = 0; i < job->valid.n; ++i) {
        struct un_retrieval retrieval = {.partial.fd = -1};
        if (ranks) UN_TRY(un_retrieval_matrix(job, i, job->quiet, &retrieval));
        enum un_status status = UN_OK;
        if (job->comm->rank == 0) status = tell_set(job, i, v, retrieval.score);
        un_retrieval_close(&retrieval, status == UN_OK);
        UN_TRY(un_comm_agree(job->comm, status));
    }
    return UN_OK;
}

enum un_status un_evaluate_find(struct un_job *job, const char *how) {
    UN_TRY(choose_parameters(job, how));
    return un_init_weights_sizes(job);
}

enum un_status un_evaluate_run(struct un_job *job) {
    struct un_validated v = {0};
    UN_TRY(un_init_weights_start(job));
    un_job_lower(job);
    enum un_status status = evaluate(job, &v);
    un_validate_free(&v);
    if (status == UN_OK) say_memory();
    return status;
}
