/* What a plan refuses when it opens: streams whose data set is not of their task, texts without the targets
 * they are trained on, samples that can never fit. On the way the sequences of all samples widen its extent. */
#include "io/feed/private.h"
#include "io/feed/sequence.h"

static const struct un_dataset *set_of(const struct un_plan *plan, const struct un_stream *stream) {
    return plan->datasets[stream->dataset];
}

static const char *list_of(const struct un_plan *plan) {
    return plan->valid ? "data.valid" : "data.train";
}

static bool serves(enum un_task task, enum un_objective t) {
    switch (t) {
    case UN_VQA: return task == UN_TASK_VQA;
    case UN_VE: return task == UN_TASK_VE;
    case UN_NLVR2_TRIPLET:
    case UN_NLVR2_PAIR:
    case UN_NLVR2_ATTN: return task == UN_TASK_NLVR2;
    case UN_VCR: return task == UN_TASK_VCR;
    case UN_RE:
    case UN_RE_RANK: return task == UN_TASK_RE;
    case UN_ITM_RANK:
    case UN_ITM_HARD: return task == UN_TASK_RETRIEVAL || task == UN_TASK_NONE;
    case UN_ITM: return task != UN_TASK_VCR; /* its pairs are no captions with images */
    default: return true;
    }
}

static enum un_status check_task(const struct un_plan *plan, const struct un_stream *stream) {
    const struct un_dataset *d = set_of(plan, stream);
    const struct un_dataset_info *info = un_dataset_info(d);
    if (!serves(info->task, stream->objective))
        return un_fail(UN_USAGE, "%s: data set %s: its texts are of task %s, which %s cannot use",
                       list_of(plan), un_dataset_name(d), un_task_names[info->task],
                       un_objective_names[stream->objective]);
    if (stream->objective == UN_VE && info->num_answers > UN_VE_LABELS)
        return un_fail(UN_DATA, "data set %s: %lld answers, ve has %d", un_dataset_name(d),
                       (long long)info->num_answers, UN_VE_LABELS);
    return UN_OK;
}

/* ---- targets ---- */

/* One of `choices`, and known where it is trained on. */
static enum un_status check_target(const struct un_plan *plan, const struct un_stream *stream, int64_t text,
                                   const char *what, int64_t target, int64_t choices) {
    const struct un_dataset *d = set_of(plan, stream);
    if (target >= choices)
        return un_fail(UN_DATA, "data set %s: text %s: %s is %lld, but there are %lld to choose from",
                       un_dataset_name(d), un_dataset_text_id(d, text), what, (long long)target,
                       (long long)choices);
    if (target >= 0 || plan->valid) return UN_OK;
    return un_fail(UN_DATA, "data.train: data set %s: text %s has no known %s: %s cannot be trained on it",
                   un_dataset_name(d), un_dataset_text_id(d, text), what,
                   un_objective_names[stream->objective]);
}

static enum un_status check_statement(const struct un_plan *plan, const struct un_stream *stream,
                                      int64_t text) {
    const struct un_dataset *d = set_of(plan, stream);
    if (un_dataset_text_second(d, text) < 0)
        return un_fail(UN_DATA, "data set %s: text %s has no second image, which %s needs",
                       un_dataset_name(d), un_dataset_text_id(d, text),
                       un_objective_names[stream->objective]);
    return check_target(plan, stream, text, "label", un_dataset_text_label(d, text), 2);
}

static enum un_status check_question(const struct un_plan *plan, const struct un_stream *stream,
                                     int64_t text) {
    const struct un_dataset *d = set_of(plan, stream);
    UN_TRY(check_target(plan, stream, text, "right answer", un_dataset_text_label(d, text), UN_VCR_CHOICES));
    return check_target(plan, stream, text, "right rationale", un_dataset_text_rationale(d, text),
                        UN_VCR_CHOICES);
}

static enum un_status check_text(const struct un_plan *plan, const struct un_stream *stream, int64_t text) {
    const struct un_dataset *d = set_of(plan, stream);
    switch (un_dataset_info(d)->task) {
    case UN_TASK_VE:
        return check_target(plan, stream, text, "label", un_dataset_text_answers(d, text) - 1, INT64_MAX);
    case UN_TASK_NLVR2: return check_statement(plan, stream, text);
    case UN_TASK_VCR: return check_question(plan, stream, text);
    case UN_TASK_RE:
        return check_target(plan, stream, text, "region", un_dataset_text_label(d, text),
                            un_dataset_image_regions(d, un_dataset_text_image(d, text)));
    default: return UN_OK; /* a question of vqa may have none of the answers */
    }
}

/* Pretraining looks at nobody's targets, but at the right answers of vcr. */
static bool has_targets(const struct un_plan *plan, const struct un_stream *stream) {
    return un_objectives[stream->objective].task ||
           un_dataset_info(set_of(plan, stream))->task == UN_TASK_VCR;
}

static enum un_status check_targets(const struct un_plan *plan, const struct un_stream *stream) {
    int64_t texts = un_dataset_info(set_of(plan, stream))->texts;
    if (!has_targets(plan, stream)) return UN_OK;
    for (int64_t text = 0; text < texts; ++text) UN_TRY(check_text(plan, stream, text));
    return UN_OK;
}

/* ---- lengths ---- */

static void widen(struct un_plan_extent *extent, int64_t words, int64_t regions) {
    if (words < extent->least_words) extent->least_words = words;
    if (words > extent->most_words) extent->most_words = words;
    if (regions < extent->least_regions) extent->least_regions = regions;
    if (regions > extent->most_regions) extent->most_regions = regions;
}

static void widen_sample(struct un_plan_extent *extent, int64_t tokens) {
    if (tokens > extent->most_sample) extent->most_sample = tokens;
}

static void widen_by_pairs(struct un_plan_extent *extent, const struct un_dataset *d) {
    const struct un_dataset_info *info = un_dataset_info(d);
    for (int64_t i = 0; i < info->texts; ++i)
        widen(extent, un_dataset_text_length(d, i) + 2, info->most_regions);
    for (int64_t i = 0; i < info->images; ++i)
        widen(extent, info->longest_text + 2, un_dataset_image_regions(d, i));
}

/* Any text may meet any image of its data set (false pairs), so their sum must fit. */
static enum un_status check_pairs_fit(struct un_plan *plan, const struct un_stream *stream) {
    const struct un_dataset *d = set_of(plan, stream);
    const struct un_dataset_info *info = un_dataset_info(d);
    int64_t pair = info->longest_text + 2 + info->most_regions;
    int64_t pairs = un_plan_ranks(plan, stream->objective) ? 1 + 2 * plan->how.negatives : 1;
    widen_sample(&plan->extent, pairs * pair);
    if (pairs * pair > plan->how.tokens_per_lane)
        return un_fail(UN_USAGE,
                       "train.tokens_per_lane is %lld, but data set %s may give a sample of %lld tokens "
                       "(longest text %lld + 2 special tokens + %lld regions%s)",
                       (long long)plan->how.tokens_per_lane, un_dataset_name(d), (long long)(pairs * pair),
                       (long long)info->longest_text, (long long)info->most_regions,
                       pairs > 1 ? ", in each pair of a true one and its negatives" : "");
    if (pair > UN_MAX_SAMPLE_TOKENS)
        return un_fail(UN_USAGE,
                       "data set %s may give a sample of %lld tokens (longest text %lld + 2 special tokens + "
                       "%lld regions); the network takes %d at most: lower data.max_txt_len or data.max_bb",
                       un_dataset_name(d), (long long)pair, (long long)info->longest_text,
                       (long long)info->most_regions, UN_MAX_SAMPLE_TOKENS);
    return UN_OK;
}

static enum un_status admit_sample(struct un_plan *plan, const struct un_sample *sample) {
    const struct un_dataset *d = plan->datasets[sample->dataset];
    struct un_sequence sequence[UN_MAX_GROUP];
    int64_t total = 0;
    int n = un_plan_sequences(plan, sample, sequence);
    for (int i = 0; i < n; ++i) {
        int64_t words = un_sequence_words(d, &sequence[i]), regions = un_sequence_regions(d, &sequence[i]);
        widen(&plan->extent, words, regions);
        total += words + regions;
        if (words + regions > UN_MAX_SAMPLE_TOKENS)
            return un_fail(UN_USAGE,
                           "data set %s: text %s gives %lld tokens (%lld words and special tokens + %lld "
                           "regions); the network takes %d at most: lower data.max_txt_len or data.max_bb",
                           un_dataset_name(d), un_dataset_text_id(d, sample->text),
                           (long long)(words + regions), (long long)words, (long long)regions,
                           UN_MAX_SAMPLE_TOKENS);
    }
    widen_sample(&plan->extent, total);
    if (total <= plan->how.tokens_per_lane) return UN_OK;
    return un_fail(UN_USAGE,
                   "train.tokens_per_lane is %lld, but text %s of data set %s gives %lld tokens that belong "
                   "together (%s, sequences: %d)",
                   (long long)plan->how.tokens_per_lane, un_dataset_text_id(d, sample->text),
                   un_dataset_name(d), (long long)total, un_objective_names[sample->objective], n);
}

/* Samples whose images are their own. */
static enum un_status admit_groups(struct un_plan *plan, const struct un_stream *stream) {
    const struct un_dataset *d = set_of(plan, stream);
    int64_t texts = un_dataset_info(d)->texts, variants = un_plan_variants(plan, stream->objective);
    for (int64_t i = 0; i < texts * variants; ++i) {
        struct un_sample sample = {.dataset = stream->dataset,
                                   .objective = stream->objective,
                                   .variant = (int)(i % variants),
                                   .text = i / variants};
        sample.image = un_dataset_text_image(d, sample.text);
        UN_TRY(admit_sample(plan, &sample));
    }
    return UN_OK;
}

static bool meets_any_image(const struct un_plan *plan, const struct un_stream *stream) {
    enum un_objective t = stream->objective;
    return un_plan_ranks(plan, t) || un_plan_mines(plan, t) ||
           (!un_objectives[t].task && un_dataset_info(set_of(plan, stream))->task != UN_TASK_VCR);
}

enum un_status un_plan_admit(struct un_plan *plan, const struct un_stream *stream) {
    UN_TRY(check_task(plan, stream));
    UN_TRY(check_targets(plan, stream));
    UN_TRY(un_plan_check_others(plan, stream));
    if (!meets_any_image(plan, stream)) return admit_groups(plan, stream);
    UN_TRY(check_pairs_fit(plan, stream));
    widen_by_pairs(&plan->extent, set_of(plan, stream));
    return UN_OK;
}
