/* Losses and outcomes on their way to the host (receive.h). Law: the copy queue reads what the model and the optimizer
 * left after `computed`; the computation's queue writes there again after `copied`. */
#include "launch/traffic/receive.h"

static enum un_status open_slot(struct un_receiver *r, const struct un_receive_setup *setup, int i) {
    UN_TRY(un_host_outputs_open(&r->outputs[i], r->device, setup->caps, true));
    return r->device->mem->event_open(r->device, &r->arrived[i]);
}

enum un_status un_receive_open(struct un_receiver *r, const struct un_receive_setup *setup) {
    struct un_device *d = setup->device;
    struct un_limits limits = {0}; /* it only copies */
    *r = (struct un_receiver){.device = d, .queue = setup->queue, .copies = setup->queue};
    UN_TRY(open_slot(r, setup, 0));
    if (setup->shares == 0) return UN_OK;
    UN_TRY(open_slot(r, setup, 1));
    UN_TRY(d->mem->event_open(d, &r->computed));
    UN_TRY(d->mem->event_open(d, &r->copied));
    UN_TRY(d->mem->event_open(d, &r->ended));
    UN_TRY(un_optim_told_open(&r->told, d, setup->shares));
    return d->host_readable ? UN_OK : d->mem->queue_open(d, &limits, &r->copies);
}

void un_receive_close(struct un_receiver *r) {
    if (!r->device) return;
    const struct un_device_ops *mem = r->device->mem;
    if (r->copies && r->copies != r->queue) mem->queue_close(r->copies);
    for (int i = 0; i < UN_RECEIVE_SLOTS; ++i) {
        un_host_outputs_close(&r->outputs[i], r->device);
        if (r->arrived[i]) mem->event_close(r->arrived[i]);
    }
    if (r->computed) mem->event_close(r->computed);
    if (r->copied) mem->event_close(r->copied);
    if (r->ended) mem->event_close(r->ended);
    un_optim_told_close(&r->told, r->device);
    *r = (struct un_receiver){0};
}

/* Later copies come after all that the computation was given so far. */
static void follow(struct un_receiver *r) {
    r->device->mem->event_record(r->computed, r->queue);
    r->device->mem->queue_wait_event(r->copies, r->computed);
}

/* `arrived`, for the host, and all copies so far, for the computation. */
static void arrive(struct un_receiver *r, struct un_event *arrived) {
    r->device->mem->event_record(arrived, r->copies);
    r->device->mem->event_record(r->copied, r->copies);
}

void un_receive_clear(struct un_receiver *r) {
    r->device->mem->queue_wait_event(r->queue, r->copied);
}

int un_receive_outputs(struct un_receiver *r, const struct un_outputs *out, const struct un_batch *host) {
    r->slot ^= 1;
    follow(r);
    un_host_outputs_fetch(&r->outputs[r->slot], out, host, r->device, r->copies);
    arrive(r, r->arrived[r->slot]);
    return r->slot;
}

enum un_status un_receive_await(struct un_receiver *r, int slot, const struct un_host_outputs **outputs) {
    *outputs = &r->outputs[slot];
    return r->device->mem->event_wait(r->arrived[slot]);
}

void un_receive_outcome(struct un_receiver *r, const struct un_optim *optim) {
    follow(r);
    un_optim_tell(optim, r->device, r->copies, &r->told);
    arrive(r, r->ended);
}

enum un_status un_receive_ended(struct un_receiver *r, double *norm, enum un_optim_skip *skip) {
    UN_TRY(r->device->mem->event_wait(r->ended));
    UN_TRY(r->device->mem->queue_status(r->copies));
    UN_TRY(r->device->mem->queue_status(r->queue));
    un_optim_outcome(&r->told, norm, skip);
    return UN_OK;
}
