/* Places and flags of images (resident.h). The flags are the only thing that changes: one writer, many
 * readers, never back. */
#include "io/feed/resident.h"

#include "runtime/memory.h"
#include <stdatomic.h>

/* Images of one data set: [first, first + count), numbered from `place` on. */
struct part {
    int64_t first, count, place;
};

struct un_resident {
    struct part parts[UN_MAX_DATASETS];
    int64_t n, images, placed, rows;
    int32_t *row;          /* [placed] */
    _Atomic uint8_t *flag; /* [placed] 1: resident */
    _Atomic int64_t there;
};

int64_t un_resident_need(struct un_dataset *const *datasets, int64_t n, int64_t lane_begin,
                         int64_t lane_end) {
    int64_t rows = 0;
    for (int64_t d = 0; d < n; ++d) {
        int64_t end = un_dataset_lane_image(datasets[d], lane_end);
        for (int64_t i = un_dataset_lane_image(datasets[d], lane_begin); i < end; ++i)
            rows += un_dataset_image_regions(datasets[d], i);
    }
    return rows;
}

/* Numbers the images, and gives places while there is room. */
static void place_images(struct un_resident *r, struct un_dataset *const *datasets, int64_t rows) {
    bool room = true;
    for (int64_t d = 0; d < r->n; ++d) {
        const struct part *part = &r->parts[d];
        for (int64_t i = 0; i < part->count; ++i) {
            int64_t regions = un_dataset_image_regions(datasets[d], part->first + i);
            room = room && r->rows + regions <= rows;
            if (!room) return;
            r->row[r->placed++] = (int32_t)r->rows;
            r->rows += regions;
        }
    }
}

enum un_status un_resident_open(struct un_resident **out, struct un_dataset *const *datasets, int64_t n,
                                int64_t lane_begin, int64_t lane_end, int64_t rows) {
    *out = NULL;
    if (rows < 0 || rows > INT32_MAX)
        return un_fail(UN_INTERNAL, "a store of %lld rows of features", (long long)rows);
    struct un_resident *r = un_alloc(1, sizeof *r, "places of features");
    if (!r) return UN_MEMORY;
    r->n = n;
    for (int64_t d = 0; d < n; ++d) {
        int64_t first = un_dataset_lane_image(datasets[d], lane_begin);
        r->parts[d] = (struct part){first, un_dataset_lane_image(datasets[d], lane_end) - first, r->images};
        r->images += r->parts[d].count;
    }
    r->row = un_alloc((size_t)r->images + 1, sizeof *r->row, "places of features");
    r->flag = un_alloc((size_t)r->images + 1, sizeof *r->flag, "places of features");
    if (!r->row || !r->flag) {
        un_resident_close(r);
        return UN_MEMORY;
    }
    place_images(r, datasets, rows);
    *out = r;
    return UN_OK;
}

void un_resident_close(struct un_resident *r) {
    if (!r) return;
    un_free(r->row);
    un_free(r->flag);
    un_free(r);
}

size_t un_resident_bytes(int64_t images) {
    return sizeof(struct un_resident) + (size_t)(images + 1) * (sizeof(int32_t) + sizeof(uint8_t));
}

int32_t un_resident_find(const struct un_resident *r, int dataset, int64_t image) {
    const struct part *part = &r->parts[dataset];
    int64_t at = image - part->first;
    if (at < 0 || at >= part->count || part->place + at >= r->placed) return -1;
    return (int32_t)(part->place + at);
}

int32_t un_resident_row(const struct un_resident *r, int32_t place) {
    return r->row[place];
}

bool un_resident_has(const struct un_resident *r, int32_t place) {
    return atomic_load_explicit(&r->flag[place], memory_order_acquire) != 0;
}

void un_resident_add(struct un_resident *r, int32_t place) {
    if (atomic_exchange_explicit(&r->flag[place], 1, memory_order_release) == 0)
        atomic_fetch_add_explicit(&r->there, 1, memory_order_relaxed);
}

int64_t un_resident_rows(const struct un_resident *r) {
    return r->rows;
}

struct un_resident_counts un_resident_counts(const struct un_resident *r) {
    return (struct un_resident_counts){r->images, r->placed, atomic_load(&r->there)};
}
