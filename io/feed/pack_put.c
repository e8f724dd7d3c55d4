/* Words and regions of a sequence, read straight into their place in the micro-batch. */
#include "io/feed/item.h"
#include "runtime/half.h"

#include <string.h>

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

/* ---- what is known ---- */

static const struct un_known *find(const struct un_known_list *list, int64_t item, int part) {
    for (int i = 0; i < list->n; ++i)
        if (list->entry[i].item == item && list->entry[i].part == part) return &list->entry[i];
    return NULL;
}

static void remember(struct un_known_list *list, struct un_known known) {
    if (list->n < UN_KNOWN) list->entry[list->n++] = known;
}

/* ---- words ---- */

/* Word `at` of the sequence is there. */
static void place_word(struct un_batch *b, int64_t at, uint8_t type) {
    b->word_pos[b->words + at] = (int32_t)at;
    b->word_row[b->words + at] = (int32_t)(b->tokens + at);
    if (b->word_type) b->word_type[b->words + at] = type;
}

/* Part p of the sequence, of `count` words, to `id` in b->word_id. */
static enum un_status put_part(struct un_packer *packer, const struct un_batch *b, const struct un_item *it,
                               int p, int64_t count, int32_t *id) {
    const struct un_sequence *s = it->sequence;
    const struct un_known *known = find(&packer->words, s->text, s->part[p]);
    if (known) {
        memcpy(id, b->word_id + known->at, (size_t)count * sizeof *id);
        return UN_OK;
    }
    if (s->part[p] == UN_PART_TEXT)
        UN_TRY(un_dataset_read_text(it->d, s->text, id));
    else
        UN_TRY(un_dataset_read_part(it->d, s->text, s->part[p], id));
    remember(&packer->words, (struct un_known){s->text, s->part[p], id - b->word_id, 0});
    return UN_OK;
}

static enum un_status put_words(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    const struct un_vocab *vocab = &un_dataset_info(it->d)->vocab;
    const struct un_sequence *s = it->sequence;
    int32_t *id = b->word_id + b->words;
    int64_t at = 0;
    id[at] = (int32_t)vocab->cls_id;
    place_word(b, at++, s->word_type[0]);
    for (int p = 0; p < s->n_parts; ++p) {
        int64_t end = at + un_sequence_part_words(it->d, s, p);
        UN_TRY(put_part(packer, b, it, p, end - at, id + at));
        for (; at < end; ++at) place_word(b, at, s->word_type[p]);
        id[at] = (int32_t)vocab->sep_id;
        place_word(b, at++, s->sep_type[p]);
    }
    return UN_OK;
}

/* ---- images ---- */

/* One image of a sequence; its regions come at `at` among those of the micro-batch. */
struct seen {
    int64_t image, regions, at;
    float *box;
};

/* Reads f16 rows into the scratch and widens them into the f32 micro-batch. */
static enum un_status put_widened(struct un_packer *packer, struct un_batch *b, const struct un_item *it,
                                  const struct seen *seen) {
    int64_t count = seen->regions * packer->caps.img_dim;
    float *feature = (float *)b->feature + b->fresh * packer->caps.img_dim;
    UN_TRY(un_dataset_read_image(it->d, seen->image, packer->half, seen->box));
    for (int64_t i = 0; i < count; ++i) feature[i] = un_half_to(packer->half[i]);
    return UN_OK;
}

static void copy_boxes(const struct un_batch *b, const struct seen *seen, const struct un_known *known) {
    memcpy(seen->box, b->box + known->at * UN_BOX_WIDTH,
           (size_t)(seen->regions * UN_BOX_WIDTH) * sizeof *seen->box);
}

/* Features and boxes; the features are new rows. */
static enum un_status put_features(struct un_packer *packer, struct un_batch *b, const struct un_item *it,
                                   const struct seen *seen) {
    int64_t row_bytes = packer->caps.img_dim * un_type_bytes(packer->caps.feature_type);
    unsigned char *to = (unsigned char *)b->feature + b->fresh * row_bytes;
    const struct un_known *known = find(&packer->images, seen->image, 0);
    if (known && known->row >= 0) {
        memcpy(to, (unsigned char *)b->feature + known->row * row_bytes, (size_t)(seen->regions * row_bytes));
        copy_boxes(b, seen, known);
    } else if (un_dataset_info(it->d)->feature_type != packer->caps.feature_type)
        UN_TRY(put_widened(packer, b, it, seen));
    else
        UN_TRY(un_dataset_read_image(it->d, seen->image, to, seen->box));
    if (!known) remember(&packer->images, (struct un_known){seen->image, 0, seen->at, b->fresh});
    b->fresh += seen->regions;
    return UN_OK;
}

/* Of an image whose features are in the store. */
static enum un_status put_boxes(struct un_packer *packer, const struct un_batch *b, const struct un_item *it,
                                const struct seen *seen) {
    const struct un_known *known = find(&packer->images, seen->image, 0);
    if (known) {
        copy_boxes(b, seen, known);
        return UN_OK;
    }
    UN_TRY(un_dataset_read_image(it->d, seen->image, NULL, seen->box));
    remember(&packer->images, (struct un_known){seen->image, 0, seen->at, -1});
    return UN_OK;
}

/* Does the micro-batch bring the image already? A few hundred images at most. */
static bool is_stored(const struct un_stored *stored, int32_t place) {
    for (int64_t i = 0; i < stored->n; ++i)
        if (stored->image[i] == place) return true;
    return false;
}

/* The number of the image in the store, -1 of a guest; so is one too many for the list of those that come. */
static int32_t place_of(const struct un_packer *packer, const struct un_batch *b, const struct un_item *it,
                        int64_t image, bool *there) {
    const struct un_resident *resident = packer->resident;
    int32_t place = un_resident_find(resident, it->sample->dataset, image);
    *there = place >= 0 && (un_resident_has(resident, place) || is_stored(&b->stored, place));
    return *there || b->stored.n < packer->caps.samples ? place : -1;
}

/* With a store: rows of an image that is there, or will be when the micro-batch is used, are left out. The
 * rows of a guest are those of its regions. */
static enum un_status put_stored(struct un_packer *packer, struct un_batch *b, const struct un_item *it,
                                 const struct seen *seen) {
    const struct un_resident *resident = packer->resident;
    bool there;
    int32_t place = place_of(packer, b, it, seen->image, &there);
    int32_t row =
        place >= 0 ? un_resident_row(resident, place) : (int32_t)(un_resident_rows(resident) + seen->at);
    for (int64_t i = 0; i < seen->regions; ++i) b->feature_row[seen->at + i] = row + (int32_t)i;
    if (there) return put_boxes(packer, b, it, seen);
    if (place >= 0) b->stored.image[b->stored.n++] = place;
    for (int64_t i = 0; i < seen->regions; ++i) b->fresh_row[b->fresh + i] = row + (int32_t)i;
    return put_features(packer, b, it, seen);
}

static enum un_status put_image(struct un_packer *packer, struct un_batch *b, const struct un_item *it,
                                const struct seen *seen, uint8_t type) {
    UN_TRY(packer->resident ? put_stored(packer, b, it, seen) : put_features(packer, b, it, seen));
    for (int64_t i = seen->at; i < seen->at + seen->regions; ++i) {
        b->region_row[i] = (int32_t)(b->tokens + it->words + i - b->regions);
        if (b->region_type) b->region_type[i] = type;
    }
    return UN_OK;
}

static enum un_status put_regions(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    const struct un_sequence *s = it->sequence;
    struct seen seen = {.at = b->regions};
    for (int i = 0; i < s->n_images; ++i) {
        seen.image = s->image[i];
        seen.regions = un_dataset_image_regions(it->d, seen.image);
        seen.box = b->box + seen.at * UN_BOX_WIDTH;
        UN_TRY(put_image(packer, b, it, &seen, s->region_type[i]));
        seen.at += seen.regions;
    }
    return UN_OK;
}

enum un_status un_item_put(struct un_packer *packer, struct un_batch *b, const struct un_item *it) {
    UN_TRY(check_room(b, &packer->caps, it));
    UN_TRY(put_words(packer, b, it));
    UN_TRY(put_regions(packer, b, it));
    memset(b->masked + b->regions, 0, (size_t)it->regions);
    if (!un_objectives[it->sample->objective].task) UN_TRY(un_item_ask(packer, b, it));
    b->words += it->words;
    b->regions += it->regions;
    b->tokens += it->words + it->regions;
    if (it->words + it->regions > b->longest) b->longest = it->words + it->regions;
    b->start[++b->samples] = (int32_t)b->tokens;
    return UN_OK;
}
