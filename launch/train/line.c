/* Numbers of a line of the log (line.h). */
#include "launch/train/line.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void un_line_add(struct un_interval *v, const struct un_job *job, const struct un_step_result *result) {
    for (int p = 0; p < UN_PHASE_COUNT; ++p) v->seconds[p] += result->seconds[p];
    v->comm += result->comm;
    v->tokens += (double)result->tokens;
    v->own_tokens += (double)result->work.tokens;
    v->flop += un_dims_flop(&job->dims, &result->work);
    ++v->steps;
}

void un_line_losses(struct un_metrics *m, const struct un_job *job, const struct un_stats *total) {
    char key[400];
    un_metrics_put(m, "loss",
                   un_stats_loss(total, job->weight, job->summed, job->config.train.itm_ot_lambda));
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        struct un_tally all = un_stats_total(total, (enum un_objective)t);
        if (all.rows <= 0) continue;
        snprintf(key, sizeof key, "loss/%s", un_objective_names[t]);
        un_metrics_put(m, key, all.loss / all.units);
        for (int64_t i = 0; i < job->train.n; ++i) {
            const struct un_tally *one = &total->by[t][i];
            if (one->rows <= 0) continue;
            snprintf(key, sizeof key, "loss/%s_%s", un_objective_names[t],
                     un_dataset_name(job->train.sets[i]));
            un_metrics_put(m, key, one->loss / one->units);
        }
    }
    if (total->pairs_pos > 0) un_metrics_put(m, "loss/itm_ot_pos", total->ot_pos / total->pairs_pos);
    if (total->pairs_neg > 0) un_metrics_put(m, "loss/itm_ot_neg", total->ot_neg / total->pairs_neg);
}

void un_line_times(struct un_metrics *m, const struct un_interval *v, double now, bool exposed_known) {
    double steps = (double)v->steps;
    un_metrics_put(m, "tokens_per_s", v->tokens / (now - v->since));
    un_metrics_put(m, "ms/step", (now - v->since) / steps * 1e3);
    char key[40];
    for (int p = 0; p < UN_PHASE_COUNT; ++p) {
        snprintf(key, sizeof key, "ms/%s", un_phase_names[p]);
        un_metrics_put(m, key, v->seconds[p] / steps * 1e3);
    }
    if (v->comm > 0) {
        un_metrics_put(m, "ms/comm", v->comm / steps * 1e3);
        if (exposed_known) un_metrics_put(m, "comm_exposed", fmin(1, v->seconds[UN_PHASE_REDUCE] / v->comm));
    }
    un_metrics_put(m, "ms/valid", v->valid / steps * 1e3);
}

/* A line under construction; what does not fit is left out. */
struct words {
    char *text;
    size_t used, size;
};

static void say(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct words *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(w->text + w->used, w->size - w->used, format, args);
    va_end(args);
    if (length > 0) w->used += (size_t)length < w->size - w->used ? (size_t)length : w->size - w->used - 1;
}

static void say_rate(struct words *w, double flops, double machine) {
    if (flops <= 0) return;
    say(w, " | %.3g %cFLOP/s", flops >= 1e12 ? flops * 1e-12 : flops * 1e-9, flops >= 1e12 ? 'T' : 'G');
    if (machine > 0) say(w, " (%.0f %%)", flops / machine * 100);
}

void un_line_text(const struct un_job *job, const struct un_stats *total, const struct un_interval *v,
                  double now, double machine, char *text, size_t size) {
    struct words w = {text, 0, size};
    double seconds = now - v->since, tokens_per_s = v->tokens / seconds;
    const char *before = " | ";
    say(&w, "loss %.4f", un_stats_loss(total, job->weight, job->summed, job->config.train.itm_ot_lambda));
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        struct un_tally all = un_stats_total(total, (enum un_objective)t);
        if (all.rows <= 0) continue;
        say(&w, "%s%s %.3f", before, un_objective_names[t], all.loss / all.units);
        before = " ";
    }
    say(&w, " | %.0f tokens/s", tokens_per_s);
    if (v->own_tokens > 0) say_rate(&w, v->flop / v->own_tokens * tokens_per_s, machine);
    say(&w, " | data %.1f %%", v->seconds[UN_PHASE_DATA] / seconds * 100);
}
