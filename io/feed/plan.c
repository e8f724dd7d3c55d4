/* The plan as a thing: its streams, the bounds of its micro-batches, its weights.
 * What it refuses stands in io/feed/plan_check.c, what it yields in plan_next.c, its digest in plan_digest.c. */
#include "io/feed/private.h"
#include "io/feed/sequence.h"
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

static enum un_status check_parts(const struct un_plan *plan, const struct un_dataset *d) {
    for (int64_t lane = 0; lane < plan->how.lanes; ++lane) {
        struct un_plan_part part = un_plan_part(d, lane);
        if (part.texts == 0 && !plan->valid)
            return un_fail(UN_USAGE, "data set %s: lane %lld of train.lanes %lld has no text (%lld images)",
                           un_dataset_name(d), (long long)lane, (long long)plan->how.lanes,
                           (long long)un_dataset_info(d)->images);
        if (part.texts > UINT32_MAX / 2) /* two samples a text at most */
            return un_fail(UN_USAGE, "data set %s: lane %lld has %lld texts, more than %u: raise train.lanes",
                           un_dataset_name(d), (long long)lane, (long long)part.texts, UINT32_MAX / 2);
    }
    return UN_OK;
}

static enum un_status add_dataset(struct un_plan *plan, int index, const struct un_dataset_keys *keys) {
    const struct un_dataset *d = plan->datasets[index];
    int64_t before = plan->n_streams;
    UN_TRY(add_streams(plan, index, keys));
    if (plan->n_streams == before) return UN_OK;
    if (un_dataset_info(d)->texts == 0)
        return un_fail(UN_DATA, "data set %s has no text", un_dataset_name(d));
    for (int64_t s = before; s < plan->n_streams; ++s) UN_TRY(un_plan_admit(plan, &plan->streams[s]));
    return check_parts(plan, d);
}

/* What is chosen by its scores has a micro-batch of its own. */
static enum un_status check_mining(const struct un_plan *plan) {
    if (plan->how.mixing == UN_MIXING_BATCH || plan->n_streams == 1) return UN_OK;
    for (int64_t s = 0; s < plan->n_streams; ++s)
        if (un_plan_mines(plan, plan->streams[s].objective))
            return un_fail(
                UN_USAGE,
                "data.train: %s of data set %s takes whole micro-batches: with others in the mix it "
                "needs train.mixing: batch",
                un_objective_names[plan->streams[s].objective],
                un_dataset_name(plan->datasets[plan->streams[s].dataset]));
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
    UN_TRY_GOTO(check_mining(plan), failed);
    *out = plan;
    return UN_OK;
failed:
    un_plan_close(plan);
    return status;
}

enum un_status un_plan_keep(struct un_plan *plan, int64_t begin, int64_t end) {
    plan->digest = un_plan_digest(plan);
    plan->kept = true;
    for (int64_t i = 0; i < plan->n_datasets; ++i) {
        struct un_dataset *d = plan->datasets[i];
        if (un_plan_needs_all(plan, (int)i, begin, end)) continue;
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

int64_t un_plan_epoch_samples(const struct un_plan *plan, int64_t stream) {
    const struct un_stream *from = &plan->streams[stream];
    return un_dataset_info(plan->datasets[from->dataset])->texts * un_plan_variants(plan, from->objective);
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
    int64_t most = plan->how.tokens_per_lane / (plan->extent.least_words + plan->extent.least_regions);
    return most > 2 ? most : 2; /* the two of itm_hard have no tokens yet */
}

int64_t un_plan_sample_tokens(const struct un_plan *plan, const struct un_sample *sample) {
    const struct un_dataset *d = plan->datasets[sample->dataset];
    struct un_sequence sequence[UN_MAX_GROUP];
    int64_t tokens = 0;
    int n = un_plan_sequences(plan, sample, sequence);
    for (int i = 0; i < n; ++i)
        tokens += un_sequence_words(d, &sequence[i]) + un_sequence_regions(d, &sequence[i]);
    return tokens;
}

int un_plan_types(const struct un_plan *plan) {
    int types = 2;
    for (int64_t s = 0; s < plan->n_streams; ++s) {
        enum un_task task = un_dataset_info(plan->datasets[plan->streams[s].dataset])->task;
        bool nlvr2 = task == UN_TASK_NLVR2 && un_objectives[plan->streams[s].objective].task;
        int here = task == UN_TASK_VCR ? 4 : nlvr2 ? 3 : 2;
        if (here > types) types = here;
    }
    return types;
}

int64_t un_plan_labels(const struct un_plan *plan) {
    int64_t labels = 0;
    for (int64_t s = 0; s < plan->n_streams; ++s) {
        const struct un_dataset_info *info = un_dataset_info(plan->datasets[plan->streams[s].dataset]);
        enum un_objective t = plan->streams[s].objective;
        if (un_objectives[t].target != UN_TARGET_ANSWERS) continue;
        int64_t here = t == UN_VE ? UN_VE_LABELS : info->num_answers;
        if (here > labels) labels = here;
    }
    return labels;
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
