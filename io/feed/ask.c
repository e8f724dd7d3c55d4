/* What an objective of pretraining asks of a sample: masks, rows and targets, entered in its lists. Rows are those of the
 * sample in its place; the counts of the batch still stand before it. */
#include "io/feed/item.h"

/* Words [at, at + n) of the sequence, at least one of them. */
static void ask_part(struct un_packer *packer, struct un_batch *b, const struct un_item *it, int64_t at,
                     int64_t n) {
    struct un_rows *rows = &b->rows[it->sample->objective];
    struct un_mask_rng rng = it->rng;
    rng.first = (uint32_t)at - 1;
    un_mask_words(&rng, un_plan_keys(packer->plan)->mlm_prob, &un_dataset_info(it->d)->vocab,
                  b->word_id + b->words + at, packer->word_target, n);
    for (int64_t i = 0; i < n; ++i) {
        if (packer->word_target[i] < 0) continue;
        rows->row[rows->n] = (int32_t)(b->tokens + at + i);
        rows->target[rows->n] = packer->word_target[i];
        rows->dataset[rows->n++] = (uint8_t)it->sample->dataset;
    }
}

static void ask_words(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    int64_t at = 1;
    for (int p = 0; p < it->sequence->n_parts; ++p) {
        int64_t n = un_sequence_part_words(it->d, it->sequence, p);
        ask_part(packer, b, it, at, n);
        at += n + 1;
    }
}

static void mask_words(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    struct un_mask_rng rng = it->rng;
    int64_t at = 1;
    for (int p = 0; p < it->sequence->n_parts; ++p) {
        int64_t n = un_sequence_part_words(it->d, it->sequence, p);
        rng.first = (uint32_t)at - 1;
        un_mask_other_words(&rng, un_plan_keys(packer->plan)->mlm_prob, &un_dataset_info(it->d)->vocab,
                            b->word_id + b->words + at, n);
        at += n + 1;
    }
}

static void mask_regions(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    uint8_t *masked = b->masked + b->regions;
    un_mask_other_regions(&it->rng, un_plan_keys(packer->plan)->mrm_prob, masked, it->regions);
    for (int64_t i = 0; i < it->regions; ++i)
        if (masked[i]) b->masked_region[b->masked_count++] = (int32_t)(b->regions + i);
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

static enum un_status read_soft_label(const struct un_item *it, int64_t region, void *soft) {
    const struct un_sequence *s = it->sequence;
    int i = 0;
    for (int64_t here; region >= (here = un_dataset_image_regions(it->d, s->image[i])); ++i) region -= here;
    return un_dataset_read_soft_label(it->d, s->image[i], region, soft);
}

static enum un_status put_class(struct un_packer *packer, struct un_batch *b, const struct un_item *it,
                                int64_t region) {
    int64_t classes = packer->caps.img_label_dim;
    struct un_rows *rows = &b->rows[it->sample->objective];
    if (un_objectives[it->sample->objective].target == UN_TARGET_SOFT)
        return read_soft_label(it, region, (uint16_t *)rows->soft + rows->n * classes);
    UN_TRY(read_soft_label(it, region, packer->soft_label));
    rows->target[rows->n] = best_class(packer->soft_label, classes);
    return UN_OK;
}

static enum un_status ask_regions(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    struct un_rows *rows = &b->rows[it->sample->objective];
    const struct un_objective_facts *facts = &un_objectives[it->sample->objective];
    uint8_t *masked = b->masked + b->regions;
    un_mask_regions(&it->rng, un_plan_keys(packer->plan)->mrm_prob, masked, it->regions);
    for (int64_t i = 0; i < it->regions; ++i) {
        if (!masked[i]) continue;
        if (facts->needs_soft_labels) UN_TRY(put_class(packer, b, it, i));
        b->masked_region[b->masked_count++] = (int32_t)(b->regions + i);
        rows->row[rows->n] = (int32_t)(b->tokens + it->words + i);
        rows->region[rows->n] = (int32_t)(b->regions + i);
        if (packer->resident && facts->target == UN_TARGET_FEATURES)
            rows->stored[rows->n] = b->feature_row[b->regions + i];
        rows->dataset[rows->n++] = (uint8_t)it->sample->dataset;
    }
    return UN_OK;
}

/* The list is bounded by the words of the batch, enough for one region a word. */
static enum un_status put_alignment(struct un_packer *packer, struct un_batch *b, const struct un_item *it,
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

/* The next pair whose words and regions are aligned. */
static void put_pair(struct un_batch *b, const struct un_item *it, int64_t pair) {
    b->pair_first[pair] = (int32_t)b->tokens;
    b->pair_words[pair] = (int32_t)it->words;
    b->pair_regions[pair] = (int32_t)it->regions;
    b->plan_start[pair + 1] = b->plan_start[pair] + (int32_t)(it->words * it->regions);
    if (it->words > b->longest_words) b->longest_words = it->words;
    if (it->regions > b->longest_regions) b->longest_regions = it->regions;
}

static enum un_status ask_pair(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    enum un_objective t = it->sample->objective;
    struct un_rows *rows = &b->rows[t];
    int64_t pair = rows->n++;
    rows->row[pair] = (int32_t)b->tokens;
    if (rows->target) rows->target[pair] = !it->sample->false_pair;
    rows->dataset[pair] = (uint8_t)it->sample->dataset;
    if (!un_objectives[t].aligns) return UN_OK;
    put_pair(b, it, pair);
    if (it->sample->false_pair || !un_dataset_info(it->d)->aligned) return UN_OK;
    return put_alignment(packer, b, it, pair);
}

enum un_status un_item_ask(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    bool both = un_plan_keys(packer->plan)->mask == UN_MASK_BOTH;
    switch (un_objectives[it->sample->objective].asks) {
    case UN_ASKS_WORDS:
        ask_words(packer, b, it);
        if (both) mask_regions(packer, b, it);
        break;
    case UN_ASKS_REGIONS:
        if (both) mask_words(packer, b, it);
        return ask_regions(packer, b, it);
    case UN_ASKS_PAIR: return ask_pair(packer, b, it);
    default: break; /* tasks ask when their group is in its place (ask_task.c) */
    }
    return UN_OK;
}
