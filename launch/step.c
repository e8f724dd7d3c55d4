/* The order of a training step (step.h). */
#include "launch/step.h"

#include "io/metrics.h"

#include <math.h>
#include <string.h>

const char *const un_phase_names[UN_PHASE_COUNT] = {
#define UN_PHASE_NAME(upper, lower) #lower,
    UN_PHASES(UN_PHASE_NAME)
#undef UN_PHASE_NAME
};

/* What all ranks sum before the backward: rows asked about by objective, tokens, then flags. Integers, so
 * exact. */
enum { COUNT_TOKENS = UN_OBJECTIVE_COUNT, COUNT_STOP, COUNT_TROUBLE, COUNTS };

static int64_t lane_count(const struct un_job *job) {
    return job->lane_end - job->lane_begin;
}

static enum un_status load(struct un_job *job, int64_t counts[COUNTS]) {
    for (int64_t i = 0; i < lane_count(job); ++i) {
        UN_TRY(un_loader_next(job->loader, &job->held[i]));
        for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) counts[t] += job->held[i].batch->rows[t].n;
        counts[COUNT_TOKENS] += job->held[i].batch->tokens;
    }
    return UN_OK;
}

/* Loads this rank's micro-batches and learns everybody's counts, wishes and troubles in one exchange. */
static enum un_status load_and_agree(struct un_job *job, bool stop_wanted, enum un_status trouble,
                                     int64_t counts[COUNTS]) {
    memset(counts, 0, COUNTS * sizeof *counts);
    if (trouble == UN_OK) trouble = load(job, counts);
    counts[COUNT_STOP] = stop_wanted;
    counts[COUNT_TROUBLE] = trouble != UN_OK;
    UN_TRY(job->comm->ops->sum_i64(job->comm, counts, COUNTS));
    if (counts[COUNT_TROUBLE] == 0) return UN_OK;
    job->agreed = true;
    return un_comm_agree(job->comm, trouble);
}

/* Factors of the gradients: w_t over the units of all lanes (DESIGN section 4). */
static void set_scales(const struct un_job *job, const int64_t counts[COUNTS], struct un_batch *batch) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        double units = (double)counts[t];
        if (t == UN_MRFR) units *= (double)job->dims.img_dim;
        if (t == UN_MRCKL) units *= (double)job->dims.img_label_dim;
        batch->scale[t] = units > 0 ? (float)(job->weight[t] / units) : 0.0f;
    }
    const struct un_rows *itm = &batch->rows[UN_ITM];
    double pairs = (double)counts[UN_ITM];
    double coef = pairs > 0 ? job->weight[UN_ITM] * job->config.train.itm_ot_lambda / pairs : 0;
    for (int64_t b = 0; b < itm->n; ++b) batch->ot_coef[b] = (float)(itm->target[b] ? coef : -coef);
}

void un_step_to_device(struct un_job *job, const struct un_batch *host, int slot, struct un_batch *out) {
    struct un_device *d = job->device;
    *out = *host;
    if (d->host_readable) return;
    d->mem->copy_in(job->queue, job->blocks[slot], host->block, host->block_bytes);
    un_batch_rebase(out, host, job->blocks[slot]);
}

static void add_work(struct un_work *work, const struct un_batch *b) {
    work->tokens += b->tokens;
    work->words += b->words;
    work->regions += b->regions;
    for (int64_t s = 0; s < b->samples; ++s) {
        int64_t length = b->start[s + 1] - b->start[s];
        work->sum_sq += length * length;
    }
    work->mlm += b->rows[UN_MLM].n;
    work->mrfr += b->rows[UN_MRFR].n;
    work->mrc += b->rows[UN_MRC].n + b->rows[UN_MRCKL].n;
    work->pairs += b->rows[UN_ITM].n;
}

/* Lane i's outputs have arrived: its sums, its new state, its slot back to the loader. */
static enum un_status finish_lane(struct un_job *job, int64_t i) {
    UN_TRY(job->device->mem->event_wait(job->events[i % 2]));
    struct un_loaded *held = &job->held[i];
    job->lane_stats[i] = (struct un_stats){0};
    un_stats_add(&job->lane_stats[i], held->batch, &job->outputs[i % 2], &job->dims);
    job->states[held->lane] = *held->after;
    un_loader_release(job->loader, held);
    return UN_OK;
}

/* Forward and backward of lane i into a fresh gradient buffer; its outputs start on their way to the host. */
static enum un_status start_lane(struct un_job *job, const int64_t counts[COUNTS], int64_t i, float *grads) {
    struct un_device *d = job->device;
    struct un_batch *host = (struct un_batch *)(uintptr_t)job->held[i].batch, batch;
    set_scales(job, counts, host);
    un_step_to_device(job, host, (int)(i % 2), &batch);
    d->ops->zero(job->queue, grads, (size_t)job->table->total * sizeof *grads);
    struct un_outputs out;
    UN_TRY(un_model_pass(job->model, job->queue, &batch, job->params, grads, true, &out, NULL, NULL));
    un_host_outputs_fetch(&job->outputs[i % 2], &out, host, d, job->queue);
    d->mem->event_record(job->events[i % 2], job->queue);
    return UN_OK;
}

/* The gradients of the rank's lanes, added as a balanced binary tree over the lanes: after lane i, partial
 * sums are merged as often as i + 1 is even (a binary counter), so log2(lanes) + 1 buffers are enough. The
 * sum ends in grads[0]. A lane is finished while the next one is under way, so the host waits only for work
 * that is behind. */
static enum un_status compute(struct un_job *job, const int64_t counts[COUNTS], struct un_work *work) {
    int64_t n = lane_count(job), total = job->table->total;
    int top = 0;
    for (int64_t i = 0; i < n; ++i) {
        UN_ASSERT(top < job->n_grads);
        add_work(work, job->held[i].batch);
        UN_TRY(start_lane(job, counts, i, job->grads[top++]));
        for (int64_t k = i + 1; k % 2 == 0; k /= 2, --top)
            job->device->ops->add(job->queue, job->grads[top - 2], job->grads[top - 1], total);
        if (i > 0) UN_TRY(finish_lane(job, i - 1));
    }
    for (; top > 1; --top) job->device->ops->add(job->queue, job->grads[top - 2], job->grads[top - 1], total);
    UN_TRY(finish_lane(job, n - 1));
    return job->device->mem->queue_wait(job->queue);
}

static enum un_status reduce(struct un_job *job) {
    if (job->comm->size == 1) return UN_OK;
    return un_comm_sum_tree(job->comm, job->grads[0], job->table->total);
}

static enum un_status update(struct un_job *job, double *grad_norm) {
    float clip[3];
    un_optim_update(&job->optim, job->device, job->queue, job->params, job->grads[0], &job->config.optim,
                    job->step + 1, job->config.train.steps);
    job->device->mem->copy_out(job->queue, clip, job->optim.clip, sizeof clip);
    UN_TRY(job->device->mem->queue_wait(job->queue));
    *grad_norm = clip[2] != 0 ? (double)clip[0] : NAN;
    return UN_OK;
}

enum un_status un_step_run(struct un_job *job, bool stop_wanted, enum un_status trouble,
                           struct un_step_result *result) {
    *result = (struct un_step_result){0};
    double at[UN_PHASE_COUNT + 1];
    int64_t counts[COUNTS];
    un_watchdog_phase(job->watchdog, "step", job->step + 1);
    at[UN_PHASE_DATA] = un_clock();
    UN_TRY(load_and_agree(job, stop_wanted, trouble, counts));
    result->stop = counts[COUNT_STOP] > 0;
    if (result->stop) return UN_OK;
    result->tokens = counts[COUNT_TOKENS];
    at[UN_PHASE_COMPUTE] = un_clock();
    UN_TRY(compute(job, counts, &result->work));
    at[UN_PHASE_REDUCE] = un_clock();
    UN_TRY(reduce(job));
    at[UN_PHASE_UPDATE] = un_clock();
    UN_TRY(update(job, &result->grad_norm));
    at[UN_PHASE_COUNT] = un_clock();
    for (int p = 0; p < UN_PHASE_COUNT; ++p) result->seconds[p] = at[p + 1] - at[p];
    ++job->step;
    return UN_OK;
}
