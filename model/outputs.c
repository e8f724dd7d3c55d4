/* Host copies of what a pass left, see outputs.h. */
#include "model/outputs.h"

static float *host_floats(struct un_device *d, int64_t count) {
    return d->mem->host_alloc(d, (size_t)(count > 0 ? count : 1) * sizeof(float),
                              "host copies of the losses");
}

enum un_status un_host_outputs_open(struct un_host_outputs *h, struct un_device *d,
                                    const struct un_batch_caps *caps, bool with_plan) {
    bool ok = true;
    *h = (struct un_host_outputs){0};
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        int64_t rows = un_batch_row_cap(caps, (enum un_objective)t);
        ok = ok && (h->row_loss[t] = host_floats(d, rows)) != NULL;
        if (un_objectives[t].hits) ok = ok && (h->hit[t] = host_floats(d, rows)) != NULL;
    }
    ok = ok && (h->distance = host_floats(d, caps->samples)) != NULL;
    if (with_plan) ok = ok && (h->plan = host_floats(d, caps->plan)) != NULL;
    if (ok) return UN_OK;
    un_host_outputs_close(h, d);
    return un_error_get()->status;
}

enum un_status un_host_outputs_keep_scores(struct un_host_outputs *h, struct un_device *d,
                                           const struct un_batch_caps *caps,
                                           const int64_t cols[UN_OBJECTIVE_COUNT]) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        if (!un_objectives[t].task || cols[t] == 0) continue;
        h->score_cols[t] = cols[t];
        h->score[t] = host_floats(d, un_batch_member_cap(caps, (enum un_objective)t) * cols[t]);
        if (!h->score[t]) return un_error_get()->status;
    }
    return UN_OK;
}

void un_host_outputs_close(struct un_host_outputs *h, struct un_device *d) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        if (h->score[t]) d->mem->host_free(d, h->score[t]);
        if (h->row_loss[t]) d->mem->host_free(d, h->row_loss[t]);
        if (h->hit[t]) d->mem->host_free(d, h->hit[t]);
    }
    if (h->distance) d->mem->host_free(d, h->distance);
    if (h->plan) d->mem->host_free(d, h->plan);
    *h = (struct un_host_outputs){0};
}

static void fetch(struct un_device *d, struct un_queue *q, float *host, const float *device, int64_t count) {
    if (host && device && count > 0) d->mem->copy_out(q, host, device, (size_t)count * sizeof(float));
}

void un_host_outputs_fetch(struct un_host_outputs *h, const struct un_outputs *out,
                           const struct un_batch *batch, struct un_device *d, struct un_queue *q) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        fetch(d, q, h->row_loss[t], out->row_loss[t], batch->rows[t].n);
        fetch(d, q, h->hit[t], out->hit[t], batch->rows[t].n);
        fetch(d, q, h->score[t], out->score[t].data, out->score[t].rows * out->score[t].stride);
    }
    int64_t pairs = batch->rows[UN_ITM].n;
    fetch(d, q, h->distance, out->distance, pairs);
    if (pairs > 0) fetch(d, q, h->plan, out->plan, batch->plan_start[pairs]);
}
