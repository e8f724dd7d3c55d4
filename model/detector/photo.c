/* From bytes to the network's input, see photo.h. A sample needs four neighbours of the photo; the two columns are weighed first,
 * then the two rows, as both sources do. */
#include "model/detector/photo.h"

#include <math.h>

enum { CHANNELS = 3, CHUNK = 256, MOST_PIXELS = 1 << 26 };

static const double mean_bgr[CHANNELS] = {102.9801, 115.9465, 122.7717};

/* Sizes before they are made whole; rint is half to even, as Python's and the original's round. */
static double scale_caffe(double *h, double *w, const struct un_detector_how *how) {
    double shortest = fmin(*h, *w), largest = fmax(*h, *w), f = (double)how->shorter / shortest;
    if (rint(f * largest) > (double)how->longest) f = (double)how->longest / largest;
    *h = rint(*h * f);
    *w = rint(*w * f);
    return f;
}

static double scale_port(double *h, double *w, const struct un_detector_how *how) {
    double f = (double)how->shorter / fmin(*h, *w);
    double height = *h < *w ? (double)how->shorter : f * *h, width = *h < *w ? f * *w : (double)how->shorter;
    double largest = fmax(height, width);
    if (largest > (double)how->longest) {
        double again = (double)how->longest / largest;
        height *= again;
        width *= again;
        f *= again;
    }
    *h = floor(height + 0.5);
    *w = floor(width + 0.5);
    return f;
}

enum un_status un_detector_scale(struct un_detector_scale *scale, int64_t height, int64_t width,
                                 const struct un_detector_how *how) {
    double h = (double)height, w = (double)width;
    if (height < 1 || width < 1)
        return un_fail(UN_DATA, "a photo of %lld x %lld pixels", (long long)width, (long long)height);
    double f = how->profile == UN_DETECTOR_CAFFE ? scale_caffe(&h, &w, how) : scale_port(&h, &w, how);
    if (!(h >= 1 && w >= 1 && h * w <= MOST_PIXELS))
        return un_fail(UN_DATA,
                       "a photo of %lld x %lld pixels, brought to %lld and at most %lld, is %.0f x %.0f; the "
                       "network takes sides of "
                       "at least 1 and at most %d pixels in all",
                       (long long)width, (long long)height, (long long)how->shorter, (long long)how->longest,
                       w, h, MOST_PIXELS);
    *scale = (struct un_detector_scale){(int64_t)h, (int64_t)w, f, height, width};
    return UN_OK;
}

/* Where an output lies among n values of an axis: between a and b, t of the way. */
struct tap {
    int64_t a, b;
    float t;
};
/* How far apart outputs lie, in values of the axis. */
struct step {
    bool caffe;
    double caffe_step;
    float port_step;
    int64_t n;
};

static struct step step_of(enum un_detector_profile profile, double factor, int64_t n, int64_t outputs) {
    return (struct step){profile == UN_DETECTOR_CAFFE, 1.0 / factor, (float)n / (float)outputs, n};
}

static struct tap tap_at(const struct step *s, int64_t i) {
    struct tap tap;
    if (s->caffe) {
        double at = ((double)i + 0.5) * s->caffe_step - 0.5, low = floor(at);
        tap.a = (int64_t)low;
        tap.t = (float)(at - low);
        if (tap.a < 0) tap = (struct tap){0};
        if (tap.a >= s->n - 1) tap = (struct tap){.a = s->n - 1};
    } else {
        float at = s->port_step * ((float)i + 0.5f) - 0.5f;
        if (at < 0) at = 0;
        tap.a = (int64_t)at;
        if (tap.a > s->n - 1) tap.a = s->n - 1;
        tap.t = at - (float)tap.a;
    }
    tap.b = tap.a < s->n - 1 ? tap.a + 1 : tap.a;
    return tap;
}

/* What each byte counts before it is weighed, and what is taken off after. */
struct levels {
    float value[256][CHANNELS], after[CHANNELS];
};

static void levels_of(struct levels *levels, enum un_detector_profile profile) {
    bool caffe = profile == UN_DETECTOR_CAFFE;
    for (int b = 0; b < 256; ++b)
        for (int c = 0; c < CHANNELS; ++c)
            levels->value[b][c] = caffe ? (float)((double)b - mean_bgr[c]) : (float)b;
    for (int c = 0; c < CHANNELS; ++c) levels->after[c] = caffe ? 0 : (float)mean_bgr[c];
}

/* A row of `count` outputs; out [count,3]. */
static void weigh_row(float *out, const uint8_t *upper, const uint8_t *lower, const struct tap *column,
                      int64_t count, float t, const struct levels *levels) {
    for (int64_t x = 0; x < count; ++x) {
        const struct tap *p = column + x;
        const uint8_t *a = upper + CHANNELS * p->a, *b = upper + CHANNELS * p->b;
        const uint8_t *c = lower + CHANNELS * p->a, *d = lower + CHANNELS * p->b;
        for (int k = 0; k < CHANNELS; ++k) {
            float above = levels->value[a[k]][k] * (1 - p->t) + levels->value[b[k]][k] * p->t;
            float below = levels->value[c[k]][k] * (1 - p->t) + levels->value[d[k]][k] * p->t;
            out[CHANNELS * x + k] = above * (1 - t) + below * t - levels->after[k];
        }
    }
}

void un_detector_input(float *input, const struct un_photo *photo, const struct un_detector_scale *scale,
                       enum un_detector_profile profile) {
    struct levels levels;
    struct tap column[CHUNK];
    struct step down = step_of(profile, scale->factor, photo->height, scale->height);
    struct step across = step_of(profile, scale->factor, photo->width, scale->width);
    levels_of(&levels, profile);
    for (int64_t first = 0; first < scale->width; first += CHUNK) {
        int64_t count = scale->width - first < CHUNK ? scale->width - first : CHUNK;
        for (int64_t x = 0; x < count; ++x) column[x] = tap_at(&across, first + x);
        for (int64_t y = 0; y < scale->height; ++y) {
            struct tap row = tap_at(&down, y);
            weigh_row(input + CHANNELS * (y * scale->width + first),
                      photo->bgr + CHANNELS * photo->width * row.a,
                      photo->bgr + CHANNELS * photo->width * row.b, column, count, row.t, &levels);
        }
    }
}
