/* What a record must be before it is written, and the order of its regions. */
#include "io/convert/image/private.h"
#include "io/data/values.h"
#include "runtime/half.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

static double number_at(const void *values, enum un_type type, int64_t i) {
    uint16_t half;
    float single;
    if (type == UN_F16) {
        memcpy(&half, (const char *)values + 2 * i, 2);
        return (double)un_half_to(half);
    }
    memcpy(&single, (const char *)values + 4 * i, 4);
    return (double)single;
}

/* As integers, floats from +0 to 1 are the numbers up to 0x3F800000; all others but -0 are larger. */
static int64_t find_not_probability(const void *values, enum un_type type, int64_t n) {
    const uint32_t *v = values;
    if (type == UN_F16) return un_find_not_probability(values, n);
    for (int64_t i = 0; i < n; ++i)
        if (v[i] > 0x3F800000u && v[i] != 0x80000000u) return i;
    return -1;
}

static enum un_status bad_value(const char *where, const char *column, const void *values, enum un_type type,
                                int64_t width, int64_t at, const char *why) {
    return un_fail(UN_DATA, "%s, region %lld: %s, column %lld: %g %s", where, (long long)(at / width), column,
                   (long long)(at % width), number_at(values, type, at), why);
}

static enum un_status check_boxes(const char *where, const float *box, int64_t n) {
    int64_t bad = un_find_bad_box(box, n);
    if (bad < 0) bad = un_find_bad_extent(box, n);
    if (bad < 0) return UN_OK;
    const float *b = box + 6 * bad;
    return un_fail(UN_DATA, "%s, region %lld: %g %g %g %g %g %g is no box x1 y1 x2 y2 w h inside [0, 1]",
                   where, (long long)bad, (double)b[0], (double)b[1], (double)b[2], (double)b[3],
                   (double)b[4], (double)b[5]);
}

static enum un_status check_soft(const char *where, const void *soft, const struct un_image_shape *s,
                                 int64_t n) {
    double sum;
    int64_t at = find_not_probability(soft, s->soft_type, n * s->classes);
    if (at >= 0)
        return bad_value(where, "soft label", soft, s->soft_type, s->classes, at, "is outside [0, 1]");
    if ((at = un_find_bad_sum(soft, s->soft_type, n, s->classes, &sum)) < 0) return UN_OK;
    return un_fail(UN_DATA, "%s, region %lld: its soft labels, %lld classes, sum to %g, not 1%s", where,
                   (long long)at, (long long)s->classes, sum,
                   s->classes <= 2 ? " (ids of classes are no soft labels; labels=onehot makes some)" : "");
}

/* Zeros and nothing else are what arrays of a fixed number of regions are filled up with. */
static enum un_status check_padding(const char *where, const struct un_image_shape *s,
                                    const struct un_image_record *r) {
    int64_t n = r->regions, row = s->img_dim * un_type_bytes(s->feature_type);
    while (n > 0 && un_all_zero(r->box + 6 * (n - 1), 6 * sizeof *r->box) &&
           un_all_zero((const char *)r->feature + (n - 1) * row, (size_t)row))
        --n;
    if (n == r->regions) return UN_OK;
    return un_fail(
        UN_DATA,
        "%s: its last %lld of %lld regions are zeros, box and features: padding? say how many count "
        "(num_boxes)",
        where, (long long)(r->regions - n), (long long)r->regions);
}

enum un_status un_image_check(const struct un_image_source *source, const struct un_image_list *list,
                              int64_t index, const struct un_image_record *record) {
    const struct un_image_shape *s = &list->shape;
    int64_t n = record->regions, at;
    char where[640];
    snprintf(where, sizeof where, "%s: image %s", source->name, list->list[index].id);
    if (n != list->list[index].regions)
        return un_fail(UN_DATA, "%s: %lld regions now, %lld in the survey", where, (long long)n,
                       (long long)list->list[index].regions);
    if ((at = un_find_not_finite(record->feature, s->feature_type, n * s->img_dim)) >= 0)
        return bad_value(where, "feature", record->feature, s->feature_type, s->img_dim, at,
                         "is not a finite number");
    UN_TRY(check_boxes(where, record->box, n));
    UN_TRY(check_padding(where, s, record));
    if (s->has_confidence && (at = find_not_probability(record->confidence, s->confidence_type, n)) >= 0)
        return un_fail(UN_DATA, "%s, region %lld: confidence %g is outside [0, 1]", where, (long long)at,
                       number_at(record->confidence, s->confidence_type, at));
    return s->classes ? check_soft(where, record->soft, s, n) : UN_OK;
}

bool un_image_is_sorted(const struct un_image_record *record, enum un_type type) {
    for (int64_t i = 1; record->confidence && i < record->regions; ++i)
        if (number_at(record->confidence, type, i) > number_at(record->confidence, type, i - 1)) return false;
    return true;
}

/* Merges the halves of order [n], both in order already; the earlier one wins among equals. */
static void merge(const float *confidence, const int32_t *from, int32_t *to, int64_t left, int64_t middle,
                  int64_t right) {
    int64_t a = left, b = middle;
    for (int64_t i = left; i < right; ++i) {
        bool take_a = a < middle && (b >= right || confidence[from[a]] >= confidence[from[b]]);
        to[i] = take_a ? from[a++] : from[b++];
    }
}

enum un_status un_image_sort(const struct un_image_record *record, enum un_type type, int32_t *order) {
    int64_t n = record->regions;
    float *confidence = un_alloc((size_t)n, sizeof *confidence, "confidences");
    int32_t *other = un_alloc((size_t)n, sizeof *other, "order of regions"), *from = order, *to = other;
    bool room = confidence && other;
    for (int64_t i = 0; room && i < n; ++i) {
        confidence[i] = (float)number_at(record->confidence, type, i);
        order[i] = (int32_t)i;
    }
    for (int64_t run = 1; room && run < n; run *= 2) {
        for (int64_t left = 0; left < n; left += 2 * run)
            merge(confidence, from, to, left, left + run < n ? left + run : n,
                  left + 2 * run < n ? left + 2 * run : n);
        int32_t *swap = from;
        from = to;
        to = swap;
    }
    if (room && from != order) memcpy(order, from, (size_t)n * sizeof *order);
    un_free(confidence);
    un_free(other);
    return room ? UN_OK : UN_MEMORY;
}
