/* A rank's part of the data (part.h). */
#include "launch/job/part.h"

#include "launch/job/memory.h"

/* Of what the card has left beside everything else, the features may take this: libraries and the driver take
 * memory that nobody can count before. */
static const double card_share = 0.9;

/* What the cache of the host holds of set i: on the device there are no soft labels. */
static unsigned kept_of(const struct un_job *job, int64_t i) {
    const double *mix = un_job_split(job)->keys[i].mix;
    unsigned soft = un_objective_mix_needs_soft_labels(mix) ? UN_CACHE_SOFT : 0;
    return soft | (job->cache.kind == UN_CACHE_DEVICE ? 0 : UN_CACHE_FEATURES);
}

/* Images of set i that this rank reads: those of its lanes, or all, as a matrix of retrieval has them. */
static int64_t first_image(const struct un_job *job, int64_t i) {
    return job->evaluates ? 0 : un_dataset_lane_image(job->train.sets[i], job->lane_begin);
}
static int64_t end_image(const struct un_job *job, int64_t i) {
    const struct un_dataset *d = un_job_split(job)->sets[i];
    return job->evaluates ? un_dataset_info(d)->images_with_text : un_dataset_lane_image(d, job->lane_end);
}

/* Bytes of their rows. */
static int64_t need_of(const struct un_job *job, int64_t i) {
    return un_dataset_cache_need(un_job_split(job)->sets[i], first_image(job, i), end_image(job, i),
                                 kept_of(job, i));
}

static int64_t limit_of(const struct un_job *job) {
    return job->config.loader.cache_mb << 20;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Rows of features that the card has room for, this rank alone; INT32_MAX when that is not known. */
static enum un_status rows_that_fit(const struct un_job *job, int64_t *rows) {
    struct un_memory_plan plan;
    size_t room = job->cache.room;
    *rows = INT32_MAX;
    if (room == 0) return UN_OK;
    UN_TRY(un_job_memory(job, &plan));
    double left = room > plan.card ? (double)(room - plan.card) * card_share : 0;
    int64_t fit =
        (int64_t)(left / (double)job->cache.row_bytes) - job->caps.regions; /* less those of guests */
    *rows = smaller(fit > 0 ? fit : 0, INT32_MAX);
    return UN_OK;
}

/* Takes the device if it is asked for, or if it holds everything. */
static enum un_status try_device(struct un_job *job) {
    struct un_job_cache *c = &job->cache;
    int64_t fit;
    UN_TRY(rows_that_fit(job, &fit));
    bool asked = job->config.data.cache == UN_CACHE_DEVICE;
    if (!asked && (c->room == 0 || c->need_rows > fit)) return UN_OK;
    c->kind = UN_CACHE_DEVICE;
    c->rows = smaller(smaller(c->need_rows, fit), INT32_MAX - job->caps.regions);
    job->caps.store_rows = c->rows > 0 ? c->rows + job->caps.regions : 0;
    return UN_OK;
}

/* An evaluation reads its sets once, but a retrieval every image for each of its texts. */
static void place_evaluated(struct un_job *job) {
    struct un_job_cache *c = &job->cache;
    un_objective_set ranks = un_objective_bit(UN_ITM_RANK) | un_objective_bit(UN_ITM_HARD);
    if (c->kind == UN_CACHE_HOST && (job->dims.heads & ranks))
        for (int64_t i = 0; i < job->valid.n; ++i) c->need += need_of(job, i);
    c->taken = smaller(c->need, limit_of(job));
    if (c->taken == 0) c->kind = UN_CACHE_NONE;
}

enum un_status un_job_place_cache(struct un_job *job) {
    struct un_job_cache *c = &job->cache;
    int asked = job->config.data.cache;
    bool card = !job->device->host_readable;
    *c = (struct un_job_cache){.kind = asked == UN_CACHE_NONE ? UN_CACHE_NONE : UN_CACHE_HOST};
    c->room = un_job_room(job);
    job->caps.store_rows = 0;
    if (job->evaluates) {
        place_evaluated(job);
        return UN_OK;
    }
    if (asked == UN_CACHE_DEVICE && !card)
        return un_fail(UN_USAGE,
                       "%s: data.cache: device needs a card, and this run is on %s; use host or auto",
                       un_config_where(job->config.document, "data.cache"), job->device->name);
    c->row_bytes = job->caps.img_dim * un_type_bytes(job->caps.feature_type);
    c->need_rows = un_resident_need(job->train.sets, job->train.n, job->lane_begin, job->lane_end);
    for (int64_t i = 0; i < job->train.n; ++i)
        c->images += un_dataset_lane_image(job->train.sets[i], job->lane_end) -
                     un_dataset_lane_image(job->train.sets[i], job->lane_begin);
    if (card && (asked == UN_CACHE_AUTO || asked == UN_CACHE_DEVICE)) UN_TRY(try_device(job));
    for (int64_t i = 0; i < job->train.n; ++i) c->need += need_of(job, i);
    if (c->kind != UN_CACHE_NONE) c->taken = smaller(c->need, limit_of(job));
    if (c->kind == UN_CACHE_HOST && c->taken == 0) c->kind = UN_CACHE_NONE;
    return UN_OK;
}

void un_job_say_cache(const struct un_job *job) {
    const struct un_job_cache *c = &job->cache;
    double mib = 1 << 20;
    if (job->caps.store_rows > 0)
        un_log(UN_LOG_INFO, "data.cache: features stay on the card, %.0f of %.0f MiB of rank %d's part",
               (double)(c->rows * c->row_bytes) / mib, (double)(c->need_rows * c->row_bytes) / mib,
               job->comm->rank);
    if (c->taken > 0)
        un_log(UN_LOG_INFO, "data.cache: rows stay in memory, %.0f of %.0f MiB of rank %d's part",
               (double)c->taken / mib, (double)c->need / mib, job->comm->rank);
}

/* What rounding up adds to the entries of this rank's part. */
static int64_t slack_of(const struct un_job *job, int64_t i) {
    const struct un_dataset *d = un_job_split(job)->sets[i];
    int64_t begin = first_image(job, i), end = end_image(job, i);
    return UN_CACHE_ALIGN * 2 *
           (end - begin + un_dataset_image_text(d, end) - un_dataset_image_text(d, begin));
}

/* Each data set gets the share of the limit that its rows have of all. */
static enum un_status open_caches(struct un_job *job) {
    const struct un_job_cache *all = &job->cache;
    const struct un_split *split = un_job_split(job);
    for (int64_t i = 0; i < split->n && all->need > 0; ++i) {
        double share = (double)need_of(job, i) / (double)all->need;
        int64_t limit = all->taken == all->need ? need_of(job, i) + slack_of(job, i)
                                                : (int64_t)((double)limit_of(job) * share);
        UN_TRY(un_dataset_cache(split->sets[i], limit, kept_of(job, i)));
    }
    return UN_OK;
}

enum un_status un_job_keep_part(struct un_job *job) {
    if (job->comm->size > 1 && !job->evaluates) {
        UN_TRY(un_plan_keep(job->train.plan, job->lane_begin, job->lane_end));
        bool all = job->config.valid.retrieval; /* every rank scores against every image */
        if (job->valid.plan && !all) UN_TRY(un_plan_keep(job->valid.plan, job->lane_begin, job->lane_end));
    }
    return job->cache.taken > 0 ? open_caches(job) : UN_OK;
}
