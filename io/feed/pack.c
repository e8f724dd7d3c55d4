/* Packing: one sample after another is read straight into its place in the micro-batch, masked there, and
 * entered in the lists of its objective; the groups of equal words and positions are made at the end. Law:
 * the batch is a pure function of (samples, step, lane, purpose, seed); random numbers are counted by the
 * sample's index in the micro-batch. */
#include "io/feed/pack.h"

#include "io/feed/item.h"
#include "runtime/half.h"

#include <string.h>

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
    if (info->feature_type == UN_F32 && caps->feature_type != UN_F32)
        return un_fail(UN_INTERNAL, "data set %s has f32 features, the micro-batch f16", name);
    return UN_OK;
}

static void carve(struct un_packer *packer, struct un_arena *arena) {
    const struct un_batch_caps *caps = &packer->caps;
    struct un_plan_extent extent = un_plan_extent(packer->plan);
    packer->sort.perm = un_arena_take(arena, (size_t)caps->words, sizeof(int32_t));
    packer->sort.count = un_arena_take(arena, UN_RADIX_SIZE, sizeof(int32_t));
    packer->word_target = un_arena_take(arena, (size_t)extent.most_words, sizeof(int32_t));
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
    for (int64_t s = 0; s < n; ++s)
        UN_TRY(check_dataset(un_plan_dataset(plan, streams[s].dataset), streams[s].objective, caps));
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

static enum un_status check_room(const struct un_batch *b, const struct un_batch_caps *caps,
                                 const struct un_item *it) {
    enum un_objective t = it->sample->objective;
    int64_t plan = un_objectives[t].aligns ? b->plan_start[b->rows[t].n] + it->words * it->regions : 0;
    if (b->samples < caps->samples && b->words + it->words <= caps->words &&
        b->regions + it->regions <= caps->regions && b->tokens + it->words + it->regions <= caps->tokens &&
        plan <= caps->plan)
        return UN_OK;
    return un_fail(UN_INTERNAL,
                   "micro-batch (step %u, lane %u) is full: sample %lld of %lld words and %lld regions after "
                   "%lld tokens of %lld",
                   b->step, b->lane, (long long)b->samples, (long long)it->words, (long long)it->regions,
                   (long long)b->tokens, (long long)caps->tokens);
}

static enum un_status put_words(struct un_batch *b, const struct un_item *it) {
    const struct un_vocab *vocab = &un_dataset_info(it->d)->vocab;
    int32_t *id = b->word_id + b->words;
    id[0] = (int32_t)vocab->cls_id;
    UN_TRY(un_dataset_read_text(it->d, it->sample->text, id + 1));
    id[it->words - 1] = (int32_t)vocab->sep_id;
    for (int64_t i = 0; i < it->words; ++i) {
        b->word_pos[b->words + i] = (int32_t)i;
        b->word_row[b->words + i] = (int32_t)(b->tokens + i);
    }
    return UN_OK;
}

/* Reads f16 rows into the scratch and widens them into the f32 micro-batch. */
static enum un_status put_widened(struct un_packer *packer, struct un_batch *b, const struct un_item *it,
                                  float *box) {
    int64_t count = it->regions * packer->caps.img_dim;
    float *feature = (float *)b->feature + b->fresh * packer->caps.img_dim;
    UN_TRY(un_dataset_read_image(it->d, it->sample->image, packer->half, box));
    for (int64_t i = 0; i < count; ++i) feature[i] = un_half_to(packer->half[i]);
    return UN_OK;
}

/* Features and boxes; the features are new rows. */
static enum un_status put_features(struct un_packer *packer, struct un_batch *b, const struct un_item *it,
                                   float *box) {
    int64_t row_bytes = packer->caps.img_dim * un_type_bytes(packer->caps.feature_type);
    if (un_dataset_info(it->d)->feature_type != packer->caps.feature_type)
        UN_TRY(put_widened(packer, b, it, box));
    else
        UN_TRY(un_dataset_read_image(it->d, it->sample->image,
                                     (unsigned char *)b->feature + b->fresh * row_bytes, box));
    b->fresh += it->regions;
    return UN_OK;
}

/* Does the micro-batch bring the image already? A few hundred images at most. */
static bool is_stored(const struct un_stored *stored, int32_t place) {
    for (int64_t i = 0; i < stored->n; ++i)
        if (stored->image[i] == place) return true;
    return false;
}

/* With a store: rows of an image that is there, or will be when the micro-batch is used, are left out. The
 * rows of a guest are those of its regions. */
static enum un_status put_stored(struct un_packer *packer, struct un_batch *b, const struct un_item *it,
                                 float *box) {
    const struct un_resident *resident = packer->resident;
    int32_t place = un_resident_find(resident, it->sample->dataset, it->sample->image);
    int32_t row =
        place >= 0 ? un_resident_row(resident, place) : (int32_t)(un_resident_rows(resident) + b->regions);
    for (int64_t i = 0; i < it->regions; ++i) b->feature_row[b->regions + i] = row + (int32_t)i;
    if (place >= 0 && (un_resident_has(resident, place) || is_stored(&b->stored, place)))
        return un_dataset_read_image(it->d, it->sample->image, NULL, box);
    if (place >= 0) b->stored.image[b->stored.n++] = place;
    for (int64_t i = 0; i < it->regions; ++i) b->fresh_row[b->fresh + i] = row + (int32_t)i;
    return put_features(packer, b, it, box);
}

static enum un_status put_regions(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    float *box = b->box + b->regions * UN_BOX_WIDTH;
    UN_TRY(packer->resident ? put_stored(packer, b, it, box) : put_features(packer, b, it, box));
    for (int64_t i = 0; i < it->regions; ++i)
        b->region_row[b->regions + i] = (int32_t)(b->tokens + it->words + i);
    return UN_OK;
}

static enum un_status put_sample(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    UN_TRY(check_room(b, &packer->caps, it));
    UN_TRY(put_words(b, it));
    UN_TRY(put_regions(packer, b, it));
    memset(b->masked + b->regions, 0, (size_t)it->regions);
    UN_TRY(un_item_ask(packer, b, it));
    b->words += it->words;
    b->regions += it->regions;
    b->tokens += it->words + it->regions;
    if (it->words + it->regions > b->longest) b->longest = it->words + it->regions;
    b->start[++b->samples] = (int32_t)b->tokens;
    return UN_OK;
}

static void reset(struct un_batch *b, uint32_t step, uint32_t lane) {
    un_batch_number(b, step, lane);
    b->tokens = b->samples = b->words = b->regions = b->longest = b->masked_count = 0;
    b->longest_words = b->longest_regions = b->alignment.n = b->fresh = b->stored.n = 0;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) b->rows[t].n = 0;
    b->start[0] = b->plan_start[0] = 0;
}

static void group_words(struct un_packer *packer, struct un_batch *b) {
    b->by_word.count = un_segments_make(b->by_word_id, b->by_word_start, b->by_word_perm, b->word_id,
                                        b->words, &packer->sort);
    b->by_position.count = un_segments_make(b->by_position_id, b->by_position_start, b->by_position_perm,
                                            b->word_pos, b->words, &packer->sort);
}

enum un_status un_pack(struct un_packer *packer, struct un_batch *batch, const struct un_sample *samples,
                       int64_t n, uint32_t step, uint32_t lane, uint32_t purpose) {
    uint64_t seed = un_plan_keys(packer->plan)->seed;
    reset(batch, step, lane);
    for (int64_t s = 0; s < n; ++s) {
        struct un_dataset *d = un_plan_dataset(packer->plan, samples[s].dataset);
        struct un_item it = {.sample = &samples[s],
                             .d = d,
                             .words = un_dataset_text_length(d, samples[s].text) + 2,
                             .regions = un_dataset_image_regions(d, samples[s].image),
                             .rng = {seed, purpose, step, lane, (uint32_t)s}};
        UN_TRY(put_sample(packer, batch, &it));
    }
    group_words(packer, batch);
    return UN_OK;
}
