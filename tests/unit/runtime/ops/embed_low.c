/* Rows by index in bf16 and f16 against the CPU's ops on the same, already rounded numbers: these ops move
 * numbers or add two or three in a given order, so results are the CPU's rounded once, to the bit. Long
 * segments against the order that is promised for them: sums of pieces, added in order. */
#include "tests/unit/runtime/ops/low.h"

#include <string.h>

/* runtime/cuda/segment.cu; the CPU sums a segment in one piece */
static int32_t piece_of(const struct un_harness *h) {
    return h->device->kind == UN_DEVICE_CPU ? INT32_MAX : 8;
}

static const enum un_type floats[] = {UN_F32, UN_BF16};

struct shape {
    int64_t rows, cols;
    enum un_type to, from;
};

static void all_types(un_harness_case run) {
    static const int64_t rows[] = {1, 19}, widths[] = {7, 64, 1031, 1032};
    for (int t = 0; t < 4; ++t)
        for (int r = 0; r < 2; ++r)
            for (int w = 0; w < 4; ++w) {
                struct shape s = {rows[r], widths[w], floats[t / 2], floats[t % 2]};
                un_harness_each(run, &s);
            }
}

static void run_gather(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_low low = un_low_open();
    struct un_mat twin = un_harness_mat_random(h, 9, s->cols, -1, 1), src = un_low_pair(h, s->from, twin);
    struct un_mat dst = un_harness_mat_of(h, s->to, s->rows, s->cols),
                  want = un_harness_mat(h, s->rows, s->cols);
    int32_t *index = un_harness_ints(h, s->rows, -1, 9);
    low.cpu->ops->gather_rows(low.q, want, twin, index);
    h->ops->gather_rows(h->q, dst, src, index);
    un_low_same("gather_rows", dst, want);
    un_low_close(&low);
}

static void run_scatter(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_low low = un_low_open();
    struct un_mat twin = un_harness_mat_random(h, s->rows, s->cols, -1, 1),
                  src = un_low_pair(h, s->from, twin);
    struct un_mat want = un_harness_mat_random(h, 2 * s->rows + 3, s->cols, -1, 1),
                  dst = un_low_pair(h, s->to, want);
    struct un_mat sum = un_harness_mat_copy(h, want), low_sum = un_low_pair(h, s->to, sum);
    int32_t *index = un_harness_ints(h, s->rows, 0, 1);
    for (int64_t i = 0; i < s->rows; ++i)
        index[i] = i % 3 == 1 ? -1 : (int32_t)(i * 5 % (2 * s->rows + 3)); /* coprime to 41 and 5 */
    low.cpu->ops->scatter_rows(low.q, want, twin, index);
    low.cpu->ops->scatter_add_rows(low.q, sum, twin, index);
    h->ops->scatter_rows(h->q, dst, src, index);
    h->ops->scatter_add_rows(h->q, low_sum, src, index);
    un_low_same("scatter_rows", dst, want);
    un_low_same("scatter_add_rows", low_sum, sum);
    un_low_close(&low);
}

static void run_embed(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    struct un_low low = un_low_open();
    struct un_mat word = un_harness_mat_random(h, 7, s->cols, -1, 1),
                  position = un_harness_mat_random(h, 5, s->cols, -1, 1);
    struct un_mat low_word = un_low_pair(h, s->from, word), low_position = un_low_pair(h, s->from, position);
    struct un_mat r = un_harness_mat_of(h, s->to, s->rows, s->cols),
                  want = un_harness_mat(h, s->rows, s->cols);
    struct un_mat type = un_harness_mat_random(h, 3, s->cols, -1, 1);
    int32_t *id = un_harness_ints(h, s->rows, -1, 7), *pos = un_harness_ints(h, s->rows, -1, 5);
    int32_t *kind = un_harness_ints(h, s->rows, -1, 3);
    low.cpu->ops->embed_words(low.q, want, id, pos, word, position, type, NULL);
    h->ops->embed_words(h->q, r, id, pos, low_word, low_position, type, NULL);
    un_low_same("embed_words", r, want);
    low.cpu->ops->embed_words(low.q, want, id, pos, word, position, type, kind);
    h->ops->embed_words(h->q, r, id, pos, low_word, low_position, type, kind);
    un_low_same("embed_words, types", r, want);
    un_low_close(&low);
}

/* Features by index, with rows that are not there, also under the mask. */
static void run_mask(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    const enum un_type from = s->from == UN_BF16 ? UN_F16 : UN_F32;
    struct un_mat twin = un_harness_mat_random(h, 6, s->cols, -9, 9), feature = un_low_pair(h, from, twin);
    struct un_mat x = un_harness_mat_of(h, s->to, s->rows, s->cols),
                  want = un_harness_mat(h, s->rows, s->cols);
    float *mask_row = un_harness_random(h, s->cols, -1, 1);
    int32_t *index = un_harness_ints(h, s->rows, -1, 6);
    uint8_t *masked = un_harness_take(h, s->rows, 1);
    for (int64_t i = 0; i < s->rows; ++i) {
        masked[i] = i % 3 == 1;
        for (int64_t j = 0; j < s->cols; ++j)
            un_low_put(want, i, j,
                       masked[i]      ? mask_row[j]
                       : index[i] < 0 ? 0.0f
                                      : un_low_get(twin, index[i], j));
    }
    h->ops->mask_features(h->q, x, feature, index, masked, mask_row);
    un_low_same("mask_features", x, want);
}

static void gather(void **state) {
    (void)state;
    all_types(run_gather);
}
static void scatter(void **state) {
    (void)state;
    all_types(run_scatter);
}
static void embed(void **state) {
    (void)state;
    all_types(run_embed);
}
static void mask(void **state) {
    (void)state;
    all_types(run_mask);
}

/* ---- segments ---- */

struct lengths {
    int64_t count, cols;
    enum un_type from;
    int32_t length[8]; /* of the first segments; all others: 1 */
};

static int32_t length_of(const struct lengths *s, int64_t k) {
    return k < 8 && s->length[k] ? s->length[k] : 1;
}

static struct un_segments make_segments(struct un_harness *h, const struct lengths *s) {
    int32_t *id = un_harness_ints(h, s->count, 0, 1), *start = un_harness_ints(h, s->count + 1, 0, 1);
    for (int64_t k = 0; k < s->count; ++k) {
        id[k] = k == 3 ? -1 : (int32_t)k;
        start[k + 1] = start[k] + length_of(s, k);
    }
    int32_t rows = start[s->count], *perm = un_harness_ints(h, rows, 0, 1);
    for (int32_t i = 0; i < rows; ++i) perm[i] = i % 13 == 5 ? -1 : rows - 1 - i;
    return (struct un_segments){id, start, perm, s->count};
}

static float ordered_sum(struct un_mat src, const int32_t *perm, int32_t n, int64_t col, int32_t piece) {
    float sum = 0.0f;
    for (int64_t i = 0; i < n; i += piece) {
        float part = 0.0f;
        for (int64_t u = i; u < n && u < i + piece; ++u)
            if (perm[u] >= 0) part += un_low_get(src, perm[u], col);
        sum += part;
    }
    return sum;
}

static void run_segments(struct un_harness *h, const void *context) {
    const struct lengths *s = context;
    struct un_segments seg = make_segments(h, s);
    struct un_mat twin = un_harness_mat_random(h, seg.start[seg.count], s->cols, -1, 1);
    struct un_mat src = un_low_pair(h, s->from, twin);
    /* Inside a larger matrix: a row before the first, and columns of -0, which adding 0 changes. */
    enum { BESIDE = 64 };
    struct un_mat dst = un_harness_mat_random(h, seg.count + 1, s->cols + BESIDE, -1, 1);
    for (int64_t i = 0; i <= seg.count; ++i)
        for (int64_t j = s->cols; j < dst.cols; ++j) un_low_put(dst, i, j, -0.0f);
    struct un_mat want = un_harness_mat_copy(h, dst), inner = dst;
    inner.data = (float *)dst.data + dst.stride;
    inner.rows = seg.count;
    inner.cols = s->cols;
    for (int64_t k = 0; k < seg.count; ++k)
        for (int64_t j = 0; j < s->cols && seg.id[k] >= 0; ++j)
            ((float *)want.data)[(seg.id[k] + 1) * want.stride + j] +=
                ordered_sum(twin, seg.perm + seg.start[k], seg.start[k + 1] - seg.start[k], j, piece_of(h));
    h->ops->segment_add_rows(h->q, inner, src, &seg);
    un_harness_same("segment_add_rows", dst, want);
}

static void segments(void **state) {
    (void)state;
    for (int t = 0; t < 2; ++t) {
        const struct lengths all[] = {
            {4, 7, floats[t], {31, 32, 33, 40}},      {5, 64, floats[t], {300, 8, 9, 100, 7}},
            {2, 136, floats[t], {512, 513}},          {1, 100, floats[t], {1030}},
            {900, 3, floats[t], {0, 70, 0, 0, 0, 2}}, {0, 5, floats[t], {0}},
        };
        for (size_t i = 0; i < sizeof all / sizeof *all; ++i) un_harness_each(run_segments, &all[i]);
    }
}

/* ---- what the ops do not take ---- */

static void refused(void **state) {
    (void)state;
    float x[8] = {0};
    int32_t index[1] = {0};
    uint8_t masked[1] = {0};
    struct un_segments seg = {index, index, index, 1};
    struct un_mat m = un_mat32(x, 1, 4), half = un_mat(x, UN_F16, 1, 4), low = un_mat(x, UN_BF16, 1, 4);
    for (int i = 0; i < 8; ++i) {
        struct un_harness h;
        un_harness_open(&h, 1, NULL);
        if (i == 0) h.ops->gather_rows(h.q, m, half, index);
        if (i == 1) h.ops->scatter_rows(h.q, half, m, index);
        if (i == 2) h.ops->scatter_add_rows(h.q, half, m, index);
        if (i == 3) h.ops->segment_add_rows(h.q, low, m, &seg);
        if (i == 4) h.ops->embed_words(h.q, m, index, index, m, low, m, NULL);
        if (i == 5) h.ops->mask_features(h.q, m, low, NULL, masked, x);
        if (i == 6) h.ops->embed_words(h.q, m, index, index, m, m, low, index);
        if (i == 7) h.ops->add_row(h.q, m, m, m, low, NULL);
        assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
        h.device->mem->queue_close(h.q);
        un_device_close(h.device);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather), cmocka_unit_test(scatter),  cmocka_unit_test(embed),
        cmocka_unit_test(mask),   cmocka_unit_test(segments), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
