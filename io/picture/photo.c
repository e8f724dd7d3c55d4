/* The photo in the sizes in which it is drawn, and regions in it (private.h). */
#include "io/picture/private.h"

#include <math.h>

/* Mean of the pixels that a pixel of the shrunk photo stands for. */
static uint32_t mean(const struct un_picture *p, int64_t left, int64_t top, int64_t right, int64_t bottom) {
    uint64_t sum[3] = {0};
    for (int64_t y = top; y < bottom; ++y)
        for (int64_t x = left; x < right; ++x)
            for (int c = 0; c < 3; ++c) sum[c] += p->bgr[(y * p->width + x) * 3 + c];
    uint64_t n = (uint64_t)((right - left) * (bottom - top));
    return (uint32_t)((sum[2] + n / 2) / n) << 16 | (uint32_t)((sum[1] + n / 2) / n) << 8 |
           (uint32_t)((sum[0] + n / 2) / n);
}

cairo_surface_t *un_ink_shrink(const struct un_picture *p, int64_t most) {
    int64_t width = p->width < most ? p->width : most, height = p->height * width / p->width;
    if (height < 1) height = 1;
    if (height > 2 * most) height = 2 * most;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        cairo_surface_destroy(surface);
        return NULL;
    }
    unsigned char *data = cairo_image_surface_get_data(surface);
    int64_t stride = cairo_image_surface_get_stride(surface);
    for (int64_t y = 0; y < height; ++y)
        for (int64_t x = 0; x < width; ++x) {
            int64_t left = x * p->width / width, right = (x + 1) * p->width / width;
            int64_t top = y * p->height / height, bottom = (y + 1) * p->height / height;
            if (right == left) ++right;
            if (bottom == top) ++bottom;
            uint32_t pixel = mean(p, left, top, right, bottom);
            memcpy(data + y * stride + x * 4, &pixel, sizeof pixel);
        }
    cairo_surface_mark_dirty(surface);
    return surface;
}

void un_ink_photo(struct un_ink *ink, struct un_patch box, cairo_surface_t *photo) {
    if (photo) {
        cairo_save(ink->cr);
        cairo_translate(ink->cr, box.x, box.y);
        cairo_scale(ink->cr, box.width / cairo_image_surface_get_width(photo),
                    box.height / cairo_image_surface_get_height(photo));
        cairo_set_source_surface(ink->cr, photo, 0, 0);
        cairo_paint(ink->cr);
        cairo_restore(ink->cr);
    } else {
        un_ink_colour(ink, (struct un_colour){0.965, 0.965, 0.965}, 1);
        un_ink_fill(ink, box);
    }
    un_ink_colour(ink, un_faint, 1);
    un_ink_frame(ink, box, 1);
}

struct un_patch un_ink_region(const struct un_ink *ink, struct un_patch photo, int64_t region) {
    const float *b = ink->picture->box + region * ink->picture->box_width;
    double left = fmin(fmax((double)b[0], 0), 1), right = fmin(fmax((double)b[2], 0), 1);
    double top = fmin(fmax((double)b[1], 0), 1), bottom = fmin(fmax((double)b[3], 0), 1);
    return (struct un_patch){photo.x + left * photo.width, photo.y + top * photo.height,
                             fmax(right - left, 0) * photo.width, fmax(bottom - top, 0) * photo.height};
}
