/* Moments as whole buffers (moments.h). Law: the queue of the exchange is at rest, so its scratch is free. */
#include "launch/moments.h"

bool un_moments_whole(const struct un_job *job) {
    return job->comm->size == 1 && job->device->host_readable;
}

/* The own parts of one moment from the device into the whole buffer, or back. */
static enum un_status copy_parts(struct un_job *job, float *whole, float *owned, bool out) {
    const struct un_device_ops *mem = job->device->mem;
    for (int64_t b = 0; b < job->exchange.shard.buckets; ++b) {
        struct un_optim_part part = un_exchange_part(job, b);
        size_t bytes = (size_t)part.count * sizeof(float);
        if (out)
            mem->copy_out(job->queue, whole + part.begin, owned + part.local, bytes);
        else
            mem->copy_in(job->queue, owned + part.local, whole + part.begin, bytes);
    }
    return mem->queue_wait(job->queue);
}

static enum un_status gather(struct un_job *job, float *whole, float *owned) {
    struct un_exchange *x = &job->exchange;
    UN_TRY(copy_parts(job, whole, owned, true));
    if (job->comm->size == 1) return UN_OK;
    for (int64_t b = 0; b < x->shard.buckets; ++b)
        UN_TRY(un_parts_gather(job->comm, &x->parts, b, whole + un_shard_bucket(&x->shard, b).begin));
    return UN_OK;
}

enum un_status un_moments_gather(struct un_job *job, float *m, float *v) {
    UN_TRY(gather(job, m, job->optim.m));
    return gather(job, v, job->optim.v);
}

enum un_status un_moments_scatter(struct un_job *job, float *m, float *v) {
    UN_TRY(copy_parts(job, m, job->optim.m, false));
    return copy_parts(job, v, job->optim.v, false);
}
