/* Places and flags of images (resident.h). The flags are the only thing that changes: one writer, many
 * readers, never back. */
#include "io/feed/resident.h"

#include "runtime/memory.h"
#include <stdatomic.h>

/* Images of one data set: [first, first + count), numbered from `place` on, and behind them those from elsewhere
 * that its texts have as second ones. */
struct part {
    int64_t first, count, place;
    int64_t texts_begin, texts_end;
    int32_t *second; /* [images of the data set] its number, -1: not of the part; NULL: there are none */
};

struct un_resident {
    struct part parts[UN_MAX_DATASETS];
    int64_t n, images, placed, rows;
    int32_t *row;          /* [placed] */
    _Atomic uint8_t *flag; /* [placed] 1: resident */
    _Atomic int64_t there;
};

static struct part part_of(const struct un_dataset *d, int64_t lane_begin, int64_t lane_end) {
    int64_t first = un_dataset_lane_image(d, lane_begin), end = un_dataset_lane_image(d, lane_end);
    return (struct part){.first = first,
                         .count = end - first,
                         .texts_begin = un_dataset_image_text(d, first),
                         .texts_end = un_dataset_image_text(d, end)};
}

/* The second image of a text that is not of the part, else -1. */
static int64_t second_of(const struct part *part, const struct un_dataset *d, int64_t text) {
    int64_t image = un_dataset_text_second(d, text);
    return image >= part->first && image < part->first + part->count ? -1 : image;
}

/* Texts of an image stand together and mostly have the same second one; where not, it is counted more often. */
int64_t un_resident_need(struct un_dataset *const *datasets, int64_t n, int64_t lane_begin,
                         int64_t lane_end) {
    int64_t rows = 0;
    for (int64_t d = 0; d < n; ++d) {
        struct part part = part_of(datasets[d], lane_begin, lane_end);
        for (int64_t i = part.first; i < part.first + part.count; ++i)
            rows += un_dataset_image_regions(datasets[d], i);
        for (int64_t t = part.texts_begin, last = -1; t < part.texts_end; ++t) {
            int64_t second = second_of(&part, datasets[d], t);
            if (second >= 0 && second != last) rows += un_dataset_image_regions(datasets[d], second);
            last = second;
        }
    }
    return rows;
}

static bool has_second_images(const struct part *part, const struct un_dataset *d) {
    for (int64_t t = part->texts_begin; t < part->texts_end; ++t)
        if (second_of(part, d, t) >= 0) return true;
    return false;
}

/* Numbers the images of a part from r->images on, its own and then its second ones. */
static enum un_status number_images(struct un_resident *r, struct part *part, const struct un_dataset *d) {
    part->place = r->images;
    r->images += part->count;
    if (!has_second_images(part, d)) return UN_OK;
    int64_t images = un_dataset_info(d)->images;
    part->second = un_alloc((size_t)images, sizeof *part->second, "places of features");
    if (!part->second) return UN_MEMORY;
    for (int64_t i = 0; i < images; ++i) part->second[i] = -1;
    for (int64_t t = part->texts_begin; t < part->texts_end; ++t) {
        int64_t image = second_of(part, d, t);
        if (image >= 0 && part->second[image] < 0) part->second[image] = (int32_t)r->images++;
    }
    return UN_OK;
}

/* The next image gets its place if there is room. */
static bool place_image(struct un_resident *r, const struct un_dataset *d, int64_t image, int64_t rows) {
    int64_t regions = un_dataset_image_regions(d, image);
    if (r->rows + regions > rows) return false;
    r->row[r->placed++] = (int32_t)r->rows;
    r->rows += regions;
    return true;
}

/* In the order of the numbers, while there is room. */
static void place_images(struct un_resident *r, struct un_dataset *const *datasets, int64_t rows) {
    for (int64_t d = 0; d < r->n; ++d) {
        const struct part *part = &r->parts[d];
        for (int64_t i = 0; i < part->count; ++i)
            if (!place_image(r, datasets[d], part->first + i, rows)) return;
        for (int64_t t = part->texts_begin; part->second && t < part->texts_end; ++t) {
            int64_t image = second_of(part, datasets[d], t);
            if (image < 0 || part->second[image] != r->placed) continue;
            if (!place_image(r, datasets[d], image, rows)) return;
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
    enum un_status status = UN_OK;
    for (int64_t d = 0; d < n; ++d) {
        r->parts[d] = part_of(datasets[d], lane_begin, lane_end);
        UN_TRY_GOTO(number_images(r, &r->parts[d], datasets[d]), failed);
    }
    r->row = un_alloc((size_t)r->images + 1, sizeof *r->row, "places of features");
    r->flag = un_alloc((size_t)r->images + 1, sizeof *r->flag, "places of features");
    if (!r->row || !r->flag) UN_TRY_GOTO(UN_MEMORY, failed);
    place_images(r, datasets, rows);
    *out = r;
    return UN_OK;
failed:
    un_resident_close(r);
    return status;
}

void un_resident_close(struct un_resident *r) {
    if (!r) return;
    for (int64_t d = 0; d < r->n; ++d) un_free(r->parts[d].second);
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
    int64_t place = at >= 0 && at < part->count ? part->place + at : part->second ? part->second[image] : -1;
    return place < r->placed ? (int32_t)place : -1;
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
