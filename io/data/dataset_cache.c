/* The host cache of a data set: which rows have which entry, filling and finding. Entries: two for each text,
 * its words and its alignment, as they are small; then two for each image: features with boxes, and soft
 * labels. Law: what comes out of the cache is what the first read gave, checked then. */
#include "io/data/private.h"
#include "runtime/memory.h"
#include <string.h>

static int64_t text_entry(const struct un_dataset *d, int64_t text, bool alignment) {
    return 2 * (text - d->first_text) + alignment;
}

static int64_t image_entry(const struct un_dataset *d, int64_t image, bool soft) {
    return 2 * d->kept_texts + 2 * (image - d->first_image) + soft;
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

int64_t un_dataset_cache_need(const struct un_dataset *d, int64_t begin, int64_t end, unsigned what) {
    int64_t need = 0;
    for (int64_t i = begin; i < end; ++i) {
        int64_t regions = un_dataset_image_regions(d, i);
        need += feature_bytes(d, regions, what) + box_bytes(regions) + soft_bytes(d, regions, what);
    }
    for (int64_t t = un_dataset_image_text(d, begin); t < un_dataset_image_text(d, end); ++t)
        need += un_dataset_text_length(d, t) * (int64_t)sizeof(int32_t) + pairs_bytes(d, t);
    return need;
}

enum un_status un_dataset_cache(struct un_dataset *d, int64_t limit, unsigned what) {
    d->cached = what;
    int64_t n = 2 * d->kept_texts + 2 * d->kept_images;
    int64_t *bytes = un_alloc((size_t)n + 1, sizeof *bytes, "entries of the host cache");
    if (!bytes) return UN_MEMORY;
    for (int64_t t = 0; t < d->kept_texts; ++t) {
        bytes[2 * t] = d->text[t].length * (int64_t)sizeof(int32_t);
        bytes[2 * t + 1] = pairs_bytes(d, d->first_text + t);
    }
    for (int64_t i = 0; i < d->kept_images; ++i) {
        int64_t regions = d->image[i].regions, *entry = bytes + 2 * (d->kept_texts + i);
        entry[0] = feature_bytes(d, regions, what) + box_bytes(regions);
        entry[1] = soft_bytes(d, regions, what);
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
    if (!d->cache || (feature && !(d->cached & UN_CACHE_FEATURES))) return false;
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
    char *place = d->cache && whole ? un_cache_begin(d->cache, image_entry(d, image, false)) : NULL;
    if (!place) return;
    int64_t regions = un_dataset_image_regions(d, image), bytes = feature_bytes(d, regions, d->cached);
    if (bytes > 0) memcpy(place, feature, (size_t)bytes);
    memcpy(place + bytes, box, (size_t)box_bytes(regions));
    un_cache_done(d->cache, image_entry(d, image, false), true);
}

bool un_dataset_cached_text(const struct un_dataset *d, int64_t text, int32_t *token) {
    const void *found = d->cache ? un_cache_find(d->cache, text_entry(d, text, false)) : NULL;
    if (found) memcpy(token, found, (size_t)un_dataset_text_length(d, text) * sizeof *token);
    return found != NULL;
}

void un_dataset_fill_text(const struct un_dataset *d, int64_t text, const int32_t *token) {
    void *place = d->cache ? un_cache_begin(d->cache, text_entry(d, text, false)) : NULL;
    if (!place) return;
    memcpy(place, token, (size_t)un_dataset_text_length(d, text) * sizeof *token);
    un_cache_done(d->cache, text_entry(d, text, false), true);
}

const uint16_t *un_dataset_cached_soft(const struct un_dataset *d, int64_t image) {
    return d->cache ? un_cache_find(d->cache, image_entry(d, image, true)) : NULL;
}

uint16_t *un_dataset_begin_soft(const struct un_dataset *d, int64_t image) {
    return d->cache ? un_cache_begin(d->cache, image_entry(d, image, true)) : NULL;
}

void un_dataset_done_soft(const struct un_dataset *d, int64_t image, bool good) {
    un_cache_done(d->cache, image_entry(d, image, true), good);
}

const int32_t *un_dataset_cached_pairs(const struct un_dataset *d, int64_t text) {
    return d->cache ? un_cache_find(d->cache, text_entry(d, text, true)) : NULL;
}

int32_t *un_dataset_begin_pairs(const struct un_dataset *d, int64_t text) {
    return d->cache ? un_cache_begin(d->cache, text_entry(d, text, true)) : NULL;
}

void un_dataset_done_pairs(const struct un_dataset *d, int64_t text, bool good) {
    un_cache_done(d->cache, text_entry(d, text, true), good);
}
