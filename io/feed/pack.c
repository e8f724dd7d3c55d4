/* Packing: one sequence after another is read straight into its place in the micro-batch (pack_put.c), masked
 * there, and entered in the lists of its objective (ask.c, ask_task.c); the groups of equal words and positions are made at the end. Law:
 * the batch is a pure function of (samples, step, lane, purpose, seed); random numbers are counted by the
 * sample's index in the micro-batch. */
#include "io/feed/pack.h"

#include "io/feed/item.h"

#include <string.h>

/* A set without any answers may be asked about them where nothing is trained. */
static enum un_status check_answers(const struct un_plan *plan, const struct un_dataset *d,
                                    enum un_objective objective, const struct un_batch_caps *caps) {
    int64_t answers = un_dataset_info(d)->num_answers;
    bool none = answers == 0 && un_plan_is_valid(plan);
    if (un_objectives[objective].target != UN_TARGET_ANSWERS || answers == caps->num_labels || none)
        return UN_OK;
    return un_fail(UN_USAGE, "data set %s has %lld answers, %s of the network wants %lld", un_dataset_name(d),
                   (long long)answers, un_objective_names[objective], (long long)caps->num_labels);
}

static enum un_status check_dataset(const struct un_dataset *d, enum un_objective objective,
                                    const struct un_batch_caps *caps) {
    const struct un_dataset_info *info = un_dataset_info(d);
    const char *name = un_dataset_name(d);
    if (info->img_dim != caps->img_dim)
        return un_fail(UN_USAGE, "data set %s has features of width %lld, the network wants %lld", name,
                       (long long)info->img_dim, (long long)caps->img_dim);
    if (un_objectives[objective].needs_soft_labels && info->img_label_dim != caps->img_label_dim)
        return un_fail(UN_USAGE, "data set %s has soft labels of %lld classes, %s of the network wants %lld",
                       name, (long long)info->img_label_dim, un_objective_names[objective],
                       (long long)caps->img_label_dim);
    if (un_objectives[objective].needs_soft_labels && info->img_label_dim < 2)
        return un_fail(UN_USAGE,
                       "data set %s has soft labels of %lld classes, %s needs the background and one more",
                       name, (long long)info->img_label_dim, un_objective_names[objective]);
    if (info->vocab.vocab_size > caps->vocab_size)
        return un_fail(UN_USAGE, "data set %s has a vocabulary of %lld words, the network one of %lld", name,
                       (long long)info->vocab.vocab_size, (long long)caps->vocab_size);
    if (un_objectives[objective].task && !(caps->tasks & un_objective_bit(objective)))
        return un_fail(UN_INTERNAL, "data set %s asks for %s, the micro-batch has no lists for it", name,
                       un_objective_names[objective]);
    if (info->feature_type == UN_F32 && caps->feature_type != UN_F32)
        return un_fail(UN_INTERNAL, "data set %s has f32 features, the micro-batch f16", name);
    return UN_OK;
}

static void carve(struct un_packer *packer, struct un_arena *arena) {
    const struct un_batch_caps *caps = &packer->caps;
    struct un_plan_extent extent = un_plan_extent(packer->plan);
    int64_t longest = caps->words > caps->regions ? caps->words : caps->regions;
    packer->sort.perm = un_arena_take(arena, (size_t)longest, sizeof(int32_t));
    packer->sort.count = un_arena_take(arena, UN_RADIX_SIZE, sizeof(int32_t));
    packer->word_target = un_arena_take(arena, (size_t)extent.most_words, sizeof(int32_t));
    packer->answer = un_arena_take(arena, (size_t)caps->num_labels, sizeof(int32_t));
    packer->score = un_arena_take(arena, (size_t)caps->num_labels, sizeof(float));
    packer->soft_label = un_arena_take(arena, (size_t)caps->img_label_dim, sizeof(uint16_t));
    size_t wide = caps->feature_type == UN_F32 ? (size_t)(extent.most_regions * caps->img_dim) : 0;
    packer->half = un_arena_take(arena, wide, sizeof(uint16_t));
}

static size_t scratch_bytes(const struct un_plan *plan, const struct un_batch_caps *caps) {
    struct un_packer measured = {.plan = plan, .caps = *caps};
    struct un_arena arena = {.name = "packer"};
    carve(&measured, &arena);
    return arena.used;
}

size_t un_packer_bytes(const struct un_plan *plan, const struct un_batch_caps *caps) {
    return sizeof(struct un_packer) + scratch_bytes(plan, caps);
}

enum un_status un_packer_open(struct un_packer **out, const struct un_plan *plan,
                              const struct un_batch_caps *caps) {
    *out = NULL;
    int64_t n;
    const struct un_stream *streams = un_plan_streams(plan, &n);
    for (int64_t s = 0; s < n; ++s) {
        const struct un_dataset *d = un_plan_dataset(plan, streams[s].dataset);
        UN_TRY(check_dataset(d, streams[s].objective, caps));
        UN_TRY(check_answers(plan, d, streams[s].objective, caps));
    }
    struct un_packer *packer = un_alloc(1, sizeof *packer, "packer");
    if (!packer) return UN_MEMORY;
    *packer = (struct un_packer){.plan = plan, .caps = *caps};
    struct un_arena arena = {.name = "packer", .size = scratch_bytes(plan, caps)};
    packer->block = un_alloc(arena.size, 1, "scratch of a packing thread");
    if (!packer->block) {
        un_packer_close(packer);
        return UN_MEMORY;
    }
    arena.base = packer->block;
    carve(packer, &arena);
    *out = packer;
    return UN_OK;
}

void un_packer_close(struct un_packer *packer) {
    if (!packer) return;
    un_free(packer->block);
    un_free(packer);
}

void un_packer_set_resident(struct un_packer *packer, const struct un_resident *resident) {
    UN_ASSERT(un_resident_rows(resident) + packer->caps.regions <= packer->caps.store_rows);
    packer->resident = resident;
}

static void reset(struct un_batch *b, uint32_t step, uint32_t lane) {
    un_batch_number(b, step, lane);
    b->tokens = b->samples = b->words = b->regions = b->longest = b->masked_count = 0;
    b->longest_words = b->longest_regions = b->alignment.n = b->fresh = b->stored.n = 0;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        b->rows[t].n = b->rows[t].members = 0;
        if (b->rows[t].start) b->rows[t].start[0] = 0;
    }
    for (int s = 0; s < 2; ++s) {
        b->side[s].tokens = b->side[s].longest = 0;
        if (b->side[s].start) b->side[s].start[0] = 0;
    }
    b->start[0] = b->plan_start[0] = 0;
}

static void group_words(struct un_packer *packer, struct un_batch *b) {
    b->by_word.count = un_segments_make(b->by_word_id, b->by_word_start, b->by_word_perm, b->word_id,
                                        b->words, &packer->sort);
    b->by_position.count = un_segments_make(b->by_position_id, b->by_position_start, b->by_position_perm,
                                            b->word_pos, b->words, &packer->sort);
    if (!b->word_type) return;
    b->by_word_type.count = un_segments_make(b->by_word_type_id, b->by_word_type_start, b->by_word_type_perm,
                                             b->word_type, b->words, &packer->sort);
    b->by_region_type.count =
        un_segments_make(b->by_region_type_id, b->by_region_type_start, b->by_region_type_perm,
                         b->region_type, b->regions, &packer->sort);
}

static void forget(struct un_packer *packer) {
    packer->words.n = packer->images.n = 0;
}

static enum un_status put_sequence(struct un_packer *packer, struct un_batch *batch, struct un_item *it) {
    it->words = un_sequence_words(it->d, it->sequence);
    it->regions = un_sequence_regions(it->d, it->sequence);
    return un_item_put(packer, batch, it);
}

static enum un_status put_sample(struct un_packer *packer, struct un_batch *batch,
                                 const struct un_sample *sample, const struct un_mask_rng *rng) {
    struct un_sequence sequence[UN_MAX_GROUP];
    struct un_dataset *d = un_plan_dataset(packer->plan, sample->dataset);
    struct un_group group = {.sample = sample, .d = d, .first = batch->samples, .rng = *rng};
    group.n = un_plan_sequences(packer->plan, sample, sequence);
    forget(packer);
    for (int64_t i = 0; i < group.n; ++i) {
        struct un_item it = {.sample = sample, .sequence = &sequence[i], .d = d, .rng = *rng};
        UN_TRY(put_sequence(packer, batch, &it));
    }
    return group.n > 0 && un_objectives[sample->objective].task ? un_group_ask(packer, batch, &group) : UN_OK;
}

enum un_status un_pack(struct un_packer *packer, struct un_batch *batch, const struct un_sample *samples,
                       int64_t n, uint32_t step, uint32_t lane, uint32_t purpose) {
    uint64_t seed = un_plan_keys(packer->plan)->seed;
    reset(batch, step, lane);
    for (int64_t s = 0; s < n; ++s) {
        const struct un_mask_rng rng = {seed, purpose, step, lane, (uint32_t)s, 0};
        UN_TRY(put_sample(packer, batch, &samples[s], &rng));
    }
    group_words(packer, batch);
    return un_batch_check(batch);
}

static void ask_listed(struct un_packer *packer, struct un_batch *batch, const struct un_pack_list *list,
                       int64_t first) {
    struct un_rows *rows = &batch->rows[list->objective];
    int64_t labels = packer->caps.num_labels;
    if (rows->score) memset(rows->score + rows->n * labels, 0, (size_t)labels * sizeof *rows->score);
    if (rows->target) rows->target[rows->n] = list->each > 1 ? 0 : -1;
    if (rows->wrong) rows->wrong[rows->n] = -1;
    un_group_put_row(batch, list->objective, list->dataset, first, list->each);
}

enum un_status un_pack_sequences(struct un_packer *packer, struct un_batch *batch,
                                 const struct un_pack_list *list, uint32_t step, uint32_t lane) {
    const struct un_sample sample = {.dataset = list->dataset, .objective = list->objective};
    UN_ASSERT(un_objectives[list->objective].asks == UN_ASKS_GROUP && list->n % list->each == 0);
    UN_ASSERT(packer->caps.tasks & un_objective_bit(list->objective));
    reset(batch, step, lane);
    forget(packer);
    for (int64_t i = 0; i < list->n; ++i) {
        struct un_item it = {.sample = &sample,
                             .sequence = &list->sequence[i],
                             .d = un_plan_dataset(packer->plan, list->dataset)};
        UN_TRY(put_sequence(packer, batch, &it));
    }
    for (int64_t i = 0; i < list->n; i += list->each) ask_listed(packer, batch, list, i);
    group_words(packer, batch);
    return UN_OK;
}

int64_t un_pack_fitting(const struct un_plan *plan, const struct un_batch_caps *caps,
                        const struct un_pack_list *list) {
    const struct un_dataset *d = un_plan_dataset(plan, list->dataset);
    int64_t words = 0, regions = 0, n = 0;
    for (; n < list->n && n < caps->samples; ++n) {
        words += un_sequence_words(d, &list->sequence[n]);
        regions += un_sequence_regions(d, &list->sequence[n]);
        if (words > caps->words || regions > caps->regions || words + regions > caps->tokens) break;
    }
    return n;
}
