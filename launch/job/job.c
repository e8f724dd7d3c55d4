/* The device stage of a job: device, network, buffers, loader; and closing. */
#include "launch/job/job.h"

#include "launch/job/memory.h"
#include "launch/job/precision.h"
#include "launch/job/sizes.h"
#include "launch/traffic/backend.h"

static enum un_status open_exchange(struct un_job *job) {
    struct un_span first;
    un_model_first(job->model, &first.begin, &first.end);
    struct un_exchange_setup setup = {.route = job->route,
                                      .comm = job->comm,
                                      .device = job->device,
                                      .queue = job->queue,
                                      .shard = un_job_shard(job, job->table->total),
                                      .first = first,
                                      .low = un_job_model_setup(job).act == UN_BF16 ? job->table : NULL,
                                      .exact = job->config.train.exact,
                                      .overlap = job->config.comm.overlap,
                                      .rail_ctas = (int)job->config.comm.rail_ctas,
                                      .memory = &job->moved};
    return un_exchange_open(&job->exchange, &setup);
}

static void attach_buffers(struct un_job *job) {
    struct un_exchange_buffers buffers = {job->grads[0], job->params, job->low, &job->optim};
    un_exchange_attach(&job->exchange, &buffers);
}

static enum un_status open_sender(struct un_job *job) {
    struct un_send_setup setup = {job->device, job->queue, &job->caps};
    return un_send_open(&job->sender, &setup);
}

static enum un_status open_store(struct un_job *job) {
    struct un_send_store store = {.sets = job->train.sets,
                                  .n = job->train.n,
                                  .lane_begin = job->lane_begin,
                                  .lane_end = job->lane_end,
                                  .rows = job->cache.rows,
                                  .optional = job->config.data.cache == UN_CACHE_AUTO};
    UN_TRY(un_send_open_store(&job->sender, &store));
    if (!job->sender.store) job->caps.store_rows = 0; /* goes on without */
    return UN_OK;
}

static enum un_status open_receiver(struct un_job *job) {
    struct un_receive_setup setup = {job->device, job->queue, &job->caps,
                                     job->evaluates ? 0 : job->comm->size};
    return un_receive_open(&job->receiver, &setup);
}

static enum un_status open_buffers(struct un_job *job) {
    struct un_device *d = job->device;
    size_t bytes = (size_t)un_job_buffer(job, job->table->total) * sizeof(float);
    job->params = un_comm_memory_take(&job->moved, bytes, "parameters");
    if (!job->params) return un_error_get()->status;
    if (un_job_model_setup(job).act == UN_BF16) {
        job->low = un_comm_memory_take(&job->moved, bytes / 2, "bf16 copy of the parameters");
        if (!job->low) return un_error_get()->status;
    }
    UN_TRY(open_receiver(job));
    if (job->evaluates) return UN_OK;
    job->n_grads = un_job_grad_buffers(job->lane_end - job->lane_begin);
    UN_ASSERT(job->n_grads <= UN_GRAD_DEPTH);
    static const char grads[] = "gradients";
    for (int i = 0; i < job->n_grads; ++i) {
        job->grads[i] =
            i == 0 ? un_comm_memory_take(&job->moved, bytes, grads) : d->mem->alloc(d, bytes, grads);
        if (!job->grads[i]) return un_error_get()->status;
    }
    UN_TRY(un_optim_open(&job->optim, d, job->queue, job->table,
                         un_shard_count(&job->exchange.shard, job->comm->rank), job->comm->size));
    attach_buffers(job);
    return UN_OK;
}

static enum un_status open_host(struct un_job *job) {
    int64_t most = un_job_most_lanes(job);
    job->lane_stats = un_alloc((size_t)most, sizeof *job->lane_stats, "statistics of lanes");
    job->all_stats =
        un_alloc((size_t)(most * job->comm->size), sizeof *job->all_stats, "statistics of all lanes");
    if (job->evaluates) return job->lane_stats && job->all_stats ? UN_OK : un_error_get()->status;
    job->held = un_alloc((size_t)most, sizeof *job->held, "micro-batches in hand");
    job->states = un_alloc((size_t)job->config.train.lanes, sizeof *job->states, "states of lanes");
    if (!job->held || !job->lane_stats || !job->all_stats || !job->states) return un_error_get()->status;
    for (int64_t lane = 0; lane < job->config.train.lanes; ++lane)
        un_plan_start(job->train.plan, lane, &job->states[lane]);
    return UN_OK;
}

/* Initial parameters: made in place where the host reads device memory, else on the host and copied once. */
static enum un_status init_params(struct un_job *job) {
    uint64_t seed = (uint64_t)job->config.run.seed;
    float range = (float)job->dims.initializer_range;
    if (job->device->host_readable) {
        un_params_init(job->table, job->params, seed, range);
        return UN_OK;
    }
    float *values = un_alloc((size_t)job->table->total, sizeof *values, "initial parameters");
    if (!values) return un_error_get()->status;
    un_params_init(job->table, values, seed, range);
    job->device->mem->copy_in(job->queue, job->params, values, (size_t)job->table->total * sizeof *values);
    enum un_status status = job->device->mem->queue_wait(job->queue);
    un_free(values);
    return status;
}

/* Empty histories of fp8, which a resume may fill. */
static enum un_status open_fp8(struct un_job *job) {
    struct un_job_fp8 *f = &job->fp8;
    if (!un_job_model_setup(job).fp8) return UN_OK;
    const int64_t n = un_model_fp8_tensors(&job->dims);
    UN_TRY(un_scaling_open(&f->scaling, n, job->config.train.fp8_history, job->config.train.fp8_after));
    f->scale = un_alloc((size_t)n, sizeof *f->scale, "scales of fp8");
    f->amax = un_alloc((size_t)n, sizeof *f->amax, "amax of fp8");
    f->all = un_alloc((size_t)n, sizeof *f->all, "amax of fp8");
    return f->scale && f->amax && f->all ? UN_OK : un_error_get()->status;
}

static void close_fp8(struct un_job_fp8 *f) {
    un_scaling_close(&f->scaling);
    un_free(f->scale);
    un_free(f->amax);
    un_free(f->all);
}

void un_job_lower(struct un_job *job) {
    if (job->low)
        job->device->ops->cast(job->queue, job->low, UN_BF16, job->params, UN_F32, job->table->total);
}

enum un_status un_job_find_device(struct un_job *job) {
    const struct un_run_config *c = &job->config;
    int threads = (int)c->run.cores.threads;
    UN_TRY(un_topology_bind(&job->topology, job->comm, c->run.cores.bind != UN_BIND_NONE));
    if (threads == 0) threads = un_topology_threads(&job->topology, job->comm);
    UN_TRY(un_device_open(un_device_names[c->device.device], threads, job->comm->local_rank, &job->device));
    UN_TRY(un_device_use_kernel(job->device, un_kernel_names[c->run.cores.kernel]));
    job->device->tf32 = c->train.precision == UN_PRECISION_TF32;
    return UN_OK;
}

/* Once, at the start. */
static void say_precision(const struct un_job *job) {
    const struct un_run_config *c = &job->config;
    const enum un_precision precision = (enum un_precision)c->train.precision;
    if (job->device->kind != UN_DEVICE_CPU) {
        if (precision == UN_PRECISION_FP8 && !job->device->fp8_units)
            un_log(UN_LOG_WARN,
                   "train.precision: fp8 on a card without units for it (%s): numbers are rounded to fp8 "
                   "and then multiplied in bf16, slower than train.precision: bf16",
                   job->device->name);
        return;
    }
    const char *said =
        un_precision_on_cpu(precision, job->device->quick_bf16, un_kernel_names[c->run.cores.kernel]);
    if (said) un_log(UN_LOG_INFO, "%s", said);
}

static enum un_status open_network(struct un_job *job) {
    say_precision(job);
    struct un_model_setup setup = un_job_model_setup(job);
    struct un_limits limits;
    un_model_limits(&setup, &limits);
    UN_TRY(job->device->mem->queue_open(job->device, &limits, &job->queue));
    UN_TRY(un_model_open(&job->model, job->device, &setup));
    job->table = un_model_params(job->model);
    job->moved = (struct un_comm_memory){
        .device = job->device, .queue = job->queue, .library = job->route.library, .must = job->route.must};
    return UN_OK;
}

enum un_status un_job_choose_route(struct un_job *job) {
    static const enum un_backend_wish wishes[] = {[UN_BACKEND_AUTO] = UN_WISH_ANY,
                                                  [UN_BACKEND_SELF] = UN_WISH_HOST,
                                                  [UN_BACKEND_MPI] = UN_WISH_HOST,
                                                  [UN_BACKEND_NCCL] = UN_WISH_CARDS};
    static const enum un_level_wish levels[] = {
        [UN_LEVELS_AUTO] = UN_LEVEL_BEST, [UN_LEVELS_ONE] = UN_LEVEL_ONE, [UN_LEVELS_TWO] = UN_LEVEL_TWO};
    static const enum un_register_wish registers[] = {[UN_REGISTER_AUTO] = UN_REGISTER_BEST,
                                                      [UN_REGISTER_ON] = UN_REGISTER_MUST,
                                                      [UN_REGISTER_OFF] = UN_REGISTER_NEVER};
    const struct un_run_config *c = &job->config;
    UN_TRY(un_backend_settle(&job->route, job->comm, job->device, wishes[c->comm.backend],
                             un_config_where(c->document, "comm.backend")));
    UN_TRY(un_backend_levels(&job->route, job->comm, levels[c->comm.levels],
                             un_config_where(c->document, "comm.levels")));
    return un_backend_register(&job->route, job->comm, registers[c->comm.registered],
                               un_config_where(c->document, "comm.register"));
}

enum un_status un_job_open_device(struct un_job *job) {
    UN_TRY(un_job_check_room(job));
    UN_TRY(un_job_take_libraries(job));
    un_topology_place_threads(&job->topology, job->device);
    UN_TRY(open_network(job));
    UN_TRY(open_fp8(job));
    if (!job->evaluates) UN_TRY(open_exchange(job));
    UN_TRY(open_buffers(job));
    UN_TRY(open_sender(job));
    UN_TRY(open_host(job));
    UN_TRY(init_params(job));
    return open_store(job);
}

enum un_status un_job_start_loader(struct un_job *job) {
    struct un_loader_setup setup;
    un_job_loader_setup(job, job->train.plan, UN_RNG_MASK, un_job_slots(job), job->states, &setup);
    return un_loader_open(&job->loader, &setup);
}

enum un_status un_job_gather_stats(struct un_job *job, struct un_stats *total) {
    struct un_comm *comm = job->comm;
    int64_t most = un_job_most_lanes(job);
    UN_TRY(
        comm->ops->all_gather(comm, job->all_stats, job->lane_stats, (size_t)most * sizeof *job->lane_stats));
    *total = (struct un_stats){0};
    for (int r = 0; r < comm->size; ++r) {
        int64_t n = un_lane_begin(job->config.train.lanes, r + 1, comm->size) -
                    un_lane_begin(job->config.train.lanes, r, comm->size);
        for (int64_t i = 0; i < n; ++i) un_stats_merge(total, &job->all_stats[r * most + i]);
    }
    return UN_OK;
}

static void close_split(struct un_split *split) {
    un_plan_close(split->plan);
    for (int64_t i = 0; i < UN_MAX_DATASETS; ++i) un_dataset_close(split->sets[i]);
}

static void close_device(struct un_job *job) {
    struct un_device *d = job->device;
    un_replay_close(&job->replay, d);
    un_exchange_close(&job->exchange);
    un_receive_close(&job->receiver);
    un_send_close(&job->sender);
    un_optim_close(&job->optim, d);
    for (int i = 1; i < job->n_grads; ++i) d->mem->free(d, job->grads[i]);
    un_comm_memory_give(&job->moved, job->grads[0]);
    un_comm_memory_give(&job->moved, job->params);
    un_comm_memory_give(&job->moved, job->low);
    un_model_close(job->model);
    if (job->queue) d->mem->queue_close(job->queue);
    un_device_close(d);
}

void un_job_close(struct un_job *job) {
    if (job->device) (void)un_send_settle(&job->sender); /* a failed step may have left copies under way */
    un_loader_close(job->loader);
    if (job->device) close_device(job);
    un_free(job->held);
    un_free(job->lane_stats);
    un_free(job->all_stats);
    un_free(job->states);
    close_fp8(&job->fp8);
    close_split(&job->train);
    close_split(&job->valid);
    un_run_config_free(&job->config);
}
