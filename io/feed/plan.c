/* The plan as a thing: its streams, the bounds of its micro-batches, its weights.
 * What it yields stands in io/feed/plan_next.c, its digest in io/feed/plan_digest.c. */
#include "io/feed/private.h"
#include "runtime/memory.h"

#include <math.h>

static enum un_status add_streams(struct un_plan *plan, int dataset, const struct un_dataset_keys *keys) {
    const char *list = plan->valid ? "data.valid" : "data.train";
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        double mix = keys->mix[t];
        if (!(mix >= 0 && isfinite(mix)))
            return un_fail(UN_USAGE, "%s: data set %s: mix of %s is %g, must be 0 or more", list, keys->name,
                           un_objective_names[t], mix);
        if (mix == 0) continue;
        double before = plan->n_streams > 0 ? plan->mix_end[plan->n_streams - 1] : 0;
        plan->mix_end[plan->n_streams] = before + mix;
        plan->streams[plan->n_streams++] = (struct un_stream){dataset, (enum un_objective)t, mix};
    }
    return UN_OK;
}

static bool has_stream(const struct un_plan *plan, int dataset) {
    for (int64_t s = 0; s < plan->n_streams; ++s)
        if (plan->streams[s].dataset == dataset) return true;
    return false;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static void widen_extent(struct un_plan_extent *extent, const struct un_dataset *d) {
    const struct un_dataset_info *info = un_dataset_info(d);
    for (int64_t i = 0; i < info->texts; ++i)
        extent->least_words = least(extent->least_words, un_dataset_text_length(d, i) + 2);
    for (int64_t i = 0; i < info->images; ++i)
        extent->least_regions = least(extent->least_regions, un_dataset_image_regions(d, i));
    extent->most_words = most(extent->most_words, info->longest_text + 2);
    extent->most_regions = most(extent->most_regions, info->most_regions);
}

/* Any text may meet any image of its data set (false pairs), so their sum must fit. */
static enum un_status check_sample_fits(const struct un_plan *plan, const struct un_dataset *d) {
    const struct un_dataset_info *info = un_dataset_info(d);
    if (info->texts == 0) return un_fail(UN_DATA, "data set %s has no text", un_dataset_name(d));
    int64_t tokens = info->longest_text + 2 + info->most_regions;
    if (tokens > plan->how.tokens_per_lane)
        return un_fail(UN_USAGE,
                       "train.tokens_per_lane is %lld, but data set %s may give a sample of %lld tokens "
                       "(longest text %lld + 2 "
                       "special tokens + %lld regions)",
                       (long long)plan->how.tokens_per_lane, un_dataset_name(d), (long long)tokens,
                       (long long)info->longest_text, (long long)info->most_regions);
    if (tokens > UN_MAX_SAMPLE_TOKENS)
        return un_fail(UN_USAGE,
                       "data set %s may give a sample of %lld tokens (longest text %lld + 2 special tokens + "
                       "%lld regions); the "
                       "network takes %d at most: lower data.max_txt_len or data.max_bb",
                       un_dataset_name(d), (long long)tokens, (long long)info->longest_text,
                       (long long)info->most_regions, UN_MAX_SAMPLE_TOKENS);
    return UN_OK;
}

static enum un_status check_parts(const struct un_plan *plan, const struct un_dataset *d) {
    for (int64_t lane = 0; lane < plan->how.lanes; ++lane) {
        struct un_plan_part part = un_plan_part(d, lane);
        if (part.texts == 0 && !plan->valid)
            return un_fail(UN_USAGE, "data set %s: lane %lld of train.lanes %lld has no text (%lld images)",
                           un_dataset_name(d), (long long)lane, (long long)plan->how.lanes,
                           (long long)un_dataset_info(d)->images);
        if (part.texts > UINT32_MAX)
            return un_fail(UN_USAGE, "data set %s: lane %lld has %lld texts, more than %u: raise train.lanes",
                           un_dataset_name(d), (long long)lane, (long long)part.texts, UINT32_MAX);
    }
    return UN_OK;
}

static enum un_status add_dataset(struct un_plan *plan, int index, const struct un_dataset_keys *keys) {
    const struct un_dataset *d = plan->datasets[index];
    UN_TRY(add_streams(plan, index, keys));
    if (!has_stream(plan, index)) return UN_OK;
    UN_TRY(check_sample_fits(plan, d));
    UN_TRY(check_parts(plan, d));
    widen_extent(&plan->extent, d);
    return UN_OK;
}

enum un_status un_plan_open(struct un_plan **out, struct un_dataset *const *datasets,
                            const struct un_dataset_keys *keys, int64_t n_datasets,
                            const struct un_plan_keys *how, bool valid) {
    *out = NULL;
    const char *list = valid ? "data.valid" : "data.train";
    if (n_datasets > UN_MAX_DATASETS)
        return un_fail(UN_USAGE, "%s: %lld data sets, at most %d", list, (long long)n_datasets,
                       UN_MAX_DATASETS);
    struct un_plan *plan = un_alloc(1, sizeof *plan, "plan");
    if (!plan) return UN_MEMORY;
    plan->how = *how;
    plan->valid = valid;
    plan->n_datasets = n_datasets;
    plan->extent = (struct un_plan_extent){.least_words = INT64_MAX, .least_regions = INT64_MAX};
    enum un_status status = UN_OK;
    for (int i = 0; i < n_datasets; ++i) plan->datasets[i] = datasets[i];
    for (int i = 0; i < n_datasets; ++i) UN_TRY_GOTO(add_dataset(plan, i, &keys[i]), failed);
    if (plan->n_streams == 0) {
        status = un_fail(UN_USAGE, "%s: no data set has an objective with mix > 0", list);
        goto failed;
    }
    *out = plan;
    return UN_OK;
failed:
    un_plan_close(plan);
    return status;
}

static bool needs_all(const struct un_dataset *d, int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane)
        if (un_plan_part(d, lane).images == 1) return true;
    return false;
}

enum un_status un_plan_keep(struct un_plan *plan, int64_t begin, int64_t end) {
    plan->digest = un_plan_digest(plan);
    plan->kept = true;
    for (int64_t i = 0; i < plan->n_datasets; ++i) {
        struct un_dataset *d = plan->datasets[i];
        if (needs_all(d, begin, end)) continue;
        UN_TRY(un_dataset_keep(d, un_dataset_lane_image(d, begin), un_dataset_lane_image(d, end)));
    }
    un_memory_trim();
    return UN_OK;
}

void un_plan_close(struct un_plan *plan) {
    un_free(plan);
}

const struct un_stream *un_plan_streams(const struct un_plan *plan, int64_t *n) {
    *n = plan->n_streams;
    return plan->streams;
}

const struct un_plan_keys *un_plan_keys(const struct un_plan *plan) {
    return &plan->how;
}
struct un_dataset *un_plan_dataset(const struct un_plan *plan, int dataset) {
    return plan->datasets[dataset];
}
int64_t un_plan_dataset_count(const struct un_plan *plan) {
    return plan->n_datasets;
}
bool un_plan_is_valid(const struct un_plan *plan) {
    return plan->valid;
}
struct un_plan_extent un_plan_extent(const struct un_plan *plan) {
    return plan->extent;
}

int64_t un_plan_max_samples(const struct un_plan *plan) {
    return plan->how.tokens_per_lane / (plan->extent.least_words + plan->extent.least_regions);
}

int64_t un_plan_sample_tokens(const struct un_plan *plan, const struct un_sample *sample) {
    const struct un_dataset *d = plan->datasets[sample->dataset];
    return un_dataset_text_length(d, sample->text) + 2 + un_dataset_image_regions(d, sample->image);
}

void un_plan_weights(const struct un_plan *plan, double weight[UN_OBJECTIVE_COUNT]) {
    double total = plan->mix_end[plan->n_streams - 1];
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) weight[t] = 0;
    for (int64_t s = 0; s < plan->n_streams; ++s) {
        const struct un_stream *stream = &plan->streams[s];
        if (plan->how.mixing == UN_MIXING_BATCH)
            weight[stream->objective] = 1;
        else
            weight[stream->objective] += stream->mix / total;
    }
}
