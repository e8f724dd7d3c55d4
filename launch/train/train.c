/* The training run (train.h): the order of a run in time. */
#include "launch/train/train.h"

#include "io/run/progress.h"
#include "launch/job/changes.h"
#include "launch/job/folder.h"
#include "launch/job/init_weights.h"
#include "launch/job/memory.h"
#include "launch/job/part.h"
#include "launch/job/sizes.h"
#include "launch/train/guard.h"
#include "launch/train/line.h"
#include "launch/train/mine.h"
#include "launch/train/norms.h"
#include "launch/train/rate.h"
#include "launch/train/saver.h"
#include "launch/train/step.h"
#include "launch/train/validate.h"
#include "launch/train/warm.h"
#include "runtime/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct run {
    struct un_job *job;
    struct un_metrics *metrics; /* rank 0 only, as the next */
    struct un_events *events;   /* NULL: log.tensorboard is off */
    struct un_summary summary;
    struct un_progress progress;
    char text[512]; /* of the progress, since the last line of the log */
    double machine; /* FLOP/s; 0: not measured */
    struct un_interval interval;
    struct un_norms *norms; /* all ranks; NULL: log.histograms is 0 */
    enum un_status trouble; /* of the log; told to all ranks in a later step */
    int64_t skipped_in_row, skipped_loss, skipped_gradient; /* updates, of this start */
    struct un_warming *warming;                             /* data.warm; NULL: nothing is read ahead */
    struct un_saver saver;
};

static bool leads(const struct run *r) {
    return r->job->comm->rank == 0;
}

/* Ranks learn of each other's failures between stages that have no collectives inside. */
static enum un_status agree(struct run *r, enum un_status mine) {
    return un_comm_agree(r->job->comm, mine);
}

/* For what comes to the same on all ranks. */
static enum un_status alike(struct run *r, enum un_status status) {
    return un_comm_alike(r->job->comm, status);
}

static enum un_status resume_from(struct run *r, const char *how) {
    bool found = false;
    struct un_changes changes = {0};
    if (leads(r)) un_changes_find(&changes, r->job, how);
    enum un_status status = alike(r, un_saver_resume(&r->saver, how, &found));
    if (found || status == UN_USAGE) un_changes_say(&changes, r->job, found);
    un_changes_free(&changes);
    UN_TRY(status);
    if (!found) UN_TRY(alike(r, un_init_weights_start(r->job)));
    if (!found) un_job_lower(r->job);
    return UN_OK;
}

/* The log is on the disk before a checkpoint that is resumed from its lines; a line that cannot be written stops no save. */
static enum un_status save(struct run *r, bool finish) {
    UN_ASSERT(!r->job->pending.is);
    UN_TRY(un_guard_compare(r->job->guard));
    enum un_status status = un_metrics_sync(r->metrics);
    if (r->trouble == UN_OK) r->trouble = status;
    return finish ? un_saver_finish(&r->saver) : un_saver_begin(&r->saver);
}

/* ---- the log ---- */

static void put_skips(const struct run *r) {
    if (r->skipped_loss) un_metrics_put_i64(r->metrics, "skipped/loss", r->skipped_loss);
    if (r->skipped_gradient) un_metrics_put_i64(r->metrics, "skipped/gradient", r->skipped_gradient);
}

/* What saves cost the training, by step, and how long the newest that has come to its end took beside it. */
static void put_saves(struct run *r) {
    double took = un_checkpoint_writer_seconds(r->saver.writer);
    un_metrics_put(r->metrics, "ms/checkpoint", r->saver.stall / (double)r->interval.steps * 1e3);
    if (took > 0) un_metrics_put(r->metrics, "ms/save", took * 1e3);
    r->saver.stall = 0;
}

/* Only rank 0 writes; a failure is kept until all ranks meet. The first one counts. */
static void end_line(struct run *r) {
    enum un_status status = un_metrics_end(r->metrics);
    if (r->trouble == UN_OK) r->trouble = status;
}

/* One line for the steps since the last one; the losses and the norm are those of this step. Collective. */
static enum un_status log_step(struct run *r, double grad_norm) {
    struct un_job *job = r->job;
    struct un_stats total;
    UN_TRY(un_job_gather_stats(job, &total));
    double now = un_clock();
    struct un_interval *v = &r->interval;
    if (leads(r)) {
        un_metrics_begin(r->metrics, job->step);
        un_line_losses(r->metrics, job, &total);
        un_metrics_put(r->metrics, "lr", un_optim_lr(&job->config.optim, job->step, job->config.train.steps));
        un_metrics_put(r->metrics, "grad_norm", grad_norm);
        un_metrics_put(r->metrics, "tokens", total.tokens);
        un_metrics_put(r->metrics, "samples", total.samples);
        un_metrics_put(r->metrics, "sequences", total.sequences);
        put_skips(r);
        un_line_times(r->metrics, v, now, un_exchange_times(&job->exchange).waited >= 0);
        put_saves(r);
        end_line(r);
        un_line_text(job, &total, v, now, r->machine, r->text, sizeof r->text);
        un_progress_step(&r->progress, job->step, r->text, false);
    }
    *v = (struct un_interval){.since = now};
    return UN_OK;
}

/* Collective. */
static enum un_status log_norms(struct run *r) {
    UN_TRY(un_norms_take(r->norms));
    if (!leads(r)) return UN_OK;
    enum un_status status = un_norms_log(r->norms, r->metrics, r->events);
    if (r->trouble == UN_OK) r->trouble = status;
    return UN_OK;
}

/* Remembers that the checkpoint to come is the best so far; all ranks come to the same answer. */
static void judge(struct run *r, const struct un_validated *v) {
    const char *name;
    double measure = un_validate_best(r->job, v, &name);
    if (!r->job->config.checkpoint.best || !un_saver_improves(&r->saver, measure)) return;
    un_saver_best(&r->saver, measure);
    un_log(UN_LOG_INFO, "best so far: %s %.6g after update %lld", name, measure, (long long)r->job->step);
}

static enum un_status validate(struct run *r) {
    struct un_job *job = r->job;
    if (!job->valid.plan) return UN_OK;
    un_watchdog_phase(job->watchdog, "validation", job->step);
    double start = un_clock();
    struct un_validated v;
    UN_TRY(un_exchange_settle(&job->exchange));
    enum un_status status = un_validate_run(job, false, &v);
    if (status == UN_OK && leads(r)) {
        char text[768];
        un_metrics_begin(r->metrics, job->step);
        un_validate_report(job, &v, r->metrics, text, sizeof text);
        end_line(r);
        un_progress_clear(&r->progress);
        un_log(UN_LOG_INFO, "validation after update %lld: %s", (long long)job->step, text);
    }
    if (status == UN_OK) judge(r, &v);
    un_validate_free(&v);
    r->interval.valid += un_clock() - start;
    return status;
}

/* ---- the loop ---- */

static bool due(int64_t every, int64_t step) {
    return every > 0 && step % every == 0;
}

/* All ranks come to the same answer: the norm that skipped the update and the words behind it are the same
 * on all of them. */
static enum un_status count_skip(struct run *r, const struct un_step_outcome *outcome) {
    if (outcome->step == 0) return UN_OK;
    if (outcome->skip == UN_OPTIM_DONE) {
        r->skipped_in_row = 0;
        return UN_OK;
    }
    bool loss = outcome->skip == UN_OPTIM_BAD_LOSS;
    ++*(loss ? &r->skipped_loss : &r->skipped_gradient);
    const char *what = loss ? "a loss" : "the gradient";
    un_log(UN_LOG_INFO, "update %lld skipped: %s is not finite", (long long)outcome->step, what);
    if (++r->skipped_in_row < r->job->config.train.max_skipped) return UN_OK;
    return alike(
        r, un_fail(UN_INTERNAL,
                   "no update for %lld steps in a row (train.max_skipped): %s was not finite in the last, "
                   "step %lld; %lld steps of this start had such losses, %lld only such a gradient",
                   (long long)r->skipped_in_row, what, (long long)outcome->step, (long long)r->skipped_loss,
                   (long long)r->skipped_gradient));
}

static enum un_status stop_early(struct run *r) {
    UN_TRY(save(r, true));
    UN_TRY(agree(r, r->trouble));
    return alike(
        r, un_fail(UN_STOPPED,
                   "stopped by a signal after update %lld of %lld; start the same command again to go on",
                   (long long)r->job->step, (long long)r->job->config.train.steps));
}

/* Gathering is needed when a line is due; all ranks come to the same answer. */
static bool line_due(const struct un_job *job) {
    return due(job->config.log.every, job->step) || job->step == 1 || job->step == job->config.train.steps;
}

/* Is the step looked at before the next is computed? All ranks come to the same answer. */
static bool looked_at(const struct un_job *job) {
    const struct un_run_config *c = &job->config;
    return line_due(job) || due(c->log.histograms, job->step) || due(c->valid.every, job->step) ||
           due(c->checkpoint.every, job->step);
}

/* Waits for the step done last, whose numbers come with *outcome. */
static enum un_status settle(struct run *r, struct un_step_outcome *outcome) {
    UN_TRY(un_step_settle(r->job, outcome, &r->interval.seconds[UN_PHASE_UPDATE]));
    return count_skip(r, outcome);
}

static enum un_status one_step(struct run *r, bool *stop) {
    struct un_job *job = r->job;
    struct un_step_result result;
    struct un_step_outcome outcome;
    if (r->trouble == UN_OK) r->trouble = un_saver_trouble(&r->saver);
    un_memory_freeze(true);
    enum un_status status = un_step_run(job, r->trouble, &result);
    un_memory_freeze(false);
    UN_TRY(status);
    *stop = result.stop;
    if (result.stop) return settle(r, &outcome);
    un_line_add(&r->interval, job, &result);
    UN_TRY(un_guard_step(job->guard));
    UN_TRY(count_skip(r, &result.before));
    if (looked_at(job)) UN_TRY(settle(r, &outcome));
    if (line_due(job))
        UN_TRY(log_step(r, outcome.grad_norm));
    else if (r->progress.terminal)
        un_progress_step(&r->progress, job->step, r->text, false);
    if (due(job->config.log.histograms, job->step)) UN_TRY(log_norms(r));
    return UN_OK;
}

static enum un_status loop(struct run *r) {
    struct un_job *job = r->job;
    const struct un_run_config *c = &job->config;
    while (job->step < c->train.steps) {
        bool stop = false;
        UN_TRY(one_step(r, &stop));
        if (stop) return stop_early(r);
        if (due(c->valid.every, job->step) && job->step < c->train.steps) UN_TRY(validate(r));
        bool last = job->step == c->train.steps; /* its save waits for its validation */
        if ((due(c->checkpoint.every, job->step) || un_saver_is_best(&r->saver)) && !last)
            UN_TRY(save(r, false));
    }
    UN_TRY(validate(r));
    UN_TRY(save(r, true));
    return agree(r, r->trouble); /* no step follows that would tell the others */
}

static void say_start(const struct run *r) {
    const struct un_job *job = r->job;
    struct un_memory_plan memory;
    if (un_job_memory(job, &memory) != UN_OK) return;
    un_log(UN_LOG_INFO,
           "%s: %lld parameters, %lld lanes of %lld tokens on %d rank%s, %s; about %.2f GiB a rank",
           job->config.run.dir, (long long)job->table->trained, (long long)job->config.train.lanes,
           (long long)job->config.train.tokens_per_lane, job->comm->size, job->comm->size > 1 ? "s" : "",
           job->device->name, (double)memory.total / (1 << 30));
    un_topology_say(&job->topology, job->comm, job->device, job->config.train.lanes, un_job_most_lanes(job));
    un_job_say_cache(job);
    int64_t n = job->comm->size;
    if (n > 1)
        un_log(UN_LOG_INFO,
               "optimizer: each rank updates a part, %.2f MiB of state at most; communication %s "
               "computation, %s",
               (double)memory.moments / (1 << 20),
               un_exchange_beside(&job->exchange) ? "beside the" : "and then",
               un_exchange_way(&job->exchange));
    bool tree = (n & (n - 1)) == 0 && (job->config.train.lanes & (job->config.train.lanes - 1)) == 0;
    if (job->config.train.exact && n > 1 && !tree)
        un_log(UN_LOG_INFO,
               "train.exact: %lld lanes on %lld ranks are not both powers of two, so losses equal those of "
               "other rank counts to rounding only",
               (long long)job->config.train.lanes, (long long)n);
}

static enum un_status open_log(struct run *r) {
    if (!leads(r)) return UN_OK;
    UN_TRY(un_folder_write_config(r->job));
    char path[512];
    snprintf(path, sizeof path, "%s/log/metrics.jsonl", r->job->config.run.dir);
    UN_TRY(un_folder_add_start(r->job));
    UN_TRY(un_metrics_open(&r->metrics, path, r->job->step));
    un_metrics_guard(r->metrics, &r->job->owner);
    if (r->job->config.log.tensorboard) UN_TRY(un_folder_open_events(r->job, &r->events));
    un_metrics_events(r->metrics, r->events);
    un_metrics_summary(r->metrics, &r->summary);
    return UN_OK;
}

/* The folder is ours before a checkpoint is looked for: nobody else writes one from here on. */
static enum un_status start(struct run *r, const char *resume) {
    un_watchdog_phase(r->job->watchdog, "resume", 0);
    UN_TRY(agree(r, un_saver_open(&r->saver, r->job)));
    UN_TRY(resume_from(r, resume));
    UN_TRY(un_guard_open(&r->job->guard, r->job));
    UN_TRY(un_guard_compare(r->job->guard));
    enum un_status status = open_log(r);
    if (status == UN_OK) status = un_norms_open(&r->norms, r->job);
    if (status == UN_OK) status = un_mine_open(&r->job->mine, r->job);
    UN_TRY(agree(r, status));
    if (r->job->step < r->job->config.train.steps)
        UN_TRY(un_warming_open(&r->warming, r->job, leads(r) && !r->job->quiet));
    UN_TRY(agree(r, un_job_start_loader(r->job)));
    say_start(r);
    return UN_OK;
}

static void finish(const struct run *r) {
    un_log(UN_LOG_INFO, "done: %lld updates; parameters %s; results in %s", (long long)r->job->step,
           r->saver.checkpoint.param_digest, r->job->config.run.dir);
}

enum un_status un_train_run(struct un_job *job, const char *resume) {
    struct run r = {.job = job};
    enum un_status status;
    UN_TRY_GOTO(start(&r, resume), out);
    un_progress_open(&r.progress, job->step, job->config.train.steps, leads(&r) && !job->quiet);
    UN_TRY_GOTO(un_rate_measure(job, r.progress.enabled && r.progress.terminal, &r.machine), out);
    r.interval.since = un_clock();
    if (job->step >= job->config.train.steps)
        un_log(UN_LOG_INFO, "%s is complete: update %lld of %lld", job->config.run.dir, (long long)job->step,
               (long long)job->config.train.steps);
    else
        status = loop(&r);
out:
    un_progress_close(&r.progress);
    un_warming_close(r.warming);
    un_mine_close(&job->mine);
    un_guard_close(job->guard);
    job->guard = NULL;
    un_norms_close(r.norms);
    bool told = status == UN_OK || status == UN_STOPPED;
    if (told && leads(&r) && !job->quiet) un_summary_print(&r.summary, stderr);
    if (status == UN_OK && leads(&r)) finish(&r);
    un_metrics_close(r.metrics);
    un_events_close(r.events);
    bool together = status == UN_OK || un_comm_agreed(job->comm);
    un_saver_close(&r.saver, together);
    return together ? un_comm_alike(job->comm, status) : status; /* closing has agreed on things of its own */
}
