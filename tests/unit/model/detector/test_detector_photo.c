/* Sizes and pixels of the network's input, against both axes done one after the other. */
#include "model/detector/photo.h"
#include "runtime/memory.h"
#include "tests/support/check.h"
#include "tests/support/expect.h"
#include "tests/unit/model/detector/plain_boxes.h"

static struct un_detector_how how_of(enum un_detector_profile profile, int64_t shorter, int64_t longest) {
    struct un_detector_how how;
    un_detector_profile(&how, profile);
    how.shorter = shorter;
    how.longest = longest;
    return how;
}

static void sizes(void **state) {
    (void)state;
    static const struct {
        enum un_detector_profile profile;
        int64_t shorter, longest, h, w, to_h, to_w;
    } cases[] = {
        {UN_DETECTOR_CAFFE, 600, 1000, 480, 640, 600, 800},
        {UN_DETECTOR_CAFFE, 600, 1000, 640, 480, 800, 600},
        {UN_DETECTOR_CAFFE, 600, 1000, 300, 900, 333, 1000},
        {UN_DETECTOR_CAFFE, 600, 1000, 1200, 2001, 600, 1000}, /* 1000.5 is 1000 twice: half to even */
        {UN_DETECTOR_CAFFE, 600, 1000, 1200, 2003, 599, 1000}, /* 1001.5 is 1002: too long */
        {UN_DETECTOR_CAFFE, 600, 1000, 1200, 1999, 600, 1000}, /* 999.5 is 1000 */
        {UN_DETECTOR_CAFFE, 600, 1000, 1200, 1989, 600, 994},  /* 994.5 is 994 */
        {UN_DETECTOR_CAFFE, 600, 1000, 1, 1, 600, 600},
        {UN_DETECTOR_CAFFE, 600, 1000, 1, 7, 143, 1000},
        {UN_DETECTOR_CAFFE, 600, 1000, 500, 1, 1000, 2},
        {UN_DETECTOR_PORT, 800, 1333, 480, 640, 800, 1067},
        {UN_DETECTOR_PORT, 800, 1333, 375, 500, 800, 1067},
        {UN_DETECTOR_PORT, 800, 1333, 1600, 2001, 800, 1001}, /* 1000.5 is 1001: upwards */
        {UN_DETECTOR_PORT, 800, 1333, 2001, 1600, 1001, 800},
        {UN_DETECTOR_PORT, 800, 1333, 300, 900, 444, 1333},
        {UN_DETECTOR_PORT, 800, 1333, 900, 300, 1333, 444},
        {UN_DETECTOR_PORT, 800, 1333, 1, 1, 800, 800},
        {UN_DETECTOR_PORT, 800, 1333, 1, 40, 33, 1333},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct un_detector_how how = how_of(cases[i].profile, cases[i].shorter, cases[i].longest);
        struct un_detector_scale s;
        expect_ok(un_detector_scale(&s, cases[i].h, cases[i].w, &how));
        if (s.height != cases[i].to_h || s.width != cases[i].to_w)
            fail_msg("case %zu: %lld x %lld", i, (long long)s.height, (long long)s.width);
        assert_true(s.photo_height == cases[i].h && s.photo_width == cases[i].w);
    }
}

/* 1000.5 is not too long, so that the shorter side decides; 1001.5 is. */
static void factor(void **state) {
    (void)state;
    struct un_detector_how how = how_of(UN_DETECTOR_CAFFE, 600, 1000);
    struct un_detector_scale s;
    expect_ok(un_detector_scale(&s, 1200, 2001, &how));
    assert_true(s.factor == 0.5);
    expect_ok(un_detector_scale(&s, 2003, 1200, &how));
    assert_true(s.factor == 1000.0 / 2003);
}

static void refused(void **state) {
    (void)state;
    struct un_detector_scale s;
    struct un_detector_how how = how_of(UN_DETECTOR_CAFFE, 600, 1000);
    expect_error(un_detector_scale(&s, 0, 5, &how), UN_DATA, "5 x 0");
    expect_error(un_detector_scale(&s, 5, 0, &how), UN_DATA, "0 x 5");
    expect_ok(un_detector_scale(&s, 1, 1999, &how));
    assert_int_equal(s.height, 1);
    expect_error(un_detector_scale(&s, 1, 2000, &how), UN_DATA, "2000 x 1"); /* 0.5 of a row is none */
    how = how_of(UN_DETECTOR_PORT, 800, 1333);
    expect_ok(un_detector_scale(&s, 1, 2600, &how)); /* 0.51 of a row is one */
    expect_error(un_detector_scale(&s, 1, 3000, &how), UN_DATA, "3000 x 1");
    how = how_of(UN_DETECTOR_PORT, 8192, 8192);
    expect_ok(un_detector_scale(&s, 10, 10, &how));
    how = how_of(UN_DETECTOR_PORT, 8193, 8193);
    expect_error(un_detector_scale(&s, 10, 10, &how), UN_DATA, "67108864");
    how = how_of(UN_DETECTOR_CAFFE, 0, 1000);
    expect_error(un_detector_scale(&s, 10, 10, &how), UN_DATA, "0");
}

/* One axis of `caffe`: lines [n] of `in`, `stride` apart, into [outputs] of `out`. */
static void caffe_line(float *out, const float *in, int64_t stride, int64_t n, int64_t outputs,
                       double factor) {
    const double step = 1.0 / factor;
    for (int64_t i = 0; i < outputs; ++i) {
        double u = ((double)i + 0.5) * step - 0.5;
        int64_t low = (int64_t)floor(u);
        float t = (float)(u - floor(u));
        if (low < 0 || low >= n - 1) t = 0;
        if (low < 0) low = 0;
        if (low >= n - 1) low = n - 1;
        int64_t high = low + 1 < n ? low + 1 : n - 1;
        out[i * stride] = in[low * stride] * (1 - t) + in[high * stride] * t;
    }
}

static void port_line(float *out, const float *in, int64_t stride, int64_t n, int64_t outputs) {
    const float step = (float)n / (float)outputs;
    for (int64_t i = 0; i < outputs; ++i) {
        float u = step * ((float)i + 0.5f) - 0.5f;
        u = u < 0 ? 0 : u;
        int64_t low = (int64_t)u, high = low + 1 < n ? low + 1 : low;
        float t = u - (float)low;
        out[i * stride] = in[low * stride] * (1 - t) + in[high * stride] * t;
    }
}

/* Columns of every row, then rows of every column; one channel at a time. */
static void plain_input(float *out, const struct un_photo *p, const struct un_detector_scale *s,
                        enum un_detector_profile profile) {
    static const double mean[3] = {102.9801, 115.9465, 122.7717};
    const bool caffe = profile == UN_DETECTOR_CAFFE;
    float *plane = un_alloc((size_t)(p->height * p->width), sizeof *plane, "a plane");
    float *wide = un_alloc((size_t)(p->height * s->width), sizeof *wide, "a plane");
    float *done = un_alloc((size_t)(s->height * s->width), sizeof *done, "a plane");
    for (int c = 0; c < 3; ++c) {
        for (int64_t i = 0; i < p->height * p->width; ++i)
            plane[i] = caffe ? (float)(p->bgr[3 * i + c] - mean[c]) : (float)p->bgr[3 * i + c];
        for (int64_t y = 0; y < p->height; ++y)
            caffe ? caffe_line(wide + y * s->width, plane + y * p->width, 1, p->width, s->width, s->factor)
                  : port_line(wide + y * s->width, plane + y * p->width, 1, p->width, s->width);
        for (int64_t x = 0; x < s->width; ++x)
            caffe ? caffe_line(done + x, wide + x, s->width, p->height, s->height, s->factor)
                  : port_line(done + x, wide + x, s->width, p->height, s->height);
        for (int64_t i = 0; i < s->height * s->width; ++i)
            out[3 * i + c] = caffe ? done[i] : done[i] - (float)mean[c];
    }
    un_free(plane);
    un_free(wide);
    un_free(done);
}

static void check_photo(enum un_detector_profile profile, int64_t h, int64_t w, int64_t shorter,
                        int64_t longest) {
    struct un_detector_how how = how_of(profile, shorter, longest);
    struct un_detector_scale s;
    uint8_t *bgr = un_alloc((size_t)(h * w * 3), 1, "a photo");
    struct un_photo photo = {bgr, h, w};
    for (int64_t i = 0; i < h * w * 3; ++i) bgr[i] = (uint8_t)(256 * plain_random((uint32_t)(h * 7 + w), i));
    expect_ok(un_detector_scale(&s, h, w, &how));
    const size_t n = (size_t)(s.height * s.width * 3);
    float *got = un_alloc(n + 1, sizeof *got, "an input"), *want = un_alloc(n, sizeof *want, "an input");
    got[n] = 12345;
    un_detector_input(got, &photo, &s, profile);
    plain_input(want, &photo, &s, profile);
    assert_memory_equal(got, want, n * sizeof *got);
    assert_true(got[n] == 12345);
    un_free(got);
    un_free(want);
    un_free(bgr);
}

/* Shrunk, enlarged, kept, a side of one pixel; wider than the columns that are weighed at once. */
static void pixels(void **state) {
    (void)state;
    static const int64_t size[][4] = {
        {40, 60, 32, 48}, {40, 60, 20, 1000}, {13, 9, 30, 64},    {1, 1, 5, 9},     {1, 30, 8, 50},
        {30, 1, 8, 50},   {17, 31, 17, 31},   {21, 200, 30, 300}, {8, 8, 300, 300}, {2, 3, 4, 5}};
    for (size_t i = 0; i < sizeof size / sizeof *size; ++i)
        for (int p = 0; p < UN_DETECTOR_PROFILES; ++p)
            check_photo((enum un_detector_profile)p, size[i][0], size[i][1], size[i][2], size[i][3]);
}

/* A photo of one colour stays it: mean taken off, whatever the size. */
static void one_colour(void **state) {
    (void)state;
    uint8_t bgr[5 * 7 * 3];
    float input[20 * 28 * 3];
    struct un_photo photo = {bgr, 5, 7};
    for (int i = 0; i < 5 * 7; ++i) memcpy(bgr + 3 * i, (const uint8_t[]){10, 200, 255}, 3);
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        struct un_detector_how how = how_of((enum un_detector_profile)p, 20, 100);
        struct un_detector_scale s;
        expect_ok(un_detector_scale(&s, 5, 7, &how));
        assert_true(s.height == 20 && s.width == 28);
        un_detector_input(input, &photo, &s, how.profile);
        for (int i = 0; i < 20 * 28; ++i) {
            assert_near(input[3 * i], 10 - 102.9801, 2e-5);
            assert_near(input[3 * i + 1], 200 - 115.9465, 2e-5);
            assert_near(input[3 * i + 2], 255 - 122.7717, 2e-5);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(factor),
                                       cmocka_unit_test(refused), cmocka_unit_test(pixels),
                                       cmocka_unit_test(one_colour)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
