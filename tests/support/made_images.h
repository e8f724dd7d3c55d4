/* A made-up source of images for tests of the sink: every value a function of image, region and column. */
#ifndef UN_TESTS_SUPPORT_MADE_IMAGES_H
#define UN_TESTS_SUPPORT_MADE_IMAGES_H

#include "io/convert/image/source.h"

struct made {
    struct un_image_source source; /* first */
    struct un_image_shape shape;
    int64_t n;
    uint32_t seed;
    bool unsorted;      /* confidences in no order */
    int64_t slow_us;    /* a read takes this long */
    int64_t bad_image;  /* of this image ... */
    const char *bad;    /* "nan" | "box" | "width" | "confidence" | "soft" | "regions" | "read"; NULL: none */
    int64_t bad_region; /* ... this region */
    _Atomic int64_t reads;
};

struct made made_source(int64_t n, struct un_image_shape shape);
int64_t made_regions(const struct made *made, int64_t image);
/* The values as the source gives them, in double. */
double made_feature(const struct made *made, int64_t image, int64_t region, int64_t column);
double made_box(const struct made *made, int64_t image, int64_t region, int column);
double made_confidence(const struct made *made, int64_t image, int64_t region);
double made_soft(const struct made *made, int64_t image, int64_t region, int64_t class_);

#endif
