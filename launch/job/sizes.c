/* Sizes of a job (sizes.h). */
#include "launch/job/sizes.h"

int64_t un_job_most_lanes(const struct un_job *job) {
    int64_t most = 0;
    for (int r = 0; r < job->comm->size; ++r) {
        int64_t n = un_lane_begin(job->config.train.lanes, r + 1, job->comm->size) -
                    un_lane_begin(job->config.train.lanes, r, job->comm->size);
        if (n > most) most = n;
    }
    return most;
}

struct un_shard un_job_shard(const struct un_job *job, int64_t total) {
    struct un_shard shard;
    un_shard_set(&shard, total, job->comm->size, (size_t)job->config.comm.bucket_mb << 20);
    if (job->route.nodes > 1) un_shard_spread(&shard, job->route.nodes);
    return shard;
}

int64_t un_job_buffer(const struct un_job *job, int64_t total) {
    struct un_shard shard = un_job_shard(job, total);
    return job->evaluates ? total : un_shard_room(&shard);
}

/* floor(log2(lanes)) + 1. */
int un_job_grad_buffers(int64_t lanes) {
    int n = 1;
    while ((int64_t)1 << n <= lanes) ++n;
    return n;
}

int64_t un_job_slots(const struct un_job *job) {
    int64_t held = job->evaluates ? 1 : job->lane_end - job->lane_begin;
    return held + job->config.loader.ahead;
}

/* auto is bf16 on a card, fp32 on the CPU; fp8 is a training in bf16 whose layers multiply in fp8. */
static enum un_type activations(const struct un_job *job) {
    int precision = job->config.train.precision;
    bool card = job->device && job->device->kind != UN_DEVICE_CPU;
    return precision == UN_PRECISION_BF16 || precision == UN_PRECISION_FP8 ||
                   (card && precision == UN_PRECISION_AUTO)
               ? UN_BF16
               : UN_F32;
}

struct un_model_setup un_job_model_setup(const struct un_job *job) {
    return (struct un_model_setup){.dims = job->dims,
                                   .caps = job->caps,
                                   .wra = un_wra_transport(&job->config.wra),
                                   .margin = job->config.train.margin,
                                   .seed = (uint64_t)job->config.run.seed,
                                   .train = !job->evaluates,
                                   .act = activations(job),
                                   .fp8 = job->config.train.precision == UN_PRECISION_FP8 && !job->evaluates,
                                   .host = job->device && job->device->host_readable};
}

static void *slot_alloc(void *context, size_t bytes) {
    struct un_device *device = context;
    return device->mem->host_alloc(device, bytes, "micro-batches of the loader");
}
static void slot_free(void *context, void *ptr) {
    struct un_device *device = context;
    device->mem->host_free(device, ptr);
}

void un_job_loader_setup(const struct un_job *job, const struct un_plan *plan, uint32_t purpose,
                         int64_t slots, const struct un_lane_state *states, struct un_loader_setup *setup) {
    *setup = (struct un_loader_setup){.plan = plan,
                                      .caps = job->caps,
                                      .lane_begin = job->lane_begin,
                                      .lane_end = job->lane_end,
                                      .first_step = purpose == UN_RNG_MASK ? job->step + 1 : 0,
                                      .states = states,
                                      .slots = slots,
                                      .threads = (int)job->config.loader.threads,
                                      .purpose = purpose,
                                      .host_alloc = job->device ? slot_alloc : NULL,
                                      .host_free = job->device ? slot_free : NULL,
                                      .context = job->device};
    if (purpose == UN_RNG_MASK)
        setup->resident = job->sender.resident;
    else
        setup->caps.store_rows = 0; /* validation data are not kept on the device */
}
