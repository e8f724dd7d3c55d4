/* Results as bytes (record_private.h). */
#include "launch/extract/record_private.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

static const char magic[8] = "UNREGION"; /* not terminated */

enum { COLUMNS = 8 };
struct column {
    const void *values;
    int64_t width; /* numbers of four bytes a region */
};
static void columns_of(const struct un_extract_result *r, struct column column[COLUMNS]) {
    const struct column all[COLUMNS] = {{r->feature, r->features},
                                        {r->box6, 6},
                                        {r->confidence, 1},
                                        {r->soft, r->classes},
                                        {r->box, 4},
                                        {r->class_number, 1},
                                        {r->attribute, 1},
                                        {r->attribute_probability, 1}};
    memcpy(column, all, sizeof all);
}

static int64_t bytes_of(int64_t regions, int64_t features, int64_t classes) {
    return regions * (features + classes + 6 + 1 + 4 + 1 + 1 + 1) * 4;
}

static enum un_status take(struct un_extract_record *record, size_t bytes) {
    if (record->capacity >= bytes) return UN_OK;
    un_free(record->bytes);
    record->capacity = 0;
    record->bytes = un_alloc(bytes, 1, "a record of regions");
    if (!record->bytes) return UN_MEMORY;
    record->capacity = bytes;
    return UN_OK;
}

void un_extract_record_free(struct un_extract_record *record) {
    un_free(record->bytes);
    *record = (struct un_extract_record){0};
}

enum un_status un_extract_record_pack(struct un_extract_record *record, const struct un_extract_result *r,
                                      int64_t durable, size_t *bytes) {
    struct un_extract_head head = {.index = r->index, .status = r->status, .durable = durable};
    struct column column[COLUMNS];
    memcpy(head.magic, magic, sizeof magic);
    head.bytes = (int64_t)strlen(r->why);
    if (r->status == UN_OK) {
        head.width = r->width;
        head.height = r->height;
        head.regions = r->regions;
        head.features = r->features;
        head.classes = r->classes;
        head.bytes = bytes_of(r->regions, r->features, r->classes);
    }
    *bytes = sizeof head + (size_t)head.bytes;
    UN_TRY(take(record, *bytes));
    char *values = record->bytes + sizeof head, *at = values;
    columns_of(r, column);
    if (r->status != UN_OK) memcpy(at, r->why, (size_t)head.bytes);
    for (int c = 0; c < COLUMNS && r->status == UN_OK; ++c) {
        size_t size = (size_t)(r->regions * column[c].width) * 4;
        memcpy(at, column[c].values, size);
        at += size;
    }
    head.values = un_digest_of(values, (size_t)head.bytes);
    head.head = un_digest_of(&head, offsetof(struct un_extract_head, head));
    memcpy(record->bytes, &head, sizeof head);
    return UN_OK;
}

bool un_extract_head_good(const struct un_extract_head *h, int64_t photos) {
    struct un_digest digest = un_digest_of(h, offsetof(struct un_extract_head, head));
    if (memcmp(h->magic, magic, sizeof magic) != 0 || !un_digest_equal(&digest, &h->head)) return false;
    if (h->index < 0 || h->index >= photos || h->durable < 0) return false;
    if (h->status == UN_DATA || h->status == UN_IO) return h->bytes >= 0 && h->bytes < UN_ERROR_MAX;
    return h->status == UN_OK && h->regions > 0 && h->regions <= UN_IMAGE_REGIONS_MAX && h->features > 0 &&
           h->features <= UN_EXTRACT_WIDTH_MAX && h->classes > 0 && h->classes <= UN_EXTRACT_WIDTH_MAX &&
           h->bytes == bytes_of(h->regions, h->features, h->classes);
}

enum un_status un_extract_record_read(struct un_extract_record *record, int fd, const char *path, int64_t at,
                                      const struct un_extract_head *head) {
    UN_TRY(take(record, (size_t)head->bytes + 1));
    UN_TRY(un_files_read_at(fd, path, record->bytes, (size_t)head->bytes, at + (int64_t)sizeof *head));
    struct un_digest digest = un_digest_of(record->bytes, (size_t)head->bytes);
    if (!un_digest_equal(&digest, &head->values))
        return un_fail(UN_DATA, "%s: the record at byte %lld is damaged", path, (long long)at);
    record->bytes[head->bytes] = '\0';
    return UN_OK;
}

void un_extract_record_unpack(const struct un_extract_record *record, const struct un_extract_head *h,
                              struct un_extract_result *r) {
    const char *at = record->bytes;
    int64_t n = h->regions;
    *r = (struct un_extract_result){.index = h->index,
                                    .status = (enum un_status)h->status,
                                    .width = h->width,
                                    .height = h->height,
                                    .regions = n,
                                    .features = h->features,
                                    .classes = h->classes};
    if (r->status != UN_OK) {
        snprintf(r->why, sizeof r->why, "%s", at);
        return;
    }
    r->feature = (const float *)at;
    r->box6 = r->feature + n * h->features;
    r->confidence = r->box6 + n * 6;
    r->soft = r->confidence + n;
    r->box = r->soft + n * h->classes;
    r->class_number = (const int32_t *)(r->box + n * 4);
    r->attribute = r->class_number + n;
    r->attribute_probability = (const float *)(r->attribute + n);
}
