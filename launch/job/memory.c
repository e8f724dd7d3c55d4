/* The count of a rank's memory (memory.h). */
#include "launch/job/memory.h"

#include "io/checkpoint/writer.h"
#include "io/feed/pack.h"
#include "launch/job/sizes.h"

#include <string.h>

const struct un_memory_part un_memory_parts[UN_MEMORY_PARTS_COUNT] = {
#define UN_MEMORY_PART(member, name, device) {name, offsetof(struct un_memory_plan, member), device},
    UN_MEMORY_PARTS(UN_MEMORY_PART)
#undef UN_MEMORY_PART
};

static bool on_card(const struct un_job *job) {
    return job->device && !job->device->host_readable;
}

size_t un_memory_part_bytes(const struct un_memory_plan *plan, int part) {
    size_t bytes;
    memcpy(&bytes, (const char *)plan + un_memory_parts[part].offset, sizeof bytes);
    return bytes;
}

static enum un_status count_params(const struct un_job *job, struct un_memory_plan *plan) {
    struct un_params table = {0};
    UN_TRY(un_model_params_build(&table, &job->dims));
    struct un_shard shard = un_job_shard(job, table.total);
    int64_t owned = un_exchange_most_owned(&shard);
    const size_t bytes = (size_t)un_job_buffer(job, table.total) * sizeof(float);
    const size_t moved = un_comm_memory_room(job->route.library, bytes);
    plan->params = moved;
    if (!job->evaluates) {
        plan->grads = moved + bytes * (size_t)(un_job_grad_buffers(un_job_most_lanes(job)) - 1);
        plan->moments = un_optim_bytes(&table, owned, job->comm->size);
        plan->exchange =
            un_exchange_bytes(&job->route, &shard, un_job_model_setup(job).act == UN_BF16 ? &table : NULL);
        plan->checkpoint = un_checkpoint_writer_bytes(owned);
    }
    un_params_free(&table);
    if (un_job_model_setup(job).act == UN_BF16)
        plan->params += un_comm_memory_room(job->route.library, bytes / 2);
    return UN_OK;
}

/* What chooses hard negatives has micro-batches of its own: candidates that are scored, and two lanes' chosen ones. */
static size_t mined_bytes(const struct un_job *job) {
    enum { MINED_BATCHES = 3 };
    struct un_batch_caps caps = job->caps;
    if (!(job->dims.heads & un_objective_bit(UN_ITM_HARD)) || job->evaluates) return 0;
    caps.store_rows = 0;
    struct un_batch batch;
    struct un_arena measure = {.name = "candidates"};
    un_batch_carve(&batch, &caps, &measure);
    return MINED_BATCHES * measure.used + un_packer_bytes(job->train.plan, &caps);
}

static void count_data(const struct un_job *job, struct un_memory_plan *plan) {
    struct un_loader_setup loader;
    un_job_loader_setup(job, un_job_split(job)->plan, job->evaluates ? UN_RNG_VALID : UN_RNG_MASK,
                        un_job_slots(job), NULL, &loader);
    plan->batches = un_loader_bytes(&loader) + mined_bytes(job);
    for (int64_t i = 0; i < job->train.n; ++i) plan->index += un_dataset_bytes(job->train.sets[i]);
    for (int64_t i = 0; i < job->valid.n; ++i) plan->index += un_dataset_bytes(job->valid.sets[i]);
    plan->cache = (size_t)job->cache.taken;
    if (job->cache.rows > 0) plan->cache += un_resident_bytes(job->cache.images);
    plan->store = (size_t)(job->caps.store_rows * job->cache.row_bytes);
    if (on_card(job)) plan->blocks = un_send_bytes(&job->caps);
}

enum un_status un_job_memory(const struct un_job *job, struct un_memory_plan *plan) {
    struct un_model_setup setup = un_job_model_setup(job);
    *plan = (struct un_memory_plan){0};
    UN_TRY(count_params(job, plan));
    UN_TRY(un_model_bytes(&setup, &plan->activations));
    count_data(job, plan);
    if (job->device) {
        struct un_limits limits;
        un_model_limits(&setup, &limits);
        plan->scratch =
            job->device->mem->scratch_bytes(job->device, &limits) + un_model_scratch(&setup, job->device);
        plan->libraries = un_device_library_bytes(job->device);
    }
    for (int i = 0; i < UN_MEMORY_PARTS_COUNT; ++i)
        *(on_card(job) && un_memory_parts[i].device ? &plan->card : &plan->host) +=
            un_memory_part_bytes(plan, i);
    plan->total = plan->card + plan->host;
    return UN_OK;
}

/* Ranks of this host that share a card when all cards are taken in turn. */
static int64_t sharers(const struct un_job *job) {
    int64_t cards = un_device_count(job->device->kind), ranks = job->comm->local_size;
    return cards > 0 ? (ranks + cards - 1) / cards : 1;
}

size_t un_job_room(const struct un_job *job) {
    size_t free_bytes, total;
    if (!on_card(job)) return 0;
    if (job->device->mem->memory_info(job->device, &free_bytes, &total) == UN_OK)
        return free_bytes / (size_t)sharers(job);
    un_error_clear();
    return 0;
}

/* Bytes on the card with micro-batches of so many tokens; without a store, which takes only what is left. */
static enum un_status card_bytes(const struct un_job *job, int64_t tokens, size_t *bytes) {
    struct un_job probe = *job;
    struct un_memory_plan plan;
    probe.cache = (struct un_job_cache){0};
    un_job_caps(job, tokens, &probe.caps);
    UN_TRY(un_job_memory(&probe, &plan));
    *bytes = plan.card;
    return UN_OK;
}

enum { FIT_STEP = 64 }; /* tokens_per_lane is looked for in steps of this */

enum un_status un_job_fitting_tokens(const struct un_job *job, size_t room, int64_t *tokens) {
    struct un_plan_extent extent = un_plan_extent(un_job_split(job)->plan);
    int64_t least = (extent.most_sample + FIT_STEP - 1) / FIT_STEP;
    int64_t low = least - 1, high = job->config.train.tokens_per_lane / FIT_STEP + 1; /* fits; does not */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        size_t bytes;
        UN_TRY(card_bytes(job, middle * FIT_STEP, &bytes));
        *(bytes <= room ? &low : &high) = middle;
    }
    *tokens = low < least ? 0 : low * FIT_STEP;
    return UN_OK;
}

enum un_status un_job_check_room(const struct un_job *job) {
    size_t room = job->cache.room;
    struct un_memory_plan plan;
    int64_t tokens;
    if (room == 0) return UN_OK;
    UN_TRY(un_job_memory(job, &plan));
    if (plan.card <= room) return UN_OK;
    UN_TRY(un_job_fitting_tokens(job, room, &tokens));
    char remedy[160];
    if (tokens > 0)
        snprintf(remedy, sizeof remedy,
                 "train.tokens_per_lane: %lld would fit (with more lanes for as many "
                 "tokens a step)",
                 (long long)tokens);
    else
        snprintf(remedy, sizeof remedy, "no train.tokens_per_lane would: more ranks or a smaller network");
    return un_fail(UN_MEMORY, "the run needs %zu MiB on the card, where %zu MiB are free; %s",
                   plan.card >> 20, room >> 20, remedy);
}

/* Addresses that are no memory: the stacks of the loader's threads, a validation's too, and of the checkpoints'; and
 * config.yaml, files and the C library's own, after which a run needs no more. */
static size_t own_addresses(const struct un_job *job) {
    enum { SMALL = 8 << 20 };
    size_t loaders = job->evaluates || job->valid.n == 0 ? 1 : 2;
    size_t threads = loaders * (size_t)job->config.loader.threads + !job->evaluates;
    return threads * un_memory_stack() + SMALL;
}

enum un_status un_job_take_libraries(const struct un_job *job) {
    struct un_memory_plan plan;
    char limit[96];
    UN_TRY(un_job_memory(job, &plan));
    size_t own = own_addresses(job), wanted = plan.host - plan.index /* which is taken */ + own;
    if (un_memory_room(wanted)) return un_device_take_libraries(job->device);
    un_memory_limit(limit, sizeof limit);
    return un_fail(
        UN_MEMORY,
        "the run wants %zu MiB more on this host for rank %d, %zu of them addresses for OpenBLAS and OpenMP "
        "(threads: %d), %zu for stacks of the loader's and other threads, which the system does not give%s; "
        "take fewer run.threads, a smaller "
        "loader.cache_mb, or raise the limit",
        wanted >> 20, job->comm->rank, plan.libraries >> 20, job->device->threads, own >> 20, limit);
}
