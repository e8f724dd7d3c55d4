/* Validation (validate.h). */
#include "launch/train/validate.h"

#include "launch/job/sizes.h"

#include <stdio.h>
#include <string.h>

/* Forward of one micro-batch, added to the lane's sums. */
static enum un_status validate_batch(struct un_job *job, const struct un_batch *host,
                                     struct un_stats *stats) {
    struct un_device *d = job->device;
    struct un_batch batch;
    struct un_outputs out;
    un_send_take(&job->sender, host, &batch);
    UN_TRY(un_model_pass(job->model, job->queue, &batch, job->params, job->low, NULL, false, &out, NULL));
    un_send_used(&job->sender, &batch);
    un_host_outputs_fetch(&job->outputs[0], &out, host, d, job->queue);
    UN_TRY(d->mem->queue_wait(job->queue));
    un_stats_add(stats, host, &job->outputs[0], &job->dims);
    return UN_OK;
}

static enum un_status validate_lanes(struct un_job *job, struct un_loader *loader) {
    for (int64_t lane = job->lane_begin; lane < job->lane_end; ++lane) {
        struct un_stats *stats = &job->lane_stats[lane - job->lane_begin];
        *stats = (struct un_stats){0};
        for (;;) {
            struct un_loaded loaded;
            UN_TRY(un_loader_next(loader, &loaded));
            bool over = loaded.batch->samples == 0;
            enum un_status status = over ? UN_OK : validate_batch(job, loaded.batch, stats);
            un_loader_release(loader, &loaded);
            UN_TRY(status);
            if (over) break;
        }
    }
    return UN_OK;
}

static enum un_status validate_local(struct un_job *job) {
    struct un_loader *loader = NULL;
    struct un_loader_setup setup;
    struct un_lane_state *states =
        un_alloc((size_t)job->config.train.lanes, sizeof *states, "states of validation lanes");
    if (!states) return un_error_get()->status;
    for (int64_t lane = 0; lane < job->config.train.lanes; ++lane)
        un_plan_start(job->valid.plan, lane, &states[lane]);
    un_job_loader_setup(job, job->valid.plan, UN_RNG_VALID, job->config.loader.ahead + 1, states, &setup);
    enum un_status status = un_loader_open(&loader, &setup);
    if (status == UN_OK) status = validate_lanes(job, loader);
    un_loader_close(loader);
    un_free(states);
    return status;
}

enum un_status un_validate_run(struct un_job *job, struct un_stats *total) {
    UN_TRY(un_comm_agree(job->comm, validate_local(job)));
    return un_job_gather_stats(job, total);
}

static void put(struct un_metrics *metrics, char *text, size_t size, const char *key, double value) {
    char full[80];
    snprintf(full, sizeof full, "valid/%s", key);
    un_metrics_put(metrics, full, value);
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s %.4g", used ? ", " : "", key, value);
}

void un_validate_report(const struct un_job *job, const struct un_stats *total, struct un_metrics *metrics,
                        char *text, size_t size) {
    char key[40];
    text[0] = '\0';
    put(metrics, text, size, "loss",
        un_stats_loss(total, job->weight, job->summed, job->config.train.itm_ot_lambda));
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        struct un_tally tally = un_stats_total(total, (enum un_objective)t);
        if (tally.rows <= 0) continue;
        snprintf(key, sizeof key, "%s_loss", un_objective_names[t]);
        put(metrics, text, size, key, tally.loss / tally.units);
        if (!un_objectives[t].hits) continue;
        snprintf(key, sizeof key, "%s_acc", un_objective_names[t]);
        put(metrics, text, size, key, tally.hits / tally.rows);
    }
    if (total->pairs_pos > 0) put(metrics, text, size, "itm_ot_pos", total->ot_pos / total->pairs_pos);
    if (total->pairs_neg > 0) put(metrics, text, size, "itm_ot_neg", total->ot_neg / total->pairs_neg);
    if (total->align_words <= 0) return;
    put(metrics, text, size, "align_acc", total->align_hits / total->align_words);
    put(metrics, text, size, "align_chance", total->align_chance / total->align_words);
}
