/* The order of a training step (step.h). */
#include "launch/train/step.h"

#include "launch/process/signals.h"
#include "launch/train/guard.h"
#include "launch/train/mine.h"
#include "launch/train/scale.h"
#include "model/net/replay.h"
#include "runtime/clock.h"

#include <string.h>

const char *const un_phase_names[UN_PHASE_COUNT] = {
#define UN_PHASE_NAME(upper, lower) #lower,
    UN_PHASES(UN_PHASE_NAME)
#undef UN_PHASE_NAME
};

static int64_t lane_count(const struct un_job *job) {
    return job->lane_end - job->lane_begin;
}

/* Time in phases. What the exchange held us up for is not the phase's. */
struct laps {
    double at;
    struct un_comm_times comm;
    struct un_step_result *result;
};

static struct laps laps_begin(const struct un_job *job, struct un_step_result *result) {
    return (struct laps){un_clock(), un_exchange_times(&job->exchange), result};
}

/* The time since the last lap was spent in `phase`. */
static void lap(struct laps *laps, const struct un_job *job, enum un_phase phase) {
    double now = un_clock();
    struct un_comm_times comm = un_exchange_times(&job->exchange);
    double waited = comm.waited - laps->comm.waited;
    laps->result->seconds[phase] += now - laps->at - waited;
    laps->result->seconds[UN_PHASE_REDUCE] += waited;
    laps->at = now;
    laps->comm.waited = comm.waited;
}

/* A lane whose negatives are mined: nothing is packed yet, but how much it will be is known. */
static enum un_status load_mined(struct un_job *job, const struct un_loaded *held,
                                 int64_t counts[UN_COUNTS]) {
    int64_t tokens;
    UN_TRY(un_mine_tokens(job->mine, held, &tokens));
    counts[UN_ITM_HARD] += held->n_samples;
    counts[UN_COUNT_TOKENS] += tokens;
    return UN_OK;
}

static enum un_status load(struct un_job *job, int64_t counts[UN_COUNTS]) {
    for (int64_t i = 0; i < lane_count(job); ++i) {
        UN_TRY(un_loader_next(job->loader, &job->held[i]));
        for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) counts[t] += job->held[i].batch->rows[t].n;
        counts[UN_COUNT_TOKENS] += job->held[i].batch->tokens;
        if (job->mine) UN_TRY(load_mined(job, &job->held[i], counts));
    }
    return UN_OK;
}

/* The first micro-batch of the step goes ahead; those of the step before have arrived long since, so the wait
 * is for errors only. */
static enum un_status send_first(struct un_job *job) {
    UN_TRY(un_send_settle(&job->sender));
    if (!job->mine) un_send_ahead(&job->sender, job->held[0].batch);
    return UN_OK;
}

/* Takes this rank's micro-batches of the next step; everybody's counts, wishes and troubles start on their
 * way. All slots of the step under way but that of its last lane are the loader's again by now: it needs one
 * more than a step, which loader.ahead is at least. */
static void take_next(struct un_job *job, enum un_status trouble) {
    struct un_next_step *next = &job->next;
    *next = (struct un_next_step){.taken = true, .trouble = trouble};
    if (trouble == UN_OK) next->trouble = load(job, next->counts);
    if (next->trouble == UN_OK) next->trouble = send_first(job);
    next->counts[UN_COUNT_STOP] = un_signals_stop_wanted();
    next->counts[UN_COUNT_TROUBLE] = next->trouble != UN_OK;
    next->ticket = un_exchange_sum(&job->exchange, next->counts, UN_COUNTS);
}

/* The counts of all ranks for the step that begins. */
static enum un_status agree_on_next(struct un_job *job, enum un_status trouble, int64_t counts[UN_COUNTS]) {
    struct un_next_step *next = &job->next;
    if (!next->taken) take_next(job, trouble);
    UN_TRY(un_exchange_wait(&job->exchange, next->ticket));
    next->taken = false;
    memcpy(counts, next->counts, sizeof next->counts);
    if (counts[UN_COUNT_TROUBLE] == 0) return UN_OK;
    return un_comm_agree(job->comm, next->trouble);
}

/* Factors of the gradients: w_t over the units of all lanes (DESIGN section 4). */
static void set_scales(const struct un_job *job, const int64_t counts[UN_COUNTS], struct un_batch *batch) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        double units = (double)counts[t];
        units *= (double)un_dims_units(&job->dims, (enum un_objective)t);
        if (job->summed & un_objective_bit((enum un_objective)t)) units = units > 0;
        batch->scale[t] = units > 0 ? (float)(job->weight[t] / units) : 0.0f;
    }
    const struct un_rows *itm = &batch->rows[UN_ITM];
    double pairs = (double)counts[UN_ITM];
    double coef = pairs > 0 ? job->weight[UN_ITM] * job->config.train.itm_ot_lambda / pairs : 0;
    for (int64_t b = 0; b < itm->n; ++b) batch->ot_coef[b] = (float)(itm->target[b] ? coef : -coef);
}

static void add_work(struct un_work *work, const struct un_batch *b) {
    work->tokens += b->tokens;
    work->words += b->words;
    work->regions += b->regions;
    for (int64_t s = 0; s < b->samples; ++s) {
        int64_t length = b->start[s + 1] - b->start[s];
        work->sum_sq += length * length;
    }
    int64_t *const of[] = {[UN_TARGET_WORD] = &work->mlm,
                           [UN_TARGET_FEATURES] = &work->mrfr,
                           [UN_TARGET_CLASS] = &work->mrc,
                           [UN_TARGET_SOFT] = &work->mrc,
                           [UN_TARGET_TRUE] = &work->pairs};
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        const struct un_rows *rows = &b->rows[t];
        if (un_objectives[t].task)
            work->task[t] += rows->members > 0 ? rows->members : rows->n;
        else
            *of[un_objectives[t].target] += rows->n;
    }
    if (b->rows[UN_NLVR2_ATTN].n > 0) work->looking += b->side[0].tokens + b->side[1].tokens;
}

/* The outputs of a lane have arrived: its sums, its new state, its slot back to the loader. */
static enum un_status finish_lane(struct un_job *job, struct un_loaded *held, int64_t i, int slot) {
    const struct un_batch *batch = job->mine ? un_mine_last(job->mine, i) : held->batch;
    const struct un_host_outputs *outputs;
    UN_TRY(un_receive_await(&job->receiver, slot, &outputs));
    job->lane_stats[i] = (struct un_stats){0};
    un_stats_add(&job->lane_stats[i], batch, outputs, &job->dims);
    job->lane_stats[i].samples = (double)held->n_samples;
    job->states[held->lane] = *held->after;
    un_loader_release(job->loader, held);
    return UN_OK;
}

/* Parameters may still be coming when a forward begins. A failure sticks to the exchange. */
static void await_params(void *context, int64_t begin, int64_t end) {
    struct un_job *job = context;
    (void)un_exchange_need(&job->exchange, begin, end);
}

/* The gradients of [begin, end) of the last lane are final: what is left of the tree is done for them, and
 * full buckets leave. */
static void merge_span(void *context, int64_t begin, int64_t end) {
    struct un_job *job = context;
    for (int top = job->top; top > 1; --top)
        job->device->ops->add(job->queue, job->grads[top - 2] + begin, job->grads[top - 1] + begin,
                              end - begin);
    un_exchange_ready(&job->exchange, begin, end);
}

/* Forward and backward; a graph where the shape has been seen, when nobody has to be
 * told of what becomes final on the way. */
static enum un_status run_pass(struct un_job *job, const struct un_batch *batch, float *grads, bool last,
                               struct un_outputs *out) {
    struct un_device *d = job->device;
    if (job->config.train.graph && d->mem->graph_begin && job->comm->size == 1) {
        UN_TRY(un_replay_pass(&job->replay, job->model, d, job->queue, batch, job->params, job->low, grads,
                              out));
        if (last) merge_span(job, 0, job->table->total);
        return UN_OK;
    }
    struct un_pass_hooks hooks = {.need = await_params, .ready = last ? merge_span : NULL, .context = job};
    return un_model_pass(job->model, job->queue, batch, job->params, job->low, grads, true, out, &hooks);
}

/* run.check_every: the same pass again has the same gradients. Nothing leaves before. */
static enum un_status run_twice(struct un_job *job, const struct un_batch *batch, float *grads, bool last,
                                struct un_outputs *out) {
    UN_TRY(run_pass(job, batch, grads, false, out));
    un_guard_pass(job->guard, grads, false);
    UN_TRY(run_pass(job, batch, grads, false, out));
    un_guard_pass(job->guard, grads, true);
    if (last) merge_span(job, 0, job->table->total);
    return UN_OK;
}

/* A loss that is not finite spoils the update of all ranks; found on the device, which nobody waits for. */
static void check_losses(struct un_job *job, const struct un_outputs *out, const struct un_batch *batch) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        un_optim_word_add(&job->optim, job->device, job->queue, out->row_loss[t], batch->rows[t].n);
    un_optim_word_add(&job->optim, job->device, job->queue, out->distance, batch->rows[UN_ITM].n);
}

/* Forward and backward of lane i into a fresh gradient buffer; its outputs start on their way to the host, into *slot. */
static enum un_status start_lane(struct un_job *job, const int64_t counts[UN_COUNTS], int64_t i,
                                 struct un_work *work, int *slot) {
    struct un_batch *host = (struct un_batch *)(uintptr_t)job->held[i].batch, batch;
    struct un_pass_hooks hooks = {.need = await_params, .context = job};
    UN_ASSERT(job->top < job->n_grads);
    float *grads = job->grads[job->top++];
    un_receive_clear(&job->receiver);
    if (job->mine) UN_TRY(un_mine_group(job->mine, &job->held[i], i, &hooks, &host));
    add_work(work, host);
    set_scales(job, counts, host);
    un_send_take(&job->sender, host, &batch);
    if (i + 1 < lane_count(job) && !job->mine) un_send_ahead(&job->sender, job->held[i + 1].batch);
    struct un_outputs out;
    bool last = i + 1 == lane_count(job);
    if (un_guard_repeats(job->guard, i))
        UN_TRY(run_twice(job, &batch, grads, last, &out));
    else
        UN_TRY(run_pass(job, &batch, grads, last, &out));
    check_losses(job, &out, &batch);
    un_send_used(&job->sender, &batch);
    *slot = un_receive_outputs(&job->receiver, &out, host);
    return UN_OK;
}

/* The step before, which ended while this one began. */
static enum un_status finish_before(struct un_job *job, struct un_step_outcome *outcome) {
    *outcome = (struct un_step_outcome){0};
    if (!job->pending.is) return UN_OK;
    job->pending.is = false;
    UN_TRY(finish_lane(job, &job->pending.last, lane_count(job) - 1, job->pending.slot));
    outcome->step = job->step;
    UN_TRY(un_receive_ended(&job->receiver, &outcome->grad_norm, &outcome->skip));
    return un_scale_take(job, outcome->skip != UN_OPTIM_DONE);
}

static enum un_status finish_late(struct un_job *job, struct laps *laps) {
    if (!job->pending.is) return UN_OK;
    lap(laps, job, UN_PHASE_COMPUTE);
    UN_TRY(finish_before(job, &laps->result->before));
    lap(laps, job, UN_PHASE_UPDATE);
    return UN_OK;
}

enum un_status un_step_settle(struct un_job *job, struct un_step_outcome *outcome, double *seconds) {
    double start = un_clock();
    enum un_status status = finish_before(job, outcome);
    if (status == UN_OK && outcome->step > 0) status = job->device->mem->queue_wait(job->queue);
    *seconds += un_clock() - start;
    return status;
}

/* The gradients of the rank's lanes, added as a balanced binary tree over the lanes: after lane i, partial
 * sums are merged as often as i + 1 is even (a binary counter), so log2(lanes) + 1 buffers are enough. The
 * last lane merges all that is left, span by span. The sum ends in grads[0]. A lane is finished while the
 * next one is under way, so the host waits only for work that is behind; the last one is left to the step
 * after this. */
static enum un_status compute(struct un_job *job, const int64_t counts[UN_COUNTS], struct laps *laps) {
    int64_t n = lane_count(job), total = job->table->total;
    int slot = 0;
    /* mining waits for the device, and the scales of fp8 for the amax of the step before */
    if (job->mine || job->fp8.scaling.tensors > 0) UN_TRY(finish_late(job, laps));
    job->top = 0;
    un_exchange_begin(&job->exchange);
    un_receive_clear(&job->receiver);
    un_optim_word_begin(&job->optim, job->device, job->queue);
    un_scale_begin(job);
    for (int64_t i = 0; i < n; ++i) {
        const int before = slot;
        UN_TRY(start_lane(job, counts, i, &laps->result->work, &slot));
        for (int64_t k = i + 1; k % 2 == 0 && i + 1 < n; k /= 2, --job->top)
            job->device->ops->add(job->queue, job->grads[job->top - 2], job->grads[job->top - 1], total);
        UN_TRY(i > 0 ? finish_lane(job, &job->held[i - 1], i - 1, before) : finish_late(job, laps));
    }
    un_scale_fetch(job);
    job->pending = (struct un_pending){.is = true, .last = job->held[n - 1], .slot = slot};
    return UN_OK;
}

/* Waits for the own parts of the gradients, each summed as soon as it is there. */
static enum un_status reduce(struct un_job *job) {
    for (int64_t turn = 0; turn < job->exchange.order.buckets; ++turn) {
        int64_t b = un_exchange_reduce_bucket(&job->exchange.order, turn);
        struct un_optim_part part = un_exchange_part(&job->exchange, b);
        UN_TRY(un_exchange_reduced(&job->exchange, b));
        if (part.count > 0) un_optim_sums(&job->optim, job->device, job->queue, job->grads[0], &part);
    }
    return un_exchange_norm(&job->exchange);
}

/* In the order in which the next forward needs the parameters. */
static enum un_status update(struct un_job *job) {
    un_guard_rest(job->guard);
    un_optim_clip(&job->optim, job->device, job->queue, &job->config.optim);
    un_receive_outcome(&job->receiver, &job->optim);
    for (int64_t turn = 0; turn < job->exchange.order.buckets; ++turn) {
        int64_t b = un_exchange_gather_bucket(&job->exchange.order, turn);
        struct un_optim_part part = un_exchange_part(&job->exchange, b);
        if (part.count > 0)
            un_optim_apply(&job->optim, job->device, job->queue, job->params, job->low, job->grads[0],
                           &job->config.optim, job->step + 1, job->config.train.steps, &part);
        UN_TRY(un_exchange_updated(&job->exchange, b));
    }
    return UN_OK;
}

static void range(const struct un_job *job, const char *name) {
    job->device->mem->range_push(name);
}
static void range_end(const struct un_job *job) {
    job->device->mem->range_pop();
}

enum un_status un_step_run(struct un_job *job, enum un_status trouble, struct un_step_result *result) {
    *result = (struct un_step_result){0};
    un_watchdog_phase(job->watchdog, "step", job->step + 1);
    struct laps laps = laps_begin(job, result);
    int64_t counts[UN_COUNTS];
    UN_TRY(agree_on_next(job, trouble, counts));
    result->stop = counts[UN_COUNT_STOP] > 0;
    if (result->stop) return UN_OK;
    result->tokens = counts[UN_COUNT_TOKENS];
    lap(&laps, job, UN_PHASE_DATA);
    UN_TRY(compute(job, counts, &laps));
    lap(&laps, job, UN_PHASE_COMPUTE);
    range(job, "data");
    if (job->step + 1 < job->config.train.steps) take_next(job, trouble);
    range_end(job);
    lap(&laps, job, UN_PHASE_DATA);
    range(job, "reduce");
    UN_TRY(reduce(job));
    range_end(job);
    range(job, "update");
    UN_TRY(update(job));
    range_end(job);
    lap(&laps, job, UN_PHASE_UPDATE);
    double busy =
        un_exchange_times(&job->exchange).busy; /* parameters may have come since the last step's end */
    result->comm = busy - job->exchange.counted;
    job->exchange.counted = busy;
    ++job->step;
    return UN_OK;
}
