/* Packing, passing, fetching (scorer.h). */
#include "launch/train/scorer.h"

#include "model/net/network.h"

enum un_status un_scorer_batch(const struct un_scorer *s, struct un_batch *batch, void **memory) {
    struct un_device *d = s->job->device;
    struct un_arena arena = {.name = "chosen sequences"};
    un_batch_carve(batch, &s->caps, &arena);
    *memory = d->mem->host_alloc(d, arena.used, arena.name);
    if (!*memory) return un_error_get()->status;
    arena = (struct un_arena){.name = arena.name, .base = *memory, .size = arena.used};
    un_batch_carve(batch, &s->caps, &arena);
    return UN_OK;
}

enum un_status un_scorer_open(struct un_scorer *s, struct un_job *job, const struct un_plan *plan) {
    int64_t cols[UN_OBJECTIVE_COUNT];
    *s = (struct un_scorer){.job = job, .plan = plan, .caps = job->caps};
    s->caps.store_rows = 0;
    UN_TRY(un_scorer_batch(s, &s->batch, &s->memory));
    UN_TRY(un_packer_open(&s->packer, plan, &s->caps));
    UN_TRY(un_host_outputs_open(&s->outputs, job->device, &s->caps, false));
    un_model_score_cols(job->model, cols);
    return un_host_outputs_keep_scores(&s->outputs, job->device, &s->caps, cols);
}

void un_scorer_close(struct un_scorer *s) {
    if (!s->job) return;
    struct un_device *d = s->job->device;
    un_host_outputs_close(&s->outputs, d);
    un_packer_close(s->packer);
    if (s->memory) d->mem->host_free(d, s->memory);
    *s = (struct un_scorer){0};
}

enum un_status un_forward(struct un_job *job, const struct un_batch *host, struct un_host_outputs *outputs,
                          const struct un_pass_hooks *hooks) {
    struct un_batch batch;
    struct un_outputs out;
    un_send_take(&job->sender, host, &batch);
    UN_TRY(un_model_pass(job->model, job->queue, &batch, job->params, job->low, NULL, false, &out, hooks));
    un_send_used(&job->sender, &batch);
    un_host_outputs_fetch(outputs, &out, host, job->device, job->queue);
    return job->device->mem->queue_wait(job->queue);
}

enum un_status un_scorer_run(struct un_scorer *s, const struct un_pack_list *list, uint32_t step,
                             uint32_t lane, const struct un_pass_hooks *hooks, float *score) {
    struct un_pack_list part = *list;
    const float *from = s->outputs.score[list->objective];
    int64_t cols = s->outputs.score_cols[list->objective];
    for (int64_t at = 0; at < list->n; at += part.n) {
        part.sequence = list->sequence + at;
        part.n = list->n - at;
        part.n = un_pack_fitting(s->plan, &s->caps, &part);
        UN_TRY(un_pack_sequences(s->packer, &s->batch, &part, step, lane));
        UN_TRY(un_forward(s->job, &s->batch, &s->outputs, hooks));
        for (int64_t i = 0; i < part.n; ++i) score[at + i] = from[i * cols];
    }
    return UN_OK;
}
