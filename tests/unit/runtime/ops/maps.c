/* The ops of convolutional networks against naive oracles that go cell by cell. All but mean_rows choose or copy, so
 * they must be exact to the bit; mean_rows is a sum of at most 200 numbers in [-1, 1] in blocks of 16. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

static const struct un_tolerance mean_tolerance = {1e-7, 1e-6};

static float *at(struct un_mat m, int64_t row) {
    return (float *)m.data + row * m.stride;
}

struct shape {
    struct un_maps maps;
    struct un_window window;
    int64_t channels;
};

/* ---- sizes ---- */

static void window_sizes(void **state) {
    (void)state;
    const struct un_window same = {3, 1, 1, 1}, wide = {3, 1, 2, 2}, stem = {7, 2, 1, 3}, bare = {3, 2, 1, 0};
    for (int64_t n = 1; n < 20; ++n) {
        assert_int_equal(un_window_out(n, &same), n);
        assert_int_equal(un_window_out(n, &wide), n);
        assert_int_equal(un_window_out(n, &stem), (n + 1) / 2);
    }
    assert_int_equal(un_window_out(2, &bare), 0);
    assert_int_equal(un_window_out(3, &bare), 1);
    assert_int_equal(un_window_out(0, &bare), 0);
    assert_int_equal(un_window_out(600, &stem), 300);
    assert_int_equal(un_window_out_up(300, &bare), 150);
    assert_int_equal(un_window_out_up(500, &bare), 250);
    static const int64_t up[10] = {0, 1, 1, 1, 2, 2, 3, 3, 4, 4};
    for (int64_t n = 0; n < 10; ++n) assert_int_equal(un_window_out_up(n, &bare), up[n]);
}

/* ---- patches ---- */

static void oracle_patch(float *row, const struct shape *s, struct un_mat src, int64_t cell) {
    const struct un_window *w = &s->window;
    const int64_t across = un_window_out(s->maps.width, w), down = un_window_out(s->maps.height, w);
    const int64_t x0 = cell % across, y0 = cell / across % down, i = cell / across / down;
    for (int64_t ky = 0; ky < w->size; ++ky)
        for (int64_t kx = 0; kx < w->size; ++kx)
            for (int64_t c = 0; c < s->channels; ++c) {
                const int64_t y = y0 * w->stride + ky * w->dilation - w->pad,
                              x = x0 * w->stride + kx * w->dilation - w->pad;
                const bool inside = y >= 0 && y < s->maps.height && x >= 0 && x < s->maps.width;
                row[(ky * w->size + kx) * s->channels + c] =
                    inside ? at(src, (i * s->maps.height + y) * s->maps.width + x)[c] : 0.0f;
            }
}

static int64_t out_cells(const struct shape *s) {
    return s->maps.n * un_window_out(s->maps.height, &s->window) * un_window_out(s->maps.width, &s->window);
}

/* All at once, and a middle piece of the rows. */
static void run_patches(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    const int64_t cells = out_cells(s), cols = s->window.size * s->window.size * s->channels;
    const int64_t first = cells / 3, some = cells - first - cells / 4;
    struct un_mat src =
        un_harness_mat_random(h, s->maps.n * s->maps.height * s->maps.width, s->channels, -1, 1);
    struct un_mat all = un_harness_mat(h, cells, cols), piece = un_harness_mat(h, some, cols);
    struct un_mat want = un_harness_mat(h, cells, cols);
    h->ops->patches(h->q, all, src, &s->maps, &s->window, 0);
    h->ops->patches(h->q, piece, src, &s->maps, &s->window, first);
    for (int64_t r = 0; r < cells; ++r) oracle_patch(at(want, r), s, src, r);
    un_harness_same("patches", all, want);
    un_harness_same("patches from the middle", piece,
                    (struct un_mat){at(want, first), UN_F32, some, cols, want.stride});
}

static void patches(void **state) {
    static const struct shape all[] = {
        {{1, 40, 31}, {7, 2, 1, 3}, 3},   {{1, 9, 12}, {3, 1, 1, 1}, 64},  {{3, 14, 14}, {3, 1, 2, 2}, 20},
        {{2, 7, 5}, {1, 2, 1, 0}, 33},    {{2, 7, 5}, {1, 1, 1, 0}, 16},   {{1, 1, 1}, {7, 2, 1, 3}, 3},
        {{1, 1, 1}, {3, 1, 2, 2}, 8},     {{2, 2, 3}, {5, 1, 3, 6}, 7},    {{1, 6, 2}, {3, 3, 1, 0}, 4},
        {{1, 17, 9}, {3, 2, 2, 1}, 5},    {{2, 4, 4}, {2, 1, 1, 3}, 1},    {{1, 30, 3}, {3, 1, 1, 1}, 100},
        {{0, 5, 5}, {3, 1, 1, 1}, 4},     {{1, 60, 80}, {3, 1, 1, 1}, 12}, {{1, 5, 6}, {3, 1, 1, 1}, 512},
        {{2, 14, 14}, {3, 1, 2, 2}, 256}, {{1, 3, 50}, {4, 3, 1, 2}, 3},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        const struct shape *s = &all[i];
        const double work =
            (double)(out_cells(s) * s->window.size * s->window.size) * (double)s->channels * 2.0;
        if (!un_harness_heavy(work)) un_harness_each(run_patches, s);
    }
}

/* Rows that start at multiples of 16 bytes while the taps in them do not. What pads the rows stays as it is. */
static void patches_of_padded_rows(void **state) {
    static const struct shape s = {{1, 5, 4}, {3, 1, 1, 1}, 6};
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    struct un_mat src = un_harness_mat_random(&h, 20, 8, -1, 1), dst = un_harness_mat(&h, 20, 56),
                  want = un_harness_mat(&h, 20, 56);
    for (int64_t r = 0; r < 20; ++r) oracle_patch(at(want, r), &s, src, r);
    src.cols = s.channels, dst.cols = 9 * s.channels;
    h.ops->patches(h.q, dst, src, &s.maps, &s.window, 0);
    dst.cols = 56;
    un_harness_same("patches in padded rows", dst, want);
    un_harness_close(&h);
}

/* ---- max_pool ---- */

static void larger(float *y, float x) {
    if (x > *y || isnan(x)) *y = x;
}

static void oracle_max_pool(struct un_mat want, const struct shape *s, struct un_mat x) {
    const struct un_maps *m = &s->maps;
    const int64_t across = un_window_out_up(m->width, &s->window),
                  down = un_window_out_up(m->height, &s->window);
    for (int64_t r = 0; r < want.rows; ++r)
        for (int64_t c = 0; c < s->channels; ++c) {
            const int64_t left = r % across * s->window.stride, top = r / across % down * s->window.stride;
            float best = -INFINITY;
            for (int64_t i = top; i < top + s->window.size && i < m->height; ++i)
                for (int64_t j = left; j < left + s->window.size && j < m->width; ++j)
                    larger(&best, at(x, (r / across / down * m->height + i) * m->width + j)[c]);
            at(want, r)[c] = best;
        }
}

static void run_max_pool(struct un_harness *h, const void *context) {
    const struct shape *s = context;
    const int64_t across = un_window_out_up(s->maps.width, &s->window),
                  down = un_window_out_up(s->maps.height, &s->window);
    struct un_mat x =
        un_harness_mat_random(h, s->maps.n * s->maps.height * s->maps.width, s->channels, -2, -1);
    struct un_mat y = un_harness_mat(h, s->maps.n * across * down, s->channels), want = y;
    if (x.rows > 1) at(x, x.rows / 2)[0] = NAN, at(x, 0)[s->channels - 1] = -INFINITY;
    want = un_harness_mat(h, y.rows, y.cols);
    h->ops->max_pool(h->q, y, x, &s->maps, &s->window);
    oracle_max_pool(want, s, x);
    un_harness_same("max_pool", y, want);
}

static void max_pools(void **state) {
    static const struct shape all[] = {
        {{1, 30, 51}, {3, 2, 1, 0}, 64}, {{2, 4, 5}, {3, 2, 1, 0}, 7},  {{1, 1, 1}, {3, 2, 1, 0}, 3},
        {{1, 2, 9}, {3, 2, 1, 0}, 20},   {{3, 6, 6}, {2, 2, 1, 0}, 65}, {{1, 5, 7}, {4, 3, 1, 0}, 130},
        {{0, 5, 5}, {3, 2, 1, 0}, 4},    {{1, 8, 8}, {3, 1, 1, 0}, 1},  {{2, 3, 4}, {1, 1, 1, 0}, 5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        const struct shape *s = &all[i];
        const int64_t work = s->maps.n * s->maps.height * s->maps.width * s->channels * 9;
        if (!un_harness_heavy((double)work)) un_harness_each(run_max_pool, s);
    }
}

/* ---- sums ---- */

struct rows_shape {
    int64_t rows, cols, count;
    bool in_place;
};

static void run_add_relu(struct un_harness *h, const void *context) {
    const struct rows_shape *s = context;
    struct un_mat a = un_harness_mat_random(h, s->rows, s->cols, -1, 1),
                  b = un_harness_mat_random(h, s->rows, s->cols, -1, 1);
    struct un_mat want = un_harness_mat(h, s->rows, s->cols),
                  y = s->in_place ? a : un_harness_mat(h, s->rows, s->cols);
    if (s->rows > 1) at(a, 1)[0] = -INFINITY, at(b, s->rows - 1)[s->cols - 1] = INFINITY;
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t j = 0; j < s->cols; ++j)
            at(want, i)[j] = at(a, i)[j] + at(b, i)[j] > 0.0f ? at(a, i)[j] + at(b, i)[j] : 0.0f;
    h->ops->add_relu(h->q, y, a, b);
    un_harness_same("add_relu", y, want);
}

static void add_relus(void **state) {
    (void)state;
    for (int r = 0; r < 5; ++r)
        for (int w = 0; w < 6; ++w)
            for (int in_place = 0; in_place < 2; ++in_place) {
                const struct rows_shape s = {un_harness_rows[r], un_harness_widths[w], 0, in_place};
                if (!un_harness_heavy((double)(s.rows * s.cols))) un_harness_each(run_add_relu, &s);
            }
}

static void add_relu_of_nan(void **state) {
    static const float left[4] = {NAN, INFINITY, 1.0f, -1.0f}, right[4] = {-1.0f, -INFINITY, NAN, 2.0f};
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    struct un_mat y = un_harness_mat(&h, 1, 4);
    h.ops->add_relu(h.q, y, un_mat32(un_harness_put(&h, left, 4, sizeof *left), 1, 4),
                    un_mat32(un_harness_put(&h, right, 4, sizeof *right), 1, 4));
    const float *sum = y.data;
    assert_true(isnan(sum[0]) && isnan(sum[1]) && isnan(sum[2]) && sum[3] == 1.0f);
    un_harness_close(&h);
}

/* The order of ops.h, and a plain mean in double. */
static void run_mean_rows(struct un_harness *h, const void *context) {
    const struct rows_shape *s = context;
    struct un_mat x = un_harness_mat_random(h, s->rows * s->count, s->cols, -1, 1),
                  y = un_harness_mat(h, s->rows, s->cols), ordered = un_harness_mat(h, s->rows, s->cols);
    double *want = un_harness_doubles(h, s->rows * s->cols);
    h->ops->mean_rows(h->q, y, x, s->count);
    for (int64_t i = 0; i < s->rows; ++i)
        for (int64_t c = 0; c < s->cols; ++c) {
            float total = 0.0f, block = 0.0f;
            for (int64_t j = 0; j < s->count; ++j) {
                want[i * s->cols + c] += (double)at(x, i * s->count + j)[c] / (double)s->count;
                block += at(x, i * s->count + j)[c];
                if (j % 16 == 15 || j + 1 == s->count) total += block, block = 0.0f;
            }
            at(ordered, i)[c] = total / (float)s->count;
        }
    un_harness_near("mean_rows", y, want, mean_tolerance);
    un_harness_same("mean_rows", y, ordered);
}

static void mean_rows(void **state) {
    static const struct rows_shape all[] = {{3, 130, 196, 0}, {1, 2048, 49, 0}, {17, 7, 1, 0},  {0, 20, 9, 0},
                                            {5, 100, 16, 0},  {2, 1, 200, 0},   {4, 300, 17, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        if (!un_harness_heavy((double)(all[i].rows * all[i].cols * all[i].count)))
            un_harness_each(run_mean_rows, &all[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_sizes), cmocka_unit_test(patches),   cmocka_unit_test(patches_of_padded_rows),
        cmocka_unit_test(max_pools),    cmocka_unit_test(add_relus), cmocka_unit_test(add_relu_of_nan),
        cmocka_unit_test(mean_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
