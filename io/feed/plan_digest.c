/* The digest of what decides the samples of every step: a changed file or mix is told apart from the same
 * training. */
#define XXH_STATIC_LINKING_ONLY /* the state may then live on the stack */
#include "io/feed/private.h"
#include <string.h>
#include <xxhash.h>

static void add(XXH3_state_t *state, const void *data, size_t bytes) {
    XXH3_64bits_update(state, data, bytes);
}

static void add_i64(XXH3_state_t *state, int64_t value) {
    add(state, &value, sizeof value);
}

static void add_f64(XXH3_state_t *state, double value) {
    add(state, &value, sizeof value);
}

/* With its zero byte, so that "ab","c" is not "a","bc". */
static void add_text(XXH3_state_t *state, const char *text) {
    add(state, text, strlen(text) + 1);
}

static void add_vocab(XXH3_state_t *state, const struct un_vocab *v) {
    const int64_t ids[] = {v->vocab_size, v->unk_id,    v->cls_id,   v->sep_id,
                           v->mask_id,    v->random_lo, v->random_hi};
    add(state, ids, sizeof ids);
}

/* What a task's text is asked with, and what is right. */
static void add_targets(XXH3_state_t *state, const struct un_dataset *d, int64_t text) {
    add_i64(state, un_dataset_text_label(d, text));
    add_i64(state, un_dataset_text_rationale(d, text));
    add_i64(state, un_dataset_text_second(d, text));
    add_i64(state, un_dataset_text_answers(d, text));
    if (un_dataset_info(d)->task != UN_TASK_VCR) return;
    for (int p = 0; p < UN_TEXT_PARTS; ++p) add_i64(state, un_dataset_text_part_length(d, text, p));
}

/* Nothing where the texts are captions. */
static void add_task(XXH3_state_t *state, const struct un_dataset *d) {
    const struct un_dataset_info *info = un_dataset_info(d);
    if (info->task == UN_TASK_NONE) return;
    add_i64(state, (int64_t)info->task);
    add_i64(state, info->num_answers);
    for (int64_t t = 0; t < info->texts; ++t) add_targets(state, d, t);
}

static void add_dataset(XXH3_state_t *state, const struct un_dataset *d) {
    const struct un_dataset_info *info = un_dataset_info(d);
    add_i64(state, info->images);
    add_i64(state, info->texts);
    add_vocab(state, &info->vocab);
    for (int64_t i = 0; i < info->images; ++i) {
        add_text(state, un_dataset_image_id(d, i));
        add_i64(state, un_dataset_image_regions(d, i));
        add_i64(state, un_dataset_image_text(d, i));
    }
    for (int64_t t = 0; t < info->texts; ++t) {
        add_text(state, un_dataset_text_id(d, t));
        add_i64(state, un_dataset_text_length(d, t));
    }
    add_task(state, d);
}

static void add_keys(XXH3_state_t *state, const struct un_plan_keys *k) {
    add_i64(state, k->lanes);
    add_i64(state, k->tokens_per_lane);
    add_i64(state, k->mixing);
    add_f64(state, k->itm_neg_prob);
    add_f64(state, k->mlm_prob);
    add_f64(state, k->mrm_prob);
    if (k->samples_per_lane > 0) add_i64(state, k->samples_per_lane);
    if (k->mask == UN_MASK_BOTH) add_text(state, "mask: both"); /* no number that another key could be */
}

/* Keys that only some tasks ask. */
static void add_stream(XXH3_state_t *state, const struct un_plan_keys *how, const struct un_stream *stream) {
    add_i64(state, stream->dataset);
    add_i64(state, (int64_t)stream->objective);
    add_f64(state, stream->mix);
    if (stream->objective == UN_ITM_RANK) add_i64(state, how->negatives);
    if (stream->objective == UN_RE_RANK) add_f64(state, how->hard_ratio);
}

uint64_t un_plan_digest(const struct un_plan *plan) {
    if (plan->kept) return plan->digest;
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    add_keys(&state, &plan->how);
    for (int64_t i = 0; i < plan->n_streams; ++i) add_stream(&state, &plan->how, &plan->streams[i]);
    for (int64_t i = 0; i < plan->n_datasets; ++i) add_dataset(&state, plan->datasets[i]);
    return XXH3_64bits_digest(&state);
}
