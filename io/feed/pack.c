/* Packing: one sample after another is read straight into its place in the micro-batch, masked there, and
 * entered in the lists of its objective; the groups of equal words and positions are made at the end. Law:
 * the batch is a pure function of (samples, step, lane, purpose, seed); random numbers are counted by the
 * sample's index in the micro-batch. */
#include "io/feed/pack.h"

#include "io/feed/mask.h"
#include "io/feed/segments.h"
#include "runtime/half.h"

#include <string.h>

struct un_packer {
    const struct un_plan *plan; /* borrowed */
    struct un_batch_caps caps;
    struct un_segments_scratch sort;
    int32_t *word_target;               /* [most words of a text] */
    uint16_t *soft_label;               /* [C] of one mrc region */
    const struct un_resident *resident; /* NULL: no store */
    uint16_t *half;                     /* [most regions, F]: f16 rows on their way into an f32 micro-batch */
    void *block;
};

static bool needs_classes(enum un_objective objective) {
    return objective == UN_MRC || objective == UN_MRCKL;
}
static bool masks_regions(enum un_objective objective) {
    return objective == UN_MRFR || needs_classes(objective);
}

static enum un_status check_dataset(const struct un_dataset *d, enum un_objective objective,
                                    const struct un_batch_caps *caps) {
    const struct un_dataset_info *info = un_dataset_info(d);
    const char *name = un_dataset_name(d);
    if (info->img_dim != caps->img_dim)
        return un_fail(UN_USAGE, "data set %s has features of width %lld, the network wants %lld", name,
                       (long long)info->img_dim, (long long)caps->img_dim);
    if (needs_classes(objective) && info->img_label_dim != caps->img_label_dim)
        return un_fail(UN_USAGE, "data set %s has soft labels of %lld classes, %s of the network wants %lld",
                       name, (long long)info->img_label_dim, un_objective_names[objective],
                       (long long)caps->img_label_dim);
    if (needs_classes(objective) && info->img_label_dim < 2)
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

/* One sample on its way into the batch. The batch's counts still stand before it while it is put in. */
struct item {
    const struct un_sample *sample;
    struct un_dataset *d;
    int64_t words, regions; /* words with [CLS] and [SEP] */
    struct un_mask_rng rng;
};

static enum un_status check_room(const struct un_batch *b, const struct un_batch_caps *caps,
                                 const struct item *it) {
    bool pair = it->sample->objective == UN_ITM;
    int64_t plan = pair ? b->plan_start[b->rows[UN_ITM].n] + it->words * it->regions : 0;
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

static enum un_status put_words(struct un_batch *b, const struct item *it) {
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
static enum un_status put_widened(struct un_packer *packer, struct un_batch *b, const struct item *it,
                                  float *box) {
    int64_t count = it->regions * packer->caps.img_dim;
    float *feature = (float *)b->feature + b->fresh * packer->caps.img_dim;
    UN_TRY(un_dataset_read_image(it->d, it->sample->image, packer->half, box));
    for (int64_t i = 0; i < count; ++i) feature[i] = un_half_to(packer->half[i]);
    return UN_OK;
}

/* Features and boxes; the features are new rows. */
static enum un_status put_features(struct un_packer *packer, struct un_batch *b, const struct item *it,
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
static enum un_status put_stored(struct un_packer *packer, struct un_batch *b, const struct item *it,
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

static enum un_status put_regions(struct un_packer *packer, struct un_batch *b, const struct item *it) {
    float *box = b->box + b->regions * UN_BOX_WIDTH;
    UN_TRY(packer->resident ? put_stored(packer, b, it, box) : put_features(packer, b, it, box));
    for (int64_t i = 0; i < it->regions; ++i)
        b->region_row[b->regions + i] = (int32_t)(b->tokens + it->words + i);
    return UN_OK;
}

static void ask_words(struct un_packer *packer, struct un_batch *b, const struct item *it) {
    struct un_rows *rows = &b->rows[UN_MLM];
    int64_t n = it->words - 2;
    un_mask_words(&it->rng, un_plan_keys(packer->plan)->mlm_prob, &un_dataset_info(it->d)->vocab,
                  b->word_id + b->words + 1, packer->word_target, n);
    for (int64_t i = 0; i < n; ++i) {
        if (packer->word_target[i] < 0) continue;
        rows->row[rows->n] = (int32_t)(b->tokens + 1 + i);
        rows->target[rows->n] = packer->word_target[i];
        rows->dataset[rows->n++] = (uint8_t)it->sample->dataset;
    }
}

/* A number that orders as the f16 value does; -0 as 0. */
static int half_order(uint16_t half) {
    int magnitude = half & 0x7FFF;
    return half & 0x8000 ? -magnitude : magnitude;
}

/* The first most probable class, without column 0, the background. */
static int32_t best_class(const uint16_t *soft, int64_t classes) {
    int largest = half_order(soft[1]);
    for (int64_t c = 2; c < classes; ++c) {
        int order = half_order(soft[c]);
        largest = order > largest ? order : largest;
    }
    int32_t best = 1;
    while (half_order(soft[best]) != largest) ++best;
    return best;
}

static enum un_status put_class(struct un_packer *packer, struct un_batch *b, const struct item *it,
                                int64_t region) {
    int64_t classes = packer->caps.img_label_dim;
    struct un_rows *rows = &b->rows[it->sample->objective];
    if (it->sample->objective == UN_MRCKL)
        return un_dataset_read_soft_label(it->d, it->sample->image, region,
                                          (uint16_t *)b->soft_label + rows->n * classes);
    UN_TRY(un_dataset_read_soft_label(it->d, it->sample->image, region, packer->soft_label));
    rows->target[rows->n] = best_class(packer->soft_label, classes);
    return UN_OK;
}

static enum un_status ask_regions(struct un_packer *packer, struct un_batch *b, const struct item *it) {
    struct un_rows *rows = &b->rows[it->sample->objective];
    uint8_t *masked = b->masked + b->regions;
    un_mask_regions(&it->rng, un_plan_keys(packer->plan)->mrm_prob, masked, it->regions);
    for (int64_t i = 0; i < it->regions; ++i) {
        if (!masked[i]) continue;
        if (needs_classes(it->sample->objective)) UN_TRY(put_class(packer, b, it, i));
        b->masked_region[b->masked_count++] = (int32_t)(b->regions + i);
        rows->row[rows->n] = (int32_t)(b->tokens + it->words + i);
        rows->region[rows->n] = (int32_t)(b->regions + i);
        if (packer->resident && it->sample->objective == UN_MRFR)
            b->target_row[rows->n] = b->feature_row[b->regions + i];
        rows->dataset[rows->n++] = (uint8_t)it->sample->dataset;
    }
    return UN_OK;
}

/* The list is bounded by the words of the batch, enough for one region a word. */
static enum un_status put_alignment(struct un_packer *packer, struct un_batch *b, const struct item *it,
                                    int64_t pair) {
    struct un_alignment *a = &b->alignment;
    int32_t *word = a->word + a->n, *region = a->region + a->n;
    int64_t read;
    UN_TRY(
        un_dataset_read_alignment(it->d, it->sample->text, packer->caps.words - a->n, word, region, &read));
    for (int64_t i = 0; i < read; ++i) {
        a->pair[a->n + i] = (int32_t)pair;
        ++word[i]; /* [CLS] stands before the words */
    }
    a->n += read;
    return UN_OK;
}

static enum un_status ask_pair(struct un_packer *packer, struct un_batch *b, const struct item *it) {
    struct un_rows *rows = &b->rows[UN_ITM];
    int64_t pair = rows->n++;
    rows->row[pair] = (int32_t)b->tokens;
    rows->target[pair] = !it->sample->false_pair;
    rows->dataset[pair] = (uint8_t)it->sample->dataset;
    b->pair_first[pair] = (int32_t)b->tokens;
    b->pair_words[pair] = (int32_t)it->words;
    b->pair_regions[pair] = (int32_t)it->regions;
    b->plan_start[pair + 1] = b->plan_start[pair] + (int32_t)(it->words * it->regions);
    if (it->words > b->longest_words) b->longest_words = it->words;
    if (it->regions > b->longest_regions) b->longest_regions = it->regions;
    if (it->sample->false_pair || !un_dataset_info(it->d)->aligned) return UN_OK;
    return put_alignment(packer, b, it, pair);
}

static enum un_status put_sample(struct un_packer *packer, struct un_batch *b, const struct item *it) {
    enum un_objective objective = it->sample->objective;
    UN_TRY(check_room(b, &packer->caps, it));
    UN_TRY(put_words(b, it));
    UN_TRY(put_regions(packer, b, it));
    memset(b->masked + b->regions, 0, (size_t)it->regions);
    if (objective == UN_MLM) ask_words(packer, b, it);
    if (masks_regions(objective)) UN_TRY(ask_regions(packer, b, it));
    if (objective == UN_ITM) UN_TRY(ask_pair(packer, b, it));
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
        struct item it = {.sample = &samples[s],
                          .d = d,
                          .words = un_dataset_text_length(d, samples[s].text) + 2,
                          .regions = un_dataset_image_regions(d, samples[s].image),
                          .rng = {seed, purpose, step, lane, (uint32_t)s}};
        UN_TRY(put_sample(packer, batch, &it));
    }
    group_words(packer, batch);
    return UN_OK;
}
