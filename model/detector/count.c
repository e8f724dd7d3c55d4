/* Cells and operations of a photo (count.h). */
#include "model/detector/count.h"

#include "model/detector/network.h"
#include "model/detector/private.h"

struct un_detector_cells un_detector_cells(int64_t height, int64_t width) {
    struct un_detector_cells c = {{height}, {width}};
    if (height < UN_DETECTOR_SIDE_LEAST || width < UN_DETECTOR_SIDE_LEAST) return c;
    static const struct un_window stem = UN_DETECTOR_STEM_WINDOW, pool = UN_DETECTOR_POOL_WINDOW,
                                  half = {.size = 1, .stride = 2, .dilation = 1};
    int64_t *axis[] = {c.height, c.width};
    for (int k = 0; k < 2; ++k) {
        int64_t *n = axis[k];
        n[UN_DETECTOR_AT_STEM] = un_window_out(n[UN_DETECTOR_AT_INPUT], &stem);
        n[UN_DETECTOR_AT_RES2] = un_window_out_up(n[UN_DETECTOR_AT_STEM], &pool);
        n[UN_DETECTOR_AT_RES3] = un_window_out(n[UN_DETECTOR_AT_RES2], &half);
        n[UN_DETECTOR_AT_RES4] = un_window_out(n[UN_DETECTOR_AT_RES3], &half);
    }
    return c;
}

/* The widest input of each height up to the square: cells grow with either side, and the sides may change places. */
void un_detector_cells_most(int64_t most[UN_DETECTOR_STEPS], int64_t pixels) {
    for (int s = 0; s < UN_DETECTOR_STEPS; ++s) most[s] = 0;
    for (int64_t height = UN_DETECTOR_SIDE_LEAST; height * height <= pixels; ++height) {
        struct un_detector_cells c = un_detector_cells(height, pixels / height);
        for (int s = 0; s < UN_DETECTOR_STEPS; ++s)
            if (un_detector_cells_at(&c, s) > most[s]) most[s] = un_detector_cells_at(&c, s);
    }
}

static double product(int64_t rows, int64_t out, int64_t in) {
    return 2.0 * (double)rows * (double)out * (double)in;
}

/* rows: cells after the stride, which is in the first convolution. */
static double stage(const struct un_detector_sizes *s, int k, int64_t rows) {
    int64_t in = k == 0 ? s->stem : s->width << (k - 1), mid = s->bottleneck << k, out = s->width << k;
    double blocks = (double)s->blocks[k];
    double first = product(rows, mid, in) + (in == out ? 0 : product(rows, out, in));
    return first + (blocks - 1) * product(rows, mid, out) +
           blocks * (product(rows, mid, 9 * mid) + product(rows, out, mid));
}

void un_detector_part_flops(double flops[UN_DETECTOR_PARTS], const struct un_detector_sizes *s,
                            int64_t height, int64_t width, int64_t regions) {
    struct un_detector_cells c = un_detector_cells(height, width);
    int64_t coarse = un_detector_cells_at(&c, UN_DETECTOR_AT_RES4), features = un_detector_features(s);
    flops[UN_DETECTOR_PART_STEM] = product(un_detector_cells_at(&c, UN_DETECTOR_AT_STEM), s->stem, 3 * 49);
    flops[UN_DETECTOR_PART_RES2] = stage(s, 0, un_detector_cells_at(&c, UN_DETECTOR_AT_RES2));
    flops[UN_DETECTOR_PART_RES3] = stage(s, 1, un_detector_cells_at(&c, UN_DETECTOR_AT_RES3));
    flops[UN_DETECTOR_PART_RES4] = stage(s, 2, coarse);
    flops[UN_DETECTOR_PART_RPN] =
        product(coarse, s->rpn, 9 * 4 * s->width) + product(coarse, 5 * s->anchors, s->rpn);
    flops[UN_DETECTOR_PART_RES5] = stage(s, 3, regions * s->pool * s->pool);
    flops[UN_DETECTOR_PART_CLASSIFIERS] = product(regions, 1 + 5 * s->classes, features) +
                                          product(regions, s->attribute_hidden, features + s->embedding) +
                                          product(regions, s->attributes + 1, s->attribute_hidden);
}

double un_detector_flops(const struct un_detector_sizes *sizes, int64_t height, int64_t width,
                         int64_t regions) {
    double flops[UN_DETECTOR_PARTS], sum = 0;
    un_detector_part_flops(flops, sizes, height, width, regions);
    for (int p = 0; p < UN_DETECTOR_PARTS; ++p) sum += flops[p];
    return sum;
}
