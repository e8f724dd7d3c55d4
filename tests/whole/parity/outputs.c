/* Hidden states, unit losses, scores, distances and plans against the reference. */
#include "runtime/device.h"
#include "tests/whole/parity/run.h"

/* Compares a matrix of device memory with data set out/NAME of the task. */
static enum un_status compare_mat(struct run *r, enum un_objective t, const char *name, struct un_mat device,
                                  double tolerance) {
    const int64_t count = device.rows * device.cols, cols = device.cols;
    float *want = NULL, *got = NULL;
    int64_t wanted;
    enum un_status status;
    UN_TRY(reference_floats(&r->ref, &want, &wanted, "tasks/%s/out/%s", un_objective_names[t], name));
    status = UN_OK;
    if (wanted != count) {
        card_missing(r->card, name, "another number of elements than the reference");
        goto done;
    }
    got = un_alloc((size_t)count + 1, sizeof *got, name);
    UN_TRY_GOTO(got ? UN_OK : un_error_get()->status, done);
    UN_TRY_GOTO(net_fetch_mat(&r->net, got, device), done);
    compare_largest(r->card, name, got, want, count, cols, tolerance);
done:
    un_free(want);
    un_free(got);
    return status;
}

/* The same for `count` floats, shown in rows of `cols`. */
static enum un_status compare_output(struct run *r, enum un_objective t, const char *name,
                                     const float *device, int64_t count, int64_t cols, double tolerance) {
    return compare_mat(r, t, name, un_mat32(device, cols > 0 ? count / cols : 0, cols), tolerance);
}

static enum un_status compare_sinkhorn(struct run *r) {
    const struct un_batch *b = &r->batch[UN_ITM].device;
    struct un_device *d = r->net.device;
    struct un_pairs pairs = un_batch_pairs(b);
    int64_t plan = r->batch[UN_ITM].host.plan_start[pairs.count];
    size_t bytes = (size_t)(pairs.count + 2 * plan) * sizeof(float);
    float *distance = d->mem->alloc(d, bytes, "sinkhorn");
    if (!distance) return un_error_get()->status;
    float *plans = distance + pairs.count, *cost = plans + plan;
    enum un_status status;
    d->ops->transport_fwd(r->net.q, distance, plans, cost, r->net.out.hidden, &pairs, &r->ref.sinkhorn);
    UN_TRY_GOTO(compare_output(r, UN_ITM, "sinkhorn_plan", plans, plan, 1, r->tolerance->plan), done);
    status = compare_output(r, UN_ITM, "sinkhorn_distance", distance, pairs.count, 1, r->tolerance->value);
done:
    d->mem->free(d, distance);
    return status;
}

static enum un_status compare_pairs(struct run *r) {
    const struct un_outputs *out = &r->net.out;
    int64_t pairs = r->batch[UN_ITM].host.rows[UN_ITM].n;
    int64_t plan = r->batch[UN_ITM].host.plan_start[pairs];
    UN_TRY(compare_mat(r, UN_ITM, "pooled", out->pooled, r->tolerance->value));
    UN_TRY(compare_output(r, UN_ITM, "itm_scores", out->scores.data, pairs * 2, 2, r->tolerance->score));
    UN_TRY(compare_output(r, UN_ITM, "xe", out->row_loss[UN_ITM], pairs, 1, r->tolerance->value));
    UN_TRY(compare_output(r, UN_ITM, "ot_distance", out->distance, pairs, 1, r->tolerance->value));
    UN_TRY(compare_output(r, UN_ITM, "ot_plan", out->plan, plan, 1, r->tolerance->plan));
    return compare_sinkhorn(r);
}

static enum un_status compare_units(struct run *r, enum un_objective t) {
    const struct un_dims *d = &r->ref.dims;
    int64_t width = t == UN_MRFR ? d->img_dim : t == UN_MRCKL ? d->img_label_dim : 1;
    int64_t rows = r->batch[t].host.rows[t].n;
    return compare_output(r, t, "unit_loss", r->net.out.unit[t], rows * width, width, r->tolerance->value);
}

static enum un_status compare_loss(struct run *r, enum un_objective t) {
    float *want;
    int64_t count;
    UN_TRY(reference_floats(&r->ref, &want, &count, "tasks/%s/out/loss", un_objective_names[t]));
    double got = net_loss(&r->net, &r->batch[t], &r->factors);
    compare_between(r->card, "loss", &got, &got, want, 1, r->tolerance->value);
    un_free(want);
    return UN_OK;
}

enum un_status compare_outputs(struct run *r, enum un_objective t) {
    UN_TRY(compare_mat(r, t, "sequence_output", r->net.out.hidden, r->tolerance->value));
    UN_TRY(t == UN_ITM ? compare_pairs(r) : compare_units(r, t));
    return compare_loss(r, t);
}
