/* The checkpoints of a run (saver.h). Law: the copy belongs to the writer from begin to the next wait. */
#include "launch/train/saver.h"

#include "io/checkpoint/best.h"
#include "io/disk/files.h"
#include "launch/job/sizes.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <math.h>
#include <string.h>

/* The copy is touched once here, so that no save pays for its first use. */
static enum un_status take_copy(struct un_saver *s) {
    struct un_checkpoint *c = &s->checkpoint;
    size_t owned = (size_t)un_shard_count(&c->shard, s->job->comm->rank);
    float **const parts[] = {&c->p, &c->m, &c->v};
    for (int i = 0; i < 3; ++i) {
        *parts[i] = un_alloc(owned, sizeof(float), "copy for checkpoints");
        if (!*parts[i]) return UN_MEMORY;
        for (size_t at = 0; at < owned; at += 1024) ((volatile float *)*parts[i])[at] = 0;
    }
    const struct un_scaling *scaling = &s->job->fp8.scaling;
    if (scaling->tensors == 0) return UN_OK;
    s->fp8 = (struct un_fp8_history){.tensors = scaling->tensors, .length = scaling->length};
    s->fp8.amax =
        un_alloc((size_t)(s->fp8.tensors * s->fp8.length), sizeof *s->fp8.amax, "copy for checkpoints");
    c->fp8 = &s->fp8;
    return s->fp8.amax ? UN_OK : UN_MEMORY;
}

enum un_status un_saver_open(struct un_saver *s, struct un_job *job) {
    const struct un_run_config *config = &job->config;
    *s = (struct un_saver){.job = job, .step = -1, .best = -INFINITY};
    un_machine_kind(s->kind, job->device, un_job_model_setup(job).act);
    s->checkpoint = (struct un_checkpoint){.lanes = config->train.lanes,
                                           .states = job->states,
                                           .kind = s->kind,
                                           .tells = !job->quiet,
                                           .seed = (uint64_t)config->run.seed,
                                           .plan_digest = un_plan_digest(job->train.plan),
                                           .owner = &job->owner,
                                           .params = job->table,
                                           .shard = job->exchange.shard};
    un_plan_streams(job->train.plan, &s->checkpoint.n_streams);
    struct un_checkpoint_writer_setup setup = {.run_dir = config->run.dir,
                                               .keep = config->checkpoint.keep,
                                               .keep_every = config->checkpoint.keep_every,
                                               .timeout = (double)config->checkpoint.timeout,
                                               .checkpoint = &s->checkpoint};
    UN_TRY(un_comm_agree(job->comm, take_copy(s)));
    return un_checkpoint_writer_open(&s->writer, job->comm, &setup);
}

/* What earlier starts have found, the same on all ranks. */
static enum un_status recall_best(struct un_saver *s) {
    struct un_comm *comm = s->job->comm;
    struct un_checkpoint_best best = {.step = -1};
    enum un_status status = UN_OK;
    if (comm->rank == 0) status = un_checkpoint_best_read(s->job->config.run.dir, &best);
    UN_TRY(un_comm_agree(comm, status));
    UN_TRY(comm->ops->broadcast(comm, &best, sizeof best, 0));
    if (best.step >= 0) s->best = best.measure;
    return UN_OK;
}

/* ---- between the device and the copy ---- */

/* Into the copy, or back. */
static void copy_history(struct un_saver *s, bool out) {
    struct un_scaling *scaling = &s->job->fp8.scaling;
    const size_t bytes = (size_t)(s->fp8.tensors * s->fp8.length) * sizeof *s->fp8.amax;
    if (bytes == 0) return;
    memcpy(out ? s->fp8.amax : scaling->amax, out ? scaling->amax : s->fp8.amax, bytes);
    *(out ? &s->fp8.filled : &scaling->filled) = out ? scaling->filled : s->fp8.filled;
}

/* What this rank owns of the parameters into the copy, or back. */
static void copy_own_params(const struct un_saver *s, bool out) {
    struct un_job *job = s->job;
    const struct un_device_ops *mem = job->device->mem;
    for (int64_t b = 0; b < s->checkpoint.shard.buckets; ++b) {
        struct un_optim_part part = un_exchange_part(&job->exchange, b);
        size_t bytes = (size_t)part.count * sizeof(float);
        if (bytes == 0) continue;
        if (out)
            mem->copy_out(job->queue, s->checkpoint.p + part.local, job->params + part.begin, bytes);
        else
            mem->copy_in(job->queue, job->params + part.begin, s->checkpoint.p + part.local, bytes);
    }
}

static enum un_status fill_copy(struct un_saver *s) {
    struct un_job *job = s->job;
    const struct un_device_ops *mem = job->device->mem;
    const struct un_checkpoint *c = &s->checkpoint;
    size_t bytes = (size_t)un_shard_count(&c->shard, job->comm->rank) * sizeof(float);
    copy_own_params(s, true);
    copy_history(s, true);
    mem->copy_out(job->queue, c->m, job->optim.m, bytes);
    mem->copy_out(job->queue, c->v, job->optim.v, bytes);
    return mem->queue_wait(job->queue);
}

/* The parts of all ranks, by the way that they take after an update. */
static enum un_status gather_params(struct un_job *job) {
    for (int64_t turn = 0; turn < job->exchange.order.buckets; ++turn)
        UN_TRY(un_exchange_updated(&job->exchange, un_exchange_gather_bucket(&job->exchange.order, turn)));
    return un_exchange_settle(&job->exchange);
}

static enum un_status apply_copy(struct un_saver *s) {
    struct un_job *job = s->job;
    const struct un_device_ops *mem = job->device->mem;
    const struct un_checkpoint *c = &s->checkpoint;
    size_t bytes = (size_t)un_shard_count(&c->shard, job->comm->rank) * sizeof(float);
    copy_own_params(s, false);
    copy_history(s, false);
    mem->copy_in(job->queue, job->optim.m, c->m, bytes);
    mem->copy_in(job->queue, job->optim.v, c->v, bytes);
    un_job_lower(job); /* of the own part: of the others' it comes, and the f32 values here are not theirs */
    UN_TRY(un_comm_agree(job->comm, mem->queue_wait(job->queue)));
    return gather_params(job);
}

/* ---- resume ---- */

/* A run that holds checkpoints is not begun anew by mistake. */
static enum un_status refuse_to_trample(struct un_saver *s) {
    struct un_job *job = s->job;
    char found[UN_PATH_MAX];
    UN_TRY(un_checkpoint_newest(job->comm, job->config.run.dir, found, sizeof found));
    if (!found[0]) return UN_OK;
    return un_fail(UN_USAGE,
                   "--resume none, but %s holds checkpoints (%s); take another run.dir, or remove them first",
                   job->config.run.dir, found);
}

enum un_status un_saver_resume(struct un_saver *s, const char *how, bool *found) {
    struct un_job *job = s->job;
    char path[UN_PATH_MAX];
    double start = un_clock();
    *found = false;
    if (strcmp(how, "none") == 0) return refuse_to_trample(s);
    UN_TRY(un_checkpoint_resume(job->comm, job->config.run.dir, how, &s->checkpoint, path, sizeof path));
    *found = path[0] != '\0';
    if (!*found) return UN_OK;
    UN_TRY(apply_copy(s));
    UN_TRY(recall_best(s));
    job->step = s->step = s->checkpoint.step;
    s->resume = un_clock() - start;
    un_log(UN_LOG_INFO, "resuming from %s (update %lld of %lld), read in %.2f s", path, (long long)job->step,
           (long long)job->config.train.steps, s->resume);
    return UN_OK;
}

/* ---- saves ---- */

static enum un_status await_writer(struct un_saver *s) {
    return un_comm_alike(s->job->comm, un_checkpoint_writer_wait(s->writer));
}

static enum un_status begin(struct un_saver *s) {
    struct un_job *job = s->job;
    UN_TRY(un_exchange_settle(&job->exchange));
    UN_TRY(await_writer(s));
    UN_TRY(un_comm_agree(job->comm, fill_copy(s)));
    s->checkpoint.step = job->step;
    UN_TRY(un_comm_agree(job->comm, un_checkpoint_writer_start(s->writer)));
    s->checkpoint.best = false; /* the writer has its own copy */
    s->step = job->step;
    return UN_OK;
}

bool un_saver_improves(const struct un_saver *s, double measure) {
    return isfinite(measure) && measure > s->best;
}

void un_saver_best(struct un_saver *s, double measure) {
    s->best = s->checkpoint.measure = measure;
    s->checkpoint.best = true;
}

bool un_saver_is_best(const struct un_saver *s) {
    return s->checkpoint.best;
}

enum un_status un_saver_begin(struct un_saver *s) {
    double start = un_clock();
    if (s->step == s->job->step) return UN_OK;
    un_watchdog_phase(s->job->watchdog, "checkpoint", s->job->step);
    s->job->device->mem->range_push("checkpoint");
    enum un_status status = begin(s);
    s->job->device->mem->range_pop();
    UN_TRY(status);
    s->stall += un_clock() - start;
    return UN_OK;
}

/* That an older save failed is no reason not to try this one, the last. */
static enum un_status settle_older(struct un_saver *s) {
    struct un_job *job = s->job;
    UN_TRY(un_exchange_settle(&job->exchange));
    enum un_status status = await_writer(s);
    if (status != UN_IO) return status;
    if (job->comm->rank == 0) un_log(UN_LOG_WARN, "an older save failed: %s", un_error_get()->text);
    un_error_clear();
    return un_comm_alike(job->comm, UN_OK);
}

enum un_status un_saver_finish(struct un_saver *s) {
    double start = un_clock();
    un_watchdog_phase(s->job->watchdog, "checkpoint", s->job->step);
    if (s->step != s->job->step) {
        UN_TRY(settle_older(s));
        UN_TRY(begin(s));
    }
    UN_TRY(un_exchange_settle(&s->job->exchange));
    UN_TRY(await_writer(s));
    s->stall += un_clock() - start;
    return UN_OK;
}

enum un_status un_saver_trouble(struct un_saver *s) {
    return un_checkpoint_writer_poll(s->writer);
}

void un_saver_close(struct un_saver *s, bool agreed) {
    struct un_checkpoint *c = &s->checkpoint;
    if (!un_checkpoint_writer_close(s->writer, agreed)) return; /* its thread hangs and uses the copy */
    un_free(c->p);
    un_free(c->m);
    un_free(c->v);
    un_free(s->fp8.amax);
    *s = (struct un_saver){0};
}
