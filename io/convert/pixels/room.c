/* Sizes against the limits, and memory for them. */
#include "io/convert/pixels/private.h"
#include "runtime/memory.h"

enum { CHANNELS = 3 };

enum un_status un_pixels_check(const struct un_pixels_file *photo, uint64_t width, uint64_t height,
                               uint64_t most) {
    unsigned long long w = width, h = height;
    if (w == 0 || h == 0) return un_fail(UN_DATA, "%s: %llu x %llu pixels", photo->name, w, h);
    if (w > UN_PIXELS_MOST / h)
        return un_fail(UN_DATA, "%s: %llu x %llu pixels are more than the %d that are read", photo->name, w,
                       h, UN_PIXELS_MOST);
    if (most > 0 && (w * h - 1) / most >= photo->n)
        return un_fail(UN_DATA, "%s: truncated: %zu bytes cannot hold %llu x %llu pixels", photo->name,
                       photo->n, w, h);
    return UN_OK;
}

enum un_status un_pixels_grow(uint8_t **memory, size_t *capacity, size_t bytes, const char *what) {
    if (bytes <= *capacity) return UN_OK;
    un_free(*memory); /* first: both at once would be the peak */
    *capacity = 0;
    *memory = un_alloc(bytes, 1, what);
    if (!*memory) return UN_MEMORY;
    *capacity = bytes;
    return UN_OK;
}

enum un_status un_pixels_room(struct un_pixels *pixels, int64_t width, int64_t height) {
    UN_TRY(un_pixels_grow(&pixels->bgr, &pixels->capacity, (size_t)(width * height * CHANNELS),
                          "a photo's pixels"));
    pixels->width = width, pixels->height = height;
    return UN_OK;
}
