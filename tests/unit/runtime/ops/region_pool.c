/* region_pool against a naive oracle that asks each cell whether it is in a bin; maxima are choices, so exact to the
 * bit. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>

static float *at(struct un_mat m, int64_t row) {
    return (float *)m.data + row * m.stride;
}

static void larger(float *y, float x) {
    if (x > *y || isnan(x)) *y = x;
}

struct region_shape {
    int64_t height, width, channels, regions, pool;
    float scale;
};

/* Is cell inside bin p of an axis? Each step is a float of its own. */
static bool in_bin(int64_t cell, float from, float to, float scale, int64_t pool, int64_t p) {
    volatile float low = from * scale, high = to * scale;
    const double start = round(low), end = round(high);
    const volatile float size = (float)fmax(end - start + 1.0, 1.0), bin = size / (float)pool;
    const volatile float first = (float)p * bin, last = (float)(p + 1) * bin;
    return (double)cell >= start + floor(first) && (double)cell < start + ceil(last);
}

static void oracle_bin(float *want, const struct region_shape *s, struct un_mat x, const float *box,
                       int64_t py, int64_t px) {
    bool any = false;
    for (int64_t i = 0; i < s->height; ++i)
        for (int64_t j = 0; j < s->width; ++j) {
            if (!in_bin(i, box[1], box[3], s->scale, s->pool, py) ||
                !in_bin(j, box[0], box[2], s->scale, s->pool, px))
                continue;
            for (int64_t c = 0; c < s->channels; ++c) {
                if (!any) want[c] = -INFINITY;
                larger(want + c, at(x, i * s->width + j)[c]);
            }
            any = true;
        }
    for (int64_t c = 0; c < s->channels && !any; ++c) want[c] = 0.0f;
}

/* Corners from far left of the map to far right of it, one in eight of them turned round. */
static float *make_boxes(struct un_harness *h, const struct region_shape *s) {
    float *box = un_harness_random(h, s->regions * 4, -0.4f, 1.4f);
    for (int64_t i = 0; i < s->regions * 4; ++i) box[i] *= (float)(i % 2 ? s->height : s->width) / s->scale;
    for (int64_t i = 0; i < s->regions; ++i)
        for (int k = 0; k < 2 && i % 8 != 7; ++k)
            if (box[4 * i + k] > box[4 * i + k + 2]) {
                const float kept = box[4 * i + k];
                box[4 * i + k] = box[4 * i + k + 2], box[4 * i + k + 2] = kept;
            }
    return box;
}

static void run_region_pool(struct un_harness *h, const void *context) {
    const struct region_shape *s = context;
    struct un_mat x = un_harness_mat_random(h, s->height * s->width, s->channels, -2, -1);
    const float *box = make_boxes(h, s);
    struct un_mat y = un_harness_mat(h, s->regions * s->pool * s->pool, s->channels);
    struct un_mat want = un_harness_mat(h, y.rows, y.cols);
    if (x.rows > 1) at(x, x.rows / 3)[0] = NAN;
    h->ops->region_pool(h->q, y, x, s->height, s->width, box, s->regions, s->pool, s->scale);
    for (int64_t r = 0; r < y.rows; ++r)
        oracle_bin(at(want, r), s, x, box + r / s->pool / s->pool * 4, r / s->pool % s->pool, r % s->pool);
    un_harness_same("region_pool", y, want);
}

static void region_pools(void **state) {
    static const struct region_shape all[] = {
        {38, 63, 20, 24, 14, 0.0625f}, {9, 12, 130, 8, 7, 0.0625f}, {1, 1, 3, 9, 14, 0.0625f},
        {13, 64, 1, 16, 14, 0.0625f},  {12, 7, 64, 16, 3, 0.3f},    {5, 5, 7, 0, 7, 0.0625f},
        {30, 40, 9, 17, 1, 1.0f},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        const struct region_shape *s = &all[i];
        const int64_t work = s->regions * s->height * s->width * (s->pool * s->pool + s->channels);
        if (!un_harness_heavy((double)work)) un_harness_each(run_region_pool, s);
    }
}

/* Lengths whose edges come out otherwise in exact arithmetic (57, 62) or with products kept in double (2, 18, 58).
 * The map is one row that holds the numbers of its columns, so that a bin's maximum is its last cell; and the same
 * negated, for its first. */
static void bins_in_single_precision(void **state) {
    static const struct {
        int cells, bin, first, last;
    } known[] = {{57, 13, 52, 57}, {62, 7, 30, 35}, {2, 6, 0, 0}, {18, 7, 9, 10}, {58, 7, 29, 33}};
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    enum { WIDTH = 80, POOL = 14 };
    for (size_t k = 0; k < sizeof known / sizeof *known; ++k) {
        struct un_mat x = un_harness_mat(&h, WIDTH, 2), y = un_harness_mat(&h, POOL * POOL, 2);
        for (int i = 0; i < WIDTH; ++i) at(x, i)[0] = (float)i, at(x, i)[1] = (float)-i;
        const float box[4] = {0, 0, 16.0f * (float)(known[k].cells - 1), 0};
        h.ops->region_pool(h.q, y, x, 1, WIDTH, un_harness_put(&h, box, 4, sizeof *box), 1, POOL, 0.0625f);
        assert_int_equal((int)at(y, known[k].bin)[0], known[k].last);
        assert_int_equal((int)-at(y, known[k].bin)[1], known[k].first);
    }
    un_harness_close(&h);
}

/* Corners between two cells go away from 0; the row's cells hold 1, 2, .. */
static void corners_between_cells(void **state) {
    static const float boxes[2][4] = {{8, 0, 40, 0}, {-8, 0, 40, 0}}; /* cells 1 to 3, -1 to 3 */
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    enum { WIDTH = 6, POOL = 14 };
    struct un_mat x = un_harness_mat(&h, WIDTH, 1), y = un_harness_mat(&h, 2 * POOL * POOL, 1);
    for (int i = 0; i < WIDTH; ++i) at(x, i)[0] = (float)(i + 1);
    h.ops->region_pool(h.q, y, x, 1, WIDTH, un_harness_put(&h, boxes, 8, sizeof(float)), 2, POOL, 0.0625f);
    assert_true(at(y, 0)[0] == 2.0f && at(y, POOL - 1)[0] == 4.0f);
    const int64_t second = POOL * POOL;
    assert_true(at(y, second)[0] == 0.0f && at(y, second + 3)[0] == 1.0f);
    un_harness_close(&h);
}

/* Corners that are no cells: nothing outside the map is read (the harness sees to that), bins that miss it are 0. */
static void odd_boxes(void **state) {
    static const float boxes[][4] = {{NAN, NAN, NAN, NAN},       {-INFINITY, -INFINITY, INFINITY, INFINITY},
                                     {3e38f, 0, 3e38f, 90},      {-3e38f, -3e38f, 3e38f, 3e38f},
                                     {0, -1e30f, 10, -1e29f},    {NAN, 0, 64, 64},
                                     {INFINITY, 0, -INFINITY, 5}};
    enum { BOXES = sizeof boxes / sizeof *boxes, HEIGHT = 5, WIDTH = 6, POOL = 7 };
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    struct un_mat x = un_harness_mat_random(&h, HEIGHT * WIDTH, 20, 1, 2),
                  y = un_harness_mat(&h, BOXES * POOL * POOL, 20);
    const float *box = un_harness_put(&h, boxes, BOXES * 4, sizeof(float));
    h.ops->region_pool(h.q, y, x, HEIGHT, WIDTH, box, BOXES, POOL, 0.0625f);
    for (int64_t r = 0; r < y.rows; ++r)
        for (int64_t c = 0; c < y.cols; ++c)
            assert_true(at(y, r)[c] == 0.0f || (at(y, r)[c] >= 1.0f && at(y, r)[c] <= 2.0f));
    /* The whole plane: the middle bin has the whole map in it. The first box is nowhere. */
    const int64_t middle = POOL / 2 * POOL + POOL / 2;
    float top = 0.0f;
    for (int64_t i = 0; i < x.rows; ++i) larger(&top, at(x, i)[0]);
    assert_true(at(y, POOL * POOL + middle)[0] == top && at(y, 3 * POOL * POOL + middle)[0] == top);
    for (int64_t r = 0; r < POOL * POOL; ++r) assert_true(at(y, r)[0] == 0.0f);
    un_harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(region_pools),
        cmocka_unit_test(bins_in_single_precision),
        cmocka_unit_test(corners_between_cells),
        cmocka_unit_test(odd_boxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
