/* A rank's part of the data (job_part.h). */
#include "launch/job_part.h"

static bool wants_soft(const struct un_dataset_keys *keys) {
    return keys->mix[UN_MRC] > 0 || keys->mix[UN_MRCKL] > 0;
}

/* Bytes of the rows of this rank's lanes in training set i. */
static int64_t need_of(const struct un_job *job, int64_t i) {
    const struct un_dataset *d = job->train.sets[i];
    return un_dataset_cache_need(d, un_dataset_lane_image(d, job->lane_begin),
                                 un_dataset_lane_image(d, job->lane_end), wants_soft(&job->train.keys[i]));
}

static int64_t limit_of(const struct un_job *job) {
    return job->config.loader.cache_mb << 20;
}

struct un_job_cache un_job_cache_plan(const struct un_job *job) {
    struct un_job_cache c = {0};
    for (int64_t i = 0; i < job->train.n; ++i) c.need += need_of(job, i);
    c.taken = c.need < limit_of(job) ? c.need : limit_of(job);
    return c;
}

/* What rounding up adds to the entries of this rank's part. */
static int64_t slack_of(const struct un_job *job, int64_t i) {
    const struct un_dataset *d = job->train.sets[i];
    int64_t begin = un_dataset_lane_image(d, job->lane_begin), end = un_dataset_lane_image(d, job->lane_end);
    return UN_CACHE_ALIGN * 2 *
           (end - begin + un_dataset_image_text(d, end) - un_dataset_image_text(d, begin));
}

/* Each data set gets the share of the limit that its rows have of all. */
static enum un_status open_caches(struct un_job *job) {
    struct un_job_cache all = un_job_cache_plan(job);
    for (int64_t i = 0; i < job->train.n && all.need > 0; ++i) {
        double share = (double)need_of(job, i) / (double)all.need;
        int64_t limit = all.taken == all.need ? need_of(job, i) + slack_of(job, i)
                                              : (int64_t)((double)limit_of(job) * share);
        UN_TRY(un_dataset_cache(job->train.sets[i], limit, wants_soft(&job->train.keys[i])));
    }
    return UN_OK;
}

enum un_status un_job_keep_part(struct un_job *job) {
    if (job->comm->size > 1) {
        UN_TRY(un_plan_keep(job->train.plan, job->lane_begin, job->lane_end));
        if (job->valid.plan) UN_TRY(un_plan_keep(job->valid.plan, job->lane_begin, job->lane_end));
    }
    return limit_of(job) > 0 ? open_caches(job) : UN_OK;
}
