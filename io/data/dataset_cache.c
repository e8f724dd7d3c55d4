/* The host cache of a data set: which rows have which entry, filling and finding. Entries: three for each text,
 * its words, its alignment, and what it is asked, as they are small; then two for each image: features with boxes,
 * and soft labels. Law: what comes out of the cache is what the first read gave, checked then. */
#include "io/data/private.h"
#include "runtime/memory.h"
#include <string.h>

enum text_rows { WORDS, PAIRS, TARGETS, TEXT_ROWS };

static int64_t text_entry(const struct un_dataset *d, int64_t text, enum text_rows rows) {
    return TEXT_ROWS * (text - d->first_text) + rows;
}

static int64_t image_entry(const struct un_dataset *d, int64_t image, bool soft) {
    return TEXT_ROWS * d->kept_texts + 2 * (image - d->first_image) + soft;
}

static int64_t feature_bytes(const struct un_dataset *d, int64_t regions, unsigned what) {
    return what & UN_CACHE_FEATURES ? regions * d->info.img_dim * un_type_bytes(d->info.feature_type) : 0;
}
static int64_t box_bytes(int64_t regions) {
    return regions * UN_BOX_WIDTH * (int64_t)sizeof(float);
}
static int64_t soft_bytes(const struct un_dataset *d, int64_t regions, unsigned what) {
    return what & UN_CACHE_SOFT ? regions * d->info.img_label_dim * (int64_t)sizeof(uint16_t) : 0;
}

static int64_t pairs_bytes(const struct un_dataset *d, int64_t text) {
    return d->align ? d->align[text - d->first_text].count * 2 * (int64_t)sizeof(int32_t) : 0;
}

static int64_t targets_bytes(const struct un_dataset *d, int64_t text) {
    int64_t words = 2 * un_dataset_text_answers(d, text); /* labels and scores are as wide as words */
    for (int part = 0; part < UN_TEXT_PARTS; ++part) words += un_dataset_text_part_length(d, text, part);
    return words * (int64_t)sizeof(int32_t);
}

static int64_t image_bytes(const struct un_dataset *d, int64_t image, unsigned what) {
    int64_t regions = un_dataset_image_regions(d, image);
    return feature_bytes(d, regions, what) + box_bytes(regions) + soft_bytes(d, regions, what);
}

int64_t un_dataset_cache_need(const struct un_dataset *d, int64_t begin, int64_t end, unsigned what) {
    int64_t need = 0, last = -1;
    for (int64_t i = begin; i < end; ++i) need += image_bytes(d, i, what);
    for (int64_t t = un_dataset_image_text(d, begin); t < un_dataset_image_text(d, end); ++t) {
        int64_t second = un_dataset_text_second(d, t);
        need +=
            un_dataset_text_length(d, t) * (int64_t)sizeof(int32_t) + pairs_bytes(d, t) + targets_bytes(d, t);
        if (second >= 0 && second != last && (second < begin || second >= end))
            need += image_bytes(d, second, what);
        last = second;
    }
    return need;
}

enum un_status un_dataset_cache(struct un_dataset *d, int64_t limit, unsigned what) {
    d->cached = what;
    int64_t n = TEXT_ROWS * d->kept_texts + 2 * d->kept_images;
    int64_t *bytes = un_alloc((size_t)n + 1, sizeof *bytes, "entries of the host cache");
    if (!bytes) return UN_MEMORY;
    for (int64_t t = d->first_text; t < d->first_text + d->kept_texts; ++t) {
        bytes[text_entry(d, t, WORDS)] = un_dataset_text_length(d, t) * (int64_t)sizeof(int32_t);
        bytes[text_entry(d, t, PAIRS)] = pairs_bytes(d, t);
        bytes[text_entry(d, t, TARGETS)] = targets_bytes(d, t);
    }
    for (int64_t i = d->first_image; i < d->first_image + d->kept_images; ++i) {
        int64_t regions = un_dataset_image_regions(d, i);
        if (!un_dataset_owns(d, i)) continue;
        bytes[image_entry(d, i, false)] = feature_bytes(d, regions, what) + box_bytes(regions);
        bytes[image_entry(d, i, true)] = soft_bytes(d, regions, what);
    }
    enum un_status status = un_cache_open(&d->cache, bytes, n, limit);
    un_free(bytes);
    return status;
}

struct un_cache_counts un_dataset_cache_counts(const struct un_dataset *d) {
    return d->cache ? un_cache_counts(d->cache) : (struct un_cache_counts){0};
}

/* An entry is the features, if they are kept, and then the boxes. */
bool un_dataset_cached_image(const struct un_dataset *d, int64_t image, void *feature, float *box) {
    if (!d->cache || !un_dataset_owns(d, image) || (feature && !(d->cached & UN_CACHE_FEATURES)))
        return false;
    const char *found = un_cache_find(d->cache, image_entry(d, image, false));
    if (!found) return false;
    int64_t regions = un_dataset_image_regions(d, image), bytes = feature_bytes(d, regions, d->cached);
    if (feature) memcpy(feature, found, (size_t)bytes);
    if (box) memcpy(box, found + bytes, (size_t)box_bytes(regions));
    return true;
}

void un_dataset_expect(const struct un_dataset *d, int64_t image) {
    const struct un_image_ref *ref = un_dataset_image(d, image);
    if (d->cache && d->cached & UN_CACHE_FEATURES && un_cache_has(d->cache, image_entry(d, image, false)))
        return;
    un_column_expect(&d->image_files[ref->file].feature, ref->first_region, ref->regions);
}

void un_dataset_fill_image(const struct un_dataset *d, int64_t image, const void *feature, const float *box) {
    bool whole = box && (feature || !(d->cached & UN_CACHE_FEATURES));
    bool held = d->cache && un_dataset_owns(d, image);
    char *place = held && whole ? un_cache_begin(d->cache, image_entry(d, image, false)) : NULL;
    if (!place) return;
    int64_t regions = un_dataset_image_regions(d, image), bytes = feature_bytes(d, regions, d->cached);
    if (bytes > 0) memcpy(place, feature, (size_t)bytes);
    memcpy(place + bytes, box, (size_t)box_bytes(regions));
    un_cache_done(d->cache, image_entry(d, image, false), true);
}

bool un_dataset_cached_text(const struct un_dataset *d, int64_t text, int32_t *token) {
    const void *found = d->cache ? un_cache_find(d->cache, text_entry(d, text, WORDS)) : NULL;
    if (found) memcpy(token, found, (size_t)un_dataset_text_length(d, text) * sizeof *token);
    return found != NULL;
}

void un_dataset_fill_text(const struct un_dataset *d, int64_t text, const int32_t *token) {
    void *place = d->cache ? un_cache_begin(d->cache, text_entry(d, text, WORDS)) : NULL;
    if (!place) return;
    memcpy(place, token, (size_t)un_dataset_text_length(d, text) * sizeof *token);
    un_cache_done(d->cache, text_entry(d, text, WORDS), true);
}

const uint16_t *un_dataset_cached_soft(const struct un_dataset *d, int64_t image) {
    return d->cache && un_dataset_owns(d, image) ? un_cache_find(d->cache, image_entry(d, image, true))
                                                 : NULL;
}

uint16_t *un_dataset_begin_soft(const struct un_dataset *d, int64_t image) {
    return d->cache && un_dataset_owns(d, image) ? un_cache_begin(d->cache, image_entry(d, image, true))
                                                 : NULL;
}

void un_dataset_done_soft(const struct un_dataset *d, int64_t image, bool good) {
    un_cache_done(d->cache, image_entry(d, image, true), good);
}

const int32_t *un_dataset_cached_pairs(const struct un_dataset *d, int64_t text) {
    return d->cache ? un_cache_find(d->cache, text_entry(d, text, PAIRS)) : NULL;
}

int32_t *un_dataset_begin_pairs(const struct un_dataset *d, int64_t text) {
    return d->cache ? un_cache_begin(d->cache, text_entry(d, text, PAIRS)) : NULL;
}

void un_dataset_done_pairs(const struct un_dataset *d, int64_t text, bool good) {
    un_cache_done(d->cache, text_entry(d, text, PAIRS), good);
}

const int32_t *un_dataset_cached_targets(const struct un_dataset *d, int64_t text) {
    return d->cache ? un_cache_find(d->cache, text_entry(d, text, TARGETS)) : NULL;
}

int32_t *un_dataset_begin_targets(const struct un_dataset *d, int64_t text) {
    return d->cache ? un_cache_begin(d->cache, text_entry(d, text, TARGETS)) : NULL;
}

void un_dataset_done_targets(const struct un_dataset *d, int64_t text, bool good) {
    un_cache_done(d->cache, text_entry(d, text, TARGETS), good);
}
