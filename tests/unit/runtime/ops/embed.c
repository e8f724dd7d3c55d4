/* Rows by index against plain loops. Copies are exact. Sums: a destination holds at most 130 numbers in [-1,
 * 1], added in order: 130 roundings of at most 2^-24 times a running sum under 20 is the worst case, 2e-5;
 * single additions round once. */
#include "tests/unit/runtime/ops/harness.h"

#include <string.h>

static const struct un_tolerance one_sum = {1.3e-7, 1e-7};
static const struct un_tolerance many_sums = {2e-5, 0};

struct shape {
    int64_t rows, cols;
    enum un_type type;
    bool typed;
};

static float *at(struct un_mat m, int64_t i, int64_t j) {
    return (float *)m.data + i * m.stride + j;
}

static void shapes_of(un_harness_case run, enum un_type type, bool typed) {
    for (int r = 0; r < 5; ++r)
        for (int w = 0; w < 6; ++w) {
            struct shape s = {un_harness_rows[r], un_harness_widths[w], type, typed};
            if (!un_harness_heavy((double)(s.rows * s.cols))) un_harness_each(run, &s);
        }
    struct shape wide = {61, 2048, type, typed};
    if (!un_harness_heavy((double)(wide.rows * wide.cols))) un_harness_each(run, &wide);
}

static void all_shapes(un_harness_case run, enum un_type type) {
    shapes_of(run, type, false);
}

static void run_gather(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat src = un_harness_mat_random(h, 23, s->cols, -1, 1),
                  dst = un_harness_mat(h, s->rows, s->cols);
    struct un_mat want = un_harness_mat(h, s->rows, s->cols);
    int32_t *index = un_harness_ints(h, s->rows, -1, 23);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j) *at(want, i, j) = index[i] < 0 ? 0.0f : *at(src, index[i], j);
    h->ops->gather_rows(h->q, dst, src, index);
    un_harness_same("gather_rows", dst, want);
}

static void gather(void **state) {
    (void)state;
    all_shapes(run_gather, UN_F32);
}

/* Every third row goes nowhere; the others to distinct rows in a scrambled order. */
static int32_t *distinct(struct un_harness *h, int64_t rows, int64_t *targets) {
    int32_t *index = un_harness_ints(h, rows, 0, 1);
    *targets = rows * 2 + 3;
    for (int64_t i = 0; i < rows; ++i)
        index[i] =
            i % 3 == 2 ? -1 : (int32_t)((i * 7 + 1) % (2 * rows + 3)); /* 7 is coprime to 2 rows + 3 here */
    return index;
}

static void check_distinct(const int32_t *index, int64_t rows) {
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < i; ++j) assert_true(index[i] < 0 || index[i] != index[j]);
}

static void run_scatter(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    int64_t targets;
    int32_t *index = distinct(h, s->rows, &targets);
    check_distinct(index, s->rows);
    struct un_mat src = un_harness_mat_random(h, s->rows, s->cols, -1, 1);
    struct un_mat dst = un_harness_mat_random(h, targets, s->cols, -1, 1), want = un_harness_mat_copy(h, dst);
    struct un_mat sum = un_harness_mat_copy(h, dst);
    double *want_sum = un_harness_widen(h, dst);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j) {
            if (index[i] < 0) continue;
            *at(want, index[i], j) = *at(src, i, j);
            want_sum[index[i] * s->cols + j] += *at(src, i, j);
        }
    h->ops->scatter_rows(h->q, dst, src, index);
    un_harness_same("scatter_rows", dst, want);
    h->ops->scatter_add_rows(h->q, sum, src, index);
    un_harness_near("scatter_add_rows", sum, want_sum, one_sum);
}

static void scatter(void **state) {
    (void)state;
    all_shapes(run_scatter, UN_F32);
}

/* Rows fall into segments of lengths 1, 2, 3, ... whose destinations are every second row; one segment is
 * empty. */
static struct un_segments make_segments(struct un_harness *h, int64_t rows) {
    int32_t *id = un_harness_ints(h, rows + 2, 0, 1), *start = un_harness_ints(h, rows + 3, 0, 1);
    int32_t *perm = un_harness_ints(h, rows, 0, 1);
    int64_t count = 0, used = 0;
    for (int64_t i = 0; i < rows; ++i) perm[i] = (int32_t)((i * 11) % rows); /* coprime */
    while (used < rows) {
        id[count] = (int32_t)(2 * count);
        start[count] = (int32_t)used;
        used += count == 2 ? 0 : count + 1 < rows - used ? count + 1 : rows - used;
        ++count;
    }
    start[count] = (int32_t)used;
    return (struct un_segments){id, start, perm, count};
}

static void run_segments(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_segments seg = make_segments(h, s->rows);
    struct un_mat src = un_harness_mat_random(h, s->rows, s->cols, -1, 1);
    struct un_mat dst = un_harness_mat_random(h, 2 * seg.count + 1, s->cols, -1, 1);
    double *want = un_harness_widen(h, dst);
    for (int64_t k = 0; k < seg.count; ++k)
        for (int32_t i = seg.start[k]; i < seg.start[k + 1]; ++i)
            for (int64_t j = 0; j < s->cols; ++j) want[seg.id[k] * s->cols + j] += *at(src, seg.perm[i], j);
    h->ops->segment_add_rows(h->q, dst, src, &seg);
    un_harness_near("segment_add_rows", dst, want, many_sums);
}

static void segments(void **state) {
    (void)state;
    all_shapes(run_segments, UN_F32);
}

/* All rows in one segment, and entries of -1 that fixed-shape replays fill up with. */
static void run_one_segment(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat src = un_harness_mat_random(h, s->rows, s->cols, -1, 1);
    struct un_mat dst = un_harness_mat_random(h, 5, s->cols, -1, 1);
    const int32_t ids[] = {3, -1}, starts[] = {0, (int32_t)s->rows, (int32_t)s->rows};
    int32_t *perm = un_harness_ints(h, s->rows, 0, 1), *id = un_harness_put(h, ids, 2, sizeof *ids),
            *start = un_harness_put(h, starts, 3, sizeof *starts);
    double *want = un_harness_widen(h, dst);
    for (int64_t i = 0; i < s->rows; ++i) {
        perm[i] = i % 5 == 4 ? -1 : (int32_t)i;
        for (int64_t j = 0; j < s->cols && perm[i] >= 0; ++j) want[3 * s->cols + j] += *at(src, i, j);
    }
    struct un_segments seg = {id, start, perm, 2};
    h->ops->segment_add_rows(h->q, dst, src, &seg);
    un_harness_near("segment_add_rows, one segment", dst, want, many_sums);
}

static void one_segment(void **state) {
    (void)state;
    all_shapes(run_one_segment, UN_F32);
}

static void run_embed(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat word = un_harness_mat_random(h, 31, s->cols, -1, 1);
    struct un_mat position = un_harness_mat_random(h, 12, s->cols, -1, 1),
                  r = un_harness_mat(h, s->rows, s->cols);
    struct un_mat type = un_harness_mat_random(h, 4, s->cols, -1, 1),
                  same = un_harness_mat(h, s->rows, s->cols);
    int32_t *id = un_harness_ints(h, s->rows, -1, 31), *pos = un_harness_ints(h, s->rows, -1, 12);
    int32_t *kind = un_harness_ints(h, s->rows, s->typed ? -1 : 0, s->typed ? 4 : 1);
    double *want = un_harness_doubles(h, s->rows * s->cols);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j)
            want[i * s->cols + j] = (id[i] < 0 ? 0.0 : *at(word, id[i], j)) +
                                    (pos[i] < 0 ? 0.0 : *at(position, pos[i], j)) +
                                    (kind[i] < 0 ? 0.0 : *at(type, kind[i], j));
    h->ops->embed_words(h->q, r, id, pos, word, position, type, kind);
    un_harness_near("embed_words", r, want,
                    (struct un_tolerance){2.5e-7, 1e-7}); /* two roundings of sizes under 3 */
    if (s->typed) return;
    h->ops->embed_words(h->q, same, id, pos, word, position, type, NULL);
    un_harness_same("embed_words, one type for all", same, r);
}

static void embed(void **state) {
    (void)state;
    shapes_of(run_embed, UN_F32, false);
    shapes_of(run_embed, UN_F32, true);
}

static void run_mask(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat x = un_harness_mat(h, s->rows, s->cols),
                  want = un_harness_mat_random(h, s->rows, s->cols, -9, 9);
    struct un_mat feature = un_harness_mat_of(h, s->type, s->rows, s->cols);
    float *mask_row = un_harness_random(h, s->cols, -1, 1);
    uint8_t *masked = un_harness_take(h, s->rows, 1);
    for (int64_t i = 0; i < s->rows; ++i) {
        masked[i] = i % 3 == 1;
        for (int64_t j = 0; j < s->cols; ++j) {
            _Float16 half = (_Float16)*at(want, i, j);
            if (s->type == UN_F16) {
                memcpy((uint16_t *)feature.data + i * feature.stride + j, &half, sizeof half);
                *at(want, i, j) = (float)half;
            } else {
                *at(feature, i, j) = *at(want, i, j);
            }
            if (masked[i]) *at(want, i, j) = mask_row[j];
        }
    }
    h->ops->mask_features(h->q, x, feature, NULL, masked, mask_row);
    un_harness_same("mask_features", x, want);
}

static void mask(void **state) {
    (void)state;
    all_shapes(run_mask, UN_F32);
    all_shapes(run_mask, UN_F16);
}

/* Features by index, some of them no row. */
static void run_mask_index(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_mat x = un_harness_mat(h, s->rows, s->cols), want = un_harness_mat(h, s->rows, s->cols);
    struct un_mat feature = un_harness_mat_random(h, 5, s->cols, -9, 9);
    float *mask_row = un_harness_random(h, s->cols, -1, 1);
    int32_t *index = un_harness_ints(h, s->rows, -1, 5);
    uint8_t *masked = un_harness_take(h, s->rows, 1);
    for (int64_t i = 0; i < s->rows; ++i) {
        masked[i] = i % 3 == 1;
        for (int64_t j = 0; j < s->cols; ++j)
            *at(want, i, j) = masked[i] ? mask_row[j] : index[i] < 0 ? 0.0f : *at(feature, index[i], j);
    }
    h->ops->mask_features(h->q, x, feature, index, masked, mask_row);
    un_harness_same("mask_features by index", x, want);
}

static void mask_index(void **state) {
    (void)state;
    all_shapes(run_mask_index, UN_F32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather),      cmocka_unit_test(scatter), cmocka_unit_test(segments),
        cmocka_unit_test(one_segment), cmocka_unit_test(embed),   cmocka_unit_test(mask),
        cmocka_unit_test(mask_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
