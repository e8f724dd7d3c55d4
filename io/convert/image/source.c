/* What every source of images shares: the list a survey makes, boxes from pixels (source.h).
 *
 * A list of ten million images must stay small, so ids lie one behind the other in large blocks. */
#include "io/convert/image/bad.h"
#include "io/disk/ids.h"
#include "runtime/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

enum { POOL_BYTES = 1 << 16, ENTRIES_LEAST = 64 };

static enum un_status grow_entries(struct un_image_list *list) {
    int64_t more = list->capacity + list->capacity / 2 + ENTRIES_LEAST;
    void *entries = list->list;
    UN_TRY(un_grow(&entries, (size_t)list->capacity, (size_t)more, sizeof *list->list, "images"));
    list->list = entries;
    list->capacity = more;
    return UN_OK;
}

/* The table of blocks is full whenever its length is a power of two (or none). */
static enum un_status add_pool(struct un_image_list *list) {
    if ((list->pools & (list->pools - 1)) == 0) {
        void *pool = list->pool;
        size_t more = list->pools ? 2 * (size_t)list->pools : 1;
        UN_TRY(un_grow(&pool, (size_t)list->pools, more, sizeof *list->pool, "image ids"));
        list->pool = pool;
    }
    char *block = un_alloc(POOL_BYTES, 1, "image ids");
    if (!block) return UN_MEMORY;
    list->pool[list->pools++] = block;
    list->pool_used = 0;
    return UN_OK;
}

static enum un_status keep_id(struct un_image_list *list, const char *id, size_t length, char **kept) {
    if (list->pools == 0 || list->pool_used + (int64_t)length + 1 > POOL_BYTES) UN_TRY(add_pool(list));
    *kept = list->pool[list->pools - 1] + list->pool_used;
    memcpy(*kept, id, length + 1);
    list->pool_used += (int64_t)length + 1;
    return UN_OK;
}

enum un_status un_image_list_add(struct un_image_list *list, const char *where, const char *id,
                                 int64_t regions, int64_t at, int64_t bytes) {
    size_t length = strnlen(id, UN_IMAGE_ID_MAX + 1);
    char *kept;
    if (length == 0) return un_fail(UN_DATA, "%s: an image without an id", where);
    if (length > UN_IMAGE_ID_MAX)
        return un_fail(UN_DATA, "%s: image id %.40s... is longer than %d bytes", where, id, UN_IMAGE_ID_MAX);
    if (regions < 1 || regions > UN_IMAGE_REGIONS_MAX)
        return un_fail(UN_DATA, "%s: image %s has %lld regions, not 1 to %d", where, id, (long long)regions,
                       UN_IMAGE_REGIONS_MAX);
    if (list->n == list->capacity) UN_TRY(grow_entries(list));
    UN_TRY(keep_id(list, id, length, &kept));
    list->list[list->n++] = (struct un_image_entry){kept, regions, at, bytes};
    list->regions += regions;
    return UN_OK;
}

enum un_status un_image_list_check(const struct un_image_list *list, const char *source) {
    struct un_idmap map = {0};
    int64_t first, second;
    if (list->n == 0) return un_fail(UN_DATA, "%s: no images in it", source);
    const char **ids = un_alloc((size_t)list->n, sizeof *ids, "image ids");
    if (!ids) return UN_MEMORY;
    for (int64_t i = 0; i < list->n; ++i) ids[i] = list->list[i].id;
    enum un_status status = un_idmap_open(&map, ids, list->n, &first, &second);
    if (status == UN_OK && first >= 0)
        status = un_fail(UN_DATA, "%s: image id %s stands twice: images %lld and %lld (counted from 0)",
                         source, ids[first], (long long)first, (long long)second);
    un_idmap_close(&map);
    un_free(ids);
    return status;
}

void un_image_list_free(struct un_image_list *list) {
    for (int64_t i = 0; i < list->pools; ++i) un_free(list->pool[i]);
    un_free(list->pool);
    un_free(list->list);
    *list = (struct un_image_list){0};
}

void un_image_source_where(const struct un_image_source *source, const struct un_image_list *list,
                           int64_t index, char *text, size_t size) {
    if (source->where)
        source->where(source, list, index, text, size);
    else
        snprintf(text, size, "%s: %s", source->name, list->list[index].id);
}

enum un_status un_image_source_listed(struct un_image_source *source, const char *where,
                                      enum un_status status) {
    if (!source->bad) return status;
    if (status != UN_OK) return un_image_bad_add(source->bad, -1, where, source->name, status);
    un_image_bad_none(source->bad);
    return UN_OK;
}

enum un_status un_image_source_survey(struct un_image_source *source, struct un_image_list *list,
                                      struct un_progress *progress, bool (*stop)(void)) {
    source->progress = progress;
    source->stop = stop;
    enum un_status status = source->ops->survey(source, list);
    source->progress = NULL;
    source->stop = NULL;
    return status;
}

void un_image_source_ahead(struct un_image_source *source, int64_t amount, int64_t scale, const char *unit) {
    if (source->progress) un_progress_open_work(source->progress, amount, scale, unit, true);
}

enum un_status un_image_source_seen(struct un_image_source *source, int64_t amount) {
    un_progress_add(source->progress, amount);
    if (!source->stop || !source->stop()) return UN_OK;
    return un_fail(UN_STOPPED, "%s: stopped while its images were listed; nothing was written", source->name);
}

void un_image_source_close(struct un_image_source *source) {
    if (source) source->ops->close(source);
}

void un_image_source_name(struct un_image_source *source, const char *kind, const char *const *paths, int n) {
    if (n == 1)
        snprintf(source->name, sizeof source->name, "%s %s", kind, paths[0]);
    else
        snprintf(source->name, sizeof source->name, "%s %.200s and %d more", kind, paths[0], n - 1);
}

enum un_status un_image_source_opened(struct un_image_source *source, enum un_status status,
                                      struct un_image_source **out) {
    if (status != UN_OK) source->ops->close(source);
    *out = status == UN_OK ? source : NULL;
    return status;
}

enum un_status un_image_stamp(uint64_t *stamp, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    const int64_t numbers[] = {(int64_t)*stamp, (int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec,
                               (int64_t)st.st_mtim.tv_nsec};
    *stamp = XXH3_64bits_withSeed(path, strlen(path), XXH3_64bits(numbers, sizeof numbers));
    return UN_OK;
}

void un_box_from_pixels(float *box, const float *corners, int64_t n, double width, double height) {
    for (int64_t i = 0; i < n; ++i, box += 6, corners += 4) {
        box[0] = (float)((double)corners[0] / width);
        box[1] = (float)((double)corners[1] / height);
        box[2] = (float)((double)corners[2] / width);
        box[3] = (float)((double)corners[3] / height);
        box[4] = box[2] - box[0];
        box[5] = box[3] - box[1];
    }
}
